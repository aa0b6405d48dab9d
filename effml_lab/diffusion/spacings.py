"""Where a sampler stops: the spacings of a grid, noisiest first, as numbers that a Schedule turns into levels.

Spacings in time, (n, steps of the table or None, range of t) -> n times:
  leading, trailing     as diffusers' DDIMScheduler means them: whole times, evenly, from the clean or the noisy end
  linspace              as DPMSolverMultistepScheduler means it: n + 1 evenly spread times, the last one dropped
  quadratic             DDIM (Song et al. 2021), appendix D.2: more steps near the image
Spacings in lam = log(alpha / sigma), (n, noisy and clean end) -> n values of lam:
  lambda                even in lam, what the orders of solvers are stated for
  karras                Karras et al. 2022, eq. 5 with rho = 7, on sigma / alpha
Left out: spacings found by search.
"""
import math

import numpy as np
import torch

Range = tuple[float, float]


def _table_length(n: int, steps: int | None) -> int:
    if steps is None or n > steps:
        raise ValueError(f"this spacing needs a table of at least {n} times; "
                         f"this schedule has {steps or 'none'}: use spacing='lambda'")
    return steps


def _leading(n: int, steps: int | None, span: Range) -> list[float]:
    stride = _table_length(n, steps) // n
    return [float(i * stride) for i in reversed(range(n))]


def _trailing(n: int, steps: int | None, span: Range) -> list[float]:
    if steps is None:
        low, high = span
        if math.isinf(high):
            raise ValueError("the spacing 'trailing' needs a largest t: use 'lambda' or 'karras'")
        return [high - i * (high - low) / n for i in range(n)]
    total = _table_length(n, steps)
    return (np.arange(total, 0, -total / n)[:n].round() - 1).tolist()       # NumPy's ties: diffusers' list exactly


def _linspace(n: int, steps: int | None, span: Range) -> list[float]:
    return np.linspace(0, _table_length(n + 1, steps) - 1, n + 1).round()[:0:-1].tolist()


def _quadratic(n: int, steps: int | None, span: Range) -> list[float]:
    # DDIM appendix D.2 rounds these times down and so repeats some at large n; kept fractional they stay distinct
    end = math.sqrt(0.8 * _table_length(n, steps))
    return torch.linspace(end, 0, n, dtype=torch.float64).square().tolist()


def _lambda(n: int, lam: Range) -> list[float]:
    return torch.linspace(*lam, n, dtype=torch.float64).tolist()


def _karras(n: int, lam: Range, rho: float = 7.0) -> list[float]:
    high, low = (math.exp(-l / rho) for l in lam)         # Karras et al. 2022, eq. 5, on sigma / alpha
    return [-rho * math.log(s) for s in torch.linspace(high, low, n, dtype=torch.float64).tolist()]


IN_TIME = {"leading": _leading, "trailing": _trailing, "linspace": _linspace, "quadratic": _quadratic}
IN_LAM = {"lambda": _lambda, "karras": _karras}
SPACINGS = IN_TIME | IN_LAM
CLEAN_ONLY = ("leading", "trailing", "linspace")
