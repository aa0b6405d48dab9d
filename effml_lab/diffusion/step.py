"""The verb: one step from level to level, and what every sampler does before, between and after its steps.

Moving from level cur to nxt along the straight line through a guess x0 keeps the old noise
eps = (x - cur.alpha x0) / cur.sigma and puts it back at the new size: nxt.alpha x0 + nxt.sigma eps (Song et al. 2021,
DDIM, eq. 12). If a share `fresh` of the noise is new, sqrt(1 - fresh^2) of the old is kept. Folded, that is
  keep = nxt.sigma sqrt(1 - fresh^2) / cur.sigma,    x <- keep x + (nxt.alpha - keep cur.alpha) x0 + nxt.sigma fresh z.
All samplers are this step fed a different guess (guess.py), so nothing here knows of orders or of networks.
Left out: a step whose noise is not white.
"""
import math
from itertools import pairwise
from typing import Iterable

import torch
from torch import Tensor

from .levels import Level, matched


def step(x: Tensor, x0: Tensor, cur: Level, nxt: Level, fresh: float = 0.0, z: Tensor | None = None) -> Tensor:
    """Move x from level cur to nxt along the line through x0; `fresh` in [0, 1] is the share of new noise z.

    Without z the new noise is left out: what remains is the posterior mean. DDIM eq. 12, folded into two products.
    cur, nxt: one level for all rows, or one for each, of shape (B, 1, ...).
    """
    cur, nxt = matched(cur, x), matched(nxt, x)
    keep = nxt.sigma * (1 - fresh**2) ** 0.5 / cur.sigma
    x = keep * x + (nxt.alpha - keep * cur.alpha) * x0
    return x if z is None else x + nxt.sigma * fresh * z


def share(cur: Level, nxt: Level, eta: float = 1.0) -> float:
    """The share of fresh noise of DDIM eq. 16: eta = 0 none, eta = 1 DDPM's posterior ("small") variance."""
    ratio = cur.alpha * nxt.sigma / (nxt.alpha * cur.sigma)
    return min(eta * math.sqrt(max(1 - ratio**2, 0.0)), 1.0)


def steps(grid: list[Level], up: bool = False) -> Iterable[tuple[Level, Level]]:
    """The pairs (cur, nxt) of a grid, after asking that it falls in noise all along (or rises, if `up` is allowed)."""
    lams = [level.lam for level in grid]
    if len(grid) < 2:
        raise ValueError(f"a grid must hold two levels or more, got {len(grid)}")
    rises = all(a > b for a, b in pairwise(lams))
    if rises and not up:
        raise ValueError("this grid rises in noise: only ddim with eta = 0 goes that way, all others need it reversed")
    if not rises and not all(a < b for a, b in pairwise(lams)):
        raise ValueError("a grid must fall in noise from each level to the next, or rise all along to invert: "
                         f"log(alpha / sigma) runs {', '.join(f'{lam:.3g}' for lam in lams[:8])}")
    if lams[0] == math.inf:
        raise ValueError("a step cannot start at sigma = 0: begin at a level with some noise")
    return pairwise(grid)


def randn(x: Tensor, rng: torch.Generator | None) -> Tensor:
    """Standard normal noise like x, drawn on the generator's device; rng None is the global generator."""
    return torch.randn(x.shape, generator=rng, device=rng.device if rng else x.device, dtype=x.dtype).to(x.device)


def spread(first: Level) -> float:
    """The standard deviation of x where a sampler begins: 1 where alpha^2 + sigma^2 = 1, else sigma, data left out."""
    return 1.0 if abs(math.hypot(first.alpha, first.sigma) - 1) < 1e-6 else first.sigma


def start(shape: tuple[int, ...], grid: list[Level], rng: torch.Generator | None = None,
          device: torch.device | str | None = None) -> Tensor:
    """Noise at the first level, of the standard deviation `spread(grid[0])`."""
    x = torch.randn(shape, generator=rng, device=rng.device if rng else device)
    return (spread(grid[0]) * x).to(device or x.device)


def last(states: Iterable[Tensor]) -> Tensor:
    """Run a sampler to its end and return the last state; NaN is refused."""
    x = None
    for x in states:
        pass
    if x is None:
        raise ValueError("the sampler made no step")
    if x.isnan().any():
        raise ValueError("the sampler ended in NaN: look at the network's output at the first level")
    return x
