"""Lab 06: the whole layer: scales and branch before the sums leave the registers.

The order is that of kernels/gemm_up.py (Li et al. 2025, section 4.3): y = (sum of whole products) s t + la up^T.
"""
import torch

from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import STORED, codes, drawn, lost, never_written, ran, shortened, stored, tiles, traffic
from .product import BLOCK, HALF, SHAPES, in_half, product_slips

LAYER, EXACT, BYTES = "codes, scales and branch", "sums that grow beyond 2^24, too", "what a program needs is read once"
FLOATS = "sums in floats lose the last digits: whole numbers add up in int32, and scales come after the loop"


def cases(rng):
    out = []
    for (m, n, k), rank in zip((*SHAPES, (20, integer(rng, 34, 60), 130)), (16, 16, 16, 32)):
        out.append({"a": codes(rng, m, k), "s": (0.5 + drawn(rng, m).abs()) / 127, "b": codes(rng, n, k, most=7),
                    "t": (0.5 + drawn(rng, n).abs()) / 7, "la": 3 * drawn(rng, m, rank), "up": drawn(rng, n, rank)})
    return out + [cancelling(rng, 3, 5)]


def cancelling(rng, m, n):
    """Sums that grow beyond 2^24 and come back to a few hundreds, exact in whole numbers alone; with no scales and no branch."""
    a, b = (126 + codes(rng, rows, 2080, most=1).abs() for rows in (m, n))
    again = a.clone()
    again[:, -3:] -= codes(rng, m, 3, most=1).abs()
    return {"a": torch.cat([a, again], 1), "s": torch.ones(m), "b": torch.cat([b, -b], 1), "t": torch.ones(n),
            "la": torch.zeros(m, 16), "up": torch.zeros(n, 16)}


def run(impl, case):
    (m, k), n = case["a"].shape, len(case["b"])
    return ran(impl, tiles((m, n), (BLOCK["BM"], BLOCK["BN"])), dict(case), {"out": (torch.float32, m, n)}, m, n, k,
               RANK=case["la"].shape[1], **BLOCK)


def exact(got, right, slips, size):
    """The row of sums that no float holds; size: of all products together."""
    row = close(EXACT, got, right, slips, 1e-4)
    rounded = not row.passed and ((got - right).abs() <= 2e-6 * size).all()
    return row._replace(causes=(*row.causes, FLOATS)) if rounded else row


def verify(case, out):
    a, s, b, t, la, up = (part if part.dtype == torch.int8 else part.double() for part in case.values())
    got = out["out"]
    gate = stored({"out": got}, out["moved"])
    if not gate.readable:
        return [gate]
    total, branch = a.double() @ b.double().T, la @ up.T
    s, t = s[:, None], t[None, :]
    right = total * s * t + branch
    tables = {said: lambda value=value: value() * s * t + branch for said, value in product_slips(a, b).items()
              if "sums in 8" not in said} | {HALF: lambda: in_half(a, b).double() * s * t + branch}
    wide = lambda v, like: v.flatten()[torch.arange(like) % v.numel()]
    short = {said: lambda value=value: total * s * t + value() for said, value in shortened(la, up, "la and up").items()}
    row = close(LAYER, got, right, tables | short | {
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
        "row n of up begins at n * RANK: this reads it as (RANK, N)": lambda: (
            total * s * t + la @ up.flatten().view(la.shape[1], -1)),
        "16 columns of la and up, and not RANK": lambda: total * s * t + la[:, :16] @ up[:, :16].T,
        "the branch is added once a tile of K: once is enough, at the end": lambda: total * s * t + branch * (
            -(-a.shape[1] // BLOCK["BK"])),
        "places of `out` were never written": lambda: right.where(got.isfinite(), torch.nan)
        if never_written(out, "out") else right}, 1e-4)
    if a.shape[1] > 2000:
        row, gate = exact(got, right, tables, a.double().abs() @ b.double().abs().T), gate._replace(passed=True)
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


EXERCISES = (Exercise("06-layer", "Scales and branch in the same kernel", {STORED: 0, LAYER: 3, EXACT: 1, BYTES: 1}, cases, run,
                      verify),)
