"""Answers to 06-rows: right ones, and wrong ones with the causes that a report may name for them."""
from effml_lab.efficiency.tiles import tl

EXERCISE = "06-rows"


def quantize_rows(x, codes, scales, M, K, BM: tl.constexpr, BK: tl.constexpr):
    r = tl.program_id(0) * BM + tl.arange(0, BM)
    most = tl.zeros((BM,), tl.float32)
    for start in range(0, K, BK):
        c = start + tl.arange(0, BK)
        tile = tl.load(x + r[:, None] * K + c[None, :], mask=(r[:, None] < M) & (c[None, :] < K), other=0.0)
        most = tl.maximum(most, tl.max(tl.abs(tile), 1))
    scale = most / 127
    tl.store(scales + r, scale, mask=r < M)
    for start in range(0, K, BK):
        c = start + tl.arange(0, BK)
        inside = (r[:, None] < M) & (c[None, :] < K)
        tile = tl.load(x + r[:, None] * K + c[None, :], mask=inside, other=0.0)
        q = tl.floor(tile / scale[:, None] + 0.5)
        tl.store(codes + r[:, None] * K + c[None, :], q.to(tl.int8), mask=inside)


def by_row(x, codes, scales, M, K, BM: tl.constexpr, BK: tl.constexpr):
    for i in range(BM):
        row = tl.program_id(0) * BM + i
        if row < M:
            most = tl.zeros((BK,), tl.float32)
            for start in range(0, K, BK):
                c = start + tl.arange(0, BK)
                most = tl.maximum(most, tl.abs(tl.load(x + row * K + c, mask=c < K, other=0.0)))
            scale = tl.max(most, 0) / 127.0
            tl.store(scales + row, scale)
            for start in range(0, K, BK):
                c = start + tl.arange(0, BK)
                v = tl.load(x + row * K + c, mask=c < K, other=0.0) / scale
                tl.store(codes + row * K + c, (v + tl.where(v < 0, -0.5, 0.5)).to(tl.int8), mask=c < K)


def magic(x, codes, scales, M, K, BM: tl.constexpr, BK: tl.constexpr):
    r, c = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, BK)
    low, high = tl.zeros((BM,), tl.float32), tl.zeros((BM,), tl.float32)
    for i in range(tl.cdiv(K, BK)):
        inside = (r[:, None] < M) & (i * BK + c[None, :] < K)
        tile = tl.load(x + r[:, None] * K + i * BK + c[None, :], mask=inside, other=0.0)
        low, high = tl.minimum(low, tl.min(tile, 1)), tl.maximum(high, tl.max(tile, 1))
    scale = tl.maximum(high, -low) * (1 / 127)
    for i in range(tl.cdiv(K, BK)):
        inside = (r[:, None] < M) & (i * BK + c[None, :] < K)
        tile = tl.load(x + r[:, None] * K + i * BK + c[None, :], mask=inside, other=0.0)
        q = (tile / scale[:, None] + 12582912.0) - 12582912.0
        tl.store(codes + r[:, None] * K + i * BK + c[None, :], q.to(tl.int8), mask=inside)
    tl.store(scales + r, scale, mask=r < M)


