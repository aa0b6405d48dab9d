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
        if cols > 1 and fig.get_layout_engine() is not None:
            fig.get_layout_engine().set(wspace=0.06)                    # panels of pictures do not touch
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
    panel(lambda ax, **values: draw(ax, values[label]), {label: (low, high, value)}, width, height)


def panel(draw: Callable, knobs: dict[str, tuple | list | str], width: float = 7.0, height: float = 2.4) -> None:
    """Knobs beside a picture: draw(ax, **values) paints it, again whenever one of them is moved.

    knobs: name -> (low, high, value), whole numbers or not; a list of choices; or a text. What draw refuses with a ValueError
    is told in its sentence, and the picture stays.
    """
    import ipywidgets as widgets

    def painted() -> bytes:
        with plots.style():
            fig, ax = plt.subplots(figsize=(width, height))
            try:
                draw(ax, **{name: each.value for name, each in moved.items()})
                file = io.BytesIO()
                fig.savefig(file, format="png")
            finally:
                plt.close(fig)
        return file.getvalue()

    def repaint(_) -> None:
        try:
            picture.value, told.value = painted(), ""
        except ValueError as error:
            told.value = str(error)

    moved, told = {name: knob(widgets, name, what) for name, what in knobs.items()}, widgets.Label()
    try:
        picture = widgets.Image(value=painted(), format="png")
    except NotImplementedError:
        print("Nothing to draw yet: this needs the function above, which is still a stub.")
        return
    for each in moved.values():
        each.observe(repaint, "value")
    display(widgets.VBox([*moved.values(), told, picture]))


def knob(widgets, name: str, what: tuple | list | str):
    """The widget of one knob; a text and a slider speak when they are let go."""
    if isinstance(what, str):
        return widgets.Text(value=what, description=name, continuous_update=False, layout=widgets.Layout(width="40em"))
    if isinstance(what, list):
        return widgets.Dropdown(options=what, description=name)
    low, high, value = what
    kind = widgets.IntSlider if all(isinstance(n, int) for n in what) else widgets.FloatSlider
    return kind(value=value, min=low, max=high, description=name, continuous_update=False)
