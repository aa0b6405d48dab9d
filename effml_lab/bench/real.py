"""Real images to hold samples against: what no recipe has trained on.

Of the digits, the held-out part. Of the shapes, fresh renders from a seed of their own, the kinds in turn as samples
have them, so that a set of samples with an uneven share of kinds stands out and an even one does not.
"""
from typing import Callable

import torch
from torch import Tensor

from .. import datasets
from ..datasets import shapes
from ..models import store

N, SEED = 2000, 2026


def scenes(n: int = N, number: int = 0) -> tuple[Tensor, Tensor]:
    """The n renders of one of several disjoint sets, (n, 3, 32, 32), and their kinds (n,)."""
    kinds = torch.arange(n) % len(shapes.KINDS)
    drawn = shapes.draw(n, store.seeded(SEED, number))
    return shapes.render(drawn._replace(kind=kinds[:, None])), kinds


IMAGES: dict[str, Callable[[], Tensor]] = {"digits": lambda: datasets.load("digits", "test")[0],
                                           "shapes": lambda: scenes()[0]}
