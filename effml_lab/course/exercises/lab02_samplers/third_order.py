"""Lab 02: the third-order guess, with the weight that its published form lacks (DPM-Solver++, Lu et al. 2022).

A rule that fits a parabola through three guesses must find the weighted mean of any parabola over the step exactly:
D = integral of e^u x0(u) du / integral of e^u du, u = lam - lam_cur from 0 to h (proposition 4.1). In the third-order
multistep rule as published the weight of the second difference is half of that: exact on lines, of order 2.
"""
import math
from itertools import pairwise
from typing import Callable, NamedTuple

import torch
from torch import Tensor

from ....diffusion.guess import forecast, parabola
from ...contract.exercise import Exercise, close, forgiven, near, same_form
from ..common import SHAPES, tol
from ..walks import guess, levels_of, moved
from .convergence import measured_order, order_case

FORM, ORDER = "a guess shaped like those given", "the measured order is 3"
SLACK = 1e-4            # so that a mean by a fine sum will do; a slip has to be met exactly
CONSTANT, LINE, PARABOLA = "equal guesses: D is their value", "guesses on a line", "guesses on a parabola"


class Three(NamedTuple):
    """Three guesses, newest first, and the steps: h ahead, h0 and h1 behind."""
    m0: Tensor
    m1: Tensor
    m2: Tensor
    h: float
    h0: float
    h1: float

    def rule(self, factor: float = 2.0, mix: float | None = None, behind: tuple[float, float] | None = None,
             mean: tuple[float, float] | None = None, times: float = 1.0, lead: float = 0.0) -> Tensor:
        """The rule in its published letters, with factor = 2 for 1; None stands for what is right.

        times: of the term of D1. lead: how much more of the nearer difference D2 has.
        """
        r0, r1 = (self.h0 / self.h, self.h1 / self.h) if behind is None else behind
        u, uu = means(self.h) if mean is None else mean
        near, far = (self.m0 - self.m1) / r0, (self.m1 - self.m2) / r1
        first = near + (r0 / (r0 + r1) if mix is None else mix) * (near - far)
        bend = (factor * (near - far) + lead * near) / (r0 + r1)
        return self.m0 + times * u / self.h * first + uu / (2 * self.h**2) * bend


    def newton(self, older: Tensor) -> Tensor:
        """The rule by Newton's parabola, with another slope between the two older guesses."""
        u, uu = means(self.h)
        slope = (self.m0 - self.m1) / self.h0
        return self.m0 + slope * u + (slope - older) / (self.h0 + self.h1) * (uu + self.h0 * u)


def means(h: float) -> tuple[float, float]:
    """Of u and u^2 from 0 to h under the weight e^u."""
    u = h / -math.expm1(-h) - 1
    return u, h**2 / -math.expm1(-h) - 2 * u


def cases(rng):
    """Guesses along a constant, a line and a parabola in lambda; and a walk in 16 steps and in 32."""
    out = []
    for degree, (shape, dtype) in enumerate(zip(SHAPES, (torch.float64, torch.float32, torch.float64))):
        gaps = (0.4 + 0.4 * torch.rand(3, generator=rng)).tolist()      # no two in a ratio at which slips meet
        curve = [torch.randn(shape, generator=rng, dtype=dtype) for _ in range(degree + 1)]
        back = [0.0, -gaps[1], -gaps[1] - gaps[2]]
        lam = 4 * torch.rand((), generator=rng).item() - 2
        out.append({"x0s": [sum(c * u**k for k, c in enumerate(curve)) for u in back], "degree": degree,
                    "lams": [lam + gaps[0], *(lam + u for u in back)]})
    return [*out, order_case(16, 32)]


def run(impl, case):
    if "grids" in case:
        return {"ends": [multistep(impl, case, grid) for grid in case["grids"]]}
    return {"out": impl(list(case["x0s"]), list(case["lams"]))}


