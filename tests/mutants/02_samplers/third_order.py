"""Answers to 02-third-order: right ones, and wrong ones with the causes that a report may name for them."""
import math
from functools import partial
from itertools import pairwise

import numpy as np
import torch

from effml_lab.diffusion.guess import forecast

EXERCISE = "02-third-order"
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)


def right_letters(x0s, lams):
    """As published, with the 2."""
    return letters(x0s, lams)


def letters(x0s, lams, factor=2.0, mix=None, ratios=lambda h, h0, h1: (h0 / h, h1 / h), sign=-1, times=1.0, lead=0.0,
            last=lambda e, h: ((e + h) / h**2 - 0.5) / e):
    m0, m1, m2 = x0s
    h, h0, h1 = (a - b for a, b in pairwise(lams))
    (r0, r1), e = ratios(h, h0, h1), math.expm1(sign * h)
    near, far = (m0 - m1) / r0, (m1 - m2) / r1
    d1 = near + (mix(r0, r1) if mix else r0 / (r0 + r1)) * (near - far)
    d2 = (factor * (near - far) + lead * near) / (r0 + r1)
    return m0 - times * (e / h + 1) / e * d1 + last(e, h) * d2


def right_newton(x0s, lams):
    return newton(x0s, lams)


def newton(x0s, lams, mean=lambda h: h / -math.expm1(-h) - 1, square=lambda h, u: h**2 / -math.expm1(-h) - 2 * u,
           cross=1.0, half=1.0, over=lambda cur, one, two: cur - two, ahead=False, turned=1):
    nxt, cur, one, two = lams
    slope, h = (x0s[0] - x0s[1]) / (cur - one), turned * (nxt - cur)
    bend = half * (slope - (x0s[1] - x0s[2]) / (one - two)) / over(cur, one, two)
    u = mean(h)
    return x0s[0] + slope * u + bend * (square(h, u) + cross * (nxt - cur if ahead else cur - one) * u)


def right_weights(x0s, lams):
    """Three weights that are right for 1, u and u^2."""
    h, at = lams[0] - lams[1], np.array(lams[1:]) - lams[1]
    u = h / -math.expm1(-h) - 1
    weights = np.linalg.solve(np.stack([at**0, at, at**2]), [1, u, h**2 / -math.expm1(-h) - 2 * u])
    return sum(float(w) * x0 for w, x0 in zip(weights, x0s))


def right_sum(x0s, lams):
    """Gauss's rule over Lagrange's parabola, no closed form: float64 inside."""
    at = lams[1] + (lams[0] - lams[1]) * (NODES + 1) / 2
    weights = WEIGHTS * np.exp(at - lams[0])
    total = torch.zeros_like(x0s[0], dtype=torch.float64)
    for i, x0 in enumerate(x0s):
        others = [lam for j, lam in enumerate(lams[1:]) if j != i]
        basis = np.prod([(at - lam) / (lams[1 + i] - lam) for lam in others], axis=0)
        total = total + float((weights * basis).sum() / weights.sum()) * x0.double()
    return total.to(x0s[0].dtype)


def right_fine_sum(x0s, lams):
    """The means as the lab's cell finds them."""
    u = torch.linspace(0, lams[0] - lams[1], 10001, dtype=torch.float64)
    weights = u.exp() / u.exp().sum()
    return newton(x0s, lams, lambda h: (weights * u).sum().item(), lambda h, _: (weights * u**2).sum().item())


def wrong_2m(x0s, lams):
    nxt, cur, one, _ = lams
    return x0s[0] + (nxt - cur) / (cur - one) / 2 * (x0s[0] - x0s[1])


def wrong_line(x0s, lams):
    nxt, cur, one, _ = lams
    return x0s[0] + ((nxt - cur) / -math.expm1(cur - nxt) - 1) * (x0s[0] - x0s[1]) / (cur - one)


def wrong_order_of_guesses(x0s, lams):
    return right_newton(x0s[::-1], lams)


def wrong_only_now(x0s, lams):
    return x0s[0].clone()


def wrong_calls(x0s, lams):
    return forecast(x0s, lams)


def wrong_in_place(x0s, lams):
    right = right_newton(x0s, lams)
    x0s[0].copy_(right)
    return x0s[0]


