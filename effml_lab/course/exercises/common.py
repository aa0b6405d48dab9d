"""What the exercises share: random tables, shapes and tolerances."""
import re
from contextlib import contextmanager
from typing import Callable, Iterator

import torch
from torch import Generator, Tensor

from ..contract.attempt import where
from ..contract.exercise import Property, Unanswered, close, kind, near, same_form

POSITIVE = "a positive number", lambda value: value > 0         # what a prediction may be
COUNT = "a whole number, 1 or more", lambda value: value >= 1 and float(value).is_integer()
PAPER = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)       # the betas that stand in the notebook of lab 01
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
    if not out.isfinite().all():
        return Property(name, False, "NaN or infinity", "finite numbers")
    row = close(name, again, out, None, 1e-5)
    if not row.passed:
        return row._replace(causes=("not all that is random comes from rng: draw with generator=rng",))
    same = torch.equal(out, other)
    return Property(name, False, "another rng gives the same", "another rng gives another") if same else row


def drawn_anew(name: str, out: Tensor, again: Tensor, other: Tensor, noisy: bool) -> Property:
    """`drawn`, with the cause of noise that does not follow rng at all. noisy: whether there is any."""
    row = drawn(name, out, again, other)
    fixed = "a generator of your own, or noise made once: draw with generator=rng"
    if not out.isfinite().all():
        return row
    if out.std() < 1e-3:                # clipped, or without end: nothing is left by which draws could be told apart
        return Property(name, True, "as expected")
    return row if row.passed or row.causes or not noisy else row._replace(causes=(fixed,))


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


@contextmanager
def lined_up(batch: int, factor: str = "abar[t]", like: str = "x0") -> Iterator[None]:
    """Torch's complaint about sizes, told as what to reshape, if it is the batch that met another axis."""
    try:
        yield
    except RuntimeError as error:
        sizes = re.findall(r"size of tensor \w \((\d+)\)", str(error))
        if str(batch) not in sizes:
            raise
        raise Unanswered(
            f"{factor} has one number an image, shape (B,), and is laid along another axis of {like} "
            f"({' against '.join(sizes)}): reshape it to (B, 1, 1, 1), with as many dimensions as {like} has{where(error)}."
        ) from None


def either(name: str, got, wants: tuple[Tensor, ...], slips: dict[str, Callable] | None = None, tol: float = 1e-5) -> Property:
    """`close` to the first of several values; one of the others will do too: what follows from an answer's own earlier values."""
    fits = isinstance(got, Tensor) and any(near(got.double(), want.double(), tol) for want in wants[1:])
    return Property(name, True, "as expected") if fits else close(name, got, wants[0], slips, tol)
