"""Lab 04: step distillation that knows of guidance (SnapFusion, Li et al. 2023): teacher and student guided by one w."""
import torch
from torch import Tensor

from ....diffusion.guidance import guided
from ....diffusion.levels import Level
from ....efficiency.distill import guided as distilled
from ....efficiency.distill import progressive
from ....efficiency.distill.stops import error
from ...contract.exercise import Exercise, Unanswered, close, kind, same_form
from ..common import column, integer, tol
from .made_up import SIZES, Guess, bent, between, drawn, level, levels, moves, trained

FORM, VALUE, PLAIN = "one number", "the loss of a halved student, both guided by w", "at w = 1 it is the loss without guidance"
MOVES = "a gradient reaches the student, and nothing else"
CLASSES = 5


def cases(rng):
    out = []
    for k, (shape, dtype) in enumerate(SIZES):
        null = integer(rng, 1, CLASSES)
        others = torch.tensor([c for c in range(CLASSES) if c != null])
        out.append({"z": drawn(rng, shape, dtype), "levels": levels(rng, k, k == 1), "w": between(rng, 2.0, 3.5),
                    "cond": others[torch.randint(len(others), shape[:1], generator=rng)], "null": torch.tensor([null]),
                    "weights": [between(rng, 0.4, 0.9) for _ in "ab"],
                    "shifts": [drawn(rng, (CLASSES,), dtype) for _ in "ab"]})
    return out


def told(case, who: int, weight: float | Tensor, x: Tensor, at: Level, cond: Tensor) -> Tensor:
    """The guess of the student, 0, or of the teacher, 1."""
    return bent(weight, x, at) + column(case["shifts"][who][cond.expand(len(x))], x) * torch.cos(x)


def run(impl, case):
    guesses = [Guess(name, weight) for name, weight in zip(("student", "teacher"), case["weights"])]

    def of(who):
        def denoise(x, at, cond=None):
            guesses[who](x, at)
            if not isinstance(cond, Tensor):
                raise Unanswered(f"{guesses[who].name}(x, level, cond) is told classes; it was given {kind(cond)}: `guided` "
                                 "makes a denoiser that tells them.")
            return told(case, who, guesses[who].weight.to(x.dtype), x, at, cond)
        return denoise
    call = lambda w: impl(of(0), of(1), case["z"], *map(level, case["levels"]), case["cond"].clone(), case["null"].clone(), w)
    plain = call(1.0)
    return trained(call(case["w"]), student=guesses[0], teacher=guesses[1]) | {
        "plain": plain.detach() if isinstance(plain, Tensor) else plain}


def verify(case, out):
    z, (cur, mid, nxt), cond, null = case["z"], map(level, case["levels"]), case["cond"], case["null"]
    student, teacher = (lambda x, at, kind, who=who: told(case, who, case["weights"][who], x, at, kind) for who in (0, 1))
    both = lambda mine, theirs, weigh="floor": progressive.loss(
        guided(student, cond, null, mine), guided(teacher, cond, null, theirs), z, cur, mid, nxt, weigh)
    w = case["w"]
    form = same_form(FORM, out["loss"], both(w, w))
    if not form.readable:
        return [form]
    aim = lambda v: progressive.target(guided(teacher, cond, null, v), z, cur, mid, nxt)
    mixed = aim(0.0) + w * (aim(1.0) - aim(0.0))
    value = close(VALUE, out["loss"], both(w, w), {
        "only the teacher is guided: what is used is the guided student": lambda: both(1.0, w),
        "only the student is guided: it learns the plain steps then": lambda: both(w, 1.0),
        "neither is guided": lambda: both(1.0, 1.0), "the paper's w, one more": lambda: both(w + 1, w + 1),
        "w - 1 where w belongs": lambda: both(w - 1, w - 1), "both guess without the class": lambda: both(0.0, 0.0),
        "two targets are made, with the class and without, and then guided: the guided teacher walks": lambda: error(
            guided(student, cond, null, w)(z, cur), mixed, cur),
        "both losses added, guided and plain": lambda: both(w, w) + both(1.0, 1.0),
        "the mean of both losses, guided and plain": lambda: (both(w, w) + both(1.0, 1.0)) / 2,
        "class and null are exchanged": lambda: both(1 - w, 1 - w),
        "halved: progressive.loss is it as it is": lambda: both(w, w) / 2,
        "the error counts as that of v: progressive.loss has the floor, as it comes": lambda: both(w, w, "v")}, 20 * tol(z.dtype))
    plain = close(PLAIN, out["plain"], both(1.0, 1.0), None, 20 * tol(z.dtype))
    return [form, value, *([plain] if value.passed else []), moves(out["moved"], {
        "teacher": "the teacher learns, too: progressive.loss sees to that"}, MOVES)]


EXERCISES = (Exercise("04-aware", "Guided on both sides", {FORM: 0, VALUE: 3, PLAIN: 0.5, MOVES: 0.5}, cases, run, verify,
                      own=(distilled.aware,)),)
