"""What the rows of `bench samplers` come to: the few numbers that README, lecture and lab quote.

They are computed from the rows as recorded, and recorded as rows themselves, whose technique begins with "finding: ".
"""
from typing import Callable

import torch
from torch import Tensor

from ..measure import bench, quality
from .cost import runner, sync
from .samples import Plan

AGAINST = "frechet_less_ddpm_1000"
FEWEST = "finding: fewest evaluations not separable from ddpm, 1000 steps"
ORDER = "finding: paired error of dpmpp_2m over ddim, 10 steps"
FULL = "ddpm, 1000 steps"


def estimate(row: dict) -> quality.Estimate:
    return quality.Estimate(**row)


def verdict(record: bench.Record, full: bench.Record) -> bool | None:
    """Whether a recorded point is separable from the thousand steps of DDPM; None where the rows cannot say."""
    return quality.separable(estimate(record.quality[AGAINST]), full.quality["frechet"]["value"])


def fewest(rows: dict[str, bench.Record]) -> bench.Record | None:
    """The point of fewest evaluations that is not separable from DDPM's thousand steps, if there is one."""
    same = [r for name, r in rows.items() if AGAINST in r.quality and name != FULL and verdict(r, rows[FULL]) is False]
    return min(same, key=lambda record: record.nfe, default=None)


def undecided(rows: dict[str, bench.Record]) -> bench.Record | None:
    """The point of fewest evaluations whose difference to DDPM's thousand steps may be 0, but is not known well."""
    open_ones = [r for name, r in rows.items() if AGAINST in r.quality and name != FULL and verdict(r, rows[FULL]) is None]
    return min(open_ones, key=lambda record: record.nfe, default=None)


def plan_of(record: bench.Record, size: int) -> Plan:
    return Plan("shapes", *(record.settings[key] for key in ("sampler", "steps", "spacing")), size)


def speedup(rows: dict[str, bench.Record], point: bench.Record, device: str, rounds: int,
            size: int) -> quality.Estimate:
    """Time of DDPM's thousand steps over that of a point, in one run, A B A B."""
    slow, fast = (runner(plan_of(record, size), device)[0] for record in (rows[FULL], point))
    return quality.Estimate(*bench.ratio(slow, fast, rounds, warmup=1, sync=sync(device))[0], rounds)


def times_smaller(gap: Tensor, other: Tensor) -> quality.Estimate:
    """The root mean squared error of one sampler over another's, from the mean squared differences (N,) of both."""
    ratio = lambda pairs: (pairs[:, 0].mean() / pairs[:, 1].mean()).sqrt().item()
    return quality.bootstrap(ratio, torch.stack([gap, other], 1))


def record(append: Callable, rows: dict[str, bench.Record], errors: list[Tensor], device: str, rounds: int,
           size: int) -> None:
    """Append the findings. errors: the mean squared differences (N,) of dpmpp_2m and of ddim, with ten steps."""
    append(ORDER, {"ratio": times_smaller(*errors)})
    point = fewest(rows)
    found = {} if point is None else {"speedup": speedup(rows, point, device, rounds, size)}
    append(FEWEST, found, {"point": point and point.technique}, nfe=point and point.nfe)
