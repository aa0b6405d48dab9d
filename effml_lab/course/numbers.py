"""The README's table of measured numbers, row by row from data/results; nothing in it is typed.

What graders catch, what labs take, how good the models are, what few steps are worth, how fast the net and the loop, what
4-bit layers cost. Of every kind of row the latest counts; what was never recorded is left out.
"""
import json
from pathlib import Path

from .. import recipes
from ..measure import bench
from ..recipes import findings
from ..recipes.speed import FLOOR

PARTS = {"tensor": "products", "issue": "instructions", "convert": "conversions"}     # of a loop's clocks


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def floor_of(points: dict[str, bench.Record]) -> bench.Record:
    """What real digits score: the record without a sampler."""
    return next(record for record in points.values() if record.nfe is None)


def table(results: Path, points: dict[str, bench.Record]) -> str:
    found = [*graders(results), *labs(results), *model(points), *judge(), *few(results), *beside(results), *layers(results),
             *overtime(results), *instructions(results)]
    return "\n".join(["| what | measured |", "|---|---|", *(f"| {what} | {value} |" for what, value in found)])


def graders(results: Path):
    for row in rows(results / "graders.jsonl")[-1:]:
        yield "Graders", (f"{row['wrong told']} of {row['wrong']} wrong answers caught, {row['right told']} of "
                          f"{row['right']} right ones accepted; answers in code on {row.get('seeds', 100)} seeds each")


def labs(results: Path):
    last = {(row["lab"], row["kind"]): row for row in rows(results / "labs.jsonl")}
    for (lab, kind), row in sorted(last.items()):
        how = {"solution": "run from top to bottom", "graded": "as the grader runs it"}[kind]
        yield f"Lab `{lab}`, {how}", f"{row['seconds']:.0f} s, slowest cell {row['longest']:.0f} s ({row['device']})"


def interval(estimate: dict) -> str:
    return f"{estimate['value']:.3g} ({estimate['low']:.3g} to {estimate['high']:.3g})"


def model(points: dict[str, bench.Record]):
    """The quality of the sampler nearest to real digits, beside the floor: what as many real digits score."""
    named = {"frechet": "Fréchet distance to held-out digits", "kid": "KID to held-out digits",
             "recognizable": "Share of recognizable digits",
             "nearest": "Median distance to the nearest training image, over that of held-out digits"}
    best = min((record for record in points.values() if record.nfe), key=lambda record: record.quality["frechet"]["value"])
    for key, what in named.items():
        floor = "" if key == "nearest" else f"; real digits {interval(floor_of(points).quality[key])}"
        yield f"{what} ({best.technique}, n = {best.quality[key]['n']})", interval(best.quality[key]) + floor


def judge():
    passing = recipes.card("digits_judge")["quality"]
    yield "What passes as recognizable", ", ".join(f"{name.split(' that ')[0]} {share['value']:.1%}"
                                                   for name, share in passing.items() if " that pass" in name)


def few(results: Path):
    """What few steps are worth on the course model: the thousand, the fewest that are not separable, 2M beside DDIM."""
    recorded = bench.latest(results / "samplers.jsonl")
    if findings.FULL not in recorded:
        return
    full, floor = recorded[findings.FULL], recorded[FLOOR]
    n = full.quality["frechet"]["n"]
    yield f"Shapes, Fréchet distance to fresh renders ({full.technique}, n = {n})", (
        f"{interval(full.quality['frechet'])}; real shapes {interval(floor.quality['frechet'])}")
    for row in (full, *(recorded[name] for name in ("ddim, 100 steps",) if name in recorded)):
        yield f"Shapes, share that shows the wanted kind ({row.technique})", interval(row.quality["wanted"])
    yield ("Fewest evaluations whose distance is not separable from that",
           chosen(recorded, findings.FEWEST) + perhaps(recorded))
    yield ("Fewest evaluations whose distance is surely at most a fifth greater than that",
           chosen(recorded, findings.NO_WORSE))
    ratio = recorded[findings.ORDER].quality["ratio"]
    yield "Error of 2M over DDIM's, both with 10 steps, to 500 steps from the same noise", interval(ratio)


