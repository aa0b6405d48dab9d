"""Lab 06: a scale for each row, and its codes (dynamic quantization, one scale a token)."""
import torch

from ...contract.exercise import Exercise, Property, close
from ..common import integer
from .bed import STORED, drawn, never_written, ran, stored, tiles, traffic

SCALE, CODES, BYTES = "the scale of each row", "the codes, with your own scales", "x is read at most twice"
BM, BK = 4, 16


def cases(rng):
    shapes = [(5, 37), (1, 16), (9, 70), (6, integer(rng, 17, 60))]
    out = []
    for rows, k in shapes:
        x = drawn(rng, rows, k) * torch.exp(drawn(rng, rows, 1))
        x[0, -1] = -3 * x[0].abs().max()                    # the largest lies in the last, ragged tile, and is below 0
        out.append({"x": x})
    return out


def run(impl, case):
    m, k = case["x"].shape
    return ran(impl, tiles((m,), (BM,)), {"x": case["x"]}, {"codes": (torch.int8, m, k), "scales": (torch.float32, m)}, m, k,
               BM=BM, BK=BK)


def verify(case, out):
    x, q, scale = case["x"], out["codes"], out["scales"]
    k, gate = x.shape[1], stored(out["codes"], out["scales"])
    if not gate.passed:
        return [gate]
    most, last = x.abs().amax(1), (k - 1) // BK * BK
    right = close(SCALE, scale, most / 127, {
        "the largest |x| of the row is not divided by 127 yet": lambda: most,
        "upside down: a code counts max |x| / 127": lambda: 127 / most,
        "divided by 128: the largest code is 127": lambda: most / 128,
        "divided by 7, the largest code of 4 bits: these have 8": lambda: most / 7,
        "divided by 255, all steps: half of them lie below 0": lambda: most / 255,
        "the greatest number, not the greatest |x|: tl.abs first": lambda: x.amax(1) / 127,
        "the last, ragged tile of a row is missing: cover all of K": lambda: x[:, :k // BK * BK].abs().amax(1) / 127
        if k >= BK else most,
        "of the last tile of the row alone: keep the largest so far": lambda: x[:, last:].abs().amax(1) / 127,
        "of the first tile of the row alone: go through all of them": lambda: x[:, :BK].abs().amax(1) / 127,
        "one scale for all rows of the tile: each row has its own": lambda: torch.cat(
            [part.max().expand(len(part)) for part in most.split(BM)]) / 127,
        "the sum of |x|: the largest is asked for": lambda: x.abs().sum(1) / 127,
        "the sum of the tiles' maxima: their maximum is asked for": lambda: sum(
            part.abs().amax(1) for part in x.split(BK, 1)) / 127,
        "scales of some rows were never written": lambda: (most / 127).where(scale.isfinite(), torch.nan)
        if never_written(scale) else most / 127}, 1e-5)
    moved = out["moved"]["loaded"]["x"]
    return [gate, right, coded(x, q, scale), traffic(BYTES, moved, 4 * x.numel(), 2.0, {
        "x is read three times: for the scale, and once for the codes": 12 * x.numel()})]


def coded(x, q, scale):
    """Codes that follow from somebody's own scales; a tie may go either way."""
    ratio = (x / scale[:, None]).double()
    if not ratio.isfinite().all():
        return Property(CODES, False, "a scale is 0, infinite or was never written", "whole numbers")
    got, exact = q.double(), ratio.clamp(-127, 127)
    if bool(((got - exact).abs() <= 0.5 + 1e-3).all()):
        return Property(CODES, True, "as expected")
    wrapped = lambda value: value.to(torch.int64).to(torch.int8).double()
    so_far = torch.cat([part.abs().amax(1, keepdim=True) for part in x.split(BK, 1)], 1).cummax(1).values.double() / 127
    so_far = so_far.repeat_interleave(BK, 1)[:, :x.shape[1]]
    return close(CODES, got, exact.round() + 0.0, {
        "cut off: `.to(tl.int8)` drops what is behind the point; round first": lambda: wrapped(ratio.trunc()),
        "rounded down: add a half before tl.floor": lambda: wrapped(ratio.floor()),
        "rounded up: the nearest is asked for": lambda: wrapped(ratio.ceil()),
        "a half too much below 0: tl.floor(v + 0.5) rounds there, too; `.to(tl.int8)` alone cuts towards 0": lambda: wrapped(
            (ratio + 0.5).trunc()),
        "x is multiplied by its scale: divide": lambda: wrapped(torch.floor(x.double() * scale[:, None].double() + 0.5)),
        "x itself, and no scale": lambda: wrapped(torch.floor(x.double() + 0.5)),
        "made with the largest so far: the scale of a row is known only at its end": lambda: torch.floor(
            x.double() / so_far + 0.5),
        "codes of some places were never written": lambda: torch.where(q == 77, 77.0, exact.round())
        if never_written(q) else exact}, 1e-6)


EXERCISES = (Exercise("06-rows", "A scale a row, and codes", {STORED: 0, SCALE: 2, CODES: 2, BYTES: 1}, cases, run, verify),)
