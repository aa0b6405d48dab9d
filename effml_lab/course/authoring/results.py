"""What was recorded, in words: each generator turns the rows of one benchmark into lines of a table, what and how much.

The value comes with its 95% interval. Of every kind of row the latest counts; what was never recorded is left out.
"""
import json
from pathlib import Path
from typing import Callable, Iterable, Iterator

from ... import models
from ...bench import factors, findings
from ...bench.samplers import FLOOR
from ...measure import records
from ..exercises import EXERCISES

Lines = Iterator[tuple[str, str]]
PARTS = {"tensor": "products", "issue": "instructions", "convert": "conversions"}     # of a loop's clocks


def table(lines: Iterable[tuple[str, ...]], head: tuple[str, ...] = ("what", "measured")) -> str:
    """A table of Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *lines))


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


interval = factors.told


def latest(results: Path, name: str) -> dict[str, records.Record]:
    return records.latest(results / f"{name}.jsonl")


def graders(results: Path) -> Lines:
    found = [row.settings for id, row in latest(results, "graders").items() if id in EXERCISES]
    if found:
        count = lambda key: sum(row[key] for row in found)
        yield "Graders", (f"{count('wrong told')} of {count('wrong')} wrong answers caught, "
                          f"{count('right told')} of {count('right')} right ones accepted; "
                          f"answers in code on {max(row['seeds'] for row in found)} seeds each")


def tests(results: Path) -> Lines:
    for row in latest(results, "tests").values():
        ends = ", ".join(f"{n} {end}" for end, n in row.settings["ends"].items())
        yield f"`{row.settings['command']}`", f"{row.settings['seconds'] / 60:.1f} minutes: {ends} ({row.device})"


def shapes_tried(results: Path) -> Lines:
    """What each UNet had learnt when the first had made so many steps: its loss, and what it draws."""
    for name, row in latest(results, "shape_search").items():
        yield f"{name} ({row.macs / 1e6:.0f} M multiply-adds, {row.settings['parameters'] / 1e6:.2f} M weights)", (
            f"loss {interval(row.quality['loss'])}; wanted kind {interval(row.quality['wanted'])}; "
            f"{row.settings['steps']:,} steps in the time of {row.settings['budget']:,} of the first")


def labs(results: Path) -> Lines:
    last = {(row["lab"], row["kind"]): row for row in rows(results / "labs.jsonl")}
    for (lab, kind), row in sorted(last.items()):
        how = {"solution": "run from top to bottom", "graded": "as the grader runs it"}[kind]
        yield f"Lab `{lab}`, {how}", f"{row['seconds']:.0f} s, slowest cell {row['longest']:.0f} s ({row['device']})"


def floor_of(points: dict[str, records.Record]) -> records.Record:
    """What real digits score: the record without a sampler."""
    return next(record for record in points.values() if record.nfe is None)


def digits(results: Path) -> Lines:
    """The quality of the sampler nearest to real digits, beside the floor: what as many real digits score."""
    points = latest(results, "digits")
    named = {"frechet": "Fréchet distance to held-out digits", "kid": "KID to held-out digits",
             "recognizable": "Share of recognizable digits",
             "nearest": "Median distance to the nearest training image, over that of held-out digits"}
    best = min((record for record in points.values() if record.nfe), key=lambda record: record.quality["frechet"]["value"],
               default=None)
    for key, what in named.items() if best else ():
        floor = "" if key == "nearest" else f"; real digits {interval(floor_of(points).quality[key])}"
        yield f"{what} ({best.technique}, n = {best.quality[key]['n']})", interval(best.quality[key]) + floor


def judge(results: Path) -> Lines:
    passing = models.card("digits_judge")["quality"]
    yield "What passes as recognizable", ", ".join(f"{name.split(' that ')[0]} {share['value']:.1%}"
                                                   for name, share in passing.items() if " that pass" in name)


def few(results: Path) -> Lines:
    """What few steps are worth on the course model: the thousand, the fewest that are not separable, 2M beside DDIM."""
    recorded = latest(results, "samplers")
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


def chosen(recorded: dict[str, records.Record], finding: str) -> str:
    """The point that a finding names, with its difference and its speed-up, if there is one."""
    found = recorded[finding]
    if found.nfe is None:
        return "shown for none"
    point = recorded[found.settings["point"]]
    return (f"{found.nfe:g} ({point.technique}; difference {interval(point.quality[findings.AGAINST])}); "
            f"{interval(found.quality['speedup'])} times as fast")


def perhaps(recorded: dict[str, records.Record]) -> str:
    """The fewest evaluations that may do, where none is known to."""
    may = findings.undecided(recorded) if recorded[findings.FEWEST].nfe is None else None
    return "" if may is None else (f"; undecided from {may.nfe:g} ({may.technique}; difference "
                                   f"{interval(may.quality[findings.AGAINST])})")


def guidance(results: Path) -> Lines:
    """What weights of guidance buy and take, on the kinds of `shapes` and on the captions of `scenes`."""
    recorded = latest(results, "guidance")
    for name, row in recorded.items():
        told = ["all four" if "all four" in row.quality else "kind", "small", "frechet"]
        what = {"all four": "kind, color, size and ground right", "kind": "wanted kind", "small": "small", "frechet": "distance"}
        yield f"{name[0].upper()}{name[1:]} ({row.nfe:g} evaluations, n = {row.quality['kind']['n']})", "; ".join(
            f"{what[key]} {interval(row.quality[key])}" for key in told)


def conditions(results: Path) -> Lines:
    """AdaGN beside adding, masks of asked and drawn shapes, a prompt's keys made once."""
    for name, row in latest(results, "conditions").items():
        if "overlap" in row.quality:
            yield f"Overlap of the shape asked for and the one drawn, {name}", (
                f"{interval(row.quality['overlap'])}; wanted kind {interval(row.quality['kind'])}")
        else:
            yield name, interval(row.quality["ratio"])


