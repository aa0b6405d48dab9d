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
    (fitted(lambda u, v, x, y: (x * y).sum() / (u * u).sum()), ["the numerator is made of"]),
    (fitted(lambda u, v, x, y: (u * v).sum()), ["the sum of products alone"]),
    (fitted(lambda u, v, x, y: (u * v).mean()), ["divided by n"]),
    (fitted(lambda u, v, x, y: (u * v).sum() / (u.norm() * v.norm())), ["the correlation"]),
    (fitted(lambda u, v, x, y: (u * v).sum() / (len(u) - 1) / u.var(correction=0)), ["the other over n - 1"]),
    (fitted(lambda u, v, x, y: (y.diff() / math.log(2)).mean()), ["taken for doubled"]),
    (fitted(lambda u, v, x, y: (y / x).mean()), ["a line through the origin", "each error by itself"]),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def xy(errors, counts):
    return (counts.log() - counts.log().mean(), -errors.log())


def base(errors, counts):
    x, y = xy(errors, counts)
    return (x * y).sum() / (x * x).sum()


def wrong_mean_over_sum(errors, counts):
    x, y = xy(errors, counts)
    return (x * y).mean() / (x * x).sum()


def wrong_var_mismatch(errors, counts):
    x, y = xy(errors, counts)
    return (x * y).mean() / counts.log().var()


def wrong_std_not_var(errors, counts):
    x, y = xy(errors, counts)
    return (x * y).mean() / counts.log().std(unbiased=False)


def wrong_ratio_raw(errors, counts):
    return (-errors.log() / counts.log()).mean()


def wrong_mean_before_log(errors, counts):
    x = (counts - counts.mean()).log()
    y = -errors.log()
    return (x * y).sum() / (x * x).sum()


def wrong_log_of_mean(errors, counts):
    x = (counts / counts.mean()).log()
    y = -(errors / errors.mean()).log()
    return (x * y).sum() / (x * x).sum()


def wrong_x2_unlogged(errors, counts):
    x, y = xy(errors, counts)
    c = counts - counts.mean()
    return (x * y).sum() / (c * c).sum()


def wrong_eps_in_log(errors, counts):
    return base(errors + 1e-06, counts)


def wrong_sum_for_mean(errors, counts):
    x = counts.log()
    x = x - x.sum()
    y = -errors.log()
    return (x * y).sum() / (x * x).sum()


def wrong_square_of_sum(errors, counts):
    x, y = xy(errors, counts)
    return (x * y).sum() / x.sum() ** 2


def wrong_product_of_sums(errors, counts):
    x, y = xy(errors, counts)
    y = y - y.mean()
    return x.sum() * y.sum() / (x * x).sum()


def wrong_factor(errors, counts):
    return 2 ** base(errors, counts)


def wrong_factor_mean(errors, counts):
    return (errors[:-1] / errors[1:]).mean()


def wrong_log1p(errors, counts):
    x = counts.log1p()
    x = x - x.mean()
    y = -errors.log()
    return (x * y).sum() / (x * x).sum()


def wrong_sqrt_errors(errors, counts):
    return base(errors.sqrt(), counts)


def wrong_square_errors(errors, counts):
    return base(errors.square(), counts)


WRONG += [
    (wrong_mean_over_sum, ["a mean above and a sum below: both the same"]),
    (wrong_var_mismatch, ["a mean above, and var(), which divides by n "]),
    (wrong_std_not_var, ["divided by the standard deviation of log N: "]),
    (wrong_ratio_raw, ["each error by itself, -log error / log N: th"]),
    (wrong_mean_before_log, ["the logarithm of a number below 0, or 0 / 0:"]),
    (wrong_log_of_mean, ["are taken before their logarithms"]),
    (wrong_x2_unlogged, []),
    (wrong_eps_in_log, []),
    (wrong_sum_for_mean, []),
    (wrong_square_of_sum, ["divided by a sum of log N less its mean"]),
    (wrong_product_of_sums, ["the product of two sums, each of which is 0:"]),
    (wrong_factor, ["2 to the power of the order: the order itsel"]),
    (wrong_factor_mean, ["what each step of N divides the error by: th"]),
    (wrong_log1p, []),
    (wrong_sqrt_errors, ["the errors are rooted: then they fall half a"]),
    (wrong_square_errors, ["the errors are squared: then they fall twice"]),
]


# What another reader wrote who had not seen this bank, and what was not told then.

def deviation_below(errors, counts):
    u, v = counts.log(), -errors.log()
    return torch.cov(torch.stack([u, v]))[0, 1] / u.std()


def doubled_counts(errors, counts):
    u, v = torch.arange(len(counts), dtype=errors.dtype) * math.log(2), -errors.log()
    u, v = u - u.mean(), v - v.mean()
    return (u * v).sum() / u.square().sum()


WRONG += [(deviation_below, ["by var()"]), (doubled_counts, ["log N is taken for 0, 1, 2"])]
