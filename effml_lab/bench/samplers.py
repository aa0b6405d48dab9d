"""`bench samplers`: speed against quality: every sampler at many numbers of steps, on the course model, unguided.

All sets of samples start from the same noise x_T and ask for the same kinds, so two of them pair off, picture by
picture. DDPM visits all levels of its table; every other point lies on the grids that suit a few steps best.
  frechet, kid  distances to as many fresh renders, in the judge's features (`measure.quality`); the floor is what
                another set of real renders scores there
  wanted        the share of pictures whose kind the judge reads as the one asked for
  evenness      diversity: entropy of (color, size, ground) as read, over that of equal shares
  rmse          root mean squared difference to DDIM with 500 steps from the same x_T, for samplers that draw no noise
  frechet_less_ddpm_1000   the paired difference of distances, by which two points are told apart or not
  overhead      time over that of as many bare calls of the net
Left out: guidance (lab 03), whose scale would be a second axis.
"""
from functools import partial
from itertools import product
from pathlib import Path
from typing import Callable, NamedTuple

from torch import Tensor
from tqdm.auto import tqdm

from .. import folders
from ..datasets import shapes
from ..measure import quality, records
from ..models import judges, reader, samples, store
from ..models.samples import SPACING, Plan
from . import findings, real
from .plan_cost import cost_of

FEW = (3, 4, 5, 6, 8, 10, 15, 20)
TABLE = {       # sampler -> steps; a step is one evaluation, but for Heun's, which takes two, and one on the last
    "ddpm": (5, 8, 10, 15, 20, 50, 100, 1000),
    "ddim": (*FEW, 50, 100),
    "dpmpp_2m": (*FEW, 30),
    "unipc": FEW,
    "dpmpp_3m": FEW,
    "heun": (2, 3, 4, 5, 8),
    "dpm_2s": (4, 6, 10, 20),
    "dpmpp_2m_sde": (5, 10, 20, 30, 50),
}
N, PAIRS = 2000, 300            # samples of a point; of them, those that are compared with the exact solution
FULL, EXACT = Plan("shapes", "ddpm", 1000, "trailing"), Plan("shapes", "ddim", 500, SPACING)
RANDOM = ("ddpm", "dpmpp_2m_sde")
GRIDS = ("trailing", "leading", "linspace", "quadratic", "lambda", "karras")
FLOOR = "real shapes, the floor"


def figures(images: Tensor, wanted: Tensor, held: Tensor) -> tuple[dict[str, quality.Estimate], Tensor]:
    """How good images (N, 3, 32, 32) are that should show kinds (N,), beside real features (M, D); their features."""
    seen, read = judges.features("shapes", images), reader.attributes(images)
    look = (read.color * len(shapes.SIZES) + read.size) * len(shapes.GROUNDS) + read.ground
    looks = len(shapes.COLORS) * len(shapes.SIZES) * len(shapes.GROUNDS)
    return {"frechet": quality.bootstrap(quality.frechet, seen, held), "kid": quality.kid_interval(seen, held),
            "wanted": quality.bootstrap(lambda hit: hit.mean().item(), (read.kind == wanted).double()),
            "evenness": quality.bootstrap(partial(quality.evenness, classes=looks), look)}, seen


def gaps(images: Tensor, exact: Tensor) -> Tensor:
    """The mean squared difference of each picture to the exact one from the same noise, for all exact ones."""
    return (images[:len(exact)] - exact).square().flatten(1).mean(1)


def rmse(gap: Tensor) -> quality.Estimate:
    return quality.bootstrap(lambda g: g.mean().sqrt().item(), gap)


def recorder(path: Path, device: str) -> Callable:
    """append(technique, found, settings, **costs) writes a row of that file, with what all rows share."""
    stamp = lambda name: store.card(name)["sha256"][:12]
    shared = {"data": "shapes", "reference": f"{real.N} fresh renders", "checkpoint": stamp("shapes"),
              "judge": stamp("shapes_judge")}

    def append(technique: str, found: dict, settings: dict | None = None, **costs) -> None:
        row = {name: estimate._asdict() for name, estimate in found.items()}
        records.append(path, records.Record(technique, quality=row, settings=shared | (settings or {}),
                                        device=records.device_name(device), **costs))
    return append


