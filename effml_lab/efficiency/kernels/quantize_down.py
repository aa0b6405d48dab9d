"""Kernel 1: quantize the inputs and project them down to the branch, both from one read of x.

For a tile of rows, group by group of 64 columns:  la += x down^T on the raw x (1 / s is folded into `down` beforehand), and
x / s -> scale -> codes. In w4a4 every group has a scale of its own, so one pass does it: two groups make 64 bytes
("group-pair planar", see quant.py). In w4a8 a token has one scale, known only at the row's end: a second pass makes the
codes, and finds x in the cache. Little is computed on what is read, so the bytes on their way at a time set the speed:
STAGES tiles are fetched ahead; and where rows are few, SPLIT programs share the columns of a tile of them, each with sums and
maxima of its own, which are put together afterwards, always in the same order. On Hopper a tile has fewer than 64 rows: from 64
on Triton multiplies with wgmma, which it leaves running while the next tile of x is written over its operand (ahead.py, `raced`).
A fused branch costs the bytes of `down` and `la`; a separate one reads x again.
The fusion is Nunchaku's (Li et al. 2025, section 4.3), which adds its parts up by atomics. Left out: fusing with whatever came
before; looking for NaN, which on a GPU becomes the least code and is passed over by the maxima.
"""
import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import quant
from .launch import INTERPRETED, config, contiguous, covered, power

HALF: tl.constexpr = tl.constexpr(64)
LEAST: tl.constexpr = tl.constexpr(2.0**-24)
MOST: tl.constexpr = tl.constexpr(65504.0)


@triton.jit
def rounded(x):
    """To the nearest whole number, ties to even, for |x| < 2^22."""
    return (x + 12582912.0) - 12582912.0


@triton.jit
def stored(scale):
    """A scale in the 16 bits it is stored in, above 0 and finite."""
    return tl.minimum(tl.maximum(scale, LEAST), MOST).to(tl.float16)


@triton.jit
def tile(x, smooth, rows, cols, M, K, stride):
    """x (rows, cols) as it is, and x / s in float32; zeros beyond the edges."""
    inside = (rows[:, None] < M) & (cols[None, :] < K)
    raw = tl.load(x + rows[:, None].to(tl.int64) * stride + cols[None, :], mask=inside, other=0.0)
    s = tl.load(smooth + cols, mask=cols < K, other=1.0).to(tl.float32)
    return raw, raw.to(tl.float32) / s[None, :]


@triton.jit
def projected(raw, down, cols, la, K, R: tl.constexpr, RP: tl.constexpr, UP32: tl.constexpr):
    """la + raw down^T over these columns."""
    if R > 0:
        ranks = tl.arange(0, RP)
        inside = (ranks[None, :] < R) & (cols[:, None] < K)
        d = tl.load(down + ranks[None, :] * K + cols[:, None], mask=inside, other=0.0)               # (columns, R)
        if UP32:                                            # the interpreter cannot multiply bfloat16
            la = tl.dot(raw.to(tl.float32), d.to(tl.float32), la, input_precision="ieee")
        else:
            la = tl.dot(raw, d, la)
    return la


@triton.jit
def kept(la_ptr, la, rows, M, R: tl.constexpr, RP: tl.constexpr):
    if R > 0:
        ranks = tl.arange(0, RP)
        tl.store(la_ptr + rows[:, None] * R + ranks[None, :], la, mask=(rows[:, None] < M) & (ranks[None, :] < R))


@triton.jit
def w4a4(x, smooth, down, codes, scales, la_ptr, M, K, stride, pairs, R: tl.constexpr, RP: tl.constexpr, BM: tl.constexpr,
         SPLIT: tl.constexpr, STAGES: tl.constexpr, UP32: tl.constexpr):
    rows, half = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, HALF)
    part, share = tl.program_id(1), tl.cdiv(pairs, SPLIT)
    la = tl.zeros((BM, RP), tl.float32)
    for pair in tl.range(part * share, tl.minimum((part + 1) * share, pairs), num_stages=STAGES):
        low = tl.zeros((BM, HALF), tl.int32)
        for plane in tl.static_range(2):
            cols = (2 * pair + plane) * HALF + half
            raw, v = tile(x, smooth, rows, cols, M, K, stride)
            la = projected(raw, down, cols, la, K, R, RP, UP32)
            scale = stored(tl.max(tl.abs(v), 1) / 7.0)
            q = tl.minimum(tl.maximum(rounded(v / scale.to(tl.float32)[:, None]), -7.0), 7.0).to(tl.int32) & 15
            tl.store(scales + (2 * pair + plane) * M + rows, scale, mask=rows < M)
            low = q if plane == 0 else low | (q << 4)
        place = codes + rows[:, None].to(tl.int64) * (pairs * HALF) + pair * HALF + half[None, :]
        tl.store(place, low.to(tl.uint8), mask=rows[:, None] < M)
    kept(la_ptr + part * M * R, la, rows, M, R, RP)


