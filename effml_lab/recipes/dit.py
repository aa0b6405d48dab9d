"""A DiT on the course model's task: what lab 05 quantizes.

Same scenes, times, v and dropped kinds as the recipe of `shapes`, but a transformer of patches of 4 x 4: nearly all of its work
is in large linear layers, where the UNet has small convolutions. Its width is a multiple of 128: in 4 bits nothing is padded.
It is slower to learn than the UNet, so its batches are ten times as large and it was trained on a GPU, where a step of such a
small net costs as much whatever its batch; on two cores of a CPU the same command takes the better part of a day.
"""
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion.denoise import loss as diffusion_loss
from ..diffusion.train import Run, cooled
from ..models import reader, store
from ..nets.dit import DiT
from . import shapes, training

NET = {"channels_in": 3, "patch": 4, "width": 256, "depth": 3, "heads": 8, "classes": shapes.CLASSES}
SEED, BATCH, STEPS, LR = 0, 256, 21000, 1e-3
examine = partial(shapes.examine, name="dit")


def batch(step: int) -> tuple[Tensor, Tensor]:
    """The scenes and kinds of one step."""
    return shapes.batch(BATCH, store.seeded(SEED, step))


def loss(net: nn.Module, given: tuple[Tensor, Tensor], step: int, device: str = "cpu") -> Tensor:
    """The loss of one step on its batch; times and noise are drawn on the device, from a seed made of the step."""
    images, kinds = (part.to(device, non_blocking=True) for part in given)
    rng = torch.Generator(device).manual_seed(store.seeded(SEED, step).initial_seed())
    with shapes.products_in(device):
        return diffusion_loss(net, images, shapes.SCHEDULE(), "v", rng, kinds)


def graphed(net: nn.Module, device: str) -> None:
    """On a GPU the net's calls and their backward become CUDA graphs: launched kernel by kernel, they are most of a step."""
    if torch.device(device).type == "cuda":
        x = torch.randn(BATCH, 3, reader.SIZE, reader.SIZE, device=device)
        with shapes.products_in(device):
            torch.cuda.make_graphed_callables(net, (x, x.new_zeros(BATCH), torch.zeros(BATCH, dtype=torch.long, device=device)))


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the DiT, store it as `dit` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    run = Run(DiT(**NET).to(device), LR, rate=cooled)
    graphed(run.net, device)
    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "rate": run.rate.__name__, "net": NET,
              "dropped": shapes.DROPPED, "products": str(shapes.products(device))}
    about = {"recipe": __name__, "net": {"kind": "dit", "settings": NET}, "pred": "v", "schedule": "cosine",
             "classes": shapes.CLASSES, "shape": [3, reader.SIZE, reader.SIZE], "data": "shapes, one a scene, rendered anew"}
    drawn = training.Ahead(batch, recipe["steps"], device)
    return training.make("dit", run, lambda net, step: loss(net, drawn(step), step, device), recipe, about, examine, out, minutes)
