"""What a sampler is run on in an exercise: data, levels, and a denoiser that remembers what it was asked.

Each number of a picture is drawn by itself from two hills, N(place, width^2) and N(-place, width^2), so its exact guess
E[x0 | x] is curved and elementwise, at any level and for pictures of any shape. Grids are uneven, of all three
families. Every state and every call is kept, so that each step is judged by itself: from the state before it, whatever
that was.
"""
import itertools
from functools import lru_cache
from typing import Callable, Iterable

import torch
from torch import Generator, Tensor

from ...diffusion import levels
from ...diffusion.levels import CLEAN, Level, Schedule
from ..contract.exercise import Property, Unanswered, blamed, close, kind, known, near, same_form
from .common import integer

SHAPED, COUNTED = "every state shaped like x", "one state a step"
SIZES = ((3, 1, 5, 4), (1, 7), (6, 1))      # a picture, a batch of one, one dimension
BACKWARDS = "the grid is walked backwards: x is noise, and grid[0] is the noisiest level"
ENDLESS = "where nxt.sigma is 0 the step needs a rule of its own: no division by it, and lambda is infinite there"


@lru_cache
def family(name: str) -> Schedule:
    return {"vp": levels.linear, "edm": levels.edm, "flow": levels.flow}[name]()


def rows(name: str, lams: Tensor, clean: bool = False) -> Tensor:
    """The levels of a family at these lams as rows (t, alpha, sigma) of a case, (n, 3); the clean one comes on top."""
    kept = torch.stack([family(name).to_t(lams), *family(name).split(lams)], -1)
    return torch.cat([kept, kept.new_tensor([CLEAN])]) if clean else kept


def uneven(rng: Generator, name: str, clean: bool) -> Tensor:
    """Rows of levels whose lams are 0.4 to 1.4 apart: 5 or 6 and the clean one, or 5 and two more of little noise."""
    gaps = 0.4 + torch.rand(integer(rng, 5, 7) if clean else 5, generator=rng, dtype=torch.float64)
    lams = gaps.cumsum(0) - 3.5
    return rows(name, lams, True) if clean else rows(name, torch.cat([lams, 4 + gaps[:2].cumsum(0) / 2]))


def walk_case(rng: Generator, name: str, clean: bool, dtype: torch.dtype, shape: tuple[int, ...]) -> dict:
    x, grid = torch.randn(shape, generator=rng, dtype=dtype), uneven(rng, name, clean)
    size = 1.0 if name == "vp" else grid[0, 2].item()
    return {"grid": grid, "x": size * x, "place": 1.1 + 0.5 * torch.rand((), generator=rng).item(),
            "width": 0.2 + 0.3 * torch.rand((), generator=rng).item()}


def levels_of(case: dict) -> list[Level]:
    return [Level(*row) for row in case["grid"].tolist()]


def guess(case: dict, x: Tensor, level: Level) -> Tensor:
    """The exact E[x0 | x]: the hill that x comes from, weighed, and within it a Gaussian's guess."""
    width, place = level.alpha * case["width"], level.alpha * case["place"]
    total = width**2 + level.sigma**2
    hill = torch.tanh(x * (place / total))
    return hill * (case["place"] * (1 - width**2 / total)) + x * (width * case["width"] / total)


def moved(x: Tensor, x0: Tensor, cur: Level, nxt: Level) -> Tensor:
    """From cur to nxt along the line through the guess x0: DDIM's step."""
    return nxt.alpha * x0 + nxt.sigma * (x - cur.alpha * x0) / cur.sigma


def asked(case: dict, grid: list[Level], at: list[int], seen: list[Tensor]) -> Callable:
    """A denoiser that notes the place in the grid (-1 if none) and the state of each call."""
    def denoise(x, level):
        if not isinstance(x, Tensor) or not isinstance(level, Level):
            got = f"a {type(x).__name__} and a {type(level).__name__}"
            raise Unanswered(f"denoise(x, level) takes a state and a Level of the grid, like cur; it was given {got}.")
        at.append(grid.index(level) if level in grid else -1)
        seen.append(x.detach().clone())
        return guess(case, x, level)
    return denoise


def walked(impl: Callable, case: dict) -> dict:
    """The states of a sampler, and what it asked of the denoiser: the `run` of an exercise."""
    grid, at, seen = levels_of(case), [], []
    lent = list(grid)
    states = iterable(impl(asked(case, grid, at, seen), case["x"], lent))
    states = unspent(list(itertools.islice(states, 2 * len(grid) + 2)), lent, grid)
    at, seen = joined(at, seen, len(case["x"]))
    return {"states": states, "at": at, "seen": seen}


def unspent(states: list, lent: list[Level], grid: list[Level]) -> list:
    """The states of a walk, if the grid that was lent for it is as it was."""
    if lent != grid:
        raise Unanswered("Your code changes the grid itself, as pop() does: it belongs to the caller, who walks it again. "
                         "Go over zip(grid, grid[1:]) instead.")
    return states


def joined(at: list[int], seen: list[Tensor], batch: int) -> tuple[list[int], list[Tensor]]:
    """The calls; those in a row about parts of a batch, at one level, are put together."""
    whole: list[tuple[int, Tensor]] = []
    for place, x in zip(at, seen):
        last, begun = whole[-1] if whole else (-1, x)
        if whole and last == place and x.shape[1:] == begun.shape[1:] and len(begun) + len(x) <= batch:
            whole[-1] = place, torch.cat([begun, x])
        else:
            whole.append((place, x))
    return [place for place, _ in whole], [x for _, x in whole]


