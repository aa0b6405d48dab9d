"""Answers to 03-control: right ones, and wrong ones with the causes that a report may name for them."""
import torch

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
    (change(theirs=lambda x, s, b, c, m: c.encode(b.entered(x) + s)), ["by the base's entrance"]),
    (change(theirs=lambda x, s, b, c, m: c.encode(m[0] + s)), ["by the base's entrance"]),
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
    (change(theirs=lambda x, s, b, c, m: [o + s for o in c.encode(c.entered(x))]), ["the hint is added to all"]),
    (change(added=lambda m, z, t: [a * f(o) for a, f, o in zip(m, z, t)]), ["multiplied"]),
    (change(added=lambda m, z, t: [a - f(o) for a, f, o in zip(m, z, t)]), ["subtracted"]),
    (wrong_copy_decodes, []),
    (wrong_hint_on_x, ["the hint is added before the entrance: s"]),
    (wrong_sum_of_outputs, []),
    (wrong_two_decodes, ["decoded twice, and added: what the copy "]),
    (wrong_base_only, ["the copy is not used"]),
    (wrong_twice, []),
    (wrong_hint_last, []),
]


# What a reader wrote who had not seen this bank.


def reader_wrong_01(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x + seen(hint)))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_02(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + hint)
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_03(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x) + seen(hint)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_04(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + t for m, t in zip(mine, theirs)])


