"""Outliers that were planted: loud channels in a net which computes what it did before.

Large transformers grow a few channels that are tens of times as loud as the rest (of language models Dettmers et al. 2022, Xiao
et al. 2023); small ones, like the course's, hardly do. What they do to 4 bits can be shown all the same, in two exact ways. Where
a number is only multiplied and added on its way from one layer to the next,
  rescaled   W x = (W / c) (c x)                 c times as loud before, the next layer's column divided by c
  shifted    W x + b = W (x + c) + (b - W c)     a constant is added before, and taken off in the next layer's bias
The first is the easy kind: the weights become as much quieter as the inputs louder, so the s of SmoothQuant becomes c s, and in
the layer behind smoothing undoes exactly what was planted. The second leaves the weights as they are, as loud channels of large
models do (many of theirs are nearly constant, too): smoothing has to make columns of W s loud. To take off each channel's mean
would undo it. A block of a DiT has three such places:
  norm to qkv, norm to mlp    norm (1 + scale) + shift: shift and 1 + scale come out of `told`, whose rows or bias take the c
  values to out               attention mixes tokens, with weights that add up to 1: the rows or the bias of the values take it
Behind the GELU there is none. Whatever is shown on such a net says so: *planted*.
"""
import copy
from typing import Callable

import torch
from torch import Tensor, nn

from ..nets.dit import Block, DiT


@torch.no_grad()
def planted(net: DiT, kind: str = "rescaled", many: int = 4, loud: float = 30.0, seed: int = 0) -> DiT:
    """A copy of a DiT that computes the same, with `many` loud channels at three places of each block.

    kind: a key of KINDS. loud: how many times as loud, or how far the channel is shifted, up or down.
    """
    if kind not in KINDS:
        raise ValueError(f"outliers are planted {' or '.join(KINDS)}, not {kind!r}")
    if not 0 <= many <= net.width or loud <= 0:
        raise ValueError(f"from 0 to {net.width} channels can be planted, by a factor above 0, got {many} and {loud:g}")
    made, rng = copy.deepcopy(net), torch.Generator().manual_seed(seed)
    for block in made.blocks:
        for place in (to_qkv, to_mlp, to_out):
            chosen = torch.randperm(net.width, generator=rng)[:many]
            up = torch.randint(0, 2, (many,), generator=rng) * 2.0 - 1
            place(block, KINDS[kind], chosen.to(block.told.weight.device), loud, up.to(block.told.weight))
    return made


def to_qkv(block: Block, plant: Callable, *how) -> None:
    shift, scale = parts(block.told, 2, 0)
    plant(block.told, shift, scale, block.attention.qkv, *how)


def to_mlp(block: Block, plant: Callable, *how) -> None:
    shift, scale = parts(block.told, 2, 3)
    plant(block.told, shift, scale, block.mlp[0], *how)


def to_out(block: Block, plant: Callable, *how) -> None:
    values, = parts(block.attention.qkv, 1, 2)
    plant(block.attention.qkv, values, None, block.attention.out, *how)


def parts(layer: nn.Linear, many: int, first: int) -> list[slice]:
    """Some of the parts, one after another, that the outputs of a layer consist of; each is as wide as a token."""
    width = layer.in_features
    return [slice(k * width, (k + 1) * width) for k in range(first, first + many)]


def rescaled(before: nn.Linear, rows: slice, scale: slice | None, behind: nn.Linear, chosen: Tensor, loud: float,
             up: Tensor) -> None:
    """Rows of the layer before become loud; scale: its rows that stand as 1 + scale before what they multiply, if any."""
    c = torch.ones_like(behind.weight[0])
    c[chosen] = loud
    before.weight[rows] *= c[:, None]
    before.bias[rows] *= c
    if scale is not None:
        before.weight[scale] *= c[:, None]
        before.bias[scale] = c * (1 + before.bias[scale]) - 1
    behind.weight /= c


def shifted(before: nn.Linear, rows: slice, scale: slice | None, behind: nn.Linear, chosen: Tensor, loud: float,
            up: Tensor) -> None:
    """The bias of some rows of the layer before is moved, to a number that 16 bits can hold, and taken off in the one behind."""
    old = before.bias[rows].clone()
    new = old.clone()
    new[chosen] = (old[chosen] + loud * up).half().to(old)
    before.bias[rows] = new
    behind.bias -= behind.weight @ (new - old)


KINDS: dict[str, Callable] = {"rescaled": rescaled, "shifted": shifted}
