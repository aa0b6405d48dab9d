"""Distillation and guidance: guidance that costs one call, and students whose own guidance works.

Guidance distillation (Meng et al. 2023, stage 1): a student that is told w learns the guided guess of its teacher,
  L = E weight(level) |student(x, class, w) - [null + w (class - null)]|^2,    w uniform in a range; theirs is ours less 1.
One call instead of two at every step; outside of the range nothing was asked.
Step distillation that knows of guidance (SnapFusion, Li et al. 2023, section 4.2): a student of fewer steps that learned the
teacher's *unguided* steps is wrong by more once it is guided, since w multiplies the difference of two guesses, and their errors
with it. So in a share p of the steps teacher and student are both guided, by one w, and the loss is the plain one of
`progressive`; the student keeps two calls a step.
Left out: SnapFusion's L_ori and the scaling of the two; stage 2 of Meng et al. is `progressive` on the student of stage 1.
"""
from typing import Callable

import torch
from torch import Tensor

from ...diffusion.denoise import Condition
from ...diffusion.guidance import guided
from ...diffusion.levels import Level
from . import progressive
from .stops import error


def loss(student: Callable, teacher: Callable, x: Tensor, level: Level, cond: Tensor, null: Tensor, w: Tensor,
         kind: str = "v") -> Tensor:
    """The weighted error of one call that is told w to the teacher's guided guess at x (B, ...); a scalar.

    student: (x, level, {"class": (B,), "w": (B,)}) -> x0. teacher: (x, level, cond) -> x0. cond: (B,), null: (1,), w: (B,).
    """
    with torch.no_grad():
        want = guided(teacher, cond, null, w)(x, level)
    return error(student(x, level, {"class": cond, "w": w}), want, level, kind)


def aware(student: Callable, teacher: Callable, z: Tensor, cur: Level, mid: Level, nxt: Level, cond: Condition,
          null: Condition, w: float | Tensor, kind: str = "floor") -> Tensor:
    """The loss of `progressive` with teacher and student both guided by w, a number or one for each row; a scalar.

    student, teacher: (x, level, cond) -> x0. w = 1 is the plain loss of the conditional guesses.
    """
    return progressive.loss(guided(student, cond, null, w), guided(teacher, cond, null, w), z, cur, mid, nxt, kind)
