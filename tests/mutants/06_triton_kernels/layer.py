"""Answers to 06-layer: right ones, and wrong ones with the causes that a report may name for them."""
from effml_lab.efficiency.tiles import tl

EXERCISE = "06-layer"


def layer(a, s, b, t, la, up, out, M, N, K, RANK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), tl.int32)
    for start in range(0, K, BK):
        k = start + tl.arange(0, BK)
        x = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0)
        w = tl.load(b + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0)
        acc = tl.dot(x, w, acc, out_dtype=tl.int32)
    r = tl.arange(0, RANK)
    rows = tl.load(s + m, mask=m < M, other=0.0)
    cols = tl.load(t + n, mask=n < N, other=0.0)
    left = tl.load(la + m[:, None] * RANK + r[None, :], mask=m[:, None] < M, other=0.0)
    right = tl.load(up + n[None, :] * RANK + r[:, None], mask=n[None, :] < N, other=0.0)
    y = tl.dot(left, right, acc.to(tl.float32) * rows[:, None] * cols[None, :])
    tl.store(out + m[:, None] * N + n[None, :], y, mask=(m[:, None] < M) & (n[None, :] < N))


def branch_first(a, s, b, t, la, up, out, M, N, K, RANK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m, n, r = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN), tl.arange(0, RANK)
    left = tl.load(la + m[:, None] * RANK + r[None, :], mask=m[:, None] < M, other=0.0)
    branch = tl.dot(left, tl.trans(tl.load(up + n[:, None] * RANK + r[None, :], mask=n[:, None] < N, other=0.0)))
    total = tl.zeros((BM, BN), tl.int32)
    for i in range(tl.cdiv(K, BK)):
        k = i * BK + tl.arange(0, BK)
        x = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0)
        w = tl.load(b + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0)
        total += tl.dot(x, w)
    both = tl.load(s + m, mask=m < M, other=1.0)[:, None] * tl.load(t + n, mask=n < N, other=1.0)[None, :]
    tl.store(out + m[:, None] * N + n[None, :], branch + total.to(tl.float32) * both, mask=(m[:, None] < M) & (n[None, :] < N))


def finished(end=lambda acc, s, t, branch: acc * s[:, None] * t[None, :] + branch, each=None, reads="once", back=False,
             rank_a="RANK",
             half=False, dtype=tl.int32, by_rows=True):
    def kernel(a, s, b, t, la, up, out, M, N, K, RANK, BM, BN, BK):
        m, n, r = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN), tl.arange(0, RANK)
        scales = lambda: (tl.load(s + m, mask=m < M, other=0.0), tl.load(t + n, mask=n < N, other=0.0))
        factors = lambda: (tl.load(la + m[:, None] * RANK + r[None, :], mask=m[:, None] < M, other=0.0),
                           tl.load(up + (n[None, :] * RANK + r[:, None] if by_rows else r[:, None] * N + n[None, :]),
                                   mask=n[None, :] < N, other=0.0))
        acc = tl.zeros((BM, BN), dtype if each is None else tl.float32)
        for start in range(0, K, BK):
            k = start + tl.arange(0, BK)
            x = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0)
            w = tl.load(b + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0)
            if each is None:
                acc = tl.dot(x, w, acc, out_dtype=tl.int32) if dtype == tl.int32 else acc + tl.dot(x, w).to(dtype)
            else:
                rows, cols = scales()
                acc = each(acc, tl.dot(x, w).to(tl.float32), rows, cols, factors if reads == "all" else None)
        rows, cols = scales() if each is None else (None, None)
        left, right = factors() if reads == "once" else (None, None)
        if half:
            left, right = left.to(tl.float16).to(tl.float32), right.to(tl.float16).to(tl.float32)
        branch = tl.dot(left, right) if reads == "once" else 0.0
        place, here = out + m[:, None] * N + n[None, :], (m[:, None] < M) & (n[None, :] < N)
        if back:
            tl.store(place, acc.to(tl.float32) * rows[:, None] * cols[None, :], mask=here)
            tl.store(place, tl.load(place, mask=here) + branch, mask=here)
        else:
            tl.store(place, end(acc.to(tl.float32), rows, cols, branch), mask=here)
    return kernel