def multistep(third: Callable, case, grid: Tensor) -> Tensor:
    """The last state of a walk: two steps of lower order, then those that are judged. What is no guess ends it."""
    x, x0s, lams = case["x"], [], []
    for cur, nxt in pairwise(levels_of({"grid": grid})):
        x0s, lams = [guess(case, x, cur), *x0s[:2]], [cur.lam, *lams[:2]]
        x0 = third(list(x0s), [nxt.lam, *lams]) if len(x0s) == 3 else 1.5 * x0s[0] - 0.5 * x0s[-1]      # even steps
        if not isinstance(x0, Tensor) or x0.shape != x.shape:
            return x0
        x = moved(x, x0, cur, nxt)
    return x


def verify(case, out):
    if "grids" in case:
        return [measured_order(ORDER, case, out["ends"], 2.7, 3.8)]
    x0s, got = case["x0s"], out["out"]
    form = same_form(FORM, got, x0s[0])
    if not form.readable:
        return [form]
    form = form if case["degree"] else forgiven(form)           # zeros for a constant are told below
    three = Three(*(m.double() for m in x0s), *(a - b for a, b in pairwise(case["lams"])))
    name = (CONSTANT, LINE, PARABOLA)[case["degree"]]
    row = close(name, got, three.rule(), None, SLACK)
    if row.passed:
        return [form, row]
    row = close(name, got, three.rule(), slips(three), tol(got.dtype))
    return [form, row if row.causes or not case["degree"] else row._replace(causes=weighed(three, got.double()))]


def weighed(s: Three, got: Tensor) -> tuple[str, ...]:
    """What is said if nothing but the weight of the last term is off."""
    without, term = s.rule(0.0), s.rule(1.0) - s.rule(0.0)
    if term.abs().max() < 1e-9:
        return ()
    factor = float(((got - without) * term).sum() / term.square().sum())
    found = "all is right but the weight of the last term, that of the second difference"
    return (found,) if near(got, s.rule(factor), 1e-6) else ()


