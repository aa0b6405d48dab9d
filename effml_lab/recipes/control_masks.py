"""The course model, told which pixels the shape covers: `control` with masks in place of edges, half as long; lab 03."""
from functools import partial
from pathlib import Path

from ..datasets import shapes as data
from . import control

STEPS = 2500
examine = partial(control.examine, name="control_masks", hint=data.masks)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train it by the recipe of `control`, store it as `control_masks` and return its path; None if `minutes` ran out."""
    return control.train(device, out, steps or STEPS, minutes, "control_masks", data.masks, examine)
