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


# A newcomer's own, written before any check was run


def newcomers_m_helper(x, w):
    return (x.abs().amax(0), w.abs().amax(0))


def newcomers_no_abs(x, w, a):
    """max without abs"""
    mx, mw = (x.amax(0), w.amax(0))
    s = torch.where((mx > 0) & (mw > 0), mx.clamp(min=1e-09) ** a / mw.clamp(min=1e-09) ** (1 - a), 1.0)
    return (x / s, w * s, s)


def newcomers_no_abs_w(x, w, a):
    """abs forgotten for the weights"""
    mx, mw = (x.abs().amax(0), w.amax(0))
    s = torch.where((mx > 0) & (mw > 0), mx ** a / mw.abs() ** (1 - a), 1.0)
    return (x / s, w * s, s)


def newcomers_no_guard(x, w, a):
    """no guard for dead channels"""
    mx, mw = newcomers_m_helper(x, w)
    s = mx ** a / mw ** (1 - a)
    return (x / s, w * s, s)


def newcomers_clamp(x, w, a):
    """clamps the maxima at 1e-5 instead of s = 1 for dead channels (as the SmoothQuant code)"""
    mx, mw = newcomers_m_helper(x, w)
    s = mx.clamp(min=1e-05) ** a / mw.clamp(min=1e-05) ** (1 - a)
    return (x / s, w * s, s)


def newcomers_tensor_max_w(x, w, a):
    """one maximum for all of w"""
    mx, mw = (x.abs().amax(0), w.abs().amax())
    s = torch.where((mx > 0) & (w.abs().amax(0) > 0), mx ** a / mw ** (1 - a), 1.0)
    return (x / s, w * s, s)


def newcomers_keepdim(x, w, a):
    """s of shape (1, K)"""
    mx, mw = (x.abs().amax(0, keepdim=True), w.abs().amax(0, keepdim=True))
    s = torch.where((mx > 0) & (mw > 0), mx ** a / mw ** (1 - a), 1.0)
    return (x / s, w * s, s)


def newcomers_inverse_s(x, w, a):
    """returns 1 / s"""
    mx, mw = newcomers_m_helper(x, w)
    s = torch.where((mx > 0) & (mw > 0), mx ** a / mw ** (1 - a), 1.0)
    return (x / s, w * s, 1 / s)


def newcomers_half_fixed(x, w, a):
    """a not used: 0.5"""
    mx, mw = newcomers_m_helper(x, w)
    s = torch.where((mx > 0) & (mw > 0), (mx / mw).sqrt(), 1.0)
    return (x / s, w * s, s)


def newcomers_precedence(x, w, a):
    """mw ** 1 - a: bracket forgotten"""
    mx, mw = newcomers_m_helper(x, w)
    s = torch.where((mx > 0) & (mw > 0), mx ** a / (mw ** 1 - a), 1.0)
    return (x / s, w * s, s)


def newcomers_zero_s(x, w, a):
    """dead channel gets 0 kept as nan_to_num(0)"""
    mx, mw = newcomers_m_helper(x, w)
    s = (mx ** a / mw ** (1 - a)).nan_to_num(1.0, posinf=1.0)
    return (x / s, w * s, s)


def newcomers_log_right(x, w, a):
    """through logarithms"""
    mx, mw = newcomers_m_helper(x, w)
    dead = (mx == 0) | (mw == 0)
    s = torch.exp(a * mx.log() - (1 - a) * mw.log()).masked_fill(dead, 1.0)
    return (x / s, w * s, s)


def newcomers_loop_right(x, w, a):
    """loop over channels"""
    s = torch.ones(x.shape[1], dtype=x.dtype)
    for k in range(x.shape[1]):
        mx, mw = (x[:, k].abs().max(), w[:, k].abs().max())
        if mx > 0 and mw > 0:
            s[k] = mx ** a / mw ** (1 - a)
    return (x / s, w * s, s)


def newcomers_pow_right(x, w, a):
    """mw^(a-1), diag matrices"""
    mx = torch.linalg.vector_norm(x, float('inf'), 0)
    mw = torch.linalg.vector_norm(w, float('inf'), 0)
    s = mx.pow(a) * mw.pow(a - 1)
    s[mx * mw == 0] = 1
    return (x @ torch.diag(1 / s), w @ torch.diag(s), s)


