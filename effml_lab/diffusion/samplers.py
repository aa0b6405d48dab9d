"""Samplers: generators that walk a grid of levels from noise to an image, all on one `step`.

  ddim, ddpm        the network's own guess; DDIM (Song et al. 2021) keeps its noise, DDPM (Ho et al. 2020) renews some
  heun, dpm_2s      a second look at the end or the middle of the step (Karras et al. 2022; Lu et al. 2022a)
  dpmpp_2m, _3m     a line or a parabola through guesses already paid for (Lu et al. 2022b); _3m_corrected begins better
  unipc             2M, and each step made again when the guess at its end is known (Zhao et al. 2023)
What they feed the step is in guess.py. The cost in network calls (NFE) is the number of steps, for heun about twice it.

Every sampler yields the state after each step; the last one is at grid[-1]. Progress bars, films and early stops
belong to whoever iterates. Left out: UniPC above order 2, stochastic differential equations as such (sde.py).
"""
import math
from functools import partial
from itertools import zip_longest
from typing import Callable, Iterator

import torch
from torch import Tensor

from .guess import correction, forecast, middle
from .levels import Level
from .step import last, randn, share, start, step, steps  # noqa: F401, last and start are read from here too


@torch.no_grad()
def ddim(denoise: Callable, x: Tensor, grid: list[Level], eta: float = 0.0,
         rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """DDIM, Song et al. 2021, eq. 12. eta scales the standard deviation of fresh noise: 0 deterministic, 1 DDPM.

    x: (B, ...) at grid[0]. With eta = 0 a grid that rises in noise inverts: from an image to its noise.
    """
    for cur, nxt in steps(grid, up=eta == 0):
        fresh = share(cur, nxt, eta) if eta else 0.0
        x = step(x, denoise(x, cur), cur, nxt, fresh, randn(x, rng) if fresh and nxt.sigma else None)
        yield x


@torch.no_grad()
def ddpm(denoise: Callable, x: Tensor, grid: list[Level], variance: str = "small",
         rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """Ancestral sampling, Ho et al. 2020, algorithm 2, on the kept levels, for any family.

    variance: "small", the posterior's own, or "large", that of the forward move from nxt to cur: sigma_cur^2 -
    (alpha_cur / alpha_nxt)^2 sigma_nxt^2, which is DDPM's beta where alpha^2 + sigma^2 = 1. No noise into sigma = 0.
    """
    if variance not in VARIANCES:
        raise ValueError(f"unknown variance {variance!r}: choose one of {', '.join(VARIANCES)}")
    for cur, nxt in steps(grid):
        x = step(x, denoise(x, cur), cur, nxt, share(cur, nxt))             # the posterior mean
        if nxt.sigma:
            x = x + VARIANCES[variance](cur, nxt) * randn(x, rng)
        yield x


VARIANCES = {       # the standard deviation of the new noise
    "small": lambda cur, nxt: nxt.sigma * share(cur, nxt),
    "large": lambda cur, nxt: cur.sigma * share(cur, nxt),      # share^2 = 1 - (alpha_cur sigma_nxt / alpha_nxt sigma_cur)^2
}


@torch.no_grad()
def heun(denoise: Callable, x: Tensor, grid: list[Level], at: Callable[[float], Level] | None = None,
         churn: float = 0.0, noisy: tuple[float, float] = (0.0, math.inf), boost: float = 1.0,
         rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """Karras et al. 2022, algorithm 2: the slope in sigma / alpha, averaged over both ends of the step.

    churn, noisy, boost: S_churn, (S_min, S_max) in sigma / alpha, S_noise: noise added before each step. That needs
    at = schedule.at, which refuses a level above the schedule: bound such levels away with `noisy`.
    """
    if churn and at is None:
        raise ValueError("churn visits levels between those of the grid: pass at=schedule.at")
    pairs = steps(grid)
    gamma = min(churn / (len(grid) - 1), math.sqrt(2) - 1) if churn else 0.0
    for cur, nxt in pairs:
        if gamma and noisy[0] * cur.alpha <= cur.sigma <= noisy[1] * cur.alpha:          # not where alpha = 0
            x, cur = _churned(x, cur, at(cur.lam - math.log1p(gamma)), boost, rng)
        guess = denoise(x, cur)
        if math.isfinite(nxt.lam - cur.lam):
            guess = middle(guess, denoise(step(x, guess, cur, nxt), nxt), cur, nxt, nxt)
        x = step(x, guess, cur, nxt)
        yield x


def _churned(x: Tensor, cur: Level, up: Level, boost: float, rng: torch.Generator | None) -> tuple[Tensor, Level]:
    """x with the noise added that takes it from cur up to the noisier level `up`."""
    scale = up.alpha / cur.alpha
    return scale * x + boost * math.sqrt(up.sigma**2 - (scale * cur.sigma) ** 2) * randn(x, rng), up


@torch.no_grad()
def dpm_2s(denoise: Callable, x: Tensor, grid: list[Level]) -> Iterator[Tensor]:
    """DPM-Solver-2, Lu et al. 2022a: steps in pairs, the level between them being the point of the second look.

    n steps cost n network calls. A step left over, and a pair that ends at sigma = 0, are DDIM's.
    """
    steps(grid)
    for cur, mid, nxt in zip_longest(grid[:-1:2], grid[1::2], grid[2::2]):
        x0 = denoise(x, cur)
        probe = step(x, x0, cur, mid)
        yield probe
        if nxt is not None:
            ahead = denoise(probe, mid)
            whole = math.isfinite(nxt.lam - cur.lam)
            x = step(x, middle(x0, ahead, cur, mid, nxt), cur, nxt) if whole else step(probe, ahead, mid, nxt)
            yield x


@torch.no_grad()
def dpmpp_2m(denoise: Callable, x: Tensor, grid: list[Level], eta: float = 0.0,
             rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """DPM-Solver++(2M), Lu et al. 2022b, algorithm 2; eta = 1 is its SDE form, of the same paper."""
    x0s, lams = [], []
    for cur, nxt in steps(grid):
        x0s, lams = [denoise(x, cur), *x0s[:1]], [cur.lam, *lams[:1]]
        fresh = share(cur, nxt, eta) if eta else 0.0
        z = randn(x, rng) if fresh and nxt.sigma else None
        x = step(x, forecast(x0s, [nxt.lam, *lams]), cur, nxt, fresh, z)
        yield x


@torch.no_grad()
def dpmpp_3m(denoise: Callable, x: Tensor, grid: list[Level], factor: float = 2.0, corrected: bool = False,
             lower_last: bool = False) -> Iterator[Tensor]:
    """DPM-Solver++(3M). factor: 1 as published (measured order 2), 2 as Newton interpolates.

    The first step is DDIM's, and its error of h^2 leaves the whole at order 2, unless x0 stands still there, as at
    lam = -5. corrected: that step is made again when the guess at its end is known, as in UniPC: order 3 from anywhere,
    at no further call. lower_last: the last two steps are of order 2 and 1, as diffusers has it below 15 steps.
    """
    x0s, lams, begun = [], [], x
    for left, (cur, nxt) in zip(range(len(grid) - 1, 0, -1), steps(grid)):
        x0s, lams = [denoise(x, cur), *x0s[:2]], [cur.lam, *lams[:2]]
        if corrected and len(x0s) == 2:
            x = step(begun, correction(x0s, lams), grid[0], cur)
        order = left if lower_last else 3
        x = step(x, forecast(x0s[:order], [nxt.lam, *lams[:order]], factor), cur, nxt)
        yield x


@torch.no_grad()
def unipc(denoise: Callable, x: Tensor, grid: list[Level]) -> Iterator[Tensor]:
    """UniPC-2, Zhao et al. 2023, with B2(h): 2M predicts; the next guess corrects that step, at no further call.

    Of order 3, as every step but the last is corrected; a last step of first order, into sigma = 0, makes it 2.
    """
    x0s, lams, before, old = [], [], None, x
    for cur, nxt in steps(grid):
        x0s, lams = [denoise(x, cur), *x0s[:2]], [cur.lam, *lams[:2]]
        if before is not None:
            x = step(old, correction(x0s, lams), before, cur)
        old, before = x, cur
        x = step(x, forecast(x0s[:2], [nxt.lam, *lams[:2]]), cur, nxt)
        yield x


SAMPLERS = {"ddim": ddim, "ddpm": ddpm, "ddpm_large": partial(ddpm, variance="large"), "heun": heun, "dpm_2s": dpm_2s,
            "dpmpp_2m": dpmpp_2m, "dpmpp_2m_sde": partial(dpmpp_2m, eta=1.0), "unipc": unipc, "dpmpp_3m": dpmpp_3m,
            "dpmpp_3m_corrected": partial(dpmpp_3m, corrected=True)}
