"""The course's first model: a UNet that predicts the noise in 8x8 digits, without classes; labs 01 to 06 start from it.

DDPM's recipe (Ho et al. 2020): T = 1000 with the linear table, L_simple, t uniform, AdamW, EMA of the weights. 1,437
images are few and the net could learn them by heart, so it is small, has dropout, and its samples are held against the
training images by the benchmark (`bench digits`). No image is moved: shifted digits would be another distribution.
Left out: classes (lab 03), shorter sampling (lab 02).
"""
from pathlib import Path

import torch

from ..datasets import digits
from ..diffusion import levels
from ..diffusion.denoise import loss as noise_loss
from ..diffusion.train import Run
from ..models import judges, samples, store
from ..nets.unet import UNet
from . import training

NET = {"widths": [32, 64], "blocks": 1, "attention": [False, True], "dropout": 0.1}
SEED, BATCH, STEPS, LR = 0, 64, 5000, 1e-3


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the UNet, store it as `digits` and return its path; None if `minutes` ran out before the end."""
    images = training.by_class(*digits.load("train"))[0]
    torch.manual_seed(SEED)
    run, schedule = Run(UNet(**NET).to(device), LR), levels.linear()

    def loss(net, step):
        rng = store.seeded(SEED, step)
        x0 = images[torch.randint(len(images), (BATCH,), generator=rng)]
        return noise_loss(net, x0.to(device), schedule, "eps", rng)

    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "net": NET}
    about = {"recipe": __name__, "net": {"kind": "unet", "settings": NET}, "pred": "eps", "schedule": "linear",
             "shape": [1, digits.SIZE, digits.SIZE], "data": digits.SOURCE}
    return training.make("digits", run, loss, recipe, about, examine, out, minutes)


def examine(folder: Path, n: int = 360, steps: int = 50) -> dict:
    """A quick look at the stored weights: the share of recognizable digits among n samples of a short DDIM run."""
    images = samples.batch(samples.Plan("digits", "ddim", steps, "trailing", n, 1, folder))
    share = judges.recognizable(images).double().mean().item()
    return {"quality": {f"recognizable, ddim {steps}": {"value": share, "n": n}}}
