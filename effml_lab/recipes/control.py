"""The course model, told where the outlines are: a ControlNet on edges (Zhang et al. 2023); lab 03.

The base is the course model as it ships and stays so. The kind is left out half of the time, so that the net must look at
the hint. For some hundred steps nothing is followed, then it is all at once (the paper's "sudden convergence").
"""
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn

from ..datasets import shapes as data
from ..diffusion import samplers
from ..diffusion.denoise import loss as diffusion_loss
from ..diffusion.guidance import dropped
from ..diffusion.train import Run, cooled
from ..measure import quality
from ..models import checkpoints, reader, samples, store
from ..nets.control import Controlled
from . import shapes, training

NET = {"unet": shapes.NET, "hints": 1}
SEED, BATCH, STEPS, LR, DROPPED = 0, 24, 5000, 1e-3, 0.5


def loss(net: nn.Module, step: int, device: str = "cpu", hint: Callable[[data.Scenes], Tensor] = data.edges) -> Tensor:
    """The loss of one step, on a batch drawn from a seed made of its number."""
    rng = store.seeded(SEED, step)
    drawn = data.draw(BATCH, rng)
    kind = dropped(drawn.kind[:, 0], torch.tensor([shapes.CLASSES]), DROPPED, rng)
    cond = {"hint": hint(drawn).to(device), "class": kind.to(device)}
    with shapes.products_in(device):
        return diffusion_loss(net, data.render(drawn).to(device), shapes.SCHEDULE(), "v", rng, cond)


def fresh() -> Controlled:
    """The controlled model before its first step: bit for bit the course model."""
    net = Controlled(**NET)
    net.base.load_state_dict(store.weights("shapes"))
    return net.begin_as_base()


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None, minutes: float | None = None,
          name: str = "control", hint: Callable[[data.Scenes], Tensor] = data.edges,
          look: Callable[[Path], dict] | None = None) -> Path | None:
    """Train the copy, store the model as `name` and return its path; None if `minutes` ran out before the end.

    hint: scenes -> (N, 1, 32, 32), 0 to 1. look: what examines the stored weights, by default `examine`.
    """
    torch.manual_seed(SEED)
    run = Run(fresh().to(device), LR, rate=cooled)
    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "rate": run.rate.__name__, "net": NET,
              "dropped": DROPPED, "hint": hint.__name__, "products": str(shapes.products(device)),
              "begins with": store.card("shapes")["sha256"]}
    about = {"recipe": f"{__package__}.{name}", "net": {"kind": "controlled", "settings": NET}, "pred": "v",
             "schedule": "cosine", "classes": shapes.CLASSES, "shape": [3, reader.SIZE, reader.SIZE],
             "data": "shapes, one a scene, rendered anew"}
    return training.make(name, run, lambda net, step: loss(net, step, device, hint), recipe, about,
                         look or examine, out, minutes)


def examine(folder: Path, name: str = "control", hint: Callable[[data.Scenes], Tensor] = data.edges, n: int = 240,
            steps: int = 20) -> dict:
    """A quick look at the stored weights: overlap of the shapes asked for and drawn, the kind left out."""
    denoise, schedule = checkpoints.denoiser(name, folder)
    rng, grid = store.seeded(SEED, -1), schedule.grid(steps, samples.SPACING)
    asked = data.draw(n, rng)
    x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, rng)
    cond = {"hint": hint(asked), "class": torch.full((n,), shapes.CLASSES)}
    images = samplers.last(samplers.dpmpp_2m(lambda x, level: denoise(x, level, cond), x, grid))
    share = quality.overlap(reader.figure(images), data.masks(asked)[:, 0] > 0.5).mean().item()
    return {"quality": {f"overlap of masks, dpmpp_2m {steps}": {"value": share, "n": n}}}
