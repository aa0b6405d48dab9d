"""A DiT on the course model's task: what lab 05 quantizes.

Same scenes, times, v and dropped kinds as the recipe of `shapes`, but a transformer of patches of 4 x 4: nearly all of its work
is in large linear layers, where the UNet has small convolutions. Its width is a multiple of 128: in 4 bits nothing is padded.
"""
from functools import partial
from pathlib import Path

import torch

from ..diffusion.train import Run, cooled
from ..models import reader
from ..nets.dit import DiT
from . import shapes, training

NET = {"channels_in": 3, "patch": 4, "width": 256, "depth": 3, "heads": 8, "classes": shapes.CLASSES}
SEED, STEPS, LR = 0, 20000, 1e-3
examine = partial(shapes.examine, name="dit")


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the DiT, store it as `dit` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    run = Run(DiT(**NET).to(device), LR, rate=cooled)
    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": shapes.BATCH, "lr": LR, "rate": run.rate.__name__, "net": NET,
              "dropped": shapes.DROPPED, "products": str(shapes.products(device))}
    about = {"recipe": __name__, "net": {"kind": "dit", "settings": NET}, "pred": "v", "schedule": "cosine",
             "classes": shapes.CLASSES, "shape": [3, reader.SIZE, reader.SIZE], "data": "shapes, one a scene, rendered anew"}
    return training.make("dit", run, partial(shapes.loss, device=device), recipe, about, examine, out, minutes)
