"""Lab 01: the ancestral sampler over the whole table (Ho et al. 2020, algorithm 2).

Each step is judged by itself: what is left after the posterior mean must have mean zero, not depend on x, be new and have
the size of the new noise. However an answer orders its draws, this holds.
"""
import torch
from torch import Tensor

from ....diffusion.samplers import ddim, ddpm, share, step
from ...contract.exercise import Exercise, Property, close, forgiven
from ..common import PAPER, betas, drawn_anew, integer, lined_up, repeated
from ..gaussian import end_mean, far_case, gaussian_case, guess, quiet_end
from ..moments import CUT, bent, cut, drift, noise_size, one_by_one, residual, step_mean, step_noise
from ..noise import unfit
from ..retrace import FORM, STARTS, WALKED, Step, noting, retraced
from .posterior import posterior_at

CLIPPED = "the mean is clipped to -1 ... 1, which eq. 11 does not ask for"
ONE_T = "t is one whole number for all pictures here: predict_eps(x, t), not a tensor of them"
ONCE = "predict_eps is asked once, before the loop: ask it anew in each step"
MEAN, QUIET, DRAWN = "the mean of each step", "the last step adds no noise", "rng draws the noise, and nothing else does"
LONE = "beta eps is not divided by sqrt(1 - alpha-bar), the product of all 1 - beta up to t"
READ_BEFORE = "alpha-bar is read at t - 1: it is that of t"
UNIFORM = "uniform noise (rand) where normal noise (randn) belongs"


def ancestral_cases(rng):
    """Many pictures, in which every step is judged; and one, whose first beta is as small as the paper's: its last step is."""
    small = torch.cat([torch.tensor([1e-4]), betas(rng, integer(rng, 5, 8), torch.float32)])
    return [far_case(rng, betas=betas(rng, integer(rng, 5, 8), torch.float32)),
            gaussian_case(rng, torch.randn(1, 1, 20, 20, generator=rng), betas=small, mean=0.5, std=0.005)]


def ancestral_run(impl, case):
    abar, walks, batched = (1 - case["betas"]).cumprod(0), [], []
    eps = lambda x, t: (x - abar[t].sqrt() * guess(case, x, abar[t])) / (1 - abar[t]).sqrt()

    def call(rng):
        walks.append([])
        net = noting(walks[-1], len(abar), "predict_eps", eps)

        def asked(x, t):
            batched.append(torch.as_tensor(t).ndim > 0)
            return net(x, t)
        with lined_up(len(abar), "a table over t"):
            return impl(asked, case["x"], case["betas"], rng)

    out = repeated(call, case["seed"])
    return {**out, "ts": [t for t, _ in walks[0]], "xs": [x for _, x in walks[0]], "batched": any(batched)}


def ancestral_verify(case, out):
    rows, walk = retraced(out, case["x"], len(case["betas"]), "predict_eps")
    if out["batched"]:
        rows = [row._replace(passed=False, observed="t of shape (B,)", expected="one whole number", causes=(ONE_T,))
                if row.name == WALKED and row.passed else row for row in rows]
    elif not walk and len(out["ts"]) == 1:
        rows = [row._replace(causes=(ONCE,)) if row.name == WALKED and asked_once(case, out) else row for row in rows]
    judged = one_picture if len(case["x"]) == 1 else steps
    return rows if not walk else [*rows, *judged(case, walk), drawn_anew(
        DRAWN, out["out"], out["again"], out["other"], any(noise_size(x, y) > 1e-3 for _, x, y in walk))]


def asked_once(case, out) -> bool:
    """Whether all steps went with the eps of the first."""
    betas, x, y = case["betas"], case["x"], case["x"]
    abar, T = (1 - betas).cumprod(0), len(betas)
    eps = (x - abar[-1].sqrt() * guess(case, x, abar[-1])) / (1 - abar[-1]).sqrt()
    for t in reversed(range(T)):
        y = (y - betas[t] / (1 - abar[t]).sqrt() * eps) / (1 - betas[t]).sqrt()
    return out["out"].shape == y.shape and drift(x, out["out"], y) < 6


def steps(case, walk: list[Step]) -> list[Property]:
    """Every step, on many pictures."""
    abar = (1 - case["betas"]).cumprod(0)
    means = [posterior_at(abar, t).mean(x, guess(case, x, abar[t])) for t, x, _ in walk]
    used = unfit([(x, y, mean) for (_, x, y), mean in zip(walk[:-1], means)])
    quiet = [t for t, x, y in walk[:-1] if noise_size(x, y) < 1e-4]
    silent = "no noise is added at t = 1: counted from 0, only t = 0 goes without" if quiet == [1] else "no noise is added"
    rows = one_by_one(walk[:-1], lambda t, x, y, left: one_step(case, t, x, y, used, silent, left))
    failed = [row.causes for row in rows if row.name == MEAN and not row.passed]
    if failed and READ_BEFORE in failed[-1]:                    # at t = 0 that is a division by 0, or the table's end
        return [*rows, Property(MEAN, False, "lost", "the mean", failed[-1])]
    _, x, y = walk[-1]
    return [*rows, end_mean(MEAN, x, y, means[-1], mean_slips(case, 0, x), failed[-1] if failed else None), quiet_row(case, x, y)]


