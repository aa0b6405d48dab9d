"""Lab 02: the reverse SDE by Euler and Maruyama, and the probability-flow ODE by Euler (Song et al. 2021, eq. 6, 13).

Both walk a table of betas in steps of 1. Each step is judged by itself. The SDE's is random: what is left after the
right mean must have mean zero, not depend on x, be new and have variance beta. The SDE's last step and all of the ODE's
are compared number by number, which also tells Euler's step from those that agree with it to first order in beta.
"""
from typing import Callable

import torch
from torch import Tensor

from ....diffusion import oracle, sde
from ....diffusion.samplers import ddim, ddpm, step
from ...contract.exercise import Exercise, Property, close, known, reading
from ..common import drawn, integer, repeated, tol
from ..gaussian import clean_end, gaussian_case, guess
from ..moments import noise_size, step_mean, step_noise
from ..noise import sized, unfit
from ..retrace import FORM, STARTS, WALKED, Step, noting, retraced
from ..walks import SIZES, each

MEAN, NOISE, LAST = "the mean of each step", "the noise of each step", "the last step is the mean and no noise"
DRAWN, EULER, STILL = "rng draws the noise, and nothing else does", "each step of the ODE", "nothing is random"
CLIPPED, UNIFORM = "the state is clipped", "uniform noise (rand) where normal noise (randn) belongs"
OTHER = "the walk begins with noise of its own: begin with the x that is handed in"
OWN_RNG = "the noise comes from a generator of its own: draw with generator=rng, the one that is handed in"
OWN = (ddim, ddpm, step, sde.euler_maruyama, sde.pf_ode, sde.pf_ode_adaptive, sde.predictor_corrector)


def score_of(case) -> Callable[[Tensor, int], Tensor]:
    """The score of the case's Gaussian at an index of its betas."""
    abar = (1 - case["betas"]).cumprod(0)
    return lambda x, t: (abar[t].sqrt() * guess(case, x, abar[t]) - x) / (1 - abar[t])


