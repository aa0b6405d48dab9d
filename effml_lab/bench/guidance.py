"""`bench guidance`: what guidance buys, takes and costs over eight weights, on kinds of `shapes` and on captions of `scenes`.

All sets of a model start from the same noises and ask for the same things, so that two of them pair off, picture by picture.
  kind, color, size, ground, all four   the share of pictures in which the judge reads what was asked for
  small          the share that is read as small, which nobody asks of `shapes`: half of all real shapes are
  area           the mean share of a picture that the shape covers
  frechet        distance to fresh renders of what was asked for, in the judge's features
  frechet, sizes as drawn   the same to renders of which as many are small as of the set: what is left once sizes are set right;
                 of `shapes` alone
  evenness       diversity: entropy of (color, size, ground) as read, over that of equal shares
  less w = 1     the paired difference to the same set without guidance
  time           over that without guidance, in one run A B A B
Rows of `shapes` also count the pictures whose kind became right, and wrong, as w rose from 1. Beside guidance everywhere stand
guidance on an interval of levels, that of a classifier, and captions whose kind and
color never stood together in one that was trained on.
"""
from functools import partial
from pathlib import Path
from typing import Callable, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import folders
from ..datasets import shapes
from ..measure import cost, quality, records
from ..models import judges, reader, samples, store
from ..models.samples import SPACING, Plan
from . import real
from .plan_cost import cost_of, runner, sync

WEIGHTS = (0.0, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0)
SCALES = (1.0, 2.0, 3.0, 5.0)               # of the classifier's guidance
INSIDE = (0.3, 5.0)                         # of sigma / alpha
N, STEPS = {"shapes": 700, "scenes": 400}, 20
KINDS = Plan("shapes", "dpmpp_2m", STEPS, SPACING)
WORDS = Plan("scenes", "dpmpp_2m", STEPS, SPACING)
LOOKS = len(shapes.COLORS) * len(shapes.SIZES) * len(shapes.GROUNDS)


class Seen(NamedTuple):
    """What a set of n pictures comes to."""
    read: reader.Attributes
    features: Tensor        # (n, D)
    area: Tensor            # (n,)
    hits: dict[str, Tensor]     # what was asked for -> whether it is there, (n,)


def free(plan: Plan) -> Plan:
    """The same without guidance."""
    return plan._replace(w=1.0, inside=None, by="itself")


