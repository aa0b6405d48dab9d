"""Heun's step and what it becomes by a slip: each slip is a function of the state before, in terms of Euler's step from it."""
from typing import Callable, NamedTuple

from torch import Tensor

from ....diffusion.levels import Level
from ..walks import guess, moved

PLAIN = "sigma and x as they stand are right for alpha = 1 only: use sigma / alpha and x / alpha"
SAME = "this is Euler's step: the second slope changes nothing"
LATE = "Euler's state is turned into x with the alpha of cur: it is at nxt"


class Slopes(NamedTuple):
    """One step from the state x at cur to nxt. All are tensors shaped like x but the levels."""
    x: Tensor
    x0: Tensor
    euler: Tensor
    ahead: Tensor           # the guess at Euler's state
    cur: Level
    nxt: Level

    @property
    def first(self) -> Tensor:
        return (self.x - self.cur.alpha * self.x0) / self.cur.sigma

    @property
    def second(self) -> Tensor:
        return (self.euler - self.nxt.alpha * self.ahead) / self.nxt.sigma

    def along(self, slope: Tensor, start: Tensor | None = None) -> Tensor:
        """Where this slope dy/ds leads from x, or from a start at cur's own level."""
        y = (self.x if start is None else start) / self.cur.alpha
        return self.nxt.alpha * (y + (self.nxt.sigma / self.nxt.alpha - self.cur.sigma / self.cur.alpha) * slope)


def slopes(case: dict, x: Tensor, cur: Level, nxt: Level) -> Slopes:
    x = x.double()
    x0 = guess(case, x, cur)
    euler = moved(x, x0, cur, nxt)
    return Slopes(x, x0, euler, guess(case, euler, nxt), cur, nxt)


def ratio(level: Level) -> float:
    return level.sigma / level.alpha


def plain(step: Slopes) -> Tensor:
    """Euler's state if alpha is taken for 1."""
    return step.x + (step.nxt.sigma - step.cur.sigma) * (step.x - step.x0) / step.cur.sigma


def heun(case: dict, step: Slopes, slope: Callable, start: Tensor, h: float, back: float) -> Tensor:
    """Heun's step of length h from `start`, with a slope (state, guess, level) of one's own; back: what makes an x of a state."""
    first = slope(start, step.x0, step.cur)
    ahead = start + h * first
    return back * (start + h * (first + slope(ahead, guess(case, back * ahead, step.nxt), step.nxt)) / 2)


def retold(case: dict, step: Slopes) -> dict[str, Callable[[], Tensor]]:
    """Heun's step with another slope, start, length, or way back."""
    cur, nxt, x, y = step.cur, step.nxt, step.x, step.x / step.cur.alpha
    fall, plain_fall = ratio(nxt) - ratio(cur), nxt.sigma - cur.sigma
    right = lambda y, x0, level: (y - x0) / ratio(level)
    by_sigma = lambda y, x0, level: (y - x0) / level.sigma
    made = lambda slope, start, h, back=nxt.alpha: lambda: heun(case, step, slope, start, h, back)
    return {
        "each level has its own ratio sigma / alpha: sigma as it stands, or over the other level's alpha, will not do": made(
            by_sigma, y, plain_fall),
        "x as it stands where y = x / alpha belongs, beside sigma / alpha": made(right, x, fall),
        "y = x / alpha in the direction too: it is (y - x0) / s, not (x - x0) / s": made(
            lambda y, x0, level: (level.alpha * y - x0) / ratio(level), y, fall),
        "y = x / alpha, not x times alpha": made(right, x * cur.alpha, fall),
        "upside down: the ratio is sigma / alpha": made(
            lambda y, x0, level: (y - x0) * ratio(level), y, 1 / ratio(nxt) - 1 / ratio(cur)),
        "what denoise gives is the guess x0: the direction is (y - x0) / s": made(lambda y, x0, level: x0, y, fall),
        "Euler's step goes in sigma, not in sigma / alpha: alpha changes too": made(
            lambda x, x0, level: (x - level.alpha * x0) / level.sigma, x, plain_fall, 1.0),
        "the step is that of sigma, while the directions are by sigma / alpha: both by sigma / alpha": made(
            right, y, plain_fall),
        "this is Heun's method in lambda: here it goes in sigma / alpha": made(
            lambda y, x0, level: x0 - y, y, nxt.lam - cur.lam),
        "the guess is clipped to -1 ... 1: nothing here asks for it": made(
            lambda y, x0, level: (y - x0.clamp(-1, 1)) / ratio(level), y, fall),
        "a sign: (y - x0) / s is the direction, and the step is s of nxt less s of cur": made(right, y, -fall),
        PLAIN: made(by_sigma, x, plain_fall, 1.0)}


