"""Answers to 02-dpmpp-2m: right ones, and wrong ones with the causes that a report may name for them."""
import math
from itertools import pairwise

import torch

from effml_lab.diffusion import guess, samplers

EXERCISE = "02-dpmpp-2m"


def right_lu(denoise, x, grid):
    """As the paper writes it."""
    before, h_before = None, None
    for cur, nxt in pairwise(grid):
        x0, h = denoise(x, cur), nxt.lam - cur.lam
        if before is None or nxt.sigma == 0:
            guess = x0
        else:
            r = h_before / h
            guess = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * before
        x = nxt.sigma / cur.sigma * x - nxt.alpha * math.expm1(-h) * guess
        before, h_before = x0, h
        yield x


def right_steps(denoise, x, grid):
    """As the folded step with another guess, the levels by index."""
    guesses, states = [], [x]
    for i, (cur, nxt) in enumerate(zip(grid, grid[1:])):
        guesses.append(denoise(states[-1], cur))
        guess = guesses[-1]
        if i > 0 and not math.isinf(nxt.lam):
            guess = torch.lerp(guesses[-2], guess, 1 + (nxt.lam - cur.lam) / (cur.lam - grid[i - 1].lam) / 2)
        states.append(samplers.step(states[-1], guess, cur, nxt))
    return states[1:]


@torch.no_grad()
def right_noise_ratio(denoise, x, grid):
    """In y = x / alpha over s = sigma / alpha, in float64, the last step apart."""
    y, old, prior = x.double() / grid[0].alpha, None, None
    for cur, nxt in pairwise(grid):
        s, t = cur.sigma / cur.alpha, nxt.sigma / nxt.alpha
        new = denoise((cur.alpha * y).to(x.dtype), cur).double()
        guess = new
        if old is not None and t:
            guess = new + (new - old) * math.log(s / t) / math.log(prior / s) / 2
        y = guess + (y - guess) * t / s
        old, prior = new, s
        yield (nxt.alpha * y).to(x.dtype)


def with_change(weight=lambda levels, i: ratio(levels, i) / 2, keep=lambda x0, guess, kept: x0, step=samplers.step,
                guess=None, last=lambda x0, before: x0, start=lambda x0: None):
    """weight: (grid, i) -> how far to go beyond x0. keep: (x0, guess, kept) -> what the next step has of this one."""
    def answer(denoise, x, grid):
        kept = start(x)
        for i, (cur, nxt) in enumerate(pairwise(grid)):
            x0 = denoise(x, cur)
            beyond = x0
            if kept is not None:
                beyond = (guess or line)(x0, kept, weight(grid, i)) if nxt.sigma else last(x0, kept)
            x, kept = step(x, beyond, cur, nxt), keep(x0, beyond, kept)
            yield x
    return answer


def line(x0, before, weight):
    return x0 + weight * (x0 - before)


def ratio(grid, i, of=lambda level: level.lam):
    before, cur, nxt = (of(level) for level in grid[max(i - 1, 0):i + 2]) if i else (0.0, 1.0, 2.0)
    return (nxt - cur) / (cur - before)


def early(grid, i):
    back = min(i, 2)
    return (grid[i + 1].lam - grid[i].lam) / (grid[i - back + 1].lam - grid[i - back].lam) / 2


def from_before(grid, i):
    return (grid[i + 1].lam - grid[i - 1].lam) / (grid[i].lam - grid[i - 1].lam) / 2


def to_ahead(grid, i):
    return (grid[i + 1].lam - grid[i].lam) / (grid[i + 1].lam - grid[i - 1].lam) / 2


def with_step(x_weight, d_weight):
    """x_weight, d_weight: (cur, nxt, h) -> the weights of x and D."""
    def step(x, x0, cur, nxt):
        h = nxt.lam - cur.lam if nxt.sigma else 40.0
        return x_weight(cur, nxt, h) * x + d_weight(cur, nxt, h) * x0 if nxt.sigma else x0
    return with_change(step=step)


sigmas = lambda cur, nxt, h: nxt.sigma / cur.sigma
pull = lambda cur, nxt, h: -nxt.alpha * math.expm1(-h)


def wrong_noise(denoise, x, grid):
    before = None
    for i, (cur, nxt) in enumerate(pairwise(grid)):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / cur.sigma
        beyond = eps if before is None or not nxt.sigma else line(eps, before, ratio(grid, i) / 2)
        x, before = nxt.alpha * (x - cur.sigma * beyond) / cur.alpha + nxt.sigma * beyond, eps
        yield x


def wrong_asks_again(denoise, x, grid):
    old = None
    for i, (cur, nxt) in enumerate(pairwise(grid)):
        x0 = denoise(x, cur)
        guess = x0 if old is None else line(x0, denoise(old, grid[i - 1]), ratio(grid, i) / 2 if nxt.sigma else 0)
        x, old = samplers.step(x, guess, cur, nxt), x
        yield x


