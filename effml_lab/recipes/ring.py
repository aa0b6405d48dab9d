"""Eight classes on a ring in the plane, and a small net that has learned them: what lab 04 distils live, in seconds; lab 04.

The data are `oracle.ring`, so the exact guess is known, and the net is trained on it instead of on single points: that is what
many more steps would come to. One class in five is left out, so that the net makes both guesses of guidance. Its students are in
`ring_students`.
"""
import copy
from functools import cache, partial
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn

from ..diffusion import levels, oracle, samplers
from ..diffusion.denoise import Denoiser, noised
from ..diffusion.guidance import dropped
from ..diffusion.levels import Level
from ..diffusion.train import Run, cooled, cosine, fit
from ..efficiency.distill.stops import error, halved, picked
from ..models import checkpoints, store
from ..nets.points import PointNet
from . import training

CLASSES, STD, FULL, SPACING = 8, 0.1, 32, "trailing"
NET = {"dims": 2, "width": 128, "depth": 3, "classes": CLASSES}
SEED, BATCH, STEPS, LR, DECAY, DROPPED = 0, 512, 4000, 3e-3, 0.99, 0.2


def data(dtype: torch.dtype = torch.float32) -> oracle.GaussianMixture:
    return oracle.ring(CLASSES, STD, dtype)


@cache
def stops(steps: int) -> tuple[Level, ...]:
    """The levels of `grid`, worked out once: trainings ask for them in every step."""
    return tuple(halved(levels.cosine().grid(FULL, SPACING), steps))


def grid(steps: int = FULL) -> list[Level]:
    """The levels of a sampler or a student of 32, 16, 8, 4, 2 or 1 steps, by even times, as Salimans and Ho have it."""
    return list(stops(steps))


def batch(rng: torch.Generator, size: int = BATCH) -> tuple[Tensor, Tensor, Tensor]:
    """Points and noises (size, 2), and the classes (size,) of the points."""
    kind = torch.randint(CLASSES, (size,), generator=rng)
    x0 = data().means[kind] + STD * torch.randn(size, 2, generator=rng)
    return x0, torch.randn(size, 2, generator=rng), kind


def loss(net: nn.Module, step: int, device: str = "cpu") -> Tensor:
    """The error of v to that of the exact guess, on a batch drawn from a seed made of the step's number."""
    rng = store.seeded(SEED, step)
    x0, eps, kind = (part.to(device) for part in batch(rng))
    level = picked(grid(), torch.randint(FULL, (BATCH,), generator=rng), x0)
    x, told = noised(x0, level, eps), dropped(kind, torch.tensor([CLASSES], device=device), DROPPED, rng)
    return error(Denoiser(net, "v")(x, level, told), data().denoise(x, level, told), level, "v")


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the net, store it as `ring` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    run = Run(PointNet(**NET).to(device), LR, DECAY, rate=cooled)
    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "decay": DECAY, "rate": run.rate.__name__,
              "net": NET, "dropped": DROPPED}
    about = {"recipe": __name__, "net": {"kind": "points", "settings": NET}, "pred": "v", "schedule": "cosine",
             "classes": CLASSES, "shape": [2], "data": f"a ring of {CLASSES} Gaussians of standard deviation {STD:g}"}
    return training.make("ring", run, partial(loss, device=device), recipe, about, examine, out, minutes)


def examine(folder: Path, n: int = 2000) -> dict:
    """A quick look at the stored weights: the distance of n points to those of the exact guess, from the same noises."""
    denoise, schedule = checkpoints.denoiser("ring", folder)
    x = samplers.start((n, 2), grid(), store.seeded(SEED, -1))
    ends = [samplers.last(samplers.ddim(each, x, schedule.grid(64, SPACING))) for each in (denoise, data().denoise)]
    return {"quality": {"rmse to the exact guess, ddim 64": {"value": apart(*ends), "n": n}}}


def apart(a: Tensor, b: Tensor) -> float:
    """The root of the mean squared distance of paired points (N, 2)."""
    return (a - b).square().sum(1).mean().sqrt().item()


def learned(begin: nn.Module, loss: Callable[[nn.Module, torch.Generator], Tensor], steps: int, lr: float = 1e-3,
            seed: int = SEED, decay: float = DECAY) -> nn.Module:
    """A copy of a net after so many steps on loss(net, rng): the EMA of its weights, frozen; seconds for hundreds of steps."""
    run = Run(copy.deepcopy(begin).train().requires_grad_(), lr, decay, rate=cosine)
    for _ in fit(run, lambda net, step: loss(net, store.seeded(seed + 1, step)), steps, warmup=20):
        pass
    return run.ema
