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


def plain(step: Slopes, ahead: Callable | None = None) -> tuple[Tensor, Tensor]:
    """Euler's state and Heun's if alpha is taken for 1."""
    slope, h = (step.x - step.x0) / step.cur.sigma, step.nxt.sigma - step.cur.sigma
    euler = step.x + h * slope
    return euler, euler if ahead is None else step.x + h * (slope + (euler - ahead(euler)) / step.nxt.sigma) / 2


def mixed(case: dict, step: Slopes, times: float) -> Tensor:
    """Heun's step where only one of x and sigma was divided by alpha: sigma if `times` is cur.alpha, else x."""
    cur, nxt = step.cur, step.nxt
    s, t = (level.sigma / (1 if times == 1 else level.alpha) for level in (cur, nxt))
    y = step.x / cur.alpha * (1 if times == 1 else cur.alpha)
    slope = (y - step.x0) / s
    ahead = y + (t - s) * slope
    again = (ahead - guess(case, nxt.alpha * ahead, nxt)) / t
    return nxt.alpha * (y + (t - s) * (slope + again) / 2)


def there_and_on(case: dict, step: Slopes, slope: Callable, start: Tensor, s: float, t: float, back: float) -> Tensor:
    """Heun's step from `start` over s to t, with a slope (state, guess, s) of one's own; back: what turns its end into x."""
    first = slope(start, step.x0, s)
    ahead = start + (t - s) * first
    return back * (start + (t - s) * (first + slope(ahead, guess(case, back * ahead, step.nxt), t)) / 2)


def ratios(step: Slopes) -> tuple[float, float]:
    return step.cur.sigma / step.cur.alpha, step.nxt.sigma / step.nxt.alpha


def bare(case: dict, step: Slopes) -> Tensor:
    """Heun's step with x where y belongs in both directions."""
    (s, t), cur, nxt = ratios(step), step.cur, step.nxt
    y, first = step.x / cur.alpha, (step.x - step.x0) / s
    state = nxt.alpha * (y + (t - s) * first)
    return nxt.alpha * (y + (t - s) * (first + (state - guess(case, state, nxt)) / t) / 2)


def risen(case: dict, step: Slopes) -> Tensor:
    plain = lambda y, x0, s: (y - x0) / s
    return there_and_on(case, step, plain, step.x * step.cur.alpha, *ratios(step), step.nxt.alpha)


def inverted(case: dict, step: Slopes) -> Tensor:
    plain, (s, t) = lambda y, x0, s: (y - x0) / s, ratios(step)
    return there_and_on(case, step, plain, step.x / step.cur.alpha, 1 / s, 1 / t, step.nxt.alpha)


def shrunk(case: dict, step: Slopes) -> Tensor:
    """Heun's step in sigma along the noise, as if alpha stood still."""
    h, eps = step.nxt.sigma - step.cur.sigma, step.first
    ahead = step.x + h * eps
    return step.x + h * (eps + (ahead - step.nxt.alpha * guess(case, ahead, step.nxt)) / step.nxt.sigma) / 2


def hasty(case: dict, step: Slopes) -> Tensor:
    """Heun's step with the right directions, as long as sigma falls."""
    h, y, (s, t) = step.nxt.sigma - step.cur.sigma, step.x / step.cur.alpha, ratios(step)
    first = (y - step.x0) / s
    ahead = y + h * first
    return step.nxt.alpha * (y + h * (first + (ahead - guess(case, step.nxt.alpha * ahead, step.nxt)) / t) / 2)


def in_lam(case: dict, step: Slopes) -> Tensor:
    slope = lambda y, x0, s: x0 - y
    return there_and_on(case, step, slope, step.x / step.cur.alpha, step.cur.lam, step.nxt.lam, step.nxt.alpha)


def clipped(case: dict, step: Slopes) -> Tensor:
    plain = lambda y, x0, s: (y - x0.clamp(-1, 1)) / s
    return there_and_on(case, step, plain, step.x / step.cur.alpha, *ratios(step), step.nxt.alpha)


def turned(case: dict, step: Slopes) -> Tensor:
    """Heun's step with the difference of the noise ratios the other way round."""
    ahead = step.along(-step.first)
    again = (ahead - step.nxt.alpha * guess(case, ahead, step.nxt)) / step.nxt.sigma
    return step.along(-(step.first + again) / 2)


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
        "sigma / alpha is that of each level itself: sigma as it stands, or over the other level's alpha, is not": (
            lambda: mixed(case, step, 1.0)),
        "y = x / alpha in the direction too: it is (y - x0) / s, not (x - x0) / s": lambda: bare(case, step),
        "y = x / alpha, not x times alpha": lambda: risen(case, step),
        "upside down: the ratio is sigma / alpha": lambda: inverted(case, step),
        "what denoise gives is the guess x0: the direction is (y - x0) / s": lambda: step.along(
            (x0 + guess(case, step.along(x0), nxt)) / 2),
        "Euler's step goes in sigma, not in sigma / alpha: alpha changes too": lambda: shrunk(case, step),
        "the step is that of sigma, while the directions are by sigma / alpha: both by sigma / alpha": lambda: hasty(case, step),
        "this is Heun's method in lambda: here it goes in sigma / alpha": lambda: in_lam(case, step),
        "the guess is clipped to -1 ... 1: nothing here asks for it": lambda: clipped(case, step),
        "x as it stands where y = x / alpha belongs, beside sigma / alpha": lambda: mixed(case, step, cur.alpha),
        "the noise is the mean of both, the guess of x0 the first alone: go along the mean slope from x": lambda: (
            nxt.alpha * x0 + nxt.sigma * mean),
        "the noise is the mean of both, the guess of x0 the second alone: go along the mean slope from x": lambda: (
            nxt.alpha * ahead + nxt.sigma * mean),
        "a sign: (y - x0) / s is the direction, and the step is s of nxt less s of cur": lambda: turned(case, step),
        "the state stays as it is": lambda: x,
        PLAIN: lambda: plain(step, lambda state: look(state, nxt))[1]}
