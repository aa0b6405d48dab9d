"""Answers to 04-one-call: right ones, and wrong ones with the causes that a report may name for them."""
import torch

from effml_lab.diffusion.guidance import guided
from effml_lab.efficiency.distill.stops import error

EXERCISE = "04-one-call"


def right(student, teacher, x, level, cond, null, w):
    with torch.no_grad():
        want = guided(teacher, cond, null, w)(x, level)
    return error(student(x, level, {"class": cond, "w": w}), want, level, "v")


def right_by_hand(student, teacher, x, level, cond, null, w):
    with torch.no_grad():
        u, c = teacher(x, level, null.expand(len(x))), teacher(x, level, cond)
    want = u + w.view(-1, *[1] * (x.ndim - 1)) * (c - u)
    guess = student(x, level, {"class": cond, "w": w})
    return (((level.alpha / level.sigma) ** 2 + 1) * (guess - want) ** 2).mean()


def right_detached(student, teacher, x, level, cond, null, w):
    want = guided(teacher, cond, null, w)(x, level).detach()
    return error(want, student(x, level, {"w": w, "class": cond}), level, "v")


def of(want=lambda T, x, at, c, n, w: guided(T, c, n, w)(x, at), told=lambda c, n, w: {"class": c, "w": w},
       loss=lambda g, want, at: error(g, want, at, "v")):
    def answer(student, teacher, x, level, cond, null, w):
        with torch.no_grad():
            aim = want(teacher, x, level, cond, null, w)
        return loss(student(x, level, told(cond, null, w)), aim, level)
    return answer


def wrong_teacher_learns(student, teacher, x, level, cond, null, w):
    return error(student(x, level, {"class": cond, "w": w}), guided(teacher, cond, null, w)(x, level), level, "v")


def wrong_no_grad(student, teacher, x, level, cond, null, w):
    with torch.no_grad():
        return right(student, teacher, x, level, cond, null, w)


def wrong_w_row(student, teacher, x, level, cond, null, w):
    with torch.no_grad():
        u, c = teacher(x, level, null.expand(len(x))), teacher(x, level, cond)
        want = u + w * (c - u)
    return error(student(x, level, {"class": cond, "w": w}), want, level, "v")


def wrong_student_guided(student, teacher, x, level, cond, null, w):
    with torch.no_grad():
        want = guided(teacher, cond, null, w)(x, level)
    return error(guided(student, cond, null, w)(x, level), want, level, "v")


def wrong_twice(student, teacher, x, level, cond, null, w):
    with torch.no_grad():
        want = guided(teacher, cond, null, w)(x, level)
    told = {"class": cond, "w": w}
    return (error(student(x, level, told), want, level, "v") + error(student(x, level, told), want, level, "v")) / 2


RIGHT = [right, right_by_hand, right_detached]
WRONG = [
    (of(want=lambda T, x, at, c, n, w: guided(T, c, n, w + 1)(x, at)), ["the paper's w"]),
    (of(want=lambda T, x, at, c, n, w: guided(T, c, n, w - 1)(x, at)), ["w - 1 where"]),
    (of(want=lambda T, x, at, c, n, w: T(x, at, c)), ["class alone is learned"]),
    (of(want=lambda T, x, at, c, n, w: T(x, at, n.expand(len(x)))), ["without a class is learned"]),
    (of(want=lambda T, x, at, c, n, w: guided(T, c, n, 1 - w)(x, at)), ["exchanged"]),
    (of(want=lambda T, x, at, c, n, w: guided(T, c, None, w)(x, at)), ["without any condition"]),
    (of(want=lambda T, x, at, c, n, w: guided(T, c, n, w.mean().item())(x, at)), ["one w for the whole"]),
    (of(want=lambda T, x, at, c, n, w: guided(T, c, n, w[0].item())(x, at)), ["the w of the first"]),
    (of(loss=lambda g, y, at: (g - y).square().mean()), ["counts the same"]),
    (of(loss=lambda g, y, at: error(g, y, at)), ["the floor"]), (of(loss=lambda g, y, at: error(g, y, at, "eps")), ["the SNR"]),
    (of(loss=lambda g, y, at: error(g, y, at, "v") / 2), ["halved"]),
    (of(loss=lambda g, y, at: error(g, y, at, "v") * g.numel()), ["the sum:"]), (of(loss=lambda g, y, at: g.mean()), []),
    (of(told=lambda c, n, w: c), []), (of(told=lambda c, n, w: {"class": c}), []), (of(told=lambda c, n, w: (c, w)), []),
    (of(told=lambda c, n, w: {"class": n.expand(len(c)), "w": w}), []), (of(told=lambda c, n, w: {"class": c, "w": w - 1}), []),
    (wrong_teacher_learns, ["the teacher learns"]), (wrong_no_grad, ["nothing can be learned"]), (wrong_w_row, []),
    (wrong_student_guided, []), (wrong_twice, []),
]
