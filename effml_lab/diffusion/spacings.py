"""Where a sampler stops: the spacings of a grid, each a rule (schedule, n, lam) -> n levels, noisiest first.

  leading, trailing     as diffusers' DDIMScheduler means them: whole times, evenly, from the clean or the noisy end
  linspace              as DPMSolverMultistepScheduler means it: n + 1 evenly spread times, the last one dropped
  quadratic             DDIM (Song et al. 2021), appendix D.2: more steps near the image
  lambda                even in lam = log(alpha / sigma), what the orders of solvers are stated for
  karras                Karras et al. 2022, eq. 5 with rho = 7, on sigma / alpha
Left out: spacings found by search.
"""
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from .levels import Level, Schedule


def _table_length(schedule: "Schedule", n: int) -> int:
    if schedule.steps is None or n > schedule.steps:
        raise ValueError(f"this spacing needs a table of at least {n} times; "
                         f"this schedule has {schedule.steps or 'none'}: use spacing='lambda'")
    return schedule.steps


def _leading(schedule: "Schedule", n: int, lam: tuple[float, float]) -> list["Level"]:
    stride = _table_length(schedule, n) // n
    return [schedule(float(i * stride)) for i in reversed(range(n))]


def _trailing(schedule: "Schedule", n: int, lam: tuple[float, float]) -> list["Level"]:
    if schedule.steps is None:
        low, high = schedule.span
        if math.isinf(high):
            raise ValueError("the spacing 'trailing' needs a largest t: use 'lambda' or 'karras'")
        return [schedule(high - i * (high - low) / n) for i in range(n)]
    total = _table_length(schedule, n)
    times = np.arange(total, 0, -total / n)[:n].round() - 1     # NumPy's ties: diffusers' list exactly
    return [schedule(t) for t in times.tolist()]


def _linspace(schedule: "Schedule", n: int, lam: tuple[float, float]) -> list["Level"]:
    last = _table_length(schedule, n + 1) - 1
    return [schedule(t) for t in np.linspace(0, last, n + 1).round()[:0:-1].tolist()]


def _quadratic(schedule: "Schedule", n: int, lam: tuple[float, float]) -> list["Level"]:
    # DDIM appendix D.2 rounds these times down and so repeats some at large n; kept fractional they stay distinct
    end = math.sqrt(0.8 * _table_length(schedule, n))
    return [schedule(t * t) for t in torch.linspace(end, 0, n, dtype=torch.float64).tolist()]


def _lambda(schedule: "Schedule", n: int, lam: tuple[float, float]) -> list["Level"]:
    return [schedule.at(l) for l in torch.linspace(*lam, n, dtype=torch.float64).tolist()]


def _karras(schedule: "Schedule", n: int, lam: tuple[float, float], rho: float = 7.0) -> list["Level"]:
    high, low = (math.exp(-l / rho) for l in lam)         # Karras et al. 2022, eq. 5, on sigma / alpha
    return [schedule.at(-rho * math.log(s)) for s in torch.linspace(high, low, n, dtype=torch.float64).tolist()]


SPACINGS = {"leading": _leading, "trailing": _trailing, "linspace": _linspace,
            "lambda": _lambda, "karras": _karras, "quadratic": _quadratic}
CLEAN_ONLY = ("leading", "trailing", "linspace")
