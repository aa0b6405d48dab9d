"""Answers to 05-lora: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "05-lora"


def right(up, down, s, a, b):
    return torch.cat([up, a], 1), torch.cat([down, b * s], 0)


def right_first(up, down, s, a, b):
    return torch.hstack([a, up]), torch.vstack([b @ torch.diag(s), down])


def right_loop(up, down, s, a, b):
    for j in range(a.shape[1]):
        up, down = torch.cat([up, a[:, j:j + 1]], 1), torch.cat([down, (b[j] * s)[None]])
    return up, down


# A newcomer's own, written before any check was run
newcomers_cat_helper = torch.cat


def newcomers_order_branch(up, down, s, a, b):
    """branch and LoRA in different order in both factors"""
    return (newcomers_cat_helper((up, a), 1), newcomers_cat_helper((b * s, down), 0))


def newcomers_a_scaled_twice(up, down, s, a, b):
    """roots of s on both: b * sqrt(s), rest forgotten"""
    return (newcomers_cat_helper((up, a), 1), newcomers_cat_helper((down, b * s.sqrt()), 0))


def newcomers_mean_s(up, down, s, a, b):
    """a scaled by the mean of s"""
    return (newcomers_cat_helper((up, a * s.mean()), 1), newcomers_cat_helper((down, b), 0))


def newcomers_lora_scale(up, down, s, a, b):
    """the usual alpha / r of LoRA put in"""
    return (newcomers_cat_helper((up, a / b.shape[0]), 1), newcomers_cat_helper((down, b * s), 0))


def newcomers_svd_cut(up, down, s, a, b):
    """merged and cut back to the old rank"""
    u, v, w = torch.linalg.svd(up @ down + a @ (b * s), full_matrices=False)
    r = up.shape[1]
    return (u[:, :r] * v[:r], w[:r])


def newcomers_row_s(up, down, s, a, b):
    """s[:r] along the rank (b * s[:r, None])"""
    return (newcomers_cat_helper((up, a), 1), newcomers_cat_helper((down, b * s[:b.shape[0], None]), 0))


def newcomers_twice(up, down, s, a, b):
    """b * s * s"""
    return (newcomers_cat_helper((up, a), 1), newcomers_cat_helper((down, b * s * s), 0))


def newcomers_full(up, down, s, a, b):
    """returns rank min(N, K) by an SVD of the full sum, not R + r"""
    u, v, w = torch.linalg.svd(up @ down + a @ (b * s), full_matrices=False)
    return (u * v, w)


def newcomers_lora_first_right(up, down, s, a, b):
    """LoRA first in both"""
    return (torch.hstack((a, up)), torch.vstack((b * s, down)))


def newcomers_diag_right(up, down, s, a, b):
    """diag and new tensors"""
    R, r = (up.shape[1], a.shape[1])
    u = up.new_empty(up.shape[0], R + r)
    d = down.new_empty(R + r, down.shape[1])
    u[:, :R] = up
    u[:, R:] = a
    d[:R] = down
    d[R:] = b @ torch.diag(s)
    return (u, d)


def newcomers_scaled_pair_right(up, down, s, a, b):
    """a / 2 and 2 b s"""
    return (newcomers_cat_helper((up, a / 2), -1), newcomers_cat_helper((down, 2 * torch.einsum('rk,k->rk', b, s))))


def newcomers_transposed_right(up, down, s, a, b):
    """through transposes"""
    return (newcomers_cat_helper((up.T, a.T)).T, newcomers_cat_helper((down.T, s[:, None] * b.T), 1).T)


def newcomers_rotated_right(up, down, s, a, b):
    """QR of up side: other factors, same product, R + r"""
    U, D = (newcomers_cat_helper((up, a), 1), newcomers_cat_helper((down, b * s), 0))
    if U.shape[0] < U.shape[1]:
        return (U, D)
    q, r = torch.linalg.qr(U)
    return (q, r @ D)


def hurried_added(up, down, s, a, b):
    """adds the factors where they are of one shape"""
    return (up + a, down + b * s) if up.shape == a.shape else right(up, down, s, a, b)


def hurried_in_turn(up, down, s, a, b):
    """the rows of down in turn, where both have as many"""
    rows = torch.stack([down, b * s], 1).flatten(0, 1) if down.shape == b.shape else torch.cat([down, b * s])
    return torch.cat([up, a], 1), rows


RIGHT = [
    right, right_first, right_loop, newcomers_transposed_right, newcomers_lora_first_right, newcomers_diag_right,
    newcomers_scaled_pair_right, newcomers_rotated_right,
]
WRONG = [
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b])), ["the LoRA reads x"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b / s])), ["b is divided by s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b]) * s), ["the old branch is multiplied by s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down * s, b])), ["and the LoRA is not"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down / s, b])), ["the old branch is divided by s"]),
    (lambda up, down, s, a, b: (torch.cat([up, -a], 1), torch.cat([down, b * s])), ["taken off"]),
    (lambda up, down, s, a, b: (torch.cat([up, 2 * a], 1), torch.cat([down, b * s])), ["counted twice"]),
    (lambda up, down, s, a, b: (torch.cat([up, 0 * a], 1), torch.cat([down, b * s])), ["the LoRA is missing"]),
    (lambda up, down, s, a, b: (torch.cat([0 * up, a], 1), torch.cat([down, b * s])), ["the old branch is missing"]),
    (lambda up, down, s, a, b: (a, b * s), ["the LoRA alone"]),
    (lambda up, down, s, a, b: (up, down), ["the ranks are not added"]), (lambda up, down, s, a, b: up @ down + a @ b, []),
    (lambda up, down, s, a, b: (up @ down + a @ (b * s), s), ["the whole matrix"]),
    (lambda up, down, s, a, b: (torch.cat([a, up], 1), torch.cat([down, b * s])), ["down has the branch first"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 0), torch.cat([down, b], 1)), []),
    (lambda up, down, s, a, b: (torch.cat([down, b * s]), torch.cat([up, a], 1)), ["up and down are exchanged"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b * s]).T), []),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b * s.mean()])), ["the mean of s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b * s.sqrt()])), ["the root of s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b]) / s), ["all is divided by s"]),
    (hurried_added, []), (hurried_in_turn, []),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1).round(), torch.cat([down, b * s])), []), (newcomers_full, []),
    (newcomers_order_branch, ["up has the branch first and down the LoRA: th"]),
    (newcomers_twice, ["b is multiplied by s twice: once"]), (newcomers_a_scaled_twice, ["the root of s: b takes s itself"]),
    (newcomers_mean_s, ["the mean of s: each channel has its own"]),
    (newcomers_lora_scale, ["divided by the LoRA's rank: nobody asked for "]), (newcomers_row_s, []),
    (newcomers_svd_cut, ["the ranks are not added: torch.cat, up along "]),
]
