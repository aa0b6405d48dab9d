"""Answers to 03-remember: right ones, and wrong ones with the causes that a report may name for them."""
from functools import lru_cache

import torch

from effml_lab.diffusion import guidance

EXERCISE = "03-remember"


def right(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    return guidance.guided(denoise, told, nothing, w)


def right_batched(encode, denoise, tokens, null, w):
    both = encode(torch.cat([null, tokens]))
    part = lambda i: {key: value[i:i + 1] for key, value in both.items()}
    return guidance.guided(denoise, part(1), part(0), w)


def right_by_hand(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    spread = lambda d, n: {key: value.expand(n, *value.shape[1:]) for key, value in d.items()}

    def guide(x, level):
        u, c = denoise(x, level, spread(nothing, len(x))), denoise(x, level, spread(told, len(x)))
        return u + w * (c - u)
    return guide


def wrong_every_step(encode, denoise, tokens, null, w):
    return lambda x, level: guidance.guided(denoise, encode(tokens), encode(null), w)(x, level)


def wrong_null_every_step(encode, denoise, tokens, null, w):
    told = encode(tokens)
    return lambda x, level: guidance.guided(denoise, told, encode(null), w)(x, level)


KEPT = {}


def wrong_for_ever(encode, denoise, tokens, null, w):
    """Kept by the encoder alone, so that the second prompt of a run finds the first one's."""
    key = id(encode.__self__)
    if key not in KEPT:
        KEPT.clear()
        KEPT[key] = encode(tokens), encode(null)
    return guidance.guided(denoise, *KEPT[key], w)


def wrong_no_null(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), None, w)


def wrong_exchanged(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(null), encode(tokens), w)


def wrong_w_off(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), encode(null), 1.0)


def wrong_same(encode, denoise, tokens, null, w):
    told = encode(tokens)
    return guidance.guided(denoise, told, told, w)


def wrong_tokens(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, tokens, null, w)


def wrong_lazy(encode, denoise, tokens, null, w):
    kept = []

    def guide(x, level):
        if not kept:
            kept.extend([encode(tokens), encode(null)])
        return guidance.guided(denoise, *kept, w)(x, level)
    return guide


def wrong_cached_lazily(encode, denoise, tokens, null, w):
    @lru_cache
    def both():
        return encode(tokens), encode(null)
    return lambda x, level: guidance.guided(denoise, *both(), w)(x, level)


def wrong_twice(encode, denoise, tokens, null, w):
    encode(tokens), encode(null)
    return guidance.guided(denoise, encode(tokens), encode(null), w)


def wrong_returns_told(encode, denoise, tokens, null, w):
    return encode(tokens)


def wrong_one_row(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)

    def guide(x, level):
        u, c = denoise(x[:1], level, nothing), denoise(x[:1], level, told)
        return (u + w * (c - u)).expand_as(x)
    return guide


def wrong_without(encode, denoise, tokens, null, w):
    told = encode(tokens)
    return lambda x, level: denoise(x, level, told)


RIGHT = [right, right_batched, right_by_hand]
WRONG = [
    (wrong_every_step, ["encode is called in every step"]),
    (wrong_null_every_step, ["encode is called in every step, too"]),
    (wrong_for_ever, ["kept for ever"]),
    (wrong_no_null, ["leaving the prompt out"]),
    (wrong_exchanged, ["two prompts are exchanged"]),
    (wrong_w_off, ["w does nothing"]),
    (wrong_same, ["w does nothing, or both"]),
    (wrong_tokens, []),
    (wrong_lazy, ["encoded at the first call"]),
    (wrong_cached_lazily, ["encoded at the first call"]),
    (wrong_twice, ["encoded more than once"]),
    (wrong_returns_told, []),
    (wrong_one_row, []),
    (wrong_without, ["w does nothing"]),
]
