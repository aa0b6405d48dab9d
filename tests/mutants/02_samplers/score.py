"""Answers to 02-score: right ones, and wrong ones with the causes that a report may name for them."""
import math

import torch
from torch import distributions

from effml_lab.diffusion.levels import Level
from effml_lab.diffusion.oracle import GaussianMixture

EXERCISE = "02-score"


def right_softmax(x, means, std, alpha, sigma):
    v = alpha**2 * std**2 + sigma**2
    offset = x[:, None] - alpha * means
    w = (-offset.square().sum(-1) / (2 * v)).softmax(-1)
    return -(w[..., None] * offset).sum(1) / v


def right_autograd(x, means, std, alpha, sigma):
    x = x.clone().requires_grad_()
    normal = distributions.Normal(alpha * means, math.hypot(alpha * std, sigma))
    return torch.autograd.grad(normal.log_prob(x[:, None]).sum(-1).logsumexp(1).sum(), x)[0]


def right_tweedie(x, means, std, alpha, sigma):
    v = (alpha * std) ** 2 + sigma**2
    w = torch.softmax(-torch.cdist(x, alpha * means) ** 2 / v / 2, dim=1)
    towards = w @ means
    x0 = towards + alpha * std**2 / v * (x - alpha * towards)
    return (alpha * x0 - x) / sigma**2


def right_each(x, means, std, alpha, sigma):
    v = torch.tensor(alpha**2 * std**2 + sigma**2, dtype=torch.float64)
    out = torch.empty_like(x)
    for i, point in enumerate(x.double()):
        logs = torch.stack([-((point - alpha * mean) ** 2).sum() / (2 * v) for mean in means.double()])
        w = (logs - logs.max()).exp()
        out[i] = sum(p * (alpha * mean - point) for p, mean in zip(w / w.sum(), means.double())) / v
    return out


def with_change(v=None, weights=None, offset=None, end=None):
    def answer(x, means, std, alpha, sigma):
        var = v(std, alpha, sigma) if v else alpha**2 * std**2 + sigma**2
        off = offset(x, means, alpha) if offset else x[:, None] - alpha * means
        w = weights(off, var) if weights else (-off.square().sum(-1) / (2 * var)).softmax(-1)
        score = -(w[..., None] * off).sum(1) / var
        return end(score, x, var, alpha, sigma) if end else score
    return answer


def bell(off, v):
    return (-off.square().sum(-1) / (2 * v)).exp()


def naive(off, v):
    return bell(off, v) / bell(off, v).sum(1, keepdim=True)


def wrong_log_of_sum(x, means, std, alpha, sigma):
    x = x.clone().requires_grad_()
    v = alpha**2 * std**2 + sigma**2
    return torch.autograd.grad(bell(x[:, None] - alpha * means, v).mean(1).log().sum(), x)[0]


def wrong_averaged(x, means, std, alpha, sigma):
    return right_softmax(x, means, std, alpha, sigma) / len(means)


def wrong_gradient_of_p(x, means, std, alpha, sigma):
    v = alpha**2 * std**2 + sigma**2
    off = x[:, None] - alpha * means
    p = bell(off, v) / (2 * math.pi * v) ** (x.shape[1] / 2)
    return -(p[..., None] * off).mean(1) / v


def wrong_coordinates(x, means, std, alpha, sigma):
    v = alpha**2 * std**2 + sigma**2
    off = x[:, None] - alpha * means
    return -((-off**2 / (2 * v)).softmax(1) * off).sum(1) / v


def wrong_axes(x, means, std, alpha, sigma):
    v = alpha**2 * std**2 + sigma**2
    w = (-torch.cdist(x, alpha * means) ** 2 / (2 * v)).softmax(1)
    return -(w * (x - alpha * means).sum(-1)).sum(1, keepdim=True).expand_as(x) / v


def wrong_in_place(x, means, std, alpha, sigma):
    means *= alpha
    return right_softmax(x, means, std, 1.0, sigma)


def wrong_reduced(x, means, std, alpha, sigma):
    return right_softmax(x, means, std, alpha, sigma).sum(-1)


def wrong_weights_unscaled(x, means, std, alpha, sigma):
    v = alpha**2 * std**2 + sigma**2
    w = (-torch.cdist(x, means) ** 2 / (2 * v)).softmax(1)
    return -(x - alpha * w @ means) / v


def wrong_pull_unscaled(x, means, std, alpha, sigma):
    v = alpha**2 * std**2 + sigma**2
    w = (-torch.cdist(x, alpha * means) ** 2 / (2 * v)).softmax(1)
    return -(x - w @ means) / v


