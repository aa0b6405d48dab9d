"""A consistency model trained from pictures alone, without its teacher's guesses (Song et al. 2023, section 5); lab 04.

It begins with the weights of the course model all the same, as `consistency` does, so that the two differ in the guess alone.
"""
from functools import partial
from pathlib import Path

from . import consistency, students

examine = partial(students.examine, name="consistency_alone")


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train it by the recipe of `consistency` and return its path; None if `minutes` ran out before the end."""
    return consistency.train(device, out, steps, minutes, "consistency_alone", False, examine)