def table(rng, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Betas in no order, none of them small: neighbours differ, and so do formulas that agree for small ones."""
    return (0.1 + 0.25 * torch.rand(n, generator=rng, dtype=torch.float64)).to(dtype)


def sde_cases(rng):
    """One in which the noise is judged, all statistics of which take many numbers; and a batch of one."""
    case = lambda dtype, *shape: gaussian_case(rng, x=torch.randn(shape, generator=rng, dtype=dtype), betas=table(
        rng, integer(rng, 5, 8), dtype))
    return [case(torch.float32, 1000, 2, 4, 6), case(torch.float64, 1, 20000)]


def sde_run(impl, case):
    walks = []

    def call(rng):
        walks.append([])
        return impl(noting(walks[-1], len(case["betas"]), "score", score_of(case)), case["x"], case["betas"], rng)

    out = repeated(call, case["seed"])
    return {**out, "ts": [t for t, _ in walks[0]], "xs": [x for _, x in walks[0]]}


def begun(case, out) -> tuple[list[Property], list[Step]]:
    """`retraced`, and no steps where score is first asked about an x that has moved already."""
    rows, walk = retraced(out, case["x"], len(case["betas"]), "score")
    if not walk or rows[-1].passed:
        return rows, walk
    early = "score is asked about an x that has moved already: ask at the state, then make the whole step"
    alike = torch.corrcoef(torch.stack([walk[0][1].flatten(), case["x"].flatten()]))[0, 1]
    if alike < 0.5:
        return [*rows[:-1], rows[-1]._replace(causes=(OTHER,) if abs(alike) < 0.1 else rows[-1].causes)], walk
    return [*rows[:-1], rows[-1]._replace(causes=(early,))], []


def sde_verify(case, out):
    rows, walk = begun(case, out)
    if not walk:
        return rows
    seeded = drawn(DRAWN, out["out"], out["again"], out["other"])
    fixed = {"another rng gives the same": OWN_RNG} if noise_size(*walk[0][1:]) > 1e-4 else {}
    seeded = seeded if seeded.passed or seeded.causes else seeded._replace(causes=known(fixed, seeded.observed))
    end = [*(last_step(case, taken) for taken in walk[-1:] if taken[1].isfinite().all()), seeded]
    if len(case["x"]) == 1:
        return [*rows, *end]
    right = [(x, y, moved(x, score_of(case)(x, t), case["betas"][t])) for t, x, y in walk]
    used = unfit(right[:-1])
    quiet = [t for t, x, y in walk[:-1] if noise_size(x, y) < 1e-4]
    silent = {(1,): "no noise is added at t = 1: counted from 0, only t = 0 goes without",
              (len(case["betas"]) - 1,): "no noise is added on the first step: only the last one, at t = 0, goes without"}.get(
        tuple(quiet), "no noise is added: this walks the ODE's way, not the SDE's")
    left = None         # of the slips of the mean: what does not explain one failure is not worked out for the next
    for taken in (taken for taken in walk[:-1] if taken[1].isfinite().all()):       # what is lost is told where it is lost
        rows += sde_step(case, taken, used, silent, left)
        left = left if rows[-2].passed else rows[-2].causes
    if all(row.passed for row in rows):
        rows.append(sized(NOISE, [(y - mean) / case["betas"][t].sqrt() for (t, _, _), (x, y, mean) in zip(walk[:-1], right)]))
    return [*rows, *end]


def moved(x: Tensor, score: Tensor, beta: Tensor, drift: float = 0.5, weight: float = 1.0) -> Tensor:
    """x + drift beta x + weight beta score."""
    return x + drift * beta * x + weight * beta * score


def drift_slips(case, t: int, x: Tensor, w: float) -> dict[str, Callable[[], Tensor]]:
    """What both walks can get wrong. w: the score's weight, 1 for the SDE, 1 / 2 for the ODE."""
    beta, score = case["betas"], score_of(case)(x, t)
    b, T, whole = beta[t], len(beta), 1 - (1 - beta).cumprod(0)[t]
    return {
        "the drift's sign: back in time x grows by (beta / 2) x": lambda: moved(x, score, b, -0.5, w),
        "the score's sign: the walk goes up the density, towards the data": lambda: moved(x, score, b, 0.5, -w),
        "both signs: this is the way to noise, and time runs back here": lambda: moved(x, score, b, -0.5, -w),
        "the drift, (beta / 2) x, is missing": lambda: moved(x, score, b, 0.0, w),
        "the score is missing": lambda: moved(x, score, b, 0.5, 0.0),
        "beta x where (beta / 2) x belongs": lambda: moved(x, score, b, 1.0, w),
        "x stands without its beta / 2": lambda: x + x + w * b * score,
        "x itself is missing: the step is added to x": lambda: moved(x, score, b, 0.5, w) - x,
        "sqrt(beta) where beta belongs: the root is the noise's": lambda: moved(x, score, b.sqrt(), 0.5, w),
        "the drift multiplies the score: it is added": lambda: x * (1 + b / 2 + w * b * score),
        "x and the score are taken for DDPM's x and eps": lambda: (x - b / whole.sqrt() * score) / (1 - b).sqrt(),
        "the score is not multiplied by beta": lambda: x + b / 2 * x + w * score,
        "sqrt(beta) multiplies the score: beta does, the root is the noise's": lambda: (
            x + b / 2 * x + w * b.sqrt() * score),
        "beta² multiplies the score: g² = beta is squared already": lambda: x + b / 2 * x + w * b**2 * score,
        "the step is 1 / T long: here the betas hold it already, the step is 1": lambda: moved(x, score, b / T, 0.5, w),
        "beta of t - 1 where that of t belongs": lambda: moved(x, score, beta[t - 1], 0.5, w),
        "beta of t + 1 where that of t belongs": lambda: moved(x, score, beta[min(t + 1, T - 1)], 0.5, w),
        "1 - alpha-bar is the noise of all steps: beta is that of one": lambda: moved(x, score, whole, 0.5, w),
        "score(x, t) is the score, not eps: no sign and no sigma to divide by": lambda: (
            moved(x, -score / whole.sqrt(), b, 0.5, w)),
        "the score is turned into eps: it is wanted as it is": lambda: moved(x, -score * whole.sqrt(), b, 0.5, w),
        "x / sqrt(1 - beta) is DDPM's step; Euler's has (1 + beta / 2) x": lambda: (x + w * b * score) / (1 - b).sqrt(),
        "x / sqrt(1 - beta) is DDPM's; Euler's step has (1 + beta / 2) x": lambda: x / (1 - b).sqrt() + w * b * score,
        "(2 - sqrt(1 - beta)) x is the paper's reverse diffusion; Euler's step has (1 + beta / 2) x": lambda: (
            (2 - (1 - b).sqrt()) * x + w * b * score),
        CLIPPED: lambda: moved(x, score, b, 0.5, w).clamp(-1, 1)}


def sde_step(case, taken: Step, used: str | None, silent: str, left: tuple[str, ...] | None) -> list[Property]:
    t, x, y = taken
    beta, T = case["betas"], len(case["betas"])
    before = (1 - beta[:t]).prod()
    b, mean = beta[t], moved(x, score_of(case)(x, t), beta[t])
    slips = sde_slips(case, t, x) | {UNIFORM: lambda: mean + b.sqrt() / 2}
    row = step_mean(MEAN, x, y, mean, slips if left is None else {said: slips[said] for said in left if said in slips}, used)
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


def sde_slips(case, t: int, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    b, score = case["betas"][t], score_of(case)(x, t)
    return {"half the score is the ODE's weight: the SDE has it whole": lambda: moved(x, score, b, 0.5, 0.5),
            "twice the score": lambda: moved(x, score, b, 0.5, 2.0), **drift_slips(case, t, x, 1.0)}


def last_step(case, taken: Step) -> Property:
    """At t = 0 the mean itself is returned."""
    t, x, y = taken
    b = case["betas"][t]
    mean = moved(x, score_of(case)(x, t), b)
    row = close(LAST, y, mean, sde_slips(case, t, x), 1e-4)
    return row if row.passed or row.causes else clean_end(
        LAST, x, y, mean, (float(b), float(b.sqrt())), "noise is added at t = 0 too: return the mean")


def ode_cases(rng):
    kinds = zip(SIZES, (torch.float32, torch.float64, torch.float64))
    between = lambda low, high: low + (high - low) * torch.rand((), generator=rng).item()
    return [{"x": 1.5 * torch.randn(shape, generator=rng, dtype=dtype), "betas": table(rng, integer(rng, 5, 9), dtype),
             "mean": between(0.3, 1.3), "std": between(0.2, 0.5)} for shape, dtype in kinds]


def ode_run(impl, case):
    walk, T = [], len(case["betas"])
    torch.default_generator.manual_seed(1)
    out = impl(noting(walk, T, "score", score_of(case)), case["x"], case["betas"])
    torch.default_generator.manual_seed(2)
    return {"out": out, "again": impl(noting([], T, "score", score_of(case)), case["x"], case["betas"]),
            "ts": [t for t, _ in walk], "xs": [x for _, x in walk]}


def ode_verify(case, out):
    rows, walk = begun(case, out)
    if not walk:
        return rows
    still = close(STILL, out["again"], out["out"], None, tol(case["x"].dtype))
    if not still.passed:
        return [*rows, still._replace(causes=("noise is added: it belongs to the SDE",))]
    steps = ((y, moved(x, score_of(case)(x, t), case["betas"][t], 0.5, 0.5), ode_slips(case, t, x)) for t, x, y in walk)
    return [*rows, *each(EULER, steps, tol(case["x"].dtype)), still]


def ode_slips(case, t: int, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    b, score, abar = case["betas"][t], score_of(case)(x, t), (1 - case["betas"]).cumprod(0)
    return {
        "the whole score is the SDE's weight: the ODE has half of it": lambda: moved(x, score, b),
        "half of the half: the ODE has beta / 2 times the score": lambda: moved(x, score, b, 0.5, 0.25),
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
    Exercise("02-reverse-sde", "The reverse SDE, by Euler and Maruyama", {
        FORM: 0, WALKED: 1, STARTS: 0.5, MEAN: 3, NOISE: 1.5, LAST: 1.5, DRAWN: 0.5},
        sde_cases, sde_run, sde_verify, own=OWN),
    Exercise("02-pf-ode", "The probability-flow ODE, by Euler", {
        FORM: 0, WALKED: 1, STARTS: 0.5, EULER: 4, STILL: 1}, ode_cases, ode_run, ode_verify, own=OWN),
    reading("02-read-spread", "How far the SDE spreads what starts as one", lambda: spread(1.0, 0.08), lambda: {
        "the ODE gives one point; the ends of the SDE are asked for": (-0.05, 0.05),
        "this is the variance: the standard deviation is its root": tuple(s**2 for s in spread(1.0, 0.03)),
        "this is both coordinates together: take the mean over them": spread(2**0.5, 0.03),
        "this is the width of one hill: the ends lie on all of them": (0.2, 0.3)}),
)