def wrong_never_kept(denoise, x, grid):
    """before is set inside the branch that needs it, so never: DDIM."""
    before = None
    for i, (cur, nxt) in enumerate(pairwise(grid)):
        x0 = denoise(x, cur)
        if before is not None:
            x0, before = line(x0, before, ratio(grid, i) / 2), x0
        x = samplers.step(x, x0, cur, nxt)
        yield x


def wrong_infinite(denoise, x, grid):
    before, h_before = None, None
    for cur, nxt in pairwise(grid):
        x0, h = denoise(x, cur), nxt.lam - cur.lam
        guess = x0 if before is None else line(x0, before, h / h_before / 2)
        x = nxt.sigma / cur.sigma * x - nxt.alpha * math.expm1(-h) * guess
        before, h_before = x0, h
        yield x


def wrong_log_of_zero(denoise, x, grid):
    lams = [math.log(level.alpha / level.sigma) for level in grid]
    return with_change(lambda grid, i: (lams[i + 1] - lams[i]) / (lams[i] - lams[i - 1]) / 2)(denoise, x, grid)


def wrong_first_order_end(denoise, x, grid):
    """The last step is of first order wherever it ends."""
    return with_change(lambda levels, i: ratio(levels, i) / 2 if i < len(levels) - 2 else 0.0)(denoise, x, grid)


def first_order_below(denoise, x, grid):
    return with_change(lambda levels, i: ratio(levels, i) / 2 if levels[i].sigma > 0.05 else 0.0)(denoise, x, grid)


def from_first(grid, i):
    return (grid[i + 1].lam - grid[i].lam) / (grid[i].lam - grid[0].lam) / 2


def over_two(grid, i):
    return (grid[i + 1].lam - grid[i].lam) / (grid[i].lam - grid[max(i - 2, 0)].lam) / 2


def two_outside(grid, i):
    return (grid[i + 1].lam - grid[i].lam) / 2 * (grid[i].lam - grid[max(i - 1, 0)].lam)


def wrong_asks_on(denoise, x, grid):
    old = None
    for i, (cur, nxt) in enumerate(pairwise(grid)):
        guess = denoise(x, cur)
        if i and nxt.sigma:
            guess = denoise(x, cur) + ratio(grid, i) / 2 * (denoise(x, cur) - old)
        old, x = denoise(x, cur), samplers.step(x, guess, cur, nxt)
        yield x


def kept_state(after):
    """What is kept is the state, before the step or after it, where the guess belongs."""
    def answer(denoise, x, grid):
        old = None
        for i, (cur, nxt) in enumerate(pairwise(grid)):
            x0 = denoise(x, cur)
            guess = x0 if old is None or not nxt.sigma else line(x0, old, ratio(grid, i) / 2)
            before, x = x, samplers.step(x, guess, cur, nxt)
            old = x if after else before
            yield x
    return answer


def wrong_state_line(denoise, x, grid):
    old = None
    for i, (cur, nxt) in enumerate(pairwise(grid)):
        x0 = denoise(x, cur)
        guess = x0 if old is None or not nxt.sigma else line(x, old, ratio(grid, i) / 2)
        old, x = x, samplers.step(x, guess, cur, nxt)
        yield x


def wrong_backwards(denoise, x, grid):
    return right_lu(denoise, x, grid[::-1])


def wrong_backwards_steps(denoise, x, grid):
    return with_change(step=lambda x, x0, cur, nxt: samplers.step(x, x0, nxt, cur) if nxt.sigma else x0)(denoise, x, grid)


def wrong_before_the_loop(denoise, x, grid):
    x0 = denoise(x, grid[0])
    return right_lu(lambda *_: x0, x, grid)


def wrong_yields_guess(denoise, x, grid):
    seen = []
    for _ in right_lu(lambda x, level: seen.append(denoise(x, level)) or seen[-1], x, grid):
        yield seen[-1]


def wrong_next_level(denoise, x, grid):
    following = dict(pairwise(grid))
    return right_lu(lambda x, level: denoise(x, following[level]), x, grid)


def wrong_restart(denoise, x, grid):
    for pair in pairwise(grid):
        yield from right_lu(denoise, x, pair)


def wrong_first_x(denoise, x, grid):
    return right_lu(lambda _, level: denoise(x, level), x, grid)


def wrong_unscaled(denoise, x, grid):
    return right_lu(lambda x, level: denoise(x / level.alpha, level), x, grid)


def wrong_start(denoise, x, grid):
    yield x
    yield from right_lu(denoise, x, grid)


def wrong_returns(denoise, x, grid):
    return list(right_lu(denoise, x, grid))[-1]


def wrong_one(denoise, x, grid):
    *_, x = right_lu(denoise, x, grid)
    yield x


