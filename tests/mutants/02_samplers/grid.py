"""Answers to 02-grid: right ones, and wrong ones with the causes that a report may name for them."""
import math

import numpy as np
import torch

from effml_lab.diffusion import levels

EXERCISE = "02-grid"


def right_tensor(n, sigma_max, sigma_min, rho=7):
    return torch.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n) ** rho


def right_list(n, sigma_max, sigma_min, rho=7):
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return [(high + i / (n - 1) * (low - high)) ** rho for i in range(n)]


def right_numpy(n, sigma_max, sigma_min, rho=7.0):
    ramp = np.linspace(1, 0, n)
    return (ramp * sigma_max ** (1 / rho) + (1 - ramp) * sigma_min ** (1 / rho)) ** rho


def right_log(n, sigma_max, sigma_min, rho=7):
    ends = torch.tensor([sigma_max, sigma_min], dtype=torch.float64)
    high, low = (ends.log() / rho).exp()
    return (x for x in (rho * torch.lerp(high, low, torch.linspace(0, 1, n, dtype=torch.float64)).log()).exp())


def with_share(share, rooted=lambda s, rho: s ** (1 / rho), power=lambda s, rho: s**rho):
    def answer(n, sigma_max, sigma_min, rho=7):
        high, low = rooted(sigma_max, rho), rooted(sigma_min, rho)
        return [power(high + share(i, n) * (low - high), rho) for i in range(n)]
    return answer


def even(i, n):
    return i / (n - 1)


def right_column(n, sigma_max, sigma_min, rho=7):
    """A column of float32: the lab's figure takes it."""
    return right_tensor(n, sigma_max, sigma_min, rho)[:, None]


def wrong_seven(n, sigma_max, sigma_min, rho=7):
    return right_tensor(n, sigma_max, sigma_min, 7)


def wrong_zero_behind(n, sigma_max, sigma_min, rho=7):
    return torch.cat([right_tensor(n, sigma_max, sigma_min, rho), torch.zeros(1)])


def wrong_one_more(n, sigma_max, sigma_min, rho=7):
    return right_tensor(n + 1, sigma_max, sigma_min, rho)


def wrong_one_less(n, sigma_max, sigma_min, rho=7):
    return right_tensor(n, sigma_max, sigma_min, rho)[:-1]


def wrong_lambda(n, sigma_max, sigma_min, rho=7):
    return torch.linspace(math.log(sigma_max), math.log(sigma_min), n).exp()


def wrong_rising(n, sigma_max, sigma_min, rho=7):
    return right_tensor(n, sigma_min, sigma_max, rho)


def wrong_lams(n, sigma_max, sigma_min, rho=7):
    return -right_tensor(n, sigma_max, sigma_min, rho).log()


def wrong_one_number(n, sigma_max, sigma_min, rho=7):
    return sigma_max ** (1 / rho)


def wrong_column(n, sigma_max, sigma_min, rho=7):
    return right_tensor(n, sigma_max, sigma_min, rho).reshape(1, -1)


def wrong_zero_first(n, sigma_max, sigma_min, rho=7):
    return torch.linspace(0, sigma_max ** (1 / rho), n).flip(0) ** rho


def wrong_calls(n, sigma_max, sigma_min, rho=7):
    schedule = levels.edm(sigma_max, sigma_min)
    return [level.sigma for level in schedule.grid(n, "karras", clean=True)[:-1]]


RIGHT = [right_tensor, right_list, right_numpy, right_log, right_column]
WRONG = [
    (with_share(even, rooted=lambda s, rho: s**1 / rho), ["1 / rho in brackets"]),
    (with_share(lambda i, n: -even(i, n)), ["the difference is the other way round"]),
    (with_share(even, lambda s, rho: s, lambda s, rho: s), ["evenly spaced in sigma"]),
    (with_share(lambda i, n: i / n), ["i / n where"]),
    (with_share(lambda i, n: (i + 1) / n), ["(i + 1) / n"]),
    (with_share(even, power=lambda s, rho: s), ["not raised"]),
    (with_share(even, rooted=lambda s, rho: s), ["not given their"]),
    (with_share(even, lambda s, rho: s**rho, lambda s, rho: s ** (1 / rho)), ["exchanged: the ends get"]),
    (with_share(lambda i, n: 1 - even(i, n)), ["ends are exchanged"]),
    (with_share(even, lambda s, rho: s ** (1 // rho)), ["1 // rho is 0"]),
    (wrong_seven, ["whatever rho"]),
    (wrong_zero_behind, ["a 0 stands at the end"]),
    (wrong_one_more, ["one too many"]),
    (wrong_one_less, ["one is missing"]),
    (wrong_lambda, ["that is the lambda grid"]),
    (wrong_rising, ["ends are exchanged"]),
    (wrong_lams, ["these are lambda"]),
    (wrong_one_number, []),
    (wrong_column, []),
    (wrong_zero_first, []),
    (wrong_calls, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def right_float32(n, sigma_max, sigma_min, rho=7.0):
    """The figure reads the ratios one by one: a list will do, a row of one number each, and seven digits."""
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high + torch.arange(n) / (n - 1) * (low - high)) ** rho


def wrong_root_of_difference(n, sigma_max, sigma_min, rho=7.0):
    return [(sigma_max ** (1 / rho) - even(i, n) * (sigma_max - sigma_min) ** (1 / rho)) ** rho for i in range(n)]


def wrong_no_brackets(n, sigma_max, sigma_min, rho=7.0):
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return [(high + even(i, n) * low - high) ** rho for i in range(n)]


RIGHT += [right_float32]
WRONG += [
    (wrong_root_of_difference, ["the root of the difference"]),
    (wrong_no_brackets, ["brackets are missing"]),
    (with_share(lambda i, n: i / (n + 1)), ["i / (n + 1) where"]),
    (with_share(lambda i, n: i // (n - 1)), ["is a whole number"]),
]


# What another reader wrote who had not seen this bank, and what was not told then.

def spread(of, share=lambda n: torch.linspace(0, 1, n, dtype=torch.float64), root=lambda rho: 1 / rho):
    return lambda n, sigma_max, sigma_min, rho=7.0: of(
        share(n), sigma_max ** root(rho), sigma_min ** root(rho), rho, sigma_max, sigma_min)


WRONG += [
    (spread(lambda i, a, b, rho, high, low: high + (i * (b - a)) ** rho), ["the power is that of the whole sum"]),
    (spread(lambda i, a, b, rho, *_: (a + i * b) ** rho), ["sigma_min's root is added whole"]),
    (spread(lambda i, a, b, rho, *_: (a + i * (b - a)) ** 2, root=lambda rho: 0.5), ["square roots are spaced evenly"]),
    (spread(lambda i, a, b, rho, *_: (a + i * (b - a)) ** rho, root=lambda rho: -1 / rho), ["not -1 / rho"]),
    (spread(lambda i, a, b, rho, high, low: ((1 - i) ** rho * high).clamp(min=low)), ["only a floor"]),
]
