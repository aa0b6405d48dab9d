"""Lab 02: DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order for one call a step.

DDIM's step is fed the line through this guess and the one before, halfway to the next level:
D = x0 + (r / 2) (x0 - before), r = (lam_nxt - lam_cur) / (lam_cur - lam_before). Where there is no guess before, and
where nxt is clean and its lam infinite, D = x0.
"""
import math
from typing import Callable, NamedTuple

from torch import Tensor

from ....diffusion.guess import correction, forecast
from ....diffusion.levels import Level
from ....diffusion.samplers import SAMPLERS
from ...contract.exercise import Exercise, Property, close, known
from ..common import tol
from ..walks import COUNTED, SHAPED, asked_wrongly, each, endless, guess, levels_of, moved, opened, sometimes
from .convergence import cases, measured_order, run

CALLS, FIRST = "one call a step, of the state at cur", "the first step is DDIM's"
LATER, CLEAN = "later steps use the extrapolated guess", "the step into sigma = 0 gives the guess itself"
ORDER = "the measured order is 2"
SOME = "some steps are DDIM's: only the first, and one into sigma = 0, go without the line"
DDIM = "this is DDIM's step: the guess is not extrapolated"


class Stage(NamedTuple):
    """Step i of a walk: the states that were seen and what the network says of them, by level."""
    i: int
    xs: list[Tensor]
    x0s: list[Tensor]
    grid: list[Level]

    def level(self, back: int) -> Level:
        """nxt at -1, cur at 0, the one before at 1."""
        return self.grid[self.i - back]

    def x0(self, back: int = 0) -> Tensor:
        return self.x0s[self.i - back]

    def ratio(self, of: Callable[[Level], float] = lambda level: level.lam) -> float:
        """The step ahead over the one before, in the variable `of`."""
        before, cur, nxt = (of(self.level(back)) for back in (1, 0, -1))
        return (nxt - cur) / (cur - before)

    def line(self, ahead: float, before: Tensor | None = None) -> Tensor:
        """On the line through the guess before and this one, `ahead` times their distance beyond."""
        return self.x0() + ahead * (self.x0() - (self.x0(1) if before is None else before))

    def moved(self, x0: Tensor) -> Tensor:
        return moved(self.xs[self.i], x0, self.level(0), self.level(-1))


def verify(case, out):
    if "grids" in case:
        return [measured_order(ORDER, case, out["ends"], 1.7, 2.4)]
    grid, states, eps = levels_of(case), out["states"], max(tol(case["x"].dtype), 1e-6)         # lam may be kept in float32
    form, fit = opened(grid, states, case["x"], out["seen"])
    if not fit:
        return form
    xs = [x.double() for x in (case["x"], *states)]
    x0s = [guess(case, x, cur) for x, cur in zip(xs, grid)]
    start, *later = [Stage(i, xs, x0s, grid) for i in range(len(states)) if xs[i].isfinite().all()]
    rows = [*form, calls(out, grid, xs, eps),
            close(FIRST, states[0], start.moved(start.x0()), {
                "this is the guess of x0: yield the state": start.x0, **step_slips(case, start, start.x0())}, eps),
            *sometimes(SOME, DDIM, each(LATER, ((states[s.i], s.moved(s.line(s.ratio() / 2)), slips(case, s))
                                                for s in later if s.level(-1).sigma), eps))]
    return rows + [into_clean(s, states[-1], eps) for s in later if not s.level(-1).sigma]


def calls(out, grid: list[Level], xs: list[Tensor], eps: float) -> Property:
    """Every level but the last is asked about once, with the state there."""
    at, want = out["at"], list(range(len(grid) - 1))
    again = "the guess before is asked for again: keep it in a variable, then a step costs one call"
    if at != want:
        return Property(CALLS, False, f"levels {at}", f"levels {want}", known(asked_wrongly(len(want), at) | {
            tuple(k for i in want for k in ((i, i - 1) if i else (0,))): again,
            tuple(k for i in want for k in ((i - 1, i) if i else (0,))): again}, tuple(at)))
    rows = [close(CALLS, seen, x, {
        "x / alpha is handed over: the network knows x": lambda x=x, level=level: x / level.alpha,
        "the first x is handed over in every step: hand over the state": lambda: xs[0]}, eps)
        for seen, x, level in zip(out["seen"], xs, grid)]
    return next((row for row in rows if not row.passed), rows[0])


