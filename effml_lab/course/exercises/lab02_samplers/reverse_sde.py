"""Lab 02: the reverse SDE by Euler and Maruyama (Song et al. 2021, eq. 6).

Each step is random: what is left after the right mean must have mean zero, not depend on x, be new and have variance beta. The
last step is the mean alone and is compared number by number.
"""
from typing import Callable

import torch
from torch import Tensor

from ...contract.exercise import Exercise, Property, close
from ..common import drawn_anew, integer, repeated
from ..gaussian import gaussian_case, noisy
from ..moments import noise_size, one_by_one, step_mean, step_noise
from ..noise import sized, unfit
from ..retrace import FORM, STARTS, WALKED, Step, noting
from .euler import CLIPPED, OWN, begun, drift_slips, moved, score_of, table

MEAN, NOISE, LAST = "the mean of each step", "the noise of each step", "the last step is the mean and no noise"
DRAWN, UNIFORM = "rng draws the noise, and nothing else does", "uniform noise (rand) where normal noise (randn) belongs"


def cases(rng):
    """One in which the noise is judged, all statistics of which take many numbers; and a batch of one."""
    case = lambda dtype, *shape: gaussian_case(rng, torch.randn(shape, generator=rng, dtype=dtype), betas=table(
        rng, integer(rng, 5, 8), dtype))
    return [case(torch.float32, 1000, 2, 4, 6), case(torch.float64, 1, 20000)]


def run(impl, case):
    walks = []

    def call(rng):
        walks.append([])
        return impl(noting(walks[-1], len(case["betas"]), "score", score_of(case)), case["x"], case["betas"], rng)

    out = repeated(call, case["seed"])
    return {**out, "ts": [t for t, _ in walks[0]], "xs": [x for _, x in walks[0]]}


def verify(case, out):
    rows, walk = begun(case, out)
    if not walk:
        return rows
    seeded = drawn_anew(DRAWN, out["out"], out["again"], out["other"], noise_size(*walk[0][1:]) > 1e-4)
    end = [*(last_step(case, taken) for taken in walk[-1:] if taken[1].isfinite().all()), seeded]
    if len(case["x"]) == 1:
        return [*rows, *end]
    right = [(x, y, moved(x, score_of(case)(x, t), case["betas"][t])) for t, x, y in walk]
    used = unfit(right[:-1])
    quiet = [t for t, x, y in walk[:-1] if noise_size(x, y) < 1e-4]
    silent = {(1,): "no noise is added at t = 1: counted from 0, only t = 0 goes without",
              (len(case["betas"]) - 1,): "no noise is added on the first step: only the last one, at t = 0, goes without"}.get(
        tuple(quiet), "no noise is added: this walks the ODE's way, not the SDE's")
    kept = (taken for taken in walk[:-1] if taken[1].isfinite().all())              # what is lost is told where it is lost
    rows += one_by_one(kept, lambda t, x, y, left: one_step(case, t, x, y, used, silent, left))
    if all(row.passed for row in rows):
        rows.append(sized(NOISE, [(y - mean) / case["betas"][t].sqrt() for (t, _, _), (x, y, mean) in zip(walk[:-1], right)]))
    return [*rows, *end]


def one_step(case, t: int, x: Tensor, y: Tensor, used: str | None, silent: str,
             left: tuple[str, ...] | None) -> list[Property]:
    beta, T = case["betas"], len(case["betas"])
    before = (1 - beta[:t]).prod()
    b, mean = beta[t], moved(x, score_of(case)(x, t), beta[t])
    wrong = slips(case, t, x) | {UNIFORM: lambda: mean + b.sqrt() / 2}
    row = step_mean(MEAN, x, y, mean, wrong, used, left)
    return [row, step_noise(NOISE, x, y, float(b.sqrt()), {} if CLIPPED in row.causes else {
        silent: 0.0,
        "the variance beta was used as a standard deviation": float(b),
        "sqrt(beta / 2): the noise has variance beta": float((b / 2).sqrt()),
        "DDPM's small variance: here it is beta": float((b * (1 - before) / (1 - before * (1 - b))).sqrt()),
        "beta / 2 was used as a standard deviation": float(b / 2),
        "sqrt(1 - alpha-bar) is the noise of all steps": float((1 - (1 - beta).cumprod(0)[t]).sqrt()),
        "the step is 1 / T long: here the betas hold it already, the step is 1": float((b / T).sqrt()),
        "beta of t - 1 where that of t belongs": float(beta[t - 1].sqrt()),
        "beta of t + 1 where that of t belongs": float(beta[min(t + 1, T - 1)].sqrt()),
        "noise of size 1: its standard deviation is sqrt(beta)": 1.0,
        "the noise is divided by sqrt(1 - beta) too: add it after": float((b / (1 - b)).sqrt()),
        UNIFORM: float((b / 12).sqrt())}, used=used)]


def slips(case, t: int, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    b, score = case["betas"][t], score_of(case)(x, t)
    return {"half the score is the ODE's weight: the SDE has it whole": lambda: moved(x, score, b, 0.5, 0.5),
            "twice the score": lambda: moved(x, score, b, 0.5, 2.0), **drift_slips(case, t, x, 1.0)}


def last_step(case, taken: Step) -> Property:
    """At t = 0 the mean itself is returned."""
    t, x, y = taken
    b = case["betas"][t]
    mean = moved(x, score_of(case)(x, t), b)
    row = close(LAST, y, mean, slips(case, t, x), 1e-4)
    late = not row.passed and not row.causes and noisy(x, y, mean, (float(b), float(b.sqrt())))
    return row._replace(causes=("noise is added at t = 0 too: return the mean",)) if late else row


EXERCISES = (
    Exercise("02-reverse-sde", "The reverse SDE, by Euler and Maruyama", {
        FORM: 0, WALKED: 1, STARTS: 0.5, MEAN: 3, NOISE: 1.5, LAST: 1.5, DRAWN: 0.5},
        cases, run, verify, own=OWN),
)
