"""Samplers: generators that walk a grid of levels from noise to an image, all on one `step`.

Moving from level cur to nxt along the straight line through the guess x0 keeps the old noise
eps = (x - cur.alpha x0) / cur.sigma and puts it back at the new size: nxt.alpha x0 + nxt.sigma eps. If a share
`fresh` of the noise is new, sqrt(1 - fresh^2) of the old is kept. DDIM (Song et al. 2021) is that step with fresh = 0;
DDPM's ancestral sampling (Ho et al. 2020) takes fresh = sqrt(1 - (alpha_cur sigma_nxt / (alpha_nxt sigma_cur))^2).

Every sampler yields the state after each step; the last one is at grid[-1]. Progress bars, films and early stops
belong to whoever iterates. Left out, for lab 02: higher orders.
"""
import math
from functools import partial
from itertools import pairwise
from typing import Callable, Iterable, Iterator

import torch
from torch import Tensor

from .levels import Level


def step(x: Tensor, x0: Tensor, cur: Level, nxt: Level, fresh: float = 0.0, z: Tensor | None = None) -> Tensor:
    """Move x from level cur to nxt along the line through x0; `fresh` in [0, 1] is the share of new noise z.

    Without z the new noise is left out: what remains is the posterior mean. DDIM eq. 12, folded into two products.
    """
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
    down = all(a < b for a, b in pairwise(lams))
    if len(grid) < 2 or not (down or up and all(a > b for a, b in pairwise(lams))):
        raise ValueError("a grid must hold two levels or more and fall in noise from each to the next"
                         + (", or rise all along" if up else ""))
    if math.isinf(lams[0]) and lams[0] > 0:
        raise ValueError("a step cannot start at sigma = 0: begin at a level with some noise")
    return pairwise(grid)


def _randn(x: Tensor, rng: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=rng, device=rng.device if rng else x.device, dtype=x.dtype).to(x.device)


@torch.no_grad()
def ddim(denoise: Callable, x: Tensor, grid: list[Level], eta: float = 0.0,
         rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """DDIM, Song et al. 2021, eq. 12. eta scales the standard deviation of fresh noise: 0 deterministic, 1 DDPM.

    x: (B, ...) at grid[0]. With eta = 0 a grid that rises in noise inverts: from an image to its noise.
    """
    for cur, nxt in steps(grid, up=eta == 0):
        fresh = share(cur, nxt, eta) if eta else 0.0
        x = step(x, denoise(x, cur), cur, nxt, fresh, _randn(x, rng) if fresh and nxt.sigma else None)
        yield x


@torch.no_grad()
def ddpm(denoise: Callable, x: Tensor, grid: list[Level], variance: str = "small",
         rng: torch.Generator | None = None) -> Iterator[Tensor]:
    """Ancestral sampling, Ho et al. 2020, algorithm 2, on the kept levels: beta = 1 - (alpha_cur / alpha_nxt)^2.

    variance: "small", the posterior's own, or "large", beta itself. No noise on the step that ends at sigma = 0.
    """
    if variance not in VARIANCES:
        raise ValueError(f"unknown variance {variance!r}: choose one of {', '.join(VARIANCES)}")
    for cur, nxt in steps(grid):
        x = step(x, denoise(x, cur), cur, nxt, share(cur, nxt))             # the posterior mean
        if nxt.sigma:
            x = x + VARIANCES[variance](cur, nxt) * _randn(x, rng)
        yield x


VARIANCES = {       # the standard deviation of the new noise
    "small": lambda cur, nxt: nxt.sigma * share(cur, nxt),
    "large": lambda cur, nxt: math.sqrt(1 - (cur.alpha / nxt.alpha) ** 2),
}
SAMPLERS = {"ddim": ddim, "ddpm": ddpm, "ddpm_large": partial(ddpm, variance="large")}


def start(shape: tuple[int, ...], grid: list[Level], rng: torch.Generator | None = None,
          device: torch.device | str | None = None) -> Tensor:
    """Noise at the first level: standard normal where alpha^2 + sigma^2 = 1, else scaled by sigma."""
    first = grid[0]
    norm = math.hypot(first.alpha, first.sigma)
    x = torch.randn(shape, generator=rng, device=rng.device if rng else device)
    return (x if abs(norm - 1) < 1e-6 else first.sigma * x).to(device or x.device)


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
