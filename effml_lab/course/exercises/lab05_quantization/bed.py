"""What the exercises of lab 05 are judged on: small layers, some channels of which are loud, and plain rounding to codes."""
import torch
from torch import Generator, Tensor

from ...contract.exercise import Property, kind

SIZES = ((6, 24, 5), (1, 16, 9), (9, 32, 4))            # rows, K, N


def drawn(rng: Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


def loud(rng: Generator, x: Tensor, many: int = 2, by: float = 20.0) -> Tensor:
    """x (rows, K) with some channels as many times as loud."""
    factor = torch.ones(x.shape[1], dtype=x.dtype)
    factor[torch.randperm(x.shape[1], generator=rng)[:many]] = by
    return x * factor


def layers(rng: Generator) -> list[dict]:
    """Inputs (rows, K) and weights (N, K), of several sizes and both types."""
    return [{"x": loud(rng, drawn(rng, rows, k, dtype=dtype)), "bias": drawn(rng, n, dtype=dtype),
             "w": drawn(rng, n, k, dtype=dtype) * (0.5 + drawn(rng, k).abs()).to(dtype)}
            for (rows, k, n), dtype in zip(SIZES, (torch.float32, torch.float64, torch.float64))]


def codes(x: Tensor, bits: int = 4, group: int = 8) -> tuple[Tensor, Tensor]:
    """Codes and scales of groups along the rows of x (rows, K)."""
    part, top = x.unflatten(1, (-1, group)), 2 ** (bits - 1) - 1
    scale = part.abs().amax(2) / top
    scale = torch.where(scale == 0, 1.0, scale)
    return (part / scale[..., None]).round().flatten(1), scale


def rounded(x: Tensor, bits: int = 4, group: int = 8) -> Tensor:
    """x (rows, K) as it comes back from its codes."""
    q, scale = codes(x, bits, group)
    return (q.unflatten(1, (-1, group)) * scale[..., None]).flatten(1)


def formed(name: str, parts: dict[str, tuple[object, tuple[int, ...]]], causes: dict[str, bool] = {}) -> Property:
    """The gate of an answer of several tensors, name -> (got, shape): of these shapes, not NaN everywhere, not all of them zero.

    causes: what may be wrong with a shape -> whether it is.
    """
    asked = ", ".join(f"{key} {shape}" for key, (_, shape) in parts.items())
    for key, (got, shape) in parts.items():
        if not isinstance(got, Tensor) or tuple(got.shape) != shape:
            seen = f"shape {tuple(got.shape)}" if isinstance(got, Tensor) else kind(got)
            return Property(name, False, f"{key}: {seen}", asked, tuple(said for said, holds in causes.items() if holds),
                            readable=False)
    if not any(bool(got.any()) for got, _ in parts.values()):
        return Property(name, False, "all zeros", asked)
    if not all(got.isfinite().any() or not got.numel() for got, _ in parts.values()):
        return Property(name, False, "NaN or infinity everywhere", asked)
    return Property(name, True, "as expected", asked)


def shape(got: object) -> tuple[int, ...] | None:
    """The shape of a tensor; None of anything else."""
    return tuple(got.shape) if isinstance(got, Tensor) else None
