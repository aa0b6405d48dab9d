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


def right_step(denoise, x, grid, variance="small", rng=None):
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


def with_change(mean=None, std=None, always=False, whole=True, start=False, seeded=True):
    def answer(denoise, x, grid, variance="small", rng=None):
        if start:
            yield x
        for cur, nxt in pairwise(grid):
            x0, beta = denoise(x, cur), 1 - cur.alpha**2 / nxt.alpha**2
            small = beta * nxt.sigma**2 / cur.sigma**2
            plain = (nxt.alpha * beta * x0 + (1 - beta) ** 0.5 * nxt.sigma**2 * x) / cur.sigma**2
            x = mean(x, x0, cur, nxt) if mean else plain
            size = (std or deviation)(beta, small, variance, cur, nxt)
            if always or nxt.sigma:
                x = x + size * torch.randn(x.shape, generator=rng if seeded else None)
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


def wrong_calls(denoise, x, grid, variance="small", rng=None):
    return samplers.ddpm(denoise, x, grid, variance, rng)


RIGHT = [right_posterior, right_step]
WRONG = [
    (with_change(always=True, std=lambda b, s, v, c, n: b**0.5), ["other variance", "noise is added on the last step"]),
    (with_change(mean=ddim_mean), ["all of the old noise is kept"]),
    (with_change(std=one_step), ["the one-step beta"]),
    (with_change(std=exchanged), ["the other variance"]),
    (with_change(std=lambda b, s, v, c, n: deviation(b, s, v, c, n) ** 2), ["a variance was used"]),
    (with_change(std=lambda b, s, v, c, n: 0.0), ["no noise is added"]),
    (with_change(std=lambda b, s, v, c, n: c.sigma), ["the noise of all steps"]),
    (with_change(mean=lambda x, x0, c, n: n.alpha * x0), ["the old noise is dropped"]),
    (with_change(whole=False), ["only the end"]),
    (with_change(start=True), ["the start was yielded"]),
    (with_change(seeded=False), []),
    (wrong_returns, []),
    (wrong_calls, []),
    (samplers.ddpm, []),
    (partial(samplers.ddim, eta=1.0), []),
]
