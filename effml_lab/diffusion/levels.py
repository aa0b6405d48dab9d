"""How noisy: levels, schedules (the noise law) and grids (where a sampler stops).

Every noisy image is x = alpha * x0 + sigma * eps. A Level holds one pair (alpha, sigma) and the t that the
network is fed; lam = log(alpha / sigma) orders all levels, from -inf (pure noise) to +inf (clean).

A Schedule is three functions: t -> lam, its exact inverse, and lam -> (alpha, sigma). The last one is the family:
  variance preserving (DDPM, Ho et al. 2020, eq. 4)  alpha^2 + sigma^2 = 1
  flow (Lipman et al. 2023; Liu et al. 2023)         alpha + sigma = 1
  EDM (Karras et al. 2022)                           alpha = 1, t = log(sigma) / 4
The noise law says nothing about which levels a sampler visits: that is the grid, a plain list of Levels.
A table of T values of alpha-bar is read at fractional t by interpolating lam linearly; it is exact at integers.
Left out: learned schedules.
"""
import math
from dataclasses import dataclass
from typing import Callable, NamedTuple

import torch
from torch import Tensor

from .spacings import CLEAN_ONLY, IN_LAM, IN_TIME, SPACINGS

NO_FLOAT64 = ("mps",)               # devices whose levels are computed on the CPU


class Level(NamedTuple):
    """One noise level. In a grid the fields are floats; from a tensor of times they are tensors of its shape."""
    t: float | Tensor
    alpha: float | Tensor
    sigma: float | Tensor

    @property
    def lam(self) -> float | Tensor:
        """log(alpha / sigma), half the log signal-to-noise ratio: inf at sigma = 0, -inf at alpha = 0."""
        if isinstance(self.alpha, Tensor):
            return self.alpha.log() - self.sigma.log()
        if self.alpha <= 0 or self.sigma <= 0:
            return math.inf if self.sigma <= 0 else -math.inf
        return math.log(self.alpha / self.sigma)


CLEAN = Level(0.0, 1.0, 0.0)        # its t is never fed to a network


def matched(level: Level, x: Tensor) -> Level:
    """The same level, after asking that it is one for all rows of x (B, ...), or one for each, of shape (B, 1, ...).

    A level of shape (B,) beside pictures would be spread over their width.
    """
    if isinstance(level.alpha, (float, int)):           # every step of a sampler asks: this takes a tenth of a microsecond
        return level
    shape, rows = level.alpha.shape, (*x.shape[:1], *[1] * (x.ndim - 1))
    if shape != rows and (math.prod(shape) != 1 or len(shape) > x.ndim):
        raise ValueError(f"a level for each row of x needs the shape {rows}, got {tuple(shape)}: "
                         "reshape t before the schedule is asked for its level")
    return level


def vp(lam: Tensor) -> tuple[Tensor, Tensor]:
    return (2 * lam).sigmoid().sqrt(), (-2 * lam).sigmoid().sqrt()


def straight(lam: Tensor) -> tuple[Tensor, Tensor]:
    return lam.sigmoid(), (-lam).sigmoid()


def exploding(lam: Tensor) -> tuple[Tensor, Tensor]:
    return torch.ones_like(lam), (-lam).exp()


