"""What nets are told, and the blocks that are told it: time, class, words.

The time, and what is added to it, reach every residual block as one vector emb (B, E), in one of two ways:
  added     h = h + linear(emb)                                               Ho et al. 2020
  adaptive  h = norm(h) (1 + scale) + shift, (scale, shift) = linear(emb)     AdaGN, Dhariwal and Nichol 2021, section 3.1
Words reach the pixels by cross-attention: queries of the pixels, keys and values of the words (Rombach et al. 2022, section 3.3),
  out = softmax(q k^T / sqrt(d)) v,   a softmax over the words that are there: padding gets no weight.
Keys and values depend on the words alone, neither on the time nor on the image: a prompt needs them once.
What a new condition adds starts at zero, so that a fresh one changes no bit of what the net gave without it.
Left out: frequencies of the time that are learned.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .norm import Norm

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


def modulate(h: Tensor, emb: Tensor, norm: nn.Module, linear: nn.Module) -> Tensor:
    """AdaGN: norm(h) scaled and shifted by what each image is told; h: (B, C, H, W), emb: (B, E), linear: E -> 2 C."""
    scale, shift = linear(emb)[:, :, None, None].chunk(2, 1)                 # (B, C, 1, 1) each
    return norm(h) * (1 + scale) + shift


class Residual(nn.Module):
    """Two convolutions, between them what the block is told, and a way around both."""

    def __init__(self, inner: int, outer: int, emb: int, dropout: float, adaptive: bool = False):
        super().__init__()
        self.adaptive = adaptive
        self.enter = nn.Sequential(Norm(inner), nn.SiLU(), nn.Conv2d(inner, outer, 3, padding=1))
        self.shift = zero(nn.Linear(emb, 2 * outer)) if adaptive else nn.Linear(emb, outer)
        self.leave = nn.Sequential(Norm(outer), nn.SiLU(), nn.Dropout(dropout),
                                   zero(nn.Conv2d(outer, outer, 3, padding=1)))
        self.skip = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        norm, *rest = self.leave
        h = self.enter(x)
        h = modulate(h, emb, norm, self.shift) if self.adaptive else norm(h + self.shift(emb)[:, :, None, None])
        for layer in rest:
            h = layer(h)
        return self.skip(x) + h


def heads_of(channels: int) -> int:
    return max((n for n in range(1, channels // HEAD + 1) if channels % n == 0), default=1)


class Attention(nn.Module):
    """Self-attention over the pixels, added to its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.heads = heads_of(channels)
        self.norm, self.qkv = Norm(channels), nn.Linear(channels, 3 * channels)
        self.out = zero(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        b, c, height, width = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)                     # (B, HW, C)
        q, k, v = self.qkv(tokens).view(b, -1, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, c)
        return x + self.out(mixed).transpose(1, 2).view(b, c, height, width)


def cross_attention(q: Tensor, kv: Tensor, pad: Tensor, heads: int) -> Tensor:
    """What each pixel reads. q: (B, N, C) of the pixels, kv: (B, L, 2 C) of the words, pad: (B, L), True at padding; (B, N, C).

    At least one word of each row must be there: a softmax over nothing is NaN.
    """
    apart = lambda tokens: tokens.unflatten(2, (heads, -1)).transpose(1, 2)  # (B, heads, tokens, C / heads)
    k, v = kv.chunk(2, 2)
    read = F.scaled_dot_product_attention(apart(q), apart(k), apart(v), attn_mask=~pad[:, None, None])
    return read.transpose(1, 2).flatten(2)


class CrossAttention(nn.Module):
    """The pixels read the words; added to the input. told: {"pad": (B, L), `name`: keys and values (B, L, 2 C)}."""

    def __init__(self, channels: int, words: int, name: str):
        super().__init__()
        self.name, self.heads = name, heads_of(channels)
        self.norm, self.q, self.kv = Norm(channels), nn.Linear(channels, channels), nn.Linear(words, 2 * channels)
        self.out = zero(nn.Linear(channels, channels))

    def forward(self, x: Tensor, told: dict[str, Tensor]) -> Tensor:
        pixels = self.norm(x).flatten(2).transpose(1, 2)                     # (B, HW, C)
        q = self.q(pixels)
        read = self.out(cross_attention(q, told[self.name].to(q.dtype), told["pad"], self.heads))
        return x + read.transpose(1, 2).view(x.shape)
