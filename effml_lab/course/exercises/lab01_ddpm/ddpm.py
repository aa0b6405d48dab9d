"""Lab 01: ancestral sampling over kept levels, and what skipping costs (Ho et al. 2020, eq. 7 between any two levels).

Two grids of unlike spacing, so that the last noisy level is t = 0 in one and not in the other. Each step is judged by itself.
"""
import itertools
from functools import lru_cache

import torch
from torch import Tensor

from ....diffusion import levels as schedules
from ....diffusion.levels import Level
from ....diffusion.oracle import gaussian_run
from ....diffusion.samplers import ddim, ddpm, share, step
from ...contract.exercise import Exercise, Property, Unanswered, blamed, near, prediction, reading
from ..common import drawn_anew, integer, repeated
from ..gaussian import end_mean, far_case, guess, quiet_end, real
from ..moments import CUT, noise_size, one_by_one
from ..noise import unfit
from ..walks import formed, iterable, unspent
from .kept import MEAN, RESTART, kept_step, mean_slips, table
from .posterior import Posterior

GUESSED = "the guess of x0 is yielded: yield the new state"
OTHER_DEFAULT = "another default: the first line has variance=\"small\""
DEFAULT = "the variance is small where none is given"
QUIET, DRAWN = "the step to the clean level adds no noise", "rng draws the noise, and nothing else does"
NONE = "no noise is added"
AFTER = "the noise is added after `yield`: yield the state with its noise"
SKIPPED = "the step to the clean level leaves x as it is: its result is the mean, without noise"
STRAY = "denoise is shown another x than the state that was yielded last: the noise must stay in x"


def ddpm_cases(rng):
    n = integer(rng, 5, 8)
    return [far_case(rng, n=n, variance=variance, spacing=spacing)
            for variance, spacing in (("small", "leading"), ("large", "trailing"))]


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
        lent = list(grid)
        states = iterable(impl(denoise, case["x"], lent, rng=rng, **named))
        states = [x.clone() if isinstance(x, Tensor) else x for x in itertools.islice(states, len(grid) + 2)]
        return unspent(states, lent, grid)

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
    known, asked = all(row.passed for row in rows) or any(RESTART in row.causes for row in rows), out["asked"]
    if not known and len(asked) == len(states) and not all(map(torch.equal, asked, [x, *states])):
        own = judged(case, list(zip(itertools.pairwise(grid), asked, states)))      # from what denoise was shown
        bare = all(noise_size(x, y) < 1e-4 for x, y in zip(asked, states))          # what is yielded has no new noise in it
        if bare and all(row.passed for row in own if row.name == MEAN):
            return [*form, *blamed(own, AFTER)]
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
    before = [row.causes for row in rows if row.name == MEAN and not row.passed]
    mean, quiet = end(case, walk, before[-1] if before else None)
    if CUT in mean.causes:                                  # what is clipped looks as if its noise were not normal
        rows = [row if row.name == MEAN else row._replace(causes=()) for row in rows]
    if near(*walk[-1][1:], 1e-6) and all(row.passed for row in rows):
        mean = mean._replace(causes=() if mean.passed else (SKIPPED,))
    return [*rows, mean, quiet]


def end(case, walk, left: tuple[str, ...] | None) -> list[Property]:
    """The step to the clean level: its mean is judged with the others, and there is no noise. left: as of `step_mean`."""
    (cur, nxt), x, y = walk[-1]
    late = noise_size(*walk[0][1:]) < 1e-5 < noise_size(*walk[1][1:])       # then the end has the noise of the step before
    x0 = guess(case, x, cur.alpha**2)
    slips = mean_slips(case, cur, nxt, x, x0, 1 - (cur.alpha / table()(max(cur.t - 1, 0)).alpha) ** 2, 0.0)
    return [end_mean(MEAN, x, y, x0, slips, left),
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
    return one_by_one(walk, lambda pair, x, y, left: kept_step(case, *pair, x, y, used, silent, left))


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
