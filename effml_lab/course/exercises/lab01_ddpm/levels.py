"""Lab 01: the levels of a beta table (Ho et al. 2020, eq. 4): alpha, sigma and the signal-to-noise ratio.

The cases are random tables of odd lengths, in float32 and float64, and a long one that ends in hardly anything but noise, which
shows a clamp and a small number added "for safety". t counts from 0. The ratio may start from the answer's
own alpha and sigma, so that one fault is told once.
"""
from itertools import permutations

import torch

from ....diffusion.levels import from_alphas_cumprod
from ...contract.exercise import Exercise, close, forgiven, near
from ..common import PAPER, all_formed, betas, either, integer, several, tol

FORM = "three tensors, shaped like betas"
OUTSIDE = "the notebook's own table: work it out from the betas that are handed in"
LATE = "the product is one step late: alpha-bar at t includes the factor of t"
SUM = "a sum where a product belongs"
BETAS = "the product of the betas: alpha-bar is that of all 1 - beta"
SQUARED = "alpha-bar is squared once more: it is alpha² already"


def cases(rng):
    sizes = [(integer(rng, 5, 13), torch.float64), (integer(rng, 30, 60), torch.float32)]
    return [*({"betas": betas(rng, n, dtype)} for n, dtype in sizes), {"betas": 3 * PAPER}]


def reordered(out, right: dict, eps: float) -> tuple[str, ...]:
    """The one cause of values that are right but returned in another order, if they are."""
    for names in permutations(right):
        if names != tuple(right) and all(near(got.double(), right[name], eps) for got, name in zip(out, names)):
            return (f"returned in another order, {', '.join(names)}: asked for is alpha, sigma, snr",)
    return ()


def verify(case, out):
    beta = case["betas"]
    form = all_formed(FORM, out, beta, beta)
    if not form.readable:
        outside = any(getattr(part, "shape", None) == PAPER.shape for part in out)
        return [form._replace(causes=(OUTSIDE,)) if outside else form]
    form = forgiven(form)               # zeros in one of three are told below, and three of them hold nowhere
    abar, eps = (1 - beta.double()).cumprod(0), tol(beta.dtype)
    rows = judged(beta.double(), abar, out, eps)
    if not all(row.passed for row in rows):
        order = reordered(out, {"alpha": abar.sqrt(), "sigma": (1 - abar).sqrt(), "snr": abar / (1 - abar)}, eps)
        rows = [row if row.passed or not order else row._replace(causes=order) for row in rows]
    return [form, *rows]


