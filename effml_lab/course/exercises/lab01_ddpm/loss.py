"""Lab 01: the noise-prediction loss, L_simple (Ho et al. 2020, eq. 14).

Two nets judge it. One always answers 2: what it was shown gives eps back, so its loss is known. One works out the noise from
the one batch there is: its loss is zero. A batch of 4,096 tiny images makes the statistics sharp.
"""
from functools import lru_cache

import torch
from torch import Tensor

from .... import datasets, models
from ....diffusion import levels as schedules
from ....diffusion.denoise import loss, noised
from ...contract.exercise import Exercise, Property, Unanswered, close, known, reading, same_form, within
from ..common import betas, column, drawn, integer, repeated
from ..moments import shared


def loss_cases(rng):
    abar = (1 - betas(rng, integer(rng, 5, 9), torch.float32)).cumprod(0)
    x0 = torch.randn(4096, 2, 2, 3, generator=rng).clamp(-2, 2) + 1
    return [{"x0": x0, "abar": abar, "seed": integer(rng, 0, 10**6)}]


def loss_run(impl, case):
    x0, abar, seed, seen = case["x0"], case["abar"], case["seed"], []

    def knows(x, t):
        a = column(abar[torch.as_tensor(t).long()], x)
        return (x - a.sqrt() * x0) / (1 - a).sqrt()

    def stubborn(x, t):
        t = torch.as_tensor(t)
        if x.shape != x0.shape:
            raise Unanswered(f"predict_eps(x, t) was given x of shape {tuple(x.shape)} and t of shape {tuple(t.shape)}: "
                             f"x comes first and is shaped like x0, {tuple(x0.shape)}.")
        seen.append((x.clone(), t.clone()))
        return torch.full_like(x, 2.0)

    losses = repeated(lambda rng: impl(stubborn, x0, abar, rng), seed)
    if not seen:
        raise Unanswered("Your loss never called predict_eps.")
    call = lambda net: impl(net, x0, abar, torch.Generator().manual_seed(seed))
    weight = torch.zeros(1, requires_grad=True)
    learned = call(lambda x, t: weight * x)
    if isinstance(learned, Tensor) and learned.ndim == 0 and learned.requires_grad:
        learned.backward()
    return {"stubborn": losses["out"], "knows": call(knows), "t": seen[0][1], "xs": [x for x, _ in seen[:3]],
            "learns": weight.grad is not None and bool(weight.grad.abs() > 0)}


def loss_verify(case, out):
    x0, abar, t, x = case["x0"], case["abar"], out["t"], out["xs"][0]
    form = same_form("a scalar tensor", out["stubborn"], x0.new_ones(()))
    plain = {float: "a plain number has no gradient: leave .item() and float() out"}
    form = form._replace(causes=known(plain, type(out["stubborn"])))
    each = Property("one whole t an image, shape (B,)", t.shape == (len(x0),) and not t.is_floating_point(),
                    f"{t.dtype}, shape {tuple(t.shape)}".replace("torch.", ""), f"int64, shape ({len(x0)},)",
                    known({1: "one t for the whole batch"}, t.numel()))
    if not (form.readable and each.passed):
        return [form, each]
    n, T = len(x0), len(abar)
    share, slack = torch.bincount(t.clamp(0, T - 1), minlength=T)[:T] / n, 6 * (1 / T / n) ** 0.5
    a = column(abar[t.clamp(0, T - 1)], x0)
    eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
    return [form, each,
            within("t is spread evenly over 0 ... T - 1: the rarest share", share.min().item(), 1 / T - slack, 1 / T, {
                "t = 0 or t = T - 1 is never drawn: torch.randint leaves its upper end out": (-1e-9, 1e-9)}),
            *shown(x, x0, a, eps), *judged(out, x, x0, eps),
            Property("the gradient reaches the net", out["learns"], "no gradient" if not out["learns"] else "it does",
                     "a gradient: .detach(), no_grad and torch.tensor() cut it"),
            drawn("rng draws t and eps, and nothing else does", *out["xs"])]


