"""The control of `bench quant`: a net that spends what SVDQuant's branches take on its codes instead, and smooths as ever.

Every layer begins with 4-bit codes in groups of 64. Then, again and again, the layer with the largest error goes one step up a
ladder, to 8 bits or to groups half as large, until no step fits into the bytes that are left. So the whole net takes as many
bytes as the one with branches, less than the smallest step. These are no kernels that one would run: the smallest groups pay a
scale every few products.
"""
import copy
from typing import NamedTuple, Sequence

import torch
from torch import Tensor, nn

from ..efficiency import quant, svdquant
from ..efficiency.quantized import in_sixteen, staying, stored
from ..efficiency.svdlinear import MOVES, folded, unfolded
from ..efficiency.swap import replaced
from .beds import Bed

ROWS = 1024                     # of the inputs of a convolution that are looked at


class Rung(NamedTuple):
    """Codes of a weight: their bits, and the group that shares a scale."""
    bits: int
    group: int


LADDERS = {"8 bits a weight": (Rung(4, 64), Rung(8, 64)), "small groups": tuple(Rung(4, size) for size in (64, 32, 16, 8, 4, 2))}


class Spent(nn.Module):
    """A smoothed layer without a branch: weights as a rung says, inputs in 4 bits in groups of `inputs`."""

    def __init__(self, layer: nn.Module, seen: Tensor, rung: Rung, inputs: int = quant.GROUP):
        super().__init__()
        self.conv, self.act = isinstance(layer, nn.Conv2d), {"bits": 4, "per": inputs}
        self.bias, w = layer.bias, layer.weight.flatten(1)
        for key in MOVES if self.conv else ():
            setattr(self, key, getattr(layer, key))
        rows, held = (svdquant.spread(unfolded(layer, x).flatten(0, 1), ROWS) if self.conv else x
                      for x in (seen[::2], seen[1::2]))
        share, want = layer.weight[0, 0].numel(), rows @ w.T

        def tried(pair) -> tuple[Tensor, quant.Stored]:
            s = torch.ones_like(w[0]) if pair is None else svdquant.smooth_scale(rows, w, *pair, share)
            return s, quant.Stored(w * s, rung.bits, rung.group)

        wrong = lambda pair: svdquant.relative(self.multiplied(rows, *tried(pair)), want)
        s, self.codes = tried(min(svdquant.EXPONENTS, key=wrong))
        self.error = svdquant.relative(self.multiplied(held, s, self.codes), held @ w.T)
        self.register_buffer("smooth", s.half())

    def multiplied(self, rows: Tensor, s: Tensor, codes: quant.Stored) -> Tensor:
        return quant.rounded(rows / s, **self.act) @ codes.weight().T

    def forward(self, input: Tensor) -> Tensor:
        y = self.multiplied(unfolded(self, input) if self.conv else input, self.smooth.float(), self.codes)
        y = y if self.bias is None else y + self.bias
        return folded(self, y, input) if self.conv else y


def spent(given: Bed, budget: int, ladder: Sequence[Rung], inputs_too: bool = False) -> nn.Module:
    """A net of at most so many bytes.

    inputs_too: groups of inputs become as small as those of the weights; their scales are found while running, not stored.
    """
    made, whole = copy.deepcopy(given.net), staying(given.net, given.seen)
    names = [name for name in given.seen if name not in whole]
    make = lambda name, k: Spent(given.net.get_submodule(name), given.seen[name], ladder[k],
                                 ladder[k].group if inputs_too else quant.GROUP)
    at, current = dict.fromkeys(names, 0), {name: make(name, 0) for name in names}
    left = budget - stored(made) + sum(stored(given.net.get_submodule(name)) - stored(current[name]) for name in names)
    while names:
        name = max(names, key=lambda name: current[name].error)
        higher = make(name, at[name] + 1) if at[name] + 1 < len(ladder) else None
        if higher is None or (cost := stored(higher) - stored(current[name])) > left:
            names.remove(name)
            continue
        left, current[name], at[name] = left - cost, higher, at[name] + 1
    for name, layer in current.items():
        made = replaced(made, name, layer)
    return in_sixteen(made)
