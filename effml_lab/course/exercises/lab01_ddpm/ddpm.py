"""Lab 01: ancestral sampling over kept levels, and what skipping costs (Ho et al. 2020, eq. 7 between any two levels).

Two grids of unlike spacing, so that the last noisy level is t = 0 in one and not in the other. Each step is judged by itself.
"""
import itertools
from functools import lru_cache

import torch
from torch import Tensor

from ....diffusion import levels as schedules
from ....diffusion.levels import Level, Schedule
from ....diffusion.oracle import gaussian_run
from ....diffusion.samplers import ddim, ddpm, share, step
from ...contract.exercise import Exercise, Property, Unanswered, near, prediction, reading
from ..common import drawn_anew, integer, repeated
from ..gaussian import end_mean, far_case, guess, quiet_end, real
from ..moments import bent, noise_size, residual, step_mean, step_noise
from ..noise import unfit
from ..walks import formed, iterable
from .posterior import Posterior

GUESSED = "the guess of x0 is yielded: yield the new state"
OTHER_DEFAULT = "another default: the first line has variance=\"small\""
DEFAULT = "the variance is small where none is given"
MEAN = "the mean of each step"
QUIET, DRAWN = "the step to the clean level adds no noise", "rng draws the noise, and nothing else does"
NONE = "no noise is added"
SKIPPED = "the step to the clean level leaves x as it is: its result is the mean, without noise"
STRAY = "denoise is shown another x than the state that was yielded last: the noise must stay in x"
VE = "sigma² of cur less that of nxt: alpha shrinks too, so beta is 1 - (alpha of cur / alpha of nxt)²"
RESTART = "each step starts at the first x again: x must become the new state"


def ddpm_cases(rng):
    n = integer(rng, 5, 8)
    return [far_case(rng, n=n, variance=variance, spacing=spacing)
            for variance, spacing in (("small", "leading"), ("large", "trailing"))]


@lru_cache
def table() -> Schedule:
    return schedules.linear()


@lru_cache
def grid_of(n: int, spacing: str) -> tuple[Level, ...]:
    return tuple(table().grid(n, spacing))


def kept(case) -> list[Level]:
    return list(grid_of(case["n"], case["spacing"]))


def ddpm_run(impl, case):
    grid, shown, asked = kept(case), [], []

    def denoise(x, level):
        if level.sigma == 0:
            raise Unanswered("denoise was asked at the clean level, where nothing is left to guess: grid[0] is the noisiest "
                             "level and the clean one the last, to which a step only goes.")
        asked.append(x.clone())
        shown.append(guess(case, real(x), level.alpha**2))
        return shown[-1].clone()

    def walk(rng, **named):
        states = iterable(impl(denoise, case["x"], grid, rng=rng, **named))
        return [x.clone() if isinstance(x, Tensor) else x for x in itertools.islice(states, len(grid) + 2)]

    out = repeated(lambda rng: walk(rng, variance=case["variance"]), case["seed"])
    guesses = len(out["out"]) > 1 and all(
        isinstance(x, Tensor) and torch.equal(x, x0) for x, x0 in zip(out["out"], shown))
    plain = walk(torch.Generator().manual_seed(case["seed"]))[-1:] if case["variance"] == "small" else []
    ends = {name: out[name][-1:] for name in ("again", "other")}
    return {"out": out["out"], "plain": plain, "guesses": guesses, "asked": asked[:len(grid) - 1], **ends}


def ddpm_verify(case, out):
    grid, states, x = kept(case), out["out"], case["x"]
    form = formed(grid, states, x)
    if not all(row.passed for row in form):
        return form
    if out["guesses"]:
        return [*form, Property(MEAN, False, "the guess of x0", "the new state", (GUESSED,))]
    walk = list(zip(itertools.pairwise(grid), [x, *states], states))
    rows = judged(case, walk)
    known = all(row.passed for row in rows) or any(RESTART in row.causes for row in rows)
    if not known and len(out["asked"]) == len(states) and all(asked.shape == x.shape for asked in out["asked"]):
        own = judged(case, list(zip(itertools.pairwise(grid), out["asked"], states)))       # from what denoise was shown
        if all(row.passed for row in own):
            rows = [Property(MEAN, False, "a step from another x", "a step from the state before", (STRAY,)), *own]
    ends = [out[k][-1] for k in ("out", "again", "other")]
    default = [Property(DEFAULT, same, "another walk", "the same as with variance=\"small\"", () if same else (OTHER_DEFAULT,))
               for same in [near(plain, ends[0], 1e-4) or not near(ends[0], ends[1], 1e-4) for plain in out["plain"]]]
    seeded = drawn_anew(DRAWN, *ends, any(noise_size(x, y) > 1e-3 for _, x, y in walk))
    noiseless = any(said in row.causes for said in (RESTART, STRAY) for row in rows)        # so is the end
    return [*form, *rows, *default, seeded._replace(causes=()) if noiseless else seeded]


