"""Answers to 06-fused: right ones, and wrong ones with the causes that a report may name for them."""
from effml_lab.efficiency.tiles import tl

EXERCISE = "06-fused"


def quantize_down(x, down, codes, scales, la, M, K, RANK: tl.constexpr, BM: tl.constexpr):
    m, r = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, RANK)
    total = tl.zeros((BM, RANK), tl.float32)
    for group in range(K // 64):
        k = group * 64 + tl.arange(0, 64)
        tile = tl.load(x + m[:, None] * K + k[None, :], mask=m[:, None] < M, other=0.0)
        total = tl.dot(tile, tl.load(down + r[None, :] * K + k[:, None]), total)
        scale = tl.max(tl.abs(tile), 1) / 7
        q = tl.floor(tile / scale[:, None] + 0.5).to(tl.int8)
        tl.store(scales + m * (K // 64) + group, scale, mask=m < M)
        tl.store(codes + m[:, None] * K + k[None, :], q, mask=m[:, None] < M)
    tl.store(la + m[:, None] * RANK + r[None, :], total, mask=m[:, None] < M)


def turned(x, down, codes, scales, la, M, K, RANK: tl.constexpr, BM: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    r, k, ok = tl.arange(0, RANK), tl.arange(0, 64), m < M
    total = tl.zeros((BM, RANK), tl.float32)
    for start in range(0, K, 64):
        v = tl.load(x + m[:, None] * K + start + k[None, :], mask=ok[:, None], other=0.0)
        d = tl.load(down + r[:, None] * K + start + k[None, :])
        total += tl.dot(v, tl.trans(d))
        top = tl.maximum(tl.max(v, 1), -tl.min(v, 1)) / 7.0
        v = v / top[:, None]
        tl.store(codes + m[:, None] * K + start + k[None, :], ((v + 12582912.0) - 12582912.0).to(tl.int8), mask=ok[:, None])
        tl.store(scales + m * (K // 64) + start // 64, top, mask=ok)
    tl.store(la + m[:, None] * RANK + r[None, :], total, mask=ok[:, None])


def fusing(top=7.0, absolute=True, down_of="x", code=lambda v: tl.floor(v + 0.5), apply=lambda t, s: t / s, again=0,
           rows=True, keep=True,
           groups="all", by_rows=True, shared=False, so_far=False, project=True, scaled=lambda most, top: most / top,
               masked=True, la_each=False, ranks=None,
           half=False):
    def kernel(x, down, codes, scales, la, M, K, RANK, BM):
        m, r = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, ranks or RANK)
        total, most = tl.zeros((BM, ranks or RANK), tl.float32), tl.zeros((BM,), tl.float32)
        for group in {"all": range(K // 64), "first": range(1)}[groups]:
            k = group * 64 + tl.arange(0, 64)
            read = lambda: tl.load(x + m[:, None] * K + k[None, :], mask=m[:, None] < M if masked else None, other=0.0)
            tile = read()
            for _ in range(again):
                tile = read()
            each = tl.max(tl.abs(tile) if absolute else tile, 1)
            most = tl.maximum(most, each) if so_far else each
            if shared:
                most = tl.max(most, 0) + tl.zeros((BM,), tl.float32)
            scale = scaled(most, top)
            q = code(apply(tile, scale[:, None])).to(tl.int8)
            given = {"x": tile, "codes": q.to(tl.float32), "rounded": q.to(tl.float32) * scale[:, None],
                "divided": tile / scale[:, None], "left": tile - q.to(tl.float32) * scale[:, None]}[down_of]
            d = tl.load(down + (r[None, :] * K + k[:, None] if by_rows else k[:, None] * RANK + r[None, :]))
            given, d = (given.to(tl.float16), d.to(tl.float16)) if half else (given, d)
            total = tl.dot(given, d, total if keep else None)
            tl.store(scales + (m * (K // 64) + group if rows else group * M + m), scale, mask=m < M)
            tl.store(codes + m[:, None] * K + k[None, :], q, mask=m[:, None] < M)
            if la_each and group + 1 < K // 64:
                tl.store(la + m[:, None] * RANK + r[None, :], total, mask=m[:, None] < M)
        if project:
            tl.store(la + m[:, None] * RANK + r[None, :], total, mask=m[:, None] < M)
    return kernel


def a_scale_a_row(x, down, codes, scales, la, M, K, RANK, BM):
    m, r = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, RANK)
    most, total = tl.zeros((BM,), tl.float32), tl.zeros((BM, RANK), tl.float32)
    for turn in range(2):
        for group in range(K // 64):
            k = group * 64 + tl.arange(0, 64)
            tile = tl.load(x + m[:, None] * K + k[None, :], mask=m[:, None] < M, other=0.0)
            if turn == 0:
                most = tl.maximum(most, tl.max(tl.abs(tile), 1))
                total = tl.dot(tile, tl.load(down + r[None, :] * K + k[:, None]), total)
            else:
                tl.store(codes + m[:, None] * K + k[None, :], tl.floor(tile / (most / 7)[:, None] + 0.5).to(tl.int8),
                    mask=m[:, None] < M)
                tl.store(scales + m * (K // 64) + group, most / 7, mask=m < M)
    tl.store(la + m[:, None] * RANK + r[None, :], total, mask=m[:, None] < M)


RIGHT = [quantize_down, turned, fusing()]
WRONG = [
    (fusing(top=8.0), ["divided by 8"]), (fusing(top=127.0), ["divided by 127"]), (fusing(top=15.0), ["divided by 15"]),
    (fusing(scaled=lambda most, top: most), ["not divided by 7"]),
    (fusing(scaled=lambda most, top: top / most), ["upside down"]), (fusing(absolute=False), ["not the greatest |x|"]),
    (fusing(shared=True), ["for all rows"]), (fusing(so_far=True), ["groups so far"]), (fusing(code=lambda v: v), ["cut off"]),
    (fusing(code=tl.floor), ["rounded down"]), (fusing(code=lambda v: v + 0.5), ["a half too much"]),
    (fusing(apply=lambda t, s: t * s), ["multiplied"]), (fusing(down_of="codes"), ["of the codes"]),
    (fusing(down_of="rounded"), ["rounded x"]), (fusing(down_of="divided"), ["divided by its scales"]),
    (fusing(down_of="left"), ["leave over"]), (fusing(half=True), ["16 bits"]), (fusing(ranks=16), ["never"]),
    (fusing(keep=False), ["last group alone"]), (fusing(groups="first"), ["first group alone", "never"]),
    (fusing(by_rows=False), ["row by row, (R, K)"]), (fusing(rows=False), ["row by row, (M, K / 64)"]),
    (fusing(again=1), ["read twice"]), (fusing(again=2), ["three times"]), (fusing(project=False), []),
    (fusing(la_each=True), ["once a group"]), (fusing(masked=False), []), (a_scale_a_row, ["one scale a row", "read twice"])]
