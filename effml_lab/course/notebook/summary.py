"""What a lab ends with: its marks by exercise, the student's own point on a plot of cost against quality, which factor of the
cost the lab was about, and, unfolded, all labs and all own points so far.

Each plot is of one model: points of other models lie elsewhere, and are listed. Under nbgrader nothing is written to the
student's files, and nothing read from them.
"""
from dataclasses import asdict
from typing import Callable, NamedTuple

from IPython.display import HTML, display

from ...bench import factors, point
from ...measure import plots, records
from ..contract.report import html_table
from ..exercises import EXERCISES, find, of_lab
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
    lines = [line for line in factors.factors() if line.lab == LAB["name"][:2]]
    if lines:
        head = ("Factor of the cost", "Change", "Measured", "Paid with, or bought")
        display(HTML(html_table(head, [line[1:] for line in lines])))
    if not marks.grading():
        display(HTML(so_far()))


def so_far() -> str:
    """All labs and all own points, folded: what the home folder holds."""
    best, labs = marks.best(), sorted({id[:2] for id in EXERCISES if id[:2].isdigit()})
    done = {lab: [row for id, row in best.items() if id in EXERCISES and id[:2] == lab and row.get("of")] for lab in labs}
    rows = [(lab, f"{len(done[lab])} of {sum(id[:2] == lab for id in EXERCISES)}",
             f"{sum(row['points'] for row in done[lab]):g} of {sum(row['of'] for row in done[lab]):g}") for lab in labs]
    newest = {row["technique"]: row for row in marks.read("pareto.jsonl") if "technique" in row}
    points = [(name, f"{row['nfe']:g}" if row.get("nfe") else "", f"{row['bytes']:,}" if row.get("bytes") else "",
               "; ".join(f"{what} {found['value']:.3g}" for what, found in row.get("quality", {}).items()))
              for name, row in newest.items()]
    own = html_table(("Your point", "Evaluations", "Bytes", "Quality"), points) if points else ""
    return (f"<details><summary>All labs so far</summary>"
            f"{html_table(('Lab', 'Exercises run', 'Points of those'), rows)}{own}</details>")


class Plot(NamedTuple):
    """What the model of a lab is plotted on: rows of recorded results, over a cost, and how they are drawn."""
    file: str
    label: str                          # of the y axis
    draw: Callable                      # (ax, rows, own rows, y=, label=)
    y: str = "kid"
    cost: str = "nfe"
    unit: str = "evaluations"
    shown: Callable[[records.Record], bool] = lambda row: True


def course_plot(own: records.Record | None = None) -> None:
    """Cost against quality as recorded on the model of this lab, and one's own point; nothing if there is neither."""
    plot = PLOTS[MODELS.get(LAB["name"], "shapes")]
    y = plot.y
    recorded = [r for r in point.recorded(plot.file).values() if y in r.quality and plot.shown(r)]
    cost = lambda row: getattr(row, plot.cost)
    points = [*(r for r in recorded if cost(r)), *([own] if own else [])]
    if not points:
        return
    front = [points[i] for i in plots.front([(cost(r), r.quality[y]["value"]) for r in points])]
    alt = f"Cost in {plot.unit} against {plot.label}: " + "; ".join(
        f"{r.technique} {cost(r):g} {plot.unit}, distance {r.quality[y]['value']:.3g}"
        for r in [*(r for r in front if r is not own), *([own] if own else [])])
    with figure(alt, height=3.6) as ax:
        plot.draw(ax, recorded, [own] if own else [], y=y, label=plot.label)


def sized(ax, rows: list[records.Record], own: list[records.Record], **axis) -> None:
    """Error over bytes."""
    plots.pareto(ax, [*rows, *own], x="bytes", **axis)
    ax.set_yscale("log")


SIZED = tuple(f"dit, {name}" for name in (
    "bf16", "w8a8, rounded", "w4a16, rounded", "w4a4, rounded", "SVDQuant, w4a4, rank 32",
    "SVDQuant, w4a8, rank 32", "equal bytes, small groups"))
MODELS = {"01_ddpm": "digits", "05_quantization": "dit", "06_triton_kernels": "dit"}    # where it is not the shapes' model
PLOTS = {
    "digits": Plot("digits", "KID to held-out digits",
                   lambda ax, rows, own, **axis: plots.pareto(ax, [r for r in [*rows, *own] if r.nfe], **axis)),
    "shapes": Plot("samplers", "KID to real shapes", lambda ax, rows, own, **axis: plots.tradeoff(ax, rows, own=own, **axis)),
    "dit": Plot("quant", "error of the median picture", sized, "rmse_median", "bytes", "bytes",
                lambda row: row.technique in SIZED),
}
