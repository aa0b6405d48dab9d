"""The page of data/results: every table of results.py under the command that measured it, and how to read them."""
from pathlib import Path
from typing import Callable

from .results import (
    Lines,
    beside,
    calibration,
    conditions,
    digits,
    distilled,
    few,
    graders,
    guidance,
    instructions,
    judge,
    labs,
    layers,
    memory,
    plane,
    ranges,
    shapes_tried,
    table,
    tests,
    whole_nets,
)
from .results_gpu import forward, kernels

SECTIONS: dict[str, tuple[Callable[[Path], Lines], ...]] = {        # what was run -> the lines of its table
    "`bench graders`": (graders,), "`bench tests`": (tests,), "`bench labs`": (labs,), "`bench digits`": (digits, judge),
    "`bench shape_search`": (shapes_tried,), "`bench samplers`": (few,),
    "`bench guidance`": (guidance,), "`bench conditions`": (conditions,),
    "`bench distill`": (distilled,), "`bench plane`": (plane,), "`bench loop`": (beside("loop", "Loop of 50 steps"),),
    "`bench unet` and `bench race`": (beside("unet", "UNet"),), "`bench layers`": (layers,),
    "`bench ranges`": (ranges,), "`bench quant`": (whole_nets,),
    "`bench calibration`": (calibration,), "`bench instructions`": (instructions,),
    "`bench kernels`": (kernels,), "`bench forward`": (forward,), "`bench memory`": (memory,),
}
PAGE = """\
# What was measured

No number on this page is typed. `python -m effml_lab bench NAME --out data/results` measures and appends rows to the files
beside it, each with its device, versions, date and commit; `python -m effml_lab build --readme` draws this page, the front page
and their figures from the latest of every kind. The lecture of a lab shows its rows whole, the grids of `spacing.jsonl` too.

In brackets stands the 95% interval, a bootstrap; where a bias is taken off, a distance may reach below zero. Fréchet
distance and KID compare two sets of pictures in the features of our own classifiers, so none of them is FID; lower is nearer,
and the floor is what as many real pictures score. Two samplers are "not separable" if the interval of their paired difference
contains 0 and is narrower than a fifth of the reference's own distance; "undecided" if it contains 0 and is wider; a distance is
"surely at most a fifth greater" if that interval ends below the fifth. Errors of 4-bit layers are relative to the float layer's
outputs. Errors of pictures are root mean squares to 64 steps of DDIM from the same noise, "moved" the share of pictures that
differ by more than 0.2; PSNR is that of pictures from -1 to 1, to those of the same net in 32 bits from the same noises; on the
plane, distances to as many steps, and in brackets the least and greatest of three seeds. 2M is DPM-Solver++(2M); w4a8 means
weights of 4 and activations of 8 bits; a net named 48-64 has 48 channels at 16 x 16 and 64 at 8 x 8.

{figures}

With DDPM, which draws noise on the way, the same start leads to other shapes.

{tables}

## The kernels and the GPU

The fused 4-bit kernels are tested in Triton's interpreter and compiled ahead of time for three generations of cards, whose
main loops are counted: how much of a card's 8-bit peak a product leaves to the tensor cores. A 16-bit layer has half of that
peak, so a product that is bound below a half cannot beat one there. What an H100 made of them, what was wrong at first and what
is still to be measured again: [notes on the kernels](kernels.md). `python -m effml_lab bench gpu --device cuda --minutes 9`
measures all that a GPU is needed for.
"""


def page(results: Path, figures: str) -> str:
    """The page of data/results: every table, under the command that measured it."""
    tables = {title: [line for source in sources for line in source(results)] for title, sources in SECTIONS.items()}
    text = "\n\n".join(f"## {title}\n\n{table(lines)}" for title, lines in tables.items() if lines)
    return PAGE.format(figures=figures, tables=text)
