"""`bench digits`: how good the model of digits is: samples of its stored weights against real digits that it never saw.

All distances are taken to the 360 held-out digits, in the judge's features. What the 1,437 training images themselves
score there is the floor: as many real images, the same reference, hence the same bias, and what no model has to beat.
  frechet, kid     distances between feature distributions (`measure.quality`)
  recognizable     the share that the judge takes for a digit, at a threshold that few averages and no noise pass
  nearest          median distance (pixels, Euclidean) to the nearest training image, over that of held-out digits:
                   near 0 for a copying machine, near 1 for new digits
  evenness         entropy of the classes that the judge reads, over that of equal shares
"""
from functools import partial
from pathlib import Path

from torch import Tensor

from .. import datasets, folders
from ..measure import quality, records
from ..models import judges, samples, store
from ..models.samples import Plan
from .plan_cost import cost_of

RUNS = [("ddim", 10), ("ddim", 50), ("ddpm", 100), ("ddpm", 1000)]       # sampler, steps: trailing steps of the table
TIMED = 16                                                               # images in the batch that is timed


def judged(data: str, images: Tensor, folder=None) -> dict[str, dict]:
    """The five figures of a set of images (N, C, H, W) of a data set, with intervals."""
    (train, labels), (held, _) = datasets.load(data, "train")[:2], datasets.load(data, "test")[:2]
    seen, real = judges.features(data, images, folder), judges.features(data, held, folder)
    classes, passed = judges.read_classes(images, data, folder)[0], judges.recognizable(images, data, folder).double()
    count, ratio = int(labels.max()) + 1, lambda a, b: (a.median() / b.median()).item()
    estimates = {
        "frechet": quality.bootstrap(quality.frechet, seen, real),
        "kid": quality.bootstrap(quality.kid, seen, real),
        "recognizable": quality.bootstrap(lambda p: p.mean().item(), passed),
        "nearest": quality.bootstrap(ratio, quality.nearest(images, train), quality.nearest(held, train)),
        "evenness": quality.bootstrap(partial(quality.evenness, classes=count), classes),
    }
    return {name: estimate._asdict() for name, estimate in estimates.items()}


def measure(out: Path | str | None = None, device: str = "cpu", n: int = 1437, runs=RUNS) -> str:
    """Measure the checkpoint `digits` and append one record a sampler, and one of the floor, to digits.jsonl."""
    path = folders.results(out) / "digits.jsonl"
    shared = {"reference": "360 held-out digits", "judge": store.card("digits_judge")["sha256"][:12]}
    record = partial(records.Record, device=records.device_name(device))
    records.append(path, record("real digits, the floor", settings=shared,
                              quality=judged("digits", datasets.load("digits", "train")[0][:n])))
    for sampler, steps in runs:
        plan = Plan("digits", sampler, steps, "trailing", 240)
        settings = shared | {"sampler": sampler, "steps": steps, "spacing": plan.spacing, "seed": plan.seed,
                             "batch": TIMED, "checkpoint": store.card("digits")["sha256"][:12]}
        quality_of = judged("digits", samples.draw(plan, n, device))
        costs = cost_of(plan._replace(size=TIMED), device)[0]
        records.append(path, record(f"{sampler}, {steps} steps", settings=settings, quality=quality_of, **costs))
        samples.forget(plan)
    return f"recorded in {path}"