def scenes_of(plan: Plan, n: int) -> shapes.Scenes:
    """The scenes that the captions of n pictures ask for."""
    parts = [samples.asked(plan, i) for i in range(-(-n // plan.size))]
    return shapes.Scenes(*(torch.cat(fields)[:n] for fields in zip(*parts)))


def seen(plan: Plan, n: int, device: str, workers: int | None) -> Seen:
    images = samples.draw(plan, n, device, workers)
    read = reader.attributes(images)
    kinds = samples.kinds(plan.name, n, folder=plan.folder)
    hits = reader.right(images, scenes_of(plan, n)) if kinds is None else {"kind": read.kind == kinds}
    return Seen(read, judges.features("shapes", images), reader.figure(images).double().mean((1, 2)), hits)


def held_against(plan: Plan, n: int) -> Tensor:
    """Features of renders of what is asked for: the kinds in turn, or the very scenes."""
    kinds = samples.kinds(plan.name, n, folder=plan.folder)
    return judges.features("shapes", shapes.render(scenes_of(plan, n)) if kinds is None else real.scenes(n)[0])


def resized(mine: Seen) -> Tensor:
    """Features of as many renders, the kinds in turn, of which as many are small as are in the set."""
    n, small = len(mine.area), int((mine.read.size == 0).sum())
    pool = shapes.draw(4 * n, store.seeded(real.SEED, 1))
    rows = torch.cat([(pool.size[:, 0] == size).nonzero().flatten()[:count] for size, count in ((0, small), (1, n - small))])
    scenes = shapes.Scenes(*(field[rows] for field in pool))
    return judges.features("shapes", shapes.render(scenes._replace(kind=torch.arange(n)[:, None] % len(shapes.KINDS))))


def judged(mine: Seen, plain: Seen, held: Tensor) -> dict[str, quality.Estimate]:
    """All that is said of a set, beside the same noises without guidance."""
    small = mine.read.size == 0
    look = (mine.read.color * len(shapes.SIZES) + mine.read.size) * len(shapes.GROUNDS) + mine.read.ground
    found = {name: quality.proportion(hits) for name, hits in mine.hits.items()}
    found |= {"small": quality.proportion(small), "area": quality.mean(mine.area),
              "frechet": quality.bootstrap(quality.frechet, mine.features, held)}
    if mine.hits.keys() == {"kind"}:
        found["frechet, sizes as drawn"] = quality.bootstrap(quality.frechet, mine.features, resized(mine))
    found["evenness"] = quality.bootstrap(partial(quality.evenness, classes=LOOKS), look)
    return found | {
        "frechet less w = 1": quality.paired(quality.frechet, mine.features, plain.features, held),
        "small less w = 1": quality.mean(small.double() - (plain.read.size == 0).double()),
        "kind less w = 1": quality.mean(mine.hits["kind"].double() - plain.hits["kind"].double())}


def costs(plan: Plan, device: str, rounds: int, size: int) -> tuple[dict, quality.Estimate]:
    """nfe, macs, ms and bytes for a Record, and the time over that of the same plan without guidance.

    What a classifier's gradient takes is in the time and in the bytes, in neither of nfe and macs.
    """
    small = plan._replace(size=size)
    found, _ = cost_of(small, device, rounds)
    found["bytes"] += sum(store.card(name)["bytes"] for name in samples.NEEDS[plan.by])
    ratio = cost.ratio(runner(small, device)[0], runner(free(small), device)[0], rounds, warmup=1, sync=sync(device))[0]
    return found, quality.Estimate(*ratio, rounds)


def table() -> dict[str, Plan]:
    """The name of every row and its plan."""
    rows = {f"shapes, w = {w:g}": KINDS._replace(w=w) for w in WEIGHTS}
    rows |= {f"shapes, w = {w:g} inside": KINDS._replace(w=w, inside=INSIDE) for w in (2.0, 3.0, 5.0)}
    rows |= {f"shapes, a classifier, s = {s:g}": KINDS._replace(w=s, by="a classifier") for s in SCALES}
    rows |= {f"scenes, w = {w:g}": WORDS._replace(w=w) for w in WEIGHTS}
    return rows | {f"scenes, held out, w = {w:g}": WORDS._replace(w=w, asks="held out") for w in (1.0, 2.0, 3.0)}


def changes(plan: Plan, mine: Seen, plain: Seen) -> dict:
    """How many pictures of kinds became right and wrong, large and small, beside those without guidance."""
    kinds = samples.kinds(plan.name, len(plain.area), folder=plan.folder)
    if kinds is None:
        return {}
    return {"became right, wrong": quality.flips(plain.read.kind, mine.read.kind, kinds),
            "became large, small": quality.flips(plain.read.size, mine.read.size, torch.ones_like(kinds))}


def record(technique: str, plan: Plan, n: int, device: str, workers: int | None, rounds: int, size: int) -> records.Record:
    """The row of a plan."""
    mine, plain = (seen(each, n, device, workers) for each in (plan, free(plan)))
    spent, ratio = costs(plan, device, rounds, size)
    found = judged(mine, plain, held_against(plan, n)) | {"time": ratio}
    settings = {key: getattr(plan, key) for key in ("name", "w", "inside", "by", "asks", "sampler", "steps", "spacing")}
    stamps = {name: store.card(name)["sha256"][:12] for name in (plan.name, "shapes_judge", *samples.NEEDS[plan.by])}
    return records.Record(technique, quality={name: each._asdict() for name, each in found.items()},
                          device=records.device_name(device), **spent,
                          settings=settings | {"checkpoints": stamps} | changes(plan, mine, plain))


def measure(out: Path | str | None = None, device: str = "cpu", n: dict[str, int] = N, rows: Callable[[], dict] = table,
            workers: int | None = None, rounds: int = 5, size: int = 8) -> str:
    """Draw, judge and time all rows, and append them to guidance.jsonl. Stopped, it goes on from the last batch."""
    path, plans = folders.results(out) / "guidance.jsonl", rows()
    for plan in plans.values():
        samples.fill([plan, free(plan)], n[plan.name], device, workers)
    for technique, plan in tqdm(plans.items(), desc="judged", unit="row"):
        records.append(path, record(technique, plan, n[plan.name], device, workers, rounds, size))
    for plan in plans.values():
        samples.forget(plan)
        samples.forget(free(plan))
    return f"recorded in {path}"
