"""Answers to 06-dot: right ones, and wrong ones with the causes that a report may name for them."""
from effml_lab.efficiency.tiles import tl

EXERCISE = "06-dot"


def product(a, b, out, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), tl.int32)
    for start in range(0, K, BK):
        k = start + tl.arange(0, BK)
        x = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0)
        w = tl.load(b + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0)
        acc = tl.dot(x, w, acc, out_dtype=tl.int32)
    tl.store(out + m[:, None] * N + n[None, :], acc, mask=(m[:, None] < M) & (n[None, :] < N))


def turned(a, b, out, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    acc = tl.zeros((BM, BN), tl.int32)
    for i in range(tl.cdiv(K, BK)):
        left = K - i * BK
        x = tl.load(a + m[:, None] * K + (i * BK + k)[None, :], mask=(m[:, None] < M) & (k[None, :] < left), other=0)
        w = tl.load(b + n[:, None] * K + (i * BK + k)[None, :], mask=(n[:, None] < N) & (k[None, :] < left), other=0)
        acc += tl.dot(x, tl.trans(w))
    tl.store(out + m[:, None] * N + n[None, :], acc, mask=(m[:, None] < M) & (n[None, :] < N))


def masks_alone(a, b, out, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows, cols, k = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN), tl.arange(0, BK)
    ok_m, ok_n = rows < M, cols < N
    total = tl.full((BM, BN), 0, tl.int32)
    for start in range(0, K, BK):
        ok = start + k < K
        x = tl.load(a + rows[:, None] * K + start + k[None, :], mask=ok_m[:, None] & ok[None, :], other=0)
        w = tl.load(b + cols[None, :] * K + start + k[:, None], mask=ok_n[None, :] & ok[:, None], other=0)
        total = total + tl.dot(x, w, out_dtype=tl.int32)
    tl.store(out + rows[:, None] * N + cols[None, :], total, mask=ok_m[:, None] & ok_n[None, :])


def adding(dtype=tl.int32, step=lambda acc, x, w: tl.dot(x, w, acc, out_dtype=tl.int32), steps="all", rows_of_b=True, other=0,
           mask_k=True,
           mask_m=True,
           mask_out=True, through_memory=False, cast=lambda t: t, apart_a="K", swap=False,
           store_each=False, modulo=False, stuck=False, turned=False):
    def kernel(a, b, out, M, N, K, BM, BN, BK):
        first, second = (1, 0) if swap else (0, 1)
        m, n = tl.program_id(first) * BM + tl.arange(0, BM), tl.program_id(second) * BN + tl.arange(0, BN)
        at = n[None, :] * M + m[:, None] if turned else m[:, None] * N + n[None, :]
        place, here = out + at, (m[:, None] < M) & (n[None, :] < N)
        acc = tl.zeros((BM, BN), dtype)
        if through_memory:
            tl.store(place, acc, mask=here)
        for start in {"all": range(0, K, BK), "whole": range(0, K // BK * BK, BK), "first": range(0, BK, BK),
                      "later": range(BK, K, BK)}[steps]:
            k = (0 if stuck else start) + tl.arange(0, BK)
            in_a = m[:, None] < M if not mask_k else k[None, :] < K if not mask_m else (m[:, None] < M) & (k[None, :] < K)
            if modulo:
                x = tl.load(a + (m % M)[:, None] * K + k[None, :], mask=k[None, :] < K, other=0)
                w = tl.load(b + (n % N)[None, :] * K + k[:, None], mask=k[:, None] < K, other=0)
                acc = step(acc, x, w)
                continue
            x = tl.load(a + m[:, None] * (K if apart_a == "K" else M) + k[None, :], mask=in_a, other=other)
            at = n[None, :] * K + k[:, None] if rows_of_b else k[:, None] * N + n[None, :]
            w = tl.load(b + at, mask=(n[None, :] < N) & (k[:, None] < K) if mask_k else n[None, :] < N, other=other)
            acc = step(tl.load(place, mask=here, other=0) if through_memory else acc, cast(x), cast(w))
            if through_memory or store_each and start + BK < K:
                tl.store(place, acc, mask=here)
        if not through_memory:
            tl.store(place, acc, mask=here if mask_out else None)
    return kernel


RIGHT = [product, turned, masks_alone, adding()]
WRONG = [
    (adding(dtype=tl.float32, step=lambda acc, x, w: tl.dot(x.to(tl.float16), w.to(tl.float16), acc)), ["float32 lose"]),
    (adding(step=lambda acc, x, w: tl.dot(x, w, acc, out_dtype=tl.int32), store_each=True), ["written once a tile"]),
    (adding(modulo=True), ["m % M"]), (adding(stuck=True), ["first tile of K every time"]),
    (adding(step=lambda acc, x, w: tl.dot(x, w)), ["last tile of K alone"]),
    (adding(steps="first"), ["first tile of K alone"]), (adding(steps="whole"), ["ragged tile of K"]),
    (adding(step=lambda acc, x, w: acc + tl.dot(x, w, acc, out_dtype=tl.int32)), ["added twice"]),
    (adding(rows_of_b=False), ["reads it as (K, N)"]),
    (adding(dtype=tl.int8, step=lambda acc, x, w: (acc + tl.dot(x, w)).to(tl.int8)), ["sums in 8 bits"]),
    (adding(dtype=tl.int16, step=lambda acc, x, w: (acc + tl.dot(x, w)).to(tl.int16)), ["sums in 16 bits"]),
    (adding(step=lambda acc, x, w: tl.dot(x, w, acc)), []),
    (adding(dtype=tl.float32, step=lambda acc, x, w: tl.dot(x, w, acc)), []),
    (adding(dtype=tl.float16, step=lambda acc, x, w: acc + tl.dot(x, w).to(tl.float16)), ["float16"]),
    (adding(other=None), ["not 0"]), (adding(mask_k=False), []), (adding(mask_m=False), []), (adding(mask_out=False), []),
    (adding(through_memory=True), ["through memory"]), (adding(step=lambda acc, x, w: acc + x * w), []),
    (adding(apart_a="M"), ["begins at m * K"]), (adding(turned=True), ["writes it as (N, M)"]),
    (adding(steps="later"), ["first tile of K is missing"]), (adding(swap=True), ["never"]),
    (adding(step=lambda acc, x, w: tl.dot(w, x, acc, out_dtype=tl.int32)), []), (adding(step=lambda acc, x, w: acc), []),
    (adding(step=lambda acc, x, w: tl.maximum(acc, tl.dot(x, w))), []), (adding(other=1), []),
    (adding(step=lambda acc, x, w: acc - tl.dot(x, w)), [])]
