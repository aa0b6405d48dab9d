"""Lab 04: guidance distilled into one call (Meng et al. 2023, stage 1): the loss of a student that is told w.

The made-up teacher gives each class, "none" too, a guess of its own; the student is told both class and w.
"""
import torch
from torch import Tensor

from ....diffusion.levels import Level
from ....efficiency.distill import one_call
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered, close, kind
from ..common import column
from .made_up import (
    MOVES, ONCE, ROWS, SIZES, Guess, bent, between, by_row, classes, drawn, level, levels, means, moves, once, one_number, slack,
    trained, unasked)

FORM, VALUE = "one number", "the error to the guided guess, counted as that of v"
TOLD = "the student is told its class and its w"
CLASSES = 5


def cases(rng):
    out = []
    for k, (shape, dtype) in enumerate([*SIZES, (ROWS, torch.float64)]):
        x = drawn(rng, shape, dtype)
        out.append(classes(rng, shape[0], CLASSES) | {
            "x": x, "level": by_row(rng, x)[1] if k == len(SIZES) else levels(rng, 0)[1 + (k == 1)],
            "weights": [between(rng, 0.4, 0.9) for _ in "ab"],
            "w": (1.5 + 2.5 * torch.rand(shape[0], generator=rng, dtype=torch.float64)).to(dtype),
            "shift": drawn(rng, (CLASSES + 1,), dtype)})
    return out


def of_teacher(case, weight: float | Tensor, x: Tensor, at: Level, cond: Tensor) -> Tensor:
    return bent(weight, x, at) + column(case["shift"][cond.expand(len(x))], x) * torch.cos(x)


def of_student(weight: float | Tensor, x: Tensor, at: Level, cond: dict) -> Tensor:
    return bent(weight, x, at) + column(torch.sin(cond["class"].to(x.dtype) + cond["w"].to(x.dtype)), x)


def run(impl, case):
    x, teacher, student = case["x"], Guess("teacher", case["weights"][0]), Guess("student", case["weights"][1])
    heard = []

    def taught(x, at, cond=None):
        teacher(x, at)
        cond = torch.full((len(x),), CLASSES) if cond is None else cond
        if not isinstance(cond, Tensor):
            raise Unanswered(f"The teacher is told classes, (B,); it was given {kind(cond)}: only the student is told w.")
        return of_teacher(case, teacher.weight.to(x.dtype), x, at, cond)

    def taking(x, at, cond=None):
        student(x, at)
        if not isinstance(cond, dict) or cond.keys() != {"class", "w"}:
            raise Unanswered('The student is told a dict, {"class": cond, "w": w}, of the classes (B,) and the weights (B,).')
        if torch.as_tensor(cond["w"]).shape != case["w"].shape:
            raise Unanswered(f"The student is told w as it is handed in, of shape {tuple(case['w'].shape)}; it was told one of "
                             f"{tuple(torch.as_tensor(cond['w']).shape)}.")
        heard.append({"class": cond["class"].clone(), "w": torch.as_tensor(cond["w"]).clone()})
        return of_student(student.weight.to(x.dtype), x, at, cond | {"w": torch.as_tensor(cond["w"])})
    try:
        with unasked():
            value = impl(taking, taught, x, level(case["level"]), case["cond"], case["null"], case["w"])
    except RuntimeError as error:
        if "must match" not in str(error):
            raise
        raise Unanswered("The sizes do not fit: w is one number for each row, (B,); beside x it needs as many dimensions as x "
                         f"has, (B, 1, ...). `guided` takes it as it is{where(error)}.") from None
    return trained(value, student=student, teacher=teacher) | {"heard": heard}


def verify(case, out):
    x, at, cond, null, w = case["x"], level(case["level"]), case["cond"], case["null"], case["w"]
    told = lambda kind: of_teacher(case, case["weights"][0], x, at, kind)
    mine = of_student(case["weights"][1], x, at, {"class": cond, "w": w})
    u, c, bare, wide = told(null), told(cond), told(torch.tensor([CLASSES])), column(w, x)
    snr = torch.as_tensor((at.alpha / at.sigma) ** 2, dtype=torch.float64)
    count = snr + 1
    off = lambda want, much=count, got=mine: lambda: (much * (got - want).square()).mean().to(x.dtype)
    right = off(u + wide * (c - u))()
    form = one_number(FORM, out["loss"], right, x)
    if not form.readable:
        return [form]
    guess, v = u + wide * (c - u), lambda x0: (at.alpha * x - x0) / at.sigma
    value = close(VALUE, out["loss"], right, means(count.sqrt() * (mine - guess)) | {
        "the paper's w: (1 + w) with less w without; here w = 1 is guidance off": off((1 + wide) * c - wide * u),
        "the guess with the class alone is learned: w does nothing": off(c),
        "the guess without a class is learned": off(u), "the two guesses are exchanged": off(c + wide * (u - c)),
        "the guess without is asked for without any condition: null is one": off(bare + wide * (c - bare)),
        "w - 1 where w belongs": off(u + (wide - 1) * (c - u)),
        "every error counts the same: as that of v it counts SNR + 1": off(guess, 1.0),
        "the floor, max(SNR, 1): v's weight is SNR + 1": off(guess, snr.clamp(min=1)),
        "the SNR, eps's weight: v's is SNR + 1": off(guess, snr),
        "alpha / sigma is not squared in the weight: the SNR is alpha² / sigma²": off(guess, snr.sqrt() + 1),
        "sigma² / alpha² + 1: the SNR is upside down": off(guess, 1 / snr + 1),
        "the weight is squared with the error: it stands before the square": off(guess, count**2),
        "the weight's root is taken: it stands before the square as it is": off(guess, count.sqrt()),
        "the mean of the weights times the mean of the squares: each row's error counts by its own level": lambda: (
            count.mean() * (mine - guess).square().mean()),
        "v is compared with x0: both are guesses of x0, or both are v": off(guess, got=v(mine)),
        "both guesses are learned, with and without the class, and not the guided one": lambda: (
            off(c)() + off(u)()),
        "one w for the whole batch: each row has its own": off(u + w.mean() * (c - u)),
        "the w of the first row for all: each row has its own": off(u + w[0] * (c - u))}, slack(x.dtype))
    return [form, value, heard(case, out["heard"]), once(out["asked"]["student"], x, at.t), moves(out["slopes"], {
        "teacher": "the teacher learns, too: ask it under torch.no_grad()"})]


def heard(case, said: list[dict]) -> Property:
    good = len(said) > 0 and all(one["w"].shape == case["w"].shape and torch.equal(one["w"].to(case["w"]), case["w"])
                                 and torch.equal(one["class"], case["cond"]) for one in said)
    tries = {"the student is told w - 1: here w = 1 is guidance off, for the student, too": lambda one: torch.equal(
        one["w"], case["w"] - 1), "the student is told null for its class: it is told cond": lambda one: bool(
            (one["class"] == case["null"]).all())}
    causes = () if good or not said else tuple(cause for cause, holds in tries.items() if all(map(holds, said)))
    return Property(TOLD, good, "as expected" if good else "something else", "cond and w, as they are handed in", causes)


EXERCISES = (Exercise("04-one-call", "Guidance in one call", {FORM: 0, VALUE: 3, TOLD: 0.5, ONCE: 0.5, MOVES: 0.5}, cases, run,
                      verify, own=(one_call.loss,)),)
