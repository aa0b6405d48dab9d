"""Lab 03: a prediction, and what is read: how far guidance leaves its class behind, and what it costs to get what was asked for.

The last is answered by the records of `bench guidance`: whoever measures again changes it.
"""
from functools import lru_cache

import torch

from ....bench import point
from ....diffusion import levels, oracle, samplers
from ....diffusion.guidance import guided
from ...contract.exercise import Exercise, prediction, reading

SHARE = "a share, from 0 to 1", lambda value: 0 <= value <= 1
ENOUGH = 0.98           # of the pictures show the wanted kind


@lru_cache
def radius(w: float) -> float:
    """How far from the middle the mean of a guided class of the lab's mixture lies."""
    mixture, grid = oracle.ring(4, 0.5), levels.linear().grid(100, "trailing")
    x = samplers.start((4000, 2), grid, torch.Generator().manual_seed(0)).double()
    out = samplers.last(samplers.ddim(guided(mixture.denoise, torch.tensor([0]), torch.tensor([4]), w), x, grid))
    return out.mean(0).norm().item()


def around(w: float, slack: float = 0.05) -> tuple[float, float]:
    return radius(w) - slack, radius(w) + slack


def fewest(metric: str = "kind", enough: float = ENOUGH) -> float:
    """The fewest evaluations a picture of `shapes` whose share, as recorded, is enough; 0 if there are none."""
    rows = [row for name, row in point.recorded("guidance").items() if name.startswith("shapes, w")]
    return min((row.nfe for row in rows if row.quality[metric]["value"] >= enough), default=0)


def fewest_slips() -> dict[str, tuple[float, float]]:
    right = fewest()
    near = lambda value: (value - 0.01, value + 0.01)
    said = {"the rows that are guided everywhere alone: there are others": near(2 * 20.0),
            "steps, not evaluations: a step under guidance takes two": near(20.0),
            "the weight, not the evaluations": (0.0, 9.0)}
    return {cause: (low, high) for cause, (low, high) in said.items() if not low <= right <= high}


EXERCISES: tuple[Exercise, ...] = (
    prediction("03-guess-small", "Prediction: what becomes of the small ones", *SHARE),
    reading("03-read-overshoot", "Left behind by its own mean", lambda: around(3.0), lambda: {
        "this is the mean of the class itself, w = 1": around(1.0), "this is w = 2: w = 3 was asked for": around(2.0),
        "this is w = 4: is your w the paper's?": around(4.0)}),
    reading("03-read-enough", "What it costs to get what was asked for", lambda: (fewest() - 0.01, fewest() + 0.01),
            fewest_slips),
)
