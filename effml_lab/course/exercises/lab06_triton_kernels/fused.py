"""Lab 06: codes of the inputs and their projection to the branch, from one read of x (SVDQuant's first kernel)."""
import torch

from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import STORED, coded, drawn, lost, never_written, ran, scale_slips, shortened, stored, tiles, traffic

SCALE, CODES, DOWN, BYTES = ("the scale of each group", "the codes, with your own scales", "la, the branch's x down^T",
                             "x is read once, la is written once")
BM, GROUP = 16, 64


def cases(rng):
    out = []
    for m, groups, rank in ((16, 1, 16), (21, 2, 16), (5, 3, 16), (integer(rng, 17, 40), 2, 32)):
        x = drawn(rng, m, GROUP * groups) * torch.exp(drawn(rng, m, groups)).repeat_interleave(GROUP, 1)
        x[0, GROUP - 1] = -3 * x[0, :GROUP].abs().max()
        out.append({"x": x, "down": drawn(rng, rank, GROUP * groups) / 8})
    return out


def run(impl, case):
    (m, k), rank = case["x"].shape, len(case["down"])
    return ran(impl, tiles((m,), (BM,)), dict(case), {
        "codes": (torch.int8, m, k), "scales": (torch.float32, m, k // GROUP), "la": (torch.float32, m, rank)}, m, k,
        RANK=rank, BM=BM)


def verify(case, out):
    x, down, q, scale, la = case["x"], case["down"], out["codes"], out["scales"], out["la"]
    gate = stored({"codes": q, "scales": scale, "la": la}, out["moved"])
    if not gate.readable:
        return [gate]
    part = x.unflatten(1, (-1, GROUP))
    most = part.abs().amax(2)
    right = close(SCALE, scale, most / 7, scale_slips(most, part.amax(2), 4, "group", BM) | {
        "one scale a row: each group has its own": lambda: most.amax(1, keepdim=True).expand_as(most) / 7,
        "the largest of the groups so far: each group has its own": lambda: most.cummax(1).values / 7,
        "two groups share a scale: each 64 have their own": lambda: torch.cat([
            pair.amax(1, keepdim=True).expand_as(pair) for pair in most.split(2, 1)], 1) / 7,
        "groups overlap: group g begins at 64 * g": lambda: x.abs().unfold(1, GROUP, 1)[:, :most.shape[1]].amax(2) / 7,
        "scales lie row by row, (M, K / 64): row m begins at m * (K // 64)": lambda: (
            most / 7).T.flatten().view_as(most),
        "scales of some groups were never written": lambda: (most / 7).where(scale.isfinite(), torch.nan)
        if never_written(out, "scales") else most / 7}, 1e-6)
    exact = x.double() @ down.double().T
    back = lambda each: (q.double().unflatten(1, (-1, GROUP)) * each.double()[..., None]).flatten(1) @ down.double().T
    last = lambda t: t[:, -GROUP:].double()
    projected = close(DOWN, la, exact, shortened(x, down, "x and down") | {
        "of what the codes leave over: the branch reads x as it is": lambda: exact - back(scale),
        "of the codes: the branch reads x as it is": lambda: q.double() @ down.double().T,
        "of the rounded x: the branch reads x as it is": lambda: back(scale),
        "of x divided by its scales: the branch reads x as it is": lambda: (
            part.double() / scale.double()[..., None]).flatten(1) @ down.double().T,
        "of the last group alone: add up over all of them": lambda: last(x) @ last(down).T,
        "of the first group alone: add up over all of them": lambda: x[:, :GROUP].double() @ down[:, :GROUP].double().T,
        "down lies row by row, (R, K): row r begins at r * K": lambda: x.double() @ down.flatten().double().view(-1, len(down)),
        "la of some rows was never written": lambda: exact.where(la.isfinite(), torch.nan)
        if never_written(out, "la") else exact}, 1e-4)
    made = coded(CODES, x, out, scale.repeat_interleave(GROUP, 1), 7)
    moved, once, groups = out["moved"]["loaded"]["x"] + out["moved"]["stored"]["la"], 4 * x.numel(), x.shape[1] // GROUP
    least = once + 4 * la.numel()
    return [gate, lost(right, scale), made, lost(projected, la), traffic(BYTES, moved, least, 1.0, {
        "x is read twice: what a tile holds serves for scale, codes and product": least + once,
        "x is read three times: what a tile holds serves for scale, codes and product": least + 2 * once,
        "la is written once a group: once is enough, after the loop": least + 4 * la.numel() * (groups - 1)})]


EXERCISES = (Exercise("06-fused", "One read, two uses", {STORED: 0, SCALE: 1, CODES: 1, DOWN: 2, BYTES: 2}, cases, run, verify),)
