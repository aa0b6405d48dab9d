"""Diffusion in continuous time: the stochastic equation of a schedule, its reverse, and its probability-flow ODE.

Song et al. 2021 (score-based generative modeling through SDEs). Any schedule x = alpha x0 + sigma eps is the law of
  dx = f x dt + g dw,                            f = d log alpha / dt,    g^2 = d sigma^2 / dt - 2 f sigma^2,
with g^2 = -2 sigma^2 d lam / dt wherever sigma > 0. For a table of betas, t counting steps, f is about -beta / 2 and
g^2 about beta.
Backwards in time, with score = grad log p_t(x) = (alpha E[x0 | x] - x) / sigma^2,
  dx = (f x - g^2 score) dt + g dw               the reverse SDE (eq. 6): other paths, the same marginals,
  dx = (f x - g^2 score / 2) dt                  the probability-flow ODE (eq. 13): the same marginals again, no noise.
In y = x / alpha over lam the ODE is dy / dlam = x0 - y, whatever the schedule: that form goes to scipy's solver.
Each walk takes falling times ts, x at ts[0], and yields the state at every later one. This is the textbook road;
the samplers (samplers.py) solve the linear part of these equations exactly and so need far fewer steps.
Left out: reverse diffusion as a discretization of its own, likelihoods.
"""
import math
from itertools import pairwise
from typing import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .levels import Level, Schedule
from .step import randn


def drift_diffusion(schedule: Schedule, t: float) -> tuple[float, float]:
    """f and g at time t, by differences over a millionth of the schedule's span. Song et al. 2021, eq. 5."""
    low, high = schedule.span
    width = 1e-6 * (high - low if math.isfinite(high - low) else 1.0)
    a, at, b = (schedule(s) for s in (max(t - width, low), t, min(t + width, high)))
    if min(a.alpha, b.alpha) <= 0:
        raise ValueError(f"at t = {t:g} the image is all gone (alpha = 0) and the drift infinite: begin a little below")
    f = math.log(b.alpha / a.alpha) / (b.t - a.t)
    return f, math.sqrt(max((b.sigma**2 - a.sigma**2) / (b.t - a.t) - 2 * f * at.sigma**2, 0.0))


def _intervals(schedule: Schedule, ts: Sequence[float], up: bool = False) -> list[tuple[float, float]]:
    """The pairs of neighbouring times, after asking that they fall (or rise) strictly within the schedule's span."""
    ts, (low, high) = [float(t) for t in ts], schedule.span
    if len(ts) < 2 or not all(low <= t <= high for t in ts) or not all(a < b if up else a > b for a, b in pairwise(ts)):
        raise ValueError(f"times must {'rise' if up else 'fall'} strictly, two of them or more, within this schedule's "
                         f"[{low:g}, {high:g}], got {', '.join(f'{t:g}' for t in ts[:8])}")
    if not up and schedule(ts[0]).sigma == 0:
        raise ValueError("a walk back in time cannot start at sigma = 0: begin at a time with some noise")
    return list(pairwise(ts))


def _score(denoise: Callable, x: Tensor, level: Level) -> Tensor:
    return (level.alpha * denoise(x, level) - x) / level.sigma**2


