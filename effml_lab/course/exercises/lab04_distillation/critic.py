"""Lab 04: the critic's loss of UFOGen (Xu et al. 2023): real pictures and guesses, both made noisy by the forward kernel."""
import torch
import torch.nn.functional as F
from torch import Tensor

from ....diffusion.levels import Level
from ....efficiency.distill import adversarial
from ...contract.exercise import Exercise, Property, Unanswered, close, kind, same_form
from ..common import tol
from .made_up import SIZES, between, drawn, level, levels

FORM, VALUE = "one number", "softplus(-D(real)) + softplus(D(fake)), each a mean"
MOVES, SHOWN = "a gradient reaches the critic, and not whoever made the fakes", "the critic sees noisy pictures, with their level"


def cases(rng):
    return [{"real": drawn(rng, shape, dtype), "fake": drawn(rng, shape, dtype), "level": levels(rng, k)[1],
             "eps": [drawn(rng, shape, dtype) for _ in "ab"], "weight": between(rng, 0.5, 1.5), "shift": between(rng, -0.5, 0.5)}
            for k, (shape, dtype) in enumerate(SIZES)]


def judged(case, weight: float | Tensor, x: Tensor) -> Tensor:
    """What the critic says of each picture, (B,)."""
    return weight * torch.sin(2 * x).flatten(1).sum(1) + case["shift"] * x.flatten(1).square().mean(1) + 0.3


def run(impl, case):
    weight, fake = torch.tensor(case["weight"], dtype=torch.float64, requires_grad=True), case["fake"].clone().requires_grad_()
    shown = []

    def critic(x, at):
        if not isinstance(x, Tensor) or not isinstance(at, Level):
            raise Unanswered(f"critic(x, level) takes noisy pictures and their Level; it was given {kind(x)} and {kind(at)}.")
        shown.append({"x": x.detach().clone(), "t": float(at.t)})
        return judged(case, weight.to(x.dtype), x)
    with torch.enable_grad():
        value = impl(critic, case["real"], fake + 0, level(case["level"]), tuple(case["eps"]))
        if isinstance(value, Tensor) and value.requires_grad and value.numel() == 1:
            value.sum().backward()
    some = lambda grad: grad is not None and bool(grad.any())
    return {"loss": value.detach() if isinstance(value, Tensor) else value, "critic": some(weight.grad), "maker": some(fake.grad),
            "shown": shown}


def verify(case, out):
    real, fake, at, eps = case["real"], case["fake"], level(case["level"]), case["eps"]
    says = lambda x: judged(case, case["weight"], x)
    noisy = lambda x, e: at.alpha * x + at.sigma * e
    r, f = says(noisy(real, eps[0])), says(noisy(fake, eps[1]))
    plus = F.softplus
    right = plus(-r).mean() + plus(f).mean()
    form = same_form(FORM, out["loss"], right)
    if not form.readable:
        return [form]
    both = lambda a, b: lambda: plus(-a).mean() + plus(b).mean()
    value = close(VALUE, out["loss"], right, {
        "real and fake are exchanged: the critic is to say high of real ones": lambda: plus(r).mean() + plus(-f).mean(),
        "both signs are the same: high of real, low of fake": lambda: plus(-r).mean() + plus(-f).mean(),
        "both signs are the same, and low is asked of real ones, too": lambda: plus(r).mean() + plus(f).mean(),
        "real ones alone": lambda: plus(-r).mean(), "fakes alone": lambda: plus(f).mean(),
        "the critic is shown clean pictures: noise is what keeps it from being sure": both(says(real), says(fake)),
        "only the fakes are made noisy": both(says(real), f), "only the real ones are made noisy": both(r, says(fake)),
        "one noise for both: each has its own, eps[0] and eps[1]": both(r, says(noisy(fake, eps[0]))),
        "one noise for both, the second: each has its own, eps[0] and eps[1]": both(says(noisy(real, eps[1])), f),
        "the two noises are exchanged: eps[0] is that of the real ones": both(
            says(noisy(real, eps[1])), says(noisy(fake, eps[0]))),
        "noise is added to what is not scaled: alpha belongs before the picture": both(
            says(real + at.sigma * eps[0]), says(fake + at.sigma * eps[1])),
        "the noise is not scaled: sigma belongs before it": both(says(at.alpha * real + eps[0]), says(at.alpha * fake + eps[1])),
        "sums: means are asked for": lambda: plus(-r).sum() + plus(f).sum(),
        "halved: the sum of both is asked for": lambda: right / 2,
        "the answers themselves, a Wasserstein critic's loss: softplus of them is asked for": lambda: f.mean() - r.mean(),
        "sigmoid where softplus belongs": lambda: torch.sigmoid(-r).mean() + torch.sigmoid(f).mean(),
        "a hinge, relu(1 - D): softplus is asked for": lambda: F.relu(1 - r).mean() + F.relu(1 + f).mean(),
        "the mean of the answers before softplus: softplus first": lambda: plus(-r.mean()) + plus(f.mean()),
        "the sign of the whole: it is a loss, to be made small": lambda: -right,
        "squared errors to 1 and 0: softplus is asked for": lambda: (r - 1).square().mean() + f.square().mean()},
        10 * tol(real.dtype))
    good = out["critic"] and not out["maker"]
    causes = ("the fakes are not detached: the critic's loss would make whoever made them worse",) if out["critic"] and out[
        "maker"] else (("no gradient reaches the critic: is it cut off (no_grad, detach, item), or is the loss flat here?",)
                       if not out["critic"] else ())
    reached = [who for who in ("critic", "maker") if out[who]]
    return [form, value, shown(case, out["shown"]), Property(
        MOVES, good, "as expected" if good else f"it reaches {' and '.join(reached) or 'nobody'}", "the critic alone",
        () if good else causes)]


def shown(case, calls: list[dict]) -> Property:
    at = level(case["level"])
    if {call["t"] for call in calls} - {at.t}:
        return Property(SHOWN, False, "at another level", f"at t = {at.t:g}")
    rows = torch.cat([call["x"].flatten(1) for call in calls]) if calls else torch.zeros(0)
    want = torch.cat([(at.alpha * x + at.sigma * e).flatten(1) for x, e in zip((case["real"], case["fake"]), case["eps"])])
    good = rows.shape == want.shape and bool((torch.cdist(want.double(), rows.double()).min(1).values < 1e-3).all())
    return Property(SHOWN, good, "as expected" if good else "other pictures", "the noisy real ones and the noisy fakes")


EXERCISES = (Exercise("04-critic", "A critic of noisy pictures", {FORM: 0, VALUE: 3, SHOWN: 0.5, MOVES: 1}, cases, run, verify,
                      own=(adversarial.critic_loss,)),)
