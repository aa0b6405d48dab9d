"""Gaussian data for samplers that draw noise: its exact guesses of x0, a random case, and what must hold of the clean end.

Tens of thousands of numbers walk, and every state is seen, so that each step is judged by itself.
"""
import torch
from torch import Generator, Tensor

from ..contract.exercise import Property, Unanswered, forgiven, near
from .common import integer
from .moments import CUT, bent, drift, noise_size, residual, step_mean

WIDE = (3000, 2, 2, 4)      # so many numbers that 3% of a standard deviation are nine standard errors


def guess(case, x: Tensor, abar: Tensor | float) -> Tensor:
    """The exact E[x0 | x] of N(mean, std^2) at a level with this alpha-bar: affine in x."""
    alpha, mean, power = float(abar) ** 0.5, case["mean"], case["std"] ** 2
    return mean + alpha * power / (alpha**2 * power + 1 - alpha**2) * (x - alpha * mean)


def gaussian_case(rng: Generator, x: Tensor, **more) -> dict:
    return {"mean": 0.3 + torch.rand((), generator=rng).item(), "std": 0.2 + 0.3 * torch.rand((), generator=rng).item(),
            "x": x, "seed": integer(rng, 0, 10**6), **more}


def real(x: Tensor) -> Tensor:
    """x, unless it has become complex."""
    if x.is_complex():
        raise Unanswered("x has become complex: a root was taken of a negative number. Is a difference or a ratio upside down, "
                         "or are the two levels of a step exchanged?")
    return x


def noisy(x: Tensor, y: Tensor, mean: Tensor, sizes: tuple[float, ...]) -> bool:
    """Whether y is this mean with noise of one of these sizes on it."""
    return drift(x, y, mean) < 6 and any(0.96 * size < noise_size(x, y) < 1.04 * size for size in sizes)


def far_case(rng, **more):
    """Data that lie outside -1 ... 1, so that a clipped guess is seen."""
    return gaussian_case(rng, torch.randn(WIDE, generator=rng), mean=2.5 + torch.rand((), generator=rng).item(), **more)


def quiet_end(name: str, x: Tensor, y: Tensor, sizes: tuple[float, ...], cause: str, means: dict) -> Property:
    """y has no new noise on it, whatever its mean; if that is bent, there is no telling.

    cause: named if the noise has one of these sizes; means: the slips of `step_mean`.
    """
    extra = noise_size(x, y)
    if extra < 2e-3 or bent(x, residual(x, y)) or any(near(y, value(), 1e-3) for value in means.values()):
        return Property(name, True, "no noise")
    named = any(0.96 * size < extra < 1.04 * size for size in sizes)
    return Property(name, False, f"noise of standard deviation {extra:.4g}", "no noise", (cause,) if named else ())


def end_mean(name: str, x: Tensor, y: Tensor, x0: Tensor, slips: dict, left: tuple[str, ...] | None = None) -> Property:
    """`step_mean` for a step that adds no noise, where rounding is all that parts y from its mean."""
    row, like = step_mean(name, x, y, x0, slips, left=left), lambda mean, tol: near(y, mean.float(), tol)
    if row.passed or like(x0, 1e-3):
        return forgiven(row)
    if row.causes == (CUT,):
        return row if not left else row._replace(causes=left)              # clipped is what it was before
    asked = (said for said in slips if left is None or said in left)
    return row._replace(causes=tuple(said for said in asked if said in row.causes or like(slips[said](), 1e-2)))
