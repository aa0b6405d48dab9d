"""What the exercises share: random tables, shapes and tolerances."""
import torch
from torch import Generator, Tensor

from ..contract.exercise import Property, Unanswered, close, kind, same_form

POSITIVE = "a positive number", lambda value: value > 0         # what a prediction may be
COUNT = "a whole number, 1 or more", lambda value: value >= 1 and float(value).is_integer()
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
        got = f"{len(answer)} values" if isinstance(answer, (tuple, list)) else kind(answer)
        raise Unanswered(f"Return {n} values, {names}; your function returned {got}{'' if got[-1] == '?' else '.'}")
    return list(answer)


def repeated(call, seed: int) -> dict:
    """What an answer gives for one rng, for the same with the global generator elsewhere, and for another rng."""
    out = {}
    for name, elsewhere, own in (("out", 1, seed), ("again", 2, seed), ("other", 1, seed + 1)):
        torch.default_generator.manual_seed(elsewhere)
        out[name] = call(torch.Generator().manual_seed(own))
    return out


def drawn(name: str, out: Tensor, again: Tensor, other: Tensor) -> Property:
    """All that is random comes from rng. again: with the same rng; other: with another."""
    row = close(name, again, out, None, 1e-5)
    if not row.passed:
        return row._replace(causes=("not all that is random comes from rng: draw with generator=rng",))
    same = torch.equal(out, other)
    return Property(name, False, "another rng gives the same", "another rng gives another") if same else row


def one_number(value, name: str) -> float:
    """A value that should be one number."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        text = {"nothing": "nothing (None)", "one": "a tensor of several numbers"}.get(kind(value).split()[0], kind(value))
        raise Unanswered(f"The {name} should be one number; your function gave {text}.") from None


def all_formed(name: str, parts: list, like: Tensor, given: Tensor | None = None) -> Property:
    """The gate for several tensors shaped like `like`: the worst of them."""
    rows = [same_form(name, part, like.new_ones(like.shape), given) for part in parts]
    return min(rows, key=lambda row: (row.readable, row.passed))