def judged(beta, abar, out, eps):
    alpha, sigma, snr = (part.double() for part in out)
    late = torch.cat([abar.new_ones(1), abar[:-1]])
    last = abar.new_full(abar.shape, float(abar[-1]))
    return [
        close("alpha = sqrt(alpha-bar)", alpha, abar.sqrt(), {
            "the square root is missing: this is alpha-bar itself": lambda: abar,
            BETAS: lambda: beta.cumprod(0).sqrt(),
            "1 less the product of the betas: alpha-bar is the product of all 1 - beta": lambda: (1 - beta.cumprod(0)).sqrt(),
            "one step only, sqrt(1 - beta): alpha-bar is the product of all steps up to t": lambda: (1 - beta).sqrt(),
            LATE: late.sqrt,
            "the square root is taken twice": lambda: abar**0.25,
            "counted from the other end": lambda: (1 - beta).flip(0).cumprod(0).flip(0).sqrt(),
            "exp of minus the sum of the betas is what small steps tend to: here take the product": lambda: (
                (-beta.cumsum(0) / 2).exp()),
            "sqrt(beta) where beta belongs: alpha-bar is the product of all 1 - beta": lambda: (
                (1 - beta.sqrt()).cumprod(0).sqrt()),
            "alpha = 1 is EDM's convention: here alpha² + sigma² = 1": lambda: torch.ones_like(abar),
            "the product is taken twice": lambda: abar.cumprod(0).sqrt(),
            "one product of all steps: alpha-bar at t is that of the steps up to t (torch.cumprod)": last.sqrt,
            SUM: lambda: (1 - beta).cumsum(0).sqrt(),
            "1 less the sum of the betas: alpha-bar is a product": lambda: (1 - beta.cumsum(0)).sqrt()}, eps),
        close("sigma = sqrt(1 - alpha-bar)", sigma, (1 - abar).sqrt(), {
            "this is the variance: sigma is its square root": lambda: 1 - abar,
            SUM: lambda: (1 - (1 - beta).cumsum(0)).sqrt(),
            "counted from the other end": lambda: (1 - (1 - beta).flip(0).cumprod(0).flip(0)).sqrt(),
            "exp of minus the sum of the betas is what small steps tend to: here take the product": lambda: (
                (1 - (-beta.cumsum(0)).exp()).sqrt()),
            "sqrt(beta) where beta belongs: alpha-bar is the product of all 1 - beta": lambda: (
                (1 - (1 - beta.sqrt()).cumprod(0)).sqrt()),
            "1 less the sum of the betas: alpha-bar is a product": lambda: beta.cumsum(0).sqrt(),
            BETAS: lambda: (1 - beta.cumprod(0)).sqrt(),
            "1 less the product of the betas: alpha-bar is the product of all 1 - beta": lambda: beta.cumprod(0).sqrt(),
            "the product is taken twice": lambda: (1 - abar.cumprod(0)).sqrt(),
            "one product of all steps: alpha-bar at t is that of the steps up to t (torch.cumprod)": lambda: (1 - last).sqrt(),
            "sqrt(1 - alpha): alpha² belongs under the root": lambda: (1 - abar.sqrt()).sqrt(),
            SQUARED: lambda: (1 - abar**2).sqrt(),
            "sqrt(beta) is the noise of one step: 1 - alpha-bar is that of all of them": beta.sqrt,
            "sigma = 1 - alpha: it is the squares that add up to 1": lambda: 1 - abar.sqrt(),
            LATE: lambda: (1 - late).sqrt()}, eps),
        close("alpha² + sigma² = 1", alpha**2 + sigma**2, torch.ones_like(abar), None, eps),
        either("snr = alpha² / sigma²", snr, (abar / (1 - abar), alpha**2 / sigma**2), {
            "a ratio of amplitudes: the signal-to-noise ratio is one of variances": lambda: (abar / (1 - abar)).sqrt(),
            "upside down: noise over signal": lambda: (1 - abar) / abar,
            "divided by sigma, not by its square: 1 - alpha-bar is sigma² already, without a root": lambda: (
                abar / (1 - abar).sqrt()),
            "alpha over sigma²: both are squared": lambda: abar.sqrt() / (1 - abar),
            "squared twice: alpha-bar is alpha² and 1 - alpha-bar is sigma² already": lambda: (abar / (1 - abar)) ** 2,
            "abar / 1 - abar is abar - abar: put brackets around 1 - abar": lambda: torch.zeros_like(abar),
            "of one step only, (1 - beta) / beta: alpha-bar is the product of all steps": lambda: (1 - beta) / beta,
            "alpha where alpha-bar belongs": lambda: abar.sqrt() / (1 - abar.sqrt()),
            LATE: lambda: late / (1 - late),
            SQUARED: lambda: abar**2 / (1 - abar**2),
            "in decibels: the plain ratio is asked for": lambda: 10 * (abar / (1 - abar)).log10(),
            "the logarithm of the ratio": lambda: (abar / (1 - abar)).log()}, eps)]


EXERCISES = (
    Exercise("01-levels", "Levels of a beta table", {
        FORM: 0, "alpha = sqrt(alpha-bar)": 1, "sigma = sqrt(1 - alpha-bar)": 1, "alpha² + sigma² = 1": 0.5,
        "snr = alpha² / sigma²": 1},
        cases, lambda impl, case: several(impl(case["betas"]), "alpha, sigma, snr"), verify, own=(from_alphas_cumprod,)),
)
