"""Lab 02: the order of a solver: the slope of the straight line through -log error over log N, by least squares."""
import math

import torch

from ....measure import order
from ...contract.exercise import Exercise, close, finite, prediction
from ..common import POSITIVE, integer, one_number

ONE, EXACT, SCATTER = "one finite number", "points on a straight line", "points that scatter: least squares"
SIGNS = "the sign: errors that fall have an order above 0", (
    "the sign, or abs, or a ratio of two standard deviations, which has none: errors that rise have an order below 0")
RISING = "errors that rise: the order is below 0"


def cases(rng):
    """An exact power law at doubled counts, one with scatter at uneven counts, and one that rises."""
    draw = lambda n: torch.rand(n, generator=rng, dtype=torch.float64)

    def case(noise: float, sign: int = 1) -> dict:
        k, p = integer(rng, 5, 8), sign * (0.7 + 2.5 * draw(1))
        powers = torch.arange(k).double() + (draw(k) / 2 if noise else 0)
        counts = (16 * 2**powers).round()
        return {"errors": (1 + draw(1)) * counts**-p * (noise * draw(k)).exp(), "counts": counts}

    scattered = case(0.3)
    while not telling(scattered):
        scattered = case(0.3)
    return [case(0.0), scattered, case(0.0, -1)]


def telling(case) -> bool:
    """Whether what is right and what is nearly right are apart in this case."""
    x, y = case["counts"].log(), -case["errors"].log()
    u, v = x - x.mean(), y - y.mean()
    p, steep = (u * v).sum() / u.square().sum(), v.diff() / u.diff()
    values = torch.stack([p, p.round(), (v[-1] - v[0]) / (u[-1] - u[0]), steep.mean(), steep.median(),
                          steep[0], steep[-1], v.diff().mean() / math.log(2), (x * y).sum() / x.square().sum(), (y / x).mean()])
    alike = (u * v).sum() / (u.norm() * v.norm())
    return bool((values.sort().values.diff() > 3e-3).all() and alike < 0.9995)


def run(impl, case) -> float:
    return one_number(impl(case["errors"], case["counts"]), "order")


def verify(case, out):
    form = finite(ONE, out)
    if not form.readable:
        return [form]
    x, y = case["counts"].log(), -case["errors"].log()
    u, v = x - x.mean(), y - y.mean()
    steep, n, alike = v.diff() / u.diff(), len(x), (u * v).sum() / (u.norm() * v.norm())
    p = (u * v).sum() / u.square().sum()
    plain = lambda a, b: ((a - a.mean()) * (b - b.mean())).sum() / (a - a.mean()).square().sum()
    w, of_plain = x - case["counts"].mean().log(), -plain(case["counts"], case["errors"])
    of_errors = -plain(x, case["errors"])
    small = lambda value: value if abs(out - value) < 1e-4 * abs(value) else p           # so small that any other is near it
    late = y + case["errors"].mean().log()
    name = RISING if p < 0 else EXACT if (v - p * u).abs().max() < 1e-6 else SCATTER
    return [form, close(name, torch.tensor(out, dtype=torch.float64), p, {
        SIGNS[bool(p < 0)]: lambda: -p,
        "the logarithm of a number below 0, or 0 / 0: take logarithms first, then means away": lambda: p * torch.nan,
        "the slope between the first point and the last: the others count too": lambda: (v[-1] - v[0]) / (u[-1] - u[0]),
        "the mean of the slopes between neighbours: fit one line through all": lambda: steep.mean(),
        "the median of the slopes between neighbours: fit one line through all": lambda: steep.median(),
        "N is taken for doubled each time: divide by the logarithm of its own ratio": lambda: (
            v.diff().mean() / math.log(2)),
        "the slope between the first two points": lambda: steep[0],
        "the slope between the last two points": lambda: steep[-1],
        "over N itself: take its logarithm": lambda: plain(case["counts"], y),
        "of the errors themselves: take their logarithm": lambda: small(of_errors),
        "no logarithms": lambda: small(of_plain),
        "the product of two sums, each of which is 0: it is the sum of products": lambda: 0 * p if abs(out) < 1e-9 else p,
        "each error by itself, -log error / log N: the factor C counts too, so fit a line": lambda: (y / x).mean(),
        "the mean of N is taken before its logarithm: take the mean of the logarithms": lambda: (w * v).sum() / w.square().sum(),
        "the means of N and of the error are taken before their logarithms": lambda: (w * late).sum() / w.square().sum(),
        "divided by a sum of log N less its mean, which is 0: square each first, then add": lambda: (
            out + 0 * p if 1e6 < abs(out) < math.inf else p),
        "2 to the power of the order: the order itself is asked for": lambda: 2**p,
        "what each step of N divides the error by: the order is its logarithm, over that of N": lambda: (
            case["errors"][:-1] / case["errors"][1:]).mean(),
        "the errors are squared: then they fall twice as fast": lambda: 2 * p,
        "the errors are rooted: then they fall half as fast": lambda: p / 2,
        "a mean above and a sum below: both the same": lambda: p / n,
        "a mean above, and var(), which divides by n - 1, below: both the same": lambda: p * (n - 1) / n,
        "divided by the standard deviation of log N: by its square": lambda: p * u.square().mean().sqrt(),
        "divided by std() of log N: by var()": lambda: p * u.std(),
        "log N is taken for 0, 1, 2, ... times log 2: take it from counts": lambda: (
            plain(torch.arange(n).double(), y) / math.log(2)),
        "the two logarithms differ in base: log2 and log": lambda: p / math.log(2),
        "the two logarithms differ in base: log and log2": lambda: p * math.log(2),
        "the two logarithms differ in base: log10 and log": lambda: p / math.log(10),
        "the two logarithms differ in base: log and log10": lambda: p * math.log(10),
        "the line is fitted to log N over log error: log error over log N": lambda: plain(y, x),
        "the inverse of the slope": lambda: 1 / p,
        "a line through the origin: take the means away first": lambda: (x * y).sum() / x.square().sum(),
        "the squares below are those of log N less its mean": lambda: (u * v).sum() / x.square().sum(),
        "the numerator is made of log N and log error without their means taken away": lambda: (x * y).sum() / u.square().sum(),
        "the sum of products alone: divide by the sum of squares": lambda: (u * v).sum(),
        "divided by n, not by the sum of squares": lambda: (u * v).sum() / n,
        "the correlation: divide by the squares of log N only": lambda: alike if abs(alike) < 0.9999 else p,
        "divided by the root of the sum of squares": lambda: (u * v).sum() / u.norm(),
        "one of covariance and variance is over n, the other over n - 1": lambda: p * n / (n - 1),
        "this is where the line starts, not how it falls": lambda: y.mean() - p * x.mean()}, 1e-5)]


EXERCISES = (
    Exercise("02-order", "The order of a solver", {ONE: 0, EXACT: 1, SCATTER: 1, RISING: 0.5}, cases, run, verify,
             own=(order.order,)),
    prediction("02-guess-order", "How much smaller is 2M's error with twice the steps?", *POSITIVE),
)
