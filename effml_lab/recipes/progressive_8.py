"""The progressive student of 8 steps, from `progressive_16`; lab 04."""
from functools import partial
from pathlib import Path

from . import progressive, students

examine = partial(students.examine, name="progressive_8")


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train it by the recipe of `progressive` and return its path; None if `minutes` ran out before the end."""
    return progressive.train(8, device, out, steps, minutes, examine)
