"""A DiT: a transformer on patches of an image (Peebles and Xie 2023); what lab 05 quantizes.

Each patch of p x p pixels becomes a token of `width` numbers. In a block tokens attend to one another, and then each goes through
two layers of its own. What blocks are told, time and class, scales and shifts what enters each half and gates what leaves it
(AdaLN-zero, section 3.2, figure 3),
  x = x + gate attention(norm(x) (1 + scale) + shift),      x = x + gate' mlp(norm(x) (1 + scale') + shift'),
  (shift, scale, gate, shift', scale', gate') = linear(silu(emb)),
norm without weights of its own. These layers start at zero, and so does the last: a fresh block is the identity, a fresh net
predicts 0. A patch knows its place by sines and cosines of its row and column, fixed. Almost all work is in four large linear
layers a block, which is what 4-bit kernels want. The layout is diffusers' DiTTransformer2DModel, but that one time and class
embedding serves all blocks, as in the paper's code.
Left out: learned variances, latents (lab 07).
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import TimeEmbedding, zero

FREQUENCIES = 256           # of the time, sines and cosines together


def positions(rows: int, cols: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Of each patch, row by row, sines and cosines of its column in the first half and of its row in the second; (N, width)."""
    wide = torch.float32 if torch.device(device).type == "mps" else torch.float64
    freqs = 1e4 ** -torch.linspace(0, 1, width // 4 + 1, dtype=wide, device=device)[:-1]
    waves = lambda place: torch.cat([(angle := place[:, None] * freqs).sin(), angle.cos()], 1)
    row, col = torch.meshgrid(torch.arange(rows, device=device), torch.arange(cols, device=device), indexing="ij")
    return torch.cat([waves(col.flatten().to(wide)), waves(row.flatten().to(wide))], 1).float()


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without weights, then what the block is told; x: (B, N, D), shift and scale: (B, 1, D)."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


class Attention(nn.Module):
    """Self-attention of all tokens, (B, N, D) -> (B, N, D)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)          # (B, heads, N, d) each
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then two layers for each token, both told emb (B, D)."""

    def __init__(self, width: int, heads: int, ratio: int):
        super().__init__()
        self.told = zero(nn.Linear(width, 6 * width))
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.GELU("tanh"), nn.Linear(ratio * width, width))

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        shift, scale, gate, *rest = self.told(emb)[:, None].chunk(6, 2)                           # (B, 1, D) each
        x = x + gate * self.attention(modulate(x, shift, scale))
        shift, scale, gate = rest
        return x + gate * self.mlp(modulate(x, shift, scale))


class DiT(nn.Module):
    """net(x, t, cond=None) -> a tensor like x. x: (B, C, H, W), H and W multiples of the patch; t: (B,); cond: (B,) classes.

    width: numbers a token, a multiple of 4 and of heads. ratio: how much wider a token's own layers are. classes, time_scale: as
    of `unet.UNet`.
    """

    def __init__(self, channels_in: int = 3, patch: int = 4, width: int = 192, depth: int = 6, heads: int = 6, ratio: int = 4,
                 classes: int | None = None, time_scale: float = 1.0):
        super().__init__()
        if width % 4 or width % heads:
            raise ValueError(f"the width of a DiT is a multiple of 4 and of its heads, got {width} and {heads} heads")
        self.patch, self.width, self.classes = patch, width, classes
        self.time = TimeEmbedding(FREQUENCIES, width, time_scale)
        self.label = None if classes is None else nn.Embedding(classes + 1, width)
        self.enter = nn.Conv2d(channels_in, width, patch, stride=patch)
        self.blocks = nn.ModuleList(Block(width, heads, ratio) for _ in range(depth))
        self.told = zero(nn.Linear(width, 2 * width))
        self.leave = zero(nn.Linear(width, channels_in * patch**2))

    def embed(self, t: Tensor, cond: Tensor | None, dtype: torch.dtype) -> Tensor:
        """What every block is told: time and class, (B, D)."""
        if self.label is None and cond is not None:
            raise ValueError("this net was built without classes: leave cond out, or build it with classes=...")
        emb = self.time(t, dtype)
        if self.label is not None:
            cond = torch.full_like(t, self.classes, dtype=torch.long) if cond is None else cond
            if len(cond) and not cond.is_cuda and not 0 <= cond.min() <= cond.max() <= self.classes:
                # on a GPU looking would make it wait, and the embedding itself stops what is out of range
                raise ValueError(f"classes are numbered from 0 to {self.classes - 1}, and {self.classes} is \"no class\", got "
                                 f"{cond.min().item()} to {cond.max().item()}")
            emb = emb + self.label(cond)
        return F.silu(emb)

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        if x.ndim != 4 or x.shape[2] % self.patch or x.shape[3] % self.patch:
            raise ValueError(f"this net takes (B, C, H, W) with H and W multiples of {self.patch}, got {tuple(x.shape)}")
        rows, cols = x.shape[2] // self.patch, x.shape[3] // self.patch
        emb = self.embed(t, cond, x.dtype)
        h = self.enter(x).flatten(2).transpose(1, 2) + positions(rows, cols, self.width, x.device).to(x.dtype)       # (B, N, D)
        for block in self.blocks:
            h = block(h, emb)
        shift, scale = self.told(emb)[:, None].chunk(2, 2)
        h = self.leave(modulate(h, shift, scale)).transpose(1, 2).unflatten(2, (rows, cols))        # (B, C p p, rows, cols)
        return F.pixel_shuffle(h, self.patch)
