"""Gaussian data for samplers: its exact guesses of x0, a random case, and what must hold of the step to the clean end.

Both samplers of lab 01 walk 10,000 numbers of it and every state is seen, so that each step is judged by itself.
"""
import torch
from torch import Tensor

from ..contract.exercise import Property, Unanswered, close
from .common import integer
from .moments import drift, noise_size

N = (2500, 1, 2, 2)


def guess(case, x: Tensor, abar: Tensor | float) -> Tensor:
    """The exact E[x0 | x] of N(mean, std^2) at a level with this alpha-bar: affine in x."""
    alpha, mean, power = float(abar) ** 0.5, case["mean"], case["std"] ** 2
    return mean + alpha * power / (alpha**2 * power + 1 - alpha**2) * (x - alpha * mean)


def gaussian_case(rng, **more):
    return {"mean": 0.3 + torch.rand((), generator=rng).item(), "std": 0.2 + 0.3 * torch.rand((), generator=rng).item(),
            "x": torch.randn(N, generator=rng), "seed": integer(rng, 0, 10**6), **more}


def real(x: Tensor) -> Tensor:
    """x, unless it has become complex."""
    if x.is_complex():
        raise Unanswered("x has become complex: a root was taken of a negative number. Is a difference or a ratio upside down?")
    return x


def clean_end(name: str, x: Tensor, y: Tensor, x0: Tensor, sizes: tuple[float, ...], cause: str) -> Property:
    """y is the guess x0 itself. cause: named if y has noise of one of these sizes on it."""
    row, extra = close(name, y, x0, None, 1e-3), noise_size(x, y)
    noisy = not row.passed and drift(x, y, x0) < 6 and any(0.96 * size < extra < 1.04 * size for size in sizes)
    return row._replace(causes=(cause,)) if noisy else row
