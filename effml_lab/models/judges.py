"""The judges: frozen classifiers whose features samples are measured in, and that say what an image shows.

There is one for each data set of the course. It also knows what is no digit and no shape, so that a bad generator finds
no mercy; how each was trained is in recipes/.
"""
from pathlib import Path

import torch
from torch import Tensor, nn

from . import store
from .checkpoints import load

JUDGES = {"digits": "digits_judge", "shapes": "shapes_judge"}        # data set -> the classifier whose features measure it


def judge(data: str = "digits") -> str:
    """The name of the classifier that judges a data set."""
    if data not in JUDGES:
        raise ValueError(f"there is no judge of {data!r}: choose one of {', '.join(JUDGES)}")
    return JUDGES[data]


def _seeing(data: str, images: Tensor, folder: Path | str | None) -> nn.Module:
    """The judge of a data set, after a look at whether it can see these images."""
    net, shape = load(judge(data), folder), store.card(judge(data), folder)["shape"]
    if images.ndim != 4 or list(images.shape[1:]) != shape or not images.isfinite().all():
        raise ValueError(f"the judge of {data!r} sees finite images of shape (N, {', '.join(map(str, shape))}), "
                         f"got {tuple(images.shape)}" + ("" if images.isfinite().all() else " with NaN or infinity"))
    return net.to(images.device)


@torch.no_grad()
def features(data: str, images: Tensor, folder: Path | str | None = None) -> Tensor:
    """Features (N, D) of images (N, C, H, W) in [-1, 1], by the judge of that data set."""
    return _seeing(data, images, folder).features(images.float())


@torch.no_grad()
def logits(data: str, images: Tensor, folder: Path | str | None = None) -> Tensor:
    """What the judge of a data set says of images (N, C, H, W) in [-1, 1]: its raw outputs, (N, outputs)."""
    return _seeing(data, images, folder)(images.float())


def read_classes(images: Tensor, data: str = "digits", folder: Path | str | None = None) -> tuple[Tensor, Tensor]:
    """The judge's most likely class of each image and its probability, (N,) each; "none of them" is no class."""
    chance = logits(data, images, folder).softmax(1)[:, :-1]                       # its last class is "none of them"
    return chance.argmax(1), chance.max(1).values


def recognizable(images: Tensor, data: str = "digits", folder: Path | str | None = None) -> Tensor:
    """Which images the judge takes for one of the classes, at its card's threshold; bool (N,)."""
    return read_classes(images, data, folder)[1] >= store.card(judge(data), folder)["threshold"]
