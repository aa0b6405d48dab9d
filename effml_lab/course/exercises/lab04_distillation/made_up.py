"""What the losses of lab 04 are judged on: made-up guesses with one weight each, which note what they are asked.

A guess is bent in x and depends on the level, so that no identity holds by luck. Levels are plain numbers, or tensors with one
number for each row, as trainings have them; some rows have more picture than noise, so that a floor shows. Whom a loss would
move, and how far, is told by the weights' gradients.
"""
import traceback
from contextlib import contextmanager
from typing import Callable, Iterator

import torch
from torch import Generator, Tensor

from ....diffusion.levels import CLEAN, Level
from ....folders import PACKAGE
from ...contract.attempt import where
from ...contract.exercise import Property, Unanswered, kind, same_form
from ..common import column, integer

LAMS = (-1.9, -0.8, 0.4)                # of cur, mid, nxt, give or take 0.3
SIZES = (((3, 1, 4, 5), torch.float32), ((1, 2), torch.float64), ((6, 3), torch.float64))
ROWS = (6, 2)                           # of the input that has a level for each row
ONCE, MOVES = "the student is asked once, about its x at its level", "the whole gradient reaches the student, and nothing else"


def slack(dtype: torch.dtype) -> float:
    """What a loss may be off by: a weight that was made of a number by torch.as_tensor has 32 bits, whatever x has."""
    return 1e-4 if dtype == torch.float32 else 3e-6


