"""Lab 06: exact attention without its matrix: the online softmax.

Milakov and Gimelshein 2018; Dao et al. 2022, FlashAttention, algorithm 1.
"""
import math

import torch

from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import STORED, drawn, lost, never_written, ran, stored, tiles, traffic

VALUES, LARGE, BYTES = "softmax(q k^T scale) v", "with large scores, too", "keys and values are read once a tile of queries"
BM, BN, SCALE = 16, 32, 0.2                 # which is not 1 / sqrt(D)


def cases(rng):
    out = []
    for i, (n, wide) in enumerate(((32, 64), (75, 64), (5, 16), (96, 64), (integer(rng, 65, 95), 64))):
        q, k, v = (drawn(rng, n, wide) for _ in range(3))
        if i > 2:                   # scores of hundreds, rows that have none above -500, and rows whose scores are small
            q, k[:, 0] = 60 * q, 1 + k[:, 0].abs() / 4
            q[2::5] /= 60
            q[1::5] = torch.tensor([-2600.0] + [0.0] * (wide - 1))
        out.append({"q": q, "k": k, "v": v, "scale": SCALE})
    return out


def run(impl, case):
    n, wide = case["q"].shape
    return ran(impl, tiles((n,), (BM,)), {key: case[key] for key in "qkv"}, {"out": (torch.float32, n, wide)}, n, case["scale"],
               D=wide, BM=BM, BN=BN)


def parts(scores, v):
    """(scores, values) of each tile of keys."""
    return list(zip(scores.split(BN, 1), v.split(BN)))


def walked(scores, v, keep=lambda old, new: (old - new).exp(), sums=True, values_too=True, all_of_it=False, dtype=torch.float64):
    """The online softmax in float64, with what may go wrong in it; scores (N, keys), v (keys, D)."""
    most = torch.full((len(scores),), -torch.inf, dtype=torch.float64)
    total, acc = torch.zeros_like(most), torch.zeros(len(scores), v.shape[1], dtype=torch.float64)
    for s, values in parts(scores, v):
        new = torch.maximum(most, s.amax(1))
        old, p = keep(most, new), (s - new[:, None]).exp()
        total = total * (old if sums else 1) + p.sum(1)
        more = p.to(dtype).double() @ values.to(dtype).double()
        acc, most = (acc + more) * old[:, None] if all_of_it else acc * (old[:, None] if values_too else 1) + more, new
    return acc / total[:, None]