def reader_wrong_05(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([z(m) + t for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_06(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return copy.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_07(x, hint, base, copy, seen, zeros):
    h = base.entered(x)
    mine, theirs = base.encode(h), copy.encode(h + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_08(x, hint, base, copy, seen, zeros):
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode([z(t) for z, t in zip(zeros, theirs)])


def reader_wrong_09(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros[::-1], theirs[::-1])])


def reader_wrong_10(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    mine[-1] = mine[-1] + zeros[-1](theirs[-1])
    return base.decode(mine)


def reader_wrong_11(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_12(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(x), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_13(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode(mine + [z(t) for z, t in zip(zeros, theirs)])


def reader_wrong_14(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([z(m + t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_15(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_16(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(m) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_17(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode(*[m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_18(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return [m + z(t) for m, z, t in zip(mine, zeros, theirs)]


def reader_wrong_19(x, hint, base, copy, seen, zeros):
    with torch.no_grad():
        mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x) + seen(hint))
    with torch.no_grad():
        return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_20(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), base.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_21(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + zeros[0](t) for m, t in zip(mine, theirs)])


def reader_wrong_22(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode(mine + zeros(theirs))


def reader_wrong_23(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode(mine) + base.decode([z(t) for z, t in zip(zeros, theirs)])


def reader_wrong_24(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(torch.cat([copy.entered(x), seen(hint)], 1))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_25(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x)) 
    return base.decode([m + z(t + seen(hint)) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_26(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(x + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_27(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    mine = [m + z(t) for m, z, t in zip(mine[:-1], zeros, theirs)] + mine[-1:]
    return base.decode(mine)


def reader_wrong_28(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(t.detach()) for m, z, t in zip(mine, zeros, theirs)])


def reader_wrong_30(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(seen(hint)))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_right_1(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def reader_right_2(x, hint, base, copy, seen, zeros):
    out = list(base.encode(base.entered(x)))
    for i, found in enumerate(copy.encode(seen(hint) + copy.entered(x))):
        out[i] = out[i] + zeros[i](found)
    return base.decode(out)


def reader_right_3(x, hint, base, copy, seen, zeros):
    with torch.no_grad():  # the base's way down is frozen
        mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode(list(map(torch.add, mine, [z(t) for z, t in zip(zeros, theirs)])))


RIGHT += [reader_right_1, reader_right_2, reader_right_3]
WRONG += [
    (reader_wrong_01, ["the hint is added before the entrance: seen("]),
    (reader_wrong_02, []),
    (reader_wrong_03, ["the base sees the hint, too: it stays as it "]),
    (reader_wrong_04, ["the zeros are left out: what the copy finds "]),
    (reader_wrong_05, ["the zeros take what the base left, too: they"]),
    (reader_wrong_06, []),
    (reader_wrong_07, ["the copy goes in by the base's entrance: it "]),
    (reader_wrong_08, ["what the base left is gone: what the copy fi"]),
    (reader_wrong_09, ["zeros and findings are both taken from the o"]),
    (reader_wrong_10, ["only the last of what the copy finds is adde"]),
    (reader_wrong_11, ["the copy sees the hint alone: it sees x as w"]),
    (reader_wrong_12, ["the base's entrance is left out: encode take"]),
    (reader_wrong_13, []),
    (reader_wrong_14, ["what the copy finds is added after the zeros"]),
    (reader_wrong_15, ["the hint is not used: the copy sees it, too"]),
    (reader_wrong_16, ["the zeros take what the base left: they take"]),
    (reader_wrong_17, []),
    (reader_wrong_18, []),
    (reader_wrong_19, ["nothing gets a gradient: the base is frozen "]),
    (reader_wrong_20, ["the copy goes in, and then the base goes dow"]),
    (reader_wrong_21, ["the first of the zeros is used for all: each"]),
    (reader_wrong_22, []),
    (reader_wrong_23, ["decoded twice, and added: what the copy find"]),
    (reader_wrong_24, []),
    (reader_wrong_25, ["the hint is added to all"]),
    (reader_wrong_26, ["the copy's entrance is left out: encode take"]),
    (reader_wrong_27, ["all but the last are added: the middle's, to"]),
    (reader_wrong_28, ["what the copy finds is cut off (detach, no_g"]),
    (reader_wrong_30, ["the copy's entrance sees the hint alone: it "]),
]


def second_wrong_01(x, hint, base, copy, seen, zeros):
    mine = base.encode(x)
    theirs = copy.encode(x + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def second_wrong_02(x, hint, base, copy, seen, zeros):
    mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x))
    return base.decode([m + z(t) + seen(hint) for m, z, t in zip(mine, zeros, theirs)])


def second_wrong_03(x, hint, base, copy, seen, zeros):
    mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode(mine[:1] + [m + z(t) for m, z, t in zip(mine[1:], zeros[1:], theirs[1:])])


def second_wrong_04(x, hint, base, copy, seen, zeros):
    mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x) * (1 + seen(hint)))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs)])


def second_wrong_05(x, hint, base, copy, seen, zeros):
    a, b = base.encode(base.entered(x)), copy.encode(copy.entered(x))
    b[0] = b[0] + seen(hint)
    return base.decode([m + z(t) for m, z, t in zip(a, zeros, b)])


def second_wrong_06(x, hint, base, copy, seen, zeros):
    a = base.encode(base.entered(x))
    b = copy.encode(a[-1] + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(a, zeros, b)])


def second_wrong_07(x, hint, base, copy, seen, zeros):
    a, b = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m * (1 + z(t)) for m, z, t in zip(a, zeros, b)])


WRONG += [
    (second_wrong_01, ["both entrances are left out: encode takes wh"]),
    (second_wrong_02, []),
    (second_wrong_03, ["the first of what the copy finds is left out"]),
    (second_wrong_04, []),
    (second_wrong_05, ["the hint is added to what the copy found, at"]),
    (second_wrong_06, ["the copy goes on from what the base left: it"]),
    (second_wrong_07, []),
]


def third_wrong_01(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([mine[i] + zeros[i](theirs[i]) for i in range(3)])


def third_wrong_02(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x) + seen(hint)), copy.encode(copy.entered(x))
    return base.decode([a + z(b) for a, z, b in zip(mine, zeros, theirs)])


def third_wrong_03(x, hint, base, copy, seen, zeros):
    mine, theirs = base.encode(base.entered(x)), copy.encode(copy.entered(x) + seen(hint))
    return base.decode([a + z(b) for a, z, b in zip(mine, zeros, theirs)][::-1])


def third_right_1(x, hint, base, copy, seen, zeros):
    with torch.no_grad():
        mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode([a + z(b) for a, z, b in zip(mine, zeros, theirs)])


RIGHT += [third_right_1]
WRONG += [
    (third_wrong_01, []),
    (third_wrong_02, ["the base sees the hint, and the copy does not"]),
    (third_wrong_03, ["decode is handed the list from its other end"]),
]
