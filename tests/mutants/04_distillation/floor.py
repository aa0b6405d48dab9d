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


def right_safe(level):
    """A habit that is too small to matter."""
    return torch.fmax(level.alpha**2 / (level.sigma**2 + 1e-8), torch.ones_like(level.sigma))


def of(make):
    return lambda level: make((level.alpha / level.sigma) ** 2, level)


# A newcomer's own, written before any check was run


def newcomers_clamped_below(level):
    """I clamped the denominator and not the ratio."""
    return level.alpha ** 2 / (level.sigma ** 2).clamp(min=1)


def newcomers_min_snr(level):
    """I remembered Min-SNR: capped at 5."""
    return (level.alpha ** 2 / level.sigma ** 2).clamp(max=5)


def newcomers_lam(level):
    """I forgot the exp: the floor is over the log SNR."""
    return (2 * level.lam).clamp(min=1)


def newcomers_sigma_not_squared(level):
    """I squared alpha only."""
    return (level.alpha ** 2 / level.sigma).clamp(min=1)


def newcomers_alpha_bar(level):
    """I took alpha for alpha-bar: SNR = alpha / (1 - alpha)."""
    return (level.alpha / (1 - level.alpha)).clamp(min=1)


def newcomers_over_batch(level):
    """I took the largest SNR of the batch."""
    snr = level.alpha ** 2 / level.sigma ** 2
    return torch.maximum(snr.max(), torch.ones_like(snr))


def newcomers_squared_twice(level):
    """I squared the SNR, which was a square already."""
    return (level.alpha ** 2 / level.sigma ** 2).square().clamp(min=1)


RIGHT = [right, right_where, right_exp, right_safe]
WRONG = [
    (of(lambda snr, at: snr.clamp(max=1)), ["a cap"]), (of(lambda snr, at: snr), ["the SNR alone"]),
    (of(lambda snr, at: snr + 1), ["SNR + 1"]), (of(lambda snr, at: snr.sqrt().clamp(min=1)), ["not squared"]),
    (of(lambda snr, at: (1 / snr).clamp(min=1)), ["upside down"]), (of(lambda snr, at: (1 / snr).clamp(max=1)), ["upside down"]),
    (of(lambda snr, at: (at.alpha**2).clamp(min=1)), []),
    (of(lambda snr, at: at.lam.clamp(min=1)), ["lam, the logarithm"]),
    (of(lambda snr, at: at.lam.exp().clamp(min=1)), ["not squared"]), (of(lambda snr, at: snr.clamp(0, 1)), ["a cap"]),
    (of(lambda snr, at: snr.clamp(min=1, max=1)), ["1 everywhere"]), (of(lambda snr, at: max(snr, 1)), []),
    (of(lambda snr, at: snr if snr > 1 else 1.0), []),
    (of(lambda snr, at: torch.max(snr)), ["keeps its own weight"]),
    (of(lambda snr, at: snr.flatten().clamp(min=1)), ["keeps its own weight"]),
    (of(lambda snr, at: (at.alpha - at.sigma).clamp(min=1)), []),
    (of(lambda snr, at: snr.clamp(min=1).mean()), ["keeps its own weight"]),
    (of(lambda snr, at: (snr + 1) / snr), ["errors of eps"]),
    (of(lambda snr, at: torch.minimum(snr, torch.ones_like(snr))), ["a cap"]), (of(lambda snr, at: snr > 1), []),
    (of(lambda snr, at: (snr > 1) * snr), []), (of(lambda snr, at: at.alpha), []),
    (of(lambda snr, at: (at.alpha**2 / (1 - at.alpha**2)).clamp(min=1)), ["sigma² is taken for"]),
    (of(lambda snr, at: snr.clamp(min=1)[:1].expand_as(snr)), ["the weight of the first level"]),
    (of(lambda snr, at: (at.alpha**2 / (at.sigma**2 + 1e-3)).clamp(min=1)), ["something is added to sigma²"]),
    (newcomers_clamped_below, ["1 is put under sigma²"]),
    (newcomers_min_snr, ["Min-SNR, a cap at 5"]),
    (newcomers_lam, ["log SNR"]),
    (newcomers_sigma_not_squared, ["sigma is not squared"]),
    (newcomers_alpha_bar, ["alpha / "]),
    (newcomers_over_batch, ["the largest SNR of the batch for all"]),
    (newcomers_squared_twice, ["the SNR is squared once more"]),
]
