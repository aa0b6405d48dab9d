"""A student of one step, learned from stored pairs of noise and picture (Luhman and Luhman 2021); lab 04.

The teacher of the pairs is the course model under 2M with 20 steps: deterministic, and as near to the exact solution as a hundred
steps of DDIM. The pairs are made first, batch by batch, and kept until the training is over, so that it can be broken off at
any time; their cost, pictures times evaluations, is in the card. The student begins as the course model.
"""
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion import samplers
from ..diffusion.levels import Level
from ..diffusion.train import Run
from ..efficiency.distill import one_step
from ..models import samples, store
from . import shapes, students, training

SEED, STEPS, PAIRS = 0, 6000, 12000
PLAN = samples.Plan("shapes", "dpmpp_2m", 20, samples.SPACING, seed=4)


@lru_cache(maxsize=1)
def pairs(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noises and the teacher's pictures of them, (n, 3, 32, 32), and their kinds (n,)."""
    plan = PLAN._replace(size=min(PLAN.size, n))
    images = samples.draw(plan, n, workers=1)
    grid = shapes.SCHEDULE().grid(plan.steps, plan.spacing)
    noise = torch.cat([samplers.start((plan.size, *images.shape[1:]), grid, store.seeded(plan.seed, i))
                       for i in range(-(-n // plan.size))])[:n]
    return noise, images, samples.kinds("shapes", n)


def loss(net: nn.Module, step: int, n: int, first: Level, device: str = "cpu") -> Tensor:
    """The loss of one step, on pairs drawn from a seed made of its number."""
    x, image, kind = pairs(n)
    rows = torch.randint(n, (students.BATCH,), generator=store.seeded(SEED, step))
    x, image, kind = (part[rows].to(device) for part in (x, image, kind))
    with shapes.products_in(device):
        return one_step.loss(students.told(net, kind), x, image, first)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the student, store it as `one_step` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    steps = steps or STEPS
    teacher = students.teacher("shapes", store.checkpoints(), device)       # the one whose pictures `samples` draws
    n = min(PAIRS, students.BATCH * steps)
    run = Run(students.copied(teacher), students.LR, students.DECAY)
    recipe = students.recipe(run, teacher, steps, device, pairs=n) | {"evaluations a pair": PLAN.steps}
    about = {"recipe": __name__} | students.use(1, 1)
    first = shapes.SCHEDULE().grid(1, samples.SPACING)[0]
    each = partial(loss, n=n, first=first, device=device)
    look = partial(students.examine, name="one_step")
    path = training.make("one_step", run, each, recipe, students.like(teacher) | about, look, out, minutes)
    if path is not None:
        samples.forget(PLAN._replace(size=min(PLAN.size, n)))
    return path
