"""Lab 01: the ancestral sampler over the whole table (Ho et al. 2020, algorithm 2).

Each step is judged by itself: what is left after the posterior mean must have mean zero, not depend on x, be new and have
the size of the new noise. However an answer orders its draws, this holds.
"""
import torch
from torch import Tensor

from ....diffusion.samplers import ddim, ddpm, step
from ...contract.exercise import Exercise, Property
from ..common import betas, drawn, integer, repeated
from ..gaussian import clean_end, gaussian_case, guess
from ..moments import noise_size, reused, step_mean, step_noise
from ..retrace import FORM, STARTS, WALKED, Step, noting, retraced
from .posterior import PAPER, posterior_at

CLIPPED = "the mean is clipped to -1 ... 1, which eq. 11 does not ask for"


def ancestral_cases(rng):
    return [gaussian_case(rng, betas=betas(rng, integer(rng, 5, 8), torch.float32))]


def ancestral_run(impl, case):
    abar, walks = (1 - case["betas"]).cumprod(0), []
    eps = lambda x, t: (x - abar[t].sqrt() * guess(case, x, abar[t])) / (1 - abar[t]).sqrt()

    def call(rng):
        walks.append([])
        return impl(noting(walks[-1], len(abar), "predict_eps", eps), case["x"], case["betas"], rng)

    out = repeated(call, case["seed"])
    return {**out, "ts": [t for t, _ in walks[0]], "xs": [x for _, x in walks[0]]}


def ancestral_verify(case, out):
    rows, walk = retraced(out, case["x"], len(case["betas"]), "predict_eps")
    return rows if not walk else [*rows, *steps(case, walk[:-1]), last_step(case, *walk[-1][1:]),
            drawn("rng draws the noise, and nothing else does", out["out"], out["again"], out["other"])]


def steps(case, walk: list[Step]) -> list[Property]:
    abar = (1 - case["betas"]).cumprod(0)
    means = [posterior_at(abar, t).mean(x, guess(case, x, abar[t])) for t, x, _ in walk]
    used = reused([(x, y, mean) for (_, x, y), mean in zip(walk, means)])
    quiet = [t for t, x, y in walk if noise_size(x, y) < 1e-4]
    silent = "no noise is added at t = 1: counted from 0, only t = 0 goes without" if quiet == [1] else "no noise is added"
    return [row for t, x, y in walk for row in one_step(case, t, x, y, used, silent)]


def one_step(case, t: int, x: Tensor, y: Tensor, used: str | None, silent: str) -> list[Property]:
    beta, abar = case["betas"], (1 - case["betas"]).cumprod(0)
    x0, b, a = guess(case, x, abar[t]), beta[t], abar[t]
    right, eps = posterior_at(abar, t), (x - a.sqrt() * x0) / (1 - a).sqrt()
    mean, outside = right.mean(x, x0), (1 - PAPER).cumprod(0)[t].float()
    plain = lambda share: (x - share * eps) / (1 - b).sqrt()
    moved = step_mean("the mean of each step", x, y, mean, {
            "the noise is subtracted whole: its share of one step is beta / sqrt(1 - alpha-bar)": lambda: plain(b.sqrt()),
            "divided by sqrt(alpha-bar) where sqrt(1 - beta) belongs": lambda: mean * (1 - b).sqrt() / a.sqrt(),
            "the division by sqrt(1 - beta) is missing": lambda: mean * (1 - b).sqrt(),
            "divided by 1 - beta: its square root belongs there": lambda: mean / (1 - b).sqrt(),
            "multiplied by sqrt(1 - beta): divide by it": lambda: mean * (1 - b),
            "beta eps over 1 - alpha-bar: the square root is missing": lambda: plain(b / (1 - a)),
            "beta eps is not divided by sqrt(1 - alpha-bar)": lambda: plain(b),
            "sqrt(1 - alpha), not sqrt(1 - alpha-bar)": lambda: plain(b / (1 - a.sqrt()).sqrt()),
            "alpha-bar from a table outside: work it out from the betas that are handed in": lambda: (
                plain(b / (1 - outside).sqrt())),
            "eps is added: subtract it": lambda: plain(-b / (1 - a).sqrt()),
            "only x is divided by sqrt(1 - beta): the root divides the whole bracket": lambda: (
                x / (1 - b).sqrt() - b / (1 - a).sqrt() * eps),
            CLIPPED: lambda: mean.clamp(-1, 1),
            "this is the guess of x0: the step goes to t - 1 only": lambda: x0,
            "uniform noise (rand) where normal noise (randn) belongs": lambda: mean + b.sqrt() / 2}, used)
    return [
        moved,
        step_noise("the noise of each step", x, y, float(b.sqrt()), {} if CLIPPED in moved.causes else {
            silent: 0.0,
            "the variance beta was used as a standard deviation": float(b),
            "this is the small variance: here sigma² = beta": float(right.small.sqrt()),
            "sqrt(1 - alpha-bar) is the noise of all steps": float((1 - a).sqrt()),
            "the noise is divided by sqrt(1 - beta) too: add it after": float((b / (1 - b)).sqrt()),
            "uniform noise (rand) where normal noise (randn) belongs": float((b / 12).sqrt())}, used=used)]


def last_step(case, x: Tensor, y: Tensor) -> Property:
    """At t = 0 the mean is x0, and nothing is added."""
    x0, b = guess(case, x, (1 - case["betas"])[0]), float(case["betas"][0])
    return clean_end("the last step adds no noise", x, y, x0, (b, b**0.5),
                     "noise is added at t = 0 too: there the mean is the picture")


EXERCISES = (
    Exercise("01-ancestral", "The ancestral sampler", {
        FORM: 0, WALKED: 1, STARTS: 0.5, "the mean of each step": 2, "the noise of each step": 1.5,
        "the last step adds no noise": 1, "rng draws the noise, and nothing else does": 0.5},
        ancestral_cases, ancestral_run, ancestral_verify, own=(ddpm, ddim, step)),
)
