"""A UNet: what an image model of labs 01 to 06 is made of.

Down: at each width, `blocks` residual blocks, then a convolution of stride 2. Middle: block, attention, block. Up: at
each width, `blocks` + 1 residual blocks, each fed the matching activation of the way down as extra channels, then a
nearest-neighbour doubling and a convolution. The time enters every residual block as a shift of its channels:
  h = conv(silu(norm(x))) + linear(silu(emb(t))),    out = skip(x) + conv(dropout(silu(norm(h))))
The layout is Ho et al. 2020 (appendix B) in the form of diffusers' UNet2DModel, weight for weight. A stem of s > 1
trades s x s pixels for channels (pixel unshuffle), so that all the work is done at 1/s of the resolution.
The last convolution of each block and of the net starts at zero: a fresh net predicts 0 and its blocks add nothing.
Weights lie channels-last, which is how CPUs and GPUs convolve fastest.
The blocks, and other ways to tell them something, are in `blocks`: the time may scale as well as shift (AdaGN), and stages may
read words. A call runs in parts, its `ways`, between which a second net can step in (`control`).
"""
from functools import partial
from typing import Callable, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Attention, CrossAttention, Residual, TimeEmbedding, zero
from .norm import GROUPS, Norm


class Stage(nn.Module):
    """A residual block, attention and the reading of words if asked for, then a change of resolution if asked for.

    words: the width of a word. reads: the name of this reader's keys and values, or None.
    """

    def __init__(self, inner: int, outer: int, emb: int, dropout: float, attend: bool = False, adaptive: bool = False,
                 words: int = 0, reads: str | None = None, then: nn.Module | None = None):
        super().__init__()
        self.block = Residual(inner, outer, emb, dropout, adaptive)
        self.attend = Attention(outer) if attend else nn.Identity()
        self.read = CrossAttention(outer, words, reads) if reads else None
        self.then = then or nn.Identity()

    def forward(self, x: Tensor, emb: Tensor, told: dict[str, Tensor] | None = None) -> Tensor:
        h = self.attend(self.block(x, emb))
        if self.read is not None and told is None:
            raise ValueError("this net reads words: call it through text.Captioned, or hand it what `remember` gives as told")
        return self.then(h if self.read is None else self.read(h, told))


