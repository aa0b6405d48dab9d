"""Outliers that were planted: an exact rescaling of channels, after which a net computes what it did before.

Large transformers grow a few channels that are tens of times as loud as the rest (Dettmers et al. 2022; Xiao et al. 2023); small
ones, like the course's, hardly do. What such channels do to 4 bits can be shown all the same. Where a number is only multiplied
and added on its way from one layer to the next, make it c times as large before and divide the next layer's column by c,
  W x = (W / c) (c x).
A block of a DiT has three such places:
  norm to qkv, norm to mlp    c (norm (1 + scale) + shift): shift and 1 + scale come out of `told`, whose rows take the c
  values to out               attention mixes tokens, not channels: the rows of the values take it
Behind the GELU there is none: GELU(c x) is not c GELU(x). Whatever is shown on such a net says so: *planted*.

It is the easy kind: the weights are as much quieter as the inputs are louder, so the s of SmoothQuant becomes c s, and in the
layer behind smoothing undoes what was planted exactly. (In the layer before `out` the rows of the values stay loud, which a
search for the least squared error serves first.) Loud inputs with weights like all others, the kind that SVDQuant's branch is
for, cannot be put into a net without changing what it computes; `bench layers` has them in layers that are made up.
"""
import copy

import torch
from torch import nn

from ..nets.dit import Block, DiT


@torch.no_grad()
def planted(net: DiT, many: int = 4, loud: float = 30.0, seed: int = 0) -> DiT:
    """A copy of a DiT that computes the same, with `many` channels `loud` times as loud at three places of each block."""
    if not 0 <= many <= net.width or loud <= 0:
        raise ValueError(f"from 0 to {net.width} channels can be planted, by a factor above 0, got {many} and {loud:g}")
    made, rng = copy.deepcopy(net), torch.Generator().manual_seed(seed)
    for block in made.blocks:
        for place in (to_qkv, to_mlp, to_out):
            c = torch.ones(net.width)
            c[torch.randperm(net.width, generator=rng)[:many]] = loud
            place(block, c.to(block.told.weight))
    return made


def to_qkv(block: Block, c: torch.Tensor) -> None:
    behind_norm(block, 0, block.attention.qkv, c)


def to_mlp(block: Block, c: torch.Tensor) -> None:
    behind_norm(block, 3, block.mlp[0], c)


def behind_norm(block: Block, part: int, linear: nn.Linear, c: torch.Tensor) -> None:
    """c (D,) times what enters a linear layer; its shift and scale are parts `part` and `part` + 1 of six in what `told` says."""
    shift, scale = (slice(k * len(c), (k + 1) * len(c)) for k in (part, part + 1))
    for rows in (shift, scale):
        block.told.weight[rows] *= c[:, None]
    block.told.bias[shift] *= c
    block.told.bias[scale] = c * (1 + block.told.bias[scale]) - 1
    linear.weight /= c


def to_out(block: Block, c: torch.Tensor) -> None:
    values = slice(2 * len(c), 3 * len(c))
    block.attention.qkv.weight[values] *= c[:, None]
    block.attention.qkv.bias[values] *= c
    block.attention.out.weight /= c
