"""Lab 01: the ancestral sampler over the whole table (Ho et al. 2020, algorithm 2), and the same over kept levels.

Both walk 10,000 numbers of Gaussian data, whose exact eps and x0 are known, and every state is seen. So each step is judged by
itself: what is left after the posterior mean must have mean zero, not depend on x, and have the size of the new noise.
However an answer orders its draws, this holds.
"""
import itertools

import torch
from torch import Tensor

from .common import betas, integer
from .ddpm_reverse import Posterior, posterior_at
from .moments import noise_size, step_mean, step_noise
from ..exercise import Exercise, Property, Unanswered, close, known, prediction, reading, same_form
from ...diffusion import levels as schedules
from ...diffusion.levels import Level
from ...diffusion.oracle import GaussianMixture, gaussian_run
from ...diffusion.samplers import ddim, ddpm

N = (2500, 1, 2, 2)


def data(case) -> GaussianMixture:
    """One Gaussian: its denoiser is exact."""
    return GaussianMixture(torch.tensor([[case["mean"]]]), case["std"])


def guess(case, x: Tensor, abar: Tensor) -> Tensor:
    """The exact E[x0 | x] at a level with this alpha-bar."""
    level = Level(0.0, float(abar) ** 0.5, (1 - float(abar)) ** 0.5)
    return data(case).denoise(x[..., None], level)[..., 0]


def gaussian_case(rng, **more):
    return {"mean": 0.3 + torch.rand((), generator=rng).item(), "std": 0.2 + 0.3 * torch.rand((), generator=rng).item(),
            "x": torch.randn(N, generator=rng), "seed": integer(rng, 0, 10**6), **more}


def repeated(call, seed: int) -> tuple:
    """What an answer gives twice for the same rng, with the global generator elsewhere."""
    out = []
    for elsewhere in (1, 2):
        torch.manual_seed(elsewhere)
        out.append(call(torch.Generator().manual_seed(seed)))
    return tuple(out)


def ancestral_cases(rng):
    return [gaussian_case(rng, betas=betas(rng, integer(rng, 5, 8), torch.float32))]


