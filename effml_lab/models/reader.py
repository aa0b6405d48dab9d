"""What the judge of shapes reads off a scene of one shape: kind, color, size and ground as classes, the centre as a point.

Left out: scenes of several shapes.
"""
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..datasets import shapes
from . import judges

NO_SHAPE = len(shapes.KINDS)
HEADS = {"kind": NO_SHAPE + 1, "color": len(shapes.COLORS), "size": len(shapes.SIZES), "ground": len(shapes.GROUNDS),
         "centre": 2}                                               # outputs of the net, in this order
SIZE = 32
PIXEL = 2 / SIZE                                                    # the frame is [-1, 1]


class Attributes(NamedTuple):
    """What is read off N images: numbers into the tables of `datasets.shapes`; kind NO_SHAPE is none of them."""
    kind: Tensor        # (N,)
    color: Tensor       # (N,)
    size: Tensor        # (N,)
    ground: Tensor      # (N,)
    centre: Tensor      # (N, 2), x to the right and y down, in [-1, 1]


def split(outputs: Tensor) -> dict[str, Tensor]:
    """The net's outputs (N, 20) by head."""
    return dict(zip(HEADS, outputs.split(list(HEADS.values()), 1)))


def attributes(images: Tensor, folder: Path | str | None = None) -> Attributes:
    """What the judge reads off images (N, 3, 32, 32) in [-1, 1]."""
    heads = split(judges.logits("shapes", images, folder))
    return Attributes(**{name: out if name == "centre" else out.argmax(1) for name, out in heads.items()})


def truth(scenes: shapes.Scenes) -> Attributes:
    """What there is to read in scenes of one shape."""
    return Attributes(*(field[:, 0] for field in (scenes.kind, scenes.color, scenes.size)), scenes.ground,
                      scenes.centre[:, 0])


READ = ("kind", "color", "size", "ground")


def right(images: Tensor, asked: shapes.Scenes, folder: Path | str | None = None) -> dict[str, Tensor]:
    """Which images (N, 3, 32, 32) show what scenes of one shape ask for, (N,) bool each: by attribute, and all together."""
    read, want = attributes(images, folder), truth(asked)
    hits = {name: getattr(read, name) == getattr(want, name) for name in READ}
    return hits | {"all four": torch.stack(list(hits.values())).all(0)}


def figure(images: Tensor) -> Tensor:
    """Where the shape is in images (N, 3, H, W) of one shape: the pixels nearer to another color than to the ground, (N, H, W).

    The ground is the middle color of the frame's border, and the other color that of the pixel farthest from it.
    """
    border = torch.cat([images[:, :, 0], images[:, :, -1], images[..., 0], images[..., -1]], 2)          # (N, 3, pixels)
    far = (images - border.median(2).values[..., None, None]).square().sum(1).sqrt()                  # (N, H, W)
    return far > far.amax((1, 2), keepdim=True) / 2
