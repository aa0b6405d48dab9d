"""Answers to 03-attention: right ones, and wrong ones with the causes that a report may name for them."""
import math

import torch
import torch.nn.functional as F

EXERCISE = "03-attention"


def parted(tokens, heads):
    b, n, c = tokens.shape
    return tokens.view(b, n, heads, c // heads).transpose(1, 2)


def right(q, kv, pad, heads):
    k, v = kv.chunk(2, dim=-1)
    q, k, v = (parted(part, heads) for part in (q, k, v))
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(pad[:, None, None, :], -torch.inf).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def right_fused(q, kv, pad, heads):
    k, v = kv.chunk(2, dim=-1)
    out = F.scaled_dot_product_attention(*(parted(part, heads) for part in (q, k, v)), attn_mask=~pad[:, None, None])
    return out.transpose(1, 2).reshape(q.shape)


def right_einsum(q, kv, pad, heads):
    b, n, c = q.shape
    d = c // heads
    k, v = kv[..., :c].reshape(b, -1, heads, d), kv[..., c:].reshape(b, -1, heads, d)
    scores = torch.einsum("bnhd,blhd->bhnl", q.reshape(b, n, heads, d) * d**-0.5, k)
    scores = scores + torch.where(pad, -1e9, 0.0).to(q)[:, None, None]
    return torch.einsum("bhnl,blhd->bnhd", scores.softmax(-1), v).reshape(b, n, c)


def right_each(q, kv, pad, heads):
    out = torch.empty_like(q)
    for i in range(len(q)):
        k, v = kv[i, ~pad[i]].chunk(2, -1)
        for part in torch.arange(q.shape[2]).chunk(heads):
            out[i][:, part] = (q[i][:, part] @ k[:, part].T / len(part) ** 0.5).softmax(1) @ v[:, part]
    return out


def change(scale=lambda d, c, l: d**-0.5, dim=-1, mask=lambda s, pad: s.masked_fill(pad, -torch.inf),
           cut=lambda kv: kv.chunk(2, -1),
           weigh=lambda w, pad: w):
    def answer(q, kv, pad, heads):
        k, v = cut(kv)
        c, l = q.shape[-1], kv.shape[1]
        q, k, v = (parted(part.contiguous(), heads) for part in (q, k, v))
        scores = q @ k.transpose(-2, -1) * scale(c / heads, c, l)
        weights = weigh(mask(scores, pad[:, None, None]).softmax(dim), pad[:, None, None])
        return (weights @ v).transpose(1, 2).flatten(2)
    return answer


def wrong_one_head(q, kv, pad, heads):
    return right(q, kv, pad, 1)


def wrong_laid(q, kv, pad, heads):
    b, n, c = q.shape
    k, v = kv.chunk(2, -1)
    q, k, v = (part.reshape(b, heads, -1, c // heads) for part in (q, k, v))
    weights = (q @ k.transpose(2, 3) / (c // heads) ** 0.5).masked_fill(pad[:, None, None], -torch.inf).softmax(-1)
    return (weights @ v).reshape(b, n, c)


def wrong_not_back(q, kv, pad, heads):
    k, v = kv.chunk(2, dim=-1)
    b, n, c = q.shape
    q, k, v = (parted(part, heads) for part in (q, k, v))
    weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None], -torch.inf).softmax(-1)
    return (weights @ v).reshape(b, n, c)


def wrong_woven(q, kv, pad, heads):
    k, v = kv.chunk(2, dim=-1)
    apart = lambda t: t.unflatten(2, (-1, heads)).permute(0, 3, 1, 2)
    q, k, v = map(apart, (q, k, v))
    weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None], -torch.inf).softmax(-1)
    return (weights @ v).permute(0, 2, 3, 1).flatten(2)


def wrong_words_removed(q, kv, pad, heads):
    return right(q, kv[:, ~pad[0]], pad[:, ~pad[0]], heads)


def wrong_zeroed(q, kv, pad, heads):
    return right(q, kv.masked_fill(pad[..., None], 0.0), torch.zeros_like(pad), heads)


def wrong_self(q, kv, pad, heads):
    k = q
    s = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
    return s @ q


def wrong_average(q, kv, pad, heads):
    v = kv.chunk(2, -1)[1]
    keep = (~pad)[..., None].to(v)
    return ((v * keep).sum(1, keepdim=True) / keep.sum(1, keepdim=True)).expand_as(q)


RIGHT = [right, right_fused, right_einsum, right_each]
WRONG = [
    (change(scale=lambda d, c, l: 1.0), ["division by sqrt(d) is missing"]),
    (change(scale=lambda d, c, l: 1 / d), ["divided by d"]),
    (change(scale=lambda d, c, l: c**-0.5), ["divided by sqrt(C)"]),
    (change(scale=lambda d, c, l: l**-0.5), ["number of words"]),
    (change(scale=lambda d, c, l: d**0.5), ["multiplied by sqrt(d)"]),
    (change(cut=lambda kv: kv.chunk(2, -1)[::-1]), ["keys and values are exchanged"]),
    (change(cut=lambda kv: (kv[..., ::2], kv[..., 1::2])), ["every second channel"]),
    (change(dim=-2), ["over the pixels"]),
    (change(dim=1), ["over the heads"]),
    (change(mask=lambda s, pad: s), ["padding is read like words"]),
    (change(mask=lambda s, pad: s.masked_fill(~pad, -torch.inf)), ["mask is inverted"]),
    (change(mask=lambda s, pad: s.masked_fill(pad, 0.0)), ["scores at padding become 0"]),
    (change(mask=lambda s, pad: s * ~pad), ["scores at padding become 0"]),
    (change(mask=lambda s, pad: s.masked_fill(pad, -1.0)), ["scores at padding become -1"]),
    (change(mask=lambda s, pad: s, weigh=lambda w, pad: w * ~pad), ["the mask comes after"]),
    (change(mask=lambda s, pad: s, weigh=lambda w, pad: w.masked_fill(pad, -torch.inf)), []),
    (wrong_one_head, ["one head over all"]),
    (wrong_laid, ["without a transpose"]),
    (wrong_not_back, ["the heads are not turned back before the"]),
    (wrong_woven, ["lie apart"]),
    (wrong_zeroed, ["keys at padding become 0"]),
    (wrong_words_removed, []),
    (wrong_self, []),
    (wrong_average, []),
]


# What a reader wrote who had not seen this bank.


def reader__cut(t, heads):
    return t.unflatten(2, (heads, -1)).transpose(1, 2)


def reader__join(t):
    return t.transpose(1, 2).flatten(2)


def reader_wrong_01(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2)).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_02(q, kv, pad, heads):
    C = q.shape[-1]
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / C ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_03(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-2) @ v)


