"""Answers to 06-attention: right ones, and wrong ones with the causes that a report may name for them."""
from effml_lab.efficiency.tiles import tl

EXERCISE = "06-attention"


def attention(q, k, v, out, N, scale, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    m, d = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, D)
    asked = tl.load(q + m[:, None] * D + d[None, :], mask=m[:, None] < N, other=0.0)
    most, total = tl.full((BM,), -float("inf"), tl.float32), tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, D), tl.float32)
    for start in range(0, N, BN):
        n = start + tl.arange(0, BN)
        keys = tl.load(k + n[None, :] * D + d[:, None], mask=n[None, :] < N, other=0.0)
        score = tl.where(n[None, :] < N, tl.dot(asked, keys) * scale, -float("inf"))
        new = tl.maximum(most, tl.max(score, 1))
        p, old = tl.exp(score - new[:, None]), tl.exp(most - new)
        total = total * old + tl.sum(p, 1)
        values = tl.load(v + n[:, None] * D + d[None, :], mask=n[:, None] < N, other=0.0)
        acc, most = tl.dot(p, values, acc * old[:, None]), new
    tl.store(out + m[:, None] * D + d[None, :], acc / total[:, None], mask=m[:, None] < N)


def base_two(q, k, v, out, N, scale, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    m, d = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, D)
    rows = m[:, None] < N
    asked = tl.load(q + m[:, None] * D + d[None, :], mask=rows, other=0.0) * (scale * 1.4426950408889634)
    most, total = tl.full((BM,), -1e30, tl.float32), tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, D), tl.float32)
    for i in range(tl.cdiv(N, BN)):
        n = i * BN + tl.arange(0, BN)
        keys = tl.load(k + n[:, None] * D + d[None, :], mask=n[:, None] < N, other=0.0)
        score = tl.where(n[None, :] < N, tl.dot(asked, tl.trans(keys)), -1e30)
        new = tl.maximum(most, tl.max(score, 1))
        old, p = tl.exp2(most - new), tl.exp2(score - new[:, None])
        acc = acc * old[:, None] + tl.dot(p, tl.load(v + n[:, None] * D + d[None, :], mask=n[:, None] < N, other=0.0))
        total, most = total * old + tl.sum(p, 1), new
    tl.store(out + m[:, None] * D + d[None, :], acc / total[:, None], mask=rows)


def normalized(q, k, v, out, N, scale, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    m, d = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, D)
    asked = tl.load(q + m[:, None] * D + d[None, :], mask=m[:, None] < N, other=0.0)
    most, total = tl.full((BM,), -1e30, tl.float32), tl.full((BM,), 0.0, tl.float32)
    y = tl.zeros((BM, D), tl.float32)
    for start in range(0, N, BN):
        n = start + tl.arange(0, BN)
        keys = tl.load(k + n[None, :] * D + d[:, None], mask=n[None, :] < N, other=0.0)
        score = tl.dot(asked, keys) * scale + tl.where(n < N, 0.0, -1e30)[None, :]
        new = tl.maximum(most, tl.max(score, 1))
        p = tl.exp(score - new[:, None])
        before = total * tl.exp(most - new)
        total = before + tl.sum(p, 1)
        values = tl.load(v + n[:, None] * D + d[None, :], mask=n[:, None] < N, other=0.0)
        y = (y * before[:, None] + tl.dot(p, values)) / total[:, None]
        most = new
    tl.store(out + m[:, None] * D + d[None, :], y, mask=m[:, None] < N)


