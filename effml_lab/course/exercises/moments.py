"""Judging one random step x -> y on many samples at once.

On Gaussian data every mean is affine in x. With the right one, r = y - mean(x) is the new noise: its average and its
correlation with x are zero up to chance (six standard errors). The size of the noise is what a regression on x leaves, so that
a wrong mean does not make the noise look wrong too.
"""
from typing import Callable

from torch import Tensor

from ..exercise import Property, within


def drift(x: Tensor, y: Tensor, mean: Tensor) -> float:
    """How far y - mean is from noise independent of x, in standard errors."""
    r, x = (y - mean).double().flatten(), x.double().flatten()
    if r.abs().max() < 1e-4:
        return 0.0
    size = r.square().mean().sqrt()
    centred = (x - x.mean()) / x.std()
    return float(max(r.mean().abs(), (r * centred).mean().abs()) / size * len(r) ** 0.5)


def step_mean(name: str, x: Tensor, y: Tensor, mean: Tensor, slips: dict[str, Callable[[], Tensor]]) -> Property:
    """y is mean plus noise that does not depend on x. slips: cause -> the mean that it would give."""
    off = drift(x, y, mean)
    causes = () if off < 6 else tuple(said for said, value in slips.items() if drift(x, y, value()) < 6)
    return Property(name, off < 6, f"{off:.1f} standard errors off", "less than 6", causes)


def noise_size(x: Tensor, y: Tensor) -> float:
    """The standard deviation of what a regression of y on x leaves."""
    x, y = x.double().flatten(), y.double().flatten()
    x, y = x - x.mean(), y - y.mean()
    return (y - (x * y).mean() / (x * x).mean() * x).std().item()


def step_noise(name: str, x: Tensor, y: Tensor, std: float, slips: dict[str, float], slack: float = 0.04) -> Property:
    """The new noise in y has standard deviation std, whatever the mean. slips: cause -> the one that it would give."""
    return within(name, noise_size(x, y), (1 - slack) * std, (1 + slack) * std,
                  {said: ((1 - slack) * value - 1e-6, (1 + slack) * value + 1e-6) for said, value in slips.items()})
