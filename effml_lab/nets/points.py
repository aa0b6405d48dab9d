"""A small network for points: what is distilled live, in seconds, in lab 04.

The point, sines and cosines of the time, and a class if there are any, go through a few layers of SiLU. The last layer starts at
zero, so that a fresh net predicts 0.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import TimeEmbedding, zero


class PointNet(nn.Module):
    """net(x, t, cond=None) -> (B, out), like x by default; x: (B, D), t: (B,).

    cond: (B,) class numbers, `classes` or None meaning "no class".
    """

    def __init__(self, dims: int = 2, width: int = 128, depth: int = 3, classes: int | None = None, out: int | None = None):
        super().__init__()
        self.classes = classes
        self.time, self.enter = TimeEmbedding(width, width), nn.Linear(dims, width)
        self.label = None if classes is None else nn.Embedding(classes + 1, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.leave = zero(nn.Linear(width, dims if out is None else out))

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        if self.label is None and cond is not None:
            raise ValueError("this net was built without classes: leave cond out, or build it with classes=...")
        h = self.enter(x) + self.time(t, x.dtype)                                   # (B, width)
        if self.label is not None:
            cond = torch.full_like(t, self.classes, dtype=torch.long) if cond is None else cond
            h = h + self.label(cond)
        for layer in self.layers:
            h = layer(F.silu(h))
        return self.leave(F.silu(h))
