"""Answers to 03-flips: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "03-flips"


def right(before, after, want):
    first, then = before == want, after == want
    return (then & ~first).sum().item(), (first & ~then).sum().item()


def right_tensors(before, after, want):
    return ((before != want) & (after == want)).sum(), ((before == want) & (after != want)).sum()


def right_loop(before, after, want):
    gained = lost = 0
    for b, a, w in zip(before.tolist(), after.tolist(), want.tolist()):
        gained += a == w != b
        lost += b == w != a
    return [gained, lost]


def right_signed(before, after, want):
    change = (after == want).int() - (before == want).int()
    return int((change > 0).sum()), int((change < 0).sum())


def parts(before, after, want):
    return before == want, after == want


def change(end):
    return lambda before, after, want: end(*parts(before, after, want), before != after)


RIGHT = [right, right_tensors, right_loop, right_signed]
WRONG = [
    (lambda b, a, w: right(b, a, w)[::-1], ["the two are exchanged"]),
    (change(lambda f, t, m: ((t & ~f).float().mean(), (f & ~t).float().mean())), ["a share where a count was asked for"]),
    (change(lambda f, t, m: (t.sum(), (~t).sum())),
     ["all that are right afterwards: those tha", "all that are wrong afterwards: those tha"]),
    (change(lambda f, t, m: (f.sum(), t.sum())),
     ["all that are right afterwards: those tha", "all that were right before: those that c"]),
    (change(lambda f, t, m: (m.sum(), m.sum())), ["all that changed: a wrong picture may be"]),
    (change(lambda f, t, m: ((t & ~f).sum(), (m & ~t).sum())), ["without becoming right"]),
    (change(lambda f, t, m: (t.sum() - f.sum(), f.sum() - t.sum())), ["difference of the two"]),
    (change(lambda f, t, m: ((t.sum() - f.sum()).clamp(min=0), (f.sum() - t.sum()).clamp(min=0))),
     ["the difference of the two: both are aske"]),
    (change(lambda f, t, m: ((t & ~f).sum(), (~t).sum())), ["all that are wrong afterwards: those tha"]),
    (change(lambda f, t, m: (t.sum(), (f & ~t).sum())), ["all that are right afterwards: those tha"]),
    (change(lambda f, t, m: ((t & ~f).sum(), -(f & ~t).sum())), ["a negative number: it is a count"]),
    (change(lambda f, t, m: (t & ~f).sum()), []),
    (change(lambda f, t, m: (t & ~f, f & ~t)), []),
    (change(lambda f, t, m: ((t & f).sum(), (~t & ~f).sum())),
     ["those that were right and stayed so", "those that were wrong and stayed so"]),
    (change(lambda f, t, m: ((t | f).sum(), (~t).sum())), ["all that are wrong afterwards: those tha"]),
    (lambda b, a, w: ((b < a).sum(), (b > a).sum()), ["compared by size"]),
    (change(lambda f, t, m: (100 * (t & ~f).float().mean(), 100 * (f & ~t).float().mean())),
     ["a percentage where a count was asked for"]),
]


# What a reader wrote who had not seen this bank.


def reader_wrong_01(before, after, want):
    return int((before == want).sum()), int((after == want).sum())


def reader_wrong_02(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before == want) & (after != want)
    return int(wrong.sum()), int(right.sum())


def reader_wrong_03(before, after, want):
    right = (before != want) & (after == want)
    wrong = before != after
    return int(right.sum()), int(wrong.sum())


def reader_wrong_04(before, after, want):
    net = int((after == want).sum()) - int((before == want).sum())
    return max(net, 0), max(-net, 0)


def reader_wrong_05(before, after, want):
    return int((after == want).sum()), int((after != want).sum())


def reader_wrong_06(before, after, want):
    right = before != want and after == want
    wrong = before == want and after != want
    return int(right.sum()), int(wrong.sum())


def reader_wrong_07(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before == want) & (after != want)
    return float(right.float().mean()), float(wrong.float().mean())


def reader_wrong_08(before, after, want):
    right = before != want & after == want
    wrong = before == want & after != want
    return int(right.sum()), int(wrong.sum())


def reader_wrong_09(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before != after) & (after != want)
    return int(right.sum()), int(wrong.sum())


def reader_wrong_10(before, after, want):
    right = not (before == want) & (after == want)
    wrong = (before == want) & (not (after == want))
    return int(right.sum()), int(wrong.sum())


def reader_wrong_11(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before == want) & (after != want)
    return right, wrong


def reader_wrong_12(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before == want) & (after != want)
    return int(right.sum()) - int(wrong.sum())


def reader_wrong_13(before, after, want):
    return int((~before & after).sum()), int((before & ~after).sum())


def reader_wrong_14(before, after, want):
    right = (before == want) & (after == want)
    wrong = (before != want) & (after != want)
    return int(right.sum()), int(wrong.sum())


def reader_wrong_15(before, after, want):
    was = set((before == want).nonzero())
    now = set((after == want).nonzero())
    return len(now - was), len(was - now)


def reader_wrong_16(before, after, want):
    right = sum(b is not w and a is w for b, a, w in zip(before, after, want))
    wrong = sum(b is w and a is not w for b, a, w in zip(before, after, want))
    return right, wrong


def reader_wrong_17(before, after, want):
    change = (after == want) - (before == want)
    return int((change == 1).sum()), int((change == -1).sum())


def reader_wrong_18(before, after, want):
    b, a = (before - want).abs(), (after - want).abs()
    return int((a < b).sum()), int((a > b).sum())


def reader_wrong_19(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before == want) & (after != want)
    print(right.sum(), wrong.sum())


def reader_wrong_20(before, after, want):
    right = (before != want) & (after == want)
    return int(right.sum()), len(want) - int(right.sum())


def reader_wrong_21(before, after, want):
    right = (before != want) & (after == want)
    wrong = (after == want) & (before != want)
    return int(right.sum()), int(wrong.sum())


def reader_wrong_22(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before != want) & (after != want)
    return int(right.sum()), int(wrong.sum())


def reader_wrong_23(before, after, want):
    right = (before != want) | (after == want)
    wrong = (before == want) | (after != want)
    return int(right.sum()), int(wrong.sum())


def reader_wrong_24(before, after, want):
    right = (~before == want) & (after == want)
    wrong = (before == want) & (~after == want)
    return int(right.sum()), int(wrong.sum())


def reader_wrong_25(before, after, want):
    right = (before != want) & (after == want)
    wrong = (before == want) & (after != want)
    return int(right.any()), int(wrong.any())


def reader_right_1(before, after, want):
    was, now = before == want, after == want
    return int((~was & now).sum()), int((was & ~now).sum())


def reader_right_2(before, after, want):
    change = (after == want).int() - (before == want).int()
    return (change > 0).sum().item(), (change < 0).sum().item()


def reader_right_3(before, after, want):
    won = lost = 0
    for b, a, w in zip(before.tolist(), after.tolist(), want.tolist()):
        won += b != w and a == w
        lost += b == w and a != w
    return [won, lost]


RIGHT += [reader_right_1, reader_right_2, reader_right_3]
WRONG += [
    (reader_wrong_01, ["all that are right afterwards: those that ch", "all that were right before: those that chang"]),
    (reader_wrong_02, ["the two are exchanged, or one of them stands"]),
    (reader_wrong_03, ["all that changed: a wrong picture may become"]),
    (reader_wrong_04, ["the difference of the two: both are asked fo"]),
    (reader_wrong_05, ["all that are right afterwards: those that ch", "all that are wrong afterwards: those that ch"]),
    (reader_wrong_06, []),
    (reader_wrong_07, ["a share where a count was asked for"]),
    (reader_wrong_08, []),
    (reader_wrong_09, ["all that changed without becoming right: a w"]),
    (reader_wrong_10, []),
    (reader_wrong_11, []),
    (reader_wrong_12, []),
    (reader_wrong_13, ["~ and & work on the bits of class numbers: c"]),
    (reader_wrong_14, ["those that were right and stayed so", "those that were wrong and stayed so"]),
    (reader_wrong_15, ["all that are right afterwards: those that ch", "all that were right before: those that chang"]),
    (reader_wrong_16, ["both numbers are 0: look at what is counted"]),
    (reader_wrong_17, []),
    (reader_wrong_18, []),
    (reader_wrong_19, []),
    (reader_wrong_20, ["| where & belongs"]),
    (reader_wrong_21, ["the two are exchanged, or one of them stands"]),
    (reader_wrong_22, ["those that were wrong and stayed so"]),
    (reader_wrong_23, ["| where & belongs"]),
    (reader_wrong_24, ["both numbers are 0: look at what is counted"]),
    (reader_wrong_25, [".any() says whether there is one: .sum() cou"]),
]


def second_wrong_01(before, after, want):
    was, now = before == want, after == want
    return int((~was | now).sum()), int((was | ~now).sum())


def second_wrong_02(before, after, want):
    was, now = before == want, after == want
    right = int((~was & now).sum())
    return right, len(want) - right


def second_wrong_03(before, after, want):
    c = int(((before == want) ^ (after == want)).sum())
    return c, c


def second_wrong_04(before, after, want):
    before -= want
    after -= want
    return int(((before != 0) & (after == 0)).sum()), int(((before == 0) & (after != 0)).sum())


def second_wrong_05(before, after, want):
    b, a = before == want, after == want
    return len(~b & a), len(b & ~a)


def second_right_06(before, after, want):
    b, a = before == want, after == want
    return torch.stack([(a & ~b).sum(), (b & ~a).sum()])


RIGHT += [second_right_06]
WRONG += [
    (second_wrong_01, ["| where & belongs, or all the rest (the numb"]),
    (second_wrong_02, ["| where & belongs, or all the rest (the numb"]),
    (second_wrong_03, ["all that are right before or afterwards, but"]),
    (second_wrong_04, []),
    (second_wrong_05, []),
]


def third_wrong_01(before, after, want):
    gained = lost = 0
    for k in range(6):
        here = want == k
        gained += int((here & (before != k) & (after == k)).sum())
        lost += int((here & (before == k) & (after != k)).sum())
    return gained, lost


def third_wrong_02(before, after, want):
    change = (after == want).byte() - (before == want).byte()
    return int((change > 0).sum()), int((change < 0).sum())


def third_right_1(before, after, want):
    table = torch.bincount(2 * (before == want) + (after == want), minlength=4)
    return table[1].item(), table[2].item()


RIGHT += [third_right_1]
WRONG += [
    (third_wrong_01, []),
    (third_wrong_02, ["all that are right before or afterwards, but"]),
]
