"""Lab 06: a product of codes, tile by tile, and the whole layer: scales and branch before the sums leave the registers.

The order is that of kernels/gemm_up.py (Li et al. 2025, section 4.3): y = (sum of whole products) s t + la up^T.
"""
import torch

from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import POISON, STORED, codes, drawn, lost, never_written, ran, stored, tiles, traffic

SUMS, TILED = "whole sums of products", "each tile of a and b is read once a program, out is written once"
LAYER, BYTES = "codes, scales and branch", "what a program needs is read once"
BLOCK = {"BM": 16, "BN": 32, "BK": 64}
RANK = 16
HALF = "sums in float16 lose the last digits, or run over: whole numbers add up in int32"
SHAPES = ((16, 32, 128), (21, 40, 150), (5, 33, 100))               # M, N, K


def cases(rng):
    large = {name: 126 + codes(rng, rows, 2080, most=1).abs() for name, rows in (("a", 3), ("b", 5))}      # sums beyond 2^24
    return [{"a": codes(rng, m, k), "b": codes(rng, n, k)} for m, n, k in (*SHAPES, (20, integer(rng, 34, 60), 200))] + [large]


def run(impl, case):
    (m, k), n = case["a"].shape, len(case["b"])
    return ran(impl, tiles((m, n), (BLOCK["BM"], BLOCK["BN"])), {"a": case["a"], "b": case["b"]}, {"out": (torch.int32, m, n)},
               m, n, k, **BLOCK)


def product_slips(a, b):
    """What goes wrong with sums of products of codes, in float64: cause -> value."""
    n, k, x, w = len(b), a.shape[1], a.double(), b.double()
    wrapped = lambda t, bits: (t + 2.0 ** (bits - 1)).remainder(2.0**bits) - 2.0 ** (bits - 1)
    last, full = (k - 1) // BLOCK["BK"] * BLOCK["BK"], k // BLOCK["BK"] * BLOCK["BK"]
    lines = b.flatten().double()
    turned = lambda: x @ torch.stack([lines[(torch.arange(k) * n + i) % len(lines)] for i in range(n)], 1)
    steps = [x[:, i:i + BLOCK["BK"]] @ w[:, i:i + BLOCK["BK"]].T for i in range(0, k, BLOCK["BK"])]
    return {
        "the last tile of K alone: add up over all of them": lambda: x[:, last:] @ w[:, last:].T,
        "the first tile of K alone: add up over all of them": lambda: x[:, :BLOCK["BK"]] @ w[:, :BLOCK["BK"]].T,
        "the last, ragged tile of K is missing": lambda: x[:, :full] @ w[:, :full].T,
        "each tile of K is added twice: tl.dot(a, b, acc) adds to acc already": lambda: wrapped(_doubled(steps), 32),
        "the first tile of K every time: add where it begins": lambda: len(steps) * steps[0],
        "tiles of K overlap: the i-th begins at i * BK": lambda: sum(
            x[:, i:i + BLOCK["BK"]] @ w[:, i:i + BLOCK["BK"]].T for i in range(len(steps))),
        "row n of b begins at n * K, its numbers lie one after the other: this reads it as (K, N)": turned,
        "sums in 8 bits run over: whole numbers add up in int32": lambda: wrapped(x @ w.T, 8),
        "sums in 16 bits run over: whole numbers add up in int32": lambda: wrapped(x @ w.T, 16),
        "what lies beyond the edge was not 0: load it with other=0": lambda: _unmasked(x, w, k)}


def _doubled(steps):
    total = torch.zeros_like(steps[0])
    for step in steps:
        total = total + (total + step)
    return total


def _unmasked(x, w, k):
    over = -k % BLOCK["BK"]
    return x @ w.T + over * 77.0 * 77.0


def in_half(a, b):
    """Sums kept in float16, tile by tile."""
    x, w, step = a.double(), b.double(), BLOCK["BK"]
    total = torch.zeros(len(a), len(b), dtype=torch.float16)
    for i in range(0, a.shape[1], step):
        total = total + (x[:, i:i + step] @ w[:, i:i + step].T).half()
    return total


def in_floats(a, b):
    """Sums kept in float32, tile by tile."""
    total, step = torch.zeros(len(a), len(b)), BLOCK["BK"]
    for i in range(0, a.shape[1], step):
        total = total + a[:, i:i + step].float() @ b[:, i:i + step].float().T
    return total.to(torch.int32).double()