def ancestral_run(impl, case):
    abar, seen = (1 - case["betas"]).cumprod(0), []

    def predict_eps(x, t):
        t = int(torch.as_tensor(t).flatten()[0])
        seen.append((t, x.clone()))
        a = abar[t]
        return (x - a.sqrt() * guess(case, x, a)) / (1 - a).sqrt()

    out, again = repeated(lambda rng: impl(predict_eps, case["x"], case["betas"], rng), case["seed"])
    half = seen[:len(seen) // 2]
    return {"out": out, "again": again, "ts": [t for t, _ in half], "xs": [x for _, x in half]}


def ancestral_verify(case, out):
    beta, ts, xs = case["betas"], out["ts"], out["xs"]
    abar, T = (1 - beta).cumprod(0), len(beta)
    form = same_form("shape and dtype of x", out["out"], case["x"], case["x"])
    if not form.passed:
        return [form]
    down = list(range(T))[::-1]
    walked = Property("t runs from T - 1 down to 0", ts == down, f"t = {ts}", f"t = {down}", known({
        tuple(range(T)): "sampling starts at the noisy end: t falls", tuple(down[:-1]): "the last step, t = 0, is missing",
        tuple(down[1:]): "the first step, t = T - 1, is missing"}, tuple(ts)))
    if not walked.passed or any(x.shape != case["x"].shape for x in xs):
        return [form, walked._replace(passed=False)]
    rows = [ancestral_step(case, t, x, y) for t, x, y in zip(ts, xs, [*xs[1:], out["out"]]) if t]
    return [form, walked, *(row for pair in rows for row in pair), last_step(case, xs[-1], out["out"]),
            close("the same rng gives the same picture", out["again"], out["out"], None, 1e-5)]


def ancestral_step(case, t: int, x: Tensor, y: Tensor) -> list[Property]:
    beta, abar = case["betas"], (1 - case["betas"]).cumprod(0)
    x0, b, a = guess(case, x, abar[t]), beta[t], abar[t]
    right, eps = posterior_at(abar, t), (x - a.sqrt() * x0) / (1 - a).sqrt()
    mean = right.mean(x, x0)
    return [
        step_mean("the mean of each step", x, y, mean, {
            "the noise is subtracted whole: its share of one step is beta / sqrt(1 - alpha-bar)": lambda: (
                (x - b.sqrt() * eps) / (1 - b).sqrt()),
            "divided by sqrt(alpha-bar) where sqrt(1 - beta) belongs": lambda: mean * (1 - b).sqrt() / a.sqrt(),
            "the division by sqrt(1 - beta) is missing": lambda: mean * (1 - b).sqrt(),
            "divided by 1 - beta: its square root belongs there": lambda: mean / (1 - b).sqrt(),
            "beta eps over 1 - alpha-bar: the square root is missing": lambda: (x - b * eps / (1 - a)) / (1 - b).sqrt(),
            "beta eps is not divided by sqrt(1 - alpha-bar)": lambda: (x - b * eps) / (1 - b).sqrt()}),
        step_noise("the noise of each step", x, y, float(b.sqrt()), {
            "no noise is added": 0.0,
            "the variance beta was used as a standard deviation": float(b),
            "this is the small variance: here sigma² = beta": float(right.small.sqrt()),
            "sqrt(1 - alpha-bar) is the noise of all steps": float((1 - a).sqrt())})]


def last_step(case, x: Tensor, y: Tensor) -> Property:
    """At t = 0 the mean is x0, and nothing is added."""
    x0, b = guess(case, x, (1 - case["betas"])[0]), float(case["betas"][0])
    return clean_end("the last step adds no noise", x, y, x0, (b, b**0.5), "noise is added at t = 0 too: there the mean is the picture")


def clean_end(name: str, x: Tensor, y: Tensor, x0: Tensor, sizes: tuple[float, ...], cause: str) -> Property:
    """y is the guess x0 itself. cause: named if y has noise of one of these sizes on it."""
    row, extra = close(name, y, x0, None, 1e-3), noise_size(x, y)
    noisy = not row.passed and any(0.96 * size < extra < 1.04 * size for size in sizes)
    return row._replace(causes=(cause,)) if noisy else row


def ddpm_cases(rng):
    n = integer(rng, 5, 8)
    return [gaussian_case(rng, n=n, variance=variance) for variance in ("small", "large")]


def kept(case) -> list[Level]:
    return schedules.linear().grid(case["n"], "leading")


def ddpm_run(impl, case):
    oracle, grid = data(case), kept(case)
    denoise = lambda x, level: oracle.denoise(x[..., None], level)[..., 0]
    call = lambda rng: impl(denoise, case["x"], grid, variance=case["variance"], rng=rng)
    states = repeated(lambda rng: [x.clone() for x in itertools.islice(iterable(call(rng)), len(grid) + 2)], case["seed"])
    return {"states": states[0], "again": states[1][-1] if states[1] else None}


def iterable(answer):
    if isinstance(answer, Tensor) or not hasattr(answer, "__iter__"):
        kind = "nothing (None)" if answer is None else f"a {type(answer).__name__}"
        raise Unanswered(f"Yield the state after each step; your function returned {kind}.")
    return answer


def ddpm_verify(case, out):
    grid, states = kept(case), out["states"]
    forms = [same_form("every state shaped like x", s, case["x"], case["x"]) for s in states]
    form = next((row for row in forms if not row.passed), forms[0] if forms else Property("every state shaped like x", False, "no state"))
    count = Property("one state a step", len(states) == len(grid) - 1, f"{len(states)} states", f"{len(grid) - 1} states", known({
        1: "only the end was yielded: yield x inside the loop", len(grid): "the start was yielded too: the first state is after step one",
        len(grid) - 2: "the last step, to the clean level, is missing"}, len(states)))
    if not form.passed or not count.passed:
        return [form, count]
    walk = list(zip(itertools.pairwise(grid), [case["x"], *states], states))
    rows = [row for (cur, nxt), x, y in walk if nxt.sigma for row in kept_step(case, cur, nxt, x, y)]
    (cur, _), x, y = walk[-1]
    end = clean_end("the step to the clean level adds no noise", x, y, guess(case, x, torch.tensor(cur.alpha**2)),
                    (cur.sigma, cur.sigma**2), "noise is added on the last step too: where nxt.sigma is 0 the mean is the picture")
    return [form, count, *rows, end,
            close("the same rng gives the same picture", out["again"], states[-1], None, 1e-5)]


def kept_step(case, cur: Level, nxt: Level, x: Tensor, y: Tensor) -> list[Property]:
    now, before = torch.tensor([cur.alpha**2, nxt.alpha**2])
    right, x0 = Posterior(now, before), guess(case, x, now)
    mean, beta, small = right.mean(x, x0), float(right.beta), float(right.small)
    table = schedules.linear()
    one = 1 - (cur.alpha / table(cur.t - 1).alpha) ** 2                        # the table's own beta at this t
    std = (small if case["variance"] == "small" else beta) ** 0.5
    other = (beta if case["variance"] == "small" else small) ** 0.5
    eps = (x - cur.alpha * x0) / cur.sigma
    return [
        step_mean("the mean of each step", x, y, mean, {
            "all of the old noise is kept: that is DDIM's step, and new noise comes on top": lambda: nxt.alpha * x0 + nxt.sigma * eps,
            "the one-step beta of the table: the step goes to the next kept level": lambda: Posterior(now, now / (1 - one)).mean(x, x0),
            "beta from alpha, not from its square": lambda: Posterior(now**0.5, before**0.5).mean(x, x0),
            "the old noise is dropped": lambda: nxt.alpha * x0}),
        step_noise(f"the noise of each step, {case['variance']} variance", x, y, std, {
            "no noise is added": 0.0,
            "the other variance": other,
            "a variance was used as a standard deviation": std**2,
            "the one-step beta of the table: the step goes to the next kept level": one**0.5,
            "beta from alpha, not from its square": (1 - cur.alpha / nxt.alpha) ** 0.5,
            "1 - alpha² is the noise of all steps down to x0": cur.sigma,
            "the noise is added twice": (std**2 + small) ** 0.5})]


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
    Exercise("01-ancestral", "The ancestral sampler", {
        "shape and dtype of x": 0, "t runs from T - 1 down to 0": 1, "the mean of each step": 2, "the noise of each step": 1.5,
        "the last step adds no noise": 1, "the same rng gives the same picture": 0.5},
        ancestral_cases, ancestral_run, ancestral_verify),
    prediction("01-guess-rank", "Which sampler is nearest to the data after 10 steps?"),
    reading("01-read-swap", "Where large and small variance swap ranks", lambda: (first_better("small") - 0.5, first_better("small") + 0.5),
            lambda: {"this is where large beats DDIM too: the question is large against small": (
                first_better("ddim") - 0.5, first_better("ddim") + 0.5)}),
    Exercise("01-ddpm", "Ancestral sampling over kept levels", {
        "every state shaped like x": 0, "one state a step": 1, "the mean of each step": 2,
        "the noise of each step, small variance": 1, "the noise of each step, large variance": 1,
        "the step to the clean level adds no noise": 1, "the same rng gives the same picture": 0.5},
        ddpm_cases, ddpm_run, ddpm_verify, own=(ddpm, ddim)),
    reading("01-read-noise", "What a strided large variance leaves", left, lambda: {
        "this is the variance, 1 - alpha-bar: the standard deviation is its root": tuple(v**2 for v in left())}),
)