RIGHT = [right_letters, right_newton, right_weights, right_sum, right_fine_sum]
WRONG = [
    (partial(letters, times=-1.0), ["the sign of the term of D1"]),
    (partial(letters, factor=1.0, times=-1.0), ["the sign of the term of D1"]),
    (partial(letters, factor=1.0, times=2.0), ["D1 is doubled"]),
    (partial(letters, times=2.0), ["D1 is doubled"]),
    (partial(letters, factor=1.0, mix=lambda r0, r1: 2 * r0 / (r0 + r1)), ["the second part of D1"]),
    (partial(letters, factor=0.5), ["the last term is halved"]),
    (partial(letters, factor=1.0, lead=1.0), ["only D1_0 is doubled"]),
    (partial(letters, factor=1.0, last=lambda e, h: ((e + h) / h**2 - 1.0) / e), ["only the 0.5 is doubled"]),
    (partial(letters, factor=1.0, last=lambda e, h: (2 * (e + h) / h**2 - 0.5) / e), ["only (e + h)"]),
    (partial(letters, ratios=lambda h, h0, h1: (h0, h1)), ["divided by h0 and h1"]),
    (partial(letters, factor=1.0, ratios=lambda h, h0, h1: (h0, h1)), ["divided by h0 and h1"]),
    (partial(newton, over=lambda cur, one, two: cur - one), ["divided by lam_0 - lam_1"]),
    (partial(newton, over=lambda cur, one, two: one - two), ["divided by lam_1 - lam_2"]),
    (partial(newton, over=lambda cur, one, two: 1.0), ["is not divided by lam_0"]),
    (partial(newton, half=-1.0), ["the sign of d2"]),
    (partial(newton, mean=lambda h: h / math.expm1(-h) - 1, square=lambda h, u: h**2 / math.expm1(-h) - 2 * u),
     ["the sign in both means"]),
    (partial(newton, turned=-1), ["not the other way round"]),
    (partial(newton, square=lambda h, u: h / -math.expm1(-h) - 2 * u), ["not with h"]),
    (partial(letters, factor=1.0), ["published rule"]),
    (partial(letters, factor=4.0), ["twice the weight"]),
    (partial(letters, factor=-2.0), ["the sign of the last"]),
    (partial(letters, factor=0.0), ["last term is missing"]),
    (partial(letters, factor=1.5), ["all is right but the weight"]),
    (partial(letters, mix=lambda r0, r1: 0.0), ["is not that at cur"]),
    (partial(letters, mix=lambda r0, r1: r1 / (r0 + r1)), ["the share in D1"]),
    (partial(letters, mix=lambda r0, r1: -r0 / (r0 + r1)), ["the sign in"]),
    (partial(letters, ratios=lambda h, h0, h1: (h1 / h, h0 / h)), ["are swapped"]),
    (partial(letters, ratios=lambda h, h0, h1: (h / h0, h / h1)), ["upside down"]),
    (partial(letters, ratios=lambda h, h0, h1: (1.0, 1.0)), ["taken for equal"]),
    (partial(letters, ratios=lambda h, h0, h1: (h0 / h, h0 / h)), ["taken for the latest"]),
    (partial(letters, ratios=lambda h, h0, h1: (h0 / h, (h0 + h1) / h)), ["reaches back to cur"]),
    (partial(letters, sign=1), ["e^h where"]),
    (partial(newton, half=0.5), ["half of the second difference"]),
    (partial(newton, half=2.0), ["is doubled"]),
    (partial(newton, cross=0.0), ["is not that at cur"]),
    (partial(newton, cross=-1.0), ["the sign in"]),
    (partial(newton, mean=lambda h: h / -math.expm1(-h)), ["lacks its - 1"]),
    (partial(newton, mean=lambda h: h / math.expm1(h) - 1), ["not the other way round"]),
    (partial(newton, square=lambda h, u: h**2 / -math.expm1(-h)), ["lacks its - 2"]),
    (partial(newton, square=lambda h, u: u**2), ["square of the mean"]),
    (partial(newton, mean=lambda h: h / 2, square=lambda h, u: h**2 / 3), ["the plain mean"]),
    (partial(newton, mean=lambda h: h / 2, square=lambda h, u: h**2 / 4), ["half way"]),
    (partial(newton, mean=lambda h: h, square=lambda h, u: h**2), ["value at nxt"]),
    (wrong_2m, ["2M's guess"]),
    (wrong_line, ["a line through two"]),
    (wrong_order_of_guesses, ["oldest first"]),
    (wrong_only_now, ["the term of the slope is missing"]),
    (wrong_calls, []),
    (wrong_in_place, []),
    (forecast, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def wrong_shared_bend(x0s, lams):
    """The difference of the two D1 is doubled where it is first worked out."""
    return letters(x0s, lams, mix=lambda r0, r1: 2 * r0 / (r0 + r1))


def wrong_no_m0(x0s, lams):
    return right_newton(x0s, lams) - x0s[0]


def wrong_older_slope_kept(x0s, lams):
    nxt, cur, one, two = lams
    slope, h = (x0s[0] - x0s[1]) / (cur - one), nxt - cur
    u = h / -math.expm1(-h) - 1
    return x0s[0] + slope * u + slope / (cur - two) * (h**2 / -math.expm1(-h) - 2 * u + (cur - one) * u)


WEIGHT = ["all is right but the weight of the last term"]
WRONG += [
    (wrong_shared_bend, ["the difference D1_0 - D1_1 is doubled"]),
    (wrong_no_m0, ["the guess at cur itself is missing"]),
    (wrong_older_slope_kept, ["the older one is not taken away"]),
    (partial(letters, factor=-1.0), WEIGHT),
    (partial(letters, factor=6.0), WEIGHT),
    (partial(letters, factor=1.97), WEIGHT),
    (partial(letters, last=lambda e, h: ((e + h) / h**2) / e), WEIGHT),
    (partial(letters, last=lambda e, h: ((e + h) / h**2 - 1 / 6) / e), WEIGHT),
    (partial(newton, square=lambda h, u: h**2 / -math.expm1(-h) - u), ["the mean of u² is h² / (1 - e^-h) less 2 mean(u)"]),
]


# What another reader wrote who had not seen this bank, and what was not told then.

def times(factor):
    return lambda x0s, lams: factor(lams[0] - lams[1]) * RIGHT[0](x0s, lams)


WRONG += [(times(lambda h: h), ["the integral over the step"]), (times(lambda h: -math.expm1(-h)), ["is the weight of D"])]