def judged(case, walk) -> list[Property]:
    rows = steps(case, walk[:-1])
    mean, quiet = end(case, walk)
    if near(*walk[-1][1:], 1e-6) and all(row.passed for row in rows):
        mean = mean._replace(causes=() if mean.passed else (SKIPPED,))
    return [*rows, mean, quiet]


def end(case, walk) -> list[Property]:
    """The step to the clean level: its mean is judged with the others, and there is no noise."""
    (cur, nxt), x, y = walk[-1]
    late = noise_size(*walk[0][1:]) < 1e-5 < noise_size(*walk[1][1:])       # then the end has the noise of the step before
    x0 = guess(case, x, cur.alpha**2)
    slips = mean_slips(case, cur, nxt, x, x0, 1 - (cur.alpha / table()(max(cur.t - 1, 0)).alpha) ** 2, 0.0)
    return [end_mean(MEAN, x, y, x0, slips),
            quiet_end(QUIET, x, y, () if late else (cur.sigma, cur.sigma**2),
                      "noise is added on the last step too: where nxt.sigma is 0 the mean is the picture", slips)]


def steps(case, walk) -> list[Property]:
    means, quiet = [], []
    for (cur, nxt), x, y in walk:
        now, before = torch.tensor([cur.alpha**2, nxt.alpha**2])
        means.append(Posterior(now, before).mean(x, guess(case, x, now)))
        quiet.append(noise_size(x, y) < 1e-5)
    used = unfit([(x, y, mean) for (_, x, y), mean in zip(walk, means)])
    alone = {0: "the first state has no noise: is it added after `yield`?"}
    if walk[-1][0][1].t == 0:
        alone[len(walk) - 1] = "no noise is added on the step to t = 0: only the clean level, sigma = 0, goes without"
    silent = alone.get(quiet.index(True), NONE) if sum(quiet) == 1 else NONE
    return [row for (cur, nxt), x, y in walk for row in kept_step(case, cur, nxt, x, y, used, silent)]


def kept_step(case, cur: Level, nxt: Level, x: Tensor, y: Tensor, used: str | None, silent: str) -> list[Property]:
    now, before = torch.tensor([cur.alpha**2, nxt.alpha**2])
    x0, beta = guess(case, x, now), 1 - (cur.alpha / nxt.alpha) ** 2
    small, one = beta * (nxt.sigma / cur.sigma) ** 2, 1 - (cur.alpha / table()(cur.t - 1).alpha) ** 2
    shrink, ve = (nxt.sigma / cur.sigma) ** 2, cur.sigma**2 - nxt.sigma**2
    of = lambda small, large: (large if case["variance"] == "large" else small) ** 0.5
    std, rooted, right = of(small, beta), 1 - cur.alpha / nxt.alpha, Posterior(now, before)
    slips = mean_slips(case, cur, nxt, x, x0, one, std)
    mean = step_mean(MEAN, x, y, right.mean(x, x0), slips, used)
    dark = RESTART in mean.causes or bent(x, residual(x, y))
    return [
        mean,
        step_noise(f"the noise of each step, {case['variance']} variance", x, y, std, {} if dark else {
            silent: 0.0,
            "the other variance": of(beta, small),
            "a variance was used as a standard deviation": std**2,
            "the one-step beta of the table: the step goes to the next kept level": of(one * shrink, one),
            "beta from alpha, not from its square": of(rooted * shrink, rooted),
            "beta from alpha, and 1 - alpha for 1 - alpha²": of(rooted * (1 - nxt.alpha) / (1 - cur.alpha), rooted),
            "sigma where sigma² belongs": of(beta * nxt.sigma / cur.sigma, beta),
            "1 - alpha² is the noise of all steps down to x0": cur.sigma,
            "all of the noise of the next level is new": nxt.sigma,
            "uniform noise (rand) where normal noise (randn) belongs": std / 12**0.5,
            "noise of size 1: scale it by the root of the variance": 1.0,
            "upside down: sigma² of nxt belongs above, that of cur below": of(beta / shrink, beta),
            "beta is missing: this is the share of it that is left": of(shrink, beta),
            "upside down: beta = 1 - alpha² of cur over that of nxt": of(shrink * (now / before - 1).abs(), (before / now - 1)),
            VE: of(ve * shrink, ve),
            "the noise is added twice": (std**2 + small) ** 0.5}, 0.017, used)]


