"""Answers to 05-bytes: right ones, and wrong ones with the causes that a report may name for them."""
EXERCISE = "05-bytes"


def right(n, k, rank, group):
    return n * k // 2 + 2 * n * (k // group) + 2 * rank * (n + k) + 2 * k


def right_bits(n, k, rank, group):
    bits = 4 * n * k + 16 * (n * k / group + rank * n + rank * k + k)
    return bits / 8


def of(codes=0.5, scales=2.0, up=2.0, down=2.0, s=2.0):
    return lambda n, k, rank, group: codes * n * k + scales * n * k / group + up * rank * n + down * rank * k + s * k


RIGHT = [right, right_bits]
WRONG = [
    (lambda n, k, rank, group: 8 * right(n, k, rank, group), ["these are bits"]), (of(codes=1), ["a byte a code"]),
    (of(codes=4), ["the codes are counted in bits"]), (of(scales=0), ["the scales are missing"]),
    (of(scales=1), ["one byte here"]), (of(scales=4), ["the scales have four bytes"]),
    (of(up=0, down=0), ["the branch is missing"]), (of(up=0), ["one factor of the branch"]),
    (of(down=0), ["one factor of the branch"]), (of(up=1, down=1), ["one byte a number"]),
    (of(up=4, down=4), ["four bytes a number here: 16"]), (of(up=0.5, down=0.5), ["half a byte a number"]),
    (of(s=0), ["s is missing"]), (of(s=4), ["s has four bytes"]), (of(scales=0, s=0), ["s and the scales are missing"]),
    (of(0.5, 0, 0, 0, 0), ["the codes alone"]), (of(2, 0, 0, 0, 0), ["the layer in 16 bits"]),
    (of(codes=0), ["the codes are missing"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * n + 2 * rank * (n + k) + 2 * k, ["one scale a row"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * k / group + 2 * rank * (n + k) + 2 * k, ["a group of all rows together"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * n * k / group + 2 * rank * n * k + 2 * k, ["counted as r N K"]),
    (lambda n, k, rank, group: n * k / 2 + 2 * n * k / group + 2 * rank * (n + k) + 2 * n, ["one number an output"]),
    (lambda n, k, rank, group: right(n, k, rank, group) / (2 * n * k), []),
    (lambda n, k, rank, group: 2 * n * k / right(n, k, rank, group), []),
    (lambda n, k, rank, group: right(n, k, rank, group) + 2 * n, ["2 N bytes too many"]), (lambda n, k, rank, group: (n, k), []),
]
