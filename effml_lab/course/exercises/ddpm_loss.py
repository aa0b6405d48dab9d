"""Lab 01: the noise-prediction loss, L_simple (Ho et al. 2020, eq. 14).

Two nets judge it. One always answers 2: what it was shown gives eps back, so its loss is known. One works out the noise from the one batch there is: its loss is zero. A batch of 4,096 tiny images makes the statistics sharp.
"""
from functools import lru_cache

import torch

from .common import betas, column, integer
from ..exercise import Exercise, Property, Unanswered, close, known, reading, same_form, within
from ... import datasets, recipes
from ...diffusion import levels as schedules
from ...diffusion.denoise import noised


def loss_cases(rng):
    abar = (1 - betas(rng, integer(rng, 5, 9), torch.float32)).cumprod(0)
    x0 = torch.randn(4096, 1, 2, 1, generator=rng).clamp(-2, 2) + 1
    return [{"x0": x0, "abar": abar, "seed": integer(rng, 0, 10**6)}]


def loss_run(impl, case):
    x0, abar, seed, seen = case["x0"], case["abar"], case["seed"], []

    def knows(x, t):
        a = column(abar[t.long()], x)
        return (x - a.sqrt() * x0) / (1 - a).sqrt()

    def stubborn(x, t):
        seen.append((x.clone(), torch.as_tensor(t).clone()))
        return torch.full_like(x, 2.0)

    def call(net):
        torch.manual_seed(len(seen))                              # so that only rng can repeat the draws
        return impl(net, x0, abar, torch.Generator().manual_seed(seed))

    weight = torch.zeros(1, requires_grad=True)
    losses = [call(stubborn), call(stubborn), call(knows)]
    if not seen:
        raise Unanswered("Your loss never called predict_eps.")
    learned = call(lambda x, t: weight * x)
    if learned.requires_grad:
        learned.backward()
    return {"stubborn": losses[0], "again": losses[1], "knows": losses[2], "x": seen[0][0], "t": seen[0][1],
            "learns": weight.grad is not None and bool(weight.grad.abs() > 0)}


def loss_verify(case, out):
    x0, abar, t, x, loss = case["x0"], case["abar"], out["t"], out["x"], out["stubborn"]
    form = same_form("a scalar tensor", loss, x0.new_ones(()))
    each = Property("one whole t an image, shape (B,)", t.shape == (len(x0),) and not t.is_floating_point(),
                    f"{t.dtype}, shape {tuple(t.shape)}".replace("torch.", ""), f"int64, shape ({len(x0)},)",
                    known({1: "one t for the whole batch"}, t.numel()))
    if not (form.passed and each.passed and x.shape == x0.shape):
        return [form, each]
    n, T = len(x0), len(abar)
    share = torch.bincount(t.clamp(0, T - 1), minlength=T)[:T] / n
    slack = 6 * (1 / T / n) ** 0.5
    a = column(abar[t.clamp(0, T - 1)], x0)
    eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
    scaled = lambda f: float((f(a) / (1 - a)).mean())
    around = lambda v, slack=0.08: (v - slack * abs(v) - 1e-9, v + slack * abs(v) + 1e-9)
    return [form, each,
            within("t is spread evenly over 0 ... T - 1: the rarest share", share.min().item(), 1 / T - slack, 1 / T, {
                "t = 0 or t = T - 1 is never drawn: torch.randint leaves its upper end out": (-1e-9, 1e-9)}),
            within("the net sees x_t: its noise has variance", eps.var().item(), 0.92, 1.08, {
                "uniform noise (rand) where normal noise (randn) belongs": around(1 / 12),
                "the variance 1 - alpha-bar was used as a standard deviation": around(scaled(lambda a: (1 - a) ** 2)),
                "the noise was not scaled by sigma": around(scaled(lambda a: a * 0 + 1))}),
            within("and mean", eps.mean().item(), -0.08, 0.08, {
                "uniform noise (rand) where normal noise (randn) belongs": around(0.5),
                "the square root is missing on alpha-bar": around(float(((a - a.sqrt()) / (1 - a).sqrt() * x0).mean()))}),
            close("a net that knows the noise has loss 0", out["knows"], x0.new_zeros(()), {
                "the target is x0: this net is asked for the noise": lambda: (eps - x0).square().mean()}, 1e-3),
            close("a net that always says 2 has the mean of (2 - eps)²", loss, (2 - eps).square().mean(), {
                "a sum over all numbers where their mean belongs": lambda: (2 - eps).square().sum(),
                "summed over the pixels of an image: take the mean over everything": lambda: (2 - eps).square().sum() / n,
                "absolute values where squares belong": lambda: (2 - eps).abs().mean(),
                "the root of the mean: L_simple takes no root": lambda: (2 - eps).square().mean().sqrt(),
                "half the mean": lambda: (2 - eps).square().mean() / 2,
                "the target is x0: this net is asked for the noise": lambda: (2 - x0).square().mean()}, 1e-3),
            Property("the gradient reaches the net", out["learns"], "no gradient" if not out["learns"] else "it does",
                     "a gradient at its weights"),
            close("the same rng draws the same loss", out["again"], loss, None, 1e-6)]


@lru_cache
@torch.no_grad()
def early() -> float:
    """The percentage of the shipped model's loss on held-out digits that comes from t < 100."""
    net, images = recipes.load("digits"), datasets.load("digits", "test")[0][:120]
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
        "a net that knows the noise has loss 0": 1, "a net that always says 2 has the mean of (2 - eps)²": 1,
        "the gradient reaches the net": 0.5, "the same rng draws the same loss": 0.5},
        loss_cases, loss_run, loss_verify),
    reading("01-read-loss", "Where the loss lives", lambda: (early() - 2, early() + 2), lambda: {
        "a fraction where a percentage was asked for": (early() / 100 - 0.02, early() / 100 + 0.02)}),
)