def distilled(results: Path) -> Lines:
    """Students beside solvers at equal evaluations, what guidance in one call leaves, and what the trainings cost."""
    for name, row in latest(results, "distill").items():
        told = row.quality
        if "told w" in told:
            yield f"Error of v in one call, {name}", f"{interval(told['told w'])}; doing nothing {interval(told['nothing'])}"
        elif "ratio" in told:
            yield f"Error of pictures, {name} ({row.settings['over']})", f"{interval(told['ratio'])} times"
        else:
            error = f"; error {interval(told['rmse'])}, median {interval(told['rmse_median'])}, moved {interval(told['moved'])}" \
                if "rmse" in told else ""
            yield f"{name} (n = {told['wanted']['n']})", (
                f"wanted kind {interval(told['wanted'])}; distance {interval(told['frechet'])}{error}")


def plane(results: Path) -> Lines:
    """Every distillation on the ring: mean, least and greatest over seeds of training."""
    for name, row in latest(results, "plane").items():
        told = row.quality
        more = f"; within a mode {interval(told['within'])}, modes {told['modes']['value']:.3g}; MMD {interval(told['mmd'])}" \
            if "within" in told else ""
        yield name[0].upper() + name[1:], f"error {interval(told['error'])}{more}"


def beside(file: str, what: str) -> Callable[[Path], Lines]:
    """The ratios to diffusers' code that a file holds: a loop, a training step, the loss after equal time."""
    def lines(results: Path) -> Lines:
        for record in latest(results, file).values():
            yield f"{what}, {record.technique}", f"{interval(record.quality['ratio'])} times theirs ({record.device})"
    return lines


def layers(results: Path) -> Lines:
    """What 4-bit layers cost: errors with and without outliers, and bytes by width."""
    recorded = latest(results, "layers")
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


NETS = {"unet": "UNet", "dit": "DiT", "rescaled": "DiT, outliers planted by rescaling",     # of lab 05
        "shifted": "DiT, outliers planted by a shift"}


