"""Lab 01: levels, the closed-form forward step, and x0 from eps and back (Ho et al. 2020, eq. 4).

The cases are random beta tables of odd lengths, in float32 and float64, and batches of odd shapes; one batch is as wide as
it is long, so that a factor laid along the wrong axis is not saved by an error. t counts from 0.
"""
import torch
from torch import Tensor

from ....diffusion.denoise import Denoiser, noised
from ....diffusion.levels import from_alphas_cumprod
from ...contract.exercise import Exercise, Unanswered, close, same_form
from ..common import SHAPES, all_formed, betas, column, integer, several, tol


def level_cases(rng):
    sizes = [(integer(rng, 5, 13), torch.float64), (integer(rng, 30, 60), torch.float32)]
    return [{"betas": betas(rng, n, dtype)} for n, dtype in sizes]


def level_verify(case, out):
    beta = case["betas"]
    form = all_formed("three tensors, shaped like betas", out, beta, beta)
    if not form.readable:
        return [form]
    alpha, sigma, snr = out
    abar = (1 - beta.double()).cumprod(0)
    late = torch.cat([abar.new_ones(1), abar[:-1]])
    eps = tol(beta.dtype)
    return [
        form,
        close("alpha = sqrt(alpha-bar)", alpha, abar.sqrt(), {
            "the square root is missing: this is alpha-bar itself": lambda: abar,
            "alpha and sigma are swapped": lambda: (1 - abar).sqrt(),
            "the product of the betas: alpha-bar is that of all 1 - beta": lambda: beta.double().cumprod(0).sqrt(),
            "one step only, sqrt(1 - beta): alpha-bar is the product of all steps up to t": lambda: (1 - beta.double()).sqrt(),
            "the product is one step late: alpha-bar at t includes the factor of t": lambda: late.sqrt(),
            "a sum where a product belongs": lambda: (1 - beta.double()).cumsum(0).sqrt()}, eps),
        close("sigma = sqrt(1 - alpha-bar)", sigma, (1 - abar).sqrt(), {
            "this is the variance: sigma is its square root": lambda: 1 - abar,
            "a sum where a product belongs": lambda: (1 - (1 - beta.double()).cumsum(0)).sqrt(),
            "alpha and sigma are swapped": lambda: abar.sqrt(),
            "sqrt(1 - alpha): alpha² belongs under the root": lambda: (1 - abar.sqrt()).sqrt(),
            "alpha-bar is squared once more: it is alpha² already": lambda: (1 - abar**2).sqrt(),
            "sqrt(beta) is the noise of one step: 1 - alpha-bar is that of all of them": lambda: beta.double().sqrt(),
            "sigma = 1 - alpha: it is the squares that add up to 1": lambda: 1 - abar.sqrt(),
            "the product is one step late: alpha-bar at t includes the factor of t": lambda: (1 - late).sqrt()}, eps),
        close("alpha² + sigma² = 1", alpha.double() ** 2 + sigma.double() ** 2, torch.ones_like(abar), None, eps),
        close("snr = alpha² / sigma²", snr, abar / (1 - abar), {
            "a ratio of amplitudes: the signal-to-noise ratio is one of variances": lambda: (abar / (1 - abar)).sqrt(),
            "upside down: noise over signal": lambda: (1 - abar) / abar,
            "beta was used where 1 - alpha-bar belongs": lambda: (1 - beta.double()) / beta.double(),
            "alpha where alpha-bar belongs": lambda: abar.sqrt() / (1 - abar.sqrt()),
            "alpha-bar is squared once more: it is alpha² already": lambda: abar**2 / (1 - abar**2),
            "in decibels: the plain ratio is asked for": lambda: 10 * (abar / (1 - abar)).log10(),
            "the logarithm of the ratio": lambda: (abar / (1 - abar)).log()}, eps)]