def verify(case, out):
    a, b, got = case["a"], case["b"], out["out"]
    gate = stored({"out": got}, out["moved"])
    if not gate.readable:
        return [gate]
    right = a.double() @ b.double().T
    row = close(SUMS, got, right, product_slips(a, b) | {
        HALF: lambda: in_half(a, b).to(torch.int32).double(),
        "sums in float32 lose the last digits beyond 16 million: whole numbers add up in int32": lambda: in_floats(a, b),
        "places of `out` were never written": lambda: right.where(got != POISON[torch.int32], float(POISON[torch.int32]))
        if never_written(out, "out") else right}, 0)
    height, width = tiles(tuple(got.shape), (BLOCK["BM"], BLOCK["BN"]))
    least = a.numel() * width + b.numel() * height + 4 * got.numel()
    moved = out["moved"]
    total = moved["loaded"]["a"] + moved["loaded"]["b"] + moved["stored"]["out"] + moved["loaded"]["out"]
    turns = -(-a.shape[1] // BLOCK["BK"])
    return [gate, row, traffic(TILED, total, least, 1.0, {
        "the sums go through memory, once a tile of K: keep them in a tile until the end": least + 8 * got.numel() * (turns - 1),
        "out is written once a tile of K: once is enough, after the loop": least + 4 * got.numel() * (turns - 1),
        "rows beyond the edge are read again (m % M): mask them instead": (
            height * width * (BLOCK["BM"] + BLOCK["BN"]) * a.shape[1] + 4 * got.numel()),
        "the sums go through memory, from the zeros on: keep them in a tile until the end": least + 8 * got.numel() * turns})]


def layer_cases(rng):
    out = []
    for m, n, k in (*SHAPES, (20, integer(rng, 34, 60), 130)):
        out.append({"a": codes(rng, m, k), "s": (0.5 + drawn(rng, m).abs()) / 127, "b": codes(rng, n, k, most=7),
                    "t": (0.5 + drawn(rng, n).abs()) / 7, "la": 3 * drawn(rng, m, RANK), "up": drawn(rng, n, RANK)})
    return out


def layer_run(impl, case):
    (m, k), n = case["a"].shape, len(case["b"])
    return ran(impl, tiles((m, n), (BLOCK["BM"], BLOCK["BN"])), dict(case), {"out": (torch.float32, m, n)}, m, n, k, RANK=RANK,
               **BLOCK)


def layer_verify(case, out):
    a, s, b, t, la, up = (part if part.dtype == torch.int8 else part.double() for part in case.values())
    got = out["out"]
    gate = stored({"out": got}, out["moved"])
    if not gate.readable:
        return [gate]
    total, branch = a.double() @ b.double().T, la @ up.T
    s, t = s[:, None], t[None, :]
    right = total * s * t + branch
    tables = {said: lambda value=value: value() * s * t + branch for said, value in product_slips(a, b).items()
              if "sums in 8" not in said}
    wide = lambda v, like: v.flatten()[torch.arange(like) % v.numel()]
    row = close(LAYER, got, right, tables | {
        "the branch is added before the scales: they belong to the codes alone": lambda: (total + branch) * s * t,
        "the branch is scaled by s: la is made of x itself": lambda: total * s * t + branch * s,
        "the branch is scaled by t: `up` is no code": lambda: total * s * t + branch * t,
        "the scales of the rows, s, are missing": lambda: total * t + branch,
        "the scales of the columns, t, are missing": lambda: total * s + branch,
        "both scales are missing": lambda: total + branch, "the branch is missing": lambda: total * s * t,
        "the branch alone": lambda: branch, "divided by the scales: a code counts one scale": lambda: total / (s * t) + branch,
        "s and t are added: they are multiplied": lambda: total * (s + t) + branch,
        "the branch is taken off: add it": lambda: total * s * t - branch,
        "the scale of a row is that of its column here: s[:, None] and t[None, :]": lambda: (
            total * wide(s, right.shape[1])[None, :] * wide(t, right.shape[0])[:, None] + branch),
        "the codes count twice: tl.dot(a, b, y) adds to y already": lambda: 2 * total * s * t + branch,
        "row n of up begins at n * RANK: this reads it as (RANK, N)": lambda: total * s * t + la @ up.flatten().view(RANK, -1),
        "the branch is added once a tile of K: once is enough, at the end": lambda: total * s * t + branch * (
            -(-a.shape[1] // BLOCK["BK"])),
        HALF: lambda: in_half(a, b).double() * s * t + branch,
        "la and up are rounded to 16 bits here: multiply them as they are": lambda: (
            total * s * t + la.half().double() @ up.half().double().T),
        "places of `out` were never written": lambda: right.where(got.isfinite(), torch.nan)
        if never_written(out, "out") else right}, 1e-4)
    height, width = tiles(tuple(got.shape), (BLOCK["BM"], BLOCK["BN"]))
    least = (a.numel() + 4 * s.numel() + 4 * la.numel()) * width + (b.numel() + 4 * t.numel() + 4 * up.numel()) * height
    least += 4 * got.numel()
    moved = sum(out["moved"]["loaded"].values()) + out["moved"]["stored"]["out"]
    turns = -(-a.shape[1] // BLOCK["BK"])
    scales = 4 * s.numel() * width + 4 * t.numel() * height
    factors = 4 * la.numel() * width + 4 * up.numel() * height
    return [gate, lost(row, got), traffic(BYTES, moved, least, 1.0, {
        "scales are read once a tile of K: once is enough, after the loop": least + (turns - 1) * scales,
        "la and up are read once a tile of K: once is enough, after the loop": least + (turns - 1) * factors,
        "scales, la and up are read once a tile of K: once is enough, after the loop": least + (turns - 1) * (scales + factors),
        "out is read back: add the branch before it is stored": least + 4 * got.numel(),
        "out is written twice: add the branch before it is stored": least + 8 * got.numel()})]


EXERCISES: tuple[Exercise, ...] = (
    Exercise("06-dot", "A product in tiles", {STORED: 0, SUMS: 3, TILED: 1}, cases, run, verify),
    Exercise("06-layer", "Scales and branch in the same kernel", {STORED: 0, LAYER: 3, BYTES: 1}, layer_cases, layer_run,
             layer_verify))
