"""Answers to 02-heun: right ones, and wrong ones with the causes that a report may name for them."""
from itertools import pairwise

import torch

from effml_lab.diffusion import guess, samplers
from effml_lab.diffusion.levels import Level

EXERCISE = "02-heun"


def right_slopes(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        y, s, t = x / cur.alpha, cur.sigma / cur.alpha, nxt.sigma / nxt.alpha
        first = (y - denoise(x, cur)) / s
        ahead = y + (t - s) * first
        if t > 0:
            second = (ahead - denoise(nxt.alpha * ahead, nxt)) / t
            ahead = y + (t - s) * (first + second) / 2
        x = nxt.alpha * ahead
        yield x


def right_steps(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        ahead = samplers.step(x, x0, cur, nxt)
        if nxt.sigma:
            weight = cur.sigma * nxt.alpha / (2 * cur.alpha * nxt.sigma)
            ahead = samplers.step(x, x0 + weight * (denoise(ahead, nxt) - x0), cur, nxt)
        x = ahead
        yield x


@torch.no_grad()
def right_list(denoise, x, grid):
    """In float64, from the last level back to the first by index, all states at once."""
    states, y = [], x.double()
    for i in range(len(grid) - 1):
        cur, nxt = grid[i], grid[i + 1]
        eps = (y - cur.alpha * denoise(y, cur)) / cur.sigma
        move = lambda eps: nxt.alpha / cur.alpha * y + (nxt.sigma - nxt.alpha / cur.alpha * cur.sigma) * eps
        if i < len(grid) - 2 or nxt.sigma != 0:
            z = move(eps)
            eps = (eps + (z - nxt.alpha * denoise(z, nxt)) / nxt.sigma) / 2
        y = move(eps)
        states.append(y.to(x.dtype))
    return states


class RightIterator:
    def __call__(self, denoise, x, grid):
        self.states = right_steps(denoise, x, grid)
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.states)


def slope(x, x0, level):
    return (x - level.alpha * x0) / level.sigma


def along(x, cur, nxt, slope):
    return nxt.alpha * (x / cur.alpha + (nxt.sigma / nxt.alpha - cur.sigma / cur.alpha) * slope)


def with_change(full, clean=lambda denoise, x, x0, cur, nxt: samplers.step(x, x0, cur, nxt)):
    """full, clean: (denoise, x, x0, cur, nxt) -> the next state, after the guess x0 at cur was asked for."""
    def answer(denoise, x, grid):
        for cur, nxt in pairwise(grid):
            x = (full if nxt.sigma else clean)(denoise, x, denoise(x, cur), cur, nxt)
            yield x
    return answer


def with_slopes(mean):
    """mean: (first, second) -> the slope to go along."""
    def full(denoise, x, x0, cur, nxt):
        first = slope(x, x0, cur)
        ahead = along(x, cur, nxt, first)
        return along(x, cur, nxt, mean(first, slope(ahead, denoise(ahead, nxt), nxt)))
    return with_change(full)


def naive(denoise, x, x0, cur, nxt):
    return samplers.step(x, (x0 + denoise(samplers.step(x, x0, cur, nxt), nxt)) / 2, cur, nxt)


def both_means(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    other = denoise(ahead, nxt)
    return nxt.alpha * (x0 + other) / 2 + nxt.sigma * (slope(x, x0, cur) + slope(ahead, other, nxt)) / 2


def from_euler(weights):
    def full(denoise, x, x0, cur, nxt):
        first = slope(x, x0, cur)
        ahead = along(x, cur, nxt, first)
        second = slope(ahead, denoise(ahead, nxt), nxt)
        return along(ahead * cur.alpha / nxt.alpha, cur, nxt, weights[0] * first + weights[1] * second)
    return with_change(full)


def twice_at_cur(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, denoise(ahead, cur), cur)) / 2)


def level_of_cur(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, denoise(ahead, cur), nxt)) / 2)


def shown_x(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, denoise(x, nxt), nxt)) / 2)


def shown_x0(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, denoise(x0, nxt), nxt)) / 2)