@dataclass(frozen=True)
class Schedule:
    """The noise law. `span` is the range of t, `lams` the default range of lam for grids, noisy end first."""
    to_lam: Callable[[Tensor], Tensor]
    to_t: Callable[[Tensor], Tensor]
    split: Callable[[Tensor], tuple[Tensor, Tensor]]
    span: tuple[float, float]
    lams: tuple[float, float]
    steps: int | None = None        # T for a table; None where t is continuous

    def __call__(self, t: float | Tensor, like: Tensor | None = None) -> Level:
        """The level at time t. A float gives floats; a tensor gives tensors of its shape on its device.

        t: within `span`. like: a tensor whose dtype alpha and sigma get (else the default dtype); t itself gets no less
        than float32, since 16 bits have no 999.
        """
        near = t.cpu() if isinstance(t, Tensor) and t.device.type in NO_FLOAT64 else t
        time = torch.as_tensor(near, dtype=torch.float64)
        low, high = self.span
        if not ((time >= low) & (time <= high)).all():
            raise ValueError(f"t must lie in [{low:g}, {high:g}] on this schedule, got {t}")
        alpha, sigma = self.split(self.to_lam(time))
        if not isinstance(t, Tensor):
            return Level(float(t), alpha.item(), sigma.item())
        dtype = torch.get_default_dtype() if like is None else like.dtype
        dtypes = (torch.promote_types(dtype, torch.float32), dtype, dtype)
        return Level(*(field.to(own).to(t.device) for field, own in zip((time, alpha, sigma), dtypes)))

    def at(self, lam: float) -> Level:
        """The level whose log(alpha / sigma) is `lam`; its t is fractional. The inverse of `schedule(t).lam`."""
        value = torch.tensor(lam, dtype=torch.float64)
        t, (alpha, sigma) = self.to_t(value).item(), self.split(value)
        low, high = self.span
        slack = 1e-9 * max(1.0, abs(high))
        if not low - slack <= t <= high + slack:
            raise ValueError(f"lam = {lam:.4g} lies outside this schedule, whose t runs over [{low:g}, {high:g}]")
        return Level(min(max(t, low), high), alpha.item(), sigma.item())

    def grid(self, n: int, spacing: str = "lambda", lam: tuple[float, float] | None = None,
             clean: bool = True) -> list[Level]:
        """n steps, n + 1 levels, noisiest first: a sampler's stops.

        spacing: a key of SPACINGS. lam: (noisy, clean) ends for `lambda` and `karras`, default `lams`.
        clean: end at sigma = 0, after the rule's n levels; else all n + 1 levels come from the rule.
        """
        if n < 1:
            raise ValueError(f"a grid needs at least one step, got n = {n}")
        if spacing not in SPACINGS:
            raise ValueError(f"unknown spacing {spacing!r}: choose one of {', '.join(SPACINGS)}")
        if not clean and spacing in CLEAN_ONLY:
            raise ValueError(f"the spacing {spacing!r} always ends at the clean image: leave clean=True")
        if lam and not lam[0] < lam[1]:
            raise ValueError(f"lam must run from the noisy end up to the clean one, got {lam[0]:g} and {lam[1]:g}")
        count = n if clean else n + 1
        if spacing in IN_TIME:
            levels = [self(t) for t in IN_TIME[spacing](count, self.steps, self.span)]
        else:
            levels = [self.at(value) for value in IN_LAM[spacing](count, lam or self.lams)]
        return levels + [CLEAN] if clean else levels


def _ended(abar: Tensor) -> Tensor:
    """The table; where diffusers wrote 2^-24 over a last alpha-bar of 0, and so above the one before, the 0 again."""
    patched = abar.ndim == 1 and len(abar) > 1 and abar[-2] <= abar[-1] == 2**-24
    return torch.cat([abar[:-1], abar.new_zeros(1)]) if patched else abar


def from_alphas_cumprod(abar: Tensor, lams: tuple[float, float] | None = None) -> Schedule:
    """The variance-preserving schedule of a table. abar: (T,), strictly falling, within [0, 1).

    lams: the default range of grids. It stops short of a last alpha-bar of 0 (zero terminal SNR), whose lam is -inf.
    """
    abar = _ended(torch.as_tensor(abar).double().cpu())
    if abar.ndim != 1 or len(abar) < 2 or not ((abar >= 0) & (abar < 1)).all() or not (abar.diff() < 0).all():
        raise ValueError("alpha-bar must be a strictly falling table of shape (T,), T > 1, with values in [0, 1)")
    table = (abar.log() - (-abar).log1p()) / 2            # lam at t = 0, 1, ..., T - 1
    last = len(table) - 1

    def to_lam(t: Tensor) -> Tensor:
        left = t.floor().long().clamp(0, last)
        low, high = table.to(t.device)[left], table.to(t.device)[(left + 1).clamp(max=last)]
        return torch.where(t == left, low, torch.lerp(low, high, t - left))

    def to_t(lam: Tensor) -> Tensor:
        right = torch.searchsorted(-table, -lam).clamp(1, last)
        low, high = table[right - 1], table[right]
        return torch.where(high.isinf(), math.nan, right - 1 + (low - lam) / (low - high))

    ends = (table[table.isfinite()][-1].item(), table[0].item())
    return Schedule(to_lam, to_t, vp, (0.0, float(last)), lams or ends, len(abar))


