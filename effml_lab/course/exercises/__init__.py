"""All exercises of the course by id: one package a lab, which lists its exercises in order.

What several labs share lies beside the packages: `common` (tables, tolerances, what comes from rng), `gaussian` (data whose
answer is known), `moments` (means and sizes of a step), `noise` (whether it is new and normal), `retrace` (a random walk
followed step by step), `walks` (samplers on grids). `lab01_ddpm/forward.py` is a model of one that judges a function.
To write one:
  cases    all that stands in a case is shown beside a failure and lies in check.case: inputs, never the answer. Edges occur in
           every run: the first and the last t, a batch of one, several channels, both dtypes.
  run      notes what the code asks of what it is handed, and hands out copies.
  verify   one row a fault. The first is the gate, of weight 0: what following cells need of type, shape and dtype. Where it
           fails and there is something to judge, it stays `readable`, so that a later row can tell the cause. What was wrong
           before is not told again: a later row starts from the student's own earlier values.
  slips    cause -> the value that this slip would give; a cause is told only if it predicts what was seen in all cases.
  own      everything of the package that would do a line of the solution.
  weights  names every row once, as a constant that `verify` uses too.
The bank in tests/mutants comes first: what people write who have not seen the solution.
"""
import difflib

from ..contract.exercise import Exercise
from . import lab01_ddpm, lab02_samplers, lab03_guidance, lab04_distillation, lab05_quantization, lab06_triton_kernels

LABS = lab01_ddpm, lab02_samplers, lab03_guidance, lab04_distillation, lab05_quantization, lab06_triton_kernels

EXERCISES: dict[str, Exercise] = {exercise.id: exercise for lab in LABS for exercise in lab.EXERCISES}


def of_lab(lab: str) -> list[str]:
    """The ids of a lab's exercises, in order; lab: its number, "01", or its name, "01_ddpm"."""
    return [id for id in EXERCISES if id.startswith(lab[:2] + "-")]


def find(id: str) -> Exercise:
    """The exercise of an id, or one sentence with the id that was meant."""
    if id not in EXERCISES:
        near = difflib.get_close_matches(id, EXERCISES, 1)
        raise ValueError(f"there is no exercise {id!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    return EXERCISES[id]