def chosen(recorded: dict[str, bench.Record], finding: str) -> str:
    """The point that a finding names, with its difference and its speed-up, if there is one."""
    found = recorded[finding]
    if found.nfe is None:
        return "shown for none"
    point = recorded[found.settings["point"]]
    return (f"{found.nfe:g} ({point.technique}; difference {interval(point.quality[findings.AGAINST])}); "
            f"{interval(found.quality['speedup'])} times as fast")


def perhaps(recorded: dict[str, bench.Record]) -> str:
    """The fewest evaluations that may do, where none is known to."""
    may = findings.undecided(recorded) if recorded[findings.FEWEST].nfe is None else None
    return "" if may is None else (f"; undecided from {may.nfe:g} ({may.technique}; difference "
                                   f"{interval(may.quality[findings.AGAINST])})")


def beside(results: Path):
    """Ratios to diffusers' code: the loop, a training step, the loss after equal time."""
    for file, what in (("loop", "Loop of 50 steps"), ("unet", "UNet")):
        for record in bench.latest(results / f"{file}.jsonl").values():
            yield f"{what}, {record.technique}", f"{interval(record.quality['ratio'])} times theirs ({record.device})"


def layers(results: Path):
    """What 4-bit layers cost: errors with and without outliers, and bytes by width."""
    recorded = bench.latest(results / "quant.jsonl")
    for mode, outliers in (("w4a4", 8), ("w4a8", 8), ("w4a4", 0)):
        told = [f"{way} {interval(row.quality['error'])}" for way in ("rounded", "smoothing only", "SVDQuant")
                if (row := recorded.get(f"{way}, {mode}, {outliers} outliers"))]
        if told:
            loud = f"{outliers} outlier channels of 512" if outliers else "no outliers"
            yield f"Error of a {mode} layer, {loud} (arithmetic simulated)", "; ".join(told)
    for mode in ("w4a4", "w4a8"):
        told = [f"{row.settings['of 16 bits']:.2f} at {name.rpartition(', ')[2]}" for name, row in recorded.items()
                if name.startswith(f"bytes, {mode}") and "->" in name]
        if told:
            yield f"Bytes of 16-bit weights over those of a {mode} layer with its branch", ", ".join(told)


def overtime(results: Path):
    """What the times of calibration and scales of their own for shortcuts are worth on the course model."""
    recorded = bench.latest(results / "calibration.jsonl")
    named = {"noise": "from noise alone", "clean": "from pictures alone", "uniform": "from the whole path",
             "ndtc": "from around 0.4 T"}
    for width in ("w8a8", "w4a8"):
        told = [f"{what} {interval(row.quality['x0'])}" for choice, what in named.items()
                if (row := recorded.get(f"{width}, two scales, {choice}"))]
        if told:
            yield f"Squared error of x0, course model in {width}, static scales (arithmetic simulated)", "; ".join(told)
    ratios = [row.quality["ratio"] for name, row in recorded.items() if name.startswith("two scales over one")]
    if ratios:
        least, most = (pick(ratios, key=lambda ratio: ratio["value"]) for pick in (min, max))
        yield f"Squared error of a layer that a shortcut joins, two scales over one, {len(ratios)} layers", (
            f"from {interval(least)} to {interval(most)}")


def instructions(results: Path):
    """The most of the 8-bit peak that the products' main loops could reach, by a count of compiled instructions."""
    recorded = [row.settings for row in bench.latest(results / "instructions.jsonl").values() if "share" in row.settings]
    for mode in ("w4a8", "w4a4"):
        last = {row["cc"]: row for row in recorded if row["kernel"] == f"gemm_{mode}"}         # that of the most rows
        told = [f"{row['share']:.2f} on {cc / 10:.1f} (bound by {PARTS[max(PARTS, key=row.get)]})" for cc, row in last.items()]
        if told:
            yield f"Most of the 8-bit peak that the {mode} product can reach, by compute capability, counted", ", ".join(told)
