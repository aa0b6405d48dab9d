"""Lab 04: step distillation that knows of guidance (SnapFusion, Li et al. 2023): teacher and student guided by one w."""
import torch
from torch import Tensor

from ....diffusion.guidance import guided
from ....diffusion.levels import Level
from ....efficiency.distill import aware, progressive
from ....efficiency.distill.stops import error
from ...contract.attempt import where
from ...contract.exercise import Exercise, Unanswered, close, kind
from ..common import column
from .made_up import (
    MOVES, ROWS, SIZES, Guess, bent, between, by_row, classes, drawn, level, levels, moves, one_number, slack, slope, trained,
    unasked)

FORM, VALUE, PLAIN = "one number", "the loss of a halved student, both guided by w", "at w = 1 it is the loss without guidance"
CLASSES = 5


def cases(rng):
    out = []
    for k, (shape, dtype) in enumerate([*SIZES, (ROWS, torch.float64)]):
        z = drawn(rng, shape, dtype)
        out.append(classes(rng, shape[0], CLASSES) | {
            "z": z, "levels": by_row(rng, z) if k == len(SIZES) else levels(rng, k, k == 1), "w": between(rng, 2.0, 3.5),
            "weights": [between(rng, 0.4, 0.9) for _ in "ab"], "shifts": [drawn(rng, (CLASSES,), dtype) for _ in "ab"]})
    return out


def told(case, who: int, weight: float | Tensor, x: Tensor, at: Level, cond: Tensor) -> Tensor:
    """The guess of the student, 0, or of the teacher, 1."""
    own = column(case["shifts"][who][cond.expand(len(x))], x)
    return bent(weight, x, at) * (1 + 0.3 * torch.sin(own)) + own * torch.cos(x)


def run(impl, case):
    guesses = [Guess(name, weight) for name, weight in zip(("student", "teacher"), case["weights"])]

    def of(who):
        def denoise(x, at, cond=None):
            guesses[who](x, at)
            if not isinstance(cond, Tensor):
                raise Unanswered(f"{guesses[who].name}(x, level, cond) is told classes; it was given "
                                 f"{'none' if cond is None else kind(cond)}. `guided` makes a denoiser that tells them.")
            return told(case, who, guesses[who].weight.to(x.dtype), x, at, cond)
        return denoise
    call = lambda w: impl(of(0), of(1), case["z"], *map(level, case["levels"]), case["cond"], case["null"], w)
    try:
        with unasked():
            plain, value = call(1.0), call(case["w"])
    except ZeroDivisionError as error:
        raise Unanswered("The levels go from noise to clean: cur, mid, nxt. Here a step began at the clean end, where sigma = 0"
                         f"{where(error)}.") from None
    return trained(value, student=guesses[0], teacher=guesses[1]) | {
        "plain": plain.detach() if isinstance(plain, Tensor) else plain}


def verify(case, out):
    z, (cur, mid, nxt), cond, null = case["z"], map(level, case["levels"]), case["cond"], case["null"]
    student, teacher = (lambda x, at, kind, who=who: told(case, who, case["weights"][who], x, at, kind) for who in (0, 1))
    both = lambda mine, theirs, weigh="floor": progressive.loss(
        guided(student, cond, null, mine), guided(teacher, cond, null, theirs), z, cur, mid, nxt, weigh)
    w = case["w"]
    form = one_number(FORM, out["loss"], both(w, w), z)
    if not form.readable:
        return [form]
    aim = lambda v: progressive.target(guided(teacher, cond, null, v), z, cur, mid, nxt)
    mixed = aim(0.0) + w * (aim(1.0) - aim(0.0))
    learning = lambda weight: lambda x, at, kind: told(case, 0, weight, x, at, kind)
    weighted = lambda weight: progressive.loss(
        guided(learning(weight), cond, null, w), guided(teacher, cond, null, w), z, cur, mid, nxt)
    value = close(VALUE, out["loss"], both(w, w), {
        "only the teacher is guided: what is used is the guided student": lambda: both(1.0, w),
        "only the student is guided: it learns the plain steps then": lambda: both(w, 1.0),
        "neither is guided": lambda: both(1.0, 1.0), "the paper's w, one more": lambda: both(w + 1, w + 1),
        "the w of the notebook, 3: w is handed in": lambda: both(3.0, 3.0),
        "w - 1 where w belongs": lambda: both(w - 1, w - 1), "both guess without the class": lambda: both(0.0, 0.0),
        "two targets are made, with the class and without, and then guided: the guided teacher walks": lambda: error(
            guided(student, cond, null, w)(z, cur), mixed, cur),
        "both losses added, guided and plain": lambda: both(w, w) + both(1.0, 1.0),
        "the mean of both losses, guided and plain": lambda: (both(w, w) + both(1.0, 1.0)) / 2,
        "class and null are exchanged": lambda: both(1 - w, 1 - w),
        "halved: progressive.loss is it as it is": lambda: both(w, w) / 2,
        "the floor of section 3 is missing: progressive.loss has it": lambda: both(w, w, "x0"),
        "the losses are guided, and not the guesses: w times one and 1 - w times the other": lambda: (
            w * both(1.0, 1.0) + (1 - w) * both(0.0, 0.0)),
        "both guesses are distilled, each by itself, and nothing is guided": lambda: both(1.0, 1.0) + both(0.0, 0.0),
        "the teacher is compared with itself: the first of the two is the student": lambda: progressive.loss(
            *(guided(teacher, cond, null, w),) * 2, z, cur, mid, nxt),
        "the student is its own teacher": lambda: progressive.loss(*(guided(student, cond, null, w),) * 2, z, cur, mid, nxt),
        "teacher and student are exchanged": lambda: progressive.loss(
            guided(teacher, cond, null, w), guided(student, cond, null, w), z, cur, mid, nxt),
        "the loss is multiplied by w, too": lambda: w * both(w, w),
        "w times the difference of both guesses: the one without the class is not added": lambda: progressive.loss(*(
            lambda x, at, f=f: w * (f(x, at, cond) - f(x, at, null)) for f in (student, teacher)), z, cur, mid, nxt),
        "the error counts as that of v: progressive.loss has the floor, as it comes": lambda: both(w, w, "v")}, slack(z.dtype))
    plain = close(PLAIN, out["plain"], both(1.0, 1.0), None, slack(z.dtype))
    right = slope(weighted, case["weights"][0], z.dtype) if value.passed else None
    return [form, value, plain, moves(out["slopes"], {
        "teacher": "the teacher learns, too: progressive.loss sees to that"}, right,
        "a part of the student is cut off: both of its guesses learn, the one without the class, too")]


EXERCISES = (Exercise("04-aware", "Guided on both sides", {FORM: 0, VALUE: 3, PLAIN: 0.5, MOVES: 0.5}, cases, run, verify,
                      own=(aware.loss,)),)
