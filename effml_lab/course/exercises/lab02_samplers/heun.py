"""Lab 02: Heun's method on the probability-flow ODE (Karras et al. 2022, algorithm 1), for alpha other than 1 too.

In y = x / alpha over s = sigma / alpha the ODE is dy/ds = (y - x0) / s. A step goes along the mean of two slopes: at
the state, and at the end of Euler's step from it, which is where the second call must look. Averaging the two guesses
of x0 instead is another method, of second order as well.
"""
from itertools import pairwise, zip_longest

from torch import Tensor

from ....diffusion.guess import middle
from ....diffusion.levels import Level
from ....diffusion.samplers import SAMPLERS
from ...contract.exercise import Exercise, Property, close, known
from ..common import tol
from ..walks import BACKWARDS, COUNTED, SHAPED, each, endless, guess, levels_of, opened, sometimes, whole
from .convergence import cases, measured_order, run
from .slopes import LATE, PLAIN, SAME, Slopes, plain, slips, slopes

CALLS, SHOWN = "two calls a step, at cur and at nxt", "the calls are shown x, and Euler's state"
MEAN, EULER = "each step goes along the mean of both slopes", "the step into sigma = 0 is Euler's"
ORDER = "the measured order is 2"
SOME = "some steps are Euler's: only the one into sigma = 0 is"
SCALED = "x / alpha is handed over: the network expects x, so multiply by that level's alpha"


def verify(case, out):
    if "grids" in case:
        return [measured_order(ORDER, case, out["ends"], 1.7, 2.4)]
    grid, states = levels_of(case), out["states"]
    form, fit = opened(grid, states, case["x"], out["seen"])
    if not fit:
        return form
    seen = zip_longest(out["seen"][::2], out["seen"][1::2])              # the calls of each step; into the clean end one
    walk = whole(zip([case["x"], *states], states, pairwise(grid), seen))
    made = [(slopes(case, x, *pair), y, looks) for x, y, pair, looks in walk]
    full = [(step, y, looks) for step, y, looks in made if step.nxt.sigma]
    asked = calls(grid, out["at"])
    rows = [*form, asked, *sometimes(SOME, SAME, each(MEAN, (
        (y, step.along((step.first + step.second) / 2), slips(case, step)) for step, y, _ in full), tol(case["x"].dtype)))]
    if asked.passed:
        rows += [shown(case, step, *looks) for step, _, looks in full]
    return rows + [into_clean(case, step, y) for step, y, _ in made if not step.nxt.sigma]


def calls(grid: list[Level], at: list[int]) -> Property:
    """Both ends of every step, but for the end of a step into sigma = 0."""
    n, clean = len(grid) - 1, not grid[-1].sigma
    of = lambda pattern, last: [i + k for i in range(n - clean) for k in pattern] + [n - 1 + k for k in last if clean]
    want, twice = of((0, 1), (0,)), "the first slope's guess is asked for again: keep it"
    said = {
        tuple(of((0,), (0,))): "one call a step: that is Euler's method, the second slope is missing",
        tuple(of((0, 1), (0, 1))): "the clean level was asked about: into sigma = 0 the step is Euler's, with one call",
        tuple(of((0, 0), (0,))): "the second call belongs to nxt, where Euler's step ends",
        tuple(of((0, 0), (0, 0))): "the second call belongs to nxt, where Euler's step ends",
        tuple(k for i in range(n, 0, -1) for k in (i, i - 1)): BACKWARDS, (): "denoise was never asked",
        tuple(of((1, 0), (0,))): "the first call belongs to cur, where x is",
        tuple(of((0, 0, 1), (0,))): twice, tuple(of((0, 1, 0), (0,))): twice,
        tuple(want[:-1]): ("no call is made on the step into sigma = 0" if clean else
                           "the last step has one call: it is Euler's only where it ends at sigma = 0")}
    cause = known(said, tuple(at))
    if not cause and -1 in at:
        cause = ("a level that is not in the grid was asked about: Heun looks at both ends of a step",)
    return Property(CALLS, at == want, f"levels {at}", f"levels {want}", () if at == want else cause)


def shown(case: dict, step: Slopes, now: Tensor, ahead: Tensor) -> Property:
    """The states of the two calls; named is what is wrong with the first, if anything."""
    start, dtype = case["x"], case["x"].dtype
    first = close(SHOWN, now, step.x, {
        "the first x is handed over in every step: x must become the new state": lambda: start,
        SCALED: lambda: step.x / step.cur.alpha,
        "the state before was yielded as x / alpha: yield x": lambda: step.x * step.cur.alpha}, tol(dtype))
    return first if not first.passed else close(SHOWN, ahead, step.euler, {
        "the second call is shown x: show it Euler's state": lambda: step.x,
        "the second call is shown the state half way: Euler's step goes all the way to nxt": lambda: step.along(step.first / 2),
        "the second call is shown the guess of x0: show it Euler's state": lambda: step.x0,
        SCALED: lambda: step.euler / step.nxt.alpha,
        LATE: lambda: step.euler * step.cur.alpha / step.nxt.alpha,
        PLAIN: lambda: plain(step)}, tol(dtype))


def into_clean(case: dict, step: Slopes, y: Tensor) -> Property:
    there = lambda: (step.x0 + guess(case, step.x0, step.nxt)) / 2
    return endless(y, close(EULER, y, step.x0, {
        "the guess is averaged with one at the clean level": there,
        "the state stays as it is: into sigma = 0 Euler's step gives the guess at cur": lambda: step.x,
        "half of Euler's step: there is no second slope to share with": lambda: step.along(step.first / 2)},
        tol(case["x"].dtype)))


EXERCISES = (Exercise("02-heun", "Heun's method", {
    SHAPED: 0, COUNTED: 1, CALLS: 1, SHOWN: 1, MEAN: 3, EULER: 1, ORDER: 1}, cases, run, verify,
    own=(*SAMPLERS.values(), middle)),)