def wrong_calls(denoise, x, grid):
    return samplers.SAMPLERS["dpmpp_2m"](denoise, x, grid)


RIGHT = [right_lu, right_steps, right_noise_ratio]
WRONG = [
    (with_change(lambda g, i: 1 / ratio(g, i) / 2), ["upside down"]),
    (with_change(lambda g, i: ratio(g, i)), ["half is missing"]),
    (with_change(lambda g, i: 1 / ratio(g, i)), ["upside down, and"]),
    (with_change(lambda g, i: -ratio(g, i) / 2), ["the sign"]),
    (with_change(lambda g, i: ratio(g, i, lambda level: level.t) / 2), ["measured in t"]),
    (with_change(lambda g, i: ratio(g, i, lambda level: level.sigma) / 2), ["measured in sigma"]),
    (with_change(lambda g, i: ratio(g, i, lambda level: level.sigma / level.alpha) / 2), ["measured in sigma / alpha"]),
    (with_change(lambda g, i: ratio(g, i, lambda level: -math.log(level.sigma or 1)) / 2), ["measured in log sigma"]),
    (with_change(lambda g, i: 0.5), ["equally long"]),
    (with_change(from_before), ["measured from the level before"]),
    (with_change(to_ahead), ["measured to the level ahead"]),
    (with_change(early), ["one step too early"]),
    (with_change(keep=lambda x0, guess, kept: guess), ["kept is the extrapolated guess"]),
    (with_change(keep=lambda x0, guess, kept: x0 if kept is None else kept), ["kept is the first guess"]),
    (with_change(guess=lambda x0, before, w: x0), ["DDIM's step"]),
    (with_change(guess=lambda x0, before, w: x0 - w * before), ["two weights add up to 1"]),
    (with_change(guess=lambda x0, before, w: before + w * (x0 - before)), ["the line starts at x0"]),
    (with_change(last=lambda x0, before: 1.5 * x0 - 0.5 * before), ["extrapolated there too"]),
    (with_change(start=torch.zeros_like), []),
    (with_step(sigmas, lambda c, n, h: -n.alpha * math.expm1(h)), ["e^h where e^-h"]),
    (with_step(sigmas, lambda c, n, h: -n.alpha * math.exp(-h)), ["without the 1"]),
    (with_step(sigmas, lambda c, n, h: n.alpha * math.expm1(-h)), ["sign of D's weight"]),
    (with_step(sigmas, lambda c, n, h: -c.alpha * math.expm1(-h)), ["alpha of cur"]),
    (with_step(lambda c, n, h: n.alpha / c.alpha, pull), ["ratio of alphas weighs x"]),
    (with_step(lambda c, n, h: c.sigma / n.sigma, pull), ["sigmas is upside down"]),
    (with_step(lambda c, n, h: n.alpha / c.alpha, lambda c, n, h: -n.sigma * math.expm1(h)), ["guesses of the noise"]),
    (wrong_noise, ["noise is extrapolated"]),
    (wrong_asks_again, ["asked for again"]),
    (wrong_never_kept, ["DDIM's step"]),
    (wrong_infinite, ["where nxt.sigma is 0"]),
    (wrong_log_of_zero, []),
    (wrong_first_order_end, ["some steps are DDIM's"]),
    (first_order_below, ["some steps are DDIM's"]),
    (with_change(from_first), ["from the first level"]),
    (with_change(over_two), ["over two steps"]),
    (with_change(two_outside), ["2 h_before in brackets"]),
    (wrong_asks_on, ["keep its answer"]),
    (kept_state(False), ["the state before"]),
    (kept_state(True), ["you kept the state, x"]),
    (wrong_state_line, ["the state is extrapolated"]),
    (wrong_backwards, ["walked backwards"]),
    (wrong_backwards_steps, ["are exchanged in the step"]),
    (wrong_before_the_loop, ["asked once in all"]),
    (wrong_yields_guess, ["this is the guess of x0"]),
    (wrong_next_level, ["asked at nxt", "what comes out is x"]),
    (wrong_restart, ["first x is handed over"]),
    (wrong_first_x, ["first x is handed over"]),
    (wrong_unscaled, ["x / alpha is handed over"]),
    (wrong_start, ["the start was yielded"]),
    (wrong_returns, []),
    (wrong_one, ["only one state"]),
    (wrong_calls, []),
    (samplers.SAMPLERS["dpmpp_2m"], []),
]


# What a reader wrote who had not seen this bank, and what was not told then.

step = samplers.step


def good(x0, before, h, before_h):
    return x0 + h / (2 * before_h) * (x0 - before)


