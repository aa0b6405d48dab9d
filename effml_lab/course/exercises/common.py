"""What the exercises share: random tables, shapes and tolerances."""
import torch
from torch import Generator, Tensor

from ..exercise import Property, Unanswered, same_form

SHAPES = ((3, 1, 5, 4), (2, 7), (4, 4, 4, 4))       # ragged ones, and one as wide as its batch is long


def integer(rng: Generator, low: int, high: int) -> int:
    """low <= n < high."""
    return int(torch.randint(low, high, (), generator=rng))


def betas(rng: Generator, n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """A table that reaches noise within n steps, (n,)."""
    return (0.02 + 0.3 * torch.rand(n, generator=rng, dtype=torch.float64)).sort().values.to(dtype)


def column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) to (B, 1, ...): one factor an image."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def tol(dtype: torch.dtype) -> float:
    return 1e-4 if dtype == torch.float32 else 1e-9


def several(answer, names: str) -> list:
    """An answer of several values, as a list; names: "alpha, sigma, snr"."""
    n = len(names.split(", "))
    if not isinstance(answer, (tuple, list)) or len(answer) != n:
        got = f"{len(answer)} values" if isinstance(answer, (tuple, list)) else type(answer).__name__
        raise Unanswered(f"Return {n} values, {names}; your function returned {got}.".replace("NoneType", "nothing (None)"))
    return list(answer)


def all_formed(name: str, parts: list, like: Tensor, given: Tensor | None = None) -> Property:
    """The gate for several tensors shaped like `like`: the first that is not."""
    rows = [same_form(name, part, like.new_ones(like.shape), given) for part in parts]
    return next((row for row in rows if not row.passed), rows[0])
