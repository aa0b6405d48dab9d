"""Lab 04: the truncated SNR weight (Salimans and Ho 2022, section 4), a floor and no cap."""
import torch
from torch import Tensor

from ....diffusion.levels import Level
from ....efficiency.distill import stops
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered, close, kind
from .made_up import slack

FORM, VALUE = "one number for each level", "max(alpha² / sigma², 1)"
RATIOS = (1.4, 0.03, 0.2, 0.7, 0.98, 1.02, 3.0, 40.0)           # alpha / sigma, on both sides of 1


def cases(rng):
    size = [0.3 + 0.5 * torch.rand(len(RATIOS), generator=rng, dtype=torch.float64) for _ in range(2)]
    for sigma in size:                                          # of the first: alpha² between a half and 1
        sigma[0] = 0.55 + 0.2 * (sigma[0] - 0.3)
    ratio = torch.tensor(RATIOS, dtype=torch.float64)
    rows = lambda k: {"t": torch.linspace(999, 1, len(RATIOS)), "alpha": ratio * size[k], "sigma": size[k]}
    shaped = lambda row, shape, dtype: {name: field.reshape(shape).to(dtype) for name, field in row.items()}
    return [shaped(rows(0), (-1, 1), torch.float64), shaped(rows(1), (-1, 1, 1, 1), torch.float32)]


def run(impl, case):
    try:
        return impl(Level(case["t"], case["alpha"], case["sigma"]))
    except (RuntimeError, TypeError) as error:
        if not any(said in str(error) for said in ("ambiguous", "max()", "maximum()", "only one element", "only integer tensors",
                                                   "converted to Scalar")):
            raise
        raise Unanswered("The levels of a batch come as tensors, one number for each row: compare with clamp(min=...) or "
                         f"torch.maximum, not with max() or if{where(error)}.") from None


def verify(case, out):
    snr = (case["alpha"] / case["sigma"]) ** 2
    right = snr.clamp(min=1)
    if not isinstance(out, Tensor) or out.shape != right.shape:
        seen = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else kind(out)
        return [Property(FORM, False, seen, f"a tensor of shape {tuple(right.shape)}", (
            "each level keeps its own weight, in the shape of its alpha: no mean, no maximum over the batch, no other shape",) if
            isinstance(out, Tensor) else (), readable=False)]
    good = bool(out.any()) and not any(torch.equal(out, case[key].to(out)) for key in case)
    form = Property(FORM, good, f"shape {tuple(out.shape)}" if good else "zeros, or what was handed in", "a new value")
    added = (case["alpha"] ** 2 / out - case["sigma"] ** 2)[snr > 1.5].mean().clamp(min=0)      # to sigma², if it is that
    ratio, lam = case["alpha"] / case["sigma"], (case["alpha"] / case["sigma"]).log()
    return [form, close(VALUE, out, right, {
        "a cap, min(SNR, 1): it is a floor": lambda: snr.clamp(max=1),
        "the SNR alone: in noise it asks next to nothing, so it never falls below 1": lambda: snr,
        "SNR + 1 is the weight of v: the floor is the larger of both": lambda: snr + 1,
        "1 is put under sigma²: it is the ratio that is lifted to 1": lambda: (
            case["alpha"] ** 2 / (case["sigma"] ** 2).clamp(min=1)),
        "Min-SNR, a cap at 5: this is a floor at 1": lambda: snr.clamp(max=5),
        "a floor and a cap at 5: there is no cap": lambda: snr.clamp(1, 5),
        "log SNR: the SNR itself is asked for": lambda: (2 * lam).clamp(min=1),
        "something is added to sigma²: it is divided by sigma² as it is": lambda: (
            case["alpha"] ** 2 / (case["sigma"] ** 2 + added)).clamp(min=1),
        "sigma is not squared": lambda: (case["alpha"] ** 2 / case["sigma"]).clamp(min=1),
        "alpha / (1 - alpha) is the SNR where alpha is alpha-bar: here it is alpha² / sigma²": lambda: (
            case["alpha"] / (1 - case["alpha"])).clamp(min=1),
        "sigma² is taken for 1 - alpha²: they are one only where the variance is preserved": lambda: (
            case["alpha"] ** 2 / (1 - case["alpha"] ** 2)).clamp(min=1),
        "alpha² is taken for 1 - sigma²: they are one only where the variance is preserved": lambda: (
            (1 - case["sigma"] ** 2) / case["sigma"] ** 2).clamp(min=1),
        "the largest SNR of the batch for all: each level has its own": lambda: snr.max().expand_as(snr),
        "the weight of the first level for all: each level has its own": lambda: right[:1].expand_as(right),
        "divided by the mean of the weights: they are asked for as they are": lambda: right / right.mean(),
        "SNR + 1 where the SNR is above 1: there it is the SNR itself": lambda: torch.where(snr > 1, snr + 1, 1.0),
        "the SNR is squared once more: alpha² / sigma² is it": lambda: (snr**2).clamp(min=1),
        "alpha / sigma is not squared": lambda: ratio.clamp(min=1),
        "sigma² / alpha²: upside down": lambda: (1 / snr).clamp(min=1),
        "a cap, and upside down": lambda: (1 / snr).clamp(max=1),
        "lam, the logarithm of alpha / sigma: the SNR is exp(2 lam)": lambda: lam.clamp(min=1),
        "1 everywhere: is the floor a cap as well, or is sigma missing?": lambda: torch.ones_like(snr),
        "(SNR + 1) / SNR is the weight of v for errors of eps": lambda: (snr + 1) / snr},
        slack(out.dtype))]


EXERCISES = (Exercise("04-floor", "A floor, not a cap", {FORM: 0, VALUE: 1}, cases, run, verify, own=(stops.weight,)),)
