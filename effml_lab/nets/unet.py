"""A UNet: what an image model of labs 01 to 06 is made of.

Down: at each width, `blocks` residual blocks, then a convolution of stride 2. Middle: block, attention, block. Up: at
each width, `blocks` + 1 residual blocks, each fed the matching activation of the way down as extra channels, then a
nearest-neighbour doubling and a convolution. The time enters every residual block as a shift of its channels:
  h = conv(silu(norm(x))) + linear(silu(emb(t))),    out = skip(x) + conv(dropout(silu(norm(h))))
The layout is Ho et al. 2020 (appendix B) in the form of diffusers' UNet2DModel, weight for weight. A stem of s > 1
trades s x s pixels for channels (pixel unshuffle), so that all the work is done at 1/s of the resolution.
The last convolution of each block and of the net starts at zero: a fresh net predicts 0 and its blocks add nothing.
Weights lie channels-last, which is how CPUs and GPUs convolve fastest.
Left out: scale modulation (AdaGN) and cross-attention, which are lab 03.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .norm import GROUPS, Norm

HEAD = 32       # channels of an attention head, or more where they do not divide by it


def zero(layer: nn.Module) -> nn.Module:
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer


class TimeEmbedding(nn.Module):
    """t (B,), times `scale`, to sines and cosines at frequencies from 1 to 1e-4, then two linear layers; (B, width).

    Angles are never computed in 16 bits, where 999 and 999.4 are one number and the fast sines are noise.
    """

    def __init__(self, channels: int, width: int, scale: float = 1.0):
        super().__init__()
        self.half, self.scale = channels // 2, scale
        self.mlp = nn.Sequential(nn.Linear(2 * self.half, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        wide = torch.promote_types(dtype, torch.float32)
        freqs = self.scale * 1e4 ** -torch.linspace(0, 1, self.half, dtype=wide, device=t.device)
        angle = t[:, None].to(wide) * freqs                                  # (B, channels / 2)
        return self.mlp(torch.cat([angle.cos(), angle.sin()], 1).to(dtype))


class Residual(nn.Module):
    """Two convolutions with the time between them, and a way around both."""

    def __init__(self, inner: int, outer: int, emb: int, dropout: float):
        super().__init__()
        self.enter = nn.Sequential(Norm(inner), nn.SiLU(), nn.Conv2d(inner, outer, 3, padding=1))
        self.shift = nn.Linear(emb, outer)
        self.leave = nn.Sequential(Norm(outer), nn.SiLU(), nn.Dropout(dropout),
                                   zero(nn.Conv2d(outer, outer, 3, padding=1)))
        self.skip = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.enter(x) + self.shift(emb)[:, :, None, None]
        return self.skip(x) + self.leave(h)


class Attention(nn.Module):
    """Self-attention over the pixels, added to its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.heads = max((n for n in range(1, channels // HEAD + 1) if channels % n == 0), default=1)
        self.norm, self.qkv = Norm(channels), nn.Linear(channels, 3 * channels)
        self.out = zero(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        b, c, height, width = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)                     # (B, HW, C)
        q, k, v = self.qkv(tokens).view(b, -1, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, c)
        return x + self.out(mixed).transpose(1, 2).view(b, c, height, width)


class Stage(nn.Module):
    """A residual block, attention if asked for, then a change of resolution if asked for."""

    def __init__(self, inner: int, outer: int, emb: int, dropout: float, attend: bool = False,
                 then: nn.Module | None = None):
        super().__init__()
        self.block = Residual(inner, outer, emb, dropout)
        self.attend = Attention(outer) if attend else nn.Identity()
        self.then = then or nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return self.then(self.attend(self.block(x, emb)))


class Down(nn.Conv2d):
    """Half the resolution; takes the embedding only to be called like a Stage."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return super().forward(x)


def up(channels: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, padding=1))


def way_down(widths: tuple[int, ...], blocks: tuple[int, ...], attention: tuple[bool, ...],
             **same) -> tuple[nn.ModuleList, list[int]]:
    """The modules of the way down, and the channels of what each leaves for the way up, the entrance first."""
    stages, skips = nn.ModuleList(), [widths[0]]
    for i, width in enumerate(widths):
        for _ in range(blocks[i]):
            stages.append(Stage(skips[-1], width, attend=attention[i], **same))
            skips.append(width)
        if i + 1 < len(widths):
            stages.append(Down(width))
            skips.append(width)
    return stages, skips


def way_up(widths: tuple[int, ...], blocks: tuple[int, ...], attention: tuple[bool, ...], skips: list[int],
           **same) -> nn.ModuleList:
    """The modules of the way up; each takes what the last of the skips left as extra channels."""
    stages, inner = nn.ModuleList(), widths[-1]
    for i, width in reversed(list(enumerate(widths))):
        for j in range(blocks[i] + 1):
            then = up(width) if i and j == blocks[i] else None
            stages.append(Stage(inner + skips.pop(), width, attend=attention[i], then=then, **same))
            inner = width
    return stages


class UNet(nn.Module):
    """net(x, t, cond=None) -> a tensor like x. x: (B, C, H, W), t: (B,), cond: (B,) class numbers.

    widths: channels at each resolution, multiples of 8. blocks: on the way down at each width, or one number for all.
    attention: for each width, whether its blocks attend (True or False for all); the middle always does. classes: how
    many, or None; one more row, number `classes`, means "no class" and is what cond = None gives. stem: pixels a side
    that become channels. time_scale: 1 for t in 0..T-1, 1000 for [0, 1].
    """

    def __init__(self, channels_in: int = 1, widths: tuple[int, ...] = (64, 128), blocks: tuple[int, ...] | int = 2,
                 attention: tuple[bool, ...] | bool = False, classes: int | None = None, stem: int = 1,
                 dropout: float = 0.0, time_scale: float = 1.0):
        super().__init__()
        blocks, attention = ((value,) * len(widths) if isinstance(value, int) else tuple(value) for value in (blocks, attention))
        if not len(attention) == len(blocks) == len(widths) or any(w % GROUPS for w in widths):
            raise ValueError(f"widths must be multiples of {GROUPS}, with one attention flag and one number of blocks each, "
                             f"got {tuple(widths)}, {attention} and {blocks}")
        first, last, pixel = widths[0], widths[-1], channels_in * stem**2
        self.stem, self.classes, self.levels = stem, classes, len(widths)
        same = {"emb": 4 * first, "dropout": dropout}
        self.time = TimeEmbedding(first, 4 * first, time_scale)
        self.label = None if classes is None else nn.Embedding(classes + 1, 4 * first)
        self.enter = nn.Conv2d(pixel, first, 3, padding=1)
        self.down, skips = way_down(widths, blocks, attention, **same)
        self.middle = nn.ModuleList([Stage(last, last, attend=attend, **same) for attend in (True, False)])
        self.up = way_up(widths, blocks, attention, skips, **same)
        self.leave = nn.Sequential(Norm(first), nn.SiLU(), zero(nn.Conv2d(first, pixel, 3, padding=1)))
        self.to(memory_format=torch.channels_last)

    def embed(self, t: Tensor, cond: Tensor | None, dtype: torch.dtype) -> Tensor:
        """What every block is told: time and class, (B, 4 widths[0])."""
        emb = self.time(t, dtype)
        if self.label is not None:
            emb = emb + self.label(torch.full_like(t, self.classes, dtype=torch.long) if cond is None else cond)
        elif cond is not None:
            raise ValueError("this net was built without classes: leave cond out, or build it with classes=...")
        return F.silu(emb)

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        cell = self.stem * 2 ** (self.levels - 1)
        if x.ndim != 4 or x.shape[2] % cell or x.shape[3] % cell:
            raise ValueError(f"this net takes (B, C, H, W) with H and W multiples of {cell}, got {tuple(x.shape)}")
        if not len(x):
            return torch.empty_like(x)                  # torch's pixel_unshuffle leaves an empty batch at its old shape
        emb = self.embed(t, cond, x.dtype)
        skips = [self.enter(F.pixel_unshuffle(x, self.stem))]
        for stage in self.down:
            skips.append(stage(skips[-1], emb))
        h = skips[-1]
        for stage in self.middle:
            h = stage(h, emb)
        for stage in self.up:
            h = stage(torch.cat([h, skips.pop()], 1), emb)
        return F.pixel_shuffle(self.leave(h), self.stem)