@torch.no_grad()
def forward(x: Tensor, schedule: Schedule, ts: Sequence[float], rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """The forward SDE by Euler-Maruyama, from x at ts[0] up to ts[-1]: data to noise, no network."""
    for t, s in _intervals(schedule, ts, up=True):
        f, g = drift_diffusion(schedule, t)
        x = x + f * x * (s - t) + g * math.sqrt(s - t) * randn(x, rng)
        yield x


def _back(denoise: Callable, x: Tensor, schedule: Schedule, t: float, s: float,
          weight: float = 1.0) -> tuple[Tensor, float]:
    """The mean at s of a step back from t, the score weighted, and the standard deviation of the noise due."""
    f, g = drift_diffusion(schedule, t)
    return x - (f * x - weight * g**2 * _score(denoise, x, schedule(t))) * (t - s), g * math.sqrt(t - s)


@torch.no_grad()
def euler_maruyama(denoise: Callable, x: Tensor, schedule: Schedule, ts: Sequence[float],
                   rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """The reverse SDE by Euler-Maruyama. The last step adds no noise: it returns the mean.

    x: (B, ...) at ts[0]. ts: falling times within `schedule.span`. One network call a step.
    """
    for t, s in _intervals(schedule, ts):
        x, std = _back(denoise, x, schedule, t, s)
        x = x + std * randn(x, rng) if s != ts[-1] else x
        yield x


@torch.no_grad()
def pf_ode(denoise: Callable, x: Tensor, schedule: Schedule, ts: Sequence[float],
           rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """The probability-flow ODE by Euler's method in t: half the score, no noise. rng is not used."""
    for t, s in _intervals(schedule, ts):
        x, _ = _back(denoise, x, schedule, t, s, weight=0.5)
        yield x


@torch.no_grad()
def pf_ode_adaptive(denoise: Callable, x: Tensor, schedule: Schedule, ts: Sequence[float], tol: float = 1e-6,
                    method: str = "DOP853") -> Iterator[Tensor]:
    """The same ODE by scipy's adaptive Runge-Kutta, in y = x / alpha over lam: the reference for all solvers.

    tol: relative and absolute error asked of each step. ts must stay where alpha and sigma are positive. ValueError
    where the solver does not arrive: a denoiser that gives NaN, or a tol beyond its precision.
    """
    from scipy.integrate import solve_ivp  # a third of a second that no other function needs

    def slope(lam: float, y):
        level, y = schedule.at(lam), torch.from_numpy(y).reshape(x.shape)
        return (denoise((level.alpha * y).to(x), level).cpu().double() - y).flatten().numpy()

    for pair in _intervals(schedule, ts):
        cur, nxt = (schedule(t) for t in pair)
        if math.isinf(nxt.lam - cur.lam):
            raise ValueError("the adaptive solver needs alpha > 0 and sigma > 0 all along: stop short of both ends")
        y = (x.cpu().double() / cur.alpha).flatten().numpy()            # the device may have no float64
        run = solve_ivp(slope, (cur.lam, nxt.lam), y, method, rtol=tol, atol=tol)
        if not run.success or not np.isfinite(run.y[:, -1]).all():
            raise ValueError(f"the adaptive solver stopped at lam = {run.t[-1]:.3g} on its way to {nxt.lam:.3g}: look at "
                             "the denoiser's output there, or ask for less with a larger tol")
        x = (nxt.alpha * torch.from_numpy(run.y[:, -1])).reshape(x.shape).to(x)
        yield x


def _length(v: Tensor) -> Tensor:
    return v.reshape(len(v), math.prod(v.shape[1:])).norm(dim=1).mean()             # of a row, over the batch


@torch.no_grad()
def predictor_corrector(denoise: Callable, x: Tensor, schedule: Schedule, ts: Sequence[float],
                        rng: torch.Generator | None = None, ratio: float = 0.16) -> Iterator[Tensor]:
    """A Langevin step at each time, then Euler-Maruyama to the next one. Song et al. 2021, algorithms 3 and 5.

    ratio: r, the size of the Langevin step against its noise, norms averaged over the batch; the corrector goes first,
    as in the authors' code. Two network calls a step; the last one returns the mean.
    """
    for t, s in _intervals(schedule, ts):
        cur, nxt, z = schedule(t), schedule(s), randn(x, rng)
        score = _score(denoise, x, cur)
        size = 2 * (cur.alpha / nxt.alpha) ** 2 * (ratio * _length(z) / _length(score)) ** 2
        x = x + size * score + (2 * size).sqrt() * z
        x, std = _back(denoise, x, schedule, t, s)
        x = x + std * randn(x, rng) if s != ts[-1] else x
        yield x
