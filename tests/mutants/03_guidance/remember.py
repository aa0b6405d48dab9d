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


def right_lazy(encode, denoise, tokens, null, w):
    kept = []

    def guide(x, level):
        if not kept:
            kept.extend([encode(tokens), encode(null)])
        return guidance.guided(denoise, *kept, w)(x, level)
    return guide


def right_cached_lazily(encode, denoise, tokens, null, w):
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


RIGHT = [right, right_batched, right_by_hand, right_lazy, right_cached_lazily]
WRONG = [
    (wrong_every_step, ["encode is called in every step"]),
    (wrong_null_every_step, ["encode is called in every step, too"]),
    (wrong_for_ever, ["kept for ever"]),
    (wrong_no_null, ["leaving the prompt out"]),
    (wrong_exchanged, ["two prompts are exchanged"]),
    (wrong_w_off, ["w does nothing"]),
    (wrong_same, ["w does nothing, or both"]),
    (wrong_tokens, []),
    (wrong_twice, ["encoded more than once"]),
    (wrong_returns_told, []),
    (wrong_one_row, []),
    (wrong_without, ["w does nothing"]),
]


# What a reader wrote who had not seen this bank.


def reader_wrong_01(encode, denoise, tokens, null, w):
    def guide(x, level):
        return guidance.guided(denoise, encode(tokens), encode(null), w)(x, level)
    return guide


def reader_wrong_02(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), null, w)


def reader_wrong_03(encode, denoise, tokens, null, w):
    told = encode(tokens)
    def guide(x, level):
        return guidance.guided(denoise, told, encode(null), w)(x, level)
    return guide


def reader_wrong_04(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(null), encode(tokens), w)


def reader_wrong_05(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), encode(null), 1.0)


def reader_wrong_06(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, tokens, null, w)


def reader_wrong_07(encode, denoise, tokens, null, w):
    told, nothing = encode(torch.cat([tokens, null])).chunk(2)
    return guidance.guided(denoise, told, nothing, w)


def reader_wrong_08(encode, denoise, tokens, null, w):
    told = encode(tokens)
    return guidance.guided(denoise, told, told, w)


def reader_wrong_09(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), encode(null), w)(x, level)


def reader_wrong_10(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    def guide(x, level):
        c, n = denoise(x, level, told), denoise(x, level, nothing)
        return c + w * (c - n)
    return guide


def reader_wrong_11(encode, denoise, tokens, null, w):
    told = encode(tokens)
    return lambda x, level: denoise(x, level, told)


def reader_wrong_12(encode, denoise, tokens, null, w):
    def guide(x, level):
        memo = {}
        for name, words in (("told", tokens), ("null", null)):
            if name not in memo:
                memo[name] = encode(words)
        return guidance.guided(denoise, memo["told"], memo["null"], w)(x, level)
    return guide


READER__memo = {}


def reader_wrong_13(encode, denoise, tokens, null, w):
    if "told" not in READER__memo:
        READER__memo["told"], READER__memo["null"] = encode(tokens), encode(null)
    return guidance.guided(denoise, READER__memo["told"], READER__memo["null"], w)


def reader_wrong_14(encode, denoise, tokens, null, w):
    return guidance.guided(lambda x, level, cond: denoise(x, level, encode(cond)), tokens, null, w)


def reader_wrong_15(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), encode(torch.zeros_like(tokens)), w)


def reader_wrong_16(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), encode(null), w - 1)


def reader_wrong_17(encode, denoise, tokens, null, w):
    return guidance.guided(encode, denoise, tokens, null, w)


def reader_wrong_18(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens[0]), encode(null[0]), w)


