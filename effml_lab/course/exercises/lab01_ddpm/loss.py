"""Lab 01: the noise-prediction loss, L_simple (Ho et al. 2020, eq. 14).

What the net is shown is taken apart: without a picture it is the noise alone, and what a picture adds is its factor. Two nets
judge the loss. One always answers 2; one works out the noise from the one batch there is, and its loss is zero. A batch of
4,096 tiny images makes the statistics sharp. The net may be called in chunks, or once more to look at it.
"""
from functools import lru_cache

import torch
from torch import Generator, Tensor

from .... import datasets, models
from ....diffusion import levels as schedules
from ....diffusion.denoise import loss, noised
from ...contract.exercise import Exercise, Property, close, known, reading, same_form
from ..common import betas, column, integer, lined_up
from .shown import DRAWN, NEW, NOISE, PICTURE, SPREAD, Shown, drawn, elsewhere, evenly, fresh, noise, picture

SCALAR, TIMES, LEARNS = "a scalar tensor", "one whole t an image, shape (B,)", "the gradient reaches the net"
KNOWS, TWO = "a net that knows the noise has loss 0", "a net that always says 2 has the mean of (2 - eps)²"
CUT = "the loss is cut off from the net: .detach(), no_grad, .item(), .numpy() and torch.tensor() do that"
ONE_T = "one t for the whole batch"


def loss_cases(rng):
    abar = (1 - betas(rng, integer(rng, 5, 9), torch.float32)).cumprod(0)
    abar[-1] = 1e-4                     # hardly anything but noise: there a clamp shows
    x0 = torch.randn(4096, 2, 4, 4, generator=rng).clamp(-2, 2) + 1
    return [{"x0": x0, "abar": abar, "seed": integer(rng, 0, 10**6)}]


@torch.enable_grad()
def loss_run(impl, case):
    x0, abar, seed = case["x0"], case["abar"], case["seed"]

    def called(answer, picture=x0, seed=seed, elsewhere=1):
        torch.default_generator.manual_seed(elsewhere)
        shown = Shown(x0)
        with lined_up(len(x0)):
            value = impl(lambda x, t: answer(x, t, shown.note(x, t)), picture, abar, Generator().manual_seed(seed))
        return value, *shown.batch()

    def knows(x, t, at):
        if torch.as_tensor(t).numel() not in (1, len(x)):
            return torch.zeros_like(x)              # what is wrong with t is told by its own row
        a = column(abar[torch.as_tensor(t).long().clamp(0, len(abar) - 1)], x)
        return (x - a.sqrt() * x0[at]) / (1 - a).sqrt()

    two, weight = lambda x, t, at: torch.full_like(x, 2.0), torch.zeros(1, requires_grad=True)
    value, x, t = called(two)
    blank = torch.zeros_like(x0)
    noises = [called(two, blank, *seeds)[1:] for seeds in ((seed, 1), (seed, 2), (seed + 1, 1))]
    learned = called(lambda x, t, at: weight * x)[0]
    if isinstance(learned, Tensor) and learned.ndim == 0 and learned.requires_grad:
        learned.backward()
    return {"two": value, "x": x, "t": t, "knows": called(knows)[0], "noises": [n for n, _ in noises],
            "times": [t for _, t in noises], "learns": weight.grad is not None and bool(weight.grad.abs() > 0)}


def loss_verify(case, out):
    x0, abar, t = case["x0"], case["abar"], out["t"]
    form = same_form(SCALAR, out["two"], x0.new_ones(()))
    form = form._replace(causes=known({float: "a plain number has no gradient: leave .item() and float() out"}, type(out["two"])))
    whole = t.shape == (len(x0),) and not t.is_floating_point()
    fraction = ("t is a fraction: the net is told the whole number t itself",) if t.is_floating_point() else ()
    each = Property(TIMES, whole, f"{t.dtype}, shape {tuple(t.shape)}".replace("torch.", ""), f"int64, shape ({len(x0)},)",
                    known({1: ONE_T}, t.numel()) or fraction)
    if not (form.readable and whole):
        return [form, each]
    if (t == t[0]).all():
        return [form, each._replace(passed=False, observed="the same t for every image", causes=(ONE_T,))]
    scaled = picture(out, x0, abar)
    seen = [scaled, noise(out, x0, abar, {} if scaled.passed else elsewhere(t, abar, x0))]
    sound = all(row.passed for row in seen)
    return [form, each, evenly(t, len(abar)), *seen, fresh(out["noises"][0], t, scaled), *judged(out, x0, abar, sound),
            Property(LEARNS, out["learns"], "it does" if out["learns"] else "no gradient",
                     "a gradient", () if out["learns"] else (CUT,)), drawn(out)]


