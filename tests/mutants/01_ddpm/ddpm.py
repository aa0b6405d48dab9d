"""Answers to 01-ddpm: right ones, and wrong ones with the causes that a report may name for them."""
from functools import partial
from itertools import pairwise

import torch

from effml_lab.diffusion import levels, samplers

EXERCISE = "01-ddpm"


def right_posterior(denoise, x, grid, variance="small", rng=None):
    for cur, nxt in pairwise(grid):
        now, before = cur.alpha**2, nxt.alpha**2
        beta = 1 - now / before
        x0 = denoise(x, cur)
        x = (before**0.5 * beta * x0 + (1 - beta) ** 0.5 * (1 - before) * x) / (1 - now)
        if nxt.sigma > 0:
            var = beta if variance == "large" else beta * (1 - before) / (1 - now)
            x = x + var**0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_step(denoise, x, grid, variance="small", rng=None):
    states = []
    for i in range(len(grid) - 1):
        cur, nxt = grid[i], grid[i + 1]
        fresh = samplers.share(cur, nxt)
        z = torch.randn(x.shape, generator=rng)
        x = samplers.step(x, denoise(x, cur), cur, nxt, fresh)
        std = nxt.sigma * fresh if variance == "small" else (1 - (cur.alpha / nxt.alpha) ** 2) ** 0.5
        x = x + (std if nxt.sigma else 0.0) * z
        states.append(x)
    return iter(states)


@torch.no_grad()
def right_float64(denoise, x, grid, variance="small", rng=None):
    y = x.double()
    for i in range(1, len(grid)):
        now, before = (torch.tensor(level.alpha, dtype=torch.float64) ** 2 for level in (grid[i - 1], grid[i]))
        beta = 1 - now / before
        y = (before.sqrt() * beta * denoise(y.float(), grid[i - 1]) + (1 - beta).sqrt() * (1 - before) * y) / (1 - now)
        if i < len(grid) - 1:
            var = beta if variance == "large" else beta * (1 - before) / (1 - now)
            y = y + var.sqrt() * torch.randn(x.shape, generator=rng)
        yield y.float()


class RightIterator:
    def __call__(self, denoise, x, grid, variance="small", rng=None):
        self.states = right_posterior(denoise, x, grid, variance, rng)
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.states)


def with_change(mean=None, std=None, always=False, whole=True, start=False, seeded=True, draw=None, skip=None):
    def answer(denoise, x, grid, variance="small", rng=None):
        if start:
            yield x
        for cur, nxt in pairwise(grid):
            x0, beta = denoise(x, cur), 1 - cur.alpha**2 / nxt.alpha**2
            small = beta * nxt.sigma**2 / cur.sigma**2
            plain = (nxt.alpha * beta * x0 + (1 - beta) ** 0.5 * nxt.sigma**2 * x) / cur.sigma**2
            x = mean(x, x0, cur, nxt) if mean else plain
            size = (std or deviation)(beta, small, variance, cur, nxt)
            if always or nxt.sigma and not (skip and skip(cur, nxt)):
                x = x + size * (draw(x, rng) if draw else torch.randn(x.shape, generator=rng if seeded else None))
            if whole:
                yield x
        if not whole:
            yield x
    return answer


def deviation(beta, small, variance, cur, nxt):
    return (beta if variance == "large" else small) ** 0.5


def ddim_mean(x, x0, cur, nxt):
    return nxt.alpha * x0 + nxt.sigma * (x - cur.alpha * x0) / cur.sigma


def one_step(beta, small, variance, cur, nxt):
    return (1 - (cur.alpha / levels.linear()(max(cur.t - 1, 0)).alpha) ** 2) ** 0.5


def exchanged(beta, small, variance, cur, nxt):
    return deviation(beta, small, {"large": "small", "small": "large"}[variance], cur, nxt)


def wrong_returns(denoise, x, grid, variance="small", rng=None):
    return list(right_posterior(denoise, x, grid, variance, rng))[-1]


def wrong_early(denoise, x, grid, variance="small", rng=None):
    yield x
    yield from list(right_posterior(denoise, x, grid, variance, rng))[:-1]


def wrong_late(denoise, x, grid, variance="small", rng=None):
    for cur, nxt in pairwise(grid):
        x0, beta = denoise(x, cur), 1 - cur.alpha**2 / nxt.alpha**2
        small = beta * nxt.sigma**2 / cur.sigma**2
        x = (nxt.alpha * beta * x0 + (1 - beta) ** 0.5 * nxt.sigma**2 * x) / cur.sigma**2
        yield x
        x = x + deviation(beta, small, variance, cur, nxt) * torch.randn(x.shape, generator=rng)


