"""Lab 02: the probability-flow ODE by Euler's method (Song et al. 2021, eq. 13).

All steps are compared number by number, which tells Euler's step from those that agree with it to first order in beta.
"""
from typing import Callable

import torch
from torch import Tensor

from ....diffusion import oracle
from ...contract.exercise import Exercise, close, reading
from ..common import integer, tol
from ..retrace import FORM, STARTS, WALKED, noting
from ..walks import SIZES, each
from .euler import OWN, begun, drift_slips, moved, score_of, table

EULER, STILL = "each step of the ODE", "nothing is random"


def cases(rng):
    kinds = zip(SIZES, (torch.float32, torch.float64, torch.float64))
    between = lambda low, high: low + (high - low) * torch.rand((), generator=rng).item()
    return [{"x": 1.5 * torch.randn(shape, generator=rng, dtype=dtype), "betas": table(rng, integer(rng, 5, 9), dtype),
             "mean": between(0.3, 1.3), "std": between(0.2, 0.5)} for shape, dtype in kinds]


def run(impl, case):
    walk, T = [], len(case["betas"])
    torch.default_generator.manual_seed(1)
    out = impl(noting(walk, T, "score", score_of(case)), case["x"], case["betas"])
    torch.default_generator.manual_seed(2)
    return {"out": out, "again": impl(noting([], T, "score", score_of(case)), case["x"], case["betas"]),
            "ts": [t for t, _ in walk], "xs": [x for _, x in walk]}


def verify(case, out):
    rows, walk = begun(case, out)
    if not walk:
        return rows
    still = close(STILL, out["again"], out["out"], None, tol(case["x"].dtype))
    if not still.passed:
        return [*rows, still._replace(causes=("noise is added: it belongs to the SDE",))]
    steps = ((y, moved(x, score_of(case)(x, t), case["betas"][t], 0.5, 0.5), slips(case, t, x)) for t, x, y in walk)
    return [*rows, *each(EULER, steps, tol(case["x"].dtype)), still]


def slips(case, t: int, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    b, score, abar = case["betas"][t], score_of(case)(x, t), (1 - case["betas"]).cumprod(0)
    return {
        "the whole score is the SDE's weight: the ODE has half of it": lambda: moved(x, score, b),
        "half of the half: the ODE has beta / 2 times the score": lambda: moved(x, score, b, 0.5, 0.25),
        "beta / 2 is halved again before x: both terms have beta / 2": lambda: moved(x, score, b, 0.25, 0.5),
        "both halves are missing: the ODE has (beta / 2) (x + score)": lambda: moved(x, score, b, 1.0, 1.0),
        "this is DDIM's step: it solves the same ODE, but Euler's in t is asked for": lambda: (
            (x + (1 - abar[t]) * score) * (1 - b) ** -0.5 - ((1 - abar[t] / (1 - b)) * (1 - abar[t])).sqrt() * score),
        **drift_slips(case, t, x, 0.5)}


def spread(times: float, slack: float) -> tuple[float, float]:
    """Around so many times the standard deviation of one coordinate of the ring: the SDE forgets where it began."""
    ring = oracle.ring()
    std = times * (ring.means[:, 0].var(correction=0) + ring.std[0] ** 2).sqrt().item()
    return (1 - slack) * std, (1 + slack) * std


EXERCISES = (
    Exercise("02-pf-ode", "The probability-flow ODE, by Euler", {
        FORM: 0, WALKED: 1, STARTS: 0.5, EULER: 4, STILL: 1}, cases, run, verify, own=OWN),
    reading("02-read-spread", "How far the SDE spreads what starts as one", lambda: spread(1.0, 0.08), lambda: {
        "the ODE gives one point; the ends of the SDE are asked for": (-0.05, 0.05),
        "this is the variance: the standard deviation is its root": tuple(s**2 for s in spread(1.0, 0.03)),
        "this is both coordinates together: take the mean over them": spread(2**0.5, 0.03),
        "this is the width of one hill: the ends lie on all of them": (0.2, 0.3)}),
)