def second_from_x(denoise, x, x0, cur, nxt):
    other = denoise(samplers.step(x, x0, cur, nxt), nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + (x / cur.alpha - other) * nxt.alpha / nxt.sigma) / 2)


def divided_by_cur(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    other = (ahead / nxt.alpha - denoise(ahead, nxt)) / (cur.sigma / cur.alpha)
    return along(x, cur, nxt, (slope(x, x0, cur) + other) / 2)


def midpoint(denoise, x, x0, cur, nxt):
    s = (cur.sigma * nxt.sigma / (cur.alpha * nxt.alpha)) ** 0.5
    alpha = 1 / (1 + s**2) ** 0.5 if abs(cur.alpha**2 + cur.sigma**2 - 1) < 1e-9 else 1.0
    mid = Level((cur.t + nxt.t) / 2, alpha, alpha * s)
    state = samplers.step(x, x0, cur, mid)
    return along(x, cur, nxt, slope(state, denoise(state, mid), mid))


def three_calls(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, denoise(x, cur), cur, nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, denoise(ahead, nxt), nxt)) / 2)


def averaged_with_clean(denoise, x, x0, cur, nxt):
    return (x0 + denoise(x0, nxt)) / 2


def wrong_no_guard(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        y, s, t = x / cur.alpha, cur.sigma / cur.alpha, torch.tensor(nxt.sigma / nxt.alpha, dtype=x.dtype)
        first = (y - denoise(x, cur)) / s
        ahead = y + (t - s) * first
        second = (ahead - denoise(nxt.alpha * ahead, nxt)) / t
        x = nxt.alpha * (y + (t - s) * (first + second) / 2)
        yield x


def wrong_raises(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        ahead = samplers.step(x, denoise(x, cur), cur, nxt)
        weight = cur.sigma * nxt.alpha / (2 * cur.alpha * nxt.sigma)
        x = samplers.step(x, ahead + weight * (denoise(ahead, nxt) - ahead), cur, nxt)
        yield x


def wrong_plain(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        first = (x - denoise(x, cur)) / cur.sigma
        ahead = x + (nxt.sigma - cur.sigma) * first
        if nxt.sigma:
            second = (ahead - denoise(ahead, nxt)) / nxt.sigma
            ahead = x + (nxt.sigma - cur.sigma) * (first + second) / 2
        x = ahead
        yield x


def wrong_unscaled_call(denoise, x, grid):
    return right_slopes(lambda x, level: denoise(x / level.alpha, level), x, grid)


def wrong_unscaled_end(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        *_, x = right_slopes(denoise, x, [cur, nxt])
        x = x / nxt.alpha
        yield x


def wrong_restart(denoise, x, grid):
    for pair in pairwise(grid):
        yield from right_slopes(denoise, x, pair)


def wrong_start(denoise, x, grid):
    yield x
    yield from right_slopes(denoise, x, grid)


def wrong_returns(denoise, x, grid):
    return list(right_slopes(denoise, x, grid))[-1]


def wrong_short(denoise, x, grid):
    return right_slopes(denoise, x, grid[:-1])


def wrong_next_level(denoise, x, grid):
    following = dict(pairwise(grid))
    return right_slopes(lambda x, level: denoise(x, following.get(level, level)), x, grid)


def wrong_first_at_nxt(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, nxt if nxt.sigma else cur)
        ahead = samplers.step(x, x0, cur, nxt)
        if nxt.sigma:
            ahead = along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, denoise(ahead, cur), nxt)) / 2)
        x = ahead
        yield x


def wrong_kept_slope(denoise, x, grid):
    """The second guess of a step is taken for the first of the next: cheaper, and not Heun."""
    x0 = denoise(x, grid[0])
    for cur, nxt in pairwise(grid):
        ahead = samplers.step(x, x0, cur, nxt)
        if nxt.sigma:
            other = denoise(ahead, nxt)
            ahead = along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, other, nxt)) / 2)
            x0 = other
        x = ahead
        yield x


