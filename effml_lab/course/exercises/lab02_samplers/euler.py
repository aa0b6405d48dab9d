"""What the two Euler walks of lab 02 share: a table of betas, the score of the case's Gaussian, the step, and its slips.

The reverse SDE and the probability-flow ODE (Song et al. 2021, eq. 6, 13) go down a table in steps of 1; each step is judged by
itself.
"""
from typing import Callable

import torch
from torch import Tensor

from ....diffusion import sde
from ....diffusion.samplers import ddim, ddpm, step
from ...contract.exercise import Property
from ..gaussian import guess
from ..retrace import Step, retraced

CLIPPED = "the state is clipped"
OTHER = "the walk begins with noise of its own: begin with the x that is handed in"
OWN = (ddim, ddpm, step, sde.euler_maruyama, sde.pf_ode, sde.pf_ode_adaptive, sde.predictor_corrector)


def score_of(case) -> Callable[[Tensor, int], Tensor]:
    """The score of the case's Gaussian at an index of its betas."""
    abar = (1 - case["betas"]).cumprod(0)
    return lambda x, t: (abar[t].sqrt() * guess(case, x, abar[t]) - x) / (1 - abar[t])


def table(rng, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Betas in no order, none of them small: neighbours differ, and so do formulas that agree for small ones."""
    return (0.1 + 0.25 * torch.rand(n, generator=rng, dtype=torch.float64)).to(dtype)


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
        "the table is read from its other end: betas[t] is that of t": lambda: moved(x, score, beta.flip(0)[t], 0.5, w),
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
