"""Lab 01: the posterior q(x_{t-1} | x_t, x_0), its mean and its two variances (Ho et al. 2020, eq. 6, 7 and section 3.2).

The cases visit the middle of a table, its end, t = 1, and t = 0, before which alpha-bar is 1. Mean and small variance may start
from the answer's own beta, its large variance, so that one fault is told once.
"""
from typing import NamedTuple

import torch
from torch import Tensor

from ....diffusion.samplers import step
from ...contract.exercise import Exercise, close, forgiven, near, same_form
from ..common import PAPER, betas, either, integer, one_number, several


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
    return [{"x": draw(), "x0": draw(), "t": t, "abar": abar} for t in (integer(rng, 3, n - 2), n - 1, 1, 0)]


def posterior_run(impl, case):
    mean, *variances = several(impl(*(case[k] for k in ("x", "x0", "t", "abar"))), "mean, small, large")
    names = "small variance", "large variance"
    return [mean, *(torch.tensor(one_number(v, name), dtype=torch.float64) for v, name in zip(variances, names))]


WRAPPED = "abar[t - 1] at t = 0 is the last entry of the table: before t = 0 alpha-bar is 1"
ANOTHER = "beta from a table outside: work it out from the abar that is handed in"
CLAMPED = "abar[0] stands for what is before t = 0: there alpha-bar is 1"
TOO_SOON = "alpha-bar before t = 1 is abar[0]: only before t = 0 is it 1"
UNSHIFTED = "a table with 1 in front is shifted by one: now is its entry t + 1, before its entry t"
NOTHING = "at t = 0 the large variance is beta: only the small one is 0 there"
WHOLE = "1 - alpha-bar is the noise of all steps: beta is that of one"
TWICE = "abar is multiplied up once more: it is the product of all 1 - beta already"
NAUGHT = "0 stands for alpha-bar before t = 0: nothing is noised there, so it is 1"


def unlike(t: int, abar: Tensor) -> dict[str, Posterior]:
    """Other entries of the table where abar[t] and the one before belong: a cause -> the posterior that they give."""
    padded = torch.cat([abar.new_ones(1), abar])
    return {WRAPPED: Posterior(abar[t], abar[t - 1]), CLAMPED: Posterior(abar[t], abar[max(t - 1, 0)]),
            TOO_SOON: Posterior(abar[t], abar[t - 1] if t > 1 else abar.new_ones(())),
            UNSHIFTED: Posterior(padded[t], padded[t - 1]), TWICE: posterior_at(abar.cumprod(0), t),
            NAUGHT: Posterior(abar[t], abar[t - 1] if t else abar.new_zeros(())),
            "abar[t + 1] stands for what is before: time runs down, that is abar[t - 1]": Posterior(
                abar[t], abar[t + 1] if t + 1 < len(abar) else abar.new_ones(())),
            "the step after is taken: x is at t and goes to t - 1": Posterior(abar[min(t + 1, len(abar) - 1)], abar[t])}


def mean_slips(case) -> dict:
    x, x0, t, abar = (case[k] for k in ("x", "x0", "t", "abar"))
    right = posterior_at(abar, t)
    now, before, beta = right.now, right.before, right.beta
    weighed = lambda of_x0, of_x: (of_x0 * x0 + of_x * (1 - before) * x) / (1 - now)
    with_beta = lambda b: weighed(before.sqrt() * b, (1 - b).sqrt())
    return {
        **{said: (lambda p=p: p.mean(x, x0)) for said, p in unlike(t, abar).items()},
        ANOTHER: lambda: with_beta(PAPER[t]),
        WHOLE: lambda: with_beta(1 - now),
        "beta is missing in the weight of x0": lambda: weighed(before.sqrt(), (1 - beta).sqrt()),
        "1 - alpha-bar before is missing in the weight of x": lambda: (
            (before.sqrt() * beta * x0 + (1 - beta).sqrt() * x) / (1 - now)),
        "divided by the root of 1 - alpha-bar": lambda: right.mean(x, x0) * (1 - now).sqrt(),
        "x is weighed with sqrt(beta) where sqrt(1 - beta) belongs": lambda: weighed(before.sqrt() * beta, beta.sqrt()),
        "this is x0 itself: the step goes to t - 1 only": lambda: x0,
        "the weights of x0 and x are swapped": lambda: right.mean(x0, x),
        "1 - alpha-bar before divides x0: that of t does": lambda: (
            before.sqrt() * beta / (1 - before) * x0 + (1 - beta).sqrt() * (1 - before) / (1 - now) * x),
        "1 - alpha-bar of t multiplies x: that before t does": lambda: right.mean(x * (1 - now) / (1 - before), x0),
        "x0 stands where eq. 11 has eps: with x0 the mean is eq. 7": lambda: (
            (x - beta / (1 - now).sqrt() * x0) / (1 - beta).sqrt()),
        "x0 is clipped to -1 ... 1, which eq. 7 does not ask for": lambda: right.mean(x, x0.clamp(-1, 1)),
        "alpha-bar at t - 1 and at t are mixed up": lambda: Posterior(before, now).mean(x, x0),
        "sqrt(alpha-bar) of t where that of t - 1 belongs": lambda: weighed(now.sqrt() * beta, (1 - beta).sqrt()),
        "x is weighed with sqrt(alpha-bar) where sqrt(1 - beta) belongs": lambda: weighed(before.sqrt() * beta, now.sqrt()),
        "the square roots are missing": lambda: weighed(before * beta, 1 - beta),
        "the square root of 1 - beta is missing": lambda: weighed(before.sqrt() * beta, 1 - beta),
        "the square root of alpha-bar before is missing": lambda: weighed(before * beta, (1 - beta).sqrt()),
        "the division by 1 - alpha-bar is missing": lambda: right.mean(x, x0) * (1 - now),
        "only the second term is divided by 1 - alpha-bar": lambda: right.mean(x, x0 * (1 - now))}


