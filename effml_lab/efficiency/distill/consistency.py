"""Consistency models (Song et al. 2023): the same answer from every point of a path, so that one step is enough.

Along a path of the probability-flow ODE the student f gives one answer, the path's end; at the end itself it must give back
what it is given, f(x, clean) = x. Denoisers of v, flow, edm and eps networks do so by their form, x0 = x where sigma = 0 (the
paper's c_skip and c_out are EDM's, moved to a least sigma), and the loss takes it so for all. Neighbours on a path are pulled
together,
  L = d(f(x at cur), f'(x at nxt)),    x at nxt = one step from x with some guess of x0,
f' a slow copy (EMA) of f that gets no gradient: the answer is known at the clean end and travels up from there.
  distillation (CD)   the guess is the teacher's
  training (CT)       it is the picture itself: no teacher, and x at nxt has the very noise of x at cur
  guided (LCM)        the teacher's guess is guided by w, which the student is told (Luo et al. 2023): the path is
                      the guided one, and its end takes one call of the student
More steps: guess, add fresh noise at a lower level, guess again (algorithm 1), which is `step` with fresh = 1.
Left out: LPIPS as the distance d, Heun's step from neighbour to neighbour, and CT's schedules of scales and of the copy's decay.
"""
from typing import Callable, Iterator

import torch
from torch import Tensor

from ...diffusion.guidance import guided
from ...diffusion.levels import Level
from ...diffusion.step import randn, step, steps
from .stops import alike, error


def loss(student: Callable, slow: Callable, x: Tensor, guess: Tensor, cur: Level, nxt: Level, kind: str = "x0") -> Tensor:
    """The error of the student at x (B, ...) of level cur to its slow copy, a step further along; a scalar.

    student, slow: (x, level) -> x0. guess: of x0 at x, like x: the teacher's (CD), or the picture that x was made of (CT).
    kind: a key of `stops.WEIGHTS`.
    """
    alike(guess, x)
    with torch.no_grad():
        on = step(x, guess, cur, nxt)
        want = torch.where(torch.as_tensor(nxt.sigma, device=x.device) == 0, on, slow(on, nxt))    # f(x, clean) = x
    return error(student(x, cur), want, cur, kind)


def guided_loss(student: Callable, slow: Callable, teacher: Callable, x: Tensor, cur: Level, nxt: Level, cond: Tensor,
                null: Tensor, w: Tensor, kind: str = "x0") -> Tensor:
    """The loss where the teacher guides by w (B,) and the student is told it (LCM, algorithm 1); a scalar.

    Their w is ours less 1. student, slow: (x, level, {"class": (B,), "w": (B,)}) -> x0. teacher: (x, level, cond) -> x0.
    """
    with torch.no_grad():
        guess = guided(teacher, cond, null, w)(x, cur)
    told = {"class": cond, "w": w}
    return loss(*(lambda x, level, f=f: f(x, level, told) for f in (student, slow)), x, guess, cur, nxt, kind)


@torch.no_grad()
def multistep(denoise: Callable, x: Tensor, grid: list[Level], rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """Consistency sampling (algorithm 1): at each level a guess, then fresh noise of the next; none at the clean end.

    x: (B, ...) at grid[0]. A sampler like all others; the cost is one call a step.
    """
    for cur, nxt in steps(grid):
        x = step(x, denoise(x, cur), cur, nxt, 1.0, randn(x, rng) if nxt.sigma else None)
        yield x
