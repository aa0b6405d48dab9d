"""Lab 04: the loss of a student of one step, shown pairs of noise and picture (Luhman and Luhman 2021, eq. 4)."""
from torch import Tensor

from ....efficiency.distill import one_step
from ...contract.exercise import Exercise, close, same_form
from ..common import tol
from .made_up import MOVES, ONCE, SIZES, Guess, bent, between, drawn, level, levels, means, moves, once, trained

FORM, VALUE = "one number", "the mean squared error of the student's guess at x to the picture"


def cases(rng):
    return [{"x": drawn(rng, shape, dtype), "image": drawn(rng, shape, dtype), "weight": between(rng, 0.4, 0.9),
             "level": levels(rng, k)[0]} for k, (shape, dtype) in enumerate(SIZES)]


def run(impl, case):
    student = Guess("student", case["weight"])
    return trained(impl(student, case["x"], case["image"], level(case["level"])), student=student)


def slips(case, guess: Tensor) -> dict:
    x, image, at = case["x"], case["image"], level(case["level"])
    of = lambda a, b: lambda: (a - b).square().mean()
    return means((guess - image).square()) | {
        "x is compared with the picture: the student's guess is asked for": of(x, image),
        "the guess is compared with its noise: the picture is what it should be": of(guess, x),
        "the picture is made noisy first: the guess is one of x0": of(guess, at.alpha * image + at.sigma * x),
        "the student is asked about the picture: it is asked about the noise": of(bent(case["weight"], image, at), image),
        "a product: the errors are squared": lambda: (guess * image).mean()}


def verify(case, out):
    x, image, at = case["x"], case["image"], level(case["level"])
    guess = bent(case["weight"], x, at)
    right = (guess - image).square().mean()
    form = same_form(FORM, out["loss"], right)
    if not form.readable:
        return [form]
    return [form, close(VALUE, out["loss"], right, slips(case, guess), tol(x.dtype)), once(out["asked"]["student"], x, at.t),
            moves(out["moved"], {})]


EXERCISES = (Exercise("04-pairs", "Shown the answer", {FORM: 0, VALUE: 2, ONCE: 0.5, MOVES: 0.5}, cases, run, verify,
                      own=(one_step.loss,)),)