def posterior_verify(case, out):
    x, x0, t, abar = (case[k] for k in ("x", "x0", "t", "abar"))
    mean, small, large = out
    right, others = posterior_at(abar, t), unlike(t, abar)
    form = same_form("mean shaped like x, and two numbers", mean, right.mean(x, x0), x if t else None)
    if not form.readable:
        return [form]
    form = form if t else forgiven(form)        # what is wrong at t = 0 alone does not cost the rest
    shrink, own = (1 - right.before) / (1 - right.now), right._replace(now=right.before * (1 - large))       # from its own beta
    from_own = (right.before.sqrt() * own.beta * x0 + (1 - own.beta).sqrt() * (1 - right.before) * x) / (1 - right.now)
    of_others = lambda name: {said: (lambda p=p: getattr(p, name)) for said, p in others.items() if said != TWICE}
    rows = [either("at t = 0 the mean is x0" if t == 0 else "the mean", mean, (right.mean(x, x0), from_own), mean_slips(case)),
            either("at t = 0 the small variance is 0" if t == 0 else "the small variance", small, (right.small, large * shrink), {
                **of_others("small"),
                ANOTHER: lambda: PAPER[t] * shrink,
                WHOLE: lambda: (1 - right.now) * shrink,
                "a standard deviation: the variance is its square": lambda: right.small.sqrt(),
                "the logarithm of the variance": lambda: right.small.log(),
                "this is the large variance": lambda: right.beta,
                "beta is missing: this is the share of it that is left": lambda: shrink,
                "upside down: 1 - alpha-bar before belongs above, now below": lambda: right.beta / shrink}),
            close("the large variance", large, right.beta, {
                **of_others("beta"),
                ANOTHER: lambda: PAPER[t],
                WHOLE: lambda: 1 - right.now,
                "upside down: beta = 1 - alpha-bar now / alpha-bar before": lambda: 1 - right.before / right.now,
                "a standard deviation: the variance is its square": lambda: right.beta.sqrt(),
                "the logarithm of the variance": lambda: right.beta.log(),
                "a difference of two alpha-bars: beta = 1 - now / before": lambda: right.before - right.now,
                "this is 1 - beta": lambda: 1 - right.beta,
                "this is the small variance": lambda: right.small})]
    whole = tuple(said for said, p in others.items() if all(
        near(got, want, 1e-5) for got, want in zip(out, (p.mean(x, x0), p.small, p.beta))))
    only = whole if len(whole) == 1 else (NOTHING,) if t == 0 and rows[0].passed and rows[1].passed and not large else ()
    return [form, *(row._replace(causes=only) if only and not row.passed else row for row in rows)]


EXERCISES = (Exercise("01-posterior", "The posterior mean and both variances", {
    "mean shaped like x, and two numbers": 0, "the mean": 2, "at t = 0 the mean is x0": 1, "the small variance": 1,
    "at t = 0 the small variance is 0": 0.5, "the large variance": 1}, posterior_cases, posterior_run, posterior_verify,
    own=(step,)),)
