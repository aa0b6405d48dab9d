"""What the losses of lab 04 are judged on: made-up guesses with one weight each, which note what they are asked.

A guess is bent in x and depends on the level, so that no identity holds by luck; whom a loss would move is told by the weights'
gradients.
"""
import torch
from torch import Generator, Tensor

from ....diffusion.levels import CLEAN, Level
from ...contract.exercise import Property, Unanswered, kind

LAMS = (-1.9, -0.8, 0.4)                # of cur, mid, nxt, give or take 0.3
SIZES = (((3, 1, 4, 5), torch.float32), ((1, 2), torch.float64), ((6, 3), torch.float64))
ONCE, MOVES = "the student is asked once, about its x at its level", "a gradient reaches the student, and nothing else"


def drawn(rng: Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


def between(rng: Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64).item()


def levels(rng: Generator, family: int, clean: bool = False) -> list[list[float]]:
    """Three levels as rows (t, alpha, sigma), noisiest first, of another family for each number; clean: the last is."""
    rows = []
    for k, lam in enumerate(LAMS):
        ratio = torch.tensor(lam + between(rng, -0.3, 0.3), dtype=torch.float64).exp().item()           # alpha / sigma
        alpha = (ratio / (1 + ratio**2) ** 0.5, ratio / (1 + ratio), 1.0)[family]
        rows.append([900.0 - 300 * k, alpha, alpha / ratio])
    return [*rows[:2], list(CLEAN)] if clean else rows


def level(row: list[float]) -> Level:
    return Level(*row)


def bent(weight: float | Tensor, x: Tensor, level: Level) -> Tensor:
    """A guess of x0."""
    return torch.tanh(weight * x) * (1 + 0.4 * level.alpha) + 0.2 * level.sigma


class Guess:
    """`bent` with a weight that can be trained; `asked` holds what it was called with."""

    def __init__(self, name: str, weight: float, given: dict | None = None):
        self.name, self.asked, self.given = name, [], given
        self.weight = torch.tensor(weight, dtype=torch.float64, requires_grad=True)

    def __call__(self, x: Tensor, level: Level, cond=None) -> Tensor:
        if not isinstance(x, Tensor) or not isinstance(level, Level):
            raise Unanswered(f"{self.name}(x, level) takes a tensor and a Level; it was given {kind(x)} and {kind(level)}.")
        self.asked.append({"x": x.detach().clone(), "t": float(level.t)})
        return bent(self.weight.to(x.dtype), x, level)

    @property
    def moved(self) -> bool:
        return self.weight.grad is not None and bool(self.weight.grad.any())


def trained(value, **guesses: Guess) -> dict:
    """What a loss comes to: the number, whom it would move, and what each was asked."""
    if isinstance(value, Tensor) and value.requires_grad and value.numel() == 1:
        value.sum().backward()
    return {"loss": value.detach() if isinstance(value, Tensor) else value,
            "moved": {name: guess.moved for name, guess in guesses.items()},
            "asked": {name: guess.asked for name, guess in guesses.items()}}


def moves(moved: dict[str, bool], causes: dict[str, str], name: str = MOVES) -> Property:
    """Whether the student learns, and it alone. causes: who else might be moved -> why that is wrong."""
    others = [who for who, is_moved in moved.items() if is_moved and who != "student"]
    if moved["student"] and not others:
        return Property(name, True, "as expected")
    seen = [who for who, is_moved in moved.items() if is_moved]
    told = tuple(causes[who] for who in others if who in causes) if moved["student"] else (
        ("nothing can be learned from this: the student's guess is cut off (no_grad, detach, item)",) if not others else ())
    return Property(name, False, "it reaches " + (" and ".join(f"the {who}" for who in seen) or "nobody"), "the student", told)


def once(asked: list[dict], x: Tensor, at: float, name: str = ONCE, who: str = "the student") -> Property:
    if len(asked) != 1:
        return Property(name, False, f"{len(asked)} times", "once")
    if asked[0]["t"] != at:
        return Property(name, False, f"at t = {asked[0]['t']:g}", f"at t = {at:g}", (f"{who} is asked at another level",))
    same = asked[0]["x"].shape == x.shape and torch.equal(asked[0]["x"], x)
    return Property(name, same, "about its x" if same else "about another x", "about its x")


def means(square: Tensor) -> dict:
    """What else a student may make of the square of an error, (B, ...), of which the mean is asked for."""
    return {"the sum: the mean over all numbers is asked for": lambda: square.sum(),
            "a sum over each picture, and the mean over these: the mean over all numbers is asked for": lambda: (
                square.flatten(1).sum(1).mean()),
            "halved: the mean is asked for as it is": lambda: square.mean() / 2,
            "the root of the mean: the mean of the squares is asked for": lambda: square.mean().sqrt(),
            "absolute errors: they are squared": lambda: square.sqrt().mean(),
            "the mean before the square: each number's error is squared": lambda: square.sqrt().mean() ** 2}
