"""Lab 04: the critic's loss of UFOGen (Xu et al. 2023): real pictures and guesses, both made noisy by the forward kernel."""
import torch
import torch.nn.functional as F
from torch import Tensor

from ....diffusion.levels import Level
from ....efficiency.distill import adversarial
from ...contract.exercise import Exercise, Property, Unanswered, close, kind
from .made_up import ROWS, SIZES, between, by_row, drawn, level, levels, one_number, slack, slope, unasked

FORM, VALUE = "one number", "softplus(-D(real)) + softplus(D(fake)), each a mean"
MOVES = "the whole gradient reaches the critic, and none whoever made the fakes"
SHOWN = "the critic sees noisy pictures, with their level"


def cases(rng):
    out = []
    for k, (shape, dtype) in enumerate([*SIZES, (ROWS, torch.float64)]):
        real = drawn(rng, shape, dtype)
        out.append({"real": real, "fake": drawn(rng, shape, dtype), "eps": [drawn(rng, shape, dtype) for _ in "ab"],
                    "level": by_row(rng, real)[1] if k == len(SIZES) else levels(rng, k)[1],
                    "weight": between(rng, 0.5, 1.5), "shift": between(rng, -0.5, 0.5)})
    return out


def judged(case, weight: float | Tensor, x: Tensor) -> Tensor:
    """What the critic says of each picture, (B,)."""
    return weight * torch.sin(2 * x).flatten(1).sum(1) + case["shift"] * x.flatten(1).square().mean(1) + 0.3


def run(impl, case):
    weight, fake = torch.tensor(case["weight"], dtype=torch.float64, requires_grad=True), case["fake"].clone().requires_grad_()
    lent, shown = fake + 0, []

    def critic(x, at=None):
        if not isinstance(x, Tensor) or not isinstance(at, Level):
            raise Unanswered(f"critic(x, level) takes noisy pictures and their Level; it was given {kind(x)} and {kind(at)}.")
        t = torch.as_tensor(at.t, dtype=torch.float64).flatten()
        if len(t) not in (1, len(x)):
            raise Unanswered(f"The critic was shown {len(x)} pictures with levels for {len(t)}: every row needs its own.")
        shown.append({"x": x.detach().clone(), "t": t.expand(len(x))})
        return judged(case, weight.to(x.dtype), x)
    before = torch.get_rng_state()
    with torch.enable_grad():
        with unasked():
            value = impl(critic, case["real"], lent, level(case["level"]), tuple(case["eps"]))
        if not torch.equal(lent, case["fake"]):
            raise Unanswered("Your code changed the fakes in place: detach() shares their memory. Build new tensors and leave "
                             "the given ones alone.")
        if isinstance(value, Tensor) and value.requires_grad and value.numel() == 1:
            value.sum().backward()
    some = fake.grad is not None and bool(fake.grad.any())
    return {"loss": value.detach() if isinstance(value, Tensor) else value, "shown": shown, "maker": some,
            "slope": None if weight.grad is None else weight.grad.item(),
            "drew": not torch.equal(before, torch.get_rng_state())}


