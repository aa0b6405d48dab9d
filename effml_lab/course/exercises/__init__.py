"""All exercises of the course by id: one package a lab, which lists its exercises in order.

What several labs share lies beside the packages: `common` (tables, shapes, tolerances), `gaussian` (data whose answer is
known), `moments` (means and sizes of a step), `noise` (whether it is new and normal), `retrace` (a random walk followed step
by step), `walks` (samplers on grids).
"""
import difflib

from ..contract.exercise import Exercise
from . import lab01_ddpm, lab02_samplers

EXERCISES: dict[str, Exercise] = {exercise.id: exercise for lab in (lab01_ddpm, lab02_samplers) for exercise in lab.EXERCISES}


def of_lab(lab: str) -> list[str]:
    """The ids of a lab's exercises, in order; lab: its number, "01", or its name, "01_ddpm"."""
    return [id for id in EXERCISES if id.startswith(lab[:2] + "-")]


def find(id: str) -> Exercise:
    """The exercise of an id, or one sentence with the id that was meant."""
    if id not in EXERCISES:
        near = difflib.get_close_matches(id, EXERCISES, 1)
        raise ValueError(f"there is no exercise {id!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    return EXERCISES[id]
