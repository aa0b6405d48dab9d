"""The README's figure and its table of measured numbers, drawn from data/results; nothing in them is typed.

The first figure: digits coming out of noise, made by the shipped model, and quality against cost of each sampler with
the floor that real digits reach. The second: the course model's shapes by a few samplers from the same noise, and all
of them at many numbers of steps. The table: what graders catch, what labs take, how good the models are, what few steps
are worth, how fast the net and the loop. Of every kind of row the latest counts; what was never recorded is left out.
"""
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt

from .. import recipes
from ..diffusion import samplers
from ..measure import bench, plots
from ..recipes import findings
from ..recipes.speed import FLOOR

FIGURE, SPEED = "data/results/readme.png", "data/results/samplers.png"
ALT = ("Left: six handwritten digits forming out of noise over the steps of a sampler. "
       "Right: distance to real digits against the number of network evaluations, for each sampler.")
SPEED_ALT = ("Left: six shapes from the same noise by DDIM and 2M with 5 and 10 steps and by DDPM with 1000. Right: "
             "distance to real shapes against the number of network evaluations, a curve with intervals for each "
             "sampler, the Pareto front and the floor of real shapes.")
PARTS = {"tensor": "products", "issue": "instructions", "convert": "conversions"}     # of a loop's clocks
SHOWN = ("ddim, 5 steps", "dpmpp_2m, 5 steps", "ddim, 10 steps", "dpmpp_2m, 10 steps", "ddpm, 1000 steps")


def redraw(root: Path) -> list[Path]:
    """Draw the figure, put it and the table between the marks of README.md; return the files that changed."""
    points = bench.latest(root / "data/results/digits.jsonl")
    if not points:
        raise ValueError("There are no results of the digits yet: run `python -m effml_lab bench digits --out data/results`.")
    picture(root / FIGURE, points)
    drawn = {FIGURE: ALT}
    if recorded := bench.latest(root / "data/results/samplers.jsonl"):
        speed(root / SPEED, recorded)
        drawn[SPEED] = SPEED_ALT
    readme, old = root / "README.md", (root / "README.md").read_text(encoding="utf-8")
    figures = "\n\n".join(f"![{alt}]({file})" for file, alt in drawn.items())
    new = between(between(old, "figure", figures), "numbers", table(root / "data/results", points))
    readme.write_text(new, encoding="utf-8")
    return [root / file for file in drawn] + [readme] * (new != old)


def between(text: str, mark: str, content: str) -> str:
    """The text with what stands between a mark and the next end replaced."""
    pattern = rf"(<!-- measured: {mark} -->\n).*?(<!-- measured: end -->)"
    new, found = re.subn(pattern, lambda hit: f"{hit[1]}{content}\n{hit[2]}", text, flags=re.S)
    if found != 1:
        raise ValueError(f"README.md must hold the mark `<!-- measured: {mark} -->` once, and an end after it.")
    return new


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def floor_of(points: dict[str, bench.Record]) -> bench.Record:
    """What real digits score: the record without a sampler."""
    return next(record for record in points.values() if record.nfe is None)


def picture(path: Path, points: dict[str, bench.Record]) -> None:
    denoise, schedule = recipes.denoiser("digits")
    grid, rng = schedule.grid(50, "trailing"), recipes.store.seeded(0)
    x = samplers.start((6, 1, 8, 8), grid, rng)
    states = [x, *samplers.ddim(denoise, x, grid)]
    shown = [0, 15, 25, 32, 37, 41, 44, 47, 50]             # most happens at the end
    floor = floor_of(points).quality["frechet"]
    with plots.style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=[1.25, 1])
        plots.film(left, [states[k] for k in shown], [str(k) for k in shown])
        left.set(title="Digits out of noise, 50 evaluations of a small net", xlabel="step")
        plots.pareto(right, [record for record in points.values() if record.nfe])
        right.axhspan(floor["low"], floor["high"], color=plots.MUTED, alpha=0.3, linewidth=0)
        right.axhline(floor["value"], color=plots.MUTED, linestyle=":", label="real digits")
        right.set(title="Cost against quality", ylabel="Fréchet distance, classifier features")
        right.legend(fontsize=8)
        fig.savefig(path, dpi=130, metadata={"Software": None})
        plt.close(fig)


def speed(path: Path, recorded: dict[str, bench.Record]) -> None:
    """The course model's samples by a few samplers, and speed against quality of all of them."""
    columns = [recipes.samples.batch(findings.plan_of(recorded[name], size=6)) for name in SHOWN]
    with plots.style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), width_ratios=[1, 1.4])
        plots.film(left, columns, [name.replace(", ", "\n") for name in SHOWN])
        left.set(title="The same noise, six kinds of shape")
        left.tick_params(labelsize=8)
        plots.tradeoff(right, recorded.values(), label="Fréchet distance, classifier features")
        right.set(title=f"Speed against quality, n = {recorded[findings.FULL].quality['frechet']['n']}")
        fig.savefig(path, dpi=130, metadata={"Software": None})
        plt.close(fig)


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
    yield "Fewest evaluations whose distance is not separable from that", same(recorded)
    ratio = recorded[findings.ORDER].quality["ratio"]
    yield "Error of 2M over DDIM's, both with 10 steps, to 500 steps from the same noise", interval(ratio)


def same(recorded: dict[str, bench.Record]) -> str:
    """The fewest evaluations that will do, with the difference and the speed-up; or the fewest that may."""
    found = recorded[findings.FEWEST]
    if found.nfe is None:
        may = findings.undecided(recorded)
        return "shown for none" if may is None else (
            f"shown for none; undecided from {may.nfe:g} ({may.technique}; difference "
            f"{interval(may.quality[findings.AGAINST])})")
    point = recorded[found.settings["point"]]
    return (f"{found.nfe:g} ({point.technique}; difference {interval(point.quality[findings.AGAINST])}); "
            f"{interval(found.quality['speedup'])} times as fast")


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