def slips(s: Three) -> dict[str, Callable[[], Tensor]]:
    (h, h0, h1), (u, uu) = s[3:], means(s.h)
    r0, r1 = h0 / h, h1 / h
    up = math.expm1(h)
    carried = "the slope between guesses is not that at cur: D1 has a second part, and Newton's product is u (u + h0)"
    rule = lambda *arguments, **named: lambda: s.rule(*arguments, **named)
    return {
        "this is the published rule: right for lines, not for parabolas; by what factor is its last term off?": (
            rule(1.0)),
        "the last term has twice the weight that a parabola needs": rule(4.0),
        "the sign of the last term": rule(-2.0),
        "the difference D1_0 - D1_1 is doubled, and with it D1: D2 alone lacks the 2": rule(2.0, mix=2 * r0 / (r0 + r1)),
        "the guess at cur itself is missing: D = x0 + ...": lambda: s.rule() - s.m0,
        "the integral over the step: the mean is asked for, so divide by h": lambda: h * s.rule(),
        "1 - e^-h is the weight of D in the step, not a part of D": lambda: -math.expm1(-h) * s.rule(),
        "the weight over the step is e^(u - h): it grows towards nxt": rule(mean=(1 - h / up, 2 - (h**2 + 2 * h) / up)),
        "the term of the slope is missing: D = x0 + slope + bend": rule(times=0.0, mix=0.0),
        "the older slope is divided by the newer step: it has a step of its own, lam_1 - lam_2": lambda: (
            s.newton((s.m1 - s.m2) / h0)),
        "d2 is the difference of two slopes: the older one is not taken away": lambda: s.newton(torch.zeros_like(s.m0)),
        "the lams are read one too early: they begin with nxt": lambda: s._replace(h0=h, h1=h0).rule(),
        "the guesses are read oldest first: they come newest first": s._replace(m0=s.m2, m2=s.m0).rule,
        "the sign of the term of D1": rule(times=-1.0),
        "the sign of the term of D1, and the last one as published": rule(1.0, times=-1.0),
        "D1 is doubled: it is D2 that lacks a factor": rule(1.0, times=2.0),
        "D1 is doubled too: it is D2 alone that lacks a factor": rule(times=2.0),
        "the second part of D1 is doubled: it is D2 that lacks a factor": rule(1.0, 2 * r0 / (r0 + r1)),
        "the last term is halved: it is too small as published": rule(0.5),
        "only D1_0 is doubled in D2: the 2 belongs before the whole difference": rule(1.0, lead=1.0),
        "the mean of u² is h² / (1 - e^-h) less 2 mean(u), or in the published letters: only the 0.5 is doubled": (
            rule(1 + h**2 / uu / -math.expm1(-h))),
        "only (e + h) / h² in the last weight is doubled": rule(1 + 2 * (1 + h / math.expm1(-h)) / uu),
        "differences are divided by h0 and h1: r0 and r1, their ratios to h, belong there": rule(behind=(h0, h1)),
        "divided by h0 and h1 where their ratios to h belong, and the last term as published": rule(1.0, behind=(h0, h1)),
        "d2 is divided by lam_0 - lam_1: it reaches over both steps, lam_0 - lam_2": rule(2 * (r0 + r1) / r0, 1.0),
        "d2 is divided by lam_1 - lam_2: it reaches over both steps, lam_0 - lam_2": rule(2 * (r0 + r1) / r1, r0 / r1),
        "d2 is not divided by lam_0 - lam_2": rule(2 * (h0 + h1), h0),
        "the sign of d2: the newer slope less the older one": rule(-2.0, -r0 / (r0 + r1)),
        "u (u + h) where u (u + h0) belongs: the node before is h0 behind": rule(mix=1 / (r0 + r1)),
        "1 - e^-h is positive: the sign in both means": rule(mean=(-u - 2, 4 - uu)),
        "h is lam_nxt - lam_cur, not the other way round": rule(mean=(h / up - 1, 2 - (h**2 + 2 * h) / up)),
        "the mean of u² begins with h² / (1 - e^-h), not with h": rule(mean=(u, 1 - u)),
        "the last term is missing: right for lines only": rule(0.0),
        "this is 2M's guess: the third one is not used": lambda: s.m0 + h / (2 * h0) * (s.m0 - s.m1),
        "a line through two guesses: the third one is not used": rule(0.0, 0.0),
        carried: rule(mix=0.0),
        "the share in D1 is r0 / (r0 + r1), not r1 / (r0 + r1)": rule(mix=r1 / (r0 + r1)),
        "the sign in D1's second part, or in Newton's u (u + h0)": rule(mix=-r0 / (r0 + r1)),
        "half of the second difference, everywhere": rule(1.0, r0 / (r0 + r1) / 2),
        "the second difference is doubled: Newton's d2 is half of the second derivative": (
            rule(4.0, 2 * r0 / (r0 + r1))),
        "r0 and r1 are swapped": rule(behind=(r1, r0)),
        "r0 and r1 are upside down: the step behind over the step ahead": rule(behind=(1 / r0, 1 / r1)),
        "the steps behind are taken for equal to the one ahead": rule(behind=(1.0, 1.0)),
        "both steps behind are taken for the latest": rule(behind=(r0, r0)),
        "r1 reaches back to cur: it is the step between the two older guesses": rule(behind=(r0, r0 + r1)),
        "the plain mean over the step: its weight is e^lambda": rule(mean=(h / 2, h**2 / 3)),
        "the parabola's value half way: the mean over the step is asked for": rule(mean=(h / 2, h**2 / 4)),
        "the parabola's value at nxt: the mean over the step is asked for": rule(mean=(h, h**2)),
        "e^h where e^-h belongs": rule(mean=(-1 - h / up, 2 + (2 * h - h**2) / up)),
        "the mean of u lacks its - 1": rule(mean=(u + 1, uu - 2)),
        "the mean of u² lacks its - 2 mean(u)": rule(mean=(u, uu + 2 * u)),
        "the mean of u² is not the square of the mean": rule(mean=(u, u**2))}


EXERCISES = (Exercise("02-third-order", "The third-order guess, mended", {
    FORM: 0, CONSTANT: 0.25, LINE: 0.5, PARABOLA: 2.5, ORDER: 1.5}, cases, run, verify, own=(forecast, parabola)),)
