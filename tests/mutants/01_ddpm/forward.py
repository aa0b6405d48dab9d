"""Answers to 01-forward: right ones, and wrong ones with the causes that a report may name for them."""
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


RIGHT = [right_view, right_each, right_transposed, right_einsum, right_filled]
WRONG = [
    (wrong_no_root, ["root is missing"]),
    (wrong_variance, ["variance 1 - alpha-bar"]),
    (wrong_same_factor, ["scales the noise too"]),
    (wrong_before, ["t - 1"]),
    (wrong_first_t, ["t of the first"]),
    (wrong_axis, ["a column of the picture"]),
    (wrong_in_place, []),
    (wrong_own_noise, []),
    (wrong_four_dimensions, ["a factor of shape (B, 1, 1, 1)"]),
    (wrong_abar_for_alpha, ["root is missing", "squared once more"]),
    (wrong_minus, ["the noise is subtracted"]),
    (wrong_exchanged, ["scales the picture", "scales the noise too"]),
    (wrong_mean_t, []),
    (wrong_precision, []),
    (wrong_list, []),
]