def wrong_last_euler(denoise, x, grid):
    """The last step is Euler's whether or not it ends at sigma = 0."""
    for x in right_slopes(denoise, x, grid[:-1]):
        yield x
    yield samplers.step(x, denoise(x, grid[-2]), grid[-2], grid[-1])


def wrong_yields_ratio(denoise, x, grid):
    for state, level in zip(right_slopes(denoise, x, grid), grid[1:]):
        yield state / level.alpha


def wrong_in_place(denoise, x, grid):
    x = x.clone()
    for cur, nxt in pairwise(grid):
        *_, end = right_slopes(denoise, x, [cur, nxt])
        x.copy_(end)
        yield x


def wrong_float(denoise, x, grid):
    return [state.float() for state in right_slopes(denoise, x, grid)]


def wrong_t(denoise, x, grid):
    return right_slopes(lambda x, level: denoise(x, level.t), x, grid)


def wrong_calls(denoise, x, grid):
    return samplers.ddim(denoise, x, grid)


def as_printed(divided=lambda level: level.sigma / level.alpha, y_of=lambda x, level: x / level.alpha, back=1, told=False):
    """The formula of the lab with other ratios, other y, the difference turned; told: denoise is shown y'."""
    def answer(denoise, x, grid):
        for cur, nxt in pairwise(grid):
            y, s, t = y_of(x, cur), divided(cur), divided(nxt)
            first = (y - denoise(x, cur)) / s
            ahead = y + back * (t - s) * first
            if t:
                second = (ahead - denoise(ahead if told else nxt.alpha * ahead, nxt)) / t
                ahead = y + back * (t - s) * (first + second) / 2
            x = nxt.alpha * ahead
            yield x
    return answer


def late_alpha(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    other = denoise(ahead * cur.alpha / nxt.alpha, nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, other, nxt)) / 2)


def mean_noise(second: bool):
    def full(denoise, x, x0, cur, nxt):
        ahead = samplers.step(x, x0, cur, nxt)
        other = denoise(ahead, nxt)
        return nxt.alpha * (other if second else x0) + nxt.sigma * (slope(x, x0, cur) + slope(ahead, other, nxt)) / 2
    return with_change(full)


def with_alpha_of_cur(denoise, x, x0, cur, nxt):
    ahead = samplers.step(x, x0, cur, nxt)
    return along(x, cur, nxt, (slope(x, x0, cur) + slope(ahead, denoise(ahead, nxt), nxt)) / 2) * cur.alpha / nxt.alpha