def batch_cases(rng):
    cases = []
    for shape, dtype in zip(SHAPES, (torch.float32, torch.float64, torch.float32)):
        draw = lambda: torch.randn(shape, generator=rng, dtype=dtype)
        abar = (1 - betas(rng, integer(rng, 9, 20), dtype)).cumprod(0)
        t = torch.randperm(len(abar), generator=rng)[:shape[0]]
        cases.append({"x0": draw(), "eps": draw(), "t": t, "abar": abar})
    return cases


def forward_run(impl, case):
    x0, t, abar, eps = (case[k] for k in ("x0", "t", "abar", "eps"))
    blank = torch.zeros_like(x0)
    return [impl(x0, t, abar, eps), impl(x0, t, abar, blank), impl(blank, t, abar, eps)]


def forward_verify(case, out):
    x0, t, abar, eps = (case[k] for k in ("x0", "t", "abar", "eps"))
    form = same_form("shape and dtype of x0", out[0], x0, x0)
    if not form.readable:
        return [form]
    a, e = column(abar[t], x0), tol(x0.dtype)
    before = column(abar[t - 1], x0)
    slips = {
        "all images at the t of the first: each has its own": lambda: abar[t[0]],
        "alpha-bar read at t - 1": lambda: before,
        "one factor a column of the picture: give abar[t] a shape of (B, 1, 1, 1)": lambda: abar[t] if t.shape[0] == x0.shape[-1] else a}
    part = lambda f, picture: {said: (lambda v=v: f(v()) * picture) for said, v in slips.items()}
    return [form,
            close("without noise: sqrt(alpha-bar) x0", out[1], a.sqrt() * x0, {
                "the square root is missing on alpha-bar": lambda: a * x0,
                "the picture is not scaled down": lambda: x0,
                "sqrt(1 - alpha-bar) scales the picture": lambda: (1 - a).sqrt() * x0,
                **part(lambda v: v.sqrt(), x0)}, e),
            close("without picture: sqrt(1 - alpha-bar) eps", out[2], (1 - a).sqrt() * eps, {
                "the variance 1 - alpha-bar was used as a standard deviation": lambda: (1 - a) * eps,
                "the noise is not scaled": lambda: eps,
                "the noise is subtracted: x_t adds it": lambda: -(1 - a).sqrt() * eps,
                "alpha-bar is squared once more: it is alpha² already": lambda: (1 - a**2).sqrt() * eps,
                "sqrt(alpha-bar) scales the noise too": lambda: a.sqrt() * eps,
                "1 - sqrt(alpha-bar): take the root after the difference": lambda: (1 - a.sqrt()) * eps,
                **part(lambda v: (1 - v).sqrt(), eps)}, e),
            close("the two parts add up to x_t", out[0], a.sqrt() * x0 + (1 - a).sqrt() * eps, None, e)]


def invert_run(impl, case):
    if not isinstance(impl, (tuple, list)) or len(impl) != 2:
        raise Unanswered("Hand over both functions: (x0_from_eps, eps_from_x0).")
    x, t, abar, given = case["x0"], case["t"], case["abar"], case["eps"]            # any x will do
    x0, eps = (written(part, x, t, abar, given) for part in impl)
    if x0 is None and eps is None:
        return [part(x, t, abar, given) for part in (*impl, impl[1])]
    return [x0, eps, impl[1](x, t, abar, x0) if isinstance(x0, Tensor) and isinstance(eps, Tensor) else None]


def written(part, *arguments):
    """One of two functions may still be a stub: the other is judged."""
    try:
        return part(*arguments)
    except NotImplementedError as error:
        if str(error):
            raise
        return None