def verify(case, out):
    real, fake, at, eps = case["real"], case["fake"], level(case["level"]), case["eps"]
    says = lambda x: judged(case, case["weight"], x)
    noisy = lambda x, e: at.alpha * x + at.sigma * e
    r, f = says(noisy(real, eps[0])), says(noisy(fake, eps[1]))
    plus = F.softplus
    right = plus(-r).mean() + plus(f).mean()
    form = one_number(FORM, out["loss"], right, real)
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
        "this is the student's turn, softplus(-D(fake)): the critic's is asked for": lambda: plus(-f).mean(),
        "halved: the sum of both is asked for": lambda: right / 2,
        "the answers themselves, a Wasserstein critic's loss: softplus of them is asked for": lambda: f.mean() - r.mean(),
        "sigmoid where softplus belongs": lambda: torch.sigmoid(-r).mean() + torch.sigmoid(f).mean(),
        "a hinge, relu(1 - D): softplus is asked for": lambda: F.relu(1 - r).mean() + F.relu(1 + f).mean(),
        "the mean of the answers before softplus: softplus first": lambda: plus(-r.mean()) + plus(f.mean()),
        "the sign of the whole: it is a loss, to be made small": lambda: -right,
        "picture and noise are exchanged: noised(x0, level, eps)": both(
            says(noisy(eps[0], real)), says(noisy(eps[1], fake))),
        "the minus stands before the softplus: it belongs inside": lambda: -plus(r).mean() + plus(f).mean(),
        "softplus of the difference: each answer has a softplus of its own": lambda: plus(f - r).mean(),
        "relu where softplus belongs": lambda: F.relu(-r).mean() + F.relu(f).mean(),
        "the answers are taken for probabilities: they are any numbers, and softplus makes a loss of them": lambda: (
            -(r.log().mean() + (1 - f).log().mean())),
        "softplus of a sigmoid: softplus of the answers themselves": lambda: (
            plus(-torch.sigmoid(r)).mean() + plus(torch.sigmoid(f)).mean()),
        "squared errors to 1 and 0: softplus is asked for": lambda: (r - 1).square().mean() + f.square().mean()},
        slack(real.dtype))
    return [form, value, shown(case, out["shown"], out["drew"]), moved(case, out, value.passed)]


def moved(case, out, right: bool) -> Property:
    """Whether the whole gradient reaches the critic, and none whoever made the fakes. right: whether the loss is."""
    reached = [who for who, does in (("critic", out["slope"]), ("maker", out["maker"])) if does]
    if reached == ["critic", "maker"]:
        cause = "the fakes are not detached: the critic's loss would make whoever made them worse"
    elif reached != ["critic"]:
        cause = "no gradient reaches the critic: is it cut off (no_grad, detach, item), or is the loss flat here?"
    else:
        at, plus = level(case["level"]), F.softplus
        noisy = lambda x, e: at.alpha * x + at.sigma * e
        real, fake = (noisy(case[name], e) for name, e in zip(("real", "fake"), case["eps"]))
        parts = [slope(part, case["weight"], real.dtype) for part in (
            lambda w: plus(-judged(case, w, real)).mean(), lambda w: plus(judged(case, w, fake)).mean())]
        near = lambda want: abs(out["slope"] - want) <= 1e-3 * (abs(want) + 1e-2)
        if not right or near(sum(parts)):
            return Property(MOVES, True, "as expected")
        return Property(MOVES, False, "a part of it reaches the critic", "all of it", tuple(
            f"the critic learns nothing from the {who}: its answer about them is cut off (no_grad, detach)"
            for who, part in zip(("real ones", "fakes"), parts) if near(sum(parts) - part)))
    return Property(MOVES, False, f"it reaches {' and '.join(reached) or 'nobody'}", "the critic alone", (cause,))


def shown(case, calls: list[dict], drew: bool) -> Property:
    at, expected = level(case["level"]), "real ones with eps[0] and fakes with eps[1], at level"
    noisy = [at.alpha * x + at.sigma * e for x, e in zip((case["real"], case["fake"]), case["eps"])]
    want = torch.cat(noisy).flatten(1).double()
    rows = torch.cat([call["x"].flatten(1) for call in calls]).double() if calls else torch.zeros(0)
    if rows.shape != want.shape or bool((torch.cdist(want, rows).min(1).values > 1e-3).any()):
        return Property(SHOWN, False, "other pictures", expected, (
            "new noise is drawn: both noises are handed in, in eps",) if drew else ())
    t = torch.cat([call["t"] for call in calls])[torch.cdist(want, rows).min(1).indices]
    good = torch.equal(t, torch.as_tensor(at.t, dtype=torch.float64).flatten().expand(len(case["real"])).repeat(2))
    return Property(SHOWN, good, "as expected" if good else "at another level", expected)


EXERCISES = (Exercise("04-critic", "A critic of noisy pictures", {FORM: 0, VALUE: 3, SHOWN: 0.5, MOVES: 1}, cases, run, verify,
                      own=(adversarial.critic_loss,)),)
