"""Progressive distillation (Salimans and Ho 2022, algorithm 2): one step that lands where two of the teacher's do.

From z at level cur the teacher walks by mid to nxt, two DDIM steps, and arrives at z''. The student's one step arrives there
too if its guess of x0 is
  x_target = (z'' - (sigma'' / sigma) z) / (alpha'' - (sigma'' / sigma) alpha),
which is DDIM's step solved for x0. Into the clean end this is the teacher's guess at mid. The student begins with the
teacher's weights; when it has learned, it is the teacher of the next round, of half as many steps: 32, 16, 8, 4, 2, 1.
Data serve only to make noisy inputs. An eps-net knows nothing of x0 in pure noise, where the last student is asked: take v or x0.
Left out: the stochastic sampler of Meng et al. 2023.
"""
from typing import Callable

import torch
from torch import Tensor

from ...diffusion.levels import Level
from ...diffusion.step import step
from .stops import aim, error


@torch.no_grad()
def target(teacher: Callable, z: Tensor, cur: Level, mid: Level, nxt: Level) -> Tensor:
    """The x0 (B, ...) with which one step from z at cur lands where the teacher's two do, by mid to nxt.

    teacher: (x, level) -> x0. Levels: one for all rows, or one for each, (B, 1, ...).
    """
    half = step(z, teacher(z, cur), cur, mid)
    return aim(z, step(half, teacher(half, mid), mid, nxt), cur, nxt)


def loss(student: Callable, teacher: Callable, z: Tensor, cur: Level, mid: Level, nxt: Level, kind: str = "floor") -> Tensor:
    """The weighted error of the student's guess at z; a scalar. kind: a key of `stops.WEIGHTS`."""
    return error(student(z, cur), target(teacher, z, cur, mid, nxt), cur, kind)
