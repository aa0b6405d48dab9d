"""Answers to 05-smooth: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "05-smooth"


def right(x, w, a):
    mx, mw = x.abs().amax(0), w.abs().amax(0)
    s = torch.where((mx > 0) & (mw > 0), mx ** a / mw ** (1 - a), 1.0)
    return x / s, w * s, s


def right_loop(x, w, a):
    s = torch.ones(x.shape[1], dtype=x.dtype)
    for k in range(len(s)):
        if x[:, k].any() and w[:, k].any():
            s[k] = x[:, k].abs().max() ** a / w[:, k].abs().max() ** (1 - a)
    return x / s, w * s, s


def right_row(x, w, a):
    mx, mw = x.abs().amax(0, keepdim=True), w.abs().amax(0, keepdim=True)
    s = torch.exp(a * mx.log() - (1 - a) * mw.log())
    s = torch.where((mx == 0) | (mw == 0), torch.ones_like(s), s)
    return x / s, w * s, s[0]


def made(s, alive=True, out=lambda x, w, s: (x / s, w * s, s), dead=1.0):
    def answer(x, w, a):
        mx, mw = x.abs().amax(0), w.abs().amax(0)
        value = s(mx, mw, a, x, w)
        value = torch.where((mx > 0) & (mw > 0), value, torch.full_like(value, dead)) if alive else value
        return out(x, w, value)
    return answer


def good(mx, mw, a, x, w):
    return mx ** a / mw ** (1 - a)


RIGHT = [right, right_loop, right_row]
WRONG = [
    (made(lambda mx, mw, a, x, w: mx ** (1 - a) / mw ** a), ["exponents are exchanged"]),
    (made(lambda mx, mw, a, x, w: mx ** a / mw ** a), ["both have the exponent a", "the ratio to the power a"]),
    (made(lambda mx, mw, a, x, w: mx ** a * mw ** (1 - a)), ["max |W| is multiplied"]),
    (made(lambda mx, mw, a, x, w: mw ** (1 - a) / mx ** a), ["upside down"]),
    (made(lambda mx, mw, a, x, w: mx ** a), ["the weights are left out"]),
    (made(lambda mx, mw, a, x, w: mw ** (a - 1)), ["inputs are left out"]),
    (made(lambda mx, mw, a, x, w: mx / mw), ["without the exponents"]),
    (made(lambda mx, mw, a, x, w: x.amax(0).clamp(min=1e-30) ** a / w.amax(0).clamp(min=1e-30) ** (1 - a)),
     ["without abs(), of both"]),
    (made(lambda mx, mw, a, x, w: x.abs().mean(0) ** a / w.abs().mean(0) ** (1 - a)), ["the mean of |x|"]),
    (made(lambda mx, mw, a, x, w: x.square().mean(0).sqrt() ** a / w.square().mean(0).sqrt() ** (1 - a)),
     ["root mean squares"]),
    (made(lambda mx, mw, a, x, w: (x.abs().max() ** a / w.abs().max() ** (1 - a)).expand_as(mx), False),
     ["one number for all channels"]), (made(good, False), ["what the formula gives"]),
    (made(lambda mx, mw, a, x, w: mx.clamp(min=1e-5) ** a / mw.clamp(min=1e-5) ** (1 - a), False), ["lifted a little"]),
    (made(lambda mx, mw, a, x, w: torch.where(mx == 0, 1.0, good(mx, mw, a, x, w)), False), ["what the formula gives"]),
    (made(lambda mx, mw, a, x, w: torch.where(mw == 0, 1.0, good(mx, mw, a, x, w)), False), ["what the formula gives"]),
    (made(lambda mx, mw, a, x, w: good(mx + 1e-8, mw + 1e-8, a, x, w), False), []),
    (made(good, out=lambda x, w, s: (x * s, w / s, s)), ["x is multiplied and W divided"]),
    (made(good, out=lambda x, w, s: (x / s, w / s, s)), ["W is divided, too"]),
    (made(good, out=lambda x, w, s: (x * s, w * s, s)), ["x is multiplied, too"]),
    (made(good, out=lambda x, w, s: (x / s, w, s)), ["W as it came"]),
    (made(good, out=lambda x, w, s: (x, w * s, s)), ["x as it came"]), (made(good, out=lambda x, w, s: (x / s, w * s)), []),
    (made(good, out=lambda x, w, s: s), []),
    (made(good, out=lambda x, w, s: (x / s, w * s, 1 / s)), ["upside down", "the other way round", "multiplied and W divided"]),
    (made(good, out=lambda x, w, s: (s, x / s, w * s)), ["s comes last"]),
    (lambda x, w, a: (x, w, torch.ones(x.shape[1], dtype=x.dtype)), ["as it came"]),
    (made(lambda mx, mw, a, x, w: x.abs().amax(1)[0] * good(mx, mw, a, x, w)), []),
    (made(lambda mx, mw, a, x, w: mx ** a / w.abs().amax(1)[0] ** (1 - a)), []),
    (made(lambda mx, mw, a, x, w: mx ** 0.5 / mw ** 0.5), ["a is not used"]),
]
