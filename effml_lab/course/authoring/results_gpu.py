"""What a GPU measured, in words: lines of tables like those of results.py. Of a ratio both turns are told, as a/b."""
from pathlib import Path

from ...bench.kernels import RANK, ROWS, SHAPES
from ...measure.records import Record
from .results import Lines, latest

SIZES = tuple(f"{k} -> {n}" for k, n in SHAPES)
MODES = ("w4a8", "w4a4", "int8", "fp8")


def turns(pair: list[float]) -> str:
    return "/".join(f"{value:.2f}" for value in pair)


def rough(row: Record) -> str:
    """What a row of an earlier state of the kernels says of itself."""
    return " (kernel 1 in tiles withdrawn since)" if "note" in row.settings else ""


def measured(results: Path, name: str) -> dict[str, Record]:
    """The rows of a benchmark that a GPU wrote, and not the interpreter."""
    return {what: row for what, row in latest(results, name).items() if "toy size" not in row.device}


def kernels(results: Path) -> Lines:
    """The speed of whole layers beside the library's in 16 bits, and what a branch adds to them."""
    rows = measured(results, "kernels")
    for size in SIZES:
        found = {mode: [row for m in ROWS if (row := rows.get(f"{mode}, {size}, M = {m}"))] for mode in MODES}
        told = [f"{mode} {', '.join(turns(row.settings['ratio']['graph']) for row in each)}"
                for mode, each in found.items() if len(each) == len(ROWS)]
        if told:
            first = next(each[0] for each in found.values() if each)
            yield (f"Speed over the library's 16-bit layer, {size}, at M = {', '.join(map(str, ROWS))}, {first.device}"
                   f"{rough(first)}", "; ".join(told))
    yield from branches(rows)


def branches(rows: dict[str, Record]) -> Lines:
    """The share of a layer's time that its branch adds: in the kernels, and as two products of the library."""
    for size in SIZES:
        told = []
        for m in ROWS:
            bare, fused, apart = (rows.get(f"w4a8{part}, {size}, M = {m}") for part in (", no branch", "", ", unfused"))
            if bare and fused and apart:
                added = [row.settings["graph"]["median"] / bare.settings["graph"]["median"] - 1 for row in (fused, apart)]
                told.append(f"{added[0]:.0%} and {added[1]:.0%}")
        if len(told) == len(ROWS):
            yield (f"What a branch of rank {RANK} adds to the time of w4a8, {size}, at the same M: fused, and as two products",
                   "; ".join(told))


def forward(results: Path) -> Lines:
    """Whole nets in 4 bits beside 16, as they are and from a graph."""
    named = {"dit": "DiT of lab 05, 64 images", "xl": "random DiT, width 1152, 4 images of 1,024 tokens",
             "flux": "random DiT, width 3072, 4,096 tokens"}
    for what, row in measured(results, "forward").items():
        net, mode = what.split(", ")
        if mode != "16 bits":
            psnr = row.quality.get("psnr")
            drawn = f"; its pictures, nothing simulated: PSNR of the median one {psnr['value']:.1f} dB" if psnr else ""
            yield f"Speed of a call in {mode} over 16 bits, {named[net]}, {row.device}{rough(row)}", (
                f"{turns(row.settings['graph']['ratio'])} from a graph, {turns(row.settings['eager']['ratio'])} launched from "
                f"Python{drawn}")
