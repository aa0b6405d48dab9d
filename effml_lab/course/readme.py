"""The README's figures and the place of its table of measured numbers, drawn from data/results; nothing is typed.

The first figure: digits coming out of noise, made by the shipped model, and quality against cost of each sampler with
the floor that real digits reach. The second: the course model's shapes by a few samplers from the same noise, and all
of them at many numbers of steps. The table is in numbers.py.
"""
import re
from pathlib import Path

import matplotlib.pyplot as plt

from .. import recipes
from ..diffusion import samplers
from ..measure import bench, plots
from ..recipes import findings
from .numbers import floor_of, table

FIGURE, SPEED = "data/results/readme.png", "data/results/samplers.png"
ALT = ("Left: six handwritten digits forming out of noise over the steps of a sampler. "
       "Right: distance to real digits against the number of network evaluations, for each sampler.")
SPEED_ALT = ("Left: six shapes from the same noise by DDIM and 2M with 5 and 10 steps and by DDPM with 1000. Right: "
             "distance to real shapes against the number of network evaluations, a curve with intervals for each "
             "sampler, the Pareto front and the floor of real shapes.")
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