def from_betas(betas: Tensor, lams: tuple[float, float] | None = None) -> Schedule:
    """The schedule of a table of one-step variances. betas: (T,) in (0, 1]; only the last may be 1."""
    betas = torch.as_tensor(betas).double()
    if not ((betas > 0) & (betas <= 1)).all():
        raise ValueError(f"every beta must lie in (0, 1], got {betas.min():.3g} to {betas.max():.3g}")
    return from_alphas_cumprod((1 - betas).cumprod(0), lams)


def _room(steps: int, last: float) -> None:
    least = round(1000 * last)
    if steps < least:
        raise ValueError(f"scaled to {steps} steps these betas would end above 1: take {least} steps or more, or cosine, "
                         "which fits any number")


def linear(steps: int = 1000) -> Schedule:
    """DDPM's: beta from 1e-4 to 0.02 at T = 1000, scaled by 1000 / T so that every T, 20 at least, ends in noise."""
    _room(steps, 0.02)
    return from_betas(torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * 1000 / steps)


def scaled_linear(steps: int = 1000) -> Schedule:
    """Latent diffusion's (Rombach et al. 2022): sqrt(beta) linear from 0.00085 to 0.012 (squares), T = 1000; T >= 12."""
    _room(steps, 0.012)
    ends = (math.sqrt(0.00085), math.sqrt(0.012))
    return from_betas(torch.linspace(*ends, steps, dtype=torch.float64) ** 2 * 1000 / steps)


def cosine(steps: int = 1000, s: float = 0.008) -> Schedule:
    """Nichol and Dhariwal 2021, eq. 17, beta at most 0.999. Grids run over lam in [-5.1, its cleanest value]."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((t + s) / (1 + s) * math.pi / 2) ** 2
    schedule = from_betas((1 - f[1:] / f[:-1]).clamp(max=0.999))
    return Schedule(*(getattr(schedule, k) for k in ("to_lam", "to_t", "split", "span")),
                    (-5.1, schedule.lams[1]), steps)


def zero_snr(schedule: Schedule) -> Schedule:
    """A table moved so that its last level is pure noise, alpha = 0 (Lin et al. 2024, algorithm 1).

    alpha is shifted and scaled, its first value kept. Take `trailing` grids, which visit that level, and a v, x0 or
    flow network: at alpha = 0 eps says nothing of the image.
    """
    if schedule.steps is None:
        raise ValueError("zero_snr moves a table of alpha-bar, and this schedule has none: its t is continuous")
    times = torch.arange(schedule.steps, dtype=torch.float64)
    alpha = schedule(times, like=times).alpha
    alpha = (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])
    return from_alphas_cumprod(alpha**2)


def vp_sde(beta_min: float = 0.1, beta_max: float = 20.0, last: float = 1e-3) -> Schedule:
    """Song et al. 2021, the VP SDE: beta(t) = beta_min + t (beta_max - beta_min), t in [0, 1]. `linear` is its table.

    log alpha-bar is minus the integral of beta. Grids over lam stop at t = last, where the authors stop sampling.
    """
    rise = beta_max - beta_min

    def to_lam(t: Tensor) -> Tensor:
        log = -(beta_min * t + rise * t**2 / 2)
        return (log - (-torch.expm1(log)).log()) / 2

    def to_t(lam: Tensor) -> Tensor:
        log = -torch.nn.functional.logsigmoid(2 * lam)
        return 2 * log / (beta_min + (beta_min**2 + 2 * rise * log).sqrt())       # the root without cancellation

    ends = to_lam(torch.tensor([1.0, last], dtype=torch.float64)).tolist()
    return Schedule(to_lam, to_t, vp, (0.0, 1.0), tuple(ends))


def edm(sigma_max: float = 80.0, sigma_min: float = 0.002) -> Schedule:
    """Karras et al. 2022: x = x0 + sigma * eps, and the network is fed t = log(sigma) / 4."""
    return Schedule(lambda t: -4 * t, lambda lam: -lam / 4, exploding, (-math.inf, math.inf),
                    (-math.log(sigma_max), -math.log(sigma_min)))


def flow(lams: tuple[float, float] = (-6.0, 6.0)) -> Schedule:
    """Straight paths x = (1 - t) * x0 + t * eps, t in [0, 1]; grids over lam stay within `lams`."""
    return Schedule(lambda t: torch.special.logit(1 - t), lambda lam: (-lam).sigmoid(), straight, (0.0, 1.0), lams)
