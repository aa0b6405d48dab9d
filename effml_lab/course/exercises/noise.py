"""Whether the noise of an answer is new for every number and normal, in one place for all exercises that draw it.

Noise may be shared over an axis, moved along it, mirrored or turned round in sign; of two values, uniform or clamped; or the
same from step to step. All of it is told by correlations and moments, which are zero up to chance in noise that is right.
"""
from itertools import combinations, pairwise

import torch
from torch import Tensor

from ..contract.exercise import Property
from .moments import bent, cut, drift, exploded, noise_size, residual

SHARED = {"one number for the whole batch: draw noise of the shape of x": (0, 1, 2, 3),
          "one number for each picture: draw noise of the shape of x": (1, 2, 3),
          "the same noise for every picture: draw noise of the shape of x": (0,)}
AXES = "for every picture", "for every channel", "in every row", "in every column"
REPEATED = "the same noise in every step: draw it anew inside the loop"
AGAIN = "the noise of one step tells that of another: draw it anew in every step"


def shared(r: Tensor) -> str | None:
    """How the noise r, (B, C, H, W), fails to be new for every pixel of every picture; None if it does not."""
    size = r.square().mean().sqrt()
    slack = max(0.01 * float(size), 1e-4)
    return next((said for said, dims in SHARED.items() if (r - r.mean(dims, keepdim=True)).abs().max() < slack), None)


def reused(walk: list[tuple[Tensor, Tensor, Tensor]]) -> str | None:
    """The same for the noises y - mean of several steps (x, y, mean), if all fail in one way."""
    said = {shared(r) for x, y, mean in walk if (r := (y - mean).double()).abs().max() > 1e-3}
    return said.pop() if len(said) == 1 else None


def repeats(r: Tensor) -> str | None:
    """How noise r, (B, C, H, W), repeats itself along an axis; None if it does not.

    Told by its correlation with itself, moved on by any number of places or turned round: zero up to chance if it is new.
    """
    r = (r - r.mean()) / r.std()
    limit, wide = 7 * (2 / r.numel()) ** 0.5, [axis for axis in range(r.ndim) if r.shape[axis] > 1]
    moves = {axis: moved(r, axis) for axis in wide}
    if alike := [AXES[axis] for axis in wide if moves[axis].min() > 0.9]:
        return f"the same noise {alike[0]}: draw noise of the shape of x"
    for axis, move in moves.items():
        first, last = (side.narrow(axis, 0, r.shape[axis] // 2) for side in (r, r.flip(axis)))
        if (first * last).mean().abs() > limit or move.abs().max() > 0.9:
            return "one half of the noise is the other, as it is, mirrored or with its sign changed: draw noise of the shape of x"
        if move.abs().max() > limit:
            return f"the noise repeats itself, moved on {AXES[axis].replace('every', 'another')}: draw noise of the shape of x"
    return None


def moved(r: Tensor, axis: int) -> Tensor:
    """The correlations of r, of size 1, with itself moved on along an axis by 1, 2, ... places, round the end."""
    n, rest = r.shape[axis], [i for i in range(r.ndim) if i != axis]
    return torch.fft.irfft(torch.fft.rfft(r, dim=axis).abs() ** 2, n=n, dim=axis).mean(rest)[1:] / n


def partly(r: Tensor) -> str | None:
    """Whether noise r, (B, C, H, W), of size 1 has a part that is one number for several pixels.

    Means of n new numbers have variance 1 / n; a shared part of a hundredth of it shows where n and their count are large.
    """
    for dims in ((2, 3), (1, 2, 3), (1,), (0,)):
        means = r.mean(dims)
        n = r.numel() // means.numel()
        if n > 1 and means.numel() > 1 and n * means.var() / r.var() - 1 > 6 * (2 / means.numel()) ** 0.5:
            return "part of the noise is one number for several pixels: draw all of it new, of the shape of x"
    return None


def abnormal(r: Tensor) -> str | None:
    """How noise r fails to be normal, by its third and fourth moments; None if it does not."""
    z = (r - r.mean()) / r.std()
    skew, tails = z.pow(3).mean(), z.pow(4).mean() - 3
    if skew.abs() < 7 * (6 / z.numel()) ** 0.5 and tails.abs() < 7 * (24 / z.numel()) ** 0.5:
        return None
    if skew.abs() < 0.1 and abs(tails + 1.2) < 0.1:
        return "uniform noise (rand) where normal noise (randn) belongs"
    return "noise of two values only: draw it with randn" if tails < -1.9 else "noise that is not normal: draw it with randn"


def leans(x: Tensor, r: Tensor) -> bool:
    """Whether r grows or falls with x."""
    z, r = (v.double() - v.double().mean() for v in (x, r))
    return bool((z * r).mean().abs() > 6 * z.std() * r.std() / r.numel() ** 0.5)


def unfit(walk: list[tuple[Tensor, Tensor, Tensor]]) -> str | None:
    """How the noises of several steps (x, y, mean) fail to be normal, and new for every pixel, picture and step.

    One fault is in all steps: two are looked at. Whether noise is normal is asked only where the mean is right up to a number.
    """
    if said := reused(walk):
        return said
    lost = lambda state: exploded(state) or cut(state)
    left = [step for step in walk if noise_size(*step[:2]) > 1e-3 and not lost(step[0]) and not lost(step[1])]
    for x, y, mean in left[::max(1, len(left) - 1)]:
        r = residual(x, y).float()
        if not bent(x, r) and (said := repeats(r) or partly(r) or (None if leans(x, y - mean) else abnormal(r))):
            return said
    return one_again(left) if len(left) > 1 else None


def one_again(walk: list[tuple[Tensor, Tensor, Tensor]]) -> str | None:
    """Whether all steps (x, y, mean) have one noise, or two of them. Fresh ones have a correlation of a few hundredths.

    A wrong mean, too, leaves the same in several steps. So of two the mean of the earlier has to be right (the later x has its
    noise in it), and the later noise be like it without what a regression on x takes for the mean.
    """
    unit = lambda v: v / v.std()
    noises, bare = [unit(y - mean) for _, y, mean in walk], [unit(residual(x, y).to(y)) for x, y, _ in walk]
    right = [drift(*step) < 6 for step in walk]
    if right[0] and all(related(a, b) > 0.99 for a, b in pairwise(noises)):
        return REPEATED
    alike = lambda i, j: right[i] and related(noises[i], noises[j]) > 0.9 and related(noises[i], bare[j]) > 0.1
    return AGAIN if any(alike(i, j) for i, j in combinations(range(len(walk)), 2)) else None


def related(a: Tensor, b: Tensor) -> float:
    """The size of the correlation of two noises of size 1."""
    return float((a * b).mean().abs())


def sized(name: str, unit: list[Tensor], slack: float = 0.016) -> Property:
    """The variance of all noises of a walk together, each over its right size: sharper than any step by itself."""
    size = sum(float(r.double().square().mean()) for r in unit) / len(unit)
    return Property(name, abs(size - 1) < slack, f"{size:.3f} of the right variance", "1")
