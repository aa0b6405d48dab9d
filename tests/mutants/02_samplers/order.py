"""Answers to 02-order: right ones, and wrong ones with the causes that a report may name for them."""
import math

import numpy as np
import torch

EXERCISE = "02-order"


def right_sums(errors, counts):
    x, y = counts.log(), -errors.log()
    x = x - x.mean()
    return ((x * y).sum() / (x * x).sum()).item()


def right_polyfit(errors, counts):
    return -np.polyfit(np.log10(counts.numpy()), np.log10(errors.numpy()), 1)[0]


def right_lstsq(errors, counts):
    design = torch.stack([counts.log2(), torch.ones_like(counts)], 1)
    return -torch.linalg.lstsq(design, errors.log2()[:, None]).solution[0]


def right_plain(errors, counts):
    points = [(math.log(n), -math.log(e)) for n, e in zip(counts.tolist(), errors.tolist())]
    n, sx, sy = len(points), sum(x for x, _ in points), sum(y for _, y in points)
    sxx, sxy = sum(x * x for x, _ in points), sum(x * y for x, y in points)
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)


def right_moments(errors, counts):
    both = torch.stack([counts.log(), errors.log()])
    covariance = both.cov()
    return -covariance[0, 1] / covariance[0, 0]


def fitted(change):
    """change: (u, v, x, y) -> the answer, with x = log N, y = -log error, and u, v both less their means."""
    def answer(errors, counts):
        x, y = counts.log(), -errors.log()
        return change(x - x.mean(), y - y.mean(), x, y)
    return answer


def wrong_no_log_n(errors, counts):
    return -np.polyfit(counts.numpy(), np.log(errors.numpy()), 1)[0]


def wrong_no_log_error(errors, counts):
    return -np.polyfit(np.log(counts.numpy()), errors.numpy(), 1)[0]


def wrong_no_log(errors, counts):
    return -np.polyfit(counts.numpy(), errors.numpy(), 1)[0]


def wrong_bases(errors, counts):
    return -np.polyfit(np.log2(counts.numpy()), np.log(errors.numpy()), 1)[0]


def wrong_bases_10(errors, counts):
    return -np.polyfit(np.log(counts.numpy()), np.log10(errors.numpy()), 1)[0]


def wrong_intercept(errors, counts):
    return -np.polyfit(np.log(counts.numpy()), np.log(errors.numpy()), 1)[1]


def wrong_whole_fit(errors, counts):
    return -np.polyfit(np.log(counts.numpy()), np.log(errors.numpy()), 1)


def wrong_swapped(errors, counts):
    return right_sums(counts, errors)


def wrong_rounded(errors, counts):
    return round(right_sums(errors, counts))


def wrong_one(errors, counts):
    return -errors.log() / counts.log()


RIGHT = [right_sums, right_polyfit, right_lstsq, right_plain, right_moments]
WRONG = [
    (lambda errors, counts: abs(right_sums(errors, counts)), ["the sign, or abs"]),
    (lambda errors, counts: right_sums(-errors, counts), ["logarithm of a number below 0"]),
    (fitted(lambda u, v, x, y: (v / u).mean()), ["0 / 0"]),
    (lambda errors, counts: right_sums((-errors.log()).exp(), counts), ["the sign"]),
    (fitted(lambda u, v, x, y: -(u * v).sum() / (u * u).sum()), ["the sign"]),
    (fitted(lambda u, v, x, y: (y[-1] - y[0]) / (x[-1] - x[0])), ["the first point and the last"]),
    (fitted(lambda u, v, x, y: (y.diff() / x.diff()).mean()), ["the mean of the slopes"]),
    (fitted(lambda u, v, x, y: (y.diff() / x.diff()).median()), ["the median of the slopes"]),
    (fitted(lambda u, v, x, y: (y[1] - y[0]) / (x[1] - x[0])), ["the first two points"]),
    (fitted(lambda u, v, x, y: (y[-1] - y[-2]) / (x[-1] - x[-2])), ["the last two points"]),
    (wrong_no_log_n, ["over N itself"]),
    (wrong_no_log_error, ["of the errors themselves"]),
    (wrong_no_log, ["no logarithms"]),
    (wrong_bases, ["differ in base: log and log2"]),
    (wrong_bases_10, ["differ in base: log10 and log"]),
    (wrong_intercept, ["where the line starts"]),
    (wrong_whole_fit, []),
    (wrong_swapped, ["log N over log error"]),
    (wrong_rounded, []),
    (wrong_one, []),
    (fitted(lambda u, v, x, y: (u * v).sum() / (v * v).sum()), ["log N over log error"]),
    (fitted(lambda u, v, x, y: (u * u).sum() / (u * v).sum()), ["the inverse of"]),
    (fitted(lambda u, v, x, y: (x * y).sum() / (x * x).sum()), ["through the origin"]),
    (fitted(lambda u, v, x, y: (u * v).sum() / (x * x).sum()), ["the squares below"]),
    (fitted(lambda u, v, x, y: (x * y).sum() / (u * u).sum()), ["the products above"]),
    (fitted(lambda u, v, x, y: (u * v).sum()), ["the sum of products alone"]),
    (fitted(lambda u, v, x, y: (u * v).mean()), ["divided by n"]),
    (fitted(lambda u, v, x, y: (u * v).sum() / (u.norm() * v.norm())), ["the correlation"]),
    (fitted(lambda u, v, x, y: (u * v).sum() / (len(u) - 1) / u.var(correction=0)), ["the other over n - 1"]),
    (fitted(lambda u, v, x, y: (y.diff() / math.log(2)).mean()), ["taken for doubled"]),
    (fitted(lambda u, v, x, y: (y / x).mean()), ["a line through the origin", "each error by itself"]),
]
