"""Kernel 2: 4-bit weights times quantized inputs, then the branch and the bias before the result leaves the registers.

w4a4, faithful: every group of 64 has its own scale on both sides, so each partial sum of 64 whole products is turned
into a float and scaled, on the ordinary cores, while the tensor cores wait: correct everywhere, slow where tensor cores
are fast. w4a8, fast: code times multiplier is a whole number of 8 bits again, so all K products add up as whole numbers
and scales enter once, at the end. There the tile is computed transposed, W (BN, 64) x A^T (64, BM): unpacked weights go
to the tensor cores straight from registers.
Both unpack a byte into one element of each of two groups; nothing is shuffled. In w4a4 both sides are unpacked to sixteen
times their value, which saves the sign extension, and 1 / 256 is multiplied back. The branch is added by one more product
into the accumulator, in TF32: la may exceed what 16 bits hold.
References: Lin et al. 2024, QServe, section 4 (two levels). Left out: split-K, TMA.
"""
import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import quant
from .launch import INTERPRETED, config, contiguous, covered, power

HALF: tl.constexpr = tl.constexpr(64)


@triton.jit
def sixteenfold(byte, ASM: tl.constexpr):
    """The two signed nibbles of a byte, each times 16, as int8: low, high."""
    if ASM:         # four bytes at once
        return tl.inline_asm_elementwise("""{
            .reg .b32 up;
            shl.b32 up, $2, 4;
            and.b32 $0, up, 0xf0f0f0f0;
            and.b32 $1, $2, 0xf0f0f0f0;
        }""", "=r,=r,r", [byte], dtype=(tl.int8, tl.int8), is_pure=True, pack=4)
    return (byte << 4).to(tl.int8, bitcast=True), (byte & 0xF0).to(tl.int8, bitcast=True)


@triton.jit
def multiplied(byte, m, ASM: tl.constexpr):
    """(nibble - 8) m for both nibbles of a byte, as int8; m is 1 to 16, so the result fits."""
    # Four bytes at once: nibble m + (128 - 8 m) stays within a byte, and flipping its top bit subtracts 128. All four take
    # the m of the first: they lie along K, as tensor cores are fed (ahead.py looks whether that is so).
    if ASM:
        return tl.inline_asm_elementwise("""{
            .reg .b32 one, off, lo, hi;
            and.b32 one, $3, 0xff;
            mad.lo.u32 off, one, 0xfffffff8, 128;
            mul.lo.u32 off, off, 0x01010101;
            and.b32 lo, $2, 0x0f0f0f0f;
            shr.b32 hi, $2, 4;
            and.b32 hi, hi, 0x0f0f0f0f;
            mad.lo.u32 lo, lo, one, off;
            mad.lo.u32 hi, hi, one, off;
            xor.b32 $0, lo, 0x80808080;
            xor.b32 $1, hi, 0x80808080;
        }""", "=r,=r,r,r", [byte, m], dtype=(tl.int8, tl.int8), is_pure=True, pack=4)
    low, high = (byte & 15).to(tl.int16) - 8, (byte >> 4).to(tl.int16) - 8
    wide = m.to(tl.int16)
    return (low * wide).to(tl.int8), (high * wide).to(tl.int8)


@triton.jit
def place(M, N, BM: tl.constexpr, BN: tl.constexpr, GROUP_M: tl.constexpr):
    """Rows and columns of this program's tile; programs that share weights run near each other."""
    pid, many, wide = tl.program_id(0), tl.cdiv(M, BM), tl.cdiv(N, BN)
    band = pid // (GROUP_M * wide) * GROUP_M
    height = tl.minimum(many - band, GROUP_M)
    inside = pid % (GROUP_M * wide)
    return (band + inside % height) * BM + tl.arange(0, BM), inside // height * BN + tl.arange(0, BN)


@triton.jit
def w4a4(a, a_scale, w, w_scale, la, up, bias, out, M, N, pairs, R: tl.constexpr, RP: tl.constexpr, BIAS: tl.constexpr,
         BM: tl.constexpr, BN: tl.constexpr, GROUP_M: tl.constexpr, ASM: tl.constexpr):
    rows, cols = place(M, N, BM, BN, GROUP_M)
    half, real, kept = tl.arange(0, HALF), rows < M, cols < N
    a_at = a + rows[:, None].to(tl.int64) * (pairs * HALF) + half[None, :]                          # (BM, 64)
    w_at = w + cols[None, :].to(tl.int64) * (pairs * HALF) + half[:, None]                          # (64, BN)
    acc = tl.zeros((BM, BN), tl.float32)
    for pair in range(pairs):
        a_low, a_high = sixteenfold(tl.load(a_at + pair * HALF, mask=real[:, None], other=0), ASM)
        w_low, w_high = sixteenfold(tl.load(w_at + pair * HALF, mask=kept[None, :], other=0), ASM)
        for plane in tl.static_range(2):
            group = 2 * pair + plane
            s = tl.load(a_scale + group * M + rows, mask=real, other=0.0).to(tl.float32)
            t = tl.load(w_scale + group * N + cols, mask=kept, other=0.0).to(tl.float32)
            part = tl.dot(a_low, w_low) if plane == 0 else tl.dot(a_high, w_high)
            acc += (part.to(tl.float32) * s[:, None]) * t[None, :]
    acc *= 1 / 256
    ranks = tl.arange(0, RP)
    if R > 0:
        l = tl.load(la + rows[:, None] * R + ranks[None, :], mask=real[:, None] & (ranks[None, :] < R), other=0.0)
        u = tl.load(up + cols[None, :] * R + ranks[:, None], mask=kept[None, :] & (ranks[:, None] < R), other=0.0)
        acc = tl.dot(l, u.to(tl.float32), acc, input_precision="tf32")
    if BIAS:
        acc += tl.load(bias + cols, mask=kept, other=0.0).to(tl.float32)[None, :]
    tl.store(out + rows[:, None].to(tl.int64) * N + cols[None, :], acc.to(out.dtype.element_ty),
             mask=real[:, None] & kept[None, :])


