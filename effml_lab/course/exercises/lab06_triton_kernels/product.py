"""Lab 06: a product of codes, tile by tile."""
import torch

from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import POISON, STORED, codes, never_written, ran, stored, tiles, traffic

SUMS, TILED = "whole sums of products", "each tile of a and b is read once a program, out is written once"
BLOCK = {"BM": 16, "BN": 32, "BK": 64}
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
    lines, lines_of_a = b.flatten().double(), a.flatten()
    turned = lambda: x @ torch.stack([lines[(torch.arange(k) * n + i) % len(lines)] for i in range(n)], 1)
    steps = [x[:, i:i + BLOCK["BK"]] @ w[:, i:i + BLOCK["BK"]].T for i in range(0, k, BLOCK["BK"])]
    return {
        "the last tile of K alone: add up over all of them": lambda: x[:, last:] @ w[:, last:].T,
        "the first tile of K alone: add up over all of them": lambda: x[:, :BLOCK["BK"]] @ w[:, :BLOCK["BK"]].T,
        "the last, ragged tile of K is missing": lambda: x[:, :full] @ w[:, :full].T,
        "each tile of K is added twice: tl.dot(a, b, acc) adds to acc already": lambda: wrapped(_doubled(steps), 32),
        "the first tile of K is missing": lambda: x[:, BLOCK["BK"]:] @ w[:, BLOCK["BK"]:].T,
        "row m of a begins at m * K, and at m * M here": lambda: lines_of_a[
            torch.arange(len(a))[:, None] * len(a) + torch.arange(k)].double() @ w.T if len(a) <= k else x @ w.T,
        "row m of out begins at m * N: this writes it as (N, M)": lambda: (x @ w.T).T.flatten().view(len(a), n),
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


EXERCISES = (Exercise("06-dot", "A product in tiles", {STORED: 0, SUMS: 3, TILED: 1}, cases, run, verify),)
