"""Answers to 04-floor: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "04-floor"


def right(level):
    return (level.alpha**2 / level.sigma**2).clamp(min=1)


def right_where(level):
    snr = (level.alpha / level.sigma) ** 2
    return torch.where(snr > 1, snr, torch.ones_like(snr))


def right_exp(level):
    return torch.maximum(torch.exp(2 * level.lam), torch.ones_like(level.alpha))


def of(make):
    return lambda level: make((level.alpha / level.sigma) ** 2, level)


RIGHT = [right, right_where, right_exp]
WRONG = [
    (of(lambda snr, at: snr.clamp(max=1)), ["a cap"]), (of(lambda snr, at: snr), ["the SNR alone"]),
    (of(lambda snr, at: snr + 1), ["SNR + 1"]), (of(lambda snr, at: snr.sqrt().clamp(min=1)), ["not squared"]),
    (of(lambda snr, at: (1 / snr).clamp(min=1)), ["upside down"]), (of(lambda snr, at: (1 / snr).clamp(max=1)), ["upside down"]),
    (of(lambda snr, at: (at.alpha**2).clamp(min=1)), []),
    (of(lambda snr, at: at.lam.clamp(min=1)), ["lam, the logarithm"]),
    (of(lambda snr, at: at.lam.exp().clamp(min=1)), ["not squared"]), (of(lambda snr, at: snr.clamp(0, 1)), ["a cap"]),
    (of(lambda snr, at: snr.clamp(min=1, max=1)), ["1 everywhere"]), (of(lambda snr, at: max(snr, 1)), []),
    (of(lambda snr, at: snr if snr > 1 else 1.0), []), (of(lambda snr, at: torch.max(snr)), []),
    (of(lambda snr, at: snr.flatten().clamp(min=1)), []), (of(lambda snr, at: (at.alpha - at.sigma).clamp(min=1)), []),
    (of(lambda snr, at: snr.clamp(min=1).mean()), []), (of(lambda snr, at: (snr + 1) / snr), ["errors of eps"]),
    (of(lambda snr, at: torch.minimum(snr, torch.ones_like(snr))), ["a cap"]), (of(lambda snr, at: snr > 1), []),
    (of(lambda snr, at: (snr > 1) * snr), []), (of(lambda snr, at: at.alpha), []),
]
