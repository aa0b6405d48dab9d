"""Step distillation that knows of guidance (SnapFusion, Li et al. 2023, section 4.2): guided on both sides.

A student of fewer steps that learned its teacher's *unguided* steps is wrong by more once it is guided, since w multiplies the
difference of two guesses, and their errors with it. So teacher and student are both guided, by one w, and the loss is the plain
one of `progressive`. The student keeps two calls a step. SnapFusion does so in a share of the steps, with w drawn from a range,
and trains on the plain loss in the others.
Left out: SnapFusion's L_ori, and the scales of the losses.
"""
from typing import Callable

from torch import Tensor

from ...diffusion.denoise import Condition
from ...diffusion.guidance import guided
from ...diffusion.levels import Level
from . import progressive


def loss(student: Callable, teacher: Callable, z: Tensor, cur: Level, mid: Level, nxt: Level, cond: Condition, null: Condition,
         w: float | Tensor, kind: str = "floor") -> Tensor:
    """The loss of `progressive` with teacher and student both guided by w, a number or one for each row; a scalar.

    student, teacher: (x, level, cond) -> x0. kind: a key of `stops.WEIGHTS`. w = 1 is the plain loss of the conditional guesses.
    """
    return progressive.loss(guided(student, cond, null, w), guided(teacher, cond, null, w), z, cur, mid, nxt, kind)
