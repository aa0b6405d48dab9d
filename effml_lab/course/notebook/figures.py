"""Figures and sliders of a notebook.

A figure carries its alt text, is closed after it is shown, and says in one sentence that there is nothing to draw
while the function it draws is still a stub, so that a fresh lab runs from top to bottom. A slider redraws a picture
that lies beside a static figure, since a page on the web has no kernel.
"""
import io
from contextlib import contextmanager
from typing import Callable, Iterator

import matplotlib.pyplot as plt
from IPython.display import display

from ...measure import plots


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
