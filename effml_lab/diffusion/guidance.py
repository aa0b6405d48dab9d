"""Classifier-free guidance (Ho and Salimans 2021): extrapolate from the unconditional guess to the conditional.

x0 = x0_uncond + w (x0_cond - x0_uncond). Here w = 1 is guidance off, as in diffusers; the paper's w is ours less 1.
x0, eps and v differ by affine maps that do not depend on the condition, so guiding any of them is the same.
Left out, for lab 03: classifier guidance, guidance on an interval of levels.
"""
from typing import Callable

import torch
from torch import Tensor

from .denoise import Condition
from .levels import Level


def each(fn: Callable, *conditions: Condition) -> Condition:
    """fn(*tensors) at every tensor of conditions of one form."""
    first = conditions[0]
    return {k: each(fn, *(c[k] for c in conditions)) for k in first} if isinstance(first, dict) else fn(*conditions)


def guided(denoise: Callable, cond: Condition, null: Condition, w: float) -> Callable:
    """A denoiser under guidance: one call of 2B rows, or of B rows at w = 1.

    cond, null: (B, ...) conditions, or one for the whole batch, (1, ...); tensors, or dicts of them.
    """
    def guide(x: Tensor, level: Level) -> Tensor:
        rows = [each(lambda c: c.expand(len(x), *c.shape[1:]), tree) for tree in (null, cond)]
        if w == 1:
            return denoise(x, level, rows[1])
        both = each(lambda *pair: torch.cat(pair), *rows)
        without, with_cond = denoise(torch.cat([x, x]), level, both).chunk(2)
        return torch.lerp(without, with_cond, w)
    return guide