def shown(x, x0, a, eps) -> list[Property]:
    """What the net sees is x_t: its noise is normal, new for every pixel, and scaled."""
    around = lambda value, slack=0.03: (value - slack * abs(value) - 1e-9, value + slack * abs(value) + 1e-9)
    scaled = lambda f: float((f(a) / (1 - a)).mean())
    used = shared(eps)
    uniform = {"uniform noise (rand) where normal noise (randn) belongs": (0, 1)}
    of_size = {
        "the variance 1 - alpha-bar was used as a standard deviation": around(scaled(lambda a: (1 - a) ** 2)),
        "the noise was not scaled by sigma": around(scaled(lambda a: a * 0 + 1))}
    of_mean = {"the square root is missing on alpha-bar": around(float(((a - a.sqrt()) / (1 - a).sqrt() * x0).mean()), 0.08)}
    if torch.equal(x, x0):
        of_size = of_mean = {"the net is shown x0 itself: it learns from x_t": (-1e9, 1e9)}
    elif used:
        of_size = of_mean = {}
    elif abs(eps.mean() - 0.5) < 0.02 and abs(eps.var() - 1 / 12) < 0.005:
        of_size = of_mean = uniform
    return [within("the net sees x_t: its noise has variance", eps.var().item(), 0.92, 1.08, of_size),
            within("and mean", eps.mean().item(), -0.08, 0.08, of_mean),
            Property("and is new for every pixel", not used, "shared noise" if used else "as expected",
                     "noise of the shape of x0", (used.replace("of x", "of x0"),) if used else ())]


def judged(out, x, x0, eps) -> list[Property]:
    """The two losses, with eps worked out of x."""
    loss, fresh = out["stubborn"], abs(float(out["knows"]) - 2) < 0.1 and abs(eps.var() - 1) < 0.08
    slips = {"the target is x0: this net is asked for the noise": lambda: (eps - x0).square().mean(),
             "the target is x_t: this net is asked for the noise in it": lambda: (eps - x).square().mean()}
    knows = close("a net that knows the noise has loss 0", out["knows"], x0.new_zeros(()), slips, 1e-4)
    again = "the target is other noise than that in x_t: draw eps once and use it twice"
    return [knows._replace(causes=(again,)) if fresh and not knows.causes else knows,
            close("a net that always says 2 has the mean of (2 - eps)²", loss, (2 - eps).square().mean(), {
                "a sum over all numbers where their mean belongs": lambda: (2 - eps).square().sum(),
                "summed over the pixels of an image: take the mean over everything": lambda: (2 - eps).square().sum() / len(x0),
                "absolute values where squares belong": lambda: (2 - eps).abs().mean(),
                "the square is missing": lambda: (2 - eps).mean(),
                "the root of the mean: L_simple takes no root": lambda: (2 - eps).square().mean().sqrt(),
                "half the mean": lambda: (2 - eps).square().mean() / 2,
                "the target is x_t: this net is asked for the noise in it": lambda: (2 - x).square().mean(),
                "the target is x0: this net is asked for the noise": lambda: (2 - x0).square().mean()}, 2e-5)]


@lru_cache
@torch.no_grad()
def early() -> float:
    """The percentage of the shipped model's loss on held-out digits that comes from t < 100."""
    net, images = models.load("digits"), datasets.load("digits", "test")[0][:120]
    schedule, total = schedules.linear(), []
    for t in range(5, 1000, 10):
        eps = torch.randn(images.shape, generator=torch.Generator().manual_seed(t))
        x = noised(images, schedule(float(t)), eps)
        total.append((net(x, torch.full((len(x),), t)) - eps).square().mean().item())
    return 100 * sum(total[:10]) / sum(total)


EXERCISES = (
    Exercise("01-loss", "The noise-prediction loss", {
        "a scalar tensor": 0, "one whole t an image, shape (B,)": 0,
        "t is spread evenly over 0 ... T - 1: the rarest share": 1, "the net sees x_t: its noise has variance": 1, "and mean": 0.5,
        "and is new for every pixel": 0.5,
        "a net that knows the noise has loss 0": 1, "a net that always says 2 has the mean of (2 - eps)²": 1,
        "the gradient reaches the net": 0.5, "rng draws t and eps, and nothing else does": 0.5},
        loss_cases, loss_run, loss_verify, own=(loss, noised)),
    reading("01-read-loss", "Where the loss lives", lambda: (early() - 2, early() + 2), lambda: {
        "a fraction where a percentage was asked for": (early() / 100 - 0.02, early() / 100 + 0.02)}),
)
