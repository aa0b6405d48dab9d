"""A consistency model, distilled from the course model (Song et al. 2023); lab 04.

The course model predicts v, so it is already of the right form: x0 = alpha x - sigma v is x itself where sigma = 0. Neighbours
are those of the course model's grid of 32 steps, each as likely as another; the guess that leads from one to the next is the
course model's own, one DDIM step as in LCM (the paper has Heun's). The slow copy is the training's EMA. Used with up to four
steps and fresh noise between them.
"""
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion.levels import Level
from ..diffusion.train import Run
from ..efficiency.distill import consistency
from ..models import samples, store
from . import shapes, students, training

FULL, SEED, STEPS, DECAY, WEIGHT = 32, 0, 4500, 0.99, "v"


def loss(net: nn.Module, step: int, slow: nn.Module, teacher: nn.Module | None, grid: list[Level], device: str = "cpu") -> Tensor:
    """The loss of one step, on a batch drawn from a seed made of its number. teacher None: consistency training."""
    x0, kind, x, cur, nxt = students.neighbours(store.seeded(SEED, step), grid, device)
    with shapes.products_in(device):
        with torch.no_grad():
            guess = x0 if teacher is None else students.told(teacher, kind)(x, cur)
        return consistency.loss(students.told(net, kind), students.told(slow, kind), x, guess, cur, nxt, WEIGHT)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None, minutes: float | None = None,
          name: str = "consistency", distilled: bool = True) -> Path | None:
    """Train the student, store it as `name` and return its path; None if `minutes` ran out before the end.

    distilled: from the course model's guesses, or else from pictures alone.
    """
    torch.manual_seed(SEED)
    teacher = students.teacher("shapes", out, device)
    run = Run(students.copied(teacher), students.LR, DECAY)
    recipe = students.recipe(run, teacher, steps or STEPS, device, weight=WEIGHT, distilled=distilled)
    about = {"recipe": f"{__package__}.{name}"} | students.use(4, FULL, "multistep")
    grid = shapes.SCHEDULE().grid(FULL, samples.SPACING)
    each = partial(loss, slow=run.ema, teacher=teacher.net if distilled else None, grid=grid, device=device)
    look = partial(students.examine, name=name)
    return training.make(name, run, each, recipe, students.like(teacher) | about, look, out, minutes)