def verify(case, out):
    q, k, v, scale, got = (*(case[key].double() for key in "qkv"), case["scale"], out["out"])
    gate = stored({"out": got}, out["moved"])
    if not gate.readable:
        return [gate]
    large = case["q"].abs().max() > 50
    name = LARGE if large else VALUES
    gate = gate._replace(passed=True, observed="as expected") if large else gate          # NaN here is told by the row
    scores, (n, wide) = q @ k.T * scale, q.shape
    right, over = scores.softmax(1) @ v, -n % BN
    padded = lambda fill: torch.cat([scores, torch.full((n, over), fill, dtype=torch.float64)], 1)
    more = torch.cat([v, torch.zeros(over, wide, dtype=torch.float64)])
    raw = lambda s: s.float().exp()
    first, last, full, count = scores[:, :BN], (n - 1) // BN * BN, n // BN * BN, -(-n // BM)
    fewer = out["moved"]["loaded"]["k"] < 4 * n * wide * count
    summed = lambda: sum(raw(s) @ values.float() for s, values in parts(scores, v))
    alone = lambda: summed() / sum(raw(s).sum(1, keepdim=True) for s, _ in parts(scores, v))
    zero = lambda: scores.amax(1, keepdim=True).clamp(min=0)
    from_zero = lambda: (raw(scores - zero()) @ v.float()) / raw(scores - zero()).sum(1, keepdim=True)
    tiles_max = lambda: sum(((s - s.amax(1, keepdim=True)).exp() @ values) for s, values in parts(scores, v)) / sum(
        (s - s.amax(1, keepdim=True)).exp().sum(1, keepdim=True) for s, _ in parts(scores, v))
    row = close(name, got, right, {
        "exp runs over: the largest score so far is to be taken off first": alone,
        "keys beyond the edge count here, with a score of 0: make it -infinity": lambda: padded(0.0).softmax(1) @ more,
        "one key beyond the edge counts, with a score of 0: n < N": lambda: (
            padded(0.0)[:, :n + 1].softmax(1) @ more[:n + 1] if over else right),
        "the scale is missing": lambda: (scores / scale).softmax(1) @ v,
        "divided by the scale: it multiplies": lambda: (scores / scale**2).softmax(1) @ v,
        "the scale counts twice": lambda: (scores * scale).softmax(1) @ v,
        "what was summed before is not scaled down when a larger score comes: exp(old - new)": lambda: walked(
            scores, v, lambda old, new: torch.ones_like(old)),
        "the sum is scaled down and the values are not: both by exp(old - new)": lambda: walked(scores, v, values_too=False),
        "the values are scaled down and the sum is not: both by exp(old - new)": lambda: walked(scores, v, sums=False),
        "the new values are scaled down, too: only what was summed before": lambda: walked(scores, v, all_of_it=True),
        "weights and values are rounded to 16 bits here: multiply them as they are": lambda: walked(
            scores, v, dtype=torch.float16),
        "2^x is not e^x: tl.exp, or scores times log2(e)": lambda: (scores * math.log(2)).softmax(1) @ v,
        "not divided by the sum of the weights": lambda: walked(scores, v) * (
            scores - scores.amax(1, keepdim=True)).exp().sum(1, keepdim=True),
        "not divided by the sum of the weights, and no maximum taken off": summed,
        "scores of 0 beyond the edge count in the maximum: mask before tl.max": lambda: from_zero() if over else right,
        "1 / sqrt(D), and not the scale that is given": lambda: (scores / scale * wide**-0.5).softmax(1) @ v,
        "divided by the number of tokens: the sum of the weights belongs there": lambda: (
            scores - scores.amax(1, keepdim=True)).exp() @ v / n,
        "each query sees the keys before it alone: it sees all": lambda: scores.masked_fill(
            torch.ones(n, n).triu(1).bool(), -torch.inf).softmax(1) @ v,
        "the largest so far begins too high, so that rows of large negative scores vanish: begin at -infinity": from_zero,
        "each tile's own maximum, and nothing is scaled to the next": tiles_max,
        "the first tile of keys alone": lambda: first.softmax(1) @ v[:BN],
        "the last, ragged tile of keys is missing": lambda: (
            right if not fewer else scores[:, :full].softmax(1) @ v[:full] if full else right * torch.nan),
        "the last tile of keys alone": lambda: scores[:, last:].softmax(1) @ v[last:],
        "a softmax for each tile, added up: one sum for all keys": lambda: sum(
            s.softmax(1) @ values for s, values in parts(scores, v)),
        "no softmax: these are the scores times the values": lambda: scores @ v,
        "rows of `out` were never written": lambda: right.where(got.isfinite(), torch.nan)
        if never_written(out, "out") else right}, 2e-4)
    moved, least = out["moved"], 4 * n * wide * (2 + 2 * count)
    total = sum(moved["loaded"].values()) + sum(moved["stored"].values())
    why = "a load without `other`, a maximum that is -infinity still, or exp that runs over: no exponent here is above 0"
    return [gate, lost(row, got, why), traffic(BYTES, total, least, 1.0, {
        "the keys are read twice, once for the maximum: the online softmax needs them once": least + 4 * n * wide * count,
        "the queries are read once a tile of keys: before the loop is enough": least + 4 * n * wide * (-(-n // BN) - 1)})]


EXERCISES = (Exercise("06-attention", "Attention in tiles", {STORED: 0, VALUES: 3, LARGE: 2, BYTES: 1}, cases, run, verify),)
