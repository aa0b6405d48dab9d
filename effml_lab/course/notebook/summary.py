"""What a lab ends with: its marks by exercise, and the student's own point on the course's plot of cost against quality.

Under nbgrader nothing is written to the student's files.
"""
from dataclasses import asdict

from IPython.display import HTML, display

from ...bench import point
from ...measure import plots, records
from ..contract.report import html_table
from ..exercises import find, of_lab
from . import marks
from .check import SESSION
from .figures import figure
from .start import LAB


def summary(own: records.Record | None = None) -> None:
    """The marks of this lab by exercise, and the student's point on the course's plot of speed against quality."""
    ids = of_lab(LAB["name"])
    rows = [(find(id).title, f"{SESSION[id]!r} of {SESSION[id].of:g}" if id in SESSION else "not run") for id in ids]
    earned, of = (sum(getattr(SESSION[id], field) for id in ids if id in SESSION) for field in ("points", "of"))
    display(HTML(html_table(("Exercise", "Points"), [*rows, ("All that were run", f"{earned:g} of {of:g}")])))
    if own:
        marks.note("pareto.jsonl", asdict(own))
    course_plot(own)


def course_plot(own: records.Record | None = None, y: str = "kid") -> None:
    """Cost against quality as recorded on the model of this lab, and one's own point; nothing if there is neither."""
    file, draw, label = PLOTS[MODELS.get(LAB["name"], "shapes")]
    recorded = [r for r in point.recorded(file).values() if y in r.quality]
    points = [*(r for r in recorded if r.nfe), *([own] if own else [])]
    if not points:
        return
    front = [points[i] for i in plots.front([(r.nfe, r.quality[y]["value"]) for r in points])]
    alt = f"Network evaluations per image against {label}: " + "; ".join(
        f"{r.technique} {r.nfe:g} evaluations, distance {r.quality[y]['value']:.3g}"
        for r in [*(r for r in front if r is not own), *([own] if own else [])])
    with figure(alt, height=3.6) as ax:
        draw(ax, recorded, [own] if own else [], y=y, label=label)


MODELS = {"01_ddpm": "digits"}          # which model a lab measures on, where it is not the shapes'
PLOTS = {                               # model -> recorded results, the figure, the name of its y axis
    "digits": ("digits", lambda ax, rows, own, **axis: plots.pareto(ax, [r for r in [*rows, *own] if r.nfe], **axis),
               "KID to held-out digits"),
    "shapes": ("samplers", lambda ax, rows, own, **axis: plots.tradeoff(ax, rows, own=own, **axis),
               "KID to real shapes"),
}