def one_picture(case, walk: list[Step]) -> list[Property]:
    """Its last step, number by number; noise on that is told by its own row."""
    _, x, y = walk[-1]
    if cut(y):
        return [Property(MEAN, False, "a state that is clipped", "the mean", (CUT,)), quiet_row(case, x, y)]
    abar = (1 - case["betas"]).cumprod(0)
    mean = posterior_at(abar, 0).mean(x, guess(case, x, abar[0]))
    far = max(1.0, 10 * float((x - mean).abs().max()))          # float32 knows 1 - alpha-bar to four digits here
    row = close(MEAN, y, mean, mean_slips(case, 0, x), 2e-4 * far)
    noisy = noise_size(x, y) > 2e-3 and not row.causes and drift(x, y, mean) < 6
    return [forgiven(row) if noisy else row, quiet_row(case, x, y)]


def quiet_row(case, x: Tensor, y: Tensor) -> Property:
    b = float(case["betas"][0])
    cause = "noise is added at t = 0 too: there the mean is the picture"
    return quiet_end(QUIET, x, y, (b, b**0.5, 1.0, float((b / (1 - b)) ** 0.5)), cause, mean_slips(case, 0, x))


def mean_slips(case, t: int, x: Tensor) -> dict:
    beta, abar = case["betas"], (1 - case["betas"]).cumprod(0)
    x0, b, a = guess(case, x, abar[t]), beta[t], abar[t]
    right, eps = posterior_at(abar, t), (x - a.sqrt() * x0) / (1 - a).sqrt()
    mean, outside = right.mean(x, x0), (1 - PAPER).cumprod(0)[t].float()
    plain = lambda share: (x - share * eps) / (1 - b).sqrt()
    return {
        "eps is multiplied by sqrt(beta): by beta / sqrt(1 - alpha-bar), with the product alpha-bar, not this step's alpha": (
            lambda: plain(b.sqrt())),
        "sqrt(beta) over sqrt(1 - alpha-bar): beta itself belongs above": lambda: plain((b / (1 - a)).sqrt()),
        READ_BEFORE: lambda: plain(b / (1 - abar[t - 1]).sqrt()),
        "divided by sqrt(alpha-bar) where sqrt(1 - beta) belongs": lambda: mean * (1 - b).sqrt() / a.sqrt(),
        "the division by sqrt(1 - beta) is missing": lambda: mean * (1 - b).sqrt(),
        "divided by 1 - beta: its square root belongs there": lambda: mean / (1 - b).sqrt(),
        "multiplied by sqrt(1 - beta): divide by it": lambda: mean * (1 - b),
        "beta eps over 1 - alpha-bar: the square root is missing": lambda: plain(b / (1 - a)),
        LONE: lambda: plain(b),
        "sqrt(alpha-bar) stands where sqrt(1 - alpha-bar) belongs": lambda: plain(b / a.sqrt()),
        "sqrt(1 - alpha), not sqrt(1 - alpha-bar)": lambda: plain(b / (1 - a.sqrt()).sqrt()),
        "alpha-bar from a table outside: work it out from the betas that are handed in": lambda: plain(b / (1 - outside).sqrt()),
        "eps is added: subtract it": lambda: plain(-b / (1 - a).sqrt()),
        "only x is divided by sqrt(1 - beta): the root divides the whole bracket": lambda: (
            x / (1 - b).sqrt() - b / (1 - a).sqrt() * eps),
        CLIPPED: lambda: mean.clamp(-1, 1),
        "the guess of x0 is clipped to -1 ... 1, which eq. 11 does not ask for": lambda: right.mean(x, x0.clamp(-1, 1)),
        "the guess of x0 is clipped, which eq. 11 does not ask for": lambda: right.mean(x, x0.clamp(-2, 2)),
        "this is the guess of x0: the step goes to t - 1 only": lambda: x0,
        UNIFORM: lambda: mean + b.sqrt() / 2}


def one_step(case, t: int, x: Tensor, y: Tensor, used: str | None, silent: str,
             left: tuple[str, ...] | None) -> list[Property]:
    b, a = case["betas"][t], (1 - case["betas"]).cumprod(0)
    right = posterior_at(a, t)
    return [
        step_mean(MEAN, x, y, right.mean(x, guess(case, x, a[t])), mean_slips(case, t, x), used, left),
        step_noise("the noise of each step", x, y, float(b.sqrt()), {} if bent(x, residual(x, y)) else {
            silent: 0.0,
            "noise of size 1: scale it by sqrt(beta)": 1.0,
            "the variance beta was used as a standard deviation": float(b),
            "beta of t - 1 where that of t belongs": float(case["betas"][t - 1].sqrt()),
            "this is the small variance: here the variance is beta": float(right.small.sqrt()),
            "sqrt(1 - alpha-bar) is the noise of all steps": float((1 - a[t]).sqrt()),
            "the noise is divided by sqrt(1 - beta) too: add it after": float((b / (1 - b)).sqrt()),
            UNIFORM: float((b / 12).sqrt())}, 0.017, used)]


EXERCISES = (
    Exercise("01-ancestral", "The ancestral sampler", {
        FORM: 0, WALKED: 1, STARTS: 0.5, MEAN: 2, "the noise of each step": 1.5, QUIET: 1, DRAWN: 0.5},
        ancestral_cases, ancestral_run, ancestral_verify, own=(ddpm, ddim, step, share)),
)