class Down(nn.Conv2d):
    """Half the resolution; takes what a Stage is told only to be called like one."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, emb: Tensor, told: dict[str, Tensor] | None = None) -> Tensor:
        return super().forward(x)


def up(channels: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, padding=1))


class Scale(NamedTuple):
    """What the stages at one resolution are like."""
    width: int
    blocks: int
    attend: bool
    reads: bool


def way_down(scales: list[Scale], **same) -> tuple[nn.ModuleList, list[int]]:
    """The modules of the way down, and the channels of what each leaves for the way up, the entrance first."""
    stages, skips = nn.ModuleList(), [scales[0].width]
    for i, scale in enumerate(scales):
        for _ in range(scale.blocks):
            reads = f"down{len(stages)}" if scale.reads else None
            stages.append(Stage(skips[-1], scale.width, attend=scale.attend, reads=reads, **same))
            skips.append(scale.width)
        if i + 1 < len(scales):
            stages.append(Down(scale.width))
            skips.append(scale.width)
    return stages, skips


def way_up(scales: list[Scale], skips: list[int], **same) -> nn.ModuleList:
    """The modules of the way up; each takes what the last of the skips left as extra channels."""
    stages, inner = nn.ModuleList(), scales[-1].width
    for i, scale in reversed(list(enumerate(scales))):
        for j in range(scale.blocks + 1):
            then, reads = up(scale.width) if i and j == scale.blocks else None, f"up{len(stages)}" if scale.reads else None
            stages.append(Stage(inner + skips.pop(), scale.width, attend=scale.attend, reads=reads, then=then, **same))
            inner = scale.width
    return stages


class Ways(NamedTuple):
    """The three parts of a call that was told its time and its condition: x -> h, h -> left, left -> the output."""
    entered: Callable[[Tensor], Tensor]
    encode: Callable[[Tensor], list[Tensor]]
    decode: Callable[[list[Tensor]], Tensor]


class UNet(nn.Module):
    """net(x, t, cond=None) -> a tensor like x. x: (B, C, H, W), t: (B,), cond: (B,) class numbers.

    widths: channels at each resolution, multiples of 8. blocks: on the way down at each width, or one number for all.
    attention: for each width, whether its blocks attend (True or False for all); the middle always does. classes: how
    many, or None; one more row, number `classes`, means "no class" and is what cond = None gives. stem: pixels a side
    that become channels. time_scale: 1 for t in 0..T-1, 1000 for [0, 1]. adaptive: what blocks are told scales too.
    emb: the width of what they are told, by default four times the first. words: the width of a word; reads: for each
    width, whether its stages read words (True or False for all), the middle as the last; see `text`.
    """

    def __init__(self, channels_in: int = 1, widths: tuple[int, ...] = (64, 128), blocks: tuple[int, ...] | int = 2,
                 attention: tuple[bool, ...] | bool = False, classes: int | None = None, stem: int = 1,
                 dropout: float = 0.0, time_scale: float = 1.0, adaptive: bool = False, emb: int | None = None,
                 words: int = 0, reads: tuple[bool, ...] | bool = False):
        super().__init__()
        each = [(value,) * len(widths) if isinstance(value, int) else tuple(value) for value in (blocks, attention, reads)]
        if any(len(values) != len(widths) for values in each) or any(w % GROUPS for w in widths):
            raise ValueError(f"widths must be multiples of {GROUPS}, with one attention flag and one number of blocks each, and "
                             f"one flag of reading, got {tuple(widths)}, {each[1]}, {each[0]} and {each[2]}")
        if any(each[2]) and not words:
            raise ValueError("a net that reads words is told their width: words=...")
        scales = [Scale(*values) for values in zip(widths, *each)]
        first, last, pixel, emb = widths[0], scales[-1], channels_in * stem**2, emb or 4 * widths[0]
        self.stem, self.classes, self.levels = stem, classes, len(widths)
        same = {"emb": emb, "dropout": dropout, "adaptive": adaptive, "words": words}
        self.time = TimeEmbedding(first, emb, time_scale)
        self.label = None if classes is None else nn.Embedding(classes + 1, emb)
        self.enter = nn.Conv2d(pixel, first, 3, padding=1)
        self.down, skips = way_down(scales, **same)
        self.middle = nn.ModuleList(
            [Stage(last.width, last.width, attend=not i, reads=f"middle{i}" if last.reads else None, **same) for i in range(2)])
        self.kept = (*skips, last.width)                # channels of all that `encode` leaves
        self.up = way_up(scales, skips, **same)
        self.leave = nn.Sequential(Norm(first), nn.SiLU(), zero(nn.Conv2d(first, pixel, 3, padding=1)))
        self.to(memory_format=torch.channels_last)

    def embed(self, t: Tensor, cond: Tensor | None, dtype: torch.dtype) -> Tensor:
        """What every block is told: time and class, (B, emb)."""
        emb = self.time(t, dtype)
        if self.label is not None:
            cond = torch.full_like(t, self.classes, dtype=torch.long) if cond is None else cond
            try:
                emb = emb + self.label(cond)
            except IndexError:
                raise ValueError(f"classes are numbered from 0 to {self.classes - 1}, and {self.classes} is \"no class\", got "
                                 f"{cond.min().item()} to {cond.max().item()}") from None
        elif cond is not None:
            raise ValueError("this net was built without classes: leave cond out, or build it with classes=...")
        return F.silu(emb)

    def entered(self, x: Tensor) -> Tensor:
        """The image as its first channels, (B, widths[0], H / stem, W / stem)."""
        cell = self.stem * 2 ** (self.levels - 1)
        if x.ndim != 4 or x.shape[2] % cell or x.shape[3] % cell:
            raise ValueError(f"this net takes (B, C, H, W) with H and W multiples of {cell}, got {tuple(x.shape)}")
        return self.enter(F.pixel_unshuffle(x, self.stem))

    def encode(self, h: Tensor, emb: Tensor, told: dict[str, Tensor] | None = None) -> list[Tensor]:
        """What the way down leaves for the way up, h itself first, and at the end what the middle makes of the last."""
        left = [h]
        for stage in self.down:
            left.append(stage(left[-1], emb, told))
        h = left[-1]
        for stage in self.middle:
            h = stage(h, emb, told)
        return [*left, h]

    def decode(self, left: list[Tensor], emb: Tensor, told: dict[str, Tensor] | None = None) -> Tensor:
        """The output, from what `encode` left."""
        if not self.up:
            raise ValueError("this net is a way down alone: it can encode, and not decode")
        *skips, h = left
        for stage in self.up:
            h = stage(torch.cat([h, skips.pop()], 1), emb, told)
        return F.pixel_shuffle(self.leave(h), self.stem)

    def ways(self, t: Tensor, cond: Tensor | None, dtype: torch.dtype, told: dict[str, Tensor] | None = None) -> Ways:
        """The parts of a call at times t (B,); told: what readers of words read, as `text.Captioned.remember` gives it."""
        rest = {"emb": self.embed(t, cond, dtype), "told": told}
        return Ways(self.entered, partial(self.encode, **rest), partial(self.decode, **rest))

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None, told: dict[str, Tensor] | None = None) -> Tensor:
        if x.ndim == 4 and not len(x):
            return torch.empty_like(x)                  # torch's pixel_unshuffle leaves an empty batch at its old shape
        ways = self.ways(t, cond, x.dtype, told)
        return ways.decode(ways.encode(ways.entered(x)))


def trunk(net: UNet) -> UNet:
    """The net after its way up was taken away: it can `encode`, and no more."""
    net.up, net.leave = nn.ModuleList(), nn.Identity()
    return net
