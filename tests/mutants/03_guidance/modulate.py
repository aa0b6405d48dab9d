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
    (with_change(lambda h, n, a, b: (h - h.mean((2, 3), keepdim=True)) / h.std((2, 3), keepdim=True) * (1 + a) + b),
     ["normalised by hand: call norm, which has"]),
    (with_change(lambda h, n, a, b: h + n(h) * (1 + a) + b), ["h is added once more"]),
    (with_change(lambda h, n, a, b: n(h) * torch.sigmoid(a) + b), []),
    (with_change(lambda h, n, a, b: n(h) * (1 + a.tanh()) + b), []),
    (with_change(lambda h, n, a, b: n(h)), ["nothing is told"]),
    (wrong_along, ["laid along height and width", "is laid along another axis"]),
    (wrong_along_two, []),
    (wrong_rows_cut, []),
    (wrong_in_place, []),
    (wrong_flat, []),
    (wrong_double, []),
]


# What a reader wrote who had not seen this bank.


def reader_wrong_01(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * g + b


def reader_wrong_02(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return h * (1 + g) + b


def reader_wrong_03(h, emb, norm, linear):
    b, g = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + g) + b


def reader_wrong_04(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h * (1 + g) + b)


def reader_wrong_05(h, emb, norm, linear):
    g, b = linear(emb).chunk(2, dim=1)
    return norm(h) * (1 + g) + b


def reader_wrong_06(h, emb, norm, linear):
    g, b = linear(emb)[:, None, None, :].chunk(2, dim=-1)
    return norm(h) * (1 + g) + b


def reader_wrong_07(h, emb, norm, linear):
    g, b = linear(emb)[0].view(1, -1, 1, 1).chunk(2, dim=1)
    return norm(h) * (1 + g) + b


def reader_wrong_08(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2)
    return norm(h) * (1 + g) + b


def reader_wrong_09(h, emb, norm, linear):
    g, b = linear(emb).view(h.shape[0], h.shape[1], 2).unbind(-1)
    return norm(h) * (1 + g[:, :, None, None]) + b[:, :, None, None]


def reader_wrong_10(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * g.exp() + b


def reader_wrong_11(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return (norm(h) + b) * (1 + g)


def reader_wrong_12(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return h + norm(h) * (1 + g) + b


def reader_wrong_13(h, emb, norm, linear):
    h = (h - h.mean((1, 2, 3), keepdim=True)) / h.std((1, 2, 3), keepdim=True)
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return h * (1 + g) + b


def reader_wrong_14(h, emb, norm, linear):
    g, b = linear(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + g) + b


def reader_wrong_15(h, emb, norm, linear):
    g, b = (1 + linear(emb))[:, :, None, None].chunk(2, dim=1)
    return norm(h) * g + b


def reader_wrong_16(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + g) - b


def reader_wrong_17(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * 1 + g + b


def reader_wrong_18(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + g)


def reader_wrong_19(h, emb, norm, linear):
    return norm(h) + linear(emb)[:, :h.shape[1], None, None]


def reader_wrong_20(h, emb, norm, linear):
    C = h.shape[1]
    out = linear(emb)[:, :, None, None]
    return norm(h) * (1 + out[:, :C]) + out[:, :C]


def reader_right_1(h, emb, norm, linear):
    g, b = linear(emb).chunk(2, dim=1)
    return norm(h) * (1 + g[:, :, None, None]) + b[:, :, None, None]


def reader_right_2(h, emb, norm, linear):
    C = h.shape[1]
    out = linear(emb).view(len(h), 2 * C, 1, 1)
    return torch.addcmul(out[:, C:], norm(h), 1 + out[:, :C])


def reader_right_3(h, emb, norm, linear):
    g, b = linear(emb).reshape(len(h), 2, -1).unbind(1)
    n = norm(h)
    return n + torch.einsum("bc,bchw->bchw", g, n) + b.unsqueeze(-1).unsqueeze(-1)


RIGHT += [reader_right_1, reader_right_2, reader_right_3]
WRONG += [
    (reader_wrong_01, ["the 1 + is missing: norm(h) (1 + scale) + sh", "the 1 + is missing: with a scale of 0 nothin"]),
    (reader_wrong_02, ["h is not normalised"]),
    (reader_wrong_03, ["scale and shift are exchanged: scale is the "]),
    (reader_wrong_04, ["scaled and shifted first, and normalised aft"]),
    (reader_wrong_05, []),
    (reader_wrong_06, []),
    (reader_wrong_07, ["all images are told what the first is"]),
    (reader_wrong_08, []),
    (reader_wrong_09, ["every second number of linear(emb) was taken"]),
    (reader_wrong_10, ["exp(scale): it is 1 + scale"]),
    (reader_wrong_11, ["the shift is scaled, too: it is added last"]),
    (reader_wrong_12, ["h is added once more"]),
    (reader_wrong_13, ["normalised by hand, over the whole image: ca"]),
    (reader_wrong_14, ["emb went through SiLU once more: it comes as"]),
    (reader_wrong_15, ["1 + shift: only the scale has a 1"]),
    (reader_wrong_16, ["the shift is subtracted"]),
    (reader_wrong_17, ["the brackets are missing: norm(h) times (1 +"]),
    (reader_wrong_18, ["the shift is missing"]),
    (reader_wrong_19, ["only added, as in the plain way: the first h"]),
    (reader_wrong_20, ["the first half is used twice: shift is the s"]),
]


def second_wrong_01(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + g + b)


def second_wrong_02(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return h + norm(h) * g + b


def second_wrong_03(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return F.group_norm(h, h.shape[1]) * (1 + g) + b


def second_wrong_04(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    h.copy_(norm(h))
    h *= 1 + g
    h += b
    return h


def second_wrong_05(h, emb, norm, linear):
    g, b = linear(emb).detach()[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + g) + b


def second_wrong_06(h, emb, norm, linear):
    with torch.no_grad():
        g, b = linear(emb)[:, :, None, None].chunk(2, dim=1)
    return norm(h) * (1 + g) + b


def second_wrong_07(h, emb, norm, linear):
    g, b = linear(emb)[:, :, None, None].chunk(2, 1)
    return norm(h) + h * g + b


def second_right_08(h, emb, norm, linear):
    g, b = linear(emb)[..., None, None].chunk(2, 1)
    h = norm(h).clone()
    h *= 1 + g
    h += b
    return h


RIGHT += [second_right_08]
WRONG += [
    (second_wrong_01, ["the shift is multiplied, too: it is added la"]),
    (second_wrong_02, ["h stands where the 1 + belongs: it is norm(h"]),
    (second_wrong_03, []),
    (second_wrong_04, []),
    (second_wrong_05, ["linear is cut off (detach, no_grad): it coul"]),
    (second_wrong_06, ["linear is cut off (detach, no_grad): it coul"]),
    (second_wrong_07, ["h is scaled, norm(h) left as it is: it is no"]),
]