def slips(case: dict, step: Slopes) -> dict[str, Callable[[], Tensor]]:
    cur, nxt, x, x0, ahead = step.cur, step.nxt, step.x, step.x0, step.ahead
    look = lambda state, level: guess(case, state, level)
    eps = lambda state, at, level: (state - level.alpha * at) / level.sigma
    back = step.euler * (cur.alpha / nxt.alpha)                 # Euler's state, taken for one at cur
    mean, lower = (step.first + step.second) / 2, nxt.sigma * cur.alpha / (nxt.alpha * cur.sigma)
    return {
        SAME: lambda: step.euler,
        "the two guesses of x0 are averaged: another method of second order; Heun averages the slopes": lambda: (
            moved(x, (x0 + ahead) / 2, cur, nxt)),
        "the slopes are added, or the second one goes on from Euler's state: go along their mean, from x": lambda: (
            step.along(2 * mean)),
        "the second slope alone: average both": lambda: step.along(step.second),
        "the step starts from Euler's state: start from x again": lambda: step.along(mean, back),
        "the first slope goes in whole, and half of the second on top: start from x, along (d + d') / 2": lambda: (
            step.along(step.second / 2, back)),
        "the second slope is divided by the noise ratio of cur: it is that of nxt": lambda: (
            step.along((step.first + step.second * lower) / 2)),
        "the second slope starts from x: it is (y - x0) / s of Euler's state": lambda: (
            step.along((step.first + (x / cur.alpha - ahead) * nxt.alpha / nxt.sigma) / 2)),
        "the second call is shown x: show it Euler's state": lambda: (
            step.along((step.first + eps(step.euler, look(x, nxt), nxt)) / 2)),
        "both x and x0 of the second slope are at the start of the step": lambda: (
            step.along((step.first + eps(x, look(x, cur), nxt)) / 2)),
        LATE: lambda: step.along((step.first + eps(step.euler, look(back, nxt), nxt)) / 2),
        "the second slope is asked for at cur: Euler's state is at nxt": lambda: (
            step.along((step.first + eps(step.euler, look(step.euler, cur), nxt)) / 2)),
        "the second slope is worked out at cur: Euler's state is at nxt": lambda: (
            step.along((step.first + eps(step.euler, look(step.euler, cur), cur)) / 2)),
        "the sign of the mean direction: it is (y - x0) / s": lambda: step.along(-mean),
        "y was not multiplied by alpha again": lambda: step.along(mean) / nxt.alpha,
        "y is multiplied by cur's alpha again: it has arrived at nxt": lambda: step.along(mean) * cur.alpha / nxt.alpha,
        "the noise is the mean of both, the guess of x0 the first alone: go along the mean slope from x": lambda: (
            nxt.alpha * x0 + nxt.sigma * mean),
        "the noise is the mean of both, the guess of x0 the second alone: go along the mean slope from x": lambda: (
            nxt.alpha * ahead + nxt.sigma * mean),
        "the state stays as it is": lambda: x,
        **retold(case, step)}
