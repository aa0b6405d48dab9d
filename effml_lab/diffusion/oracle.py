"""Data whose denoiser is known exactly: Gaussian mixtures. The course's measuring instrument.

For x = alpha x0 + sigma eps with x0 ~ sum_k w_k N(mu_k, s_k^2 I), everything is Gaussian given the component:
x ~ N(alpha mu_k, v_k I) with v_k = alpha^2 s_k^2 + sigma^2, so by Bayes' rule
  p(k | x) is a softmax of log w_k - |x - alpha mu_k|^2 / 2 v_k - (D / 2) log v_k,
  E[x0 | x, k] = mu_k + (alpha s_k^2 / v_k) (x - alpha mu_k),        E[x0 | x] = sum_k p(k | x) E[x0 | x, k],
  score = (alpha E[x0 | x] - x) / sigma^2                            (Tweedie's formula).
For a single Gaussian the denoiser is affine, so a sampler maps Gaussians to Gaussians: `gaussian_run` follows mean and
variance through a grid and gives the exact KL divergence to the data, with no sampling noise.
"""
import math

import torch
from torch import Tensor

from .levels import Level, matched
from .samplers import VARIANCES
from .step import share, spread, steps


class GaussianMixture:
    """A mixture of isotropic Gaussians. means: (K, D). std: a number or (K,). weights: (K,), default equal.

    The dtype is that of means, the default one where they are whole numbers. Levels: one, or one for each row, (B, 1).
    """

    def __init__(self, means: Tensor, std: float | Tensor, weights: Tensor | None = None):
        means = torch.as_tensor(means)
        self.means = means if means.is_floating_point() else means.to(torch.get_default_dtype())
        if self.means.ndim != 2:
            raise ValueError(f"means must have shape (K, D), got {tuple(self.means.shape)}")
        self.std = torch.as_tensor(std, dtype=self.means.dtype).expand(len(self.means))
        weights = torch.ones(len(self.means)) if weights is None else torch.as_tensor(weights)
        self.weights = (weights / weights.sum()).to(self.means)

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """n points, (n, D)."""
        pick = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        z = torch.randn(n, self.means.shape[1], generator=rng, dtype=self.means.dtype)
        return self.means[pick] + self.std[pick, None] * z

    def _joint(self, x: Tensor, level: Level) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x, k) (..., K), the offsets x - alpha mu_k (..., K, D) and the variances v_k (..., K)."""
        means, std, level = self.means.to(x), self.std.to(x), matched(level, x)
        v = level.alpha**2 * std**2 + level.sigma**2                                                # (K,) or (B, K)
        alpha = level.alpha[..., None] if isinstance(level.alpha, Tensor) else level.alpha
        offset = x[..., None, :] - alpha * means
        log = self.weights.to(x).log() - offset.square().sum(-1) / (2 * v) - x.shape[-1] / 2 * (2 * math.pi * v).log()
        return log, offset, v

    def log_pdf(self, x: Tensor, level: Level) -> Tensor:
        """log density of the noised data at x (..., D); (...)."""
        return self._joint(x, level)[0].logsumexp(-1)

    def posterior(self, x: Tensor, level: Level) -> Tensor:
        """p(component | x), (..., K)."""
        return self._joint(x, level)[0].softmax(-1)

    def log_posterior(self, x: Tensor, level: Level) -> Tensor:
        """log p(component | x), (..., K): an exact classifier of noisy points."""
        return self._joint(x, level)[0].log_softmax(-1)

    def denoise(self, x: Tensor, level: Level, cond: Tensor | None = None) -> Tensor:
        """E[x0 | x], exactly; x (..., D). Has the signature of a Denoiser.

        cond: (B,) numbers of components, as classes, for x (B, D): E[x0 | x, component]. K is "no class", as None is for all.
        """
        log, offset, v = self._joint(x, level)
        if cond is not None:
            classes = torch.arange(len(self.means), device=cond.device)
            if len(cond) and not 0 <= int(cond.min()) <= int(cond.max()) <= len(classes):
                raise ValueError(f"components are numbered from 0 to {len(classes) - 1}, and {len(classes)} is \"no class\", got "
                                 f"{int(cond.min())} to {int(cond.max())}")
            log = log.masked_fill((cond[:, None] != classes) & (cond[:, None] != len(classes)), -math.inf)
        guess = self.means.to(x) + (level.alpha * self.std.to(x) ** 2 / v)[..., None] * offset     # (..., K, D)
        return (log.softmax(-1)[..., None] * guess).sum(-2)

    def score(self, x: Tensor, level: Level) -> Tensor:
        """The gradient of log_pdf, (..., D)."""
        return (level.alpha * self.denoise(x, level) - x) / level.sigma**2


def ring(k: int = 8, std: float = 0.25, dtype: torch.dtype = torch.float64) -> GaussianMixture:
    """k components on the unit circle: the mixture on which the course measures orders."""
    angle = torch.arange(k, dtype=dtype) * 2 * math.pi / k
    return GaussianMixture(torch.stack([angle.cos(), angle.sin()], -1), std)


def gaussian_run(grid: list[Level], mean: float, std: float, method: str = "ddim") -> tuple[float, float, float]:
    """(mean, std, KL to the data) of what a sampler makes of its start, N(0, 1) or N(0, sigma^2), for data N(mean, std^2).

    method: "ddim", or "small" or "large", DDPM's variances. KL in nats.
    """
    if method not in ("ddim", *VARIANCES) or std <= 0:
        raise ValueError(f"method is ddim, {' or '.join(VARIANCES)}, and std lies above 0, got {method!r} and {std:g}")
    pairs, m, v = steps(grid), 0.0, spread(grid[0]) ** 2
    for cur, nxt in pairs:
        fresh = 0.0 if method == "ddim" else share(cur, nxt)
        keep = nxt.sigma * math.sqrt(1 - fresh**2) / cur.sigma
        pull = nxt.alpha - keep * cur.alpha                       # x <- keep x + pull E[x0 | x]
        gain = cur.alpha * std**2 / (cur.alpha**2 * std**2 + cur.sigma**2)
        noise = VARIANCES[method](cur, nxt) if method != "ddim" and nxt.sigma else 0.0
        m = keep * m + pull * (mean + gain * (m - cur.alpha * mean))
        v = (keep + pull * gain) ** 2 * v + noise**2
    return m, math.sqrt(v), (v / std**2 - 1 - math.log(v / std**2) + (m - mean) ** 2 / std**2) / 2