def slips(case, s: Stage) -> dict[str, Callable[[], Tensor]]:
    r, back, ahead = s.ratio(), min(s.i, 2), s.level(-1).lam - s.level(0).lam
    early = (s.level(-1).lam - s.level(0).lam) / (s.level(back - 1).lam - s.level(back).lam)
    at = lambda ahead, before=None: lambda: s.moved(s.line(ahead, before))
    return {
        DDIM: at(0),
        "the ratio is upside down: h / h_before belongs there": at(1 / r / 2),
        "the half is missing: D is the guess for the middle of the step ahead": at(r),
        "the ratio is upside down, and the half is missing": at(1 / r),
        "the sign: D lies beyond x0, not back towards the guess before": at(-r / 2),
        "steps are measured in t: measure them in lambda": at(s.ratio(lambda level: level.t) / 2),
        "steps are measured in sigma: measure them in lambda": at(s.ratio(lambda level: level.sigma) / 2),
        "steps are measured in log sigma: measure them in lambda, log(alpha / sigma)": at(
            s.ratio(lambda level: -math.log(level.sigma)) / 2),
        "steps are measured in sigma / alpha: measure them in lambda": at(
            s.ratio(lambda level: level.sigma / level.alpha) / 2),
        "steps are measured in alpha / sigma: measure them in its logarithm, lambda": at(
            s.ratio(lambda level: level.alpha / level.sigma) / 2),
        "the steps are taken for equally long": at(0.5),
        "the step ahead is measured from the level before: it starts at cur": at((1 + r) / 2),
        "the step before is measured to the level ahead: it ends at cur": at(r / (1 + r) / 2),
        "the step before is that of one step too early: it ends at cur": at(early / 2),
        "the step before is measured over two steps: it is lam_cur - lam_before": at(
            (s.level(-1).lam - s.level(0).lam) / (s.level(0).lam - s.level(back).lam) / 2),
        "the step before is measured from the first level: it starts one level before cur": at(
            (s.level(-1).lam - s.level(0).lam) / (s.level(0).lam - s.grid[0].lam) / 2),
        "h / 2 * h_before multiplies by h_before: put 2 h_before in brackets": at(
            (s.level(-1).lam - s.level(0).lam) * (s.level(0).lam - s.level(1).lam) / 2),
        "you kept the state before: keep the guess": at(r / 2, s.xs[s.i - 1]),
        "you kept the state, x: keep the guess": at(r / 2, s.xs[s.i]),
        "the state is extrapolated: the line goes through guesses": lambda: s.moved(
            s.xs[s.i] + r / 2 * (s.xs[s.i] - s.xs[s.i - 1])),
        "cur and nxt are exchanged in the step": lambda: moved(s.xs[s.i], s.line(r / 2), s.level(-1), s.level(0)),
        "kept is the extrapolated guess: keep the network's own": lambda: s.moved(s.line(r / 2, replayed(s))),
        "kept is the first guess, for good: keep the latest": at(r / 2, s.x0s[0]),
        "kept is the guess of two steps before: update it in every step": at(r / 2, s.x0(back)),
        "the difference of two states: it is that of two guesses": lambda: s.moved(
            s.x0() + r / 2 * (s.xs[s.i] - s.xs[s.i - 1])),
        "the weights are 1 + r / 2 and -r: they add up to 1, so the second is -r / 2": lambda: s.moved(
            (1 + r / 2) * s.x0() - r * s.x0(1)),
        "x0 itself is missing: D is x0 and a part of the difference": lambda: s.moved(r / 2 * (s.x0() - s.x0(1))),
        "the line starts at x0, not at the guess before": lambda: s.moved(s.x0(1) + r / 2 * (s.x0() - s.x0(1))),
        "the exact weighted mean of the line, a good rule, but another: 2M takes the guess half way": at(
            (1 / -math.expm1(-ahead) - 1 / ahead) * r if math.isfinite(ahead) else 0),
        "the guess before is added: the difference of both guesses is": lambda: s.moved(s.x0() + r / 2 * s.x0(1)),
        "the noise is worked out with x0, and the state with D: both belong to one guess": lambda: (
            moved(s.xs[s.i], s.x0(), s.level(0), s.level(-1)) + s.level(-1).alpha * (s.line(r / 2) - s.x0())),
        "D is clipped to -1 ... 1: nothing here asks for it": lambda: s.moved(s.line(r / 2).clamp(-1, 1)),
        "h_before stays that of the first step: it is lam_cur - lam_before": at(
            (s.level(-1).lam - s.level(0).lam) / (s.grid[1].lam - s.grid[0].lam) / 2),
        "e^h / 2 is Heun's weight, of a guess at nxt: this line has h / (2 h_before)": at(
            math.exp(s.level(-1).lam - s.level(0).lam) / 2),
        "only x0 is weighed: the two weights add up to 1": lambda: s.moved(s.x0() - r / 2 * s.x0(1)),
        "the noise is extrapolated: 2M extrapolates x0": lambda: noise_line(s, r / 2),
        **step_slips(case, s, s.line(r / 2))}