def in_each(acc, part, s, t, factors):
    left, right = factors()
    return acc + part * s[:, None] * t[None, :] + tl.dot(left, right)


def in_numbers(a, s, b, t, la, up, out, M, N, K, RANK, BM, BN, BK, ranks=None, promoted=False):
    """Codes are turned into numbers first, and multiplied then; or the sums of each tile are."""
    m, n, r = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN), tl.arange(0, ranks or RANK)
    rows, cols = tl.load(s + m, mask=m < M, other=0.0)[:, None], tl.load(t + n, mask=n < N, other=0.0)[None, :]
    total = tl.zeros((BM, BN), tl.float32)
    for start in range(0, K, BK):
        k = start + tl.arange(0, BK)
        x = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0)
        w = tl.load(b + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0)
        if promoted:
            total += tl.dot(x, w).to(tl.float32) * rows * cols
        else:
            total = tl.dot(x.to(tl.float32) * rows, w.to(tl.float32) * cols, total)
    left = tl.load(la + m[:, None] * RANK + r[None, :], mask=m[:, None] < M, other=0.0)
    right = tl.load(up + n[None, :] * RANK + r[:, None], mask=n[None, :] < N, other=0.0)
    tl.store(out + m[:, None] * N + n[None, :], tl.dot(left, right, total), mask=(m[:, None] < M) & (n[None, :] < N))


def promoted(a, s, b, t, la, up, out, M, N, K, RANK, BM, BN, BK):
    in_numbers(a, s, b, t, la, up, out, M, N, K, RANK, BM, BN, BK, promoted=True)


def sixteen(a, s, b, t, la, up, out, M, N, K, RANK, BM, BN, BK):
    in_numbers(a, s, b, t, la, up, out, M, N, K, RANK, BM, BN, BK, ranks=16)


RIGHT = [layer, branch_first, finished()]
WRONG = [
    (finished(lambda acc, s, t, y: (acc + y) * s[:, None] * t[None, :]), ["before the scales"]),
    (finished(lambda acc, s, t, y: (acc * t[None, :] + y) * s[:, None]), ["scaled by s"]),
    (finished(lambda acc, s, t, y: (acc * s[:, None] + y) * t[None, :]), ["scaled by t"]),
    (finished(lambda acc, s, t, y: acc * t[None, :] + y), ["of the rows, s"]),
    (finished(lambda acc, s, t, y: acc * s[:, None] + y), ["columns, t"]),
    (finished(lambda acc, s, t, y: acc + y), ["both scales"]),
    (finished(lambda acc, s, t, y: acc * s[:, None] * t[None, :]), ["branch is missing"]),
    (finished(lambda acc, s, t, y: y), ["branch alone"]),
    (finished(lambda acc, s, t, y: acc / (s[:, None] * t[None, :]) + y), ["divided by"]),
    (finished(lambda acc, s, t, y: acc * (s[:, None] + t[None, :]) + y), ["are added"]),
    (finished(lambda acc, s, t, y: acc * s[:, None] * t[None, :] - y), ["taken off"]),
    (finished(lambda acc, s, t, y: acc * s[None, :] * t[:, None] + y), []),
    (finished(each=lambda acc, part, s, t, f: acc + part * s[:, None] * t[None, :], end=lambda acc, s, t, y: acc + y),
     ["scales are read once a tile", "sums in floats"]),
    (finished(each=in_each, reads="all", end=lambda acc, s, t, y: acc), ["once a tile of K: once is enough", "sums in floats"]),
    (finished(back=True), ["out is written twice"]), (finished(by_rows=False), ["(RANK, N)"]),
    (finished(dtype=tl.float16), ["float16"]), (finished(half=True), ["16 bits"]),
    (finished(lambda acc, s, t, y: 2 * acc * s[:, None] * t[None, :] + y), ["count twice"]),
    (in_numbers, ["sums in floats"]), (promoted, ["sums in floats"]), (sixteen, ["sums in floats", "16 columns"]),
    (finished(lambda acc, s, t, y: 0 * acc), []), (finished(lambda acc, s, t, y: acc * s[:, None] * t[None, :] * y), []),
    (finished(lambda acc, s, t, y: (acc * s[:, None] * t[None, :]).to(tl.int32).to(tl.float32) + y), [])]
