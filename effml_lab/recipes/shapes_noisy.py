"""A classifier of noisy shapes: it reads the kind at every level of noise, for classifier guidance; lab 03.

It sees alpha x0 + sigma eps at uniform times of the course model's schedule and is told the time (Dhariwal and Nichol 2021,
section 4.3). Where there is nothing but noise it can only guess, so its accuracy is given by the time.
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..datasets import shapes as data
from ..diffusion.denoise import noised
from ..diffusion.train import Run, cooled
from ..models import checkpoints, reader, store
from ..nets.classifier import NoisyClassifier
from . import shapes, training

NET = {"classes": shapes.CLASSES, "unet": {"channels_in": 3, "widths": [32, 48, 64], "blocks": 1, "stem": 2}}
SEED, BATCH, STEPS, LR, DECAY = 0, 48, 6000, 1e-3, 0.02


def seen(n: int, rng: torch.Generator, t: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """n noisy scenes (n, 3, 32, 32), their times (n,), uniform or all t, and their kinds (n,)."""
    drawn, schedule = data.draw(n, rng), shapes.SCHEDULE()
    times = (torch.rand(n, generator=rng) * schedule.steps).floor() if t is None else torch.full((n,), float(t))
    x0 = data.render(drawn)
    eps = torch.randn(x0.shape, generator=rng)
    return noised(x0, schedule(times.view(-1, 1, 1, 1), like=x0), eps), times, drawn.kind[:, 0]


def loss(net: nn.Module, step: int, device: str = "cpu") -> Tensor:
    """The cross-entropy of one step, on a batch drawn from a seed made of its number."""
    x, t, kind = (part.to(device) for part in seen(BATCH, store.seeded(SEED, step)))
    with shapes.products_in(device):
        return F.cross_entropy(net(x, t), kind)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the classifier, store it as `shapes_noisy` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    run = Run(NoisyClassifier(**NET).to(device), LR, weight_decay=DECAY, rate=cooled)
    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "rate": run.rate.__name__, "net": NET,
              "products": str(shapes.products(device))}
    about = {"recipe": __name__, "net": {"kind": "noisy_classifier", "settings": NET}, "schedule": "cosine",
             "classes": shapes.CLASSES, "shape": [3, reader.SIZE, reader.SIZE], "data": "shapes, one a scene, rendered anew"}
    return training.make("shapes_noisy", run, lambda net, step: loss(net, step, device), recipe, about, examine, out, minutes)


@torch.no_grad()
def examine(folder: Path, n: int = 1000) -> dict:
    """The share of kinds that the stored weights read right, at five times."""
    net, found = checkpoints.load("shapes_noisy", folder), {}
    for t in (0, 250, 500, 750, 900):
        x, times, kind = seen(n, store.seeded(SEED, -1 - t), t)
        found[f"kind at t = {t}"] = {"value": (net(x, times).argmax(1) == kind).double().mean().item(), "n": n}
    return {"quality": found}
