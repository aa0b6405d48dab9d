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


# A newcomer's own, written before any check was run


def newcomers_branch_rounded(x, s, up, down, rest, bias, rounded):
    """up down merged and rounded with the rest"""
    return rounded(x / s) @ rounded(rest + up @ down).T + bias


def newcomers_branch_weights_rounded(x, s, up, down, rest, bias, rounded):
    """the product of the branch is rounded as a matrix"""
    return rounded(x / s) @ rounded(rest).T + x / s @ rounded(up @ down).T + bias


def newcomers_rest_over_s(x, s, up, down, rest, bias, rounded):
    """rest / s, to undo the smoothing"""
    return rounded(x / s) @ rounded(rest / s).T + x / s @ down.T @ up.T + bias


def newcomers_residual(x, s, up, down, rest, bias, rounded):
    """the branch gets what rounding lost of x: x/s - Q(x/s)"""
    t = rounded(x / s)
    return t @ rounded(rest).T + (x / s - t) @ down.T @ up.T + bias


def newcomers_half(x, s, up, down, rest, bias, rounded):
    """the branch computed in float16, because the text says 16 bits"""
    return rounded(x / s) @ rounded(rest).T + ((x / s).half() @ down.T.half() @ up.T.half()).to(x.dtype) + bias


def newcomers_linear_right(x, s, up, down, rest, bias, rounded):
    """F.linear"""
    F = torch.nn.functional.linear
    t = x / s
    return F(rounded(t), rounded(rest), bias) + F(F(t, down), up)


def newcomers_merged_right(x, s, up, down, rest, bias, rounded):
    """branch as one matrix, s moved into it"""
    return torch.addmm(bias, rounded(x / s), rounded(rest).T) + x @ (up @ down / s).T


def newcomers_einsum_right(x, s, up, down, rest, bias, rounded):
    """einsum"""
    t = x * s.reciprocal()
    return torch.einsum('rk,nk->rn', rounded(t), rounded(rest)) + torch.einsum('rk,qk,nq->rn', t, down, up) + bias


def newcomers_rows_right(x, s, up, down, rest, bias, rounded):
    """row by row"""
    q = rounded(rest)
    return torch.stack([q @ rounded(r[None] / s)[0] + up @ (down @ (r / s)) + bias for r in x])


def newcomers_cat_right(x, s, up, down, rest, bias, rounded):
    """one product of concatenated matrices"""
    t = x / s
    return torch.cat((rounded(t), t @ down.T), 1) @ torch.cat((rounded(rest), up), 1).T + bias


def hurried_smoothed_rest(x, s, up, down, rest, bias, rounded):
    """s is moved from x to the rest"""
    return rounded(x) @ rounded(rest / s).T + (x / s) @ down.T @ up.T + bias


def hurried_bfloat(x, s, up, down, rest, bias, rounded):
    """the branch in bfloat16"""
    branch = (x / s).bfloat16() @ down.bfloat16().T @ up.bfloat16().T
    return rounded(x / s) @ rounded(rest).T + branch.to(x.dtype) + bias


RIGHT = [
    right, right_linear, right_scaled, newcomers_rows_right, newcomers_merged_right, newcomers_einsum_right,
    newcomers_cat_right, newcomers_linear_right,
]
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
    (made(branch=lambda x, s, up, down, Q: (x / s) @ Q(down).T @ up.T), ["was given down"]),
    (made(branch=lambda x, s, up, down, Q: (x / s) @ down.T @ Q(up).T), []),
    (made(branch=lambda x, s, up, down, Q: (x / s) @ Q(up @ down).T), ["was given up @ down"]),
    (made(lambda x, s, up, down, rest, Q: Q(x / s) @ Q(rest)), []), (lambda *args: right(*args).T, ["lies on its side"]),
    (lambda x, s, up, down, rest, bias, rounded: (rounded(x / s) @ rounded(rest).T + (x / s) @ down.T @ up.T) * bias, []),
    (lambda x, s, up, down, rest, bias, rounded: F.linear(rounded(x / s), rounded(rest) + up @ down, bias),
     ["reads the rounded x / s"]),
    (lambda x, s, up, down, rest, bias, rounded: F.linear(x, (rest + up @ down) / s, bias), ["nothing is rounded"]),
    (lambda x, s, up, down, rest, bias, rounded: rounded(right(x, s, up, down, rest, bias, rounded)), []),
    (newcomers_residual, ["the branch reads what rounding lost, x / s - "]), (newcomers_half, ["near and not equal"]),
    (newcomers_rest_over_s, ["the rest is divided by s before it is rounded"]),
    (newcomers_branch_weights_rounded, ["was given up @ down"]),
    (hurried_smoothed_rest, ["was given x and rest / s"]), (hurried_bfloat, ["near and not equal"]),
    (newcomers_branch_rounded, ["branch and rest are rounded together: the bra"]),
]