def mean_slips(case, cur: Level, nxt: Level, x: Tensor, x0: Tensor, one: float, std: float) -> dict:
    now, before = torch.tensor([cur.alpha**2, nxt.alpha**2])
    right, eps, beta = Posterior(now, before), (x - cur.alpha * x0) / cur.sigma, 1 - now / before
    weighed_with = lambda alpha, sigma: (alpha * beta * x0 + (1 - beta) ** 0.5 * sigma**2 * x) / cur.sigma**2
    weighed = lambda b, s, t: (nxt.alpha * b * x0 + (1 - b) ** 0.5 * s * x) / t
    return {
        "all of the old noise is kept: that is DDIM's step, and new noise comes on top": lambda: (
            nxt.alpha * x0 + nxt.sigma * eps),
        "the one-step beta of the table: the step goes to the next kept level": lambda: (
            weighed(one, nxt.sigma**2, cur.sigma**2)),
        "both levels from the table's neighbours: the step goes to the next kept level": lambda: Posterior(
            now, now / (1 - one)).mean(x, x0),
        "beta from alpha, not from its square": lambda: Posterior(now**0.5, before**0.5).mean(x, x0),
        "sigma where sigma² belongs": lambda: weighed(beta, nxt.sigma, cur.sigma),
        "denoise was asked at nxt: x is at cur": lambda: right.mean(x, guess(case, x, before)),
        "what denoise gives is x0 itself, not eps": lambda: right.mean(x, (x - cur.sigma * x0) / cur.alpha),
        "1 - beta where its square root belongs": lambda: (nxt.alpha * beta * x0 + (1 - beta) * nxt.sigma**2 * x) / cur.sigma**2,
        "beta is missing in the weight of x0": lambda: (nxt.alpha * x0 + (1 - beta) ** 0.5 * nxt.sigma**2 * x) / cur.sigma**2,
        "alpha of cur where that of nxt belongs": lambda: weighed_with(cur.alpha, nxt.sigma),
        "sigma of cur where that of nxt belongs": lambda: weighed_with(nxt.alpha, cur.sigma),
        "divided by the sigma² of nxt: that of cur belongs there": lambda: (
            right.mean(x, x0) * (cur.sigma / max(nxt.sigma, 1e-9)) ** 2),
        "the division by the sigma² of cur is missing": lambda: right.mean(x, x0) * cur.sigma**2,
        "x and the guess of x0 are exchanged": lambda: right.mean(x0, x),
        "upside down: beta = 1 - alpha² of cur over that of nxt": lambda: weighed(
            1 - before / now, nxt.sigma**2, cur.sigma**2),
        VE: lambda: weighed(cur.sigma**2 - nxt.sigma**2, nxt.sigma**2, cur.sigma**2),
        "alpha² and alpha are exchanged in the weight of x0": lambda: right.mean(x, x0 * nxt.alpha),
        "the guess of x0 is clipped to -1 ... 1: denoise gives it as it should be": lambda: right.mean(x, x0.clamp(-1, 1)),
        "the guess of x0 is clipped: denoise gives it as it should be": lambda: right.mean(x, x0.clamp(-2, 2)),
        "this is the guess of x0: the step goes to nxt only": lambda: x0,
        RESTART: lambda: right.mean(
            case["x"], guess(case, case["x"], now)),
        "uniform noise (rand) where normal noise (randn) belongs": lambda: right.mean(x, x0) + std / 2,
        "the old noise is dropped": lambda: nxt.alpha * x0}


STEPS = (10, 20, 50, 100, 200, 500, 1000)


def first_better(other: str) -> float:
    """The first of STEPS at which the large variance is nearer to the data than `other` (m = 0.5, c = 0.05)."""
    kl = lambda n, method: gaussian_run(schedules.linear().grid(n, "leading"), 0.5, 0.05, method)[2]
    return float(next(n for n in STEPS if kl(n, "large") < kl(n, other)))


def left() -> tuple[float, float]:
    """Around the noise that the large variance leaves at N = 10: from what is exact for a Gaussian to sqrt(1 - abar[T/N])."""
    std = gaussian_run(schedules.linear().grid(10, "leading"), 0.5, 0.05, "large")[1]
    return 0.97 * (std**2 - 0.05**2) ** 0.5, 1.03 * schedules.linear()(100.0).sigma


EXERCISES = (
    prediction("01-guess-rank", "Which sampler is nearest to the data after 10 steps?", "1, 2 or 3", (1, 2, 3).__contains__),
    reading("01-read-swap", "Where large and small variance swap ranks",
            lambda: (first_better("small") - 0.5, first_better("small") + 0.5),
            lambda: {"this is where large beats DDIM too: the question is large against small": (
                first_better("ddim") - 0.5, first_better("ddim") + 0.5)}),
    Exercise("01-ddpm", "Ancestral sampling over kept levels", {
        "every state shaped like x": 0, "one state a step": 1, MEAN: 2,
        "the noise of each step, small variance": 1, "the noise of each step, large variance": 1,
        QUIET: 1, DEFAULT: 0.5, DRAWN: 0.5},
        ddpm_cases, ddpm_run, ddpm_verify, own=(ddpm, ddim, step, share)),
    reading("01-read-noise", "What the large variance leaves when steps are skipped", left, lambda: {
        "this is the variance, 1 - alpha-bar: the standard deviation is its root": tuple(v**2 for v in left())}),
)