def invert_verify(case, out):
    x, t, abar, given = case["x0"], case["t"], case["abar"], case["eps"]
    form = all_formed("shape and dtype of x", [part for part in out[:2] if part is not None] or [None], x, x)
    if not form.readable:
        return [form]
    a, e = column(abar[t], x), tol(x.dtype) * 30
    s = (1 - a).sqrt()
    one = column(abar[t[:1]], x)
    return [
        form,
        close("x0 = (x - sigma eps) / alpha", out[0], (x - (1 - a).sqrt() * given) / a.sqrt(), {
            "divided by alpha-bar: its square root belongs there": lambda: (x - (1 - a).sqrt() * given) / a,
            "the variance 1 - alpha-bar was used as a standard deviation": lambda: (x - (1 - a) * given) / a.sqrt(),
            "both square roots are missing: alpha-bar and 1 - alpha-bar are variances": lambda: (x - (1 - a) * given) / a,
            "the noise is not scaled by sigma": lambda: (x - given) / a.sqrt(),
            "the division by alpha is missing": lambda: x - (1 - a).sqrt() * given,
            "plus where minus belongs": lambda: (x + (1 - a).sqrt() * given) / a.sqrt(),
            "only the noise is divided by alpha: put brackets around x - sigma eps": lambda: x - s * given / a.sqrt(),
            "this is the formula for eps": lambda: (x - a.sqrt() * given) / s,
            "this is eq. 4 again, not solved for x0": lambda: a.sqrt() * x + s * given,
            "alpha-bar where alpha belongs": lambda: (x - (1 - a**2).sqrt() * given) / a,
            "all images at the t of the first: each has its own": lambda: (x - (1 - one).sqrt() * given) / one.sqrt()}, e),
        close("eps = (x - alpha x0) / sigma", out[1], (x - a.sqrt() * given) / (1 - a).sqrt(), {
            "divided by the variance: its square root belongs there": lambda: (x - a.sqrt() * given) / (1 - a),
            "both square roots are missing: alpha-bar and 1 - alpha-bar are variances": lambda: (x - a * given) / (1 - a),
            "x0 is not scaled by alpha": lambda: (x - given) / (1 - a).sqrt(),
            "x0 is scaled by alpha-bar: its square root belongs there": lambda: (x - a * given) / (1 - a).sqrt(),
            "the division by sigma is missing": lambda: x - a.sqrt() * given,
            "the other way round: x0 less x": lambda: (a.sqrt() * given - x) / (1 - a).sqrt(),
            "plus where minus belongs": lambda: (x + a.sqrt() * given) / s,
            "only x0 is divided by sigma: put brackets around x - alpha x0": lambda: x - a.sqrt() * given / s,
            "this is the formula for x0": lambda: (x - s * given) / a.sqrt(),
            "alpha-bar where alpha belongs": lambda: (x - a * given) / (1 - a**2).sqrt(),
            "all images at the t of the first: each has its own": lambda: (x - one.sqrt() * given) / (1 - one).sqrt()}, e),
        close("there and back gives the same eps", out[2], given, None, e * 10)]


EXERCISES = (
    Exercise("01-levels", "Levels of a beta table", {
        "three tensors, shaped like betas": 0, "alpha = sqrt(alpha-bar)": 1, "sigma = sqrt(1 - alpha-bar)": 1,
        "alpha² + sigma² = 1": 0.5, "snr = alpha² / sigma²": 1},
        level_cases, lambda impl, case: several(impl(case["betas"]), "alpha, sigma, snr"), level_verify,
        own=(from_alphas_cumprod,)),
    Exercise("01-forward", "The closed-form forward step", {
        "shape and dtype of x0": 0, "without noise: sqrt(alpha-bar) x0": 1, "without picture: sqrt(1 - alpha-bar) eps": 1,
        "the two parts add up to x_t": 1}, batch_cases, forward_run, forward_verify, own=(noised,)),
    Exercise("01-invert", "x0 from eps, and back", {
        "shape and dtype of x": 0, "x0 = (x - sigma eps) / alpha": 1, "eps = (x - alpha x0) / sigma": 1,
        "there and back gives the same eps": 0.5}, batch_cases, invert_run, invert_verify, own=(Denoiser.__call__,)),
)
