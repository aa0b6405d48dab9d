"""Judging one random step x -> y on many samples at once: its mean, and the size of its noise.

On Gaussian data every mean is affine in x. With the right one, r = y - mean(x) is the new noise: its average and its
correlation with x are zero up to chance (six standard errors). The size of the noise is what a regression on x leaves, so that
a wrong mean does not make the noise look wrong too. Noise that is not new or not normal is told by `noise.py`, and then says
nothing against the mean.
"""
from typing import Callable, Iterable

from torch import Tensor

from ..contract.exercise import LOST, Property, within


def drift(x: Tensor, y: Tensor, mean: Tensor) -> float:
    """How far y - mean is from noise independent of x, in standard errors."""
    r, x = (y - mean).double().flatten(), x.double().flatten()
    if r.abs().max() < 1e-4:
        return 0.0
    size = r.square().mean().sqrt()
    centred = (x - x.mean()) / x.std()
    return float(max(r.mean().abs(), (r * centred).mean().abs()) / size * len(r) ** 0.5)


def step_mean(name: str, x: Tensor, y: Tensor, mean: Tensor, slips: dict[str, Callable[[], Tensor]],
              used: str | None = None, left: tuple[str, ...] | None = None) -> Property:
    """y is mean plus noise that does not depend on x. slips: cause -> the mean that it would give.

    used: what is wrong with the noise, which then says nothing of the mean. left: the slips that are still asked, or all.
    """
    if y.isnan().any() and x.isfinite().all():
        return Property(name, False, LOST, "finite numbers")
    if cut(y):
        return Property(name, False, *lines(line(x, y), line(x, mean)), (CUT,))
    if used or drift(x, y, mean) < 6:
        return Property(name, True, "as expected")
    explains = lambda value: drift(x, y, value()) < 6 or exploded(y, value())
    causes = tuple(said for said, value in slips.items() if (left is None or said in left) and explains(value))
    return Property(name, False, *lines(line(x, y), line(x, mean)), causes)


def one_by_one(walk: Iterable, judge: Callable[..., list[Property]]) -> list[Property]:
    """judge(*step, left) for every step of a walk: a row on the mean and one on the noise.

    What does not explain one failure of the mean is not worked out for the next: `left` of `step_mean`.
    """
    rows, left = [], None
    for step in walk:
        mean, noise = judge(*step, left)
        left = left if mean.passed else mean.causes
        rows += [mean, noise]
    return rows


def line(x: Tensor, y: Tensor) -> tuple[float, float]:
    """What y is on average, as a line in x: its slope and its value at x = 0."""
    x, y = x.double(), y.double()
    slope = ((x - x.mean()) * (y - y.mean())).mean() / (x - x.mean()).square().mean()
    return slope.item(), (y.mean() - slope * x.mean()).item()


def lines(*both: tuple[float, float]) -> list[str]:
    """Two lines in words, with as many digits as it takes to tell them apart."""
    told = lambda digits: [f"on average {slope:.{digits}f} x {at_0:+.{digits}f}" for slope, at_0 in both]
    return next((told(digits) for digits in (2, 3, 4) if len(set(told(digits))) == 2), told(6))


CUT = "the state is clipped, which no equation asks for: x may leave -1 ... 1 on its way, and so may the guess of it"


def cut(y: Tensor) -> bool:
    """Whether several values of y are one whole number at its end, which chance does not make."""
    ends = (end for end in (y.max(), y.min()) if end == end.round() and end != 0)
    return any((y == end).sum() > 4 for end in ends)


def exploded(y: Tensor, mean: Tensor | None = None) -> bool:
    """States so large that float32 rounds the noise away; with a mean, large ones that are this mean up to rounding."""
    most = y.abs().max()
    return bool(most > 1e4 if mean is None else most > 100 and (y - mean).abs().max() < 3e-3 * most)


def noise_size(x: Tensor, y: Tensor) -> float:
    """The standard deviation of what a regression of y on x leaves."""
    return residual(x, y).std().item()


def step_noise(name: str, x: Tensor, y: Tensor, std: float, slips: dict[str, float], slack: float = 0.04,
               used: str | None = None) -> Property:
    """The new noise in y has standard deviation std, whatever the mean, and is new. slips: cause -> what it would give."""
    if used:
        return Property(name, False, "noise that is not new, or not normal", "new normal noise for every pixel and step", (used,))
    if exploded(y) or exploded(x) or cut(y):
        slips = {}
    return within(name, noise_size(x, y), (1 - slack) * std, (1 + slack) * std,
                  {said: ((1 - slack) * value - 1e-6, (1 + slack) * value + 1e-6) for said, value in slips.items()})


def residual(x: Tensor, y: Tensor) -> Tensor:
    """What a regression of y on x leaves: the new noise, if the mean is affine in x."""
    x, y = (v.double() - v.double().mean() for v in (x, y))
    return y - (x * y).mean() / (x * x).mean() * x


def bent(x: Tensor, r: Tensor) -> bool:
    """Whether what is left still depends on x: then the mean was not affine, and r is not the noise alone."""
    z, r = (x.double() - x.double().mean()) / x.double().std(), r / r.std()
    return any((r * f).mean().abs() > 7 * f.std() / r.numel() ** 0.5 for f in (z**2 - 1, z**3 - 3 * z))
