"""The judge of shapes: one small classifier that reads what a scene of one shape shows.

Kind, color, size and ground are read as classes, the centre as two coordinates of the frame. A softmax over six kinds is
sure of nearly everything, so there is a seventh, "no shape", trained on what a bad generator makes: averages of two
scenes whose kinds differ, scenes cut into blocks and shuffled, scenes under noise, and noise alone. What is read as the
wanted kind therefore looks like a shape. Scenes are rendered anew for every step, so nothing can be learned by heart;
what the card says of it was measured on renders of other seeds.
Left out: scenes of several shapes.
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..datasets import shapes
from ..diffusion.train import Run
from ..models import store
from ..models.reader import HEADS, NO_SHAPE, PIXEL, SIZE, attributes, split, truth
from ..nets.classifier import Classifier
from . import training
from .digits_judge import averages, noise

BLOCK = 8                                                           # pixels of what is shuffled
WEIGHTS = {"kind": 3}                                               # the one thing that is hard to read
NET = {"classes": sum(HEADS.values()), "channels_in": 3, "widths": [24, 48, 96], "features": 48, "stem": 2, "pool": 4}
SEED, BATCH, STEPS, LR = 0, 96, 2600, 2e-3


def shuffled(images: Tensor, rng: torch.Generator) -> Tensor:
    """Images (N, C, H, W) cut into blocks of 8 x 8 pixels that are put back in random order."""
    cut = F.unfold(images, BLOCK, stride=BLOCK)                                              # (N, C 64, blocks)
    order = torch.rand(len(cut), 1, cut.shape[2], generator=rng).argsort(2)
    return F.fold(cut.gather(2, order.expand_as(cut)), images.shape[2:], BLOCK, stride=BLOCK)


def junk(images: Tensor, kinds: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    """Four ways of being no shape, each as many as the images given."""
    n = len(images)
    strength = 0.5 + torch.rand(n, 1, 1, 1, generator=rng)
    veiled = (images + strength * torch.randn(images.shape, generator=rng)).clamp(-1, 1)
    return {"averages": averages(images, kinds, n, rng, least=0.35), "shuffled": shuffled(images, rng),
            "under noise": veiled, "noise": noise(n, rng, tuple(images.shape[1:]))}


def loss(net: Classifier, size: int, rng: torch.Generator, device: str = "cpu") -> Tensor:
    """Cross-entropy of what is read plus the squared error of the centre in pixels, a third of the batch being junk."""
    scenes = shapes.draw(size, rng)
    images, kind = shapes.render(scenes), scenes.kind[:, 0]
    part = slice(0, size // 8)
    bad = torch.cat(list(junk(images[part], kind[part], rng).values()))
    right = truth(scenes)._replace(kind=torch.cat([kind, torch.full((len(bad),), NO_SHAPE)]))
    heads = split(net(torch.cat([images, bad]).to(device)))
    read = sum(WEIGHTS.get(name, 1) * F.cross_entropy(heads[name][:len(want)], want.to(device))
               for name, want in right._asdict().items() if name != "centre")
    return read + (heads["centre"][:size] / PIXEL - right.centre.to(device) / PIXEL).square().mean()


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the judge, store it as `shapes_judge` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    run = Run(Classifier(**NET).to(device), LR, weight_decay=0.05)
    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "net": NET}
    about = {"recipe": __name__, "net": {"kind": "classifier", "settings": NET}, "shape": [3, SIZE, SIZE],
             "data": "shapes, one a scene"}
    return training.make("shapes_judge", run, lambda net, step: loss(net, BATCH, store.seeded(SEED, step), device),
                         recipe, about, examine, out, minutes)


def examine(folder: Path, n: int = 5000) -> dict:
    """How much of real renders is read right (a centre: within a pixel), and what junk is taken for a shape."""
    rng = store.seeded(SEED, -1)
    scenes = shapes.draw(n, rng)
    images, right = shapes.render(scenes), truth(scenes)
    read = attributes(images, folder)
    told = {name: getattr(read, name) == getattr(right, name) for name in HEADS if name != "centre"}
    told["centre"] = ((read.centre - right.centre).abs() < PIXEL).all(1)
    passed = {f"{name} taken for a shape": attributes(bad, folder).kind != NO_SHAPE
              for name, bad in junk(images[:1000], right.kind[:1000], rng).items()}
    return {"quality": {name: {"value": hits.double().mean().item(), "n": len(hits)}
                        for name, hits in {**told, **passed}.items()}}
