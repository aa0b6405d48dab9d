"""One step between two kept levels (Ho et al. 2020, eq. 7 with alpha-bar of both): its mean, its noise, and their slips."""
from functools import lru_cache

import torch
from torch import Tensor

from ....diffusion import levels as schedules
from ....diffusion.levels import Level, Schedule
from ...contract.exercise import Property
from ..gaussian import guess
from ..moments import bent, residual, step_mean, step_noise
from .posterior import Posterior

MEAN = "the mean of each step"
VE = "sigma² of cur less that of nxt: alpha shrinks too, so beta is 1 - (alpha of cur / alpha of nxt)²"
RESTART = "each step starts at the first x again: x must become the new state"


@lru_cache
def table() -> Schedule:
    return schedules.linear()


def kept_step(case, cur: Level, nxt: Level, x: Tensor, y: Tensor, used: str | None, silent: str,
              left: tuple[str, ...] | None) -> list[Property]:
    now, before = torch.tensor([cur.alpha**2, nxt.alpha**2])
    x0, beta = guess(case, x, now), 1 - (cur.alpha / nxt.alpha) ** 2
    small, one = beta * (nxt.sigma / cur.sigma) ** 2, 1 - (cur.alpha / table()(cur.t - 1).alpha) ** 2
    shrink, ve = (nxt.sigma / cur.sigma) ** 2, cur.sigma**2 - nxt.sigma**2
    of = lambda small, large: (large if case["variance"] == "large" else small) ** 0.5
    std, rooted, right = of(small, beta), 1 - cur.alpha / nxt.alpha, Posterior(now, before)
    slips = mean_slips(case, cur, nxt, x, x0, one, std)
    mean = step_mean(MEAN, x, y, right.mean(x, x0), slips, used, left)
    dark = RESTART in mean.causes or bent(x, residual(x, y))
    return [
        mean,
        step_noise(f"the noise of each step, {case['variance']} variance", x, y, std, {} if dark else {
            silent: 0.0,
            "the other variance": of(beta, small),
            "a variance was used as a standard deviation": std**2,
            "the one-step beta of the table: the step goes to the next kept level": of(one * shrink, one),
            "beta from alpha, not from its square": of(rooted * shrink, rooted),
            "beta from alpha, and 1 - alpha for 1 - alpha²": of(rooted * (1 - nxt.alpha) / (1 - cur.alpha), rooted),
            "sigma where sigma² belongs": of(beta * nxt.sigma / cur.sigma, beta),
            "1 - alpha² is the noise of all steps down to x0": cur.sigma,
            "all of the noise of the next level is new": nxt.sigma,
            "uniform noise (rand) where normal noise (randn) belongs": std / 12**0.5,
            "noise of size 1: scale it by the root of the variance": 1.0,
            "upside down: sigma² of nxt belongs above, that of cur below": of(beta / shrink, beta),
            "beta is missing: this is the share of it that is left": of(shrink, beta),
            "upside down: beta = 1 - alpha² of cur over that of nxt": of(shrink * (now / before - 1).abs(), (before / now - 1)),
            VE: of(ve * shrink, ve),
            "the noise is added twice": (std**2 + small) ** 0.5}, 0.017, used)]


def mean_slips(case, cur: Level, nxt: Level, x: Tensor, x0: Tensor, one: float, std: float) -> dict:
    now, before = torch.tensor([cur.alpha**2, nxt.alpha**2])
    right, eps, beta = Posterior(now, before), (x - cur.alpha * x0) / cur.sigma, 1 - now / before
    weighed_with = lambda alpha, sigma: (alpha * beta * x0 + (1 - beta) ** 0.5 * sigma**2 * x) / cur.sigma**2
    weighed = lambda b, s, t: (nxt.alpha * b * x0 + (1 - b) ** 0.5 * s * x) / t
    return {
        "all of the old noise is kept: that is DDIM's step, and new noise comes on top": lambda: (
            nxt.alpha * x0 + nxt.sigma * eps),
        "the one-step beta of the table: the step goes to the next kept level": lambda: (
            weighed(one, nxt.sigma**2, cur.sigma**2)),
        "both levels from the table's neighbours: the step goes to the next kept level": lambda: Posterior(
            now, now / (1 - one)).mean(x, x0),
        "beta from alpha, not from its square": lambda: Posterior(now**0.5, before**0.5).mean(x, x0),
        "sigma where sigma² belongs": lambda: weighed(beta, nxt.sigma, cur.sigma),
        "denoise was asked at nxt: x is at cur": lambda: right.mean(x, guess(case, x, before)),
        "what denoise gives is x0 itself, not eps": lambda: right.mean(x, (x - cur.sigma * x0) / cur.alpha),
        "1 - beta where its square root belongs": lambda: (nxt.alpha * beta * x0 + (1 - beta) * nxt.sigma**2 * x) / cur.sigma**2,
        "beta is missing in the weight of x0": lambda: (nxt.alpha * x0 + (1 - beta) ** 0.5 * nxt.sigma**2 * x) / cur.sigma**2,
        "alpha of cur where that of nxt belongs": lambda: weighed_with(cur.alpha, nxt.sigma),
        "sigma of cur where that of nxt belongs": lambda: weighed_with(nxt.alpha, cur.sigma),
        "divided by the sigma² of nxt: that of cur belongs there": lambda: (
            right.mean(x, x0) * (cur.sigma / max(nxt.sigma, 1e-9)) ** 2),
        "the division by the sigma² of cur is missing": lambda: right.mean(x, x0) * cur.sigma**2,
        "x and the guess of x0 are exchanged": lambda: right.mean(x0, x),
        "upside down: beta = 1 - alpha² of cur over that of nxt": lambda: weighed(
            1 - before / now, nxt.sigma**2, cur.sigma**2),
        VE: lambda: weighed(cur.sigma**2 - nxt.sigma**2, nxt.sigma**2, cur.sigma**2),
        "x is weighed with sigma over sigma: it is sigma² over sigma²": lambda: (
            nxt.alpha * beta * x0 / cur.sigma**2 + (1 - beta) ** 0.5 * nxt.sigma / cur.sigma * x),
        "x is weighed with the alpha of cur, that of all steps: sqrt(1 - beta) belongs there": lambda: (
            (nxt.alpha * beta * x0 + cur.alpha * nxt.sigma**2 * x) / cur.sigma**2),
        "alpha² and alpha are exchanged in the weight of x0": lambda: right.mean(x, x0 * nxt.alpha),
        "the guess of x0 is clipped to -1 ... 1: denoise gives it as it should be": lambda: right.mean(x, x0.clamp(-1, 1)),
        "the guess of x0 is clipped: denoise gives it as it should be": lambda: right.mean(x, x0.clamp(-2, 2)),
        "this is the guess of x0: the step goes to nxt only": lambda: x0,
        RESTART: lambda: right.mean(
            case["x"], guess(case, case["x"], now)),
        "uniform noise (rand) where normal noise (randn) belongs": lambda: right.mean(x, x0) + std / 2,
        "the old noise is dropped": lambda: nxt.alpha * x0}