def quantizing(top=127.0, absolute=True, start=0.0, reduce="max", scaled=lambda most, top: most / top, all_rows=False,
               tiles="all",
               code=lambda v: tl.floor(v + 0.5), apply=lambda t, s: t / s, reads=2, fill=0.0, wide=None, keep=True,
                   mask_rows=True,
               store_scale=True):
    def kernel(x, codes, scales, M, K, BM, BK):
        r = tl.program_id(0) * BM + tl.arange(0, BM)
        apart = K if wide is None else wide
        most = tl.full((BM,), start, tl.float32)
        begin = {"all": range(0, K, BK), "first": range(0, BK, BK), "whole": range(0, K // BK * BK, BK)}[tiles]
        for _ in range(reads - 1):
            for at in begin:
                c = at + tl.arange(0, BK)
                inside = (r[:, None] < M) & (c[None, :] < K) if mask_rows else c[None, :] < K
                tile = tl.load(x + r[:, None] * apart + c[None, :], mask=inside, other=fill)
                size = tl.abs(tile) if absolute else tile
                each = tl.sum(size, 1) if reduce == "sum" else tl.max(size, 1)
                most = each if not keep else most + each if reduce in ("sum", "added") else tl.maximum(most, each)
        if all_rows:
            most = tl.max(most, 0) + tl.zeros((BM,), tl.float32)
        scale = scaled(most, top)
        if store_scale:
            tl.store(scales + r, scale, mask=r < M)
        for at in range(0, K, BK):
            c = at + tl.arange(0, BK)
            inside = (r[:, None] < M) & (c[None, :] < K)
            tile = tl.load(x + r[:, None] * K + c[None, :], mask=inside, other=0.0)
            tl.store(codes + r[:, None] * K + c[None, :], code(apply(tile, scale[:, None])).to(tl.int8), mask=inside)
    return kernel


def one_pass(x, codes, scales, M, K, BM, BK):
    r = tl.program_id(0) * BM + tl.arange(0, BM)
    most = tl.zeros((BM,), tl.float32)
    for at in range(0, K, BK):
        c = at + tl.arange(0, BK)
        inside = (r[:, None] < M) & (c[None, :] < K)
        tile = tl.load(x + r[:, None] * K + c[None, :], mask=inside, other=0.0)
        most = tl.maximum(most, tl.max(tl.abs(tile), 1))
        tl.store(codes + r[:, None] * K + c[None, :], tl.floor(tile / (most / 127)[:, None] + 0.5).to(tl.int8), mask=inside)
    tl.store(scales + r, most / 127, mask=r < M)


def along_columns(x, codes, scales, M, K, BM, BK):
    r, c = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, BK)
    tile = tl.load(x + r[:, None] * K + c[None, :], mask=(r[:, None] < M) & (c[None, :] < K), other=0.0)
    tl.store(scales + r, tl.max(tl.abs(tile), 0) / 127, mask=r < M)


def kept_in_a_list(x, codes, scales, M, K, BM, BK):
    r = tl.program_id(0) * BM + tl.arange(0, BM)
    most, kept = tl.zeros((BM,), tl.float32), []
    for at in range(0, K, BK):
        c = at + tl.arange(0, BK)
        tile = tl.load(x + r[:, None] * K + c[None, :], mask=(r[:, None] < M) & (c[None, :] < K), other=0.0)
        most = tl.maximum(most, tl.max(tl.abs(tile), 1))
        kept += [(tile, c)]
    tl.store(scales + r, most / 127, mask=r < M)
    for tile, c in kept:
        inside = (r[:, None] < M) & (c[None, :] < K)
        tl.store(codes + r[:, None] * K + c[None, :], tl.floor(tile / (most / 127)[:, None] + 0.5).to(tl.int8), mask=inside)


RIGHT = [quantize_rows, by_row, magic, quantizing()]
WRONG = [
    (quantizing(top=128.0), ["divided by 128"]), (quantizing(top=7.0), ["divided by 7"]),
    (quantizing(top=255.0), ["divided by 255"]), (quantizing(scaled=lambda most, top: most), ["not divided by 127"]),
    (quantizing(scaled=lambda most, top: top / most), ["upside down"]), (quantizing(absolute=False), ["not the greatest |x|"]),
    (quantizing(absolute=False, start=-1e30), ["not the greatest |x|"]), (quantizing(keep=False), ["last tile"]),
    (quantizing(tiles="first"), ["first tile"]), (quantizing(tiles="whole"), ["ragged tile of a row"]),
    (quantizing(all_rows=True), ["for all rows"]), (quantizing(reduce="sum"), ["sum of |x|"]),
    (quantizing(reduce="added"), ["their maximum"]), (quantizing(code=lambda v: v), ["cut off"]),
    (quantizing(code=tl.floor), ["rounded down"]), (quantizing(code=tl.ceil), ["rounded up"]),
    (quantizing(code=lambda v: v + 0.5), ["a half too much"]), (quantizing(apply=lambda t, s: t * s), ["multiplied"]),
    (quantizing(apply=lambda t, s: t), ["x itself"]), (quantizing(reads=3), ["three times"]), (quantizing(fill=None), []),
    (quantizing(store_scale=False), []), (quantizing(wide=8), []), (quantizing(mask_rows=False), []),
    (kept_in_a_list, []), (quantizing(scaled=lambda most, top: (most + 1e-3) / top), ["is added"]),
    (quantizing(start=1.0), ["no scale is below"]), (one_pass, ["largest so far"]), (along_columns, [])]
