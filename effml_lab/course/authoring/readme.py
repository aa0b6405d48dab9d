"""The front page and the page of data/results: their figures and tables, drawn from the recorded rows; nothing is typed.

The front page's figure: the course model's shapes by a few samplers from the same noise, and all of them at many numbers
of steps. On the page of results also: digits coming out of noise, and quality against cost of each sampler with the floor
that real digits reach. The rows are in highlights.py and results_page.py.
"""
import re
from pathlib import Path

import matplotlib.pyplot as plt

from ... import models
from ...bench import factors, findings
from ...diffusion import samplers
from ...measure import plots, records
from ...models import samples, store
from . import highlights
from .results import floor_of, table
from .results_page import page

DIGITS, SPEED, PAGE = "data/results/digits.png", "data/results/samplers.png", "data/results/README.md"
ALT = {
    DIGITS: "Left: six handwritten digits forming out of noise over the steps of a sampler. "
            "Right: distance to real digits against the number of network evaluations, for each sampler.",
    SPEED: "Left: six shapes from the same noise by DDIM and 2M with 5 and 10 steps and by DDPM with 1000. Right: "
           "distance to real shapes against the number of network evaluations, a curve with intervals for each "
           "sampler, the Pareto front and the floor of real shapes.",
}
SHOWN = ("ddim, 5 steps", "dpmpp_2m, 5 steps", "ddim, 10 steps", "dpmpp_2m, 10 steps", "ddpm, 1000 steps")


def redraw(root: Path) -> list[Path]:
    """Draw the figures, the rows between the marks of README.md, and the page of results; return the files that changed."""
    points, recorded = (records.latest(root / f"data/results/{name}.jsonl") for name in ("digits", "samplers"))
    if not points or not recorded:
        raise ValueError("There are no results yet: run `python -m effml_lab bench digits` and `bench samplers`, "
                         "both with `--out data/results`.")
    picture(root / DIGITS, points)
    speed(root / SPEED, recorded)
    texts = {root / "README.md": front(root), root / PAGE: results(root)}
    changed = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return [root / DIGITS, root / SPEED, *changed]


def front(root: Path) -> str:
    """The text of README.md with its figure and its rows as they should be."""
    text = between((root / "README.md").read_text(encoding="utf-8"), "figure", f"![{ALT[SPEED]}]({SPEED})")
    text = between(text, "map", table(factors.factors(), ("Lab", "Factor", "Change", "Measured", "Paid with, or bought")))
    return between(text, "numbers", table(highlights.lines(root / "data/results")))


def results(root: Path) -> str:
    """The text of the page of data/results, as it should be."""
    return page(root / "data/results", "\n\n".join(f"![{alt}]({Path(file).name})" for file, alt in ALT.items()))


def between(text: str, mark: str, content: str) -> str:
    """The text with what stands between a mark and the next end replaced."""
    pattern = rf"(<!-- measured: {mark} -->\n).*?(<!-- measured: end -->)"
    new, found = re.subn(pattern, lambda hit: f"{hit[1]}{content}\n{hit[2]}", text, flags=re.S)
    if found != 1:
        raise ValueError(f"README.md must hold the mark `<!-- measured: {mark} -->` once, and an end after it.")
    return new


def picture(path: Path, points: dict[str, records.Record]) -> None:
    denoise, schedule = models.denoiser("digits")
    grid, rng = schedule.grid(50, "trailing"), store.seeded(0)
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


def speed(path: Path, recorded: dict[str, records.Record]) -> None:
    """The course model's samples by a few samplers, and speed against quality of all of them."""
    columns = [samples.batch(findings.plan_of(recorded[name], size=6)) for name in SHOWN]
    with plots.style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), width_ratios=[1, 1.4])
        plots.film(left, columns, [name.replace(", ", "\n") for name in SHOWN])
        left.set(title="The same noise, six kinds of shape")
        left.tick_params(labelsize=8)
        plots.tradeoff(right, recorded.values(), label="Fréchet distance, classifier features")
        right.set(title=f"Speed against quality, n = {recorded[findings.FULL].quality['frechet']['n']}")
        fig.savefig(path, dpi=130, metadata={"Software": None})
        plt.close(fig)
