"""Answers to 05-bytes: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "05-bytes"


def right(n, k, rank, group):
    return n * k // 2 + 2 * n * (k // group) + 2 * rank * (n + k) + 2 * k


def right_bits(n, k, rank, group):
    bits = 4 * n * k + 16 * (n * k / group + rank * n + rank * k + k)
    return bits / 8


def of(codes=0.5, scales=2.0, up=2.0, down=2.0, s=2.0):
    return lambda n, k, rank, group: codes * n * k + scales * n * k / group + up * rank * n + down * rank * k + s * k


# A newcomer's own, written before any check was run


def newcomers_branch_4bit(n, k, rank, group):
    """branch in 4 bits"""
    return n * k // 2 + 2 * n * k // group + rank * (n + k) // 2 + 2 * k


def newcomers_bias(n, k, rank, group):
    """bias counted"""
    return n * k // 2 + 2 * n * k // group + 2 * rank * (n + k) + 2 * k + 2 * n


def newcomers_s_one_byte(n, k, rank, group):
    """s not times two"""
    return n * k // 2 + 2 * n * k // group + 2 * rank * (n + k) + k


def newcomers_square(n, k, rank, group):
    """takes the layer for square: 2 rank k both"""
    return n * k // 2 + 2 * n * k // group + 4 * rank * k + 2 * k


def newcomers_groups_size(n, k, rank, group):
    """takes group as the number of groups in a row"""
    return n * k // 2 + 2 * n * group + 2 * rank * (n + k) + 2 * k


def newcomers_s_both(n, k, rank, group):
    """s counted for n + k"""
    return n * k // 2 + 2 * n * k // group + 2 * rank * (n + k) + 2 * (n + k)


def newcomers_lazy_double(n, k, rank, group):
    """s in each row (n k numbers)"""
    return n * k // 2 + 2 * n * k // group + 2 * rank * (n + k) + 2 * n * k


def newcomers_x_scales(n, k, rank, group):
    """counts the input's scales as well, one for each group of a row of x"""
    return n * k // 2 + 2 * n * k // group + 2 * k // group + 2 * rank * (n + k) + 2 * k


def newcomers_float_right(n, k, rank, group):
    """floating numbers"""
    return n * k / 2 + 2 * n * k / group + 2 * rank * (n + k) + 2 * k


def newcomers_bits_right(n, k, rank, group):
    """bits over 8"""
    return (n * (4 * k + 16 * (k // group)) + 16 * (rank * n + rank * k + k)) // 8


def newcomers_rows_right(n, k, rank, group):
    """row by row sum"""
    return sum((k // 2 + 2 * (k // group) for _ in range(n))) + 2 * (rank * n) + 2 * (rank + 1) * k


def newcomers_tensors_right(n, k, rank, group):
    """counts real tensors' bytes"""
    h = torch.float16
    parts = [torch.empty(n, k // 2, dtype=torch.uint8), torch.empty(n, k // group, dtype=h), torch.empty(rank, k, dtype=h),
             torch.empty(n, rank, dtype=h), torch.empty(k, dtype=h)]
    return sum(t.numel() * t.element_size() for t in parts)


def newcomers_torch_right(n, k, rank, group):
    """a 0-dim tensor"""
    return torch.tensor(n * k // 2 + 2 * n * k // group + 2 * rank * (n + k) + 2 * k)


RIGHT = [
    right, right_bits, newcomers_rows_right, newcomers_torch_right, newcomers_float_right, newcomers_bits_right,
    newcomers_tensors_right,
]
WRONG = [
    (lambda n, k, rank, group: 8 * right(n, k, rank, group), ["these are bits"]), (of(codes=1), ["a byte a code"]),
    (of(codes=4), ["the codes are counted in bits"]), (of(scales=0), ["the scales are missing"]),
    (of(scales=1), ["half the bytes of the scales"]), (of(scales=4), ["twice the bytes of the scales"]),
    (of(up=0, down=0), ["the branch is missing"]), (of(up=0), ["one factor of the branch"]),
    (of(down=0), ["one factor of the branch"]), (of(up=1, down=1), ["one byte a number"]),
    (of(up=4, down=4), ["four bytes a number here: 16"]), (of(up=0.5, down=0.5), ["half a byte a number"]),
    (of(s=0), ["s is missing"]), (of(s=4), ["twice the bytes of s"]), (of(scales=0, s=0), ["s and the scales are missing"]),
    (of(0.5, 0, 0, 0, 0), ["the codes alone"]), (of(2, 0, 0, 0, 0), ["the layer in 16 bits"]),
    (of(codes=0), ["the codes are missing"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * n + 2 * rank * (n + k) + 2 * k, ["one scale a row"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * k / group + 2 * rank * (n + k) + 2 * k, ["a group of all rows together"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * n * k / group + 2 * rank * n * k + 2 * k, ["counted as r N K"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * n * k / group + 2 * rank * (n + k) + 2 * n, ["one number an output"]),
    (lambda n, k, rank, group: right(n, k, rank, group) / (2 * n * k), []),
    (lambda n, k, rank, group: 2 * n * k / right(n, k, rank, group), []),
    (lambda n, k, rank, group: right(n, k, rank, group) + 2 * n, ["2 N bytes too many"]),
    (lambda n, k, rank, group: right(n, k, rank, 64), ["groups of 64, whatever"]),
    (lambda n, k, rank, group: right(n, k, -(-rank // 16) * 16, group), ["filled up to a multiple of 16"]),
    (lambda n, k, rank, group: n * k // 2 + 2 * n * (k // group) + 2 * rank * n + k + 2 * k, ["brackets are missing"]),
    (lambda n, k, rank, group: n * (k // 2) + 2 * n * (k // 2 // group) + 2 * rank * (n + k) + 2 * k,
     ["half the bytes of the scales"]),
    (lambda n, k, rank, group: str(right(n, k, rank, group)), []),
    (lambda n, k, rank, group: (n, k), []), (newcomers_branch_4bit, ["the branch has half a byte a number here: it "]),
    (newcomers_bias, ["2 N bytes too many: is a bias counted, or an "]),
    (newcomers_s_one_byte, ["s has one byte a number here: 16 bits are two"]),
    (newcomers_square, ["both factors of the branch have r K numbers h"]),
    (newcomers_groups_size, ["`group` is the size of a group, not their num"]),
    (newcomers_s_both, ["2 N bytes too many: is a bias counted, or an "]), (newcomers_lazy_double, []),
    (newcomers_x_scales, []),
]