def judged(out, x0, abar, sound: bool) -> list[Property]:
    """The two losses. If what the net saw is wrong, eps is not known: then one is judged up to chance, the other not at all."""
    x, value, given = out["x"], out["two"], out["knows"]
    a = column(abar[out["t"].clamp(0, len(abar) - 1)], x0)
    eps = out["noises"][0] / (1 - a).sqrt()
    if not sound and isinstance(value, Tensor) and abs(float(value) - 5) < 0.15:
        return [Property(TWO, True, "as expected, up to chance")]
    two = close(TWO, value, (2 - eps).square().mean(), {
        "a sum over all numbers where their mean belongs": lambda: (2 - eps).square().sum(),
        "summed over the pixels of an image: take the mean over everything": lambda: (2 - eps).square().sum() / len(x0),
        "summed over the images: take the mean over everything": lambda: (2 - eps).square().mean() * len(x0),
        "summed over the channels: take the mean over everything": lambda: (2 - eps).square().mean() * x0.shape[1],
        "absolute values where squares belong": lambda: (2 - eps).abs().mean(),
        "the square is missing": lambda: (2 - eps).mean(),
        "the mean is squared: square first, then take the mean": lambda: (2 - eps).mean() ** 2,
        "a norm is the root of a sum of squares: their mean is asked for": lambda: (2 - eps).norm(),
        "the norms of the images are averaged: the mean of the squares is asked for": lambda: (
            (2 - eps).flatten(1).norm(dim=1).mean()),
        "the root of the mean: L_simple takes no root": lambda: (2 - eps).square().mean().sqrt(),
        "half the mean": lambda: (2 - eps).square().mean() / 2,
        "the sign: this loss falls as the net gets worse": lambda: -(2 - eps).square().mean(),
        "the target is x_t: this net is asked for the noise in it": lambda: (2 - x).square().mean(),
        "the target is x_t less x0: the noise is not scaled there": lambda: (2 - x + x0).square().mean(),
        "the target is the scaled noise: this net is asked for eps itself": lambda: (2 - out["noises"][0]).square().mean(),
        "the target is v: this net is asked for the noise": lambda: (2 - a.sqrt() * eps + (1 - a).sqrt() * x0).square().mean(),
        "the target is the score, -eps / sigma: this net is asked for eps": lambda: (2 + eps / (1 - a).sqrt()).square().mean(),
        "the target is x0: this net is asked for the noise": lambda: (2 - x0).square().mean()}, 2e-5)
    if not sound:
        return [two]
    slips = {"a sign: eps is subtracted in x_t, or the target is -eps": lambda: (2 * eps).square().mean(),
             "the target is v: this net is asked for the noise": lambda: (
                 eps - a.sqrt() * eps + (1 - a).sqrt() * x0).square().mean(),
             "the target is the score, -eps / sigma: this net is asked for eps": lambda: (
                 eps + eps / (1 - a).sqrt()).square().mean(),
             "the target is x0: this net is asked for the noise": lambda: (eps - x0).square().mean(),
             "the target is x_t less x0: the noise is not scaled there": lambda: (eps - x + x0).square().mean(),
             "the target is the scaled noise: this net is asked for eps itself": lambda: (eps - out["noises"][0]).square().mean(),
             "the target is x_t: this net is asked for the noise in it": lambda: (eps - x).square().mean()}
    row = close(KNOWS, given, x0.new_zeros(()), slips, 1e-4)
    again = "the target is other noise than that in x_t: draw eps once and use it twice"
    other = not row.passed and not row.causes and isinstance(given, Tensor) and abs(float(given) - 2) < 0.1
    if other and isinstance(value, Tensor) and abs(float(value) - 5) < 0.15:     # what is wrong with it is told by the first row
        two = Property(TWO, True, "as expected, up to chance")
    return [row._replace(causes=(again,)) if other else row, two]


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
        SCALAR: 0, TIMES: 0, SPREAD: 1, PICTURE: 1, NOISE: 1, NEW: 0.5, KNOWS: 1, TWO: 3, LEARNS: 3, DRAWN: 0.5},
        loss_cases, loss_run, loss_verify, own=(loss, noised)),
    reading("01-read-loss", "Where the loss lives", lambda: (early() - 2, early() + 2), lambda: {
        "a fraction where a percentage was asked for": (early() / 100 - 0.02, early() / 100 + 0.02)}),
)
