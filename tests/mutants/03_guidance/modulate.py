"""Answers to 03-modulate: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

EXERCISE = "03-modulate"


def right_chunk(h, emb, norm, linear):
    scale, shift = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + scale) + shift


def right_split(h, emb, norm, linear):
    c = h.shape[1]
    given = linear(emb)
    scale, shift = given[:, :c].view(len(h), c, 1, 1), given[:, c:].view(len(h), c, 1, 1)
    return torch.addcmul(norm(h) + shift, norm(h), scale)


def right_each(h, emb, norm, linear):
    rows = []
    for one, told in zip(norm(h), linear(emb)):
        scale, shift = told.reshape(2, -1)
        rows.append(one * (scale + 1)[:, None, None] + shift[:, None, None])
    return torch.stack(rows)


def with_change(end, given=lambda linear, emb: linear(emb), cut=lambda g: g.chunk(2, 1)):
    def answer(h, emb, norm, linear):
        scale, shift = (part[:, :, None, None] for part in cut(given(linear, emb)))
        return end(h, norm, scale, shift)
    return answer


def wrong_along(h, emb, norm, linear):
    scale, shift = linear(emb).chunk(2, 1)
    return norm(h) * (1 + scale) + shift


def wrong_along_two(h, emb, norm, linear):
    scale, shift = linear(emb).chunk(2, 1)
    return norm(h) * (1 + scale[:, None, None]) + shift[:, None, None]


def wrong_rows_cut(h, emb, norm, linear):
    scale, shift = linear(emb).chunk(2)
    return norm(h) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]


def wrong_in_place(h, emb, norm, linear):
    scale, shift = linear(emb)[:, :, None, None].chunk(2, 1)
    h.mul_(1 + scale)
    return norm(h) + shift


def wrong_flat(h, emb, norm, linear):
    scale, shift = linear(emb)[:, :, None, None].chunk(2, 1)
    return (norm(h) * (1 + scale) + shift).flatten(1)


def wrong_double(h, emb, norm, linear):
    scale, shift = linear(emb)[:, :, None, None].chunk(2, 1)
    return (norm(h) * (1 + scale) + shift).half()


RIGHT = [right_chunk, right_split, right_each]
WRONG = [
    (with_change(lambda h, n, a, b: n(h) * a + b), ["the 1 + is missing"]),
    (with_change(lambda h, n, a, b: n(h * (1 + a) + b)), ["normalised afterwards"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + b) + a), ["scale and shift are exchanged"]),
    (with_change(lambda h, n, a, b: h * (1 + a) + b), ["h is not normalised"]),
    (with_change(lambda h, n, a, b: (n(h) + b) * (1 + a)), ["the shift is scaled, too"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + a)), ["the shift is missing"]),
    (with_change(lambda h, n, a, b: n(h) + b), ["the scale is missing"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + a) - b), ["the shift is subtracted"]),
    (with_change(lambda h, n, a, b: n(h) * (1 - a) + b), ["1 - scale where"]),
    (with_change(lambda h, n, a, b: n(h) * a.exp() + b), ["exp(scale)"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + a) + 1 + b), ["1 + shift"]),
    (with_change(lambda h, n, a, b: n(h) * a + (1 + b)), ["the 1 is added to the shift"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + a) + b, cut=lambda g: (g[:, ::2], g[:, 1::2])), ["every second number"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + a) + b, given=lambda linear, emb: linear(F.silu(emb))), ["SiLU once more"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + a[:1]) + b[:1]), ["told what the first is"]),
    (with_change(lambda h, n, a, b: n(h) * (1 + a.mean(0)) + b.mean(0)), ["averaged over the batch"]),
    (with_change(lambda h, n, a, b: n(n(h)) * (1 + a) + b), []),
    (with_change(lambda h, n, a, b: (h - h.mean((2, 3), keepdim=True)) / h.std((2, 3), keepdim=True) * (1 + a) + b), []),
    (with_change(lambda h, n, a, b: h + n(h) * (1 + a) + b), []),
    (with_change(lambda h, n, a, b: n(h) * torch.sigmoid(a) + b), []),
    (with_change(lambda h, n, a, b: n(h) * (1 + a.tanh()) + b), []),
    (with_change(lambda h, n, a, b: n(h)), []),
    (wrong_along, ["laid along height and width", "is laid along another axis"]),
    (wrong_along_two, []),
    (wrong_rows_cut, []),
    (wrong_in_place, []),
    (wrong_flat, []),
    (wrong_double, []),
]