def first_order_below(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x = samplers.last((right_slopes if cur.sigma > 0.05 else samplers.ddim)(denoise, x, [cur, nxt]))
        yield x


def half_at_the_end(denoise, x, x0, cur, nxt):
    return nxt.alpha * (x / cur.alpha - cur.sigma / cur.alpha * slope(x, x0, cur) / 2)


def wrong_backwards(denoise, x, grid):
    return right_slopes(denoise, x, grid[::-1])


RIGHT = [right_slopes, right_steps, right_list, RightIterator()]
WRONG = [
    (with_change(naive), ["two guesses of x0 are averaged"]),
    (with_change(both_means), ["second slope changes nothing"]),
    (with_slopes(lambda a, b: a + b), ["slopes are added"]),
    (with_slopes(lambda a, b: b), ["second slope alone"]),
    (with_slopes(lambda a, b: a), ["second slope changes nothing"]),
    (with_slopes(lambda a, b: -(a + b) / 2), ["sign of the mean direction"]),
    (with_slopes(lambda a, b: 0.75 * a + 0.25 * b), []),
    (from_euler((0.5, 0.5)), ["starts from Euler's state"]),
    (from_euler((0.0, 1.0)), ["slopes are added"]),
    (from_euler((0.0, 0.5)), ["goes in whole"]),
    (with_change(twice_at_cur), ["belongs to nxt", "worked out at cur"]),
    (with_change(level_of_cur), ["belongs to nxt", "asked for at cur"]),
    (with_change(shown_x), ["shown x"]),
    (with_change(shown_x0), ["shown the guess of x0"]),
    (with_change(second_from_x), ["second slope starts from x"]),
    (with_change(divided_by_cur), ["noise ratio of cur"]),
    (with_change(midpoint), ["not in the grid"]),
    (with_change(lambda d, x, x0, c, n: samplers.step(x, x0, c, n)), ["second slope is missing", "changes nothing"]),
    (with_change(three_calls), ["keep it"]),
    (with_change(shown_x, averaged_with_clean), ["shown x", "clean level"]),
    (wrong_no_guard, ["where nxt.sigma is 0", "clean level"]),
    (as_printed(divided=lambda level: level.sigma), ["sigma as it stands"]),
    (as_printed(y_of=lambda x, level: x), ["x as it stands"]),
    (as_printed(back=-1), ["a sign: (y - x0) / s"]),
    (as_printed(told=True), ["x / alpha is handed over"]),
    (with_change(late_alpha), ["with the alpha of cur"]),
    (mean_noise(False), ["the guess of x0 the first alone"]),
    (mean_noise(True), ["the guess of x0 the second alone"]),
    (with_slopes(lambda a, b: a + b / 2), ["goes in whole"]),
    (with_change(with_alpha_of_cur), ["cur's alpha"]),
    (with_change(with_alpha_of_cur, half_at_the_end), ["cur's alpha", "half of Euler's"]),
    (first_order_below, ["some steps are Euler's"]),
    (wrong_backwards, ["walked backwards"]),
    (wrong_raises, []),
    (wrong_plain, ["right for alpha = 1 only"]),
    (wrong_unscaled_call, ["x / alpha is handed over"]),
    (wrong_unscaled_end, ["not multiplied by alpha"]),
    (wrong_restart, ["first x is handed over"]),
    (wrong_start, ["the start was yielded"]),
    (wrong_returns, []),
    (wrong_short, ["one step is missing"]),
    (wrong_next_level, ["state stays as it is"]),
    (wrong_first_at_nxt, ["first call belongs to cur"]),
    (wrong_kept_slope, []),
    (wrong_last_euler, ["some steps are Euler's", "only where it ends at sigma = 0"]),
    (wrong_yields_ratio, ["yielded as x / alpha"]),
    (wrong_in_place, ["one tensor, changed in place"]),
    (wrong_float, []),
    (wrong_t, []),
    (wrong_calls, []),
    (samplers.ddim, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def template(denoise, x, grid):
    """The right one, for reference."""
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / nxt.alpha)
        y = x / cur.alpha
        d = (y - denoise(x, cur)) / st
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = (y1 - denoise(nxt.alpha * y1, nxt)) / ss
            y1 = y + (ss - st) * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


def wrong_d_of_x(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / nxt.alpha)
        y = x / cur.alpha
        d = (x - denoise(x, cur)) / st
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = (nxt.alpha * y1 - denoise(nxt.alpha * y1, nxt)) / ss
            y1 = y + (ss - st) * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


def wrong_ratio_inverted(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        st = cur.alpha / cur.sigma
        ss = nxt.alpha / nxt.sigma if nxt.sigma > 0 else 0.0
        y = x / cur.alpha
        d = (y - denoise(x, cur)) / st
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = (y1 - denoise(nxt.alpha * y1, nxt)) / ss
            y1 = y + (ss - st) * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


def wrong_one_alpha(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / cur.alpha)
        y = x / cur.alpha
        d = (y - denoise(x, cur)) / st
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = (y1 - denoise(nxt.alpha * y1, nxt)) / ss
            y1 = y + (ss - st) * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


def wrong_sign_d(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / nxt.alpha)
        y = x / cur.alpha
        d = (denoise(x, cur) - y) / st
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = (denoise(nxt.alpha * y1, nxt) - y1) / ss
            y1 = y + (ss - st) * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


def wrong_x_and_sigma(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        d = (x - cur.alpha * denoise(x, cur)) / cur.sigma
        new = x + (nxt.sigma - cur.sigma) * d
        if nxt.sigma > 0:
            d1 = (new - nxt.alpha * denoise(new, nxt)) / nxt.sigma
            new = x + (nxt.sigma - cur.sigma) * (d + d1) / 2
        x = new
        yield x


def wrong_yields_twice(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / nxt.alpha)
        y = x / cur.alpha
        d = (y - denoise(x, cur)) / st
        y1 = y + (ss - st) * d
        yield (nxt.alpha * y1)
        if nxt.sigma > 0:
            d1 = (y1 - denoise(nxt.alpha * y1, nxt)) / ss
            y1 = y + (ss - st) * (d + d1) / 2
            yield (nxt.alpha * y1)
        x = nxt.alpha * y1


def wrong_clamp_x0(denoise, x, grid):
    D = lambda x, l: denoise(x, l).clamp(-1, 1)
    yield from template(D, x, grid)


def wrong_in_lambda(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        y = x / cur.alpha
        d = denoise(x, cur) - y
        h = nxt.lam - cur.lam if nxt.sigma > 0 else 1.0
        y1 = y + h * d
        if nxt.sigma > 0:
            d1 = denoise(nxt.alpha * y1, nxt) - y1
            y1 = y + h * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


def wrong_as_eps(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / nxt.alpha)
        y = x / cur.alpha
        d = denoise(x, cur)
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = denoise(nxt.alpha * y1, nxt)
            y1 = y + (ss - st) * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


def wrong_carried_y_nxt(denoise, x, grid):
    y = x / grid[0].alpha
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / nxt.alpha)
        d = (y - denoise(nxt.alpha * y, cur)) / st
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = (y1 - denoise(nxt.alpha * y1, nxt)) / ss
            y1 = y + (ss - st) * (d + d1) / 2
        y = y1
        yield (nxt.alpha * y)


def wrong_y_times(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        st, ss = (cur.sigma / cur.alpha, nxt.sigma / nxt.alpha)
        y = x * cur.alpha
        d = (y - denoise(x, cur)) / st
        y1 = y + (ss - st) * d
        if nxt.sigma > 0:
            d1 = (y1 - denoise(nxt.alpha * y1, nxt)) / ss
            y1 = y + (ss - st) * (d + d1) / 2
        x = nxt.alpha * y1
        yield x


WRONG += [
    (wrong_d_of_x, ["y = x / alpha in the direction too: it is (y"]),
    (wrong_ratio_inverted, ["upside down: the ratio is sigma / alpha"]),
    (wrong_one_alpha, ["each level has its own ratio"]),
    (wrong_sign_d, ["a sign: (y - x0) / s is the direction, and t"]),
    (wrong_x_and_sigma, ["Euler's step goes in sigma, not in sigma / a"]),
    (wrong_yields_twice, ["two states a step: yield one, at its end"]),
    (wrong_clamp_x0, ["the guess is clipped to -1 ... 1: nothing he"]),
    (wrong_in_lambda, ["this is Heun's method in lambda: here it goe"]),
    (wrong_as_eps, ["what denoise gives is the guess x0: the dire"]),
    (wrong_carried_y_nxt, []),
    (wrong_y_times, ["y = x / alpha, not x times alpha"]),
]


def wrong_middle(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        if nxt.sigma:
            x0 = guess.middle(x0, denoise(samplers.step(x, x0, cur, nxt), nxt), cur, nxt, nxt)
        x = samplers.step(x, x0, cur, nxt)
        yield x


WRONG += [(wrong_middle, [])]


# What another reader wrote who had not seen this bank, and what was not told then.

def half_probe(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        s, r, y = cur.sigma / cur.alpha, nxt.sigma / nxt.alpha, x / cur.alpha
        first = (y - denoise(x, cur)) / s
        ahead = y + 0.5 * (r - s) * first
        second = (ahead - denoise(ahead * nxt.alpha, nxt)) / r if nxt.sigma else first
        x = (y + (r - s) * (first + second) / 2) * nxt.alpha
        yield x


WRONG += [(half_probe, ["shown the state half way"])]
