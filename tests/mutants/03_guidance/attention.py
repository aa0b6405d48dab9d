"""Answers to 03-attention: right ones, and wrong ones with the causes that a report may name for them."""
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
    (change(mask=lambda s, pad: s), ["the mask is not used"]),
    (change(mask=lambda s, pad: s.masked_fill(~pad, -torch.inf)), ["mask is inverted"]),
    (change(mask=lambda s, pad: s.masked_fill(pad, 0.0)), ["scores at padding become 0"]),
    (change(mask=lambda s, pad: s * ~pad), ["scores at padding become 0"]),
    (change(mask=lambda s, pad: s.masked_fill(pad, -1.0)), ["scores at padding become -1"]),
    (change(mask=lambda s, pad: s, weigh=lambda w, pad: w * ~pad), ["the mask comes after"]),
    (change(mask=lambda s, pad: s, weigh=lambda w, pad: w.masked_fill(pad, -torch.inf)), []),
    (wrong_one_head, ["one head over all"]),
    (wrong_laid, ["without a transpose"]),
    (wrong_not_back, []),
    (wrong_woven, ["lie apart"]),
    (wrong_zeroed, ["keys at padding become 0"]),
    (wrong_words_removed, []),
    (wrong_self, []),
    (wrong_average, []),
]
