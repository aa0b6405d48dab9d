"""Answers to 03-guided: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "03-guided"


def right(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        both = denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond]))
        without, with_cond = both.chunk(2)
        return without + w * (with_cond - without)
    return guide


def right_lerp(denoise, cond, null, w):
    def guide(x, level):
        if w == 1.0:
            return denoise(x, level, cond)
        c, u = denoise(x.repeat(2, *[1] * (x.ndim - 1)), level, torch.cat([cond, null.repeat(len(x))])).split(len(x))
        return torch.lerp(u, c, w)
    return guide


def right_paper(denoise, cond, null, w):
    more = w - 1
    def guide(x, level):
        if more == 0:
            return denoise(x, level, cond)
        out = denoise(torch.cat([x, x]), level, torch.cat([cond, null.expand_as(cond)]))
        return (1 + more) * out[:len(x)] - more * out[len(x):]
    return guide


def change(end, price=True, nothing=lambda null, cond: null.expand_as(cond), one=True):
    """price: one call of both. one: w = 1 asks for one guess."""
    def answer(denoise, cond, null, w):
        def guide(x, level):
            if one and w == 1:
                return denoise(x, level, cond)
            if price:
                u, c = denoise(torch.cat([x, x]), level, torch.cat([nothing(null, cond), cond])).chunk(2)
            else:
                u, c = denoise(x, level, nothing(null, cond)), denoise(x, level, cond)
            return end(u, c, w)
        return guide
    return answer


def good(u, c, w):
    return u + w * (c - u)


def wrong_cond_only(denoise, cond, null, w):
    return lambda x, level: denoise(x, level, cond)


def wrong_null_only(denoise, cond, null, w):
    return lambda x, level: denoise(x, level, null.expand_as(cond))


def wrong_none(denoise, cond, null, w):
    def guide(x, level):
        u, c = denoise(x, level), denoise(x, level, cond)
        return u + w * (c - u)
    return guide


def wrong_swapped(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        c, u = denoise(torch.cat([x, x]), level, torch.cat([null.expand_as(cond), cond])).chunk(2)
        return u + w * (c - u)
    return guide


def wrong_woven(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        out = denoise(x.repeat_interleave(2, 0), level, torch.cat([null.expand_as(cond), cond]))
        u, c = out.chunk(2)
        return u + w * (c - u)
    return guide


def wrong_twice(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        xx, cc = torch.cat([x, x]), torch.cat([null.expand_as(cond), cond])
        u, c = denoise(xx, level, cc)[:len(x)], denoise(xx, level, cc)[len(x):]
        return u + w * (c - u)
    return guide


def wrong_clipped_inside(u, c, w):
    return u.clamp(-1, 1) + w * (c.clamp(-1, 1) - u.clamp(-1, 1))


def wrong_tensor(denoise, cond, null, w):
    return denoise(torch.zeros(len(cond), 1, 2, 2), None, cond)


def wrong_null_not_spread(denoise, cond, null, w):
    def guide(x, level):
        u, c = denoise(torch.cat([x, x]), level, torch.cat([null, cond])).chunk(2)
        return u + w * (c - u)
    return guide


def wrong_eps(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        u, c = denoise(torch.cat([x, x]), level, torch.cat([null.expand_as(cond), cond])).chunk(2)
        return (x - level.alpha * good(u, c, w)) / level.sigma
    return guide


RIGHT = [right, right_lerp, right_paper]
WRONG = [
    (change(lambda u, c, w: (1 + w) * c - w * u), ["the paper's w"]),
    (change(lambda u, c, w: (1 + w) * c - w * u, one=False), ["the paper's w"]),
    (wrong_swapped, ["two guesses are exchanged"]),
    (change(lambda u, c, w: u + w * c), ["is added whole"]),
    (change(lambda u, c, w: w * (c - u)), ["nothing it is added to"]),
    (change(lambda u, c, w: c + w * (c - u)), ["the paper's w"]),
    (change(lambda u, c, w: u + (w - 1) * (c - u)), ["(w - 1) where w"]),
    (change(lambda u, c, w: u - w * (c - u)), ["sign of the difference"]),
    (change(wrong_clipped_inside), ["clipped before they are combined"]),
    (change(lambda u, c, w: good(u, c, w).clamp(-1, 1)), ["the result is clipped"]),
    (change(good, price=False), ["two calls of B rows"]),
    (change(good, one=False), ["w = 1 is guidance off"]),
    (change(good, nothing=lambda null, cond: torch.zeros_like(cond)), ["was 0, which is a class"]),
    (change(lambda u, c, w: (u + c) / 2), ["average of both"]),
    (wrong_cond_only, ["w does nothing", "one guess only"]),
    (wrong_null_only, ["w does nothing", "one guess only"]),
    (wrong_none, ["made without any condition", "two calls of B rows", "w = 1 is guidance off"]),
    (wrong_woven, ["repeat_interleave puts each image twice "]),
    (wrong_twice, ["sent twice"]),
    (wrong_tensor, []),
    (wrong_null_not_spread, []),
    (wrong_eps, ["this is the noise of the guess: x0 was a"]),
]


# What a reader wrote who had not seen this bank.


def reader__two(denoise, x, level, cond, null):
    return denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond])).chunk(2)


def reader_wrong_01(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return c + w * (c - n)
    return guide


def reader_wrong_02(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return c + w * (n - c)
    return guide


def reader_wrong_03(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(torch.cat([x, x]), level, torch.cat([cond, null.expand(len(x))])).chunk(2)
        return n + w * (c - n)
    return guide


def reader_wrong_04(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        n, c = n.clamp(-1, 1), c.clamp(-1, 1)
        return n + w * (c - n)
    return guide


def reader_wrong_05(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return (n + w * (c - n)).clamp(-1, 1)
    return guide


def reader_wrong_06(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(x, level, null.expand(len(x))), denoise(x, level, cond)
        return n + w * (c - n)
    return guide


def reader_wrong_07(denoise, cond, null, w):
    def guide(x, level):
        n, c = reader__two(denoise, x, level, cond, null)
        return n + w * (c - n)
    return guide


def reader_wrong_08(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(torch.cat([x, x]), level, torch.cat([null, cond])).chunk(2)
        return n + w * (c - n)
    return guide


def reader_wrong_09(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        out = denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond]))
        n, c = out[::2], out[1::2]
        return n + w * (c - n)
    return guide


def reader_wrong_10(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(x.repeat_interleave(2, 0), level, torch.cat([null.expand(len(x)), cond])).chunk(2)
        return n + w * (c - n)
    return guide


def reader_wrong_11(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, null.expand(len(x)))
        n, c = reader__two(denoise, x, level, cond, null)
        return n + w * (c - n)
    return guide


def reader_wrong_12(denoise, cond, null, w):
    def guide(x, level):
        if w == 0:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return n + w * (c - n)
    return guide


def reader_wrong_13(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level)
        n, c = reader__two(denoise, x, level, cond, null)
        return n + w * (c - n)
    return guide


def reader_wrong_14(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, torch.zeros_like(null))
        return n + w * (c - n)
    return guide


def reader_wrong_15(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        g = n + w * (c - n)
        dims = tuple(range(1, x.ndim))
        return g * (c.std(dims, keepdim=True) / g.std(dims, keepdim=True))
    return guide


def reader_wrong_16(denoise, cond, null, w):
    def guide(x, level):
        if w <= 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return n + w * (c - n)
    return guide


def reader_wrong_17(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return n - w * (c - n)
    return guide


def reader_wrong_18(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond])).chunk(2, dim=1)
        return n + w * (c - n)
    return guide


def reader_wrong_19(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return w * c + (w - 1) * n
    return guide


def reader_wrong_20(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(torch.stack([x, x]), level, torch.stack([null.expand(len(x)), cond]))
        return n + w * (c - n)
    return guide


def reader_wrong_21(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return w * (c - n)
    return guide


def reader_wrong_22(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond[:1].expand(len(x)), null)
        return n + w * (c - n)
    return guide


def reader_wrong_23(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return (1 - w) * c + w * n
    return guide


def reader_wrong_24(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(x, level, torch.cat([null.expand(len(x)), cond])).chunk(2)
        return n + w * (c - n)
    return guide


def reader_wrong_25(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        return n + (w - 1) * (c - n)
    return guide


def reader_wrong_26(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = reader__two(denoise, x, level, cond, null)
        e = lambda x0: (x - level.alpha * x0) / level.sigma
        return e(n) + w * (e(c) - e(n))
    return guide


def reader_right_1(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        n, c = denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond])).chunk(2)
        return n + w * (c - n)
    return guide


def reader_right_2(denoise, cond, null, w):
    if w == 1:
        return lambda x, level: denoise(x, level, cond)
    def guide(x, level):
        out = denoise(x.repeat(2, *[1] * (x.ndim - 1)), level, torch.cat([cond, null.repeat(len(x))]))
        return w * out[:len(x)] + (1 - w) * out[len(x):]
    return guide


def reader_right_3(denoise, cond, null, w):
    def guide(x, level):
        if abs(w - 1) < 1e-8:
            return denoise(x, level, cond)
        both = torch.cat([cond, torch.full_like(cond, int(null))])
        c, n = torch.split(denoise(torch.cat((x, x), dim=0), level, both), len(x))
        return torch.lerp(n, c, w)
    return guide


RIGHT += [reader_right_1, reader_right_2, reader_right_3]
WRONG += [
    (reader_wrong_01, ["the paper's w, which starts from the guess w"]),
    (reader_wrong_02, ["the two guesses are exchanged: the first hal"]),
    (reader_wrong_03, ["the two guesses are exchanged: the first hal"]),
    (reader_wrong_04, ["the guesses are clipped before they are comb"]),
    (reader_wrong_05, ["the result is clipped: that is left to whoev"]),
    (reader_wrong_06, ["two calls of B rows: put both into one batch"]),
    (reader_wrong_07, ["w = 1 is guidance off: ask with the conditio"]),
    (reader_wrong_08, []),
    (reader_wrong_09, ["every second row is taken: the two guesses c"]),
    (reader_wrong_10, ["repeat_interleave puts each image twice in a"]),
    (reader_wrong_11, ["at w = 1 it is the condition that is asked, "]),
    (reader_wrong_12, ["w = 1 is guidance off: ask with the conditio"]),
    (reader_wrong_13, ["at w = 1 the condition was not handed on"]),
    (reader_wrong_14, ["nothing to ask for was 0, which is a class: "]),
    (reader_wrong_15, ["the result is rescaled to the spread of the "]),
    (reader_wrong_16, ["guidance is off at w = 1 alone"]),
    (reader_wrong_17, ["the sign of the difference: from the guess w"]),
    (reader_wrong_18, []),
    (reader_wrong_19, ["the sign of the part without: its weight is "]),
    (reader_wrong_20, []),
    (reader_wrong_21, ["w times the difference, and nothing it is ad"]),
    (reader_wrong_22, ["all images are asked for what the first is"]),
    (reader_wrong_23, ["the two guesses are exchanged: the first hal"]),
    (reader_wrong_24, []),
    (reader_wrong_25, ["(w - 1) where w belongs"]),
    (reader_wrong_26, ["this is the noise of the guess: x0 was asked"]),
]


def second_wrong_01(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        no, yes = denoise(torch.cat([x, x]), level, torch.cat([null, cond])).chunk(2)
        return no + w * (yes - no)
    return guide


def second_wrong_02(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        no, yes = denoise(x, level), denoise(x, level, cond)
        return no + w * (yes - no)
    return guide


def second_wrong_03(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        no, yes = denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond])).chunk(2)
        return no + w * yes - no
    return guide


def second_wrong_04(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        no, yes = denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond])).chunk(2)
        x.copy_(no + w * (yes - no))
        return x
    return guide


def second_wrong_05(denoise, cond, null, w):
    def guide(x, level):
        if int(w) == 1:
            return denoise(x, level, cond)
        no, yes = denoise(torch.cat([x, x]), level, torch.cat([null.expand(len(x)), cond])).chunk(2)
        return no + w * (yes - no)
    return guide


def second_wrong_06(denoise, cond, null, w):
    kept = []
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        if not kept:
            kept.append(torch.cat([x, x]))
        no, yes = denoise(kept[0], level, torch.cat([null.expand(len(x)), cond])).chunk(2)
        return no + w * (yes - no)
    return guide


def second_wrong_07(denoise, cond, null, w):
    def guide(x, level):
        return denoise(x, level, cond)


def second_wrong_08(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        no = denoise(x[:1], level, null)
        yes = denoise(x, level, cond)
        return no + w * (yes - no)
    return guide


def second_right_09(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        c = torch.stack([null.expand(len(x)), cond], 1).flatten()
        out = denoise(x.repeat_interleave(2, 0), level, c)
        return out[::2] + w * (out[1::2] - out[::2])
    return guide


RIGHT += [second_right_09]
WRONG += [
    (second_wrong_01, []),
    (second_wrong_02, ["the call without is made without any conditi", "two calls of B rows: put both into one batch"]),
    (second_wrong_03, ["the brackets are missing: w times the differ"]),
    (second_wrong_04, []),
    (second_wrong_05, ["guidance is off at w = 1 alone", "the guess with the condition alone",
                       "one guess only: the other is missing"]),
    (second_wrong_06, ["what was made of the first x is used for eve"]),
    (second_wrong_07, []),
    (second_wrong_08, []),
]


def third__both(denoise, x, level, first, second):
    return denoise(torch.cat([x, x]), level, torch.cat([first, second])).chunk(2)


def third_wrong_01(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        told, free = third__both(denoise, x, level, cond, torch.full_like(cond, 4))
        return free + w * (told - free)
    return guide


def third_wrong_02(denoise, cond, null, w):
    def guide(x, level):
        if w == 1:
            return denoise(x, level, cond)
        pairs = torch.stack([cond, null.expand(len(x))], 1).flatten()
        told, free = denoise(torch.cat([x, x]), level, pairs).chunk(2)
        return free + w * (told - free)
    return guide


def third_wrong_03(denoise, cond, null, w):
    def guide(x, level):
        if int(w) == 1:
            return denoise(x, level, cond)
        told, free = third__both(denoise, x, level, cond, null.expand(len(x)))
        return free + w * (told - free)
    return guide


def third_right_1(denoise, cond, null, w):
    def guide(x, level):
        if w in (0, 1):
            return denoise(x, level, cond if w else null.expand(len(x)))
        told, free = third__both(denoise, x, level, cond, null.expand(len(x)))
        return told + (w - 1) * (told - free)
    return guide


RIGHT += [third_right_1]
WRONG += [
    (third_wrong_01, ["another number stands where null"]),
    (third_wrong_02, ["the conditions alternate"]),
    (third_wrong_03, ["guidance is off at w = 1 alone"]),
]