def attending(shift=True, old=lambda most, new: tl.exp(most - new), sums=True, values_too=True, scale_by=lambda s,
              scale: s * scale,
              edge=-float("inf"), divide=True, tiles="all", query_in_loop=False, twice=False, softmax_each=False,
                  masked=True, own=False,
              first=-float("inf"), masked_late=False, other=0.0, power=tl.exp, more=0, hasty=False, half=False):
    def kernel(q, k, v, out, N, scale, D, BM, BN):
        m, d = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, D)
        ask = lambda: tl.load(q + m[:, None] * D + d[None, :], mask=m[:, None] < N, other=0.0)
        read = lambda n: tl.load(k + n[None, :] * D + d[:, None], mask=n[None, :] < N if masked else None, other=0.0)
        asked = ask()
        most, total = tl.full((BM,), first, tl.float32), tl.zeros((BM,), tl.float32)
        acc = tl.zeros((BM, D), tl.float32)
        for start in {"all": range(0, N, BN), "first": range(0, BN, BN), "last": range((N - 1) // BN * BN, N, BN),
                      "whole": range(0, N // BN * BN, BN)}[tiles]:
            n = start + tl.arange(0, BN)
            asked = ask() if query_in_loop and start else asked
            keys = read(n)
            if twice:
                keys = read(n)
            score = scale_by(tl.dot(asked, keys), scale)
            score = score if edge is None or masked_late else tl.where(n[None, :] < N + more, score, edge)
            new = tl.max(score, 1) if own else tl.maximum(most, tl.max(score, 1))
            p = power(score - new[:, None]) if shift else tl.exp(score)
            p = tl.where(n[None, :] < N, p, 0.0) if masked_late else p
            down = old(most, new) if shift and not own else tl.full((BM,), 1.0, tl.float32)
            values = tl.load(v + n[:, None] * D + d[None, :], mask=n[:, None] < N if masked else None, other=other)
            p, values = (p.to(tl.float16), values.to(tl.float16)) if half else (p, values)
            if softmax_each:
                acc += tl.dot(p / tl.sum(p, 1)[:, None], values)
            else:
                total = (total * down if sums else total) + tl.sum(p.to(tl.float32), 1)
                before = acc
                acc = (acc * down[:, None] if values_too else acc) + tl.dot(p, values)
                acc = tl.dot(p, values, before) * down[:, None] if hasty else acc
            most = new
        tl.store(out + m[:, None] * D + d[None, :], acc / total[:, None] if divide and not softmax_each else acc, mask=m[:,
            None] < N)
    return kernel


RIGHT = [attention, base_two, normalized, attending()]
WRONG = [
    (attending(shift=False), ["runs over"]), (attending(edge=None), ["beyond the edge"]),
    (attending(edge=0.0), ["beyond the edge"]), (attending(scale_by=lambda s, scale: s), ["scale is missing"]),
    (attending(scale_by=lambda s, scale: s / scale), ["divided by the scale"]),
    (attending(scale_by=lambda s, scale: s * scale * scale), ["counts twice"]),
    (attending(old=lambda most, new: tl.full((16,), 1.0, tl.float32)), ["not scaled down"]),
    (attending(scale_by=lambda s, scale: s / 8), ["1 / sqrt(D)"]), (attending(masked_late=True), []),
    (attending(other=None), []), (attending(sums=False), ["the sum is not"]),
    (attending(values_too=False), ["the values are not"]), (attending(old=lambda most, new: tl.exp(new - most)), []),
    (attending(divide=False), ["not divided by the sum"]), (attending(own=True), ["own maximum"]),
    (attending(tiles="first"), ["first tile"]), (attending(tiles="last"), ["last tile"]),
    (attending(softmax_each=True), ["for each tile"]), (attending(query_in_loop=True), ["queries are read"]),
    (attending(twice=True), ["read twice"]), (attending(masked=False), []),
    (attending(power=tl.exp2, old=lambda most, new: tl.exp2(most - new)), ["2^x is not e^x"]),
    (attending(more=1), ["one key beyond"]), (attending(tiles="whole"), ["ragged tile of keys"]),
    (attending(hasty=True), ["new values are scaled down"]), (attending(half=True), ["16 bits"]),
    (attending(first=-100.0), ["begins too high"]),
    (attending(shift=False, divide=False), ["no maximum taken off"]), (attending(first=0.0), ["begins too high"])]
