"""The contract of an exercise: data and three functions.

  cases(rng)        inputs from a seed: shapes (ragged too), schedules, dtypes
  run(impl, case)   the only part that calls the student's code
  verify(case, out) named properties of the answer, checked against oracles and invariants

Only `run` sees the student's code, and what it returns passes through the codec, so `cases` and `verify` never have
to trust the process that ran it. `weights` names every property with its share of the points; weight 0 marks a
gate: a structural property (shape, dtype, not merely the input) without which nothing counts.

A likely cause is named only if that slip, worked out, predicts what was observed: `close` takes a table of slips,
and a property lists all that do. The report names one if it alone explains every failure of that property.
"""
import math
from dataclasses import dataclass
from typing import Callable, Iterable, NamedTuple

import torch
from torch import Generator, Tensor, nn

from .codec import Tree


class Property(NamedTuple):
    """One thing that an answer must satisfy, and what was seen."""
    name: str
    passed: bool
    observed: str = ""
    expected: str = ""
    causes: tuple[str, ...] = ()
    readable: bool = True       # a gate that fails: whether the rows after it can still be worked out, to find a cause


@dataclass(frozen=True)
class Exercise:
    """kind: "function", "module" (weights come from the case), "value" or "measurement" (the clock is injected)."""
    id: str
    title: str
    weights: dict[str, float]
    cases: Callable[[Generator], list[Tree]]
    run: Callable[[object, Tree], Tree]
    verify: Callable[[Tree, Tree], list[Property]]
    kind: str = "function"
    own: tuple[Callable, ...] = ()      # all of the package that would do a line of it, which the student may not call


def number(value) -> str:
    """A short form of a number, or of a tensor's shape."""
    if isinstance(value, Tensor) and value.numel() != 1:
        return f"shape {tuple(value.shape)}"
    if isinstance(value, Tensor):
        value = value.item()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def kind(answer) -> str:
    """What an answer is, in a student's words."""
    names = {"NoneType": "nothing (None): is `return` missing?", "ndarray": "a numpy array", "Tensor": "one tensor",
             "float": "a plain number", "int": "a plain number",
             "generator": "a generator: `return` the result instead of `yield`"}
    return names.get(type(answer).__name__, f"a {type(answer).__name__}")


