"""Consistency models (Song et al. 2023): the same answer from every point of a path, so that one step is enough.

Along a path of the probability-flow ODE the student f gives one answer, the path's end; at the end itself it must give back
what it is given, f(x, clean) = x. Denoisers of v, flow, edm and eps networks do so by their form, x0 = x where sigma = 0
(those of x0 do not); the paper's own, for alpha = 1 down to a least sigma, is `boundary`. Neighbours on a path are pulled
together,
  L = d(f(x at cur), f'(x at nxt)),    x at nxt = one step from x with some guess of x0,
f' a slow copy (EMA) of f that gets no gradient: the answer is known at the clean end and travels up from there.
  distillation (CD)   the guess is the teacher's, guided if need be (LCM, Luo et al. 2023)
  training (CT)       it is the picture itself: no teacher, and x at nxt has the very noise of x at cur
More steps: guess, add fresh noise at a lower level, guess again (algorithm 1), which is `step` with fresh = 1.
Left out: LPIPS as the distance d, and CT's schedules of scales and of the copy's decay.
"""
from typing import Callable, Iterator

import torch
from torch import Tensor

from ...diffusion.levels import Level
from ...diffusion.step import randn, step, steps
from .stops import error


def boundary(sigma: float | Tensor, least: float = 0.002, data: float = 0.5) -> tuple:
    """c_skip and c_out of the paper (appendix C), f = c_skip x + c_out F: (1, 0) at the least sigma. Levels with alpha = 1."""
    off = sigma - least
    return data**2 / (off**2 + data**2), data * off / (sigma**2 + data**2) ** 0.5


def loss(student: Callable, slow: Callable, x: Tensor, guess: Tensor, cur: Level, nxt: Level, kind: str = "x0") -> Tensor:
    """The error of the student at x (B, ...) of level cur to its slow copy, a step further along; a scalar.

    student, slow: (x, level) -> x0. guess: of x0 at x, like x: the teacher's (CD), or the picture that x was made of (CT).
    kind: a key of `stops.WEIGHTS`.
    """
    with torch.no_grad():
        want = slow(step(x, guess, cur, nxt), nxt)
    return error(student(x, cur), want, cur, kind)


@torch.no_grad()
def multistep(denoise: Callable, x: Tensor, grid: list[Level], rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """Consistency sampling (algorithm 1): at each level a guess, then fresh noise of the next; none at the clean end.

    x: (B, ...) at grid[0]. A sampler like all others; the cost is one call a step.
    """
    for cur, nxt in steps(grid):
        x = step(x, denoise(x, cur), cur, nxt, 1.0, randn(x, rng) if nxt.sigma else None)
        yield x