def replayed(s: Stage) -> Tensor:
    """What is kept before step i if the extrapolated guess is."""
    kept = s.x0s[0]
    for i in range(1, s.i):
        before = s._replace(i=i)
        kept = before.line(before.ratio() / 2, kept)
    return kept


def noise_line(s: Stage, ahead: float) -> Tensor:
    now, before = ((s.xs[s.i - k] - s.level(k).alpha * s.x0(k)) / s.level(k).sigma for k in (0, 1))
    eps = now + ahead * (now - before)
    return s.moved((s.xs[s.i] - s.level(0).sigma * eps) / s.level(0).alpha)


def step_slips(case, s: Stage, x0: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Slips of the step itself, with the right guess; and a guess that was asked for at the wrong level."""
    x, cur, nxt = s.xs[s.i], s.level(0), s.level(-1)
    h = nxt.lam - cur.lam
    ahead = [guess(case, s.xs[k], s.grid[k + 1]) for k in range(max(s.i - 1, 0), s.i + 1)]
    late = ahead[-1] + (s.ratio() / 2 if s.i else 0) * (ahead[-1] - ahead[0])
    return {
        "e^h where e^-h belongs: h = lam_nxt - lam_cur is positive": lambda: (
            nxt.sigma / cur.sigma * x - nxt.alpha * math.expm1(h) * x0),
        "e^-h without the 1: the weight of D is alpha (1 - e^-h)": lambda: (
            nxt.sigma / cur.sigma * x - nxt.alpha * math.exp(-h) * x0),
        "the sign of D's weight: alpha (1 - e^-h) is positive": lambda: (
            nxt.sigma / cur.sigma * x + nxt.alpha * math.expm1(-h) * x0),
        "alpha of cur weighs D: it is that of nxt": lambda: nxt.sigma / cur.sigma * x - cur.alpha * math.expm1(-h) * x0,
        "the ratio of alphas weighs x: it is that of the sigmas": lambda: (
            nxt.alpha / cur.alpha * x - nxt.alpha * math.expm1(-h) * x0),
        "the ratio of the sigmas is upside down": lambda: cur.sigma / nxt.sigma * x - nxt.alpha * math.expm1(-h) * x0,
        "the formula for guesses of the noise: denoise gives x0": lambda: (
            nxt.alpha / cur.alpha * x - nxt.sigma * math.expm1(h) * x0),
        "x and D are exchanged: step(x, D, cur, nxt)": lambda: moved(x0, x, cur, nxt),
        "denoise is asked at nxt: x is at cur": lambda: s.moved(late)}


def into_clean(s: Stage, y: Tensor, eps: float) -> Property:
    return endless(y, close(CLEAN, y, s.x0(), {
        "the guess is extrapolated there too: lambda is infinite, so take x0 itself": lambda: s.line(0.5),
        "what comes out is x: at sigma = 0 it is x0, the guess at cur": lambda: s.xs[s.i]}, eps))


EXERCISES = (Exercise("02-dpmpp-2m", "DPM-Solver++(2M)", {
    SHAPED: 0, COUNTED: 1, CALLS: 1, FIRST: 1, LATER: 3, CLEAN: 1, ORDER: 1}, cases, run, verify,
    own=(*SAMPLERS.values(), forecast, correction)),)
