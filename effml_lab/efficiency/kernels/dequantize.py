"""Kernel 3: from stored codes back to 16-bit weights, for cards where Triton does not reach the tensor cores (T4).

One program makes 128 columns of a few rows: a group pair from 64 bytes. Divided by s on the way, the weights take x as it
comes, so the whole layer is one library product, x (W / s + up down)^T: memory falls, arithmetic does not.
"""
import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import quant
from .launch import contiguous, on_gpu

HALF: tl.constexpr = tl.constexpr(64)


@triton.jit
def kernel(packed, scale, multiplier, smooth, out, N, K, pairs, TWO: tl.constexpr, BN: tl.constexpr):
    rows, pair, half = tl.program_id(0) * BN + tl.arange(0, BN), tl.program_id(1), tl.arange(0, HALF)
    real = rows < N
    byte = tl.load(packed + rows[:, None].to(tl.int64) * (pairs * HALF) + pair * HALF + half[None, :], mask=real[:, None],
                   other=0).to(tl.int32)
    for plane in tl.static_range(2):
        nibble, group, cols = (byte >> (4 * plane)) & 15, 2 * pair + plane, (2 * pair + plane) * HALF + half
        if TWO:
            each = tl.load(scale + rows, mask=real, other=0.0).to(tl.float32)
            each *= tl.load(multiplier + group * N + rows, mask=real, other=0).to(tl.float32)
            code = nibble - 8
        else:
            each = tl.load(scale + group * N + rows, mask=real, other=0.0).to(tl.float32)
            code = (nibble ^ 8) - 8
        s = tl.load(smooth + cols, mask=cols < K, other=1.0).to(tl.float32)
        tl.store(out + rows[:, None].to(tl.int64) * K + cols[None, :],
                 (code.to(tl.float32) * each[:, None] / s[None, :]).to(out.dtype.element_ty),
                 mask=real[:, None] & (cols[None, :] < K))


def reference(packed: Tensor, scale: Tensor, multiplier: Tensor | None, smooth: Tensor, dtype: torch.dtype) -> Tensor:
    """What the kernel computes."""
    codes = quant.unpack(packed, 0 if multiplier is None else 8).unflatten(1, (-1, 64)).float()
    each = scale.float() if multiplier is None else scale.float() * multiplier
    return ((codes * each.T[..., None]).flatten(1)[:, :len(smooth)] / smooth.float()).to(dtype)


def dequantize(packed: Tensor, scale: Tensor, multiplier: Tensor | None, smooth: Tensor, dtype: torch.dtype) -> Tensor:
    """The weights (N, K) that codes stand for, over s (K,), in 16 bits; arguments as in `gemm_up`."""
    on_gpu(packed.device)
    packed, scale, multiplier, smooth = contiguous(packed, scale, multiplier, smooth)
    n, k, pairs = len(packed), len(smooth), packed.shape[1] // 64
    out = torch.empty(n, k, dtype=dtype, device=packed.device)
    kernel[(triton.cdiv(n, 16), pairs)](packed, scale, multiplier, smooth, out, n, k, pairs, TWO=multiplier is not None,
                                        BN=16, num_warps=4)
    return out
