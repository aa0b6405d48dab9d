"""Answers to 05-channel: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "05-channel"


def right(x, told, w):
    cost = (x - told).square().sum(0) * w.square().sum(0)
    return cost / cost.sum()


def right_means(x, told, w):
    cost = ((x - told) ** 2).mean(dim=0) * (w ** 2).mean(dim=0)
    return cost / cost.sum()


def right_loop(x, told, w):
    cost = torch.stack([torch.outer(x[:, k] - told[:, k], w[:, k]).square().sum() for k in range(x.shape[1])])
    return cost / cost.sum()


def right_norms(x, told, w):
    cost = ((told - x).norm(dim=0) * w.norm(dim=0)) ** 2
    return cost / cost.sum()


def of(make):
    return lambda x, told, w: make(x - told, x, told, w)


def share(e):
    return e / e.sum()


def together(x, told, w):
    off = ((x - told) @ w.T).square().sum(1)
    return off / off.sum()


def by_output(x, told, w):
    off = ((x - told) @ w.T).square().sum(0)
    return off / off.sum()


# A newcomer's own, written before any check was run


def newcomers_sum_then_square(x, told, w):
    """square of the sum instead of the sum of squares"""
    e = (x - told).sum(0).square() * w.sum(0).square()
    return e / e.sum()


def newcomers_w_norm(x, told, w):
    """norm of w unsquared"""
    e = (x - told).square().sum(0) * w.norm(dim=0)
    return e / e.sum()


def newcomers_keepdim(x, told, w):
    """shape (1, K)"""
    e = (x - told).square().sum(0, keepdim=True) * w.square().sum(0, keepdim=True)
    return e / e.sum()


def newcomers_relative(x, told, w):
    """divides by the size of each channel (relative error of each channel)"""
    e = (x - told).square().sum(0) / x.square().sum(0) * w.square().sum(0)
    return e / e.sum()


def newcomers_percent(x, told, w):
    """in percent"""
    e = (x - told).square().sum(0) * w.square().sum(0)
    return 100 * e / e.sum()


def newcomers_w_plus(x, told, w):
    """plus instead of times"""
    e = (x - told).square().sum(0) + w.square().sum(0)
    return e / e.sum()


def newcomers_max_row(x, told, w):
    """largest error in place of the sum over rows"""
    e = (x - told).square().amax(0) * w.square().sum(0)
    return e / e.sum()


def newcomers_einsum_right(x, told, w):
    """einsum"""
    d = x - told
    e = torch.einsum('rk,rk,nk,nk->k', d, d, w, w)
    return e / e.sum()


def newcomers_loop_right(x, told, w):
    """loop over channels with outer products"""
    e = torch.stack([torch.outer(x[:, k] - told[:, k], w[:, k]).pow(2).sum() for k in range(x.shape[1])])
    return e / e.sum()


def newcomers_means_right(x, told, w):
    """means instead of sums: same shares"""
    return torch.nn.functional.normalize((x - told).pow(2).mean(0) * w.pow(2).mean(0), p=1, dim=0)


def newcomers_gram_right(x, told, w):
    """diagonals of gram matrices in double"""
    d = (x - told).double()
    e = (d.T @ d).diagonal() * (w.double().T @ w.double()).diagonal()
    return (e / e.sum()).to(x.dtype)


def newcomers_double_right(x, told, w):
    """result left in float64"""
    d = (x - told).double()
    e = d.square().sum(0) * w.double().square().sum(0)
    return e / e.sum()


def right_logarithms(x, told, w):
    """a softmax of logarithms"""
    return (2 * ((x - told).norm(dim=0).log() + w.norm(dim=0).log())).softmax(0)


RIGHT = [
    right, right_means, right_logarithms, right_loop, right_norms, newcomers_gram_right, newcomers_einsum_right,
    newcomers_double_right, newcomers_loop_right, newcomers_means_right,
]
WRONG = [
    (of(lambda e, x, told, w: share(e.square().sum(0))), ["the weights are missing"]),
    (of(lambda e, x, told, w: share(e.abs().sum(0) * w.square().sum(0))), ["what is rounded is not squared"]),
    (of(lambda e, x, told, w: share(e.square().sum(0) * w.abs().sum(0))), ["the weights are not squared"]),
    (of(lambda e, x, told, w: share(e.abs().sum(0) * w.abs().sum(0))), ["neither errors nor weights"]),
    (of(lambda e, x, told, w: share(x.square().sum(0) * w.square().sum(0))), ["how loud the channel is"]),
    (of(lambda e, x, told, w: share(told.square().sum(0) * w.square().sum(0))), ["the rounded inputs"]),
    (of(lambda e, x, told, w: share(e.square().sum(0) / x.square().sum(0) * w.square().sum(0))), ["own size"]),
    (of(lambda e, x, told, w: share(e.sum(0).square() * w.square().sum(0))), ["summed before they are squared: they cancel"]),
    (of(lambda e, x, told, w: share(e.square().sum(0) * w.sum(0).square())), ["the weights are summed before"]),
    (of(lambda e, x, told, w: share((e.square().sum(0) * w.square().sum(0)).sqrt())), ["the root"]),
    (of(lambda e, x, told, w: share(e.norm(dim=0) * w.norm(dim=0))), ["the root"]),
    (of(lambda e, x, told, w: e.square().sum(0) * w.square().sum(0)), ["not divided by the sum"]),
    (of(lambda e, x, told, w: e.square().mean(0) * w.square().mean(0)), ["means, not divided", "not divided by the sum"]),
    (of(lambda e, x, told, w: (c := e.square().sum(0) * w.square().sum(0)) / c.max()), ["divided by the largest"]),
    (of(lambda e, x, told, w: torch.softmax(e.square().sum(0) * w.square().sum(0), 0)), ["softmax"]),
    (of(lambda e, x, told, w: share(e.abs().amax(0).square() * w.square().sum(0))),
     ["the largest error of the channel", "the weights"]),
    (of(lambda e, x, told, w: share(e.square().sum(0) * w.abs().amax(0).square())), ["the largest weight"]),
    (of(lambda e, x, told, w: (e.square().sum(0) * w.square().sum(0)).argmax()), ["one number for all"]),
    (of(lambda e, x, told, w: share(e.square().sum(1))), ["one number a row"]), (together, ["one number a row"]),
    (by_output, ["one number an output"]), (of(lambda e, x, told, w: (e @ w.T).square().sum()), ["one number for all"]),
    (of(lambda e, x, told, w: e.square() * w.square().sum(0)), ["nothing is summed over the rows"]),
    (of(lambda e, x, told, w: e.square().sum(0) * w.square()), ["nothing is summed over the outputs"]),
    (of(lambda e, x, told, w: share(w.square().sum(0))), []),
    (of(lambda e, x, told, w: share(e.square().sum(0) * w.square().sum(1))), []),
    (of(lambda e, x, told, w: 100 * share(e.square().sum(0) * w.square().sum(0))), ["in percent"]),
    (of(lambda e, x, told, w: share(e.square().sum(0) * w.square().sum(0)).sort(descending=True).values), []),
    (of(lambda e, x, told, w: share((e - e.mean(0)).square().sum(0) * w.square().sum(0))), ["a variance of the errors"]),
    (of(lambda e, x, told, w: share(e.square().sum(0)) * share(w.square().sum(0))), ["in proportion all is right"]),
    (of(lambda e, x, told, w: share((x.square() - told.square()).sum(0) * w.square().sum(0))), ["squares are subtracted"]),
    (newcomers_sum_then_square, ["errors and weights are summed before they are"]),
    (newcomers_w_norm, ["the length of the weights, not its square"]),
    (newcomers_w_plus, ["a sum: an error is multiplied by the weights"]),
    (newcomers_percent, ["in percent: shares add up to 1"]), (newcomers_keepdim, ["an axis too many: (K,), without keepdim"]),
    (newcomers_relative, ["the error over the channel's own size: the ou"]),
    (newcomers_max_row, ["the largest error of the channel, where all r"]),
]
