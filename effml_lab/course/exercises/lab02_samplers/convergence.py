"""Shared in lab 02: a sampler's steps, one by one, and the order by which its error falls: the cases and the `run` for both.

The order is measured on the two hills at even steps in lambda, ending above sigma = 0, between two short walks. On
this task it shows early: from 8 steps to 16, DDIM has 1.0, 2M 1.9 and Heun 2.2; from 16 to 32, the third order has 3.2,
and 2.1 as published.
"""
import itertools
import math
from functools import lru_cache
from typing import Callable

import torch
from torch import Generator, Tensor

from ...contract.exercise import Property, same_form, within
from ..walks import SIZES, guess, iterable, levels_of, rows, walk_case, walked


def cases(rng: Generator) -> list[dict]:
    """All three families, some ending at the clean level, in several shapes; and the case that measures the order."""
    kinds = (("vp", True, torch.float32), ("edm", False, torch.float64), ("flow", True, torch.float64))
    return [*(walk_case(rng, *kind, shape) for shape, kind in zip(SIZES, kinds)), order_case(8, 16)]


def order_case(*counts: int) -> dict:
    """The same task in these numbers of steps, each even over lams from -3 to 2."""
    grids = [rows("vp", torch.linspace(-3, 2, n + 1, dtype=torch.float64)) for n in counts]
    return {"grids": grids, "x": torch.linspace(-2, 2, 9, dtype=torch.float64)[None], "place": 1.0, "width": 0.4}


def run(impl: Callable, case: dict) -> dict:
    """The ends of all walks of an order case; of others every state and call."""
    return {"ends": [ended(impl, case, grid) for grid in case["grids"]]} if "grids" in case else walked(impl, case)


def ended(impl: Callable, case: dict, grid: Tensor) -> Tensor | None:
    """The last state on a grid given as rows, without a record."""
    stops = levels_of({"grid": grid})
    states = iterable(impl(lambda x, level: guess(case, x, level), case["x"], stops))
    return next(iter(list(itertools.islice(states, len(stops) + 2))[-1:]), None)


@lru_cache
def exact_end() -> Tensor:
    """Where the ODE dy/dlam = D - y, y = x / alpha, takes the x of an order case: Runge and Kutta's fourth order."""
    case, n = order_case(), 256
    lams = torch.linspace(-3, 2, 2 * n + 1, dtype=torch.float64)
    stops = levels_of({"grid": rows("vp", lams)})
    slope = lambda y, level: guess(case, level.alpha * y, level) - y
    y, h = case["x"] / stops[0].alpha, 5 / n
    for a, b, c in zip(stops[::2], stops[1::2], stops[2::2]):
        k1 = slope(y, a)
        k2 = slope(y + h / 2 * k1, b)
        k3 = slope(y + h / 2 * k2, b)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + h * k3, c))
    return stops[-1].alpha * y


def measured_order(name: str, case: dict, ends: list, low: float, high: float) -> Property:
    """The order by which the errors of the case's two runs fall, between low and high."""
    bad = next((row for row in (same_form(name, end, case["x"]) for end in ends) if not row.passed), None)
    if bad:
        return bad
    first, second = ((end - exact_end()).square().mean().sqrt().item() for end in ends)
    few, many = (len(grid) - 1 for grid in case["grids"])
    return within(name, math.log(first / second) / math.log(many / few), low, high)