def wrong_alias(denoise, x, grid, variance="small", rng=None):
    one, states = x.clone(), []
    for state in right_posterior(denoise, x, grid, variance, rng):
        one.copy_(state)
        states.append(one)
    return states


def wrong_restart(denoise, x, grid, variance="small", rng=None):
    for pair in pairwise(grid):
        yield from right_posterior(denoise, x, pair, variance, rng)


def wrong_exchanged_levels(denoise, x, grid, variance="small", rng=None):
    for cur, nxt in pairwise(grid):
        yield from right_posterior(denoise, x, [nxt, cur], variance, rng)


def wrong_next_level(denoise, x, grid, variance="small", rng=None):
    following = dict(pairwise(grid))
    return right_posterior(lambda x, level: denoise(x, following[level]), x, grid, variance, rng)


def wrong_eps(denoise, x, grid, variance="small", rng=None):
    to_x0 = lambda x, level: (x - level.sigma * denoise(x, level)) / level.alpha
    return right_posterior(to_x0, x, grid, variance, rng)


def wrong_pairs(denoise, x, grid, variance="small", rng=None):
    for x in right_posterior(denoise, x, grid, variance, rng):
        yield x, 0


def sigma_mean(x, x0, cur, nxt):
    beta = 1 - cur.alpha**2 / nxt.alpha**2
    return (nxt.alpha * beta * x0 + (1 - beta) ** 0.5 * nxt.sigma * x) / cur.sigma


def wrong_calls(denoise, x, grid, variance="small", rng=None):
    return samplers.ddpm(denoise, x, grid, variance, rng)


def right_indices(denoise, x, grid, variance="small", rng=None):
    """A table of variances first, noise drawn at the end too and thrown away."""
    n = len(grid) - 1
    large = [1 - (grid[i].alpha / grid[i + 1].alpha) ** 2 for i in range(n)]
    sizes = {"large": large, "small": [b * (grid[i + 1].sigma / grid[i].sigma) ** 2 for i, b in enumerate(large)]}[variance]
    for i in range(n):
        now, then, x0 = grid[i], grid[i + 1], denoise(x, grid[i])
        eps = (x - now.alpha * x0) / now.sigma
        x = then.alpha / now.alpha * (x - large[i] / now.sigma * eps)
        z = torch.randn(x.shape, generator=rng)
        x = x + (sizes[i] ** 0.5 * z if then.sigma else 0)
        yield x


def wrong_default(denoise, x, grid, variance="large", rng=None):
    return right_posterior(denoise, x, grid, variance, rng)


def wrong_guesses(denoise, x, grid, variance="small", rng=None):
    seen = []
    remembered = lambda x, level: seen.append(denoise(x, level)) or seen[-1]
    for _ in right_posterior(remembered, x, grid, variance, rng):
        yield seen[-1]


def wrong_clip(most):
    return lambda denoise, x, grid, variance="small", rng=None: right_posterior(
        lambda x, level: denoise(x, level).clamp(-most, most), x, grid, variance, rng)


def weights(of_x0, of_x):
    beta = lambda cur, nxt: 1 - cur.alpha**2 / nxt.alpha**2
    return with_change(mean=lambda x, x0, c, n: (of_x0(beta(c, n), c, n) * x0 + of_x(beta(c, n), c, n) * x) / c.sigma**2)


def drawn(*sizes):
    return with_change(draw=lambda x, rng: torch.randn([n or m for n, m in zip(sizes, x.shape)], generator=rng).expand(x.shape))