def drawn(rng: Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


def between(rng: Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64).item()


def levels(rng: Generator, family: int, clean: bool = False, lift: float = 0.0) -> list[list[float]]:
    """Three levels as rows (t, alpha, sigma), noisiest first, of another family for each number; clean: the last is.

    lift: of all lams, give or take.
    """
    rows = []
    for k, lam in enumerate(LAMS):
        ratio = torch.tensor(lam + lift + between(rng, -0.3, 0.3), dtype=torch.float64).exp().item()        # alpha / sigma
        alpha = (ratio / (1 + ratio**2) ** 0.5, ratio / (1 + ratio), 1.0)[family]
        rows.append([900.0 - 300 * k, alpha, alpha / ratio])
    return [*rows[:2], list(CLEAN)] if clean else rows


def by_row(rng: Generator, like: Tensor) -> list[list[Tensor]]:
    """Three levels for each row of x, fields (B, 1, ...), the variance preserved; every other row has little noise."""
    each = [levels(rng, 0, lift=2.5 * (i % 2)) for i in range(len(like))]
    field = lambda k, f: column(torch.tensor([rows[k][f] - 40 * i * (f == 0) for i, rows in enumerate(each)],
                                             dtype=torch.float64).to(like.dtype), like)
    return [[field(k, f) for f in range(3)] for k in range(3)]


def classes(rng: Generator, size: int, count: int) -> dict[str, Tensor]:
    """Classes (size,), and a number that means "no class" and is none of them, (1,)."""
    null = integer(rng, 1, count)
    others = torch.tensor([c for c in range(count) if c != null])
    return {"cond": others[torch.randint(len(others), (size,), generator=rng)], "null": torch.tensor([null])}


def level(row: list) -> Level:
    return Level(*row)


def bent(weight: float | Tensor, x: Tensor, level: Level) -> Tensor:
    """A guess of x0."""
    return torch.tanh(weight * x) * (1 + 0.4 * level.alpha) + 0.2 * level.sigma


class Guess:
    """`bent` with a weight that can be trained; `asked` holds what it was called with."""

    def __init__(self, name: str, weight: float):
        self.name, self.asked = name, []
        self.weight = torch.tensor(weight, dtype=torch.float64, requires_grad=True)

    def __call__(self, x: Tensor, level: Level, cond=None) -> Tensor:
        if not isinstance(x, Tensor) or not isinstance(level, Level):
            raise Unanswered(f"{self.name}(x, level) takes a tensor and a Level; it was given {kind(x)} and {kind(level)}.")
        self.asked.append({"x": x.detach().clone(), "t": torch.as_tensor(level.t, dtype=torch.float64).flatten()})
        return bent(self.weight.to(x.dtype), x, level)

    @property
    def slope(self) -> float | None:
        return None if self.weight.grad is None else self.weight.grad.item()


@contextmanager
def unasked() -> Iterator[None]:
    """Say in a sentence that levels of a batch are tensors, where `if` or `max` cannot ask them."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError) as error:
        if not any(said in str(error) for said in ("ambiguous", "only one element", "to Scalar", "cannot be converted")):
            raise
        ours = f"{PACKAGE / 'diffusion'}" in traceback.extract_tb(error.__traceback__)[-1].filename
        raise Unanswered("In training every row has a level of its own: alpha and sigma are then tensors (B, 1, ...). " + (
            "The package's samplers take plain levels alone: walk with `step`, which takes both" if ours else
            "No `if`, `max` or `float` can ask them: compute with them as they are") + f"{where(error)}.") from None


def trained(value, **guesses: Guess) -> dict:
    """What a loss comes to: the number, how it would move whom, and what each was asked."""
    if isinstance(value, Tensor) and value.requires_grad and value.numel() == 1:
        value.sum().backward()
    return {"loss": value.detach() if isinstance(value, Tensor) else value,
            "slopes": {name: guess.slope for name, guess in guesses.items()},
            "asked": {name: guess.asked for name, guess in guesses.items()}}


def one_number(name: str, got, right: Tensor, x: Tensor) -> Property:
    """The gate of a loss: one number, as a tensor. x: what it is a mean over, (B, ...)."""
    row, shape = same_form(name, got, right), tuple(getattr(got, "shape", ()))
    causes = {
        "several values came back: return the loss alone": isinstance(got, list),
        "this is a plain number, which no gradient can reach: return the tensor, without item() or float()": isinstance(
            got, (int, float)),
        "this is one number a row: the mean over all of them is asked for": shape == (len(x),),
        "the mean is missing: all numbers came back": x.ndim > 1 and shape == tuple(x.shape)}
    return row if row.passed else row._replace(causes=tuple(said for said, holds in causes.items() if holds))


def slope(loss: Callable[[Tensor], Tensor], weight: float, dtype: torch.dtype) -> float:
    """The derivative of a loss by the weight that it is a function of."""
    at = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        loss(at.to(dtype)).backward()
    return at.grad.item()


def moves(slopes: dict[str, float | None], causes: dict[str, str], right: float | None = None, cut: str = "") -> Property:
    """Whether the student learns, and it alone. causes: who else might be moved -> why that is wrong.

    right: the derivative by the student's weight, asked for where the value is right; cut: why it may be another.
    """
    moved = [who for who, value in slopes.items() if value]
    others = [who for who in moved if who != "student"]
    if "student" in moved and not others:
        if right is None or abs(slopes["student"] - right) <= 1e-3 * (abs(right) + 1e-3):
            return Property(MOVES, True, "as expected")
        return Property(MOVES, False, "a part of it reaches the student", "all of it", (
            cut or "a part of the student's guess is cut off (no_grad, detach)",))
    if "student" in moved:
        told = tuple(causes[who] for who in others if who in causes)
    else:
        told = ("nothing can be learned from this: the student's guess is cut off (no_grad, detach, item)" if not others else
                f"the student learns nothing, and the {others[0]} does: are they exchanged, or is the wrong one cut off?",)
    return Property(MOVES, False, "it reaches " + (" and ".join(f"the {who}" for who in moved) or "nobody"), "the student", told)


def times(call: dict) -> str:
    """At which t somebody was asked."""
    return " ".join(f"{t:g}" for t in call["t"].tolist())


def asked_at(call: dict, at: float | Tensor) -> bool:
    """Whether a call was made at this t, a number or one a row."""
    want = torch.as_tensor(at, dtype=torch.float64).flatten()
    return len(want) == len(call["t"]) and torch.equal(want, call["t"])


def once(asked: list[dict], x: Tensor, at: float | Tensor) -> Property:
    if len(asked) != 1:
        return Property(ONCE, False, f"{len(asked)} times", "once")
    if len(asked[0]["x"]) == 2 * len(x):
        return Property(ONCE, False, f"about {2 * len(x)} rows", f"about {len(x)} rows", (
            "the student is asked twice, as by `guided`: it is asked once",))
    if not asked_at(asked[0], at):
        return Property(ONCE, False, f"at t = {times(asked[0])}", "at its level", ("the student is asked at another level",))
    same = asked[0]["x"].shape == x.shape and torch.equal(asked[0]["x"], x)
    return Property(ONCE, same, "about its x" if same else "about another x", "about its x")


def means(off: Tensor) -> dict:
    """What else a student may make of errors (B, ...), the mean of whose squares is asked for."""
    square = off.square()
    return {"the sum: the mean over all numbers is asked for": lambda: square.sum(),
            "a sum over each picture, and the mean over these: the mean over all numbers is asked for": lambda: (
                square.flatten(1).sum(1).mean()),
            "halved: the mean is asked for as it is": lambda: square.mean() / 2,
            "the root of the mean: the mean of the squares is asked for": lambda: square.mean().sqrt(),
            "the length of the difference: the mean of its squares is asked for": lambda: off.norm(),
            "the length of each row's difference, and the mean of these: the mean of all squares is asked for": lambda: (
                off.flatten(1).norm(dim=1).mean()),
            "the mean of the errors themselves: they are squared": lambda: off.mean(),
            "absolute errors: they are squared": lambda: off.abs().mean(),
            "the mean before the square: each number's error is squared first": lambda: off.mean() ** 2,
            "smooth L1, Huber's loss: the squares themselves are asked for": lambda: torch.nn.functional.smooth_l1_loss(
                off, torch.zeros_like(off)),
            "the mean of absolute errors, squared: each number's error is squared first": lambda: off.abs().mean() ** 2}
