"""Answers to 04-multistep: right ones, and wrong ones with the causes that a report may name for them."""
from itertools import pairwise

import torch

from effml_lab.diffusion import samplers
from effml_lab.diffusion.step import step

EXERCISE = "04-multistep"


def noise(x, rng):
    return torch.randn(x.shape, generator=rng, dtype=x.dtype)


def right(denoise, x, grid, rng):
    for cur, nxt in zip(grid, grid[1:]):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * noise(x, rng)
        yield x


def right_step(denoise, x, grid, rng=None):
    for cur, nxt in zip(grid[:-1], grid[1:]):
        z = noise(x, rng) if nxt.sigma > 0 else None
        x = step(x, denoise(x, cur), cur, nxt, 1.0, z)
        yield x


def right_list(denoise, x, grid, rng):
    states = []
    for i in range(len(grid) - 1):
        guess = denoise(x, grid[i])
        x = guess if grid[i + 1].sigma == 0 else grid[i + 1].alpha * guess + grid[i + 1].sigma * noise(x, rng)
        states.append(x)
    return states


def of(make, at=lambda cur, nxt: cur, draw=noise):
    def answer(denoise, x, grid, rng):
        for cur, nxt in zip(grid, grid[1:]):
            x = make(x, denoise(x, at(cur, nxt)), draw(x, rng), cur, nxt)
            yield x
    return answer


def wrong_once(denoise, x, grid, rng):
    z = noise(x, rng)
    for cur, nxt in zip(grid, grid[1:]):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * z
        yield x


def wrong_start(denoise, x, grid, rng):
    start = x
    for cur, nxt in zip(grid, grid[1:]):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * start
        yield x


def wrong_no_end(denoise, x, grid, rng):
    for cur, nxt in zip(grid[:-2], grid[1:-1]):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * noise(x, rng)
        yield x


def wrong_guesses(denoise, x, grid, rng):
    for cur, nxt in zip(grid, grid[1:]):
        guess = denoise(x, cur)
        yield guess
        x = nxt.alpha * guess + nxt.sigma * noise(x, rng)


def wrong_early(denoise, x, grid, rng):
    for cur, nxt in zip(grid, grid[1:]):
        yield x
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * noise(x, rng)


def wrong_return(denoise, x, grid, rng):
    for cur, nxt in zip(grid, grid[1:]):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * noise(x, rng)
    return x


def wrong_backwards(denoise, x, grid, rng):
    for cur, nxt in zip(grid[::-1], grid[-2::-1]):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * noise(x, rng)
        yield x


def wrong_one_guess(denoise, x, grid, rng):
    guess = denoise(x, grid[0])
    for nxt in grid[1:]:
        yield nxt.alpha * guess + nxt.sigma * noise(x, rng)


right_formula = lambda x, g, z, cur, nxt: nxt.alpha * g + nxt.sigma * z
# A newcomer's own, written before any check was run


def noise_theirs(x, rng):
    return torch.randn(x.shape, generator=rng, dtype=x.dtype)


def newcomers_whole_grid(denoise, x, grid, rng):
    """I went over all levels of the grid, so the last guess is asked at the clean end."""
    for i, cur in enumerate(grid):
        nxt = grid[min(i + 1, len(grid) - 1)]
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * noise_theirs(x, rng)
        yield x


def newcomers_no_alpha(denoise, x, grid, rng):
    """I forgot alpha: guess + sigma noise, as in the paper, where alpha is 1."""
    for cur, nxt in pairwise(grid):
        x = denoise(x, cur) + nxt.sigma * noise_theirs(x, rng)
        yield x


def newcomers_alpha_sigma_swapped(denoise, x, grid, rng):
    """I swapped alpha and sigma."""
    for cur, nxt in pairwise(grid):
        x = nxt.sigma * denoise(x, cur) + nxt.alpha * noise_theirs(x, rng)
        yield x


def newcomers_one_noise_for_all(denoise, x, grid, rng):
    """I drew one noise for the whole batch."""
    for cur, nxt in pairwise(grid):
        x = nxt.alpha * denoise(x, cur) + nxt.sigma * torch.randn(x.shape[1:], generator=rng, dtype=x.dtype)
        yield x


