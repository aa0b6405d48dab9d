"""Lab 04: the loss of a student of one step, shown pairs of noise and picture (Luhman and Luhman 2021, eq. 4)."""
import torch
from torch import Tensor

from ....efficiency.distill import one_step
from ...contract.exercise import Exercise, close
from .made_up import (
    MOVES, ONCE, ROWS, SIZES, Guess, bent, between, by_row, drawn, level, levels, means, moves, once, one_number, slack, trained,
    unasked)

FORM, VALUE = "one number", "the mean squared error of the student's guess at x to the picture"


def cases(rng):
    out = [{"x": drawn(rng, shape, dtype), "image": drawn(rng, shape, dtype), "weight": between(rng, 0.4, 0.9),
            "level": levels(rng, k)[0]} for k, (shape, dtype) in enumerate(SIZES)]
    x = drawn(rng, ROWS, torch.float64)
    return [*out, {"x": x, "image": drawn(rng, ROWS, x.dtype), "weight": between(rng, 0.4, 0.9), "level": by_row(rng, x)[0]}]


def run(impl, case):
    student = Guess("student", case["weight"])
    with unasked():
        return trained(impl(student, case["x"], case["image"], level(case["level"])), student=student)


def slips(case, guess: Tensor) -> dict:
    x, image, at = case["x"], case["image"], level(case["level"])
    of = lambda a, b: lambda: (a - b).square().mean()
    snr = (at.alpha / at.sigma) ** 2
    return means(guess - image) | {
        "the error is weighted by the SNR: here all errors count the same": lambda: (snr * (guess - image) ** 2).mean(),
        "the error is weighted by max(SNR, 1): here all errors count the same": lambda: (
            torch.as_tensor(snr).clamp(min=1) * (guess - image) ** 2).mean(),
        "the guess is clipped to [-1, 1]: it is asked for as it is": of(guess.clamp(-1, 1), image),
        "the guess is taken off the noise: it is the picture already": of(x - guess, image),
        "x is compared with the picture: the student's guess is asked for": of(x, image),
        "the guess is compared with its noise: the picture is what it should be": of(guess, x),
        "the picture is made noisy first: the guess is one of x0": of(guess, at.alpha * image + at.sigma * x),
        "the student is asked about the picture made noisy with x: it is asked about x itself": of(
            bent(case["weight"], at.alpha * image + at.sigma * x, at), image),
        "the student is asked about the picture: it is asked about the noise": of(bent(case["weight"], image, at), image),
        "noise and picture are exchanged: it is asked about the noise x, and image is what it should say": of(
            bent(case["weight"], image, at), x),
        "a product: the errors are squared": lambda: (guess * image).mean()}


def verify(case, out):
    x, image, at = case["x"], case["image"], level(case["level"])
    guess = bent(case["weight"], x, at)
    right = (guess - image).square().mean()
    form = one_number(FORM, out["loss"], right, x)
    if not form.readable:
        return [form]
    return [form, close(VALUE, out["loss"], right, slips(case, guess), slack(x.dtype)), once(out["asked"]["student"], x, at.t),
            moves(out["slopes"], {})]


EXERCISES = (Exercise("04-pairs", "Shown the answer", {FORM: 0, VALUE: 2, ONCE: 0.5, MOVES: 0.5}, cases, run, verify,
                      own=(one_step.loss,)),)