def apart(got: float, want: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart."""
    digits = next((n for n in (4, 6, 8) if f"{got:.{n}g}" != f"{want:.{n}g}"), 12)
    return f"{got:.{digits}g}", f"{want:.{digits}g}"


def same_form(name: str, got: Tree, want: Tensor, given: Tensor | None = None) -> Property:
    """The gate: a tensor of the right shape and dtype with something in it, not the input handed back.

    One of the right form with nothing in it is still readable: other rows may tell the slip that made it so. A number that
    is not finite here and there is left to them altogether.
    """
    expected = f"a tensor, {want.dtype}, shape {tuple(want.shape)}".replace("torch.", "")
    if not isinstance(got, Tensor):
        return Property(name, False, kind(got), expected, readable=False)
    observed = f"a tensor, {got.dtype}, shape {tuple(got.shape)}".replace("torch.", "")
    if got.shape != want.shape or got.dtype != want.dtype:
        four = got.ndim == 4 and want.ndim == 2 and tuple(got.shape) == (len(want), 1, *want.shape)
        return Property(name, False, observed, expected, (
            "a factor of shape (B, 1, 1, 1) suits four dimensions; this x has two: give it as many as x has",) if four else (),
            readable=False)
    if got.numel() and not got.isfinite().any():
        return Property(name, False, "NaN or infinity everywhere", "finite numbers")
    if given is not None and torch.equal(got, given) and not torch.equal(want, given):
        return Property(name, False, "the input handed back", "a new value")
    if not got.any() and want.any():
        return Property(name, False, "all zeros", expected)
    return Property(name, True, observed, expected)


def forgiven(row: Property) -> Property:
    """A row that holds after all: what was seen is told elsewhere."""
    return row._replace(passed=True, observed="as expected", causes=())


def blamed(rows: Iterable[Property], *causes: str) -> list[Property]:
    """The rows, all that fail with these causes."""
    return [row if row.passed else row._replace(causes=causes) for row in rows]


def near(got: Tensor, want: Tensor, tol: float) -> bool:
    """Equal shapes, and equal up to tol times (1 + |want|); infinity is equal to itself alone."""
    fits = want.isfinite() & ((got - want).abs() <= tol * (1 + want.abs())) if got.shape == want.shape else None
    return fits is not None and bool((fits | (got == want)).all())


def close(name: str, got: Tree, want: Tensor, slips: dict[str, Callable[[], Tensor]] | None = None,
          tol: float = 1e-5) -> Property:
    """got equals want. slips: a cause in a student's words -> the value that this slip would give."""
    if not isinstance(got, Tensor) or got.shape != want.shape:
        return Property(name, False, number(got) if isinstance(got, Tensor) else kind(got), number(want))
    got, want = got.double(), want.double()
    if near(got, want, tol):
        return Property(name, True, "as expected", "")
    worst = (got - want).abs().nan_to_num(torch.inf).flatten().argmax()
    where = [int(i) for i in torch.unravel_index(worst, want.shape)]
    at = f" at {where}" if where else ""
    causes = tuple(said for said, value in (slips or {}).items() if _explains(value, got, want, tol))
    observed, expected = apart(got.flatten()[worst].item(), want.flatten()[worst].item())
    return Property(name, False, (LOST if observed == "nan" else observed) + at, expected + at, causes)


LOST = "NaN (0 / 0, 0 times infinity, a root or logarithm of a number below 0)"


def _explains(value: Callable[[], Tensor], got: Tensor, want: Tensor, tol: float) -> bool:
    """Whether a slip gives what was observed, NaN where that is NaN, and not what is right."""
    slip = value().double()
    if slip.shape != got.shape:
        return False
    both = slip.isnan() & got.isnan()
    return near(got.masked_fill(both, 0), slip.masked_fill(both, 0), tol) and not near(want, slip, tol)


def within(name: str, got: float, low: float, high: float, slips: dict[str, tuple[float, float]] | None = None,
           unit: str = "") -> Property:
    """A statistic inside its interval. slips: cause -> the interval that this slip would give."""
    expected = f"{low:.4g} to {high:.4g}{unit}"
    if low <= got <= high:
        return Property(name, True, f"{got:.4g}{unit}", expected)
    causes = tuple(said for said, (a, b) in (slips or {}).items() if a <= got <= b)
    return Property(name, False, f"{got:.4g}{unit}", expected, causes)


def known(table: dict, key) -> tuple[str, ...]:
    """The cause that a table of slips gives for what was observed, if it has one."""
    return (table[key],) if key in table else ()


def built(cls: type[nn.Module], weights: dict[str, Tensor], **arguments) -> nn.Module:
    """A student's module with the case's weights, loaded strictly: for exercises of the kind "module"."""
    module = cls(**arguments)
    module.load_state_dict(weights, strict=True)
    return module.eval()


def prediction(id: str, title: str, asked: str = "a finite number",
               possible: Callable[[float], bool] = math.isfinite) -> Exercise:
    """A number said before it is measured: its points are earned by being made. possible: whether it could come true."""
    made = "a prediction that could come true"

    def verify(case, out):
        row = finite(made, out)
        return [row._replace(passed=row.passed and bool(possible(out)), expected=asked)]
    return Exercise(id, title, {made: 1}, lambda rng: [{}], as_number, verify, "value")


def reading(id: str, title: str, interval: Callable[[], tuple[float, float]],
            slips: Callable[[], dict[str, tuple[float, float]]] = dict) -> Exercise:
    """A number read off a figure or computed: right inside the interval. slips: cause -> its interval."""
    read = "the value read"

    def verify(case, out):
        row = finite(read, out)
        return [told(read, out, *interval(), slips()) if row.passed else row]
    return Exercise(id, title, {read: 1}, lambda rng: [{}], as_number, verify, "value")


def told(name: str, got: float, low: float, high: float, slips: dict[str, tuple[float, float]] | None = None) -> Property:
    """A reading, right inside its interval; a wrong one is told its direction and its slip, never the interval."""
    row = within(name, got, low, high, slips)
    return row._replace(expected="" if row.passed else "a lower value" if got > high else "a higher value")


def finite(name: str, out: Tree) -> Property:
    """Whether a value is a finite number."""
    good = isinstance(out, (int, float)) and math.isfinite(out)
    return Property(name, good, f"the text {out!r}" if isinstance(out, str) else number(out), "a finite number")


def as_number(impl, case: Tree) -> float | str:
    """The `run` of a value: a plain number of whatever holds one; a text or a truth value stays a text, to be refused."""
    if isinstance(impl, (str, bool)) or "bool" in str(getattr(impl, "dtype", "")):
        return str(impl)
    try:
        return float(impl)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError, RuntimeError):
        what = kind(impl).replace("one tensor", "a tensor of several")
        raise Unanswered(f"A number is asked for; this is {what}.") from None


class Unanswered(Exception):
    """Raised by `run` to say in one sentence why there is nothing to judge."""
