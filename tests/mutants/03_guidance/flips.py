"""Answers to 03-flips: right ones, and wrong ones with the causes that a report may name for them."""

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
    (change(lambda f, t, m: ((t & ~f).float().mean(), (f & ~t).float().mean())), ["shares where counts"]),
    (change(lambda f, t, m: (t.sum(), (~t).sum())), ["right afterwards, and all that are wrong"]),
    (change(lambda f, t, m: (f.sum(), t.sum())), ["right before, and after"]),
    (change(lambda f, t, m: (m.sum(), m.sum())), ["one way or the other"]),
    (change(lambda f, t, m: ((t & ~f).sum(), (m & ~t).sum())), ["without becoming right", "lost counts all"]),
    (change(lambda f, t, m: (t.sum() - f.sum(), f.sum() - t.sum())), ["difference of the two"]),
    (change(lambda f, t, m: ((t.sum() - f.sum()).clamp(min=0), (f.sum() - t.sum()).clamp(min=0))), ["cut at 0"]),
    (change(lambda f, t, m: ((t & ~f).sum(), (~t).sum())), ["lost counts all that are wrong", "without becoming right"]),
    (change(lambda f, t, m: (t.sum(), (f & ~t).sum())), ["gained counts all that are right"]),
    (change(lambda f, t, m: ((t & ~f).sum(), -(f & ~t).sum())), ["as a negative number"]),
    (change(lambda f, t, m: (t & ~f).sum()), []),
    (change(lambda f, t, m: (t & ~f, f & ~t)), []),
    (change(lambda f, t, m: ((t & f).sum(), (~t & ~f).sum())), []),
    (change(lambda f, t, m: ((t | f).sum(), (~t).sum())), []),
    (lambda b, a, w: ((b < a).sum(), (b > a).sum()), []),
    (change(lambda f, t, m: (100 * (t & ~f).float().mean(), 100 * (f & ~t).float().mean())), []),
]
