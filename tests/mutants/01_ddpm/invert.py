"""Answers to 01-invert: right ones, and wrong ones with the causes that a report may name for them."""
import math
from functools import partial

import torch

from effml_lab.diffusion import denoise, levels

EXERCISE = "01-invert"


def factors(t, abar, x):
    a = abar[t].view(-1, *[1] * (x.dim() - 1))
    return a.sqrt(), (1 - a).sqrt()


def to_x0(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return (x - s * eps) / a


def to_eps(x, t, abar, x0):
    a, s = factors(t, abar, x)
    return (x - a * x0) / s


def to_x0_split(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return x / a - (1 / a**2 - 1) ** 0.5 * eps


def to_eps_split(x, t, abar, x0):
    a, s = factors(t, abar, x)
    return x / s - (a / s) * x0


def no_root(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return (x - s * eps) / a**2


def variance(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return (x - s**2 * eps) / a


def undivided(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return x - s * eps


def plus(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return (x + s * eps) / a


def first_t(x, t, abar, eps):
    a = abar[t[0]]
    return (x - (1 - a).sqrt() * eps) / a.sqrt()


def eps_variance(x, t, abar, x0):
    a, s = factors(t, abar, x)
    return (x - a * x0) / s**2


def eps_unscaled(x, t, abar, x0):
    a, s = factors(t, abar, x)
    return (x - x0) / s


def to_x0_each(x, t, abar, eps):
    return torch.stack([(y - (1 - abar[i]) ** 0.5 * e) / abar[i] ** 0.5 for y, i, e in zip(x, t, eps)])


def bracket(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return x - s * eps / a


def eps_bracket(x, t, abar, x0):
    a, s = factors(t, abar, x)
    return x - a * x0 / s


def abar_for_alpha(x, t, abar, eps):
    return to_x0(x, t, abar**2, eps)


def eps_abar_for_alpha(x, t, abar, x0):
    return to_eps(x, t, abar**2, x0)


def forward_again(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return a * x + s * eps


def eps_plus(x, t, abar, x0):
    return to_eps(x, t, abar, -x0)


def x0_no_roots(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return (x - s**2 * eps) / a**2


def eps_no_roots(x, t, abar, x0):
    a, s = factors(t, abar, x)
    return (x - a**2 * x0) / s**2


def returns_nothing(x, t, abar, eps):
    to_x0(x, t, abar, eps)


def still_a_stub(x, t, abar, x0):
    raise NotImplementedError()


def with_table(table, solve):
    """Alpha-bar read elsewhere: table(abar) -> (T,)."""
    return lambda x, t, abar, other: solve(x, t, table(abar).to(x.dtype), other)


def clean_start(solve):
    return with_table(lambda abar: torch.cat([abar.new_ones(1), abar[1:]]), solve)


def laid(x, t, abar, eps):
    a = abar[t]
    return (x - (1 - a).sqrt() * eps) / a.sqrt()


def four(x, t, abar, eps):
    a = abar[t].view(-1, 1, 1, 1)
    return (x - (1 - a).sqrt() * eps) / a.sqrt()


def clipped(x, t, abar, eps):
    return to_x0(x, t, abar, eps).clamp(-1, 1)


def multiplied(x, t, abar, eps):
    a, s = factors(t, abar, x)
    return (x - s * eps) * a


def renewed(x, t, abar, eps):
    return to_x0(x, t, abar, torch.randn(x.shape).to(x))


def notebook(abar):
    return (1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0)


def to_x0_of_floats(x, t, abar, eps):
    return torch.stack([(y - math.sqrt(1 - abar[i]) * e) / math.sqrt(abar[i]) for y, i, e in zip(x, t, eps)])


def to_eps_by_x0(x, t, abar, x0):
    a, s = factors(t, abar, x)
    return -(a / s) * (x0 - x / a)


RIGHT = [(to_x0_each, partial(to_eps)), (to_x0, to_eps), (to_x0_split, to_eps_split), [to_x0, to_eps_split],
         (to_x0_of_floats, to_eps_by_x0)]
WRONG = [
    ((no_root, to_eps), ["divided by alpha-bar"]),
    ((variance, to_eps), ["variance 1 - alpha-bar"]),
    ((undivided, to_eps), ["division by alpha is missing"]),
    ((plus, to_eps), ["plus where minus"]),
    ((first_t, to_eps), ["t of the first"]),
    ((to_x0, eps_variance), ["divided by the variance"]),
    ((to_x0, eps_unscaled), ["not scaled by alpha"]),
    ((to_eps, to_x0), ["alpha and sigma are swapped"]),
    ((bracket, to_eps), ["only the noise is divided"]),
    ((to_x0, eps_bracket), ["only x0 is divided"]),
    ((abar_for_alpha, to_eps), ["alpha-bar where alpha belongs"]),
    ((to_x0, eps_abar_for_alpha), ["alpha-bar where alpha belongs"]),
    ((forward_again, to_eps), ["eq. 4 again"]),
    ((to_x0, eps_plus), ["plus where minus"]),
    ((to_x0, to_x0), ["alpha and sigma are swapped"]),
    ((x0_no_roots, to_eps), ["both square roots"]),
    ((to_x0, eps_no_roots), ["both square roots"]),
    ((x0_no_roots, eps_no_roots), ["both square roots"]),
    ((returns_nothing, to_eps), []),
    ((to_x0, still_a_stub), []),
    (to_x0, []),
    ((laid, to_eps), ["reshape it", "a column of the picture"]),
    ((four, to_eps), ["suits four dimensions"]),
    ((clipped, to_eps), ["clipped to -1"]),
    ((multiplied, to_eps), ["multiplied by alpha"]),
    ((renewed, to_eps), []),
    ((with_table(notebook, to_x0), with_table(notebook, to_eps)), ["the notebook's table"]),
    ((with_table(lambda abar: abar.cumprod(0), to_x0), to_eps), ["taken once more"]),
    ((to_x0, with_table(lambda abar: abar.roll(1), to_eps)), ["read at t - 1"]),
    ((clean_start(to_x0), to_eps), ["t = 0 is taken for clean"]),
    ((still_a_stub, to_eps), []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def solved(by):
    """A function of (x, t, abar, other) from a formula in x, a, z: a is alpha-bar, z what is given."""
    def answer(x, t, abar, given):
        return by(x, abar[t].view(-1, *[1] * (x.ndim - 1)), given)
    return answer


def x0_by(by):
    return solved(by), to_eps


def eps_by(by):
    return to_x0, solved(by)


WRONG += [
    (x0_by(lambda x, a, z: x / a.sqrt() - (1 - a).sqrt() * z), ["only x is divided by alpha"]),
    (x0_by(lambda x, a, z: (x - (1 - a).sqrt() * z) / (1 - a).sqrt()), ["divided by sigma"]),
    (x0_by(lambda x, a, z: (x + (1 - a) * z) / a.sqrt()), []),
    (x0_by(lambda x, a, z: ((1 - a).sqrt() * z - x) / a.sqrt()), ["the sign: it is x less sigma eps"]),
    (x0_by(lambda x, a, z: a.sqrt() * x - (1 - a).sqrt() * z), ["this turns v into x0"]),
    (x0_by(lambda x, a, z: (x - (1 - a).sqrt() * z) / a.sqrt().clamp(min=0.1)), []),
    (x0_by(lambda x, a, z: (x - (1 - a).sqrt() * z) / a.sqrt().clamp(min=0.01)), []),
    (x0_by(lambda x, a, z: (x - (1 - a).sqrt() * z) / (a.sqrt() + 1e-4)), []),
    (eps_by(lambda x, a, z: (x - a.sqrt() * z) / a.sqrt()), ["divided by alpha: sigma multiplies eps"]),
    (eps_by(lambda x, a, z: -(x - a.sqrt() * z) / (1 - a)), ["this is the score"]),
    (eps_by(lambda x, a, z: (x - a.sqrt() * z) / ((1 - a).sqrt() + 1e-3)), []),
    (eps_by(lambda x, a, z: (x - a.sqrt() * z) / (1 - a).sqrt().clamp(min=0.05)), []),
    (eps_by(lambda x, a, z: ((x**2 - a * z**2).abs() / (1 - a)).sqrt()), []),
    (eps_by(lambda x, a, z: ((x - a.sqrt() * z) / (1 - a)).sqrt()), []),
    ((solved(lambda x, a, z: (x - (1 - a.sqrt()) * z) / a.sqrt()), solved(lambda x, a, z: (x - a.sqrt() * z) / (1 - a.sqrt()))),
     ["take the root after the difference"]),
    ((solved(lambda x, a, z: (x - (1 - a.sqrt()).sqrt() * z) / a.sqrt()),
      solved(lambda x, a, z: (x - a.sqrt() * z) / (1 - a.sqrt()).sqrt())), ["alpha² belongs under the root"]),
]


def table_x0(x, t, abar, eps):
    return denoise.PREDICTIONS["eps"].to_x0(eps, x, levels.Level(t, *factors(t, abar, x)))


WRONG += [((table_x0, to_eps), [])]