class Bed(NamedTuple):
    """What the points of one run share: n samples each, the wanted kinds, and what they are compared with."""
    wanted: Tensor          # (n,)
    held: Tensor            # (n, D), features of real renders
    base: Tensor            # (n, D), features of the thousand steps of DDPM
    exact: Tensor           # the first pictures as the solver with 500 steps makes them


def bed(full: Plan, exact: Plan, n: int, device: str, workers: int | None) -> Bed:
    base = judges.features("shapes", samples.draw(full, n, device, workers))
    return Bed(samples.kinds("shapes", n), judges.features("shapes", real.scenes(n)[0]), base,
               samples.draw(exact, min(n, PAIRS), device, workers))


def judged(plan: Plan, given: Bed) -> dict[str, quality.Estimate]:
    """All that is said of the quality of a plan's samples."""
    images = samples.draw(plan, len(given.wanted))
    found, seen = figures(images, given.wanted, given.held)
    found[findings.AGAINST] = quality.paired(quality.frechet, seen, given.base, given.held)
    return found if plan.sampler in RANDOM else found | {"rmse": rmse(gaps(images, given.exact))}


def grids(append: Callable, plan: Plan, given: Bed, device: str, workers: int | None) -> None:
    """The same ten steps on other grids, of as many pictures as there are exact ones: a row each."""
    n = len(given.exact)
    for sampler, spacing in product(("ddim", "dpmpp_2m"), GRIDS):
        other = plan._replace(sampler=sampler, steps=10, spacing=spacing)
        images = samples.draw(other, n, device, workers)
        found = figures(images, given.wanted[:n], given.held)[0] | {"rmse": rmse(gaps(images, given.exact))}
        append(f"{sampler}, 10 steps, {spacing}", found, settings_of(other))
        samples.forget(other)


def settings_of(plan: Plan) -> dict:
    return {"sampler": plan.sampler, "steps": plan.steps, "spacing": plan.spacing, "seed": plan.seed}


def plans_of(table: dict[str, tuple[int, ...]], full: Plan, exact: Plan) -> list[Plan]:
    """A plan for every entry of a table, all on the grids of `exact`, but `full` as it is."""
    plans = [exact._replace(sampler=name, steps=steps) for name, counts in table.items() for steps in counts]
    return [full if (plan.sampler, plan.steps) == (full.sampler, full.steps) else plan for plan in plans]


def measure(out: Path | str | None = None, device: str = "cpu", n: int = N, table: dict = TABLE, full: Plan = FULL,
             exact: Plan = EXACT, workers: int | None = None, rounds: int = 3, size: int = 4) -> str:
    """Draw, judge and time all points of the table: rows and findings in samplers.jsonl, other grids in spacing.jsonl.

    full, exact: what the points are compared with. rounds, size: of timing. Stopped, it goes on from the last batch.
    """
    folder, plans = folders.results(out), plans_of(table, full, exact)
    given = bed(full, exact, n, device, workers)
    samples.fill(sorted(plans, key=lambda plan: plan.steps), n, device, workers)
    append = recorder(folder / "samplers.jsonl", device)
    append(FLOOR, figures(*real.scenes(n, 1), given.held)[0])
    for plan in tqdm(plans, desc="judged", unit="point"):
        costs, over = cost_of(plan._replace(size=size), device, rounds)
        found = judged(plan, given) | {"overhead": quality.Estimate(*over, rounds)}
        append(f"{plan.sampler}, {plan.steps} steps", found, settings_of(plan), **costs)
    ten = lambda name: samples.draw(exact._replace(sampler=name, steps=10), len(given.exact))
    errors = [gaps(ten(name), given.exact) for name in ("dpmpp_2m", "ddim")]
    findings.record(append, records.latest(folder / "samplers.jsonl"), errors, device, rounds, size)
    for plan in {full, exact, *plans}:
        samples.forget(plan)
    grids(recorder(folder / "spacing.jsonl", device), exact, given, device, workers)
    return f"recorded in {folder}"