@triton.jit
def looked(x, smooth, down, most_ptr, la_ptr, M, K, stride, pairs, R: tl.constexpr, RP: tl.constexpr, BM: tl.constexpr,
           SPLIT: tl.constexpr, STAGES: tl.constexpr, UP32: tl.constexpr):
    """w4a8, first pass: of a part of the columns the largest |x / s| of each row, and x down^T."""
    rows, pair = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, 2 * HALF)
    part, share = tl.program_id(1), tl.cdiv(pairs, SPLIT)
    la, most = tl.zeros((BM, RP), tl.float32), tl.zeros([BM], tl.float32)
    for i in tl.range(part * share, tl.minimum((part + 1) * share, pairs), num_stages=STAGES):
        cols = i * (2 * HALF) + pair
        raw, v = tile(x, smooth, rows, cols, M, K, stride)
        la = projected(raw, down, cols, la, K, R, RP, UP32)
        most = tl.maximum(most, tl.max(tl.abs(v), 1))
    tl.store(most_ptr + part * M + rows, most, mask=rows < M)
    kept(la_ptr + part * M * R, la, rows, M, R, RP)


@triton.jit
def coded(x, smooth, most_ptr, codes, scales, M, K, stride, pairs, BM: tl.constexpr, SPLIT: tl.constexpr):
    """w4a8, second pass: the row's scale from the parts' maxima, and the codes of a tile."""
    rows, cols = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * (2 * HALF) + tl.arange(0, 2 * HALF)
    parts = tl.arange(0, SPLIT)
    most = tl.load(most_ptr + parts[:, None] * M + rows[None, :], mask=rows[None, :] < M, other=0.0)
    scale = stored(tl.max(most, 0) / 127.0)
    if tl.program_id(1) == 0:
        tl.store(scales + rows, scale, mask=rows < M)
    raw, v = tile(x, smooth, rows, cols, M, K, stride)
    q = tl.minimum(tl.maximum(rounded(v / scale.to(tl.float32)[:, None]), -127.0), 127.0).to(tl.int8)
    tl.store(codes + rows[:, None].to(tl.int64) * (pairs * 2 * HALF) + cols[None, :], q, mask=rows[:, None] < M)


def reference(x: Tensor, smooth: Tensor, down: Tensor, mode: str) -> tuple[Tensor, Tensor, Tensor]:
    """What the kernel computes: codes, scales and la of x (M, K)."""
    v, la = quant.padded(x.float() / smooth.float(), quant.PAIR), x.float() @ down.float().T
    if mode == "w4a4":
        got = quant.quantize(v, 4, "group")
        return quant.pack(got.q.flatten(1)), got.scale[..., 0].T.contiguous(), la
    got = quant.quantize(v, 8, "token")
    return got.q.flatten(1), got.scale[:, 0, 0], la


def quantize_down(x: Tensor, smooth: Tensor, down: Tensor, mode: str) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, float16 scales and la (M, R) float32 of x (M, K); smooth (K,), down (R, K).

    w4a4: packed codes (M, K / 2), K padded to 128, and scales (K / 64, M). w4a8: int8 codes (M, K), scales (M,).
    """
    covered(x.dtype, x.device)
    x, smooth, down = x if x.stride(1) == 1 else x.contiguous(), *contiguous(smooth, down)
    (m, k), r, pairs = x.shape, len(down), triton.cdiv(x.shape[1], quant.PAIR)
    how = config(x.device, f"quantize_{mode}", m)
    shapes = {"w4a4": ((m, pairs * 64), (2 * pairs, m)), "w4a8": ((m, pairs * 128), (m,))}[mode]
    codes = torch.empty(shapes[0], dtype=torch.uint8 if mode == "w4a4" else torch.int8, device=x.device)
    scales = torch.empty(shapes[1], dtype=torch.float16, device=x.device)
    la = torch.empty(how["SPLIT"], m, r, device=x.device)
    if m:
        tiles, given = triton.cdiv(m, how["BM"]), {"R": r, "RP": power(r), "UP32": INTERPRETED}
        if mode == "w4a4":
            w4a4[tiles, how["SPLIT"]](x, smooth, down, codes, scales, la, m, k, x.stride(0), pairs, **given, **how)
        else:
            most = torch.empty(how["SPLIT"], m, device=x.device)
            looked[tiles, how["SPLIT"]](x, smooth, down, most, la, m, k, x.stride(0), pairs, **given, **how)
            coded[tiles, pairs](x, smooth, most, codes, scales, m, k, x.stride(0), pairs, BM=how["BM"], SPLIT=how["SPLIT"],
                                num_warps=how["num_warps"])
    return codes, scales, la[0] if how["SPLIT"] == 1 else la.sum(0)