def reader_wrong_19(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    guidance.guided(denoise, told, nothing, w)


def reader_wrong_20(encode, denoise, tokens, null, w):
    return guidance.guided(encode(denoise), tokens, null, w)


def reader_wrong_21(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    def guide(x, level):
        return denoise(x, level, nothing) + w * (denoise(x, level, told) - denoise(x, level, nothing))
    return guide


def reader_wrong_22(encode, denoise, tokens, null, w):
    told = {"told": encode(tokens), "null": encode(null)}
    return guidance.guided(denoise, told, None, w)


def reader_wrong_23(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), encode(null))


def reader_wrong_24(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode, encode, w)


def reader_wrong_25(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    def guide(x, level):
        c, n = denoise(x, level, told), denoise(x, level, nothing)
        return c + w * (n - c)
    return guide


def reader_right_1(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    return guidance.guided(denoise, told, nothing, w)


def reader_right_2(encode, denoise, tokens, null, w):
    inner = guidance.guided(denoise, *map(encode, (tokens, null)), w)
    def guide(x, level):
        return inner(x, level)
    return guide


def reader_right_3(encode, denoise, tokens, null, w):
    told, nothing = encode(tokens), encode(null)
    def guide(x, level):
        return guidance.guided(denoise, told, nothing, w)(x, level)
    return guide


def reader_right_4(encode, denoise, tokens, null, w):
    kept = {}
    def guide(x, level):  # lazily, once
        if not kept:
            kept["told"], kept["null"] = encode(tokens), encode(null)
        return guidance.guided(denoise, kept["told"], kept["null"], w)(x, level)
    return guide


RIGHT += [reader_right_1, reader_right_2, reader_right_3, reader_right_4]
WRONG += [
    (reader_wrong_01, ["encode is called in every step: call it befo"]),
    (reader_wrong_02, []),
    (reader_wrong_03, ["encode is called in every step, too"]),
    (reader_wrong_04, ["the two prompts are exchanged"]),
    (reader_wrong_05, ["the guess with the prompt alone: w does noth"]),
    (reader_wrong_06, []),
    (reader_wrong_07, []),
    (reader_wrong_08, ["the guess with the prompt alone: w does noth"]),
    (reader_wrong_09, []),
    (reader_wrong_10, ["w + 1 where w belongs"]),
    (reader_wrong_11, ["the guess with the prompt alone: w does noth"]),
    (reader_wrong_12, ["encode is called in every step: call it befo"]),
    (reader_wrong_13, ["the first prompt is kept for ever: encode wh"]),
    (reader_wrong_14, ["encode is called in every step: call it befo"]),
    (reader_wrong_15, ["the prompt of nothing is all padding: take t"]),
    (reader_wrong_16, ["w - 1 where w belongs"]),
    (reader_wrong_17, []),
    (reader_wrong_18, []),
    (reader_wrong_19, []),
    (reader_wrong_20, []),
    (reader_wrong_21, ["more guesses than two are asked for in a ste"]),
    (reader_wrong_22, []),
    (reader_wrong_23, []),
    (reader_wrong_24, []),
    (reader_wrong_25, ["the two prompts are exchanged"]),
]


def second_wrong_01(encode, denoise, tokens, null, w):
    both = encode(torch.cat([tokens, null]))
    return guidance.guided(denoise, both[:1], both[1:], w)


def second_wrong_02(encode, denoise, tokens, null, w):
    last = {}
    def f(x, level):
        if last.get("n") != len(x):
            last["n"], last["y"], last["o"] = len(x), encode(tokens.expand(len(x), -1)), encode(null.expand(len(x), -1))
        return guidance.guided(denoise, last["y"], last["o"], w)(x, level)
    return f


def second_wrong_03(encode, denoise, tokens, null, w):
    y, n = encode(tokens), encode(null)
    def f(x, level):
        out = denoise(torch.cat([x, x]), level, torch.cat([n.expand(len(x), -1), y.expand(len(x), -1)]))
        a, b = out.chunk(2)
        return a + w * (b - a)
    return f


WRONG += [
    (second_wrong_01, []),
    (second_wrong_02, ["a prompt is encoded for every image of the b"]),
    (second_wrong_03, []),
]


def third_wrong_01(encode, denoise, tokens, null, w):
    return guidance.guided(denoise, encode(tokens), encode(null), 2.0)


def third_right_1(encode, denoise, tokens, null, w):
    both = encode(torch.cat([tokens, null]))
    told, nothing = ({name: part[i:i + 1] for name, part in both.items()} for i in range(2))
    return guidance.guided(denoise, told, nothing, w)


RIGHT += [third_right_1]
WRONG += [
    (third_wrong_01, ["2, whatever w is"]),
]
