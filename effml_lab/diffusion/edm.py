"""Training as EDM does it (Karras et al. 2022, table 1): which levels are drawn, and how much each weighs.

The noise is log-normal, ln sigma ~ N(-1.2, 1.2^2), and the error of the denoiser D at sigma weighs
lambda(sigma) = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2. As D = c_skip x + c_out F with c_out^2 = 1 / lambda, that is
the plain squared error of the network's own output F against its target (eq. 8), which denoise.loss takes:

    loss(net, x0, edm.training(), "edm", rng, times=edm.log_normal)

Left out: the augmentation of pictures that the authors feed the network beside.
"""
from dataclasses import replace

import torch
from torch import Tensor

from . import levels
from .levels import Schedule

MEAN, DEVIATION = -1.2, 1.2         # P_mean and P_std of ln sigma
REACH = 6.0                         # deviations; uniform float32 numbers themselves do not go further than 5.4


def training(mean: float = MEAN, deviation: float = DEVIATION) -> Schedule:
    """levels.edm with a finite range of t = ln(sigma) / 4: that of the levels which `log_normal` draws."""
    if deviation <= 0:
        raise ValueError(f"ln sigma varies by a deviation above 0, got {deviation}")
    ends = ((mean - REACH * deviation) / 4, (mean + REACH * deviation) / 4)
    return replace(levels.edm(), span=ends)


def log_normal(u: Tensor) -> Tensor:
    """From uniform numbers u in [0, 1) to normally distributed shares of the range of `training`, for loss(times=...)."""
    normal = torch.special.ndtri(u.double()).to(u.dtype)
    return ((1 + normal / REACH) / 2).clamp(0, 1)
