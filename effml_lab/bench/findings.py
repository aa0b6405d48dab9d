"""What the rows of `bench samplers` come to: the few numbers that README, lecture and lab quote.

They are computed from the rows as recorded, and recorded as rows themselves, whose technique begins with "finding: ".
"""
from typing import Callable

import torch
from torch import Tensor

from ..measure import cost, quality, records
from ..models.samples import Plan
from .plan_cost import runner, sync

AGAINST = "frechet_less_ddpm_1000"
FEWEST = "finding: fewest evaluations not separable from ddpm, 1000 steps"
NO_WORSE = "finding: fewest evaluations surely at most a fifth worse than ddpm, 1000 steps"
ORDER = "finding: paired error of dpmpp_2m over ddim, 10 steps"
FULL = "ddpm, 1000 steps"


def estimate(row: dict) -> quality.Estimate:
    return quality.Estimate(**row)


def verdict(record: records.Record, full: records.Record) -> bool | None:
    """Whether a recorded point is separable from the thousand steps of DDPM; None where the rows cannot say."""
    return quality.separable(estimate(record.quality[AGAINST]), full.quality["frechet"]["value"])


def first(rows: dict[str, records.Record], wanted: Callable[[records.Record, records.Record], bool]) -> records.Record | None:
    """The point of fewest evaluations that, beside DDPM's thousand steps, is as wanted; of several the surest."""
    found = [r for name, r in rows.items() if AGAINST in r.quality and name != FULL and wanted(r, rows[FULL])]
    return min(found, key=lambda r: (r.nfe, r.quality[AGAINST]["high"]), default=None)


def fewest(rows: dict[str, records.Record]) -> records.Record | None:
    """The point of fewest evaluations that is not separable from DDPM's thousand steps, if there is one."""
    return first(rows, lambda r, full: verdict(r, full) is False)


def undecided(rows: dict[str, records.Record]) -> records.Record | None:
    """The point of fewest evaluations whose difference to DDPM's thousand steps may be 0, but is not known well."""
    return first(rows, lambda r, full: verdict(r, full) is None)


def no_worse(rows: dict[str, records.Record]) -> records.Record | None:
    """The point of fewest evaluations whose distance is surely at most a fifth greater than DDPM's thousand steps'."""
    return first(rows, lambda r, full: quality.no_worse(estimate(r.quality[AGAINST]), full.quality["frechet"]["value"]))


def plan_of(record: records.Record, size: int) -> Plan:
    return Plan("shapes", *(record.settings[key] for key in ("sampler", "steps", "spacing")), size)


def speedup(rows: dict[str, records.Record], point: records.Record, device: str, rounds: int,
            size: int) -> quality.Estimate:
    """Time of DDPM's thousand steps over that of a point, in one run, A B A B."""
    slow, fast = (runner(plan_of(record, size), device)[0] for record in (rows[FULL], point))
    return quality.Estimate(*cost.ratio(slow, fast, rounds, warmup=1, sync=sync(device))[0], rounds)


def times_smaller(gap: Tensor, other: Tensor) -> quality.Estimate:
    """The root mean squared error of one sampler over another's, from the mean squared differences (N,) of both."""
    ratio = lambda pairs: (pairs[:, 0].mean() / pairs[:, 1].mean()).sqrt().item()
    return quality.bootstrap(ratio, torch.stack([gap, other], 1))


def quickest(append: Callable, rows: dict[str, records.Record], device: str, rounds: int, size: int) -> None:
    """Append which points of few evaluations will do, with their speed-up over DDPM's thousand steps."""
    for finding, point in ((FEWEST, fewest(rows)), (NO_WORSE, no_worse(rows))):
        found = {} if point is None else {"speedup": speedup(rows, point, device, rounds, size)}
        append(finding, found, {"point": point and point.technique}, nfe=point and point.nfe)


def record(append: Callable, rows: dict[str, records.Record], errors: list[Tensor], device: str, rounds: int,
           size: int) -> None:
    """Append the findings. errors: the mean squared differences (N,) of dpmpp_2m and of ddim, with ten steps."""
    append(ORDER, {"ratio": times_smaller(*errors)})
    quickest(append, rows, device, rounds, size)