def reader_wrong_04(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_05(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    return reader__join(F.scaled_dot_product_attention(q, k, v, attn_mask=pad[:, None, None, :]))


def reader_wrong_06(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], 0)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_07(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    a = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1).masked_fill(pad[:, None, None, :], 0)
    return reader__join(a @ v)


def reader_wrong_08(q, kv, pad, heads):
    v, k = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_09(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (t.unflatten(2, (-1, heads)).permute(0, 3, 1, 2) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_10(q, kv, pad, heads):
    B, N, C = q.shape
    k, v = kv.chunk(2, 2)
    q, k, v = (t.reshape(B, heads, -1, C // heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.softmax(-1) @ v).reshape(B, N, C)


def reader_wrong_11(q, kv, pad, heads):
    B, N, C = q.shape
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.softmax(-1) @ v).reshape(B, N, C)


def reader_wrong_12(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, :, None], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_13(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, :], -torch.inf)
    return s.softmax(-1) @ v


def reader_wrong_14(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1]).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_15(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) * q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_16(q, kv, pad, heads):
    k, v = kv.chunk(2, 1)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_17(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(1) @ v)


def reader_wrong_18(q, kv, pad, heads):
    q, kv = reader__cut(q, heads), reader__cut(kv, heads)
    k, v = kv.chunk(2, -1)
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_19(q, kv, pad, heads):
    h = q
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return h + reader__join(s.softmax(-1) @ v)


def reader_wrong_20(q, kv, pad, heads):
    k, v = kv[..., ::2], kv[..., 1::2]
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_21(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_22(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_23(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / heads ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_24(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2)).masked_fill(pad[:, None, None, :], -torch.inf)
    return reader__join(s.softmax(-1) / q.shape[-1] ** 0.5 @ v)


def reader_wrong_25(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.softmax(-1) @ v).mean(1)


def reader_wrong_26(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5) + pad[:, None, None, :]
    return reader__join(s.softmax(-1) @ v)


def reader_wrong_27(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (t.unflatten(2, (heads, -1)) for t in (q, k, v))
    s = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.softmax(-1) @ v).flatten(2)


def reader_wrong_28(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + pad[:, None, None, :] * float("-inf")
    return reader__join(s.softmax(-1) @ v)


def reader_right_1(q, kv, pad, heads):
    k, v = kv.chunk(2, dim=2)
    q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(pad[:, None, None, :], -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def reader_right_2(q, kv, pad, heads):
    k, v = kv.chunk(2, 2)
    q, k, v = (reader__cut(t, heads) for t in (q, k, v))
    return reader__join(F.scaled_dot_product_attention(q, k, v, attn_mask=~pad[:, None, None, :]))


def reader_right_3(q, kv, pad, heads):
    B, N, C = q.shape
    L, d = kv.shape[1], C // heads
    kv = kv.reshape(B, L, 2, heads, d)
    scores = torch.einsum("bnhd,blhd->bhnl", q.reshape(B, N, heads, d), kv[:, :, 0]) * d ** -0.5
    scores = scores + torch.zeros(B, 1, 1, L, dtype=q.dtype).masked_fill(pad[:, None, None], float("-inf"))
    return torch.einsum("bhnl,blhd->bnhd", scores.softmax(-1), kv[:, :, 1]).reshape(B, N, C)


def reader_right_4(q, kv, pad, heads):  # loop, big negative
    C = q.shape[2]
    d, out = C // heads, []
    for h in range(heads):
        part = slice(h * d, (h + 1) * d)
        s = q[..., part] @ kv[..., :C][..., part].mT / d ** 0.5
        s = s.masked_fill(pad[:, None], -1e9)
        out.append(F.softmax(s, dim=-1) @ kv[..., C:][..., part])
    return torch.cat(out, -1)


RIGHT += [reader_right_1, reader_right_2, reader_right_3, reader_right_4]
WRONG += [
    (reader_wrong_01, ["the division by sqrt(d) is missing"]),
    (reader_wrong_02, ["divided by sqrt(C): a head has d = C / heads"]),
    (reader_wrong_03, ["the softmax runs over the pixels: each pixel"]),
    (reader_wrong_04, ["padding is read like words"]),
    (reader_wrong_05, ["the mask is inverted: attn_mask is True at w"]),
    (reader_wrong_06, ["scores at padding become 0, and exp(0) is 1:"]),
    (reader_wrong_07, ["the mask comes after the softmax, or on the"]),
    (reader_wrong_08, ["keys and values are exchanged: k is the firs"]),
    (reader_wrong_09, ["heads are taken of channels that lie apa"]),
    (reader_wrong_10, ["cut into heads without a transpose: tokens a"]),
    (reader_wrong_11, ["the heads are not turned back before they ar"]),
    (reader_wrong_12, []),
    (reader_wrong_13, ["one head over all channels: cut them into `h"]),
    (reader_wrong_14, ["divided by d: its square root belongs there"]),
    (reader_wrong_15, ["multiplied by sqrt(d): it divides"]),
    (reader_wrong_16, []),
    (reader_wrong_17, ["the softmax runs over the heads: each pixel "]),
    (reader_wrong_18, ["kv was cut into heads before it was cut into"]),
    (reader_wrong_19, ["q is added: what is read is asked for alone"]),
    (reader_wrong_20, ["every second channel of kv was taken: k is t"]),
    (reader_wrong_21, []),
    (reader_wrong_22, []),
    (reader_wrong_23, ["divided by sqrt(heads): a head has d = C / h"]),
    (reader_wrong_24, ["divided after the softmax: the scores are di"]),
    (reader_wrong_25, []),
    (reader_wrong_26, ["the mask is added as it is, 1 at padding: sc"]),
    (reader_wrong_27, []),
    (reader_wrong_28, ["0 times infinity is NaN: set the scores with"]),
]


def heads_of(t, heads):
    return t.unflatten(2, (heads, -1)).transpose(1, 2)


def _heads(t, heads):
    return t.unflatten(2, (heads, -1)).transpose(1, 2)


def _attend(q, kv, pad, heads, scale=None, mask=True, dim=-1, swap=False, fill=-torch.inf):
    k, v = kv.chunk(2, dim=2)
    if swap:
        k, v = v, k
    q, k, v = (_heads(t, heads) for t in (q, k, v))
    s = q @ k.transpose(2, 3)
    s = s / (q.shape[-1] ** 0.5 if scale is None else scale)
    if mask:
        s = s.masked_fill(pad[:, None, None, :], fill)
    return (s.softmax(dim) @ v).transpose(1, 2).flatten(2)


def second_wrong_01(q, kv, pad, heads):
    B, N, C = q.shape
    L = kv.shape[1]
    k, v = kv.chunk(2, dim=2)
    q, k, v = q.reshape(B, heads, N, -1), k.reshape(B, heads, L, -1), v.reshape(B, heads, L, -1)
    s = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.softmax(-1) @ v).transpose(1, 2).flatten(2)


def second_wrong_02(q, kv, pad, heads):
    k, v = kv.chunk(2, dim=2)
    return _attend(q, torch.cat([k, k], 2), pad, heads)


def second_wrong_03(q, kv, pad, heads):
    q *= (q.shape[-1] / heads) ** -0.5
    return _attend(q, kv, pad, heads, scale=1.0)


def second_wrong_04(q, kv, pad, heads):
    n = int((~pad).sum(1).max())
    return _attend(q, kv[:, :n], pad[:, :n], heads, mask=False)


def second_wrong_05(q, kv, pad, heads):
    kv.masked_fill_(pad[..., None], 0)
    k, v = kv.chunk(2, -1)
    Q, K, V = heads_of(q, heads), heads_of(k, heads), heads_of(v, heads)
    s = (Q @ K.mT / Q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.softmax(-1) @ V).transpose(1, 2).flatten(2)


def second_wrong_06(q, kv, pad, heads):
    k, v = kv.chunk(2, -1)
    Q, K, V = heads_of(q, heads), heads_of(k, heads), heads_of(v, heads)
    s = (Q @ K.mT / Q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.flatten(2).softmax(-1).reshape(s.shape) @ V).transpose(1, 2).flatten(2)


def second_wrong_07(q, kv, pad, heads):
    k, v = kv.chunk(2, -1)
    Q, K, V = heads_of(q, heads), heads_of(k, heads), heads_of(v, heads)
    s = (Q @ K.mT / Q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], -torch.inf)
    return (s.sigmoid() @ V).transpose(1, 2).flatten(2)


def second_wrong_08(q, kv, pad, heads):
    k, v = kv.chunk(2, -1)
    Q, K, V = heads_of(q, heads), heads_of(k, heads), heads_of(v, heads)
    s = (Q @ K.mT / Q.shape[-1] ** 0.5).masked_fill(pad[:, None, None, :], 0)
    return (s @ V).transpose(1, 2).flatten(2)


def second_right_09(q, kv, pad, heads):
    out = []
    for qi, kvi, pi in zip(q, kv, pad):
        k, v = kvi[~pi].chunk(2, -1)
        rows = []
        for a, b, c in zip(qi.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1)):
            rows.append(torch.softmax(a @ b.T / math.sqrt(a.shape[-1]), -1) @ c)
        out.append(torch.cat(rows, -1))
    return torch.stack(out)


RIGHT += [second_right_09]
WRONG += [
    (second_wrong_01, ["cut into heads without a transpose, and put "]),
    (second_wrong_02, ["the keys are read as values"]),
    (second_wrong_03, []),
    (second_wrong_04, ["padding is read like words"]),
    (second_wrong_05, []),
    (second_wrong_06, ["the softmax runs over pixels and words toget"]),
    (second_wrong_07, ["sigmoid, where weights that add up to 1 are "]),
    (second_wrong_08, ["the softmax is missing"]),
]


def third__scores(q, kv, heads):
    q, k, v = (reader__cut(t, heads) for t in (q, *kv.chunk(2, 2)))
    return q @ k.mT / q.shape[-1] ** 0.5, v


def third_wrong_01(q, kv, pad, heads):
    scores, v = third__scores(q, kv[:, ~pad.any(0)], heads)
    return reader__join(scores.softmax(-1) @ v)


def third_wrong_02(q, kv, pad, heads):
    scores, v = third__scores(q, kv, heads)
    return reader__join((scores - 100 * pad[:, None, None].to(q)).softmax(-1) @ v)


def third_wrong_03(q, kv, pad, heads):
    scores, v = third__scores(q, kv, heads)
    return reader__join(scores.softmax(-1) @ v.masked_fill(pad[:, None, :, None], 0))


def third_wrong_04(q, kv, pad, heads):
    scores, v = third__scores(q, kv, heads)
    weights = scores.exp() * ~pad[:, None, None]
    return reader__join(weights / weights.sum(-1, keepdim=True) @ v)


def third_right_1(q, kv, pad, heads):
    scores, v = third__scores(q, kv, heads)
    scores = scores + (~pad).to(q).log()[:, None, None]
    return reader__join((scores - scores.logsumexp(-1, keepdim=True)).exp() @ v)


RIGHT += [third_right_1]
WRONG += [
    (third_wrong_01, ["what one sentence lacks"]),
    (third_wrong_02, ["100 is taken off"]),
    (third_wrong_03, ["or on the values"]),
    (third_wrong_04, ["large scores at padding"]),
]
