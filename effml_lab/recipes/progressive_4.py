"""The progressive student of 4 steps, from `progressive_8`; lab 04."""
from functools import partial
from pathlib import Path

from . import progressive, students

examine = partial(students.examine, name="progressive_4")


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train it by the recipe of `progressive` and return its path; None if `minutes` ran out before the end."""
    return progressive.train(4, device, out, steps, minutes, examine)
