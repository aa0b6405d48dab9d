"""What a notebook calls: begin, figure, slider, summary. No idea of the course lives here, only the plumbing.

A figure carries its alt text, is closed after it is shown, and says in one sentence that there is nothing to draw
while the function it draws is still a stub, so that a fresh lab runs from top to bottom. A slider redraws a picture
that lies beside a static figure, since a page on the web has no kernel. Under nbgrader nothing is written to the
student's files.
"""
import io
import os
import platform
import sys
from contextlib import contextmanager
from typing import Callable, Iterator

import matplotlib.pyplot as plt
import torch
from IPython.display import HTML, display

from . import marks
from .exercises import of_lab
from .judge import SESSION, find
from .table import html_table
from .. import __version__, recipes
from ..measure import bench, plots

LAB = {"name": ""}      # the notebook that runs, for summary()
COLAB = "In Colab: Runtime, Change runtime type, T4 GPU, then run from the top."


def begin(lab: str, release: str = __version__) -> None:
    """Name the lab and say what it runs on."""
    LAB["name"] = lab
    if marks.grading():
        os.environ["TQDM_DISABLE"] = "1"
        torch.set_num_threads(1)        # several submissions may be graded at once: threads that wait crawl
    print(f"{lab} · effml_lab {__version__} · Python {platform.python_version()} · torch {torch.__version__}")
    if torch.cuda.is_available():
        print(f"Device: {torch.cuda.get_device_name()}.")
    else:
        print("Device: the CPU, which is all that this notebook needs. "
              + (COLAB if "google.colab" in sys.modules else "A GPU makes it bigger, not different."))
    if release != __version__:
        print(f"This notebook was written for effml_lab {release}, and {__version__} is installed: "
              f"install the release v{release}, or take the notebook of v{__version__}.")


def shortened(full: int, short: int) -> int:
    """`full`, or `short` while nbgrader runs the notebook: for work that takes long and is not graded."""
    return short if marks.grading() else full


@contextmanager
def figure(alt: str, width: float = 7.0, height: float = 3.0, rows: int = 1, cols: int = 1) -> Iterator:
    """Open axes (one, or an array of rows x cols), show the figure with its alt text, close it. Sizes in inches."""
    with plots.style():
        fig, axes = plt.subplots(rows, cols, figsize=(width, height))
        try:
            yield axes
            display(fig, metadata={"image/png": {"alt": alt}})
        except NotImplementedError:
            print("Nothing to draw yet: this figure needs the function above, which is still a stub.")
        finally:
            plt.close(fig)


def slider(draw: Callable, low: int, high: int, value: int, label: str = "t", width: float = 7.0,
           height: float = 2.4) -> None:
    """An integer slider beside a picture: draw(ax, value) paints it, again at each move."""
    import ipywidgets as widgets

    def painted(now: int) -> bytes:
        with plots.style():
            fig, ax = plt.subplots(figsize=(width, height))
            draw(ax, now)
            file = io.BytesIO()
            fig.savefig(file, format="png")
            plt.close(fig)
        return file.getvalue()

    try:
        picture = widgets.Image(value=painted(value), format="png")
    except NotImplementedError:
        plt.close("all")
        print("Nothing to draw yet: this slider needs the function above, which is still a stub.")
        return
    knob = widgets.IntSlider(value=value, min=low, max=high, description=label, continuous_update=False)
    knob.observe(lambda change: setattr(picture, "value", painted(change["new"])), "value")
    display(widgets.VBox([knob, picture]))


def summary(point: bench.Record | None = None) -> None:
    """The marks of this lab by exercise, and the student's point on the course's plot of speed against quality."""
    ids = of_lab(LAB["name"])
    rows = [(find(id).title, f"{SESSION[id]!r} of {SESSION[id].of:g}" if id in SESSION else "not run") for id in ids]
    earned, of = (sum(getattr(SESSION[id], field) for id in ids if id in SESSION) for field in ("points", "of"))
    display(HTML(html_table(("Exercise", "Points"), [*rows, ("All that were run", f"{earned:g} of {of:g}")])))
    if point:
        marks.note("pareto.jsonl", bench.asdict(point))
    course_plot(point)


def course_plot(own: bench.Record | None = None, y: str = "kid") -> None:
    """Cost against quality as recorded on the model of this lab, and one's own point; nothing if there is neither."""
    file, draw, label = PLOTS[MODELS.get(LAB["name"], "shapes")]
    recorded = [r for r in recipes.recorded(file).values() if y in r.quality]
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