def halves(x, rng):
    z = torch.randn(len(x) // 2, *x.shape[1:], generator=rng)
    return torch.cat([z, -z])


RIGHT = [right_posterior, right_float64, RightIterator(), right_indices]
WRONG = [
    (with_change(always=True, std=lambda b, s, v, c, n: b**0.5), ["other variance", "noise is added on the last step"]),
    (with_change(mean=ddim_mean), ["all of the old noise is kept"]),
    (with_change(std=one_step), ["the one-step beta"]),
    (with_change(std=exchanged), ["the other variance"]),
    (with_change(std=lambda b, s, v, c, n: deviation(b, s, v, c, n) ** 2), ["a variance was used"]),
    (with_change(std=lambda b, s, v, c, n: 0.0), ["no noise is added"]),
    (with_change(std=lambda b, s, v, c, n: c.sigma), ["the noise of all steps"]),
    (with_change(mean=lambda x, x0, c, n: n.alpha * x0), ["the old noise is dropped"]),
    (with_change(whole=False), ["only one state"]),
    (with_change(start=True), ["the start was yielded"]),
    (with_change(seeded=False), ["not all that is random comes from rng"]),
    (with_change(draw=lambda x, rng: torch.rand(x.shape, generator=rng)), ["uniform noise"]),
    (with_change(draw=lambda x, rng: torch.randn(1, generator=rng)), ["one number for the whole batch"]),
    (with_change(draw=lambda x, rng: torch.randn(len(x), 1, 1, 1, generator=rng)), ["one number for each picture"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape[1:], generator=rng)), ["the same noise for every picture"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape, generator=torch.Generator().manual_seed(0))),
     ["in every step", "a generator of your own"]),
    (with_change(skip=lambda cur, nxt: nxt.t == 0), ["on the step to t = 0"]),
    (with_change(std=lambda b, s, v, c, n: s**0.5), ["the other variance"]),
    (with_change(mean=lambda x, x0, c, n: n.alpha * x0, std=lambda b, s, v, c, n: n.sigma),
     ["the old noise is dropped", "is new"]),
    (with_change(mean=sigma_mean), ["sigma where sigma²"]),
    (wrong_early, ["yielded before its step", "the start was yielded"]),
    (wrong_late, ["added after `yield`"]),
    (wrong_alias, ["one tensor, changed in place"]),
    (wrong_restart, ["starts at the first x again", "a generator of your own"]),
    (wrong_exchanged_levels, []),
    (wrong_next_level, ["asked at nxt"]),
    (wrong_eps, ["x0 itself, not eps"]),
    (wrong_pairs, []),
    (wrong_returns, []),
    (wrong_calls, []),
    (samplers.ddpm, []),
    (partial(samplers.ddim, eta=1.0), []),
    (wrong_step, []),
    (wrong_default, ["another default"]),
    (wrong_guesses, ["the guess of x0 is yielded"]),
    (wrong_clip(1), ["clipped to -1"]),
    (wrong_clip(2), ["clipped: denoise"]),
    (wrong_clip(3), ["the state is clipped"]),
    (weights(lambda b, c, n: n.alpha * b, lambda b, c, n: (1 - b) * n.sigma**2), ["1 - beta where its square root"]),
    (weights(lambda b, c, n: n.alpha, lambda b, c, n: (1 - b) ** 0.5 * n.sigma**2), ["beta is missing"]),
    (weights(lambda b, c, n: c.alpha * b, lambda b, c, n: (1 - b) ** 0.5 * n.sigma**2), ["alpha of cur"]),
    (weights(lambda b, c, n: n.alpha * b, lambda b, c, n: (1 - b) ** 0.5 * c.sigma**2), ["sigma of cur"]),
    (weights(lambda b, c, n: n.alpha**2 * b, lambda b, c, n: (1 - b) ** 0.5 * n.sigma**2), ["alpha² and alpha"]),
    (with_change(std=lambda b, s, v, c, n: 1.0), ["noise of size 1"]),
    (with_change(std=lambda b, s, v, c, n: 1.03 * deviation(b, s, v, c, n)), []),
    (with_change(std=lambda b, s, v, c, n: 0.97 * deviation(b, s, v, c, n)), []),
    (drawn(0, 1, 0, 0), ["the same noise for every channel"]),
    (drawn(0, 0, 1, 0), ["the same noise in every row"]),
    (drawn(0, 0, 0, 1), ["the same noise in every column"]),
    (with_change(draw=halves), ["mirrored"]),
    (with_change(draw=lambda x, rng: torch.randint(2, x.shape, generator=rng) * 2.0 - 1), ["two values only"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape, generator=rng).clamp(-2, 2)), ["not normal"]),
    (with_change(mean=lambda x, x0, c, n: x0), ["the guess of x0"]),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def mean_(x, x0, a, p, b):
    return p ** 0.5 * b / (1 - a) * x0 + (1 - b) ** 0.5 * (1 - p) / (1 - a) * x


