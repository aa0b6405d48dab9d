"""Answers to 06-unpack: right ones, and wrong ones with the causes that a report may name for them."""
from effml_lab.efficiency.tiles import tl

EXERCISE = "06-unpack"


def unpack(packed, scales, out, N, K, BN: tl.constexpr):
    n, j, pair = tl.program_id(0) * BN + tl.arange(0, BN), tl.arange(0, 64), tl.program_id(1)
    here = n[:, None] < N
    byte = tl.load(packed + n[:, None] * (K // 2) + pair * 64 + j[None, :], mask=here, other=0).to(tl.int32)
    for half in tl.static_range(2):
        nibble = (byte >> (4 * half)) & 15
        code = tl.where(nibble > 7, nibble - 16, nibble)
        group = 2 * pair + half
        s = tl.load(scales + n * (K // 64) + group, mask=n < N, other=0.0)
        tl.store(out + n[:, None] * K + group * 64 + j[None, :], code.to(tl.float32) * s[:, None], mask=here)


def written_out(packed, scales, out, N, K, BN: tl.constexpr):
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    j = tl.arange(0, 64)
    g = 2 * tl.program_id(1)
    ok = n < N
    b = tl.load(packed + n[:, None] * (K // 2) + 32 * g + j[None, :], mask=ok[:, None], other=0).to(tl.int16)
    low, high = ((b & 15) ^ 8) - 8, ((b >> 4) ^ 8) - 8
    at = out + n[:, None] * K + g * 64 + j[None, :]
    tl.store(at, low.to(tl.float32) * tl.load(scales + n * (K // 64) + g, mask=ok, other=0.0)[:, None], mask=ok[:, None])
    tl.store(at + 64, high.to(tl.float32) * tl.load(scales + n * (K // 64) + g + 1, mask=ok, other=0.0)[:, None],
        mask=ok[:, None])


def shifted(packed, scales, out, N, K, BN: tl.constexpr):
    n, j, pair = tl.program_id(0) * BN + tl.arange(0, BN), tl.arange(0, 64), tl.program_id(1)
    b = tl.load(packed + n[:, None] * (K // 2) + pair * 64 + j[None, :], mask=n[:, None] < N, other=0)
    for half in range(2):
        code = (b // 16 if half else b % 16).to(tl.float32)
        code = code - 16 * (code > 7).to(tl.float32)
        s = tl.load(scales + n * (K // 64) + 2 * pair + half, mask=n < N, other=0.0)
        tl.store(out + n[:, None] * K + (2 * pair + half) * 64 + j[None, :], code * s[:, None], mask=n[:, None] < N)


def unpacking(sign=lambda v: tl.where(v > 7, v - 16, v), order=(0, 1), scale=lambda pair, half: 2 * pair + half, rows="by rows",
              apply=lambda c, s: c * s, place=lambda pair, half, j: (2 * pair + half) * 64 + j, wide=lambda K: K // 2,
                  halves=2, masked=True,
              twice=False, up=4, cast=tl.int32, kept=15):
    def kernel(packed, scales, out, N, K, BN):
        n, j, pair = tl.program_id(0) * BN + tl.arange(0, BN), tl.arange(0, 64), tl.program_id(1)
        here = n[:, None] < N
        read = lambda: tl.load(packed + n[:, None] * wide(K) + pair * 64 + j[None, :], mask=here if masked else None,
            other=0).to(cast)
        byte = read()
        for half in range(halves):
            byte = read() if twice and half else byte
            code = sign((byte >> (up * order[half])) & kept)
            at = n * (K // 64) + scale(pair, half) if rows == "by rows" else scale(pair, half) * N + n
            s = tl.load(scales + at, mask=n < N, other=0.0)
            tl.store(out + n[:, None] * K + place(pair, half, j)[None, :], apply(code.to(tl.float32), s[:, None]), mask=here)
    return kernel


def by_places(packed, scales, out, N, K, BN):
    n, c = tl.program_id(0) * BN + tl.arange(0, BN), tl.program_id(1) * 128 + tl.arange(0, 128)
    here = n[:, None] < N
    byte = tl.load(packed + n[:, None] * (K // 2) + (c // 2)[None, :], mask=here, other=0).to(tl.int32)
    q = (byte >> (4 * (c % 2))[None, :]) & 15
    q = tl.where(q > 7, q - 16, q)
    s = tl.load(scales + n[:, None] * (K // 64) + (c // 64)[None, :], mask=here, other=0.0)
    tl.store(out + n[:, None] * K + c[None, :], q.to(tl.float32) * s, mask=here)


def number_by_number(packed, scales, out, N, K, BN):
    pair = tl.program_id(1)
    for i in range(BN):
        n = tl.program_id(0) * BN + i
        for j in range(64 if n < N else 0):
            byte = tl.load(packed + n * (K // 2) + pair * 64 + j).to(tl.int32)
            for half in range(2):
                code = (((byte >> (4 * half)) & 15) ^ 8) - 8
                s = tl.load(scales + n * (K // 64) + 2 * pair + half)
                tl.store(out + n * K + (2 * pair + half) * 64 + j, code.to(tl.float32) * s)


def a_row_at_a_time(packed, scales, out, N, K, BN: tl.constexpr):
    j, pair = tl.arange(0, 64), tl.program_id(1)
    for i in range(BN):
        n = tl.program_id(0) * BN + i
        if n < N:
            byte = tl.load(packed + n * (K // 2) + pair * 64 + j).to(tl.int32)
            for half in tl.static_range(2):
                code = (((byte >> (4 * half)) & 15) ^ 8) - 8
                s = tl.load(scales + n * (K // 64) + 2 * pair + half)
                tl.store(out + n * K + (2 * pair + half) * 64 + j, code.to(tl.float32) * s)


RIGHT = [unpack, written_out, shifted, unpacking(), a_row_at_a_time]
WRONG = [
    (unpacking(cast=tl.uint8), ["in uint8"]), (unpacking(kept=255), ["still in the low one"]),
    (by_places, ["and not neighbours", "read twice"]), (unpacking(order=(1, 0)), ["exchanged: the low one"]),
    (unpacking(sign=lambda v: v), ["stand for -8"]), (unpacking(sign=lambda v: v - 8), ["taken off every"]),
    (unpacking(sign=lambda v: tl.where(v > 6, v - 16, v)), ["7 is none"]),
    (unpacking(sign=lambda v: tl.where(v > 8, v - 16, v)), ["8 stands for"]),
    (unpacking(sign=lambda v: tl.where(v > 7, v - 8, v)), ["8 less where"]),
    (unpacking(apply=lambda c, s: c), ["codes alone"]), (unpacking(scale=lambda pair, half: 2 * pair), ["the first one's"]),
    (unpacking(scale=lambda pair, half: 2 * pair + 1 - half), ["two groups are exchanged"]),
    (unpacking(scale=lambda pair, half: 0), ["whole row"]),
    (unpacking(scale=lambda pair, half: pair), ["group `pair` for both", "whole row"]),
    (unpacking(scale=lambda pair, half: pair + half), ["overlap"]),
    (unpacking(rows="by groups"), ["lie row by row"]), (unpacking(apply=lambda c, s: c / s), ["divided by the scales"]),
    (unpacking(place=lambda pair, half, j: pair * 128 + 2 * j + half), ["neighbours"]),
    (unpacking(place=lambda pair, half, j: pair * 64 + j), []), (unpacking(wide=lambda K: K), []),
    (unpacking(halves=1), ["never"]), (unpacking(masked=False), []), (unpacking(twice=True), ["read twice"]),
    (unpacking(sign=lambda v: tl.where(v > 7, 8 - v, v)), ["no sign alone"]),
    (unpacking(place=lambda pair, half, j: (2 * pair + 1 - half) * 64 + j), ["exchanged in `out`"]),
    (unpacking(up=0), ["low nibbles alone"]), (unpacking(up=3), []), (unpacking(sign=lambda v: -v), []),
    (number_by_number, []), (unpacking(apply=lambda c, s: c + s), []), (unpacking(apply=lambda c, s: 0 * c), [])]
