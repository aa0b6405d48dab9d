"""Lab 06: the first kernel: a matrix whose rows lie apart, copied to one whose rows do not."""
import torch

from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import STORED, drawn, never_written, ran, stored, tiles, traffic

VALUES, BYTES = "y is x", "every number is read once and written once"
BLOCK = {"BR": 4, "BC": 16}


def cases(rng):
    shapes = [(7, 37), (1, 16), (9, 5)] + [(integer(rng, 5, 12), integer(rng, 17, 40))]
    return [{"rows": rows, "cols": cols, "memory": drawn(rng, rows, cols + extra)}
            for (rows, cols), extra in zip(shapes, (3, 0, 11, 4))]


def run(impl, case):
    rows, cols, memory = case["rows"], case["cols"], case["memory"]
    x = memory[:, :cols]
    return ran(impl, tiles((rows, cols), tuple(BLOCK.values())), {"x": x}, {"y": (torch.float32, rows, cols)}, rows, cols,
               memory.shape[1], **BLOCK)


def verify(case, out):
    rows, cols, memory, y = case["rows"], case["cols"], case["memory"], out["y"]
    gate = stored({"y": y}, out["moved"])
    if not gate.readable:
        return [gate]
    x = memory[:, :cols]
    left = x.masked_fill(y.isnan(), torch.nan)
    height, width = tiles((rows, cols), tuple(BLOCK.values()))
    covered = (torch.arange(rows)[:, None] < width * BLOCK["BR"]) & (torch.arange(cols)[None, :] < height * BLOCK["BC"])
    turned = lambda: x.where(covered, torch.nan)
    right = close(VALUES, y, x, {
        "rows of x lie `stride` numbers apart, not `cols`": lambda: memory.flatten()[:rows * cols].view(rows, cols),
        "program_id(0) counts tiles of rows, program_id(1) tiles of columns": turned,
        "places of y were never written": lambda: left if never_written(out, "y") and not covered.equal(~y.isnan()) else x,
        "twice the value: a copy is asked for": lambda: 2 * x}, 0)
    moved, all_tiles = out["moved"], height * width * BLOCK["BR"] * BLOCK["BC"]
    return [gate, right, traffic(BYTES, moved["loaded"]["x"] + moved["stored"]["y"] + moved["loaded"]["y"] + moved["stored"]["x"],
                                 2 * x.numel() * 4, 1.0, {
                                     "y was read, too: there is nothing in it yet": 3 * x.numel() * 4,
                                     "something is read where the tile lies beyond the edge: mask the load, too": 4 * (
                                         all_tiles + x.numel()),
                                     "places beyond the edge are read and written inside it again: mask them instead": (
                                         8 * all_tiles)})]


EXERCISES = (Exercise("06-copy", "A copy in tiles", {STORED: 0, VALUES: 2, BYTES: 1}, cases, run, verify),)
