"""Lab 01: the posterior q(x_{t-1} | x_t, x_0), its mean and its two variances (Ho et al. 2020, eq. 6, 7 and section 3.2).

The cases visit the middle of a table, its end, and t = 0, before which alpha-bar is 1.
"""
from typing import NamedTuple

import torch
from torch import Tensor

from .common import betas, integer, several
from ..exercise import Exercise, close, same_form


class Posterior(NamedTuple):
    """q(x_s | x_t, x_0) from alpha-bar at t (`now`) and at s (`before`)."""
    now: Tensor
    before: Tensor

    @property
    def beta(self) -> Tensor:
        return 1 - self.now / self.before

    @property
    def small(self) -> Tensor:
        return self.beta * (1 - self.before) / (1 - self.now)

    def mean(self, x: Tensor, x0: Tensor) -> Tensor:
        return (self.before.sqrt() * self.beta * x0 + (1 - self.beta).sqrt() * (1 - self.before) * x) / (1 - self.now)


def posterior_at(abar: Tensor, t: int) -> Posterior:
    return Posterior(abar[t], abar[t - 1] if t else abar.new_ones(()))


def posterior_cases(rng):
    n = integer(rng, 7, 15)
    abar = (1 - betas(rng, n)).cumprod(0)
    draw = lambda: torch.randn(3, 1, 2, 4, generator=rng, dtype=torch.float64)
    return [{"x": draw(), "x0": draw(), "t": t, "abar": abar} for t in (integer(rng, 2, n - 2), n - 1, 0)]


def posterior_run(impl, case):
    mean, *variances = several(impl(*(case[k] for k in ("x", "x0", "t", "abar"))), "mean, small, large")
    return [mean, *(torch.as_tensor(v, dtype=torch.float64) for v in variances)]


WRAPPED = "abar[t - 1] at t = 0 is the last entry of the table: before t = 0 alpha-bar is 1"


def posterior_verify(case, out):
    x, x0, t, abar = (case[k] for k in ("x", "x0", "t", "abar"))
    (now, before), right = posterior_at(abar, t), posterior_at(abar, t)
    wrapped, swapped, whole = Posterior(now, abar[t - 1]), Posterior(before, now), Posterior(now, abar.new_ones(()))
    form = same_form("mean shaped like x, and two numbers", out[0], right.mean(x, x0), x)
    if not form.passed or any(v.numel() != 1 for v in out[1:]):
        return [form._replace(passed=False)]
    small, large = (v.reshape(()) for v in out[1:])
    return [form,
            close("at t = 0 the mean is x0" if t == 0 else "the mean", out[0], right.mean(x, x0), {
                WRAPPED: lambda: wrapped.mean(x, x0),
                "the weights of x0 and x are swapped": lambda: right.mean(x0, x),
                "alpha-bar at t - 1 and at t are mixed up": lambda: swapped.mean(x, x0),
                "sqrt(alpha-bar) of t where that of t - 1 belongs": lambda: (
                    right.mean(x, x0) + (now.sqrt() - before.sqrt()) * right.beta * x0 / (1 - now)),
                "the square roots are missing": lambda: (
                    (before * right.beta * x0 + (1 - right.beta) * (1 - before) * x) / (1 - now)),
                "the division by 1 - alpha-bar is missing": lambda: right.mean(x, x0) * (1 - now)}, 1e-7),
            close("at t = 0 the small variance is 0" if t == 0 else "the small variance", small, right.small, {
                WRAPPED: lambda: wrapped.small,
                "a standard deviation: the variance is its square": lambda: right.small.sqrt(),
                "this is the large variance": lambda: right.beta,
                "upside down: 1 - alpha-bar before belongs above, now below": lambda: (
                    right.beta * (1 - now) / (1 - before))}, 1e-8),
            close("the large variance", large, right.beta, {
                WRAPPED: lambda: wrapped.beta,
                "a standard deviation: the variance is its square": lambda: right.beta.sqrt(),
                "this is the small variance": lambda: right.small,
                "1 - alpha-bar is the noise of all steps: beta is that of one": lambda: whole.beta}, 1e-8)]


EXERCISES = (Exercise("01-posterior", "The posterior mean and both variances", {
    "mean shaped like x, and two numbers": 0, "the mean": 2, "at t = 0 the mean is x0": 1, "the small variance": 1,
    "at t = 0 the small variance is 0": 0.5, "the large variance": 1}, posterior_cases, posterior_run, posterior_verify),)
