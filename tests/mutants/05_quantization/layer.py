"""Answers to 05-layer: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

EXERCISE = "05-layer"


def right(x, s, up, down, rest, bias, rounded):
    x = x / s
    return rounded(x) @ rounded(rest).T + x @ down.T @ up.T + bias


def right_linear(x, s, up, down, rest, bias, rounded):
    smooth = x / s
    return F.linear(rounded(smooth), rounded(rest), bias) + F.linear(F.linear(smooth, down), up)


def right_scaled(x, s, up, down, rest, bias, rounded):
    main = torch.einsum("bk,nk->bn", rounded(x / s), rounded(rest))
    return main + x @ (down / s).T @ up.T + bias[None]


def made(main=None, branch=None, bias=1.0):
    def answer(x, s, up, down, rest, b, rounded):
        m = main(x, s, up, down, rest, rounded) if main else rounded(x / s) @ rounded(rest).T
        return m + (branch(x, s, up, down, rounded) if branch else (x / s) @ down.T @ up.T) + bias * b
    return answer


RIGHT = [right, right_linear, right_scaled]
WRONG = [
    (made(branch=lambda x, s, up, down, Q: x @ down.T @ up.T), ["the branch reads x:"]),
    (made(branch=lambda x, s, up, down, Q: Q(x / s) @ down.T @ up.T), ["reads the rounded x / s"]),
    (made(branch=lambda x, s, up, down, Q: 0), ["the branch is missing"]), (made(bias=0), ["the bias is missing"]),
    (made(bias=2), ["the bias is added twice"]), (made(bias=-1), ["the bias is taken off"]),
    (made(branch=lambda x, s, up, down, Q: -(x / s) @ down.T @ up.T), ["the branch is taken off"]),
    (made(branch=lambda x, s, up, down, Q: 2 * (x / s) @ down.T @ up.T), ["the branch is added twice"]),
    (made(lambda x, s, up, down, rest, Q: (x / s) @ Q(rest).T), ["the inputs are not rounded"]),
    (made(lambda x, s, up, down, rest, Q: Q(x / s) @ rest.T), ["the rest is not rounded"]),
    (made(lambda x, s, up, down, rest, Q: (x / s) @ rest.T), ["nothing is rounded"]),
    (made(lambda x, s, up, down, rest, Q: (Q(x) / s) @ Q(rest).T), ["x is rounded before"]),
    (made(lambda x, s, up, down, rest, Q: Q(x) @ Q(rest).T), ["x is not divided by s where"]),
    (made(lambda x, s, up, down, rest, Q: Q(x) @ Q(rest).T, lambda x, s, up, down, Q: x @ down.T @ up.T),
     ["x is not divided by s"]),
    (made(lambda x, s, up, down, rest, Q: Q(x * s) @ Q(rest).T, lambda x, s, up, down, Q: (x * s) @ down.T @ up.T),
     ["x is multiplied by s"]),
    (made(lambda x, s, up, down, rest, Q: Q(x / s) @ Q(rest + up @ down).T), ["the whole weight is rounded"]),
    (made(lambda x, s, up, down, rest, Q: Q(x / s) @ Q(rest + up @ down).T, lambda x, s, up, down, Q: 0),
     ["rounded together", "the branch"]),
    (made(lambda x, s, up, down, rest, Q: Q(x / s) @ Q(rest * s).T), ["smoothed once more"]),
    (made(lambda x, s, up, down, rest, Q: Q(x / s) @ (Q(rest) / s).T), ["divided by s: it belongs"]),
    (made(lambda x, s, up, down, rest, Q: 0), ["the rest is missing"]),
    (made(branch=lambda x, s, up, down, Q: Q((x / s) @ down.T) @ up.T), []),
    (made(branch=lambda x, s, up, down, Q: (x / s) @ Q(down).T @ up.T), []),
    (made(branch=lambda x, s, up, down, Q: (x / s) @ down.T @ Q(up).T), []),
    (made(branch=lambda x, s, up, down, Q: (x / s) @ Q(up @ down).T), []),
    (made(lambda x, s, up, down, rest, Q: Q(x / s) @ Q(rest)), []), (lambda *args: right(*args).T, ["lies on its side"]),
    (lambda x, s, up, down, rest, bias, rounded: (rounded(x / s) @ rounded(rest).T + (x / s) @ down.T @ up.T) * bias, []),
    (lambda x, s, up, down, rest, bias, rounded: F.linear(rounded(x / s), rounded(rest) + up @ down, bias),
     ["reads the rounded x / s"]),
    (lambda x, s, up, down, rest, bias, rounded: F.linear(x, (rest + up @ down) / s, bias), ["nothing is rounded"]),
    (lambda x, s, up, down, rest, bias, rounded: rounded(right(x, s, up, down, rest, bias, rounded)), []),
]
