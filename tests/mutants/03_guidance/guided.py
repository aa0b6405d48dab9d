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
    (wrong_none, ["was 0, which is a class", "two calls of B rows", "w = 1 is guidance off"]),
    (wrong_woven, []),
    (wrong_twice, ["sent twice"]),
    (wrong_tensor, []),
    (wrong_null_not_spread, []),
    (wrong_eps, []),
]
