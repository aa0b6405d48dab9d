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
    if not isinstance(first, dict):
        if any(isinstance(other, dict) for other in conditions):
            raise ValueError("both conditions must be of one form: one is a tensor, the other a dict")
        return fn(*conditions)
    if any(not isinstance(other, dict) or other.keys() != first.keys() for other in conditions):
        raise ValueError(f"both conditions must be of one form: one is a dict of {', '.join(first)}, the other is not")
    return {k: each(fn, *(c[k] for c in conditions)) for k in first}


def guided(denoise: Callable, cond: Condition, null: Condition | None, w: float | Tensor) -> Callable:
    """A denoiser under guidance: one call of 2B rows, or of B rows at w = 1 and w = 0.

    cond, null: (B, ...) conditions, or one for the whole batch, (1, ...); tensors, or dicts of them. null None is what the
    net says when it is told nothing, asked in a call of its own. w: a number, or one an image, (B,).
    """
    alone = not isinstance(w, Tensor) and w in (0, 1)

    def guide(x: Tensor, level: Level) -> Tensor:
        rows = lambda tree: each(lambda c: c.expand(len(x), *c.shape[1:]), tree)
        ask = lambda tree: denoise(x, level) if tree is None else denoise(x, level, rows(tree))
        if alone:
            return ask(cond if w else null)
        if null is None:
            without, with_cond = ask(None), ask(cond)
        else:
            both = each(lambda *pair: torch.cat(pair), rows(null), rows(cond))
            without, with_cond = denoise(torch.cat([x, x]), level, both).chunk(2)
        return torch.lerp(without, with_cond, w.to(x).view(-1, *[1] * (x.ndim - 1)) if isinstance(w, Tensor) else w)
    return guide