def newcomers_root_of_alpha(denoise, x, grid, rng):
    """I took alpha for alpha-bar."""
    for cur, nxt in pairwise(grid):
        x = nxt.alpha ** 0.5 * denoise(x, cur) + (1 - nxt.alpha) ** 0.5 * noise_theirs(x, rng)
        yield x


def newcomers_ddim_eta(denoise, x, grid, rng):
    """I took DDIM with eta = 1 for it, which renews only a share of the noise."""
    yield from samplers.ddim(denoise, x, grid, eta=1.0, rng=rng)


def newcomers_half_old(denoise, x, grid, rng):
    """I added fresh noise to the DDIM step, so that there are two noises."""
    for cur, nxt in pairwise(grid):
        x = step(x, denoise(x, cur), cur, nxt) + nxt.sigma * noise_theirs(x, rng)
        yield x


def right_by_picture(denoise, x, grid, rng):
    for cur, nxt in pairwise(grid):
        spread = torch.full_like(x[0], nxt.sigma)
        x = torch.stack([torch.normal(nxt.alpha * one, spread, generator=rng) for one in denoise(x, cur)])
        yield x


RIGHT = [right, right_step, right_list, right_by_picture]
WRONG = [
    (of(lambda x, g, z, cur, nxt: step(x, g, cur, nxt)), ["the old noise is kept"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * g), ["no noise is added"]),
    (of(lambda x, g, z, cur, nxt: g), ["no noise is added"]),
    (of(lambda x, g, z, cur, nxt: g + nxt.sigma * z), ["not scaled: alpha"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * g + z), ["not scaled: sigma", "at the clean end, too"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * g + cur.sigma * z), ["cur's size", "at the clean end, too"]),
    (of(lambda x, g, z, cur, nxt: cur.alpha * g + cur.sigma * z), ["cur's size", "at the clean end, too"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * x + nxt.sigma * z), ["noise is added to x", "leaves the state as it"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * g + nxt.sigma**2 * z), ["sigma² where"]),
    (of(right_formula, at=lambda cur, nxt: nxt), ["asked at nxt"]),
    (of(right_formula, draw=lambda x, rng: torch.randn_like(x)), ["not all that is random"]),
    (of(right_formula, draw=lambda x, rng: torch.rand(x.shape, generator=rng, dtype=x.dtype)), ["uniform noise"]),
    (of(right_formula, draw=lambda x, rng: noise(x, torch.Generator().manual_seed(0))), ["the same noise"]),
    (of(right_formula, draw=lambda x, rng: torch.zeros_like(x)), ["no noise is added"]),
    (of(lambda x, g, z, cur, nxt: step(x, g, cur, nxt) + nxt.sigma * z), ["a part of the old noise is kept"]),
    (of(lambda x, g, z, cur, nxt: step(x, g, cur, nxt, 0.5, z)), ["a part of the old noise is kept"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * g + 0.1 * z), ["at the clean end, too"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * g.clamp(-1, 1) + nxt.sigma * z), ["the guess is clipped"]),
    (of(lambda x, g, z, cur, nxt: nxt.alpha * g + (1 - nxt.alpha**2) ** 0.5 * z), ["sqrt(1 - alpha²) stands"]),
    (of(right_formula, draw=lambda x, rng: 12**0.5 * (torch.rand(x.shape, generator=rng, dtype=x.dtype) - 0.5)), [
        "but not normal"]),
    (wrong_once, ["the same noise"]), (wrong_start, ["the old noise is kept"]),
    (wrong_no_end, ["one step is missing"]), (wrong_guesses, ["what is yielded is not"]),
    (wrong_early, ["yielded before"]), (wrong_return, []),
    (wrong_backwards, ["walked backwards"]), (wrong_one_guess, ["asked once in all"]),
    (newcomers_whole_grid, ["there is a step too many"]),
    (newcomers_no_alpha, ["the guess is not scaled"]),
    (newcomers_alpha_sigma_swapped, ["alpha and sigma are exchanged"]),
    (newcomers_one_noise_for_all, ["one noise for the whole batch"]),
    (newcomers_root_of_alpha, ["a root is taken of alpha"]),
    (newcomers_ddim_eta, ["a part of the old noise is kept"]),
    (newcomers_half_old, ["a part of the old noise is kept"]),
]