def newcomers_norms_recip_right(x, w, a):
    """x * s.reciprocal(), alive mask by any"""
    alive = x.any(0) & w.any(0)
    mx = torch.maximum(x.amax(0), -x.amin(0))
    mw = torch.maximum(w.amax(0), -w.amin(0))
    s = torch.ones_like(mx)
    s[alive] = mx[alive] ** a * mw[alive] ** (-(1 - a))
    return (x * s.reciprocal(), torch.einsum('nk,k->nk', w, s), s)


RIGHT = [
    right, right_loop, right_row, newcomers_loop_right, newcomers_norms_recip_right, newcomers_pow_right, newcomers_log_right,
]
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
     ["one number for all channels"]), (made(good, False), ["0, infinity or NaN"]),
    (made(lambda mx, mw, a, x, w: mx.clamp(min=1e-5) ** a / mw.clamp(min=1e-5) ** (1 - a), False), ["lifted a little"]),
    (made(lambda mx, mw, a, x, w: torch.where(mx == 0, 1.0, good(mx, mw, a, x, w)), False), ["0, infinity or NaN"]),
    (made(lambda mx, mw, a, x, w: torch.where(mw == 0, 1.0, good(mx, mw, a, x, w)), False), ["0, infinity or NaN"]),
    (made(lambda mx, mw, a, x, w: good(mx + 1e-8, mw + 1e-8, a, x, w), False), ["lifted a little"]),
    (made(good, out=lambda x, w, s: (x * s, w / s, s)), ["x is multiplied and W divided"]),
    (made(good, out=lambda x, w, s: (x / s, w / s, s)), ["W is divided, too"]),
    (made(good, out=lambda x, w, s: (x * s, w * s, s)), ["x is multiplied, too"]),
    (made(good, out=lambda x, w, s: (x / s, w, s)), ["W as it came"]),
    (made(good, out=lambda x, w, s: (x, w * s, s)), ["x as it came"]), (made(good, out=lambda x, w, s: (x / s, w * s)), []),
    (made(good, out=lambda x, w, s: s), []),
    (made(good, out=lambda x, w, s: (x / s, w * s, 1 / s)), ["upside down", "the other way round", "multiplied and W divided"]),
    (made(good, out=lambda x, w, s: (s, x / s, w * s)), ["s comes last"]),
    (lambda x, w, a: (x, w, torch.ones(x.shape[1], dtype=x.dtype)), ["as it came", "s is 1 in channels"]),
    (made(lambda mx, mw, a, x, w: x.abs().amax(1)[0] * good(mx, mw, a, x, w)), []),
    (made(lambda mx, mw, a, x, w: mx ** a / w.abs().amax(1)[0] ** (1 - a)), ["one maximum for all of W"]),
    (made(lambda mx, mw, a, x, w: mx ** 0.5 / mw ** 0.5), ["a is not used"]),
    (made(lambda mx, mw, a, x, w: torch.where((s := good(mx, mw, a, x, w)).isinf() | (s == 0), 1.0, s), False),
     ["0, infinity or NaN"]),
    (made(lambda mx, mw, a, x, w: torch.where((mx > 1e-3) & (mw > 1e-3), good(mx, mw, a, x, w), 1.0)), ["s is 1 in channels"]),
    (made(lambda mx, mw, a, x, w: good(mx + (mx == 0), mw + (mw == 0), a, x, w), False), ["taken for 1"]),
    (made(lambda mx, mw, a, x, w: mx ** a / mw ** 1 - a), ["takes a off at the end"]),
    (newcomers_keepdim, ["s has an axis too many: one number a channel,"]),
    (newcomers_inverse_s, ["upside down: loud inputs need a large s"]),
    (newcomers_no_abs, ["the greatest number, without abs(), of both"]),
    (newcomers_no_abs_w, ["the greatest number, without abs(), of W"]),
    (newcomers_tensor_max_w, ["one maximum for all of W: each channel has it"]),
    (newcomers_half_fixed, ["a is not used: both have 0.5"]),
    (newcomers_precedence, ["`mw ** 1 - a` is mw - a: brackets, mw ** (1 -"]),
    (newcomers_no_guard, ["0, infinity or NaN stands there: take 1"]),
    (newcomers_clamp, ["their maxima are lifted a little, and the for"]),
    (newcomers_zero_s, ["0, infinity or NaN stands there: take 1"]),
]
