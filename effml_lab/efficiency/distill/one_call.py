"""Guidance distillation (Meng et al. 2023, stage 1): guidance that costs one call, from a student that is told w.

It learns the guided guess of its teacher,
  L = E weight(level) |student(x, class, w) - [null + w (class - null)]|^2,    w uniform in a range; theirs is ours less 1.
One call instead of two at every step; outside of the range nothing was asked.
Left out: stage 2, which is `progressive` on this student.
"""
from typing import Callable

import torch
from torch import Tensor

from ...diffusion.guidance import guided
from ...diffusion.levels import Level
from .stops import error


def loss(student: Callable, teacher: Callable, x: Tensor, level: Level, cond: Tensor, null: Tensor, w: Tensor,
         kind: str = "v") -> Tensor:
    """The weighted error of one call that is told w to the teacher's guided guess at x (B, ...); a scalar.

    student: (x, level, {"class": (B,), "w": (B,)}) -> x0. teacher: (x, level, cond) -> x0. cond: (B,), null: (1,), w: (B,).
    kind: a key of `stops.WEIGHTS`.
    """
    with torch.no_grad():
        want = guided(teacher, cond, null, w)(x, level)
    return error(student(x, level, {"class": cond, "w": w}), want, level, kind)
