"""Answers to 02-ddim: right ones, and wrong ones with the causes that a report may name for them."""
import math
from itertools import pairwise

import torch

from effml_lab.diffusion import levels, samplers
from effml_lab.diffusion.levels import CLEAN

EXERCISE = "02-ddim"


def right_eps(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / cur.sigma
        x = nxt.alpha * x0 + nxt.sigma * eps
        yield x


def right_list(denoise, x, grid):
    states = [x]
    for i in range(1, len(grid)):
        _, a, s = grid[i - 1]
        _, b, r = grid[i]
        states.append((r / s) * states[-1] + (b - a * r / s) * denoise(states[-1], grid[i - 1]))
    return states[1:]


@torch.no_grad()
def right_float64(denoise, x, grid):
    y = x.double()
    for cur, nxt in zip(grid, grid[1:]):
        guess, ratio = denoise(y.to(x.dtype), cur).double(), torch.tensor(nxt.sigma, dtype=torch.float64) / cur.sigma
        y = nxt.alpha * guess + ratio * (y - cur.alpha * guess)
        yield y.to(x.dtype)


def right_exponential(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x = nxt.sigma / cur.sigma * x - nxt.alpha * math.expm1(cur.lam - nxt.lam) * denoise(x, cur)
        yield x


class RightIterator:
    def __call__(self, denoise, x, grid):
        self.denoise, self.x, self.pairs = denoise, x, pairwise(grid)
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cur, nxt = next(self.pairs)
        x0 = self.denoise(self.x, cur)
        self.x = self.x.sub(x0, alpha=cur.alpha).mul(nxt.sigma / cur.sigma).add(x0, alpha=nxt.alpha)
        return self.x


def with_change(step=None, pairs=pairwise, asked=lambda cur, nxt: cur, start=False, early=False):
    def answer(denoise, x, grid):
        if start:
            yield x
        for cur, nxt in pairs(grid):
            if early:
                yield x
            x0 = denoise(x, asked(cur, nxt))
            eps = (x - cur.alpha * x0) / cur.sigma
            x = step(x, x0, eps, cur, nxt) if step else nxt.alpha * x0 + nxt.sigma * eps
            if not early:
                yield x
    return answer


def elsewhere(to):
    """The step goes to a level worked out from cur.t, where the levels are a table's."""
    def answer(denoise, x, grid):
        table = levels.linear()
        vp = all(abs(level.alpha**2 + level.sigma**2 - 1) < 1e-9 for level in grid) and grid[0].t > 1
        for cur, nxt in pairwise(grid):
            if vp:
                t = to(cur.t, len(grid) - 1)
                nxt = table(t) if t >= 0 else CLEAN
            x0 = denoise(x, cur)
            x = nxt.alpha * x0 + nxt.sigma * (x - cur.alpha * x0) / cur.sigma
            yield x
    return answer


def wrong_euler_in_ratio(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        y, now, then = x / cur.alpha, cur.sigma / cur.alpha, nxt.sigma / nxt.alpha
        x = nxt.alpha * (y + (y - denoise(x, cur)) / now * (then - now))
        yield x


def wrong_tensor_ratio(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        alpha, sigma = (torch.tensor([cur[i], nxt[i]], dtype=x.dtype) for i in (1, 2))
        y, ratio = x / alpha[0], sigma / alpha
        x = alpha[1] * (y + (y - denoise(x, cur)) * (ratio[1] - ratio[0]) / ratio[0])
        yield x


def wrong_one_tensor(denoise, x, grid):
    x = x.clone()
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        x -= cur.alpha * x0
        x *= nxt.sigma / cur.sigma
        x += nxt.alpha * x0
        yield x


def wrong_in_place(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        x.sub_(cur.alpha * x0).mul_(nxt.sigma / cur.sigma).add_(nxt.alpha * x0)
        yield x.clone()


def wrong_returns(denoise, x, grid):
    return list(right_eps(denoise, x, grid))[-1]


def wrong_stacked(denoise, x, grid):
    return torch.stack(list(right_eps(denoise, x, grid)))


def wrong_only_last(denoise, x, grid):
    for state in right_eps(denoise, x, grid):
        pass
    yield state


def wrong_first_x(denoise, x, grid):
    return right_eps(lambda y, level: denoise(x, level), x, grid)


def wrong_restart(denoise, x, grid):
    for pair in pairwise(grid):
        yield from right_eps(denoise, x, pair)


def wrong_asks_twice(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * (x - cur.alpha * denoise(x, cur)) / cur.sigma
        yield x


def wrong_asks_at_the_end(denoise, x, grid):
    for x in right_eps(denoise, x, grid[:-1]):
        yield x
    cur, nxt = grid[-2:]
    x0 = denoise(x, cur)
    x = nxt.alpha * x0 + nxt.sigma * (x - cur.alpha * x0) / cur.sigma
    denoise(x, nxt)
    yield x


def wrong_time(denoise, x, grid):
    return right_eps(lambda x, level: denoise(x, level.t), x, grid)


def wrong_swapped(denoise, x, grid):
    return right_eps(lambda x, level: denoise(level, x), x, grid)


def wrong_pairs(denoise, x, grid):
    return [(x, x) for x in right_eps(denoise, x, grid)]


def wrong_rising(denoise, x, grid):
    return right_eps(denoise, x, [*reversed(grid[:-1]), grid[-1]])


def wrong_ddpm(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        keep = cur.alpha * nxt.sigma**2 / (nxt.alpha * cur.sigma**2)
        x = keep * x + (nxt.alpha - keep * cur.alpha) * denoise(x, cur)
        x = x + (nxt.sigma**2 * (1 - keep * cur.alpha / nxt.alpha)) ** 0.5 * torch.randn_like(x)
        yield x


def wrong_calls(denoise, x, grid):
    return samplers.ddim(denoise, x, grid)


def wrong_steps(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x = samplers.step(x, denoise(x, cur), cur, nxt)
        yield x


def wrong_as_printed(denoise, x, grid):
    """Equation (1) as it stands."""
    for cur, nxt in pairwise(grid):
        x = nxt.sigma / cur.sigma * x + nxt.sigma * denoise(x, cur) * (math.exp(nxt.lam) - math.exp(cur.lam))
        yield x


def wrong_backwards(denoise, x, grid):
    return right_eps(denoise, x, grid[::-1])


def wrong_once(denoise, x, grid):
    x0 = denoise(x, grid[0])
    return right_eps(lambda *_: x0, x, grid)


def wrong_never_moved(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        yield nxt.alpha * x0 + nxt.sigma * (x - cur.alpha * x0) / cur.sigma


def wrong_first_noise(denoise, x, grid):
    eps = None
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / cur.sigma if eps is None else eps
        x = nxt.alpha * x0 + nxt.sigma * eps
        yield x


def wrong_once_yielded(denoise, x, grid):
    x0 = denoise(x, grid[0])
    for _ in grid[1:]:
        yield x0.clone()


def wrong_first_level(denoise, x, grid):
    return right_eps(lambda x, level: denoise(x, grid[0]), x, grid)


def right_ends_early(denoise, x, grid):
    """The step to sigma = 0 apart."""
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        if nxt.sigma == 0:
            yield x0
            return
        x = nxt.alpha * x0 + (x - cur.alpha * x0) * (nxt.sigma / cur.sigma)
        yield x


def rooted(x, x0, eps, cur, nxt):
    return nxt.alpha**0.5 * x0 + (1 - nxt.alpha) ** 0.5 * (x - cur.alpha**0.5 * x0) / (1 - cur.alpha) ** 0.5


def preserving(x, x0, eps, cur, nxt):
    return nxt.alpha * x0 + (1 - nxt.alpha**2) ** 0.5 * (x - cur.alpha * x0) / (1 - cur.alpha**2) ** 0.5


def posterior_mean(x, x0, eps, cur, nxt):
    keep = cur.alpha * nxt.sigma**2 / (nxt.alpha * cur.sigma**2)
    return keep * x + (nxt.alpha - keep * cur.alpha) * x0


NAN = "division by cur.alpha"
RIGHT = [right_eps, right_list, right_float64, right_exponential, RightIterator(), right_ends_early]
WRONG = [
    (elsewhere(lambda t, n: t - 1000 // n), ["T / N times on"]),
    (elsewhere(lambda t, n: t - 1), ["goes to t - 1"]),
    (with_change(lambda x, x0, e, c, n: c.alpha * x0 + n.sigma * e), ["cur.alpha where nxt.alpha"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + c.sigma * e), ["the noise keeps its old size"]),
    (with_change(lambda x, x0, e, c, n: x0), ["this is the guess of x0"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0), ["the noise is dropped"]),
    (with_change(lambda x, x0, e, c, n: n.sigma * x0 + n.alpha * e), ["of nxt are swapped"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * (x - x0) / c.sigma), ["cur.alpha is missing"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * (x - c.alpha * x0)), ["cur.sigma is missing"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * e / c.sigma), ["divided by the variance"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * ((x - n.alpha * x0) / n.sigma if n.sigma else 0)),
     ["the state does not change"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * (x - n.alpha * x0) / c.sigma), ["nxt.alpha in the noise"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 - n.sigma * e), ["the noise is subtracted"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * x), ["x stands where"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * (x - c.sigma * x0) / (c.alpha or 1e-9) + n.sigma * x0), ["x0 itself, not eps"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * (x - c.sigma * x0) / c.alpha + n.sigma * x0), ["x0 itself, not eps", NAN]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0.clamp(-1, 1) + n.sigma * (x - c.alpha * x0.clamp(-1, 1)) / c.sigma),
     ["clipped to -1"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0.clamp(-1, 1) + n.sigma * e), ["clipped once"]),
    (with_change(lambda x, x0, e, c, n: n.alpha**2 * x0 + n.sigma**2 * e), ["alpha² and sigma²"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * e + 0.1 * n.sigma * torch.randn_like(x)), ["noise is added"]),
    (with_change(rooted), ["take no root"]),
    (with_change(preserving), ["only variance-preserving"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + (1 - n.alpha) * (x - c.alpha * x0) / (1 - c.alpha)), ["only flow"]),
    (with_change(posterior_mean), ["the mean of DDPM's"]),
    (with_change(asked=lambda cur, nxt: nxt), ["asked at nxt"]),
    (with_change(start=True), ["the start was yielded"]),
    (with_change(early=True), ["before its step"]),
    (with_change(pairs=lambda grid: pairwise(grid[:-1])), ["one step is missing"]),
    (with_change(pairs=lambda grid: zip(grid[1:], grid)), ["asked at nxt", "division by nxt.sigma"]),
    (with_change(pairs=lambda grid: [(grid[0], grid[-1])]), ["only one state"]),
    (wrong_euler_in_ratio, [NAN]),
    (wrong_tensor_ratio, [NAN]),
    (wrong_one_tensor, ["one tensor, changed in place"]),
    (wrong_only_last, ["only one state"]),
    (wrong_first_x, ["shown the first x"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + (x - n.alpha * x0) / n.sigma * n.sigma),
     ["division by nxt.sigma", "the state does not change"]),
    (wrong_restart, ["starts at the first x again", "shown the first x"]),
    (wrong_asks_twice, ["asked twice a step"]),
    (wrong_asks_at_the_end, ["asked at the last level"]),
    (wrong_ddpm, ["noise is added"]),
    (wrong_as_printed, ["e^lambda is infinite"]),
    (wrong_backwards, ["walked backwards"]),
    (wrong_first_noise, ["noise of the first step is kept"]),
    (with_change(lambda x, x0, e, c, n: n.alpha**0.5 * x0 + n.sigma * (x - c.alpha**0.5 * x0) / c.sigma), ["of alpha alone"]),
    (wrong_once, ["asked once in all"]),
    (wrong_once_yielded, ["asked once in all", "starts at the first x"]),
    (wrong_never_moved, ["starts at the first x again", "shown the first x"]),
    (wrong_first_level, ["at the first level every time"]),
    (with_change(lambda x, x0, e, c, n: c.alpha * x0 + c.sigma * e), ["the state does not change"]),
    (with_change(lambda x, x0, e, c, n: e), ["this is the noise"]),
    (with_change(lambda x, x0, e, c, n: n.alpha * x0 + n.sigma * (x - c.alpha * x0) / (n.sigma or 1.0)),
     ["the noise keeps its old size", "the state does not change"]),
    (with_change(lambda x, x0, e, c, n: x0 + n.sigma * e), ["nxt.alpha is missing"]),
    (with_change(lambda x, x0, e, c, n: x), ["the state does not change", "before its step"]),
    (wrong_in_place, []),
    (wrong_returns, []),
    (wrong_stacked, []),
    (wrong_time, []),
    (wrong_swapped, []),
    (wrong_pairs, []),
    (wrong_rising, ["walked backwards"]),
    (wrong_calls, []),
    (wrong_steps, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def wrong_yields_x0(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / cur.sigma
        x = nxt.alpha * x0 + nxt.sigma * eps
        yield x0


def wrong_formula_1_no_sigma(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        up = nxt.alpha / nxt.sigma if nxt.sigma > 0 else 0.0
        x = nxt.sigma / cur.sigma * x + x0 * (up - cur.alpha / cur.sigma) if nxt.sigma > 0 else nxt.alpha * x0
        yield x


def wrong_sigma_eps_3(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / (cur.sigma + 0.001)
        x = nxt.alpha * x0 + nxt.sigma * eps
        yield x


def wrong_unpack_order(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        a, s, _ = cur
        a2, s2, _ = nxt
        x0 = denoise(x, cur)
        eps = (x - a * x0) / s
        x = a2 * x0 + s2 * eps
        yield x


def wrong_eta_1(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / cur.sigma
        s = min(max(nxt.sigma ** 2 / cur.sigma ** 2 * (1 - (cur.alpha / nxt.alpha) ** 2), 0), nxt.sigma ** 2) ** 0.5
        x = nxt.alpha * x0 + (nxt.sigma ** 2 - s ** 2) ** 0.5 * eps + s * torch.randn_like(x)
        yield x


def wrong_disjoint_pairs(denoise, x, grid):
    for cur, nxt in zip(grid[0::2], grid[1::2]):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / cur.sigma
        x = nxt.alpha * x0 + nxt.sigma * eps
        yield x


def wrong_lerp_no_alpha(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        x0 = denoise(x, cur)
        r = nxt.sigma / cur.sigma
        x = r * x + (1 - r) * x0
        yield x


WRONG += [
    (wrong_yields_x0, ["the guess of x0 is yielded"]),
    (wrong_formula_1_no_sigma, ["equation (1) has sigma of nxt before the int"]),
    (wrong_sigma_eps_3, []),
    (wrong_unpack_order, ["a division by cur.alpha, which is 0 here: (x", "a level is (t, alpha, sigma), in this order"]),
    (wrong_eta_1, []),
    (wrong_disjoint_pairs, ["every other step is missing: pairs overlap, "]),
    (wrong_lerp_no_alpha, ["x and the guess are mixed by sigma alone: th"]),
]


def wrong_pops(denoise, x, grid):
    while len(grid) > 1:
        cur = grid.pop(0)
        x0 = denoise(x, cur)
        x = grid[0].alpha * x0 + grid[0].sigma * (x - cur.alpha * x0) / cur.sigma
        yield x


WRONG += [(wrong_pops, [])]


# What another reader wrote who had not seen this bank, and what was not told then.

def lagging(denoise, x, grid):
    x0 = denoise(x, grid[0])
    for cur, nxt in pairwise(grid):
        x = nxt.alpha * x0 + nxt.sigma * (x - cur.alpha * x0) / cur.sigma
        yield x
        x0 = denoise(x, cur)


WRONG += [(lagging, ["the guess is one step old"])]
