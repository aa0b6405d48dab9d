"""The README's figure and its table of measured numbers, drawn from data/results; nothing in them is typed.

The figure: digits coming out of noise, made by the shipped model, and quality against cost of each sampler with the floor
that real digits reach. The table: what graders catch, what labs take, how good the model is, how fast the net. Of every
kind of row the latest counts; a row that was never recorded is left out.
"""
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt

from .. import recipes
from ..diffusion import samplers
from ..measure import bench, plots

FIGURE = "data/results/readme.png"
ALT = ("Left: six handwritten digits forming out of noise over the steps of a sampler. "
       "Right: distance to real digits against the number of network evaluations, for each sampler.")


def redraw(root: Path) -> list[Path]:
    """Draw the figure, put it and the table between the marks of README.md; return the files that changed."""
    points = latest(root / "data/results/digits.jsonl")
    if not points:
        raise ValueError("There are no results of the digits yet: run `python -m effml_lab bench digits --out data/results`.")
    picture(root / FIGURE, points)
    readme, old = root / "README.md", (root / "README.md").read_text(encoding="utf-8")
    new = between(between(old, "figure", f"![{ALT}]({FIGURE})"), "numbers", table(root / "data/results", points))
    readme.write_text(new, encoding="utf-8")
    return [root / FIGURE] + [readme] * (new != old)


def between(text: str, mark: str, content: str) -> str:
    """The text with what stands between a mark and the next end replaced."""
    pattern = rf"(<!-- measured: {mark} -->\n).*?(<!-- measured: end -->)"
    new, found = re.subn(pattern, lambda hit: f"{hit[1]}{content}\n{hit[2]}", text, flags=re.S)
    if found != 1:
        raise ValueError(f"README.md must hold the mark `<!-- measured: {mark} -->` once, and an end after it.")
    return new


def latest(path: Path) -> dict[str, bench.Record]:
    return {record.technique: record for record in bench.read(path)}


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


def table(results: Path, points: dict[str, bench.Record]) -> str:
    found = [*graders(results), *labs(results), *model(points), *judge(), *net(results)]
    return "\n".join(["| what | measured |", "|---|---|", *(f"| {what} | {value} |" for what, value in found)])


def graders(results: Path):
    for row in rows(results / "graders.jsonl")[-1:]:
        yield "Graders", (f"{row['wrong told']} of {row['wrong']} wrong answers caught, {row['right told']} of "
                          f"{row['right']} right ones accepted; answers in code on 100 seeds each")


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


def net(results: Path):
    for record in latest(results / "unet.jsonl").values():
        yield f"UNet, {record.technique}", f"{interval(record.quality['ratio'])} of their time ({record.device})"
