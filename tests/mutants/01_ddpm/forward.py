"""Answers to 01-forward: right ones, and wrong ones with the causes that a report may name for them."""
import functools
import math

import torch

EXERCISE = "01-forward"


def spread(values, x):
    return values.view(-1, *[1] * (x.dim() - 1))


def right_view(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def right_each(x0, t, abar, eps):
    return torch.stack([abar[i] ** 0.5 * x + (1 - abar[i]) ** 0.5 * e for x, i, e in zip(x0, t, eps)])


def right_transposed(x0, t, abar, eps):
    a = abar.sqrt().gather(0, t)
    s = (1 - abar).sqrt().gather(0, t)
    return (x0.transpose(0, -1) * a + eps.transpose(0, -1) * s).transpose(0, -1)


def right_einsum(x0, t, abar, eps):
    scaled = lambda factor, x: torch.einsum("b,b...->b...", factor, x)
    return scaled(abar[t].sqrt(), x0) + scaled((1 - abar[t]).sqrt(), eps)


def right_filled(x0, t, abar, eps):
    x = torch.zeros_like(x0)
    for i in range(len(x0)):
        x[i] = math.sqrt(abar[t[i]]) * x0[i] + math.sqrt(1 - abar[t[i]]) * eps[i]
    return x


def wrong_no_root(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a * x0 + (1 - a).sqrt() * eps


def wrong_variance(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a.sqrt() * x0 + (1 - a) * eps


def wrong_same_factor(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a.sqrt() * x0 + a.sqrt() * eps


def wrong_before(x0, t, abar, eps):
    a = spread(abar[t - 1], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_first_t(x0, t, abar, eps):
    a = abar[t[0]]
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_axis(x0, t, abar, eps):
    if len(t) != x0.shape[-1]:
        return right_view(x0, t, abar, eps)
    return abar[t].sqrt() * x0 + (1 - abar[t]).sqrt() * eps


def wrong_in_place(x0, t, abar, eps):
    a = spread(abar[t], x0)
    x0 *= a.sqrt()
    return x0 + (1 - a).sqrt() * eps


def wrong_own_noise(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * torch.randn_like(x0)


def wrong_four_dimensions(x0, t, abar, eps):
    a = abar[t].view(-1, 1, 1, 1)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_abar_for_alpha(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a * x0 + (1 - a**2).sqrt() * eps


def wrong_minus(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a.sqrt() * x0 - (1 - a).sqrt() * eps


def wrong_exchanged(x0, t, abar, eps):
    return right_view(eps, t, abar, x0)


def wrong_mean_t(x0, t, abar, eps):
    a = abar[t].mean()
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_precision(x0, t, abar, eps):
    return right_view(x0, t, abar.double() if x0.dtype == torch.float32 else abar.float(), eps)


def wrong_list(x0, t, abar, eps):
    return list(right_each(x0, t, abar, eps))


def with_table(table):
    """Alpha-bar read elsewhere: table(abar, t) -> (B,)."""
    def answer(x0, t, abar, eps):
        a = spread(table(abar, t), x0).to(x0.dtype)
        return a.sqrt() * x0 + (1 - a).sqrt() * eps
    return answer


def laid(*shape):
    def answer(x0, t, abar, eps):
        a = abar[t].view(-1, *shape)
        return a.sqrt() * x0 + (1 - a).sqrt() * eps
    return answer


def wrong_mix(x0, t, abar, eps):
    share = spread(t / len(abar), x0).to(x0.dtype)
    return (1 - share) * x0 + share * eps


def wrong_no_roots(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a * x0 + (1 - a) * eps


def wrong_clean_start(x0, t, abar, eps):
    return torch.where(spread(t, x0) == 0, x0, right_view(x0, t, abar, eps))


def wrong_renewed(x0, t, abar, eps):
    eps = torch.randn(x0.shape).to(x0)
    return right_view(x0, t, abar, eps)


def wrong_one_of_them(x0, t, abar, eps):
    a = spread(abar[t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt()


PAPER = torch.linspace(1e-4, 0.02, 1000)


RIGHT = [right_view, right_each, right_transposed, right_einsum, right_filled, functools.partial(right_view)]
WRONG = [
    (wrong_no_root, ["root is missing"]),
    (wrong_variance, ["variance 1 - alpha-bar"]),
    (wrong_same_factor, ["sqrt(alpha-bar) scales the noise:"]),
    (wrong_before, ["t - 1"]),
    (wrong_first_t, ["t of the first"]),
    (wrong_axis, ["a column of the picture"]),
    (wrong_in_place, []),
    (wrong_own_noise, ["changes from call to call"]),
    (wrong_four_dimensions, ["a factor of shape (B, 1, 1, 1)"]),
    (wrong_abar_for_alpha, ["root is missing", "squared once more"]),
    (wrong_minus, ["the noise is subtracted"]),
    (wrong_exchanged, ["scales the picture", "sqrt(alpha-bar) scales the noise:"]),
    (wrong_mean_t, []),
    (wrong_precision, []),
    (wrong_list, []),
    (with_table(lambda abar, t: 1 - PAPER[t]), ["beta of the notebook"]),
    (with_table(lambda abar, t: (1 - PAPER).cumprod(0)[t]), ["the notebook's table"]),
    (with_table(lambda abar, t: abar.cumprod(0)[t]), ["taken once more"]),
    (with_table(lambda abar, t: (1 - abar).cumprod(0)[t]), ["taken for betas"]),
    (with_table(lambda abar, t: abar[(t - 1).clamp(min=0)]), ["t - 1, and at 0"]),
    (with_table(lambda abar, t: torch.cat([abar.new_ones(1), abar])[t]), ["with 1 before t = 0"]),
    (with_table(lambda abar, t: abar[(t + 1).clamp(max=len(abar) - 1)]), ["t + 1"]),
    (with_table(lambda abar, t: 1 - t / len(abar)), ["t / T is no level"]),
    (with_table(lambda abar, t: abar[t.sort().values]), []),
    (laid(), ["a column of the picture"]),
    (laid(1), ["a row of the picture"]),
    (laid(1, 1), ["a channel of the picture"]),
    (wrong_mix, ["by 1 - t / T", "by t / T"]),
    (wrong_no_roots, ["root is missing", "variance 1 - alpha-bar"]),
    (wrong_clean_start, ["t = 0 is taken for clean"]),
    (wrong_renewed, ["changes from call to call"]),
    (wrong_one_of_them, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def col(a, x):
    return a.reshape(-1, *[1] * (x.ndim - 1))


def wrong_one_step(x0, t, abar, eps):
    prev = torch.cat([torch.ones(1, dtype=abar.dtype), abar[:-1]])
    beta = col(1 - abar[t] / prev[t], x0)
    return (1 - beta).sqrt() * x0 + beta.sqrt() * eps


def wrong_root_of_sum_variance(x0, t, abar, eps):
    a = col(abar[t], x0)
    return (a * x0 ** 2 + (1 - a) * eps ** 2).sqrt()


def wrong_noise_eps_clamp(x0, t, abar, eps):
    a = col(abar[t], x0)
    return a.sqrt() * x0 + (1 - a + 0.01).sqrt() * eps


def wrong_half(x0, t, abar, eps):
    a = col(abar[t], x0).half()
    return (a.sqrt() * x0.half() + (1 - a).sqrt() * eps.half()).to(x0.dtype)


def wrong_power_t(x0, t, abar, eps):
    a = col(abar[0] ** t, x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_clamp_abar_01(x0, t, abar, eps):
    a = col(abar[t].clamp(min=0.01), x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_clamp_sigma_01(x0, t, abar, eps):
    a = col(abar[t], x0)
    return a.sqrt() * x0 + (1 - a).clamp(min=0.001).sqrt() * eps


def wrong_eps6(x0, t, abar, eps):
    a = col(abar[t], x0)
    return (a + 1e-06).sqrt() * x0 + (1 - a + 1e-06).sqrt() * eps


def wrong_sqrt_of_sum(x0, t, abar, eps):
    a = col(abar[t], x0)
    return (a * x0 + (1 - a) * eps).sqrt()


def wrong_squared(x0, t, abar, eps):
    a = col(abar[t], x0)
    return a ** 2 * x0 + (1 - a) ** 2 * eps


def wrong_eps_times_both(x0, t, abar, eps):
    a = col(abar[t], x0)
    return a.sqrt() * (x0 + (1 - a).sqrt() * eps)


def wrong_no_index(x0, t, abar, eps):
    a = col(abar[:len(x0)], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_mean_t_too(x0, t, abar, eps):
    a = abar[t.float().mean().long()]
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_reversed_time(x0, t, abar, eps):
    a = col(abar[len(abar) - 1 - t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def wrong_eps_std(x0, t, abar, eps):
    a = col(abar[t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * (eps - eps.mean()) / eps.std()


WRONG += [
    (wrong_one_step, ["one step's alpha-bar[t] / alpha-bar[t - 1]: "]),
    (wrong_root_of_sum_variance, []),
    (wrong_noise_eps_clamp, []),
    (wrong_half, []),
    (wrong_power_t, []),
    (wrong_clamp_abar_01, []),
    (wrong_clamp_sigma_01, []),
    (wrong_eps6, []),
    (wrong_sqrt_of_sum, []),
    (wrong_squared, ["1 - alpha-bar is squared: its square root be", "alpha-bar is squared: its square root belong"]),
    (wrong_eps_times_both, ["sqrt(alpha-bar) multiplies the noise as well"]),
    (wrong_no_index, ["the first entries of abar, whatever t is: re"]),
    (wrong_mean_t_too, []),
    (wrong_reversed_time, ["counted from the other end: abar[t] is that "]),
    (wrong_eps_std, []),
]
