"""Answers to 03-within: right ones, and wrong ones with the causes that a report may name for them."""
import math

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
     ["guided outside", "low and high are exchanged", "the other way round"]),
    (by(lambda l, low, high: low < ratio(l)), ["only low"]),
    (by(lambda l, low, high: ratio(l) <= high), ["only high"]),
    (by(lambda l, low, high: low < ratio(l) < high), ["high itself is inside", "never guided"]),
    (by(lambda l, low, high: low <= ratio(l) <= high), ["low itself is outside", "always guided"]),
    (by(lambda l, low, high: low <= ratio(l) < high), ["the other way round"]),
    (by(lambda l, low, high: True), ["always guided", "low itself is outside"]),
    (by(lambda l, low, high: False), ["never guided", "high itself is inside"]),
    (wrong_both, ["both are asked"]),
    (wrong_mixed, ["both are asked"]),
    (wrong_nothing_outside, []),
    (wrong_none_outside, []),
    (wrong_over_plain, []),
]
