"""The course model, told which pixels the shape covers: `control` with masks in place of edges; lab 03."""
from functools import partial
from pathlib import Path

from torch import Tensor

from ..datasets import shapes as scenes
from . import control


def covered(drawn: scenes.Scenes) -> Tensor:
    """The hint: masks (N, 1, 32, 32), 0 to 1."""
    return scenes.masks(drawn)


examine = partial(control.examine, name="control_masks", hint=covered)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train it by the recipe of `control`, store it as `control_masks` and return its path; None if `minutes` ran out."""
    return control.train(device, out, steps, minutes, "control_masks", covered)
