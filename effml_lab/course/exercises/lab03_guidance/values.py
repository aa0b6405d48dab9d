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
ENOUGH = 0.97           # of the pictures show the wanted kind


@lru_cache
def radius(w: float) -> float:
    """How far from the middle the mean of a guided class of the lab's mixture lies."""
    mixture, grid = oracle.ring(4, 0.5), levels.linear().grid(100, "trailing")
    x = samplers.start((4000, 2), grid, torch.Generator().manual_seed(0)).double()
    out = samplers.last(samplers.ddim(guided(mixture.denoise, torch.tensor([0]), torch.tensor([4]), w), x, grid))
    return out.mean(0).norm().item()


@lru_cache
def claimed(w: float) -> float:
    """How far from the middle the mean of p(x | class)^w p(x)^(1 - w) lies."""
    mixture, clean = oracle.ring(4, 0.5), levels.linear()(0.0)
    square = torch.cartesian_prod(*[torch.linspace(-3, 5, 200, dtype=torch.float64)] * 2)
    log = mixture.log_pdf(square, clean) + w * mixture.log_posterior(square, clean)[:, 0]
    return (log.softmax(0)[:, None] * square).sum(0).norm().item()


def near(value: float, slack: float = 0.05) -> tuple[float, float]:
    return value - slack, value + slack


def around(w: float) -> tuple[float, float]:
    return near(radius(w))


def fewest(metric: str = "kind", enough: float = ENOUGH) -> float:
    """The fewest evaluations a picture of `shapes` whose share, as recorded, is enough; 0 if there are none."""
    rows = [row for name, row in point.recorded("guidance").items() if name.startswith("shapes, w")]
    return min((row.nfe for row in rows if row.quality[metric]["value"] >= enough), default=0)


def fewest_slips() -> dict[str, tuple[float, float]]:
    right = fewest()
    said = {"the rows that are guided everywhere alone: there are others": near(2 * 20.0),
            "steps, not evaluations: a step under guidance takes two": near(20.0),
            "this is a weight: the evaluations are asked for": (1.2, 9.0),
            "this is a share: the evaluations are asked for": (0.9, 1.0)}
    return {cause: (low, high) for cause, (low, high) in said.items() if not low <= right <= high}


EXERCISES: tuple[Exercise, ...] = (
    prediction("03-guess-small", "Prediction: what becomes of the small ones", *SHARE),
    reading("03-read-overshoot", "Left behind by its own mean", lambda: around(3.0), lambda: {
        "this is the mean of the class itself, w = 1": around(1.0), "this is w = 2: w = 3 was asked for": around(2.0),
        "this is w = 4: is your w the paper's?": around(4.0), "this is the circle, not the cross": near(claimed(3.0)),
        "this is how far the class is away: from the origin is asked": near(radius(3.0) - 1)}),
    reading("03-read-enough", "What it costs to get what was asked for", lambda: near(fewest(), 0.01),
            fewest_slips),
)
