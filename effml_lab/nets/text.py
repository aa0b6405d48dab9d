"""A UNet that is told in words: a small text encoder of our own, and cross-attention from the pixels to the words.

The encoder is a transformer over the tokens (Vaswani et al. 2017, norm first): every word sees every other, padding is seen
by none. Its words go to each reader of the UNet as keys and values (Rombach et al. 2022). These depend on the prompt alone,
so `remember` computes them once for all the steps of a sampler: its answer is handed on in place of the tokens, and the
pictures are the same. Handed tokens, every call encodes them, row by row. Readers begin at zero: a fresh net is, bit for
bit, its UNet that was told nothing.
Left out: pretrained text encoders (`hub`), pooled embeddings beside the words.
"""
import torch
from torch import Tensor, nn

from .blocks import CrossAttention, cross_attention
from .unet import UNet


class Layer(nn.Module):
    """Every word reads all that are there, then thinks by itself; both are added to it. h: (B, L, width), pad: (B, L)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.first, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.second = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, h: Tensor, pad: Tensor) -> Tensor:
        q, kv = self.qkv(self.first(h)).tensor_split([h.shape[2]], 2)
        h = h + self.out(cross_attention(q, kv, pad, self.heads))
        return h + self.mlp(self.second(h))


class Encoder(nn.Module):
    """tokens (B, L) -> words (B, L, width) and where padding is, (B, L) bool. Token 0 is padding; no row is all padding."""

    def __init__(self, vocabulary: int, length: int, width: int = 64, depth: int = 2, heads: int = 2):
        super().__init__()
        self.word, self.place = nn.Embedding(vocabulary, width), nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        if tokens.ndim != 2 or tokens.shape[1] != len(self.place):
            raise ValueError(f"tokens come in rows of {len(self.place)}, (B, {len(self.place)}), got {tuple(tokens.shape)}")
        pad = tokens == 0
        try:
            h = self.word(tokens) + self.place
        except IndexError:
            raise ValueError(f"tokens are numbered from 0 to {len(self.word.weight) - 1}, got {tokens.min().item()} to "
                             f"{tokens.max().item()}") from None
        for layer in self.layers:
            h = layer(h, pad)
        return self.norm(h), pad


class Captioned(nn.Module):
    """net(x, t, cond=None) -> a tensor like x. cond: tokens (B, L), or what `remember` made of them; None: no prompt.

    unet: settings of the UNet beside `words`; those of its widths that read are set there. nothing: the token that
    stands alone in a row that says nothing.
    """

    def __init__(self, unet: dict, vocabulary: int, length: int, width: int = 64, depth: int = 2, nothing: int = 1):
        super().__init__()
        self.length, self.nothing = length, nothing
        self.encoder = Encoder(vocabulary, length, width, depth)
        self.unet = UNet(**unet, words=width)

    def readers(self) -> list[CrossAttention]:
        return [module for module in self.unet.modules() if isinstance(module, CrossAttention)]

    def remember(self, tokens: Tensor) -> dict[str, Tensor]:
        """Where padding is and every reader's keys and values, (B, L, ...) each: all that the net asks of a prompt."""
        words, pad = self.encoder(tokens)
        return {"pad": pad} | {reader.name: reader.kv(words) for reader in self.readers()}

    def silence(self, rows: int) -> Tensor:
        """The tokens of no prompt, (rows, L)."""
        tokens = torch.zeros(rows, self.length, dtype=torch.long, device=self.encoder.word.weight.device)
        tokens[:, 0] = self.nothing
        return tokens

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | dict[str, Tensor] | None = None) -> Tensor:
        tokens = self.silence(len(x)) if cond is None else cond
        return self.unet(x, t, told=tokens if isinstance(tokens, dict) else self.remember(tokens))