@triton.jit
def w4a8(a, a_scale, w, w_scale, multiplier, la, up, bias, out, M, N, pairs, R: tl.constexpr, RP: tl.constexpr,
         BIAS: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, GROUP_M: tl.constexpr, ASM: tl.constexpr):
    rows, cols = place(M, N, BM, BN, GROUP_M)
    half, real, kept = tl.arange(0, HALF), rows < M, cols < N
    a_at = a + rows[None, :].to(tl.int64) * (pairs * 2 * HALF) + half[:, None]                      # (64, BM)
    w_at = w + cols[:, None].to(tl.int64) * (pairs * HALF) + half[None, :]                          # (BN, 64)
    total = tl.zeros((BN, BM), tl.int32)
    for pair in range(pairs):
        byte = tl.load(w_at + pair * HALF, mask=kept[:, None], other=0)
        for plane in tl.static_range(2):
            m = tl.load(multiplier + (2 * pair + plane) * N + cols, mask=kept, other=1)
            low, high = multiplied(byte, m[:, None].broadcast_to(BN, HALF), ASM)
            inputs = tl.load(a_at + (2 * pair + plane) * HALF, mask=real[None, :], other=0)
            total = tl.dot(low if plane == 0 else high, inputs, total, out_dtype=tl.int32)
    s = tl.load(a_scale + rows, mask=real, other=0.0).to(tl.float32)
    t = tl.load(w_scale + cols, mask=kept, other=0.0).to(tl.float32)
    acc, ranks = total.to(tl.float32) * (t[:, None] * s[None, :]), tl.arange(0, RP)
    if R > 0:
        u = tl.load(up + cols[:, None] * R + ranks[None, :], mask=kept[:, None] & (ranks[None, :] < R), other=0.0)
        l = tl.load(la + rows[None, :] * R + ranks[:, None], mask=real[None, :] & (ranks[:, None] < R), other=0.0)
        acc = tl.dot(u.to(tl.float32), l, acc, input_precision="tf32")
    if BIAS:
        acc += tl.load(bias + cols, mask=kept, other=0.0).to(tl.float32)[:, None]
    tl.store(out + rows[None, :].to(tl.int64) * N + cols[:, None], acc.to(out.dtype.element_ty),
             mask=real[None, :] & kept[:, None])


def reference(codes: Tensor, scales: Tensor, la: Tensor, weights: tuple[Tensor, Tensor, Tensor | None], up: Tensor,
              bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """What the kernel computes, in the precision of `la`; two levels of weight scales mean w4a8."""
    packed, w_scale, multiplier = weights
    if multiplier is None:
        a, w = (quant.unpack(q).unflatten(1, (-1, 64)).to(la) * s.T[..., None]
                for q, s in ((codes, scales), (packed, w_scale)))
    else:
        a = codes.unflatten(1, (-1, 64)).to(la) * scales[:, None, None]
        w = quant.unpack(packed, 8).unflatten(1, (-1, 64)).to(la) * (multiplier * w_scale.to(la)).T[..., None]
    y = a.flatten(1) @ w.flatten(1).T + la @ up.to(la).T
    return (y if bias is None else y + bias.to(la)).to(dtype)


def gemm_up(codes: Tensor, scales: Tensor, la: Tensor, weights: tuple[Tensor, Tensor, Tensor | None], up: Tensor,
            bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The layer's output (M, N) from what `quantize_down` made of its inputs.

    weights: packed codes (N, K / 2); scales (K / 64, N), or (1, N) in w4a8, with multipliers (K / 64, N). up: (N, R),
    la (M, R), bias (N,).
    """
    covered(dtype, codes.device)
    packed, w_scale, multiplier, codes, scales, la, up, bias = contiguous(*weights, codes, scales, la, up, bias)
    (m, n), r, pairs = (len(codes), len(packed)), up.shape[1], packed.shape[1] // 64
    out = torch.empty(m, n, dtype=dtype, device=codes.device)
    if m:
        mode = "w4a4" if multiplier is None else "w4a8"
        how = config(codes.device, f"gemm_{mode}", m)
        grid = (triton.cdiv(m, how["BM"]) * triton.cdiv(n, how["BN"]),)
        given = {"R": r, "RP": power(r), "BIAS": bias is not None, "ASM": not INTERPRETED, **how}
        if mode == "w4a4":
            w4a4[grid](codes, scales, packed, w_scale, la, up, bias, out, m, n, pairs, **given)
        else:
            w4a8[grid](codes, scales, packed, w_scale, multiplier, la, up, bias, out, m, n, pairs, **given)
    return out