def parts(cur, nxt):
    a, p = (cur.alpha ** 2, nxt.alpha ** 2)
    b = 1 - a / p
    return (a, p, b, (1 - p) / (1 - a) * b)


def wrong_beta_inverted(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        a, p = (cur.alpha ** 2, nxt.alpha ** 2)
        b = 1 - p / a
        v = (1 - p) / (1 - a) * b if variance == 'small' else b
        x = mean_(x, denoise(x, cur), a, p, b)
        if nxt.sigma > 0:
            x = x + abs(v) ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_small_inverted(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        a, p, b, s = parts(cur, nxt)
        x = mean_(x, denoise(x, cur), a, p, b)
        if nxt.sigma > 0:
            x = x + ((1 - a) / (1 - p) * b if variance == 'small' else b) ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_small_no_beta(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        a, p, b, s = parts(cur, nxt)
        v = nxt.sigma ** 2 / cur.sigma ** 2 if variance == 'small' else b
        x = mean_(x, denoise(x, cur), a, p, b)
        if nxt.sigma > 0:
            x = x + v ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_noise_only_out(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        a, p, b, s = parts(cur, nxt)
        v = s if variance == 'small' else b
        x = mean_(x, denoise(x, cur), a, p, b)
        yield (x + v ** 0.5 * torch.randn(x.shape, generator=rng) if nxt.sigma > 0 else x)


def wrong_ve_beta(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        a, p = (cur.alpha ** 2, nxt.alpha ** 2)
        b = cur.sigma ** 2 - nxt.sigma ** 2
        v = (1 - p) / (1 - a) * b if variance == 'small' else b
        x = mean_(x, denoise(x, cur), a, p, b)
        if nxt.sigma > 0:
            x = x + v ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_epsilon(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        a, p, b, s = parts(cur, nxt)
        v = s if variance == 'small' else b
        d = cur.sigma ** 2 + 1e-05
        x = nxt.alpha * b / d * denoise(x, cur) + (1 - b) ** 0.5 * nxt.sigma ** 2 / d * x
        if nxt.sigma > 0:
            x = x + v ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_pair_swapped(denoise, x, grid, variance='small', rng=None):
    for nxt, cur in zip(grid, grid[1:]):
        a, p, b, s = parts(cur, nxt)
        v = s if variance == 'small' else b
        x = mean_(x, denoise(x, cur), a, p, b)
        if nxt.sigma > 0:
            x = x + v ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_reversed_grid(denoise, x, grid, variance='small', rng=None):
    grid = list(reversed(grid))
    for cur, nxt in zip(grid, grid[1:]):
        a, p, b, s = parts(cur, nxt)
        v = s if variance == 'small' else b
        x = mean_(x, denoise(x, cur), a, p, b)
        if nxt.sigma > 0:
            x = x + abs(v) ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_mean_swapped(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        a, p, b, s = parts(cur, nxt)
        v = s if variance == 'small' else b
        x = mean_(denoise(x, cur), x, a, p, b)
        if nxt.sigma > 0:
            x = x + v ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


def wrong_last_skipped(denoise, x, grid, variance='small', rng=None):
    for cur, nxt in zip(grid, grid[1:]):
        if nxt.sigma > 0:
            a, p, b, s = parts(cur, nxt)
            v = s if variance == 'small' else b
            x = mean_(x, denoise(x, cur), a, p, b) + v ** 0.5 * torch.randn(x.shape, generator=rng)
        yield x


WRONG += [
    (wrong_beta_inverted, ["upside down: beta = 1 - alpha² of cur over t"]),
    (wrong_small_inverted, ["upside down: sigma² of nxt belongs above, th"]),
    (wrong_small_no_beta, ["beta is missing: this is the share of it tha"]),
    (wrong_noise_only_out, ["denoise is shown another x than the state th"]),
    (wrong_ve_beta, ["sigma² of cur less that of nxt: alpha shrink"]),
    (wrong_epsilon, []),
    (wrong_pair_swapped, []),
    (wrong_reversed_grid, []),
    (wrong_mean_swapped, ["x and the guess of x0 are exchanged"]),
    (wrong_last_skipped, ["the step to the clean level leaves x as it i"]),
]


def wrong_pops(denoise, x, grid, variance="small", rng=None):
    while len(grid) > 1:
        cur = grid.pop(0)
        x, = right_posterior(denoise, x, [cur, grid[0]], variance, rng)
        yield x


WRONG += [(wrong_pops, [])]
