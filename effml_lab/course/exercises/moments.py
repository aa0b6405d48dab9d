"""Judging one random step x -> y on many samples at once.

On Gaussian data every mean is affine in x. With the right one, r = y - mean(x) is the new noise: its average and its
correlation with x are zero up to chance (six standard errors). The size of the noise is what a regression on x leaves, so that
a wrong mean does not make the noise look wrong too. Noise that is not new for every pixel, picture and step is told by r
itself, and then says nothing against the mean.
"""
from itertools import pairwise
from typing import Callable

import torch
from torch import Tensor

from ..contract.exercise import Property, within

SHARED = {"one number for the whole batch: draw noise of the shape of x": (0, 1, 2, 3),
          "one number for each picture: draw noise of the shape of x": (1, 2, 3),
          "the same noise for every picture: draw noise of the shape of x": (0,)}
REPEATED = "the same noise in every step: draw it anew inside the loop"


def shared(r: Tensor) -> str | None:
    """How the noise r, (B, C, H, W), fails to be new for every pixel of every picture; None if it does not."""
    size = r.square().mean().sqrt()
    slack = max(0.01 * float(size), 1e-4)
    return next((said for said, dims in SHARED.items() if (r - r.mean(dims, keepdim=True)).abs().max() < slack), None)


def reused(walk: list[tuple[Tensor, Tensor, Tensor]]) -> str | None:
    """The same for the noises y - mean of several steps (x, y, mean), and whether they are one noise."""
    noises = [(x, r) for x, y, mean in walk if (r := (y - mean).double()).abs().max() > 1e-3]
    said = {shared(r) for _, r in noises}
    if len(said) == 1 and None not in said:
        return said.pop()
    fresh = noises and drift(noises[0][0], sum(noises[0]), noises[0][0]) < 6    # a wrong mean alone repeats itself too
    unit = [r / r.square().mean().sqrt() for _, r in noises]
    again = fresh and len(unit) > 1 and all((a * b).mean() > 0.999 for a, b in pairwise(unit))
    return REPEATED if again else None


def drift(x: Tensor, y: Tensor, mean: Tensor) -> float:
    """How far y - mean is from noise independent of x, in standard errors."""
    r, x = (y - mean).double().flatten(), x.double().flatten()
    if r.abs().max() < 1e-4:
        return 0.0
    size = r.square().mean().sqrt()
    centred = (x - x.mean()) / x.std()
    return float(max(r.mean().abs(), (r * centred).mean().abs()) / size * len(r) ** 0.5)


def step_mean(name: str, x: Tensor, y: Tensor, mean: Tensor, slips: dict[str, Callable[[], Tensor]],
              used: str | None = None) -> Property:
    """y is mean plus noise that does not depend on x. slips: cause -> the mean that it would give. used: see `reused`."""
    off = 0.0 if used else drift(x, y, mean)
    causes = () if off < 6 else tuple(said for said, value in slips.items() if drift(x, y, value()) < 6 or exploded(y, value()))
    return Property(name, off < 6, f"{off:.1f} standard errors off", "less than 6", causes)


def exploded(y: Tensor, mean: Tensor | None = None) -> bool:
    """States so large that float32 rounds the noise away; with a mean, large ones that are this mean up to rounding."""
    most = y.abs().max()
    return bool(most > 1e4 if mean is None else most > 100 and (y - mean).abs().max() < 3e-3 * most)


def noise_size(x: Tensor, y: Tensor) -> float:
    """The standard deviation of what a regression of y on x leaves."""
    x, y = x.double().flatten(), y.double().flatten()
    x, y = x - x.mean(), y - y.mean()
    return (y - (x * y).mean() / (x * x).mean() * x).std().item()


def step_noise(name: str, x: Tensor, y: Tensor, std: float, slips: dict[str, float], slack: float = 0.04,
               used: str | None = None) -> Property:
    """The new noise in y has standard deviation std, whatever the mean, and is new. slips: cause -> the one that it would give."""
    if used:
        return Property(name, False, "noise that is not new", "new noise for every pixel and step", (used,))
    if exploded(y) or exploded(x):
        slips = {}
    return within(name, noise_size(x, y), (1 - slack) * std, (1 + slack) * std,
                  {said: ((1 - slack) * value - 1e-6, (1 + slack) * value + 1e-6) for said, value in slips.items()})


AXES = "for every picture", "for every channel", "in every row", "in every column"


def repeats(r: Tensor) -> str | None:
    """How noise r, (B, C, H, W), repeats itself along an axis; None if it does not.

    Told by its correlation with itself, moved on by any number of places or turned round: zero up to chance if it is new.
    """
    r = (r - r.mean()) / r.std()
    limit = 7 * (2 / r.numel()) ** 0.5
    for axis, same in enumerate(AXES):
        n, rest = r.shape[axis], [i for i in range(r.ndim) if i != axis]
        moved = torch.fft.irfft(torch.fft.rfft(r, dim=axis).abs() ** 2, n=n, dim=axis).mean(rest)[1:] / n
        first, last = (side.narrow(axis, 0, n // 2) for side in (r, r.flip(axis)))
        if n == 1:
            continue
        if moved.min() > 0.9:
            return f"the same noise {same}: draw noise of the shape of x"
        if (first * last).mean().abs() > limit or moved.min() < -0.9:
            return "one half of the noise is the other, mirrored or with its sign changed: draw noise of the shape of x"
        if moved.abs().max() > limit:
            return f"the noise repeats itself, moved on {same.replace('every', 'another')}: draw noise of the shape of x"
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


def residual(x: Tensor, y: Tensor) -> Tensor:
    """What a regression of y on x leaves: the new noise, if the mean is affine in x."""
    x, y = (v.double() - v.double().mean() for v in (x, y))
    return y - (x * y).mean() / (x * x).mean() * x


def bent(x: Tensor, r: Tensor) -> bool:
    """Whether what is left still depends on x: then the mean was not affine, and r is not the noise alone."""
    z, r = (x.double() - x.double().mean()) / x.double().std(), r / r.std()
    return any((r * f).mean().abs() > 7 * f.std() / r.numel() ** 0.5 for f in (z**2 - 1, z**3 - 3 * z))


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
    left = [step for step in walk if noise_size(*step[:2]) > 1e-3 and not exploded(step[0]) and not exploded(step[1])]
    for x, y, mean in left[::max(1, len(left) - 1)]:
        r = residual(x, y).float()
        if not bent(x, r) and (said := repeats(r) or (None if leans(x, y - mean) else abnormal(r))):
            return said
    unit = [(y - mean) / (y - mean).std() for _, y, mean in left]
    fresh = left and drift(*left[0]) < 6
    return REPEATED if fresh and len(unit) > 1 and all((a * b).mean().abs() > 0.99 for a, b in pairwise(unit)) else None