def ranges(results: Path) -> Lines:
    """Whether the nets of lab 05 have outliers."""
    recorded = latest(results, "ranges")
    for net, what in NETS.items():
        if row := recorded.get(f"ranges, {net}"):
            most = max(row.settings["inputs"].values())
            yield f"{what}: loudest over median input channel of a layer, in the median layer", (
                f"{interval(row.quality['inputs'])}, at most {most:.3g}; columns of weights {interval(row.quality['weights'])}; "
                f"the largest input moves {interval(row.quality['over levels'])} times over the levels")


def whole_nets(results: Path) -> Lines:
    """Whole nets in few bits: quality beside bytes; no time, since the arithmetic is simulated."""
    recorded = latest(results, "quant")
    for name, row in recorded.items():
        told, about = row.quality, row.settings
        if "net" not in about:
            yield f"Fréchet distance of {told['frechet']['n']} real shapes, the floor", interval(told["frechet"])
            continue
        what = f"{NETS[about['net']]}, {name.partition(', ')[2]}"
        if "over" in about:
            few, many = (recorded.get(f"{about['net']}, {way}") for way in name.partition(", ")[2].split(" over "))
            smaller = "equal bytes" in name and many.bytes < 0.98 * few.bytes
            what += f" (which has {1 - many.bytes / few.bytes:.0%} fewer bytes)" if smaller else ""
            yield f"{what}: decibels", f"{interval(told['decibels'])}, of the median picture {interval(told['decibels_median'])}"
        elif "before" in told:
            yield f"{what}: share of red pictures, before and after", (
                f"{interval(told['before'])}, {interval(told['after'])}; codes changed in {about['layers whose codes changed']} "
                f"layers; a call with it beside the branch differs from one with it on top by {about['beside to on top']:.1g}")
        else:
            psnr = "" if about["way"] == "fp32" else (
                f"PSNR {interval(told['psnr_pooled'])} dB, median picture {interval(told['psnr'])}; ")
            time = f"; time of a call over fp32's {interval(told['time over fp32'])}" if "time over fp32" in told else ""
            yield f"{what}, {row.bytes / 1e6:.2f} MB{' (simulated)' if 'simulated' in about else ''}", (
                f"{psnr}Fréchet distance {interval(told['frechet'])}, wanted kind {interval(told['wanted'])}{time}")


def calibration(results: Path) -> Lines:
    """What the times of calibration and scales of their own for shortcuts are worth on the course model."""
    recorded = latest(results, "calibration")
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


def instructions(results: Path) -> Lines:
    """The most of the 8-bit peak that the products' main loops could reach, by a count of compiled instructions."""
    recorded = [row.settings for row in latest(results, "instructions").values() if "share" in row.settings]
    for mode in ("w4a8", "w4a4"):
        last = {row["cc"]: row for row in recorded if row["kernel"] == f"gemm_{mode}"}         # that of the most rows
        told = [f"{row['share']:.2f} on {cc / 10:.1f} (bound by {PARTS[max(PARTS, key=row.get)]})" for cc, row in last.items()]
        if told:
            yield f"Most of the 8-bit peak that the {mode} product can reach, by compute capability, counted", ", ".join(told)


def memory(results: Path) -> Lines:
    """What is kept for the way back, of blocks and of attention."""
    recorded = latest(results, "memory")
    for name, row in recorded.items():
        if whole := recorded.get(name.replace("inputs alone", "everything kept")) if name.endswith("inputs alone") else None:
            yield f"Kept for the way back, {row.settings['depth']} blocks of a DiT, inputs of blocks alone", (
                f"{row.bytes / 1e6:.1f} MB instead of {whole.bytes / 1e6:.1f}; time of a step over that with everything kept "
                f"{interval(row.quality['time'])}")
    fused = [row for row in recorded.values() if row.settings.get("fused")]
    if fused:
        size = lambda row: recorded[f"attention, {row.settings['tokens']} tokens, as products"].bytes
        yield "Kept by one head of attention, fused, and as products and a softmax", "; ".join(
            f"{row.bytes / 1e6:.2f} and {size(row) / 1e6:.2f} MB at {row.settings['tokens']} tokens" for row in fused)
