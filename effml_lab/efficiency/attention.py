"""Exact attention without its matrix, and activations bought back with time: two trades that change no result.

softmax(q k^T / sqrt(d)) v needs all scores of a row only for their maximum and their sum. Both can be kept running while
k and v come by in tiles, and what was summed so far is rescaled when the maximum rises (Milakov and Gimelshein 2018; Dao
et al. 2022, FlashAttention, algorithm 1):
  m' = max(m, rowmax s),    l' = e^(m - m') l + rowsum e^(s - m'),    o' = e^(m - m') o + e^(s - m') v;    at the end o / l
So memory grows with the tokens, not with their square. `tiled` is that loop, to be read; `exact` calls the library's
kernels by name. Checkpointing (Chen et al. 2016) keeps only the inputs of blocks for the backward pass and computes the
rest again: a third more work for a training step. At inference nothing is kept anyway, so there it does nothing.
Left out: masks, dropout, the backward pass by hand.
"""
import math
from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

BACKENDS = {"math": SDPBackend.MATH, "flash": SDPBackend.FLASH_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION,
            "cudnn": SDPBackend.CUDNN_ATTENTION}


def fitting(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Refuse shapes and types that do not belong together, in one sentence."""
    belong = min(q.ndim, k.ndim, v.ndim) > 1 and k.shape[-2] == v.shape[-2] > 0 and q.shape[-1] == k.shape[-1]
    if not belong or q.dtype != k.dtype or k.dtype != v.dtype:
        told = ", ".join(f"{t.dtype} {tuple(t.shape)}" for t in (q, k, v))
        raise ValueError(f"attention takes q (..., T, d), k (..., S, d) and v (..., S, e) of one dtype, S at least 1, got {told}")


def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention by its formula, with the whole matrix of scores; q (..., T, d), k and v (..., S, d)."""
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def exact(q: Tensor, k: Tensor, v: Tensor, backend: str = "flash") -> Tensor:
    """The library's attention by the kernel of that name; one sentence where there is none for these inputs."""
    if backend not in BACKENDS:
        raise ValueError(f"there is no attention {backend!r}: choose one of {', '.join(BACKENDS)}")
    fitting(q, k, v)
    try:
        with sdpa_kernel(BACKENDS[backend]):
            return F.scaled_dot_product_attention(q, k, v)
    except RuntimeError:
        raise ValueError(f"{backend!r} attention does not run for {q.dtype} on {q.device} with q {tuple(q.shape)} and k "
                         f"{tuple(k.shape)}: use 'math', or shape them (batch, heads, tokens, width)") from None


def tiled(q: Tensor, k: Tensor, v: Tensor, tile: int = 64) -> Tensor:
    """The same result from tiles of `tile` queries by `tile` keys: no more than one tile of scores exists at a time.

    Inside it is computed in 32 bits, or in 64 where the inputs have them.
    """
    fitting(q, k, v)
    if tile < 1:
        raise ValueError(f"a tile holds one token or more, got {tile}")
    return torch.cat([_rows(rows, k, v, tile) for rows in q.split(tile, -2)], -2)


def _rows(q: Tensor, k: Tensor, v: Tensor, tile: int) -> Tensor:
    """Attention of one tile of queries, with the running maximum and sum of each."""
    wide = torch.promote_types(q.dtype, torch.float32)
    rows = q.to(wide) / math.sqrt(q.shape[-1])                                  # 16 bits would not hold the scores
    m = rows.new_full((*q.shape[:-1], 1), -math.inf)
    total, out = torch.zeros_like(m), rows.new_zeros(*q.shape[:-1], v.shape[-1])
    for keys, values in zip(k.split(tile, -2), v.split(tile, -2)):
        scores = rows @ keys.to(wide).mT                                        # (..., tile, tile)
        top = torch.maximum(m, scores.amax(-1, keepdim=True))
        weight, keep = (scores - top).exp(), (m - top).exp()
        total = keep * total + weight.sum(-1, keepdim=True)
        out, m = keep * out + weight @ values.to(wide), top
    return (out / total).to(q.dtype)


class Checkpointed(nn.Module):
    """A block that keeps only its inputs for the backward pass, where it runs again."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block = block

    def forward(self, *inputs: Tensor) -> Tensor:
        return checkpoint(self.block, *inputs, use_reentrant=False) if torch.is_grad_enabled() else self.block(*inputs)


def saved_bytes(run: Callable[[], object]) -> int:
    """Bytes of all tensors that autograd keeps while `run()` makes its graph, each storage counted once."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = run()                                                          # alive until counted: no address twice
        total = sum(kept.values())
    del result
    return total
