"""Answers to 03-within: right ones, and wrong ones with the causes that a report may name for them."""
import math

import torch

EXERCISE = "03-within"


def right(guide, plain, low, high):
    def choose(x, level):
        return guide(x, level) if low < level.sigma / level.alpha <= high else plain(x, level)
    return choose


def right_lam(guide, plain, low, high):
    def choose(x, level):
        ratio = round(math.exp(-level.lam), 12)
        return (guide if low < ratio <= high else plain)(x, level)
    return choose


def right_product(guide, plain, low, high):
    def choose(x, level):
        if low * level.alpha < level.sigma and level.sigma <= high * level.alpha:
            return guide(x, level)
        return plain(x, level)
    return choose


def by(inside):
    def answer(guide, plain, low, high):
        return lambda x, level: (guide if inside(level, low, high) else plain)(x, level)
    return answer


def wrong_both(guide, plain, low, high):
    def choose(x, level):
        a, b = guide(x, level), plain(x, level)
        return a if low < level.sigma / level.alpha <= high else b
    return choose


def wrong_mixed(guide, plain, low, high):
    def choose(x, level):
        inside = float(low < level.sigma / level.alpha <= high)
        return inside * guide(x, level) + (1 - inside) * plain(x, level)
    return choose


def wrong_nothing_outside(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < level.sigma / level.alpha <= high else x


def wrong_none_outside(guide, plain, low, high):
    def choose(x, level):
        if low < level.sigma / level.alpha <= high:
            return guide(x, level)
    return choose


def wrong_over_plain(guide, plain, low, high):
    def choose(x, level):
        return guide(plain(x, level), level) if low < level.sigma / level.alpha <= high else plain(x, level)
    return choose


def ratio(level):
    return level.sigma / level.alpha


RIGHT = [right, right_lam, right_product]
WRONG = [
    (by(lambda l, low, high: low < l.sigma <= high), ["sigma is compared"]),
    (by(lambda l, low, high: low < l.alpha / l.sigma <= high), ["alpha / sigma is compared"]),
    (by(lambda l, low, high: low < l.lam <= high), ["lambda = log(alpha / sigma)"]),
    (by(lambda l, low, high: low < -l.lam <= high), ["lambda, or log(sigma / alpha)"]),
    (by(lambda l, low, high: low < ratio(l) ** 2 <= high), ["(sigma / alpha)² is compared"]),
    (by(lambda l, low, high: low < l.t <= high), ["t is compared"]),
    (by(lambda l, low, high: low < l.t / 1000 <= high), ["t / 1000"]),
    (by(lambda l, low, high: not low < ratio(l) <= high),
     ["guided outside"]),
    (by(lambda l, low, high: low < ratio(l)), ["only low"]),
    (by(lambda l, low, high: ratio(l) <= high), ["only high"]),
    (by(lambda l, low, high: low < ratio(l) < high), ["high itself is inside"]),
    (by(lambda l, low, high: low <= ratio(l) <= high), ["low itself is outside"]),
    (by(lambda l, low, high: low <= ratio(l) < high), ["the other way round"]),
    (by(lambda l, low, high: True), ["guided at all levels"]),
    (by(lambda l, low, high: False), ["plain at all levels"]),
    (wrong_both, ["both are asked"]),
    (wrong_mixed, ["both are asked"]),
    (wrong_nothing_outside, []),
    (wrong_none_outside, []),
    (wrong_over_plain, []),
]


# What a reader wrote who had not seen this bank.


def reader_wrong_01(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < level.sigma <= high else plain(x, level)


def reader_wrong_02(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < level.t <= high else plain(x, level)


def reader_wrong_03(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < level.alpha / level.sigma <= high else plain(x, level)


def reader_wrong_04(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low <= level.sigma / level.alpha < high else plain(x, level)


def reader_wrong_05(guide, plain, low, high):
    return lambda x, level: plain(x, level) if low < level.sigma / level.alpha <= high else guide(x, level)


def reader_wrong_06(guide, plain, low, high):
    def choose(x, level):
        a, b = guide(x, level), plain(x, level)
        return a if low < level.sigma / level.alpha <= high else b
    return choose


def reader_wrong_07(guide, plain, low, high):
    if low < level.sigma / level.alpha <= high:
        return guide
    return plain


def reader_wrong_08(guide, plain, low, high):
    def choose(x, level):
        r = level.sigma / level.alpha
        if low < r or r <= high:
            return guide(x, level)
        return plain(x, level)
    return choose


def reader_wrong_09(guide, plain, low, high):
    def choose(x, level):
        if low < level.sigma / level.alpha <= high:
            guide(x, level)
        else:
            plain(x, level)
    return choose


def reader_wrong_10(guide, plain, low, high):
    def choose(x, level):
        r = math.log(level.sigma / level.alpha)
        return guide(x, level) if low < r <= high else plain(x, level)
    return choose


def reader_wrong_11(guide, plain, low, high):
    return lambda x, level: guide(x, level) if level.sigma / level.alpha <= high else plain(x, level)


def reader_wrong_12(guide, plain, low, high):
    return lambda x, level: guide(x, level) if level.sigma / level.alpha > low else plain(x, level)


def reader_wrong_13(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < level.sigma / level.alpha < high else plain(x, level)


def reader_wrong_14(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < (level.sigma / level.alpha) ** 2 <= high else plain(x, level)


def reader_wrong_15(guide, plain, low, high):
    return lambda x, level: guide if low < level.sigma / level.alpha <= high else plain


def reader_wrong_16(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low <= level.sigma / level.alpha <= high else plain(x, level)


def reader_wrong_17(guide, plain, low, high):
    def choose(x, level):
        if low < level.sigma / level.alpha <= high:
            return guide(x, level)
        return x
    return choose


def reader_wrong_18(guide, plain, low, high):
    return lambda x, level: guide(x, level) if high < level.sigma / level.alpha <= low else plain(x, level)


def reader_wrong_19(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < level.sigma / (level.alpha + level.sigma) <= high else plain(x, level)


def reader_wrong_20(guide, plain, low, high):
    def choose(x, level):
        if low < level.sigma / level.alpha <= high:
            return guide(x, level)
    return choose


def reader_wrong_21(guide, plain, low, high):
    return guide if low < high else plain


def reader_wrong_22(guide, plain, low, high):
    def choose(x, level):
        r = level.sigma / level.alpha
        return torch.where((low < r) & (r <= high), guide(x, level), plain(x, level))
    return choose


def reader_wrong_23(guide, plain, low, high):
    def choose(x, level, cond):
        return guide(x, level, cond) if low < level.sigma / level.alpha <= high else plain(x, level, cond)
    return choose


def reader_wrong_24(guide, plain, low, high):
    def choose(x, level):
        sigma, alpha = level
        return guide(x, level) if low < sigma / alpha <= high else plain(x, level)
    return choose


def reader_wrong_25(guide, plain, low, high):
    def choose(x, level):
        if low < level.sigma / level.alpha <= high:
            return guide(x, level) - plain(x, level)
        return plain(x, level)
    return choose


def reader_wrong_26(guide, plain, low, high):
    return lambda x, level: guide(x, level) if low < level.sigma // level.alpha <= high else plain(x, level)


def reader_right_1(guide, plain, low, high):
    return lambda x, level: (guide if low < level.sigma / level.alpha <= high else plain)(x, level)


def reader_right_2(guide, plain, low, high):
    def choose(x, level):
        r = level.sigma / level.alpha
        if r <= low or r > high:
            return plain(x, level)
        return guide(x, level)
    return choose


def reader_right_3(guide, plain, low, high):
    def choose(x, level):
        inside = low < math.exp(-level.lam) <= high
        return guide(x, level) if inside else plain(x, level)
    return choose


RIGHT += [reader_right_1, reader_right_2, reader_right_3]
WRONG += [
    (reader_wrong_01, ["sigma is compared: the interval is one of si"]),
    (reader_wrong_02, ["t is compared: it is sigma / alpha"]),
    (reader_wrong_03, ["alpha / sigma is compared: it is sigma / alp"]),
    (reader_wrong_04, ["low is outside and high inside: here it is t"]),
    (reader_wrong_05, ["guided outside and plain inside"]),
    (reader_wrong_06, ["both are asked and one is thrown away: choos"]),
    (reader_wrong_07, []),
    (reader_wrong_08, ["guided at all levels"]),
    (reader_wrong_09, []),
    (reader_wrong_10, ["lambda, or log(sigma / alpha), is compared: "]),
    (reader_wrong_11, ["only high is looked at"]),
    (reader_wrong_12, ["only low is looked at"]),
    (reader_wrong_13, ["high itself is inside: <="]),
    (reader_wrong_14, ["(sigma / alpha)² is compared: it is sigma / "]),
    (reader_wrong_15, []),
    (reader_wrong_16, ["low itself is outside: <"]),
    (reader_wrong_17, []),
    (reader_wrong_18, ["plain at all levels"]),
    (reader_wrong_19, ["sigma / (alpha + sigma) is compared: it is s"]),
    (reader_wrong_20, []),
    (reader_wrong_21, ["guided at all levels"]),
    (reader_wrong_22, []),
    (reader_wrong_23, []),
    (reader_wrong_24, []),
    (reader_wrong_25, ["inside it is the difference of both: return "]),
    (reader_wrong_26, ["sigma // alpha is rounded down to a whole nu"]),
]


def second_wrong_01(guide, plain, low, high):
    chosen = []
    def choose(x, level):
        if not chosen:
            chosen.append(guide if low < level.sigma / level.alpha <= high else plain)
        return chosen[0](x, level)
    return choose


def second_wrong_02(guide, plain, low, high):
    def choose(x, level):
        return (guide if 0.3 < level.sigma / level.alpha <= 5.0 else plain)(x, level)
    return choose


def second_wrong_03(guide, plain, low, high):
    def choose(x, level):
        return (guide if low < level.sigma / level.alpha**2 <= high else plain)(x, level)
    return choose


def second_wrong_04(guide, plain, low, high):
    def choose(x, level):
        r = round(level.sigma / level.alpha, 1)
        return (guide if low < r <= high else plain)(x, level)
    return choose


def second_wrong_05(guide, plain, low, high):
    return lambda x, level: (guide if low < level.sigma * level.alpha <= high else plain)(x, level)


WRONG += [
    (second_wrong_01, ["plain at all levels"]),
    (second_wrong_02, ["0.3 and 5, whatever low and high are: they a"]),
    (second_wrong_03, ["sigma / alpha² is compared: it is sigma / al"]),
    (second_wrong_04, ["rounded before it is compared"]),
    (second_wrong_05, ["sigma times alpha is compared: it is sigma /"]),
]


def third_wrong_01(guide, plain, low, high):
    def choose(x, level):
        out = plain(x, level)
        if low < level.sigma / level.alpha <= high:
            out = guide(x, level)
        return out
    return choose


def third_wrong_02(guide, plain, low, high):
    return lambda x, level: (guide if low < level.sigma**2 / level.alpha <= high else plain)(x, level)


def third_wrong_03(guide, plain, low, high):
    return lambda x, level: (guide if low < int(level.sigma / level.alpha) <= high else plain)(x, level)


def third_right_1(guide, plain, low, high):
    def choose(x, level):
        ratio = torch.as_tensor(level.sigma, dtype=torch.float64) / level.alpha
        return [plain, guide][(ratio > low).logical_and(ratio <= high).item()](x, level)
    return choose


RIGHT += [third_right_1]
WRONG += [
    (third_wrong_01, ["both are asked"]),
    (third_wrong_02, ["sigma² / alpha is compared"]),
    (third_wrong_03, ["sigma // alpha"]),
]
