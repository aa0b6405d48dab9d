"""Answers to 03-control: right ones, and wrong ones with the causes that a report may name for them."""

EXERCISE = "03-control"


def right(x, hint, base, copy, seen, zeros):
    mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + zero(t) for m, zero, t in zip(mine, zeros, theirs)])


def right_loop(x, hint, base, copy, seen, zeros):
    left = base.encode(base.entered(x))
    found = copy.encode(seen(hint) + copy.entered(x))
    for i, zero in enumerate(zeros):
        left[i] = left[i] + zero(found[i])
    return base.decode(left)


def right_added(x, hint, base, copy, seen, zeros):
    h = copy.entered(x)
    added = [zero(t) for zero, t in zip(zeros, copy.encode(h + seen(hint)))]
    return base.decode([sum(pair) for pair in zip(added, base.encode(base.entered(x)))])


def change(mine=lambda x, s, b, c: b.encode(b.entered(x)), theirs=lambda x, s, b, c, m: c.encode(c.entered(x) + s),
           added=lambda m, z, t: [a + f(o) for a, f, o in zip(m, z, t)]):
    def answer(x, hint, base, copy, seen, zeros):
        s = seen(hint)
        m = mine(x, s, base, copy)
        return base.decode(added(m, zeros, theirs(x, s, base, copy, m)))
    return answer


def wrong_copy_decodes(x, hint, base, copy, seen, zeros):
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return copy.decode([m + z(t) for m, z, t in zip(base.encode(base.entered(x)), zeros, theirs)])


def wrong_hint_on_x(x, hint, base, copy, seen, zeros):
    theirs = copy.encode(copy.entered(x + seen(hint)))
    return base.decode([m + z(t) for m, z, t in zip(base.encode(base.entered(x)), zeros, theirs)])


def wrong_sum_of_outputs(x, hint, base, copy, seen, zeros):
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode(base.encode(base.entered(x))) + zeros[-1](theirs[-1])


def wrong_two_decodes(x, hint, base, copy, seen, zeros):
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode(base.encode(base.entered(x))) + base.decode([z(t) for z, t in zip(zeros, theirs)])


def wrong_base_only(x, hint, base, copy, seen, zeros):
    return base.decode(base.encode(base.entered(x)))


def wrong_twice(x, hint, base, copy, seen, zeros):
    left = []
    for i, zero in enumerate(zeros):
        left.append(base.encode(base.entered(x))[i] + zero(copy.encode(copy.entered(x) + seen(hint))[i]))
    return base.decode(left)


def wrong_hint_last(x, hint, base, copy, seen, zeros):
    theirs = copy.encode(copy.entered(x))
    mine = base.encode(base.entered(x))
    mine[-1] = mine[-1] + zeros[-1](theirs[-1] + seen(hint))
    return base.decode(mine)


RIGHT = [right, right_loop, right_added]
WRONG = [
    (change(theirs=lambda x, s, b, c, m: c.encode(c.entered(x))), ["the hint is not used"]),
    (change(theirs=lambda x, s, b, c, m: c.encode(s)), ["sees the hint alone"]),
    (change(theirs=lambda x, s, b, c, m: c.encode(b.entered(x) + s)), ["by the base's entrance", "where the base has come to"]),
    (change(theirs=lambda x, s, b, c, m: c.encode(m[0] + s)), ["where the base has come to", "by the base's entrance"]),
    (change(mine=lambda x, s, b, c: b.encode(c.entered(x))), ["by the copy's entrance"]),
    (change(mine=lambda x, s, b, c: b.encode(b.entered(x) + s)), ["the base sees the hint, too"]),
    (change(theirs=lambda x, s, b, c, m: b.encode(b.entered(x) + s)), ["the copy is not asked"]),
    (change(added=lambda m, z, t: [a + o for a, o in zip(m, t)]), ["the zeros are left out"]),
    (change(added=lambda m, z, t: [*m[:-1], m[-1] + z[-1](t[-1])]), ["only the last"]),
    (change(added=lambda m, z, t: [*(a + f(o) for a, f, o in zip(m[:-1], z, t)), m[-1]]), ["all but the last"]),
    (change(added=lambda m, z, t: [f(o) for f, o in zip(z, t)]), ["what the base left is gone"]),
    (change(added=lambda m, z, t: [f(a + o) for a, f, o in zip(m, z, t)]), ["they take it, not the sum"]),
    (change(added=lambda m, z, t: [o + f(a) for a, f, o in zip(m, z, t)]), ["they take the copy's"]),
    (change(added=lambda m, z, t: [a + f(o) for a, f, o in zip(m, z[::-1], t)]), ["from the other end"]),
    (change(added=lambda m, z, t: [a + f(o) for a, f, o in zip(m, z, t[::-1])]), ["from the other end"]),
    (change(theirs=lambda x, s, b, c, m: [o + s for o in c.encode(c.entered(x))]), ["behind the copy's first step"]),
    (change(added=lambda m, z, t: [a * f(o) for a, f, o in zip(m, z, t)]), ["multiplied", "what the base left is gone"]),
    (change(added=lambda m, z, t: [a - f(o) for a, f, o in zip(m, z, t)]), ["subtracted"]),
    (wrong_copy_decodes, []),
    (wrong_hint_on_x, []),
    (wrong_sum_of_outputs, []),
    (wrong_two_decodes, []),
    (wrong_base_only, ["the copy is not used"]),
    (wrong_twice, []),
    (wrong_hint_last, []),
]