def wrong_float32(x, means, std, alpha, sigma):
    return right_softmax(x.float(), means.float(), std, alpha, sigma)


def wrong_calls(x, means, std, alpha, sigma):
    return GaussianMixture(means, std).score(x, Level(0.0, alpha, sigma))


def wrong_squeezed(x, means, std, alpha, sigma):
    return right_softmax(x, means, std, alpha, sigma).squeeze()


def wrong_matrix_squeezed(x, means, std, alpha, sigma):
    v = alpha**2 * std**2 + sigma**2
    pull = alpha * means - x[:, None]
    weight = torch.softmax(-pull.square().sum(-1) / (2 * v), dim=1)
    return (weight[:, None] @ pull).squeeze() / v


def softmax_of(exponent, dim=1):
    return with_change(weights=lambda off, v: exponent(off, off.square().sum(-1), v).softmax(dim))


RIGHT = [right_softmax, right_autograd, right_tweedie, right_each]
WRONG = [
    (with_change(end=lambda s, x, v, a, b: -s), ["the sign: the score"]),
    (with_change(offset=lambda x, m, a: x[:, None] - m), ["means are not scaled by alpha: x ="]),
    (with_change(v=lambda std, a, s: a**2 * std**2), ["data alone"]),
    (with_change(v=lambda std, a, s: s**2), ["the data have a width"]),
    (with_change(v=lambda std, a, s: std**2 + s**2), ["std is not scaled"]),
    (with_change(v=lambda std, a, s: a * std**2 + s**2), ["scaled by alpha²"]),
    (with_change(v=lambda std, a, s: a**2 * std**2 + s), ["the square of sigma is missing"]),
    (with_change(v=lambda std, a, s: (a * std + s) ** 2), ["deviations are added"]),
    (with_change(v=lambda std, a, s: a * std + s), ["these are standard deviations"]),
    (with_change(v=lambda std, a, s: a**2 * std + s**2), ["the square of std is missing"]),
    (wrong_averaged, ["averaged over the components"]),
    (with_change(v=lambda std, a, s: (a**2 * std**2 + s**2) ** 0.5), ["a standard deviation, sqrt"]),
    (with_change(v=lambda std, a, s: a**2 * std**2 + 1 - a**2), ["not all levels preserve"]),
    (with_change(end=lambda s, x, v, a, b: s / v), ["divided by v twice"]),
    (with_change(end=lambda s, x, v, a, b: s * v), ["division by the variance is missing"]),
    (with_change(end=lambda s, x, v, a, b: s / 2), ["divided by 2 v"]),
    (with_change(end=lambda s, x, v, a, b: s * v**0.5), ["divided by the standard deviation"]),
    (with_change(end=lambda s, x, v, a, b: s * v / b**2), ["the data have a width", "it divides the pull too"]),
    (with_change(end=lambda s, x, v, a, b: -b * s), ["this is eps, the noise"]),
    (with_change(end=lambda s, x, v, a, b: b * s), ["this is -eps"]),
    (with_change(end=lambda s, x, v, a, b: (x + b**2 * s) / a), ["guess of x0"]),
    (with_change(end=lambda s, x, v, a, b: ((x + b**2 * s) / a - x) / b**2), ["Tweedie"]),
    (with_change(weights=bell), ["do not add up to 1"]),
    (with_change(weights=naive), ["leaves the range"]),
    (with_change(weights=lambda off, v: bell(off, v) / (bell(off, v).sum(1, keepdim=True) + 1e-30)), ["leaves the range"]),
    (with_change(weights=lambda off, v: torch.full_like(off[..., 0], 1 / off.shape[1])), ["weigh the same"]),
    (with_change(weights=lambda off, v: torch.ones(off.shape[:2])), ["with no weights"]),
    (softmax_of(lambda off, d, v: -1e9 * (d - d.amin(1, keepdim=True))), ["only the nearest"]),
    (softmax_of(lambda off, d, v: -d / (2 * v), dim=0), ["over the batch"]),
    (softmax_of(lambda off, d, v: -d.sqrt() / (2 * v)), ["is not squared"]),
    (softmax_of(lambda off, d, v: -d / v), ["the 2 is missing"]),
    (softmax_of(lambda off, d, v: -d / 2), ["variance is missing in"]),
    (softmax_of(lambda off, d, v: -d), ["not the distance alone"]),
    (softmax_of(lambda off, d, v: -d / (2 * v**0.5)), ["the root of v"]),
    (softmax_of(lambda off, d, v: -d / (2 * v**2)), ["v is squared"]),
    (softmax_of(lambda off, d, v: d / (2 * v)), ["the exponent's sign"]),
    (softmax_of(lambda off, d, v: -off.square().mean(-1) / (2 * v)), ["averaged over the coordinates"]),
    (wrong_log_of_sum, ["leaves the range"]),
    (wrong_gradient_of_p, ["gradient of p, not"]),
    (wrong_coordinates, ["weights of its own"]),
    (wrong_weights_unscaled, ["in the weights the means"]),
    (wrong_pull_unscaled, ["only in the weights", "means are not scaled by alpha: x ="]),
    (wrong_squeezed, ["an axis of length 1"]),
    (wrong_matrix_squeezed, ["an axis of length 1"]),
    (wrong_axes, []),
    (wrong_in_place, []),
    (wrong_reduced, []),
    (wrong_float32, []),
    (wrong_calls, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def wrong_quotient_eps(x, means, std, alpha, sigma):
    diff = alpha * means - x[:, None]
    v = alpha ** 2 * std ** 2 + sigma ** 2
    p = torch.exp(-(diff ** 2).sum(-1) / (2 * v))
    w = p / (p.sum(1, keepdim=True) + 1e-08)
    return (w[..., None] * diff / v).sum(1)


def wrong_logsoftmax(x, means, std, alpha, sigma):
    diff = alpha * means - x[:, None]
    v = alpha ** 2 * std ** 2 + sigma ** 2
    w = torch.log_softmax(-(diff ** 2).sum(-1) / (2 * v), 1)
    return (w[..., None] * diff / v).sum(1)


def wrong_alpha_bar(x, means, std, alpha, sigma):
    diff = math.sqrt(alpha) * means - x[:, None]
    v = alpha * std ** 2 + sigma ** 2
    w = torch.softmax(-(diff ** 2).sum(-1) / (2 * v), 1)
    return (w[..., None] * diff / v).sum(1)


def wrong_alpha_outside(x, means, std, alpha, sigma):
    diff = alpha * (means - x[:, None])
    v = alpha ** 2 * std ** 2 + sigma ** 2
    w = torch.softmax(-(diff ** 2).sum(-1) / (2 * v), 1)
    return (w[..., None] * diff / v).sum(1)


def wrong_times_v(x, means, std, alpha, sigma):
    diff = alpha * means - x[:, None]
    v = alpha ** 2 * std ** 2 + sigma ** 2
    w = torch.softmax(-(diff ** 2).sum(-1) / (2 * v), 1)
    return (w[..., None] * diff * v).sum(1)


def wrong_swapped_v(x, means, std, alpha, sigma):
    diff = alpha * means - x[:, None]
    v = sigma ** 2 * std ** 2 + alpha ** 2
    w = torch.softmax(-(diff ** 2).sum(-1) / (2 * v), 1)
    return (w[..., None] * diff / v).sum(1)


def wrong_v_eps(x, means, std, alpha, sigma):
    diff = alpha * means - x[:, None]
    v = alpha ** 2 * std ** 2 + sigma ** 2 + 0.001
    w = torch.softmax(-(diff ** 2).sum(-1) / (2 * v), 1)
    return (w[..., None] * diff / v).sum(1)


def wrong_hard_coded_std(x, means, std, alpha, sigma):
    diff = alpha * means - x[:, None]
    v = alpha ** 2 * 0.25 ** 2 + sigma ** 2
    w = torch.softmax(-(diff ** 2).sum(-1) / (2 * v), 1)
    return (w[..., None] * diff / v).sum(1)


WRONG += [
    (wrong_quotient_eps, []),
    (wrong_logsoftmax, ["log_softmax gives the logarithms of the weig"]),
    (wrong_alpha_bar, ["alpha is sqrt(alpha-bar) already: it scales "]),
    (wrong_alpha_outside, ["alpha stands before the bracket: it scales t"]),
    (wrong_times_v, ["multiplied by the variance: it divides"]),
    (wrong_swapped_v, ["alpha and sigma are exchanged in the varianc"]),
    (wrong_v_eps, []),
    (wrong_hard_coded_std, []),
]


# What another reader wrote who had not seen this bank, and what was not told then.

def multiplied(x, means, std, alpha, sigma):
    v, d = alpha**2 * std**2 + sigma**2, alpha * means - x[:, None]
    return (torch.softmax(-(d**2).sum(-1) / 2 * v, dim=1)[..., None] * d).sum(1) / v


WRONG += [(multiplied, ["/ 2 * v multiplies by v"])]
