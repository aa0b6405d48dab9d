"""What all students share: the levels at which they are asked, how their errors count, and where a step must aim.

A student of N steps is used at N levels alone, every second one of its teacher's grid. Its error in x0 is weighted by the level,
with SNR = (alpha / sigma)^2 (Salimans and Ho 2022, section 4; exact where alpha^2 + sigma^2 = 1):
  x0     1             the error of x0 itself: nothing is asked of eps where there is little noise
  eps    SNR           that of eps: nothing is asked of x0 in pure noise, where a student of one step is asked
  v      SNR + 1       that of v, the sum of both
  floor  max(SNR, 1)   "truncated SNR": the larger of both
For students a floor, not a cap: "cap", min(SNR, 1), found in some re-implementations, asks next to nothing of the noisier levels.
"""
from typing import Callable

import torch
from torch import Tensor

from ...diffusion.levels import Level, matched

WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "x0": torch.ones_like, "eps": lambda snr: snr, "v": lambda snr: snr + 1, "floor": lambda snr: snr.clamp(min=1),
    "cap": lambda snr: snr.clamp(max=1)}


def weight(level: Level, kind: str = "floor") -> Tensor:
    """What a squared error of x0 counts at a level, in its shape and in float64. kind: a key of WEIGHTS."""
    if kind not in WEIGHTS:
        raise ValueError(f"unknown weight {kind!r}: choose one of {', '.join(WEIGHTS)}")
    alpha, sigma = (torch.as_tensor(field, dtype=torch.float64) for field in level[1:])
    if kind != "x0" and not sigma.all():
        raise ValueError(f"where sigma = 0 an error counts without end by {kind!r}: a student is not asked at the clean end")
    return WEIGHTS[kind]((alpha / sigma) ** 2)


def error(guess: Tensor, want: Tensor, level: Level, kind: str = "floor") -> Tensor:
    """The weighted mean squared error of guesses of x0 (B, ...) at a level, one for all rows or one for each.

    A scalar in float32 or wider: a weight of little noise has no room in 16 bits.
    """
    alike(guess, want)
    matched(level, guess)
    wide = torch.promote_types(guess.dtype, torch.float32)
    return (weight(level, kind).to(guess.device, wide) * (guess.to(wide) - want.to(wide)).square()).mean()


def alike(guess: Tensor, want: Tensor) -> None:
    """Ask that there is one guess for each picture: one picture spread over all guesses would teach the mean."""
    if guess.shape != want.shape:
        raise ValueError(f"guesses and what they should be pair off, got {tuple(guess.shape)} and {tuple(want.shape)}")


def halve(grid: list[Level]) -> list[Level]:
    """Every second level of a grid, its ends included: the stops of a student of half as many steps."""
    if len(grid) < 3 or len(grid) % 2 == 0:
        raise ValueError(f"a student takes half as many steps as its teacher, and {len(grid) - 1} does not halve: "
                         "begin with a grid of an even number of steps")
    return grid[::2]


def halved(grid: list[Level], steps: int) -> list[Level]:
    """The stops of a student of so many steps: a grid halved as often as it takes; ValueError if that never comes to `steps`."""
    of = len(grid) - 1
    while len(grid) > steps + 1 and len(grid) % 2:
        grid = halve(grid)
    if len(grid) != steps + 1 or steps < 1:
        raise ValueError(f"{of} steps halved again and again are never {steps}")
    return grid


def picked(grid: list[Level], index: Tensor, like: Tensor) -> Level:
    """The levels of a grid with these numbers (B,), one for each row of `like` (B, ...): fields of shape (B, 1, ...)."""
    if not like.is_floating_point():
        raise ValueError(f"levels are picked for points or pictures in floating point, got {like.dtype}")
    if index.dtype != torch.long or index.shape != like.shape[:1] or not ((0 <= index) & (index < len(grid))).all():
        raise ValueError(f"each of {len(like)} rows picks a number from 0 to {len(grid) - 1}, got {index.dtype} of shape "
                         f"{tuple(index.shape)}" + (f", from {index.min()} to {index.max()}" if index.numel() else ""))
    shape = (-1, *[1] * (like.ndim - 1))
    fields = (torch.tensor([float(level[k]) for level in grid], dtype=torch.float64)[index.cpu()] for k in range(3))
    t, alpha, sigma = (field.reshape(shape) for field in fields)
    return Level(t.to(like.device, torch.promote_types(like.dtype, torch.float32)), alpha.to(like), sigma.to(like))


def aim(x: Tensor, end: Tensor, cur: Level, nxt: Level) -> Tensor:
    """The x0 with which `step` takes x from cur to `end` at nxt: the step, solved for its guess.

    In float32 or wider: the difference of nearly equal numbers that it divides by leaves nothing of 16 bits.
    """
    if x.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(f"a target is worked out in float32 or wider, got {x.dtype}: hand over x.float()")
    cur, nxt = matched(cur, x), matched(nxt, x)
    if not torch.as_tensor(cur.sigma).all() or not torch.as_tensor(nxt.alpha * cur.sigma - nxt.sigma * cur.alpha).all():
        raise ValueError("a step leads from a level with noise to another level: here cur is clean, or nxt is as noisy as cur")
    keep = nxt.sigma / cur.sigma
    return (end - keep * x) / (nxt.alpha - keep * cur.alpha)
