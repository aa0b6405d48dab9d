"""Judging a walk over a table of betas: when the network was asked, and whether each step went on from the last state.

The network that an answer is handed notes every question (t, x). With the states known, each step can be judged by
itself, so that one wrong step is not told as a wrong walk.
"""
from typing import Callable

import torch
from torch import Tensor

from ..contract.exercise import Property, Unanswered, kind, known, same_form
from .gaussian import real

FORM, WALKED = "shape and dtype of x", "t runs from T - 1 down to 0"
STARTS = "the walk starts at x and goes on from each new state"
Step = tuple[int, Tensor, Tensor]       # t, the state before, the state after


def noting(questions: list, T: int, name: str, answer: Callable[[Tensor, int], Tensor]) -> Callable:
    """A network, called name(x, t), that answers and notes (t, x); a question asked twice in a row is noted once."""
    def net(x, t):
        if not isinstance(x, Tensor) or x.ndim == 0:
            raise Unanswered(f"{name}(x, t) takes the state and t, in this order; first it was given {kind(x)}.")
        time = float(torch.as_tensor(t).flatten()[0])
        question = (int(time) if time == int(time) else round(time, 4), real(x).clone())
        if not questions or questions[-1][0] != question[0] or not torch.equal(questions[-1][1], x):
            questions.append(question)
        return answer(x, min(max(int(time), 0), T - 1))
    return net


def retraced(out, start: Tensor, T: int, name: str) -> tuple[list[Property], list[Step]]:
    """The rows on form, times and start of {"out", "ts", "xs"}, and the steps made.

    name: what the network is called. There are no steps if they cannot be judged one by one.
    """
    ts, xs = _plain(*_joined(out["ts"], out["xs"], len(start)), T)
    form, times = same_form(FORM, out["out"], start), _walked(ts, T, name)
    if not form.readable:
        return [form], []
    if not times.passed or any(x.shape != start.shape for x in xs):
        return [form, times._replace(passed=False)], []
    begun, stuck = torch.equal(xs[0], start), torch.equal(xs[1], start)
    seen = "the same x in two steps" if stuck else "as expected" if begun else "another start"
    still = torch.equal(out["out"], start)
    cause = "no step moves x: is its size rounded to 0, as by `//`, or x never assigned?" if still else (
        f"{name} is shown the first x every time: x must become the new state, and {name} see that")
    starts = Property(STARTS, begun and not stuck, seen, "the x handed in, once", (cause,) if stuck else ())
    return [form, times, starts], [] if stuck else list(zip(ts, xs, [*xs[1:], out["out"]]))


def _joined(ts: list, xs: list[Tensor], batch: int) -> tuple[list, list[Tensor]]:
    """The questions; where all are about parts of a batch, those about one t are put together."""
    parts: dict[int, list[Tensor]] = {}
    for t, x in zip(ts, xs):
        parts.setdefault(t, []).append(x)
    if any(sum(map(len, of_t)) != batch or len({x.shape[1:] for x in of_t}) > 1 for of_t in parts.values()):
        return ts, xs
    return list(parts), [torch.cat(of_t) for of_t in parts.values()]


def _plain(ts: list, xs: list[Tensor], T: int) -> tuple[list, list[Tensor]]:
    """The questions of the walk alone, if what is asked besides, about a state that is asked about anyway, can be left out."""
    kept = []
    for t, x in zip(ts, xs):
        if t == T - 1 - len(kept):
            kept.append((t, x))
        elif not any(x.shape == other.shape and torch.equal(x, other) for other in xs if other is not x):
            return ts, xs
    return ([t for t, _ in kept], [x for _, x in kept]) if len(kept) == T else (ts, xs)


def _walked(ts: list, T: int, name: str) -> Property:
    down = list(range(T))[::-1]
    fractions = {tuple(ts): f"{name} was asked at a fraction: here t is a whole number, an index of betas"}
    seen = f"t = {ts}" if len(ts) <= 2 * T else f"t = {str(ts[:T])[:-1]}, ...], {len(ts)} times"
    return Property(WALKED, ts == down, seen, f"t = {down}", known({
        **(fractions if any(isinstance(t, float) for t in ts) else {}),
        (): f"{name} was never asked",
        tuple(down[::-1]): "sampling starts at the noisy end: t falls",
        tuple(down[:-1]): f"{name} is never asked at t = 0: that step is missing, or made without it",
        tuple(down[1:]): "the first step, t = T - 1, is missing",
        tuple(t - 1 for t in down): f"{name} is asked at t - 1: the state is at t, counted from 0",
        tuple(t + 1 for t in down): f"{name} is asked at t + 1: t is counted from 0",
        tuple(down[:1]): f"{name} is asked once: does that stand before the loop, or `return` inside it?"}, tuple(ts)))
