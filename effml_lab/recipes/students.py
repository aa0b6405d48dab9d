"""What the trainings of students share: a teacher, a copy of it to begin with, noisy batches, and a look at the end."""
import copy
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..datasets import shapes as data
from ..diffusion import samplers
from ..diffusion.denoise import Denoiser, noised
from ..diffusion.guidance import guided
from ..diffusion.levels import Level
from ..diffusion.train import Run
from ..efficiency.distill.stops import picked
from ..folders import home
from ..measure import quality
from ..models import checkpoints, reader, samples, store
from ..models.students import student
from . import shapes

SEED, BATCH, LR, DECAY = 0, 24, 3e-4, 0.998
SAME = {"pred": "v", "schedule": "cosine", "classes": len(data.KINDS)}         # what student and teacher must have in common


class Teacher(NamedTuple):
    """A checkpoint that is copied and learned from; its net is frozen."""
    name: str
    card: dict
    net: nn.Module


def teacher(name: str, folder: Path | str | None = None, device: str = "cpu") -> Teacher:
    """A checkpoint from the folder that is written to, or else from the course's own; ValueError unless it is a course model.

    folder: None is the user's own, as in `store.save`, so that a student trained there teaches the next.
    """
    written = Path(folder or home() / "checkpoints")
    folder = written if (written / f"{name}.json").exists() else None
    card = store.card(name, folder)
    for key, want in SAME.items():
        if card.get(key) != want:
            raise ValueError(f"{name!r} cannot teach a student here: its {key} is {card.get(key)!r}, and a student's is {want!r}")
    return Teacher(name, card, checkpoints.load(name, folder).to(device))


def copied(teacher: Teacher) -> nn.Module:
    """The net that a student begins as."""
    return copy.deepcopy(teacher.net).train().requires_grad_()


def begun(teacher: Teacher) -> dict:
    """What the card of a student says of where it begins."""
    return {"begins with": {teacher.name: teacher.card["sha256"]}}


def like(teacher: Teacher) -> dict:
    """What a student has in common with its teacher, for its card."""
    return {key: teacher.card[key] for key in ("net", "pred", "schedule", "classes", "shape", "data")}


def use(steps: int, of: int, sampler: str = "ddim") -> dict:
    """How a student of so many steps, on levels of a grid of `of`, is used: as `models.students` reads it from a card."""
    return {"use": {"steps": steps, "of": of, "spacing": samples.SPACING, "sampler": sampler}}


def batch(rng: torch.Generator, size: int = BATCH) -> tuple[Tensor, Tensor, Tensor]:
    """Fresh scenes, noises like them, (size, 3, 32, 32), and kinds (size,)."""
    drawn = data.draw(size, rng)
    x0 = data.render(drawn)
    return x0, torch.randn(x0.shape, generator=rng), drawn.kind[:, 0]


def neighbours(rng: torch.Generator, grid: list[Level], device: str = "cpu") -> tuple[Tensor, Tensor, Tensor, Level, Level]:
    """Fresh scenes and their kinds, noisy ones (B, ...), and their levels cur and nxt, next to each other on a grid."""
    x0, eps, kind = (part.to(device) for part in batch(rng))
    index = torch.randint(len(grid) - 1, (len(x0),), generator=rng)
    cur, nxt = picked(grid, index, x0), picked(grid, index + 1, x0)
    return x0, kind, noised(x0, cur, eps), cur, nxt


def told(net: nn.Module, kind: Tensor) -> Denoiser:
    """A net of v as a denoiser (x, level) -> x0 that is told these kinds."""
    return guided(Denoiser(net, "v"), kind, None, 1.0)


def moved(level: Level, device: str) -> Level:
    """A level of tensors on a device."""
    return Level(*(field.to(device) for field in level))


def only(net: nn.ModuleDict, name: str) -> None:
    """Let this part of a net be trained, and no other."""
    for part, module in net.items():
        module.requires_grad_(part == name)


def recipe(run: Run, teacher: Teacher, steps: int, device: str, seed: int = SEED, **more) -> dict:
    """What the training of a student is, for its card; a half-trained state of another is refused."""
    return {"seed": seed, "steps": steps, "batch": BATCH, "lr": run.lr, "decay": run.decay, "rate": run.rate.__name__,
            **more, "products": str(shapes.products(device))} | begun(teacher)


@torch.no_grad()
def examine(folder: Path, name: str, n: int = 480, exact: int = 32) -> dict:
    """A quick look at the stored weights: the share of n pictures that show the wanted kind, and the errors of these pictures.

    They are compared with those of the course model's 2M in so many steps, from the same noises.
    """
    denoise, grid, sampler = student(name, folder)
    kind = torch.arange(n) % denoise.net.classes
    x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, store.seeded(SEED, -1))
    base, schedule = checkpoints.denoiser("shapes")
    with samples.global_seed(SEED):                 # for the fresh noise of a consistency model
        images = samplers.last(sampler(guided(denoise, kind, None, 1.0), x, grid))
    full = samplers.last(samplers.dpmpp_2m(guided(base, kind, None, 1.0), x, schedule.grid(exact, samples.SPACING)))
    found = {"wanted kind": {"value": (reader.attributes(images).kind == kind).double().mean().item(), "n": n}}
    errors = quality.paired_errors(images, full)
    return {"quality": found | {f"{key} to 2M {exact}": {"value": errors[key].value, "n": n} for key in ("rmse_median", "rmse")}}
