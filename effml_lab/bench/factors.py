"""The map of the course: which lab attacks which factor of the cost, and what was measured for it, from the recorded rows.

latency = steps x work per step / (kernel efficiency x devices). The front page shows all lines, and each lab ends with its own.

The lines must not be multiplied: they are of different nets, and of different measures of quality.
"""
from typing import NamedTuple

from ..measure.records import Record
from . import findings
from .point import recorded


class Factor(NamedTuple):
    """lab: its number. measured, paid: in words, with the interval where there is one."""
    lab: str
    factor: str
    change: str
    measured: str
    paid: str


def told(found: dict, form: str = ".3g") -> str:
    """A recorded value with its interval."""
    value, low, high = (format(found[key], form) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def baseline() -> Factor | None:
    """Each of these reads its rows, and gives None where they are not recorded."""
    row = recorded("samplers").get(findings.FULL)
    return row and Factor("01", "the baseline", f"DDPM, {row.nfe:g} steps",
                          f"distance to real shapes {told(row.quality['frechet'])}", f"wanted kind {told(row.quality['wanted'])}")


def steps() -> Factor | None:
    rows = recorded("samplers")
    found, full = rows.get(findings.NO_WORSE), rows.get(findings.FULL)
    if found is None or found.nfe is None or full is None:
        return None
    few = rows[found.settings["point"]]
    return Factor("02", "steps", f"{full.nfe:g} evaluations to the fewest that will do",
                  f"{told(found.quality['speedup'])} times as fast", f"distance {told(few.quality['frechet'])}, surely at most a "
                  f"fifth greater; wanted kind {told(few.quality['wanted'])}")


def calls() -> Factor | None:
    rows = recorded("guidance")
    plain, strong, inside = (rows.get(f"shapes, w = {w}") for w in ("1", "2", "5 inside"))
    return plain and strong and inside and Factor(
        "03", "steps: what a step costs", f"guidance: {plain.nfe:g} to {strong.nfe:g} evaluations, {inside.nfe:g} on an interval",
        f"{strong.nfe / plain.nfe:g} and {inside.nfe / plain.nfe:g} times the evaluations",
        f"it buys: wanted kind {told(strong.quality['kind'])} instead of {told(plain.quality['kind'])}")


def best_solver(rows: dict[str, Record]) -> Record | None:
    """Of the solvers with four evaluations, the one that shows the wanted kind most often, in rows of `distill`."""
    solvers = (row for name, row in rows.items() if ", 4 steps, " in name and not name.startswith("guided"))
    return max(solvers, key=lambda row: row.quality["wanted"]["value"], default=None)


def trained() -> Factor | None:
    rows = recorded("distill")
    four, best = rows.get("progressive_4, 4 steps"), best_solver(rows)
    if not four or not best:
        return None
    cost = four.settings["training"]
    return Factor("04", "steps, by training", "4 evaluations", f"wanted kind {told(four.quality['wanted'])}, "
                  f"the best solver {told(best.quality['wanted'])}", f"{cost['learned from']:,.0f} calls learned from, "
                  f"{cost['without a pass back']:,.0f} plain ones")


def stored() -> Factor | None:
    rows = recorded("quant")
    whole, few = rows.get("dit, bf16"), rows.get("dit, SVDQuant, w4a4, rank 32")
    return whole and few and Factor("05", "work: bytes", "16 bits to w4a4 with a branch",
                                    f"{whole.bytes / few.bytes:.2f} times fewer bytes; no time, as arithmetic is simulated",
                                    f"median picture {told(few.quality['psnr'], '.1f')} dB from 32 bits")


def fused() -> Factor | None:
    layer, net = recorded("kernels").get("w4a8, 3072 -> 12288, M = 16384"), recorded("forward").get("dit, w4a8")
    if not layer or not net:
        return None
    turns = lambda ratio: " and ".join(f"{turn:.2f}" for turn in ratio)
    withdrawn = "; tiles that were withdrawn since" if layer.settings.get("note") else ""
    return Factor("06", "kernel efficiency", "16 bits to w4a8 with a branch, fused",
                  f"a wide layer {turns(layer.settings['ratio']['graph'])}, a whole small DiT "
                  f"{turns(net.settings['graph']['ratio'])} times as fast", f"{layer.device}, two turns{withdrawn}")


def factors() -> list[Factor]:
    """A line for each lab whose results are recorded."""
    return [line for line in (baseline(), steps(), calls(), trained(), stored(), fused()) if line]
