"""Lab 03: pixels read words (Vaswani et al. 2017, eq. 1, across two sets, with padding).

One case has no padding and tells the attention, one has rows of one word, of several and of all; in a third what stands at
padding is changed. One is as many words long as there are pixels, heads and images.
"""
import torch
from torch import Tensor

from ....nets.blocks import cross_attention
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered, close, same_form
from ..common import tol

FORM, WHOLE, PADDED = "shape and dtype of q", "softmax(q k / sqrt(d)) v, without padding", "padding gets no weight"
HIDDEN = "what stands at padding changes nothing"
INVERTED = "the mask is inverted: pad is True where there is no word"
ALLOWED = "the mask is inverted: attn_mask is True at words, pad where there is none"
TIMES = "0 times infinity is NaN: set the scores with masked_fill or torch.where, do not multiply the mask"
SIZES = ((3, 5, 8, 6, 2, torch.float32), (1, 4, 6, 3, 1, torch.float64), (4, 4, 8, 4, 4, torch.float32))


def cases(rng):
    out = []
    for b, n, c, l, heads, dtype in SIZES:
        draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64).to(dtype)
        long = torch.tensor([l // 2, 1, l, l - 1])[:b] if b > 1 else torch.tensor([l - 1])
        out.append({"q": 2 * draw(b, n, c), "kv": draw(b, l, 2 * c), "pad": torch.arange(l) >= long[:, None], "heads": heads,
                    "other": 30 * draw(b, l, 2 * c)})
    return out


def run(impl, case):
    q, kv, pad, heads = (case[key] for key in ("q", "kv", "pad", "heads"))
    call = lambda kv, pad: impl(q.clone(), kv.clone(), pad.clone(), heads)
    try:
        whole, hidden = call(kv, torch.zeros_like(pad)), call(torch.where(pad[..., None], case["other"], kv), pad)
        return [whole, impl(q, kv, pad, heads), hidden]         # the case's own tensors come last: a change in place shows
    except RuntimeError as error:
        if "size" not in str(error) and "shape" not in str(error):
            raise
        raise Unanswered("The sizes do not fit: k and v are the halves of kv along dim 2, with heads q, k and v are (B, heads, "
                         f"tokens, d), and the scores (B, heads, N, L){where(error)}.") from None


def attend(q: Tensor, kv: Tensor, pad: Tensor, heads: int, **slip) -> Tensor:
    """Cross-attention with at most one thing wrong."""
    b, n, c = q.shape
    k, v = (kv[..., ::2], kv[..., 1::2]) if slip.get("strided") else kv.chunk(2, 2)
    k, v = (v, k) if slip.get("exchanged") else (k, k) if slip.get("same") else (k, v)
    if slip.get("laid"):                            # (B, heads, N, d) by a view, without the transpose
        part = lambda tokens: tokens.reshape(b, heads, -1, c // heads)
    elif slip.get("woven"):                         # every heads-th channel belongs to a head
        part = lambda tokens: tokens.unflatten(2, (-1, heads)).permute(0, 3, 1, 2)
    else:
        part = lambda tokens: tokens.unflatten(2, (heads, -1)).transpose(1, 2)
    q, k, v = map(part, (q, k, v))
    scores = q @ k.transpose(2, 3) * slip.get("scale", (c // heads) ** -0.5)
    mask = pad[:, None, None]
    scores = scores.masked_fill(mask, slip.get("fill", -torch.inf)) if slip.get("masked", True) else scores
    scores = scores + slip.get("plus", 0.0) * mask
    weights = slip.get("weigh", lambda scores: scores.softmax(slip.get("dim", 3)))(scores)
    weights = weights * ~mask if slip.get("after") else weights
    read = weights @ v
    if slip.get("laid") or slip.get("left"):
        return read.transpose(1, 2).reshape(b, n, c) if slip.get("turned") else read.reshape(b, n, c)
    apart = slip.get("woven") and not slip.get("joined")
    return (read.permute(0, 2, 3, 1) if apart else read.transpose(1, 2)).flatten(2)


def braided(kv: Tensor, heads: int) -> Tensor:
    """kv whose halves hold what each head's half of its own channels of kv holds."""
    k, v = kv.unflatten(2, (heads, -1)).chunk(2, 3)
    return torch.cat([k.flatten(2), v.flatten(2)], 2)


def common_slips(q: Tensor, kv: Tensor, pad: Tensor, heads: int) -> dict:
    wrong = lambda **slip: lambda: attend(q, kv, pad, heads, **slip)
    c = q.shape[2]
    return {
        "the division by sqrt(d) is missing": wrong(scale=1.0),
        "divided by d: its square root belongs there": wrong(scale=heads / c),
        "divided by sqrt(C): a head has d = C / heads channels": wrong(scale=c**-0.5),
        "divided by the square root of the number of words: it is that of a head's channels": wrong(scale=kv.shape[1] ** -0.5),
        "multiplied by sqrt(d): it divides": wrong(scale=(c / heads) ** 0.5),
        "keys and values are exchanged: k is the first half of kv": wrong(exchanged=True),
        "every second channel of kv was taken: k is the first half, v the second": wrong(strided=True),
        "the softmax runs over the pixels: each pixel shares out its attention over the words": wrong(dim=2),
        "the softmax runs over the heads: each pixel shares out its attention over the words": wrong(dim=1),
        "the softmax runs over pixels and words together: each pixel shares out its attention over the words": wrong(
            weigh=lambda s: s.flatten(2).softmax(2).view_as(s)),
        "the softmax is missing": wrong(weigh=lambda s: s),
        "sigmoid, where weights that add up to 1 are asked for: softmax": wrong(weigh=torch.sigmoid),
        "the keys are read as values: v is the second half of kv": wrong(same=True),
        "cut into heads without a transpose, and put together with one: tokens and channels get mixed": wrong(
            laid=True, turned=True),
        "one head over all channels: cut them into `heads` parts": lambda: attend(q, kv, pad, 1),
        "divided by the square root of the number of pixels: it is that of a head's channels": wrong(scale=q.shape[1] ** -0.5),
        "divided by sqrt(heads): a head has d = C / heads channels": wrong(scale=heads**-0.5),
        "divided after the softmax: the scores are divided, before it": lambda: attend(q, kv, pad, heads, scale=1.0) * (
            c / heads) ** -0.5,
        "q is added: what is read is asked for alone": lambda: q + attend(q, kv, pad, heads),
        "heads and channels of a head are exchanged: unflatten(2, (heads, -1))": lambda: attend(q, kv, pad, c // heads),
        "the heads are not turned back before they are put together: transpose(1, 2) first": lambda: attend(
            q, kv, pad, heads, left=True),
        "kv was cut into heads before it was cut into keys and values": lambda: attend(q, braided(kv, heads), pad, heads),
        "cut into heads without a transpose: tokens and channels get mixed": wrong(laid=True),
        "the channels of a head lie apart: a head has C / heads neighbouring ones": wrong(woven=True),
        "heads are taken of channels that lie apart: unflatten(2, (heads, -1)), and transpose": wrong(woven=True, joined=True)}


def verify(case, out):
    q, kv, pad, heads = (case[key] for key in ("q", "kv", "pad", "heads"))
    none, right = torch.zeros_like(pad), lambda pad: cross_attention(q, kv, pad, heads)
    whole, padded, hidden = out
    form = same_form(FORM, whole, right(none), q)
    if not form.readable:
        return [form]
    lost = INVERTED if isinstance(padded, Tensor) and padded.isfinite().any() else TIMES
    rows = [form, close(WHOLE, whole, right(none),
                        {**common_slips(q, kv, none, heads), lost: lambda: torch.full_like(q, torch.nan),
                                                    ALLOWED: lambda: torch.zeros_like(q)}, tol(q.dtype))]
    if INVERTED in rows[1].causes:
        return [*rows, close(PADDED, padded, right(pad), {INVERTED: lambda: attend(q, kv, ~pad, heads)}, tol(q.dtype))]
    if not rows[1].passed:
        return rows
    row = close(PADDED, padded, right(pad), {
        "padding is read like words": lambda: attend(q, kv, none, heads),
        INVERTED: lambda: attend(q, kv, ~pad, heads),
        "scores at padding become 0, and exp(0) is 1: they must become minus infinity": lambda: attend(
            q, kv, pad, heads, fill=0.0),
        "the mask comes after the softmax, or on the values: the weights that are left no longer add up to 1": lambda: attend(
            q, kv, pad, heads, masked=False, after=True),
        "the padding of the first sentence is taken for all: each has its own": lambda: attend(
            q, kv, pad[:1].expand_as(pad), heads),
        "what one sentence lacks is taken from all: each has padding of its own": lambda: attend(
            q, kv, pad.any(0).expand_as(pad), heads),
        "scores at padding become -1: they must become minus infinity": lambda: attend(q, kv, pad, heads, fill=-1.0),
        "scores at padding become -10, which still leaves weight: they must become minus infinity": lambda: attend(
            q, kv, pad, heads, fill=-10.0),
        "the mask is added as it is, 1 at padding: scores there must become minus infinity": lambda: attend(
            q, kv, pad, heads, masked=False, plus=1.0),
        "the mask is subtracted as it is, 1 at padding: scores there must become minus infinity": lambda: attend(
            q, kv, pad, heads, masked=False, plus=-1.0),
        "keys at padding become 0, and exp(0) is 1: it is the scores that must become minus infinity": lambda: attend(
            q, torch.where(pad[..., None], torch.zeros_like(kv), kv), none, heads)}, tol(q.dtype))
    return [*rows, row, outweighed(case, hidden, padded)] if row.passed else [*rows, row]


def outweighed(case, hidden, padded: Tensor) -> Property:
    """Padding whose scores are larger than those of all words."""
    q, kv, pad, heads = (case[key] for key in ("q", "kv", "pad", "heads"))
    other = torch.where(pad[..., None], case["other"], kv)
    row = close(HIDDEN, hidden, padded, {
        "100 is taken off the scores at padding, and large ones are left: they must become minus infinity": lambda: attend(
            q, other, pad, heads, masked=False, plus=-100.0)}, tol(q.dtype))
    lost = not row.passed and isinstance(hidden, Tensor) and hidden.isnan().any()
    return row._replace(causes=("large scores at padding leave nothing of the words: they must become minus infinity before the "
                                "softmax",)) if lost else row


EXERCISES = (Exercise("03-attention", "Pixels read words", {FORM: 0, WHOLE: 3, PADDED: 2, HIDDEN: 0.5}, cases, run, verify,
                      own=(cross_attention,)),)