def make(D_of, remember=lambda x0, D: x0, lam_of=lambda cur, nxt: cur.lam, second=lambda cur, nxt: nxt.sigma > 0):

    def dpmpp_2m(denoise, x, grid):
        before = lam_b = None
        for cur, nxt in pairwise(grid):
            x0 = denoise(x, cur)
            D = x0
            if before is not None and second(cur, nxt):
                D = D_of(x0, before, nxt.lam - cur.lam, cur.lam - lam_b)
            x = step(x, D, cur, nxt)
            before, lam_b = (remember(x0, D), lam_of(cur, nxt))
            yield x
    return dpmpp_2m


def wrong_uses_x(denoise, x, grid):
    xb, lam_b = (None, None)
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        D = x0
        if xb is not None and nxt.sigma > 0:
            D = x0 + (nxt.lam - cur.lam) / (2 * (cur.lam - lam_b)) * (x - xb)
        xb, lam_b = (x, cur.lam)
        x = step(x, D, cur, nxt)
        yield x


def wrong_step_args(denoise, x, grid):
    before, lam_b = (None, None)
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        D = x0
        if before is not None and nxt.sigma > 0:
            D = good(x0, before, nxt.lam - cur.lam, cur.lam - lam_b)
        x = step(D, x, cur, nxt)
        before, lam_b = (x0, cur.lam)
        yield x


def wrong_skips_first(denoise, x, grid):
    x0s = denoise(x, grid[0])
    for prev, cur, nxt in zip(grid, grid[1:], grid[2:]):
        x0 = denoise(x, cur)
        D = x0
        if nxt.sigma > 0:
            D = good(x0, x0s, nxt.lam - cur.lam, cur.lam - prev.lam)
        x = step(x, D, cur, nxt)
        x0s = x0
        yield x


def wrong_two_before(denoise, x, grid):
    past = []
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        D = x0
        if past and nxt.sigma > 0:
            D = good(x0, past[0][0], nxt.lam - cur.lam, cur.lam - past[0][1])
        x = step(x, D, cur, nxt)
        past = (past + [(x0, cur.lam)])[-2:]
        yield x


def wrong_eps_from_plain(denoise, x, grid):
    before, lam_b = (None, None)
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        D = x0
        if before is not None and nxt.sigma > 0:
            D = good(x0, before, nxt.lam - cur.lam, cur.lam - lam_b)
        eps = (x - cur.alpha * x0) / cur.sigma
        x = nxt.alpha * D + nxt.sigma * eps
        before, lam_b = (x0, cur.lam)
        yield x


def wrong_clamped(denoise, x, grid):
    yield from make(lambda *a: good(*a).clamp(-1, 1))(denoise, x, grid)


def wrong_hb_first(denoise, x, grid):
    before, hb = (None, None)
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        D = x0
        h = nxt.lam - cur.lam
        if before is not None and nxt.sigma > 0:
            D = good(x0, before, h, hb)
        x = step(x, D, cur, nxt)
        before = x0
        hb = h if hb is None else hb
        yield x


WRONG += [
    (wrong_uses_x, ["the difference of two states: it is that of "]),
    (wrong_step_args, ["what comes out is x: at sigma = 0 it is x0, ", "x and D are exchanged: step(x, D, cur, nxt)"]),
    (wrong_skips_first, ["one step is missing"]),
    (wrong_two_before, []),
    (wrong_eps_from_plain, ["the noise is worked out with x0, and the sta"]),
    (wrong_clamped, ["D is clipped to -1 ... 1: nothing here asks "]),
    (wrong_hb_first, ["h_before stays that of the first step: it is"]),
]


def wrong_forecast(denoise, x, grid):
    known = []
    for i, (cur, nxt) in enumerate(zip(grid, grid[1:])):
        known.insert(0, denoise(x, cur))
        lams = [level.lam for level in (nxt, *grid[i::-1])]
        x = step(x, guess.forecast(known[:2], lams[:len(known[:2]) + 1]), cur, nxt)
        yield x


WRONG += [(wrong_forecast, [])]


# What another reader wrote who had not seen this bank, and what was not told then.

def line_by(made):
    def answer(denoise, x, grid):
        old = lam_old = None
        for cur, nxt in pairwise(grid):
            x0 = guessed = denoise(x, cur)
            if old is not None and nxt.sigma > 0:
                guessed = made(x0, old, nxt.lam - cur.lam, cur.lam - lam_old)
            old, lam_old = x0, cur.lam
            x = step(x, guessed, cur, nxt)
            yield x
    return answer


WRONG += [
    (line_by(lambda x0, old, h, before: h / (2 * before) * (x0 - old)), ["x0 itself is missing"]),
    (line_by(lambda x0, old, h, before: old + h / (2 * before) * (x0 - old)), ["the line starts at x0"]),
    (line_by(lambda x0, old, h, before: x0 + (h / -math.expm1(-h) - 1) / before * (x0 - old)), ["the exact weighted mean"]),
]
