"""A student of one step with a critic: UFOGen (Xu et al. 2023) from the course model; lab 04.

Maker and critic take turns in one training, one step of the maker for two of the critic. The maker begins as the course model;
the critic is that model's way down with a last layer of zeros, told the kind as well. Three in four guesses are made in pure
noise, where the student is used. Both take steps without momentum (the first beta of AdamW is 0): `bench plane` measures what
momentum does to them on the plane.
"""
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion.denoise import noised
from ..diffusion.levels import Level
from ..diffusion.train import Run
from ..efficiency.distill import adversarial
from ..efficiency.distill.stops import picked
from ..models import samples, store
from ..nets.blocks import zero
from ..nets.classifier import NoisyClassifier
from . import shapes, students, training

FULL, SEED, STEPS, LR, PULL, BETAS = 32, 0, 9000, 2e-4, 0.1, (0.0, 0.9)


def pair(teacher: students.Teacher) -> nn.ModuleDict:
    """The maker, a copy of the teacher, and the critic, which has its way down."""
    critic = NoisyClassifier(1, teacher.card["net"]["settings"])
    theirs = teacher.net.state_dict()
    critic.trunk.load_state_dict({key: theirs[key] for key in critic.trunk.state_dict()})
    zero(critic.head[-1])
    return nn.ModuleDict({"maker": students.copied(teacher), "critic": critic})


def loss(net: nn.ModuleDict, step: int, grid: list[Level], device: str = "cpu") -> Tensor:
    """The loss of one step, the maker's or the critic's, on a batch drawn from a seed made of its number."""
    rng = store.seeded(SEED, step)
    x0, eps, kind = (part.to(device) for part in students.batch(rng))
    again = [torch.randn(x0.shape, generator=rng).to(device) for _ in range(2)]
    cur, nxt = (picked(grid, index, x0) for index in adversarial.jumps(FULL, len(x0), rng))

    def critic(x: Tensor, level: Level) -> Tensor:
        return net["critic"](x, level.t.flatten(), kind)[:, 0].float()
    with shapes.products_in(device):
        makers = adversarial.makers_turn(step)
        students.only(net, "maker" if makers else "critic")
        fake = students.told(net["maker"], kind)(noised(x0, cur, eps), cur)
        if makers:
            return adversarial.maker_loss(critic, x0, fake, cur, nxt, again[0], PULL)
        return adversarial.critic_loss(critic, x0, fake, nxt, again)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train both, store the maker as `ufogen` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    teacher = students.teacher("shapes", out, device)
    run = Run(pair(teacher).to(device), LR, students.DECAY, betas=BETAS)
    recipe = students.recipe(run, teacher, steps or STEPS, device, betas=list(BETAS), pull=PULL)
    about = {"recipe": __name__} | students.use(1, 1)
    grid = shapes.SCHEDULE().grid(FULL, samples.SPACING)
    each = partial(loss, grid=grid, device=device)
    return training.make("ufogen", run, each, recipe, students.like(teacher) | about,
                         partial(students.examine, name="ufogen"), out, minutes, part=lambda net: net["maker"])
