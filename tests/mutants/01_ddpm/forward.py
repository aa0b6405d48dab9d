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


RIGHT = [right_view, right_each, right_transposed]
WRONG = [
    (wrong_no_root, ["root is missing"]),
    (wrong_variance, ["variance 1 - alpha-bar"]),
    (wrong_same_factor, ["scales the noise too"]),
    (wrong_before, ["t - 1"]),
    (wrong_first_t, ["t of the first"]),
    (wrong_axis, ["a column of the picture"]),
    (wrong_in_place, []),
    (wrong_own_noise, []),
]
