"""Judging one random step x -> y on many samples at once.

On Gaussian data every mean is affine in x. With the right one, r = y - mean(x) is the new noise: its average and its
correlation with x are zero up to chance (six standard errors). The size of the noise is what a regression on x leaves, so that
a wrong mean does not make the noise look wrong too. Noise that is not new for every pixel, picture and step is told by r
itself, and then says nothing against the mean.
"""
from itertools import combinations, pairwise
from typing import Callable

from torch import Tensor

from ..contract.exercise import Property, within

SHARED = {"one number for the whole batch: draw noise of the shape of x": (0, 1, 2, 3),
          "one number for each picture: draw noise of the shape of x": (1, 2, 3),
          "the same noise for every picture: draw noise of the shape of x": (0,)}
ALONG = "the noise is the same along a dimension: draw noise of the shape of x"
MIRRORED = "one half of the noise is made of the other: draw all of it, noise of the shape of x"
AGAIN = "the noise of one step tells that of another: draw it anew in every step"
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


def patterned(r: Tensor) -> str | None:
    """How noise r, of any shape, fails to be normal and independent over every axis; None if it does not.

    Compared along each axis are neighbours, the two halves, and the two halves mirrored: six standard errors.
    """
    z = (r - r.mean()) / r.std()
    for axis in (axis for axis in range(z.ndim) if z.shape[axis] > 1):
        n, half = z.shape[axis], z.shape[axis] // 2
        near, far = (z.narrow(axis, start, n - 1) for start in (0, 1))
        left, right = z.narrow(axis, 0, half), z.narrow(axis, n - half, half)
        alike = [related(near, far), related(left, right), related(left, right.flip(axis))]
        if any(alike):
            same = all((a - b).abs().mean() < 0.01 for a, b in ((near, far), (left, right)))
            return ALONG if same else MIRRORED
    n, third, fourth = z.numel(), float((z**3).mean()), float((z**4).mean())
    if fourth < 1.1:
        return "noise of two values only: its size is to be normal too, so draw it with torch.randn"
    if abs(third) > 6 * (6 / n) ** 0.5 or abs(fourth - 3) > 6 * (24 / n) ** 0.5:
        return "the noise is not normal: draw it with torch.randn"
    return None


def related(a: Tensor, b: Tensor) -> bool:
    """Whether two noises of size 1 are correlated, by six standard errors or more."""
    return bool((a * b).mean().abs() > 6 / a.numel() ** 0.5)


def again(walk: list[tuple[Tensor, Tensor, Tensor]]) -> str | None:
    """Whether two of the steps (x, y, mean) have one noise, where the first shows that the mean is right."""
    unit = [(y - mean) / (y - mean).square().mean().sqrt().clamp(min=1e-6) for _, y, mean in walk]
    alike = any((a * b).mean().abs() > 0.9 for a, b in combinations(unit, 2))
    return AGAIN if alike and drift(*walk[0]) < 6 else None


def noises(name: str, unit: list[Tensor]) -> list[Property]:
    """All noises of a walk, each over its size: normal, independent, and of size 1 to within what 3% more variance would be."""
    size = sum(float(r.double().square().mean()) for r in unit) / len(unit)
    said = next(filter(None, map(patterned, unit)), None)
    if not said and any(related(a, b) for a, b in combinations(unit, 2)):
        said = AGAIN
    if said:
        return [Property(name, False, "noise that is not", "normal noise, new for every number", (said,))]
    good = 0.984 < size < 1.016
    return [Property(name, good, f"a variance of {size:.3f} beta", "a variance of beta")]
