"""Lab 06: a scale for each row, and its codes (dynamic quantization, one scale a token)."""
import torch

from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import STORED, coded, drawn, lost, never_written, ran, scale_slips, stored, tiles, traffic

SCALE, CODES, BYTES = "the scale of each row", "the codes, with your own scales", "x is read at most twice"
BM, BK = 4, 16


def cases(rng):
    shapes = [(5, 37), (1, 16), (9, 70), (6, integer(rng, 17, 60))]
    out = []
    for rows, k in shapes:
        x = drawn(rng, rows, k) * torch.exp(drawn(rng, rows, 1))
        x[1::3] /= 1000                                     # quiet rows
        x[0, -1] = -3 * x[0].abs().max()                    # the largest lies in the last, ragged tile, and is below 0
        out.append({"x": x})
    return out


def run(impl, case):
    m, k = case["x"].shape
    return ran(impl, tiles((m,), (BM,)), {"x": case["x"]}, {"codes": (torch.int8, m, k), "scales": (torch.float32, m)}, m, k,
               BM=BM, BK=BK)


def verify(case, out):
    x, q, scale = case["x"], out["codes"], out["scales"]
    k, gate = x.shape[1], stored({"codes": q, "scales": scale}, out["moved"])
    if not gate.readable:
        return [gate]
    most, last, least = x.abs().amax(1), (k - 1) // BK * BK, scale.nan_to_num(0).min()
    right = close(SCALE, scale, most / 127, scale_slips(most, x.amax(1), 8, "row", BM) | {
        "the last, ragged tile of a row is missing: cover all of K": lambda: x[:, :k // BK * BK].abs().amax(1) / 127
        if k >= BK else most,
        "of the last tile of the row alone: keep the largest so far": lambda: x[:, last:].abs().amax(1) / 127,
        "of the first tile of the row alone: go through all of them": lambda: x[:, :BK].abs().amax(1) / 127,
        "the sum of |x|: the largest is asked for": lambda: x.abs().sum(1) / 127,
        "the sum of the tiles' maxima: their maximum is asked for": lambda: sum(
            part.abs().amax(1) for part in x.split(BK, 1)) / 127,
        "the smallest of the tiles' maxima: tl.maximum keeps the larger": lambda: torch.stack([
            part.abs().amax(1) for part in x.split(BK, 1)]).amin(0) / 127,
        "no scale is below the least that is seen: begin at 0, and compare with nothing but |x|": lambda: (
            (most / 127).clamp(min=least) if (most / 127 < least).any() and (most / 127 > 1.01 * least).any() else most / 127),
        "something is added to the largest |x|: no row is all zeros": lambda: (
            most / 127 + (scale - most / 127).nan_to_num(0).median()),
        "scales of some rows were never written": lambda: (most / 127).where(scale.isfinite(), torch.nan)
        if never_written(out, "scales") else most / 127}, 3e-7)
    moved = out["moved"]["loaded"]["x"]
    so_far = torch.cat([part.abs().amax(1, keepdim=True) for part in x.split(BK, 1)], 1).cummax(1).values.double() / 127
    wide = so_far.repeat_interleave(BK, 1)[:, :k]
    made = coded(CODES, x, out, scale[:, None].expand_as(x), 127, {
        "made with the largest so far: the scale of a row is known only at its end": lambda: torch.floor(
            x.double() / wide + 0.5)})
    return [gate, lost(right, scale), made, traffic(BYTES, moved, 4 * x.numel(), 2.0, {
        "x is read three times: for the scale, and once for the codes": 12 * x.numel()})]


EXERCISES = (Exercise("06-rows", "A scale a row, and codes", {STORED: 0, SCALE: 2, CODES: 2, BYTES: 1}, cases, run, verify),)
