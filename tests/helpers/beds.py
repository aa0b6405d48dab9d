"""What the tests of the mathematics share: seeds, a crooked denoiser, DDPM's alpha-bar, the ring in NumPy."""

import numpy as np
import pytest
import torch

from effml_lab.diffusion import levels
from effml_lab.diffusion.levels import Level

ABAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
LINEAR = levels.linear()
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]


def seeded(seed: int = 0, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def wavy(x, level):
    """A made-up denoiser, far from linear, so that no identity holds by luck."""
    return torch.tanh(3 * x + level.t / 500) * 0.8


def abar_at(t: int) -> float:
    return 1.0 if t < 0 else ABAR[t].item()


def level_at(t: int) -> Level:
    return levels.CLEAN if t < 0 else LINEAR(t)


def mixture_eps(x: np.ndarray, alpha: float, sigma: float, std: float = 0.25, k: int = 8) -> np.ndarray:
    """The exact noise prediction of k Gaussians on the unit circle, in NumPy."""
    angle = np.arange(k) * 2 * np.pi / k
    means = np.stack([np.cos(angle), np.sin(angle)], -1)
    v = alpha**2 * std**2 + sigma**2
    offset = x[:, None] - alpha * means
    log = -(offset**2).sum(-1) / (2 * v)
    weight = np.exp(log - log.max(1, keepdims=True))
    return sigma * ((weight / weight.sum(1, keepdims=True))[..., None] * offset).sum(1) / v