def iterable(answer):
    if isinstance(answer, Tensor) or not hasattr(answer, "__iter__"):
        got = "nothing (None)" if answer is None else kind(answer)
        raise Unanswered(f"Yield the state after each step; your function returned {got}.")
    return answer


def each(name: str, steps: Iterable[tuple[Tensor, Tensor, dict[str, Callable]]], tol: float) -> list[Property]:
    """`close` for every step: (got, want, slips). A slip that fails to explain one is not tried on the next."""
    told, left = [], None
    for got, want, slips in steps:
        told.append(close(name, got, want, slips if left is None else {said: slips[said] for said in left}, tol))
        left = left if told[-1].passed else told[-1].causes
    return told


def formed(grid: list[Level], states: list, x: Tensor, seen: list[Tensor] | None = None) -> list[Property]:
    """Whether there is one state a step, shaped like x: one row if a state is not, else two.

    seen: the states that the denoiser was shown, once a step, which tell a state yielded early from a step that leaves
    x as it is.
    """
    forms = [same_form(SHAPED, state, x) for state in states] or [Property(SHAPED, False, "no state")]
    form = next((row for row in forms if not row.passed), forms[0])
    if form.passed:
        return [form, counted(grid, states, x, seen)]
    into_clean = form is forms[-1] and len(states) == len(grid) - 1 and not grid[-1].sigma
    return [form._replace(causes=(ENDLESS,)) if into_clean and form.observed.startswith("NaN") else form]


def opened(grid: list[Level], states: list, x: Tensor, seen: list[Tensor]) -> tuple[list[Property], bool]:
    """`formed` for rows that judge each step, and whether they can: a state with nothing in it is then left to its own step.

    The gate itself asks that every state is shaped like x and that one of them has something in it.
    """
    forms = [same_form(SHAPED, state, x) for state in states] or [Property(SHAPED, False, "no state", readable=False)]
    worst = min(forms, key=lambda row: row.readable)
    form = worst if not worst.readable else max(forms, key=lambda row: row.passed)
    if not form.readable:
        return [form], False
    count = counted(grid, states, x, seen)
    return [form, count], count.passed


def counted(grid: list[Level], states: list[Tensor], x: Tensor, seen: list[Tensor] | None = None) -> Property:
    n, name = len(grid) - 1, COUNTED
    if len(states) != n:
        return Property(name, False, f"{len(states)} states", f"{n} states", known({
            1: "only one state was yielded: does `yield` stand outside the loop, or `return` inside it?",
            n + 1: "the start was yielded too: the first state is after step one",
            n - 1: "one step is missing: there is one for each pair of zip(grid, grid[1:]), the first and the last too",
            2 * n: "two states a step: yield one, at its end", 2 * n - 1: "two states a step: yield one, at its end",
            (n + 1) // 2: "every other step is missing: pairs overlap, zip(grid, grid[1:])"}, len(states)))
    alike = states[0].any() and all(near(a, b, 1e-9) for a, b in itertools.pairwise(states))
    if alike and not near(states[0], x, 1e-9) and not (seen and all(torch.equal(seen[0], state) for state in seen)):
        return Property(name, False, f"{n} states, all the same", f"{n} states", (
            "all states are one tensor, changed in place (x *= ..., x += ...): build a new one each step",))
    moved_on = n > 1 and not near(states[1], x, 1e-4)
    if torch.equal(states[0], x) and moved_on and (seen is None or near(seen[-1], states[-1], 1e-9)):
        early = "x is yielded before its step: yield it after"
        return Property(name, False, "the start first", "the state after step one", (early,))
    return Property(name, True, f"{n} states", f"{n} states")


def asked_wrongly(n: int, at: list[int]) -> dict[tuple[int, ...], str]:
    """What the places in the grid of the calls of a walk of n steps may tell, where one a step is right."""
    more = len(at) > n and at == sorted(at) and set(at) == set(range(n))
    again = "denoise is asked again for what it has said: keep its answer, calls cost"
    return {
        **({tuple(at): again} if more else {}),
        tuple([0, *range(n)]): "the guess is one step old: ask denoise at cur before each step, not after it",
        tuple([0, *range(n - 1)]): "the guess is one step old: ask denoise at cur before each step, not after it",
        tuple(range(1, n + 1)): "denoise is asked at nxt: the state is at cur",
        tuple(range(n, 0, -1)): BACKWARDS, tuple(range(n - 1, -1, -1)): BACKWARDS,
        tuple(i for i in range(n) for _ in (0, 1)): "denoise is asked twice a step: keep its answer, calls cost",
        tuple(range(n + 1)): "denoise is asked at the last level too: there the walk is over",
        (0,) * n: "denoise is asked at the first level every time: the state is at cur",
        (0,): "denoise was asked once in all: it belongs inside the loop, about each new state",
        (): "denoise was never asked"}


def whole(walk: Iterable[tuple]) -> list[tuple]:
    """The steps of a walk (x, ...) that start at a state of finite numbers: what went wrong before is told there."""
    return [step for step in walk if step[0].isfinite().all()]


def sometimes(said: str, cause: str, rows: list[Property]) -> list[Property]:
    """The rows of several steps; where some hold and all the others have this cause, it is told as `said`: of some steps only."""
    failed = [row for row in rows if not row.passed]
    some = 0 < len(failed) < len(rows) and all(cause in row.causes for row in failed)
    return blamed(rows, said) if some else rows


def endless(state: Tensor, row: Property) -> Property:
    """The row on a step into sigma = 0, told what leaves nothing but NaN and infinity there."""
    return row if row.passed or state.isfinite().any() else row._replace(causes=(ENDLESS,))
