"""The judge of digits: a small classifier that also knows what is not a digit.

A plain ten-class softmax is sure of nearly everything: its maximum passes most averages of two digits. So there is an
eleventh class, "no digit", trained on what a bad generator makes: averages of two digits of different classes, noise,
and real images with their pixels shuffled. Real digits are shifted, turned and scaled, without which more of the
held-out fail. An image is recognizable when the largest of the ten probabilities reaches the threshold, which is set
on averages of training images alone: 3.5% of them pass. The card then says what share of held-out digits, noise and
averages passes.
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..datasets import digits
from ..diffusion.train import Run
from ..models import judges, store
from ..nets.classifier import Classifier
from . import training

NET = {"classes": digits.CLASSES + 1, "widths": [32, 64], "features": 32, "dropout": 0.1}
SEED, BATCH, STEPS, LR = 0, 256, 900, 2e-3
PASSING_AVERAGES = 0.035


def averages(images: Tensor, labels: Tensor, n: int, rng: torch.Generator, least: float = 0.5) -> Tensor:
    """n means of two images of different classes, (n, 1, 8, 8); the weights are drawn from [least, 1 - least]."""
    if (labels == labels[0]).all():
        raise ValueError(f"averages need images of two classes or more: all {len(labels)} are of one")
    first = torch.randint(len(images), (n,), generator=rng)
    second = torch.randint(len(images), (n,), generator=rng)
    while (same := labels[first] == labels[second]).any():
        second[same] = torch.randint(len(images), (int(same.sum()),), generator=rng)
    weight = least + (1 - 2 * least) * torch.rand(n, 1, 1, 1, generator=rng)
    return torch.lerp(images[first], images[second], weight)


def noise(n: int, rng: torch.Generator, shape: tuple[int, ...] = (1, digits.SIZE, digits.SIZE)) -> Tensor:
    """n images of noise within [-1, 1], (n, *shape): half Gaussian of a random size, half uniform."""
    normal = torch.randn(n, *shape, generator=rng) * (0.3 + torch.rand(n, 1, 1, 1, generator=rng))
    uniform = torch.rand(normal.shape, generator=rng) * 2 - 1
    return torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.5, normal.clamp(-1, 1), uniform)


def shuffled(images: Tensor, rng: torch.Generator) -> Tensor:
    """The same images with their pixels in random order."""
    flat = images.flatten(1)
    return flat.gather(1, torch.rand(flat.shape, generator=rng).argsort(1)).view_as(images)


def moved(images: Tensor, rng: torch.Generator, turn: float = 0.25, scale: float = 0.15,
          shift: float = 0.15) -> Tensor:
    """Images turned (radians), scaled and shifted (in half widths) at random by up to that much."""
    draw = lambda size, *shape: size * (2 * torch.rand(len(images), *shape, generator=rng) - 1)
    angle, factor = draw(turn), 1 + draw(scale)
    rows = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2) * factor[:, None, None]
    grid = F.affine_grid(torch.cat([rows, draw(shift, 2, 1)], 2), list(images.shape), align_corners=False)
    return F.grid_sample(images + 1, grid, align_corners=False) - 1         # outside lies background, -1


def batch(images: Tensor, labels: Tensor, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Half real digits, a third averages, the rest noise and shuffled pixels; (size, 1, 8, 8) and (size,)."""
    pick = torch.randint(len(images), (2 * size,), generator=rng)
    # averages are made of the same moved images, or the blur of moving would tell them apart
    source = torch.where(torch.rand(len(pick), 1, 1, 1, generator=rng) < 0.5, moved(images[pick], rng), images[pick])
    real, mixed = size // 2, size // 3
    junk = (size - real - mixed) // 2
    given = torch.cat([source[:real], averages(source, labels[pick], mixed, rng, least=0.4),
                       noise(junk, rng), shuffled(source[:junk], rng)])
    return given, torch.cat([labels[pick[:real]], torch.full((len(given) - real,), digits.CLASSES)])


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the judge, store it as `digits_judge` and return its path; None if `minutes` ran out before the end."""
    images, labels = training.by_class(*digits.load("train"))
    torch.manual_seed(SEED)
    run = Run(Classifier(**NET).to(device), LR, weight_decay=0.05)

    def loss(net, step):
        x, y = batch(images, labels, BATCH, store.seeded(SEED, step))
        return F.cross_entropy(net(x.to(device)), y.to(device))

    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "net": NET}
    about = {"recipe": __name__, "net": {"kind": "classifier", "settings": NET},
             "shape": [1, digits.SIZE, digits.SIZE], "data": digits.SOURCE}
    return training.make("digits_judge", run, loss, recipe, about, examine, out, minutes)


def examine(folder: Path, n: int = 5000) -> dict:
    """The threshold, set on averages of training images, and what passes it of what the judge has not seen."""
    (images, labels), (held, held_labels) = (training.by_class(*digits.load(split)) for split in ("train", "test"))
    sure = lambda x: judges.read_classes(x, folder=folder)
    seen = sure(averages(images, labels, 4 * n, store.seeded(SEED, -1)))[1]
    threshold = seen.quantile(1 - PASSING_AVERAGES).item()
    passing = lambda x: {"value": (sure(x)[1] >= threshold).double().mean().item(), "n": len(x)}
    rng = store.seeded(SEED, -2)
    return {"threshold": threshold, "quality": {
        "accuracy": {"value": (sure(held)[0] == held_labels).double().mean().item(), "n": len(held)},
        "held-out digits that pass": passing(held), "noise that passes": passing(noise(n, rng)),
        "shuffled digits that pass": passing(shuffled(held, rng)),
        "averages that pass": passing(averages(held, held_labels, n, rng))}}
