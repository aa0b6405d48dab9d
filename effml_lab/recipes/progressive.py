"""Progressive students of the course model, one a round: 32 steps become 16, then 8, 4, 2 and 1 (Salimans and Ho 2022); lab 04.

Each round begins with the weights of the one before, which is its teacher: `progressive_16` with the course model. The stops are
every second, fourth, ... level of the course model's 32, of which 21 lie where there is more noise than picture and color and
ground are decided; one is as likely as another. Kinds are told, and not guided. The error counts as that of v.
What is kept is the EMA of the weights, and the rate falls to nothing at the end of every round: a small change of the weights
without these two costs more than a round can win.
"""
from functools import partial
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..diffusion.denoise import noised
from ..diffusion.levels import Level
from ..diffusion.train import Run, fit
from ..efficiency.distill import progressive
from ..efficiency.distill.stops import picked
from ..models import samples, store
from ..models.students import stops
from . import shapes, students, training

FULL, SEED, WEIGHT = 32, 0, "v"
STEPS = {16: 1500, 8: 2500, 4: 5000, 2: 6000, 1: 4000}         # of the student -> steps of training


def teacher_of(count: int) -> str:
    """The name of the teacher of the student of so many steps."""
    return "shapes" if 2 * count == FULL else f"progressive_{2 * count}"


def loss(net: nn.Module, step: int, teacher: nn.Module, grid: list[Level], device: str = "cpu",
         method: Callable = progressive.loss) -> Tensor:
    """The loss of one step, on a batch drawn from a seed made of its number. grid: the teacher's. method: `progressive.loss`."""
    rng = store.seeded(SEED, step)
    x0, eps, kind = (part.to(device) for part in students.batch(rng))
    index = 2 * torch.randint(len(grid) // 2, (len(x0),), generator=rng)
    cur, mid, nxt = (picked(grid, index + i, x0) for i in range(3))
    with shapes.products_in(device):
        student, taught_by = (students.told(each, kind) for each in (net, teacher))
        return method(student, taught_by, noised(x0, cur, eps), cur, mid, nxt, WEIGHT)


def train(count: int, device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the student of `count` steps, store it as `progressive_count` and return its path; None if `minutes` ran out."""
    torch.manual_seed(SEED)
    if count not in STEPS:
        raise ValueError(f"students take {', '.join(map(str, STEPS))} steps, {FULL} halved again and again, got {count}")
    name, teacher = f"progressive_{count}", students.teacher(teacher_of(count), out, device)
    grid = stops(shapes.SCHEDULE(), 2 * count, FULL, samples.SPACING)
    run = Run(students.copied(teacher), students.LR, students.DECAY)
    recipe = students.recipe(run, teacher, steps or STEPS[count], device, weight=WEIGHT)
    about = {"recipe": f"{__package__}.{name}"} | students.use(count, FULL)
    return training.make(name, run, partial(loss, teacher=teacher.net, grid=grid, device=device), recipe,
                         students.like(teacher) | about, partial(students.examine, name=name), out, minutes)


def short(count: int, training: int, method: Callable = progressive.loss) -> nn.Module:
    """The student of `count` steps after so few steps of training, stored nowhere; method: a notebook hands in its own loss."""
    teacher, grid = students.teacher(teacher_of(count)), stops(shapes.SCHEDULE(), 2 * count, FULL, samples.SPACING)
    run = Run(students.copied(teacher), students.LR, 0.98)
    each = partial(loss, teacher=teacher.net, grid=grid, method=method)
    for _ in tqdm(fit(run, each, training, warmup=20), total=training, desc=f"{2 * count} steps become {count}", unit="step"):
        pass
    return run.ema
