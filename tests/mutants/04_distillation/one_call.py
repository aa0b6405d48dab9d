"""Answers to 04-one-call: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

from effml_lab.diffusion.guidance import guided
from effml_lab.efficiency.distill import stops
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


# A newcomer's own, written before any check was run


def want_theirs(teacher, x, level, cond, null, w):
    with torch.no_grad():
        return guided(teacher, cond, null, w)(x, level)


def newcomers_in_place_w(student, teacher, x, level, cond, null, w):
    """I made the paper's w of it in place."""
    want = want_theirs(teacher, x, level, cond, null, w)
    w -= 1
    guess = student(x, level, {"class": cond, "w": w + 1})
    return stops.error(guess, want, level, "v")


def newcomers_w_column(student, teacher, x, level, cond, null, w):
    """I told the student w as a column (B, 1)."""
    want = want_theirs(teacher, x, level, cond, null, w)
    return stops.error(student(x, level, {"class": cond, "w": w[:, None]}), want, level, "v")


def newcomers_student_guided(student, teacher, x, level, cond, null, w):
    """I guided the student, too, like in SnapFusion."""
    told = {"class": cond, "w": w}
    none = {"class": null.expand(len(x)), "w": w}
    return stops.error(guided(student, told, none, w)(x, level), want_theirs(teacher, x, level, cond, null, w), level, "v")


def newcomers_floor_weight(student, teacher, x, level, cond, null, w):
    """I took the floor of exercise 3 for the weight."""
    weight = torch.as_tensor(level.alpha ** 2 / level.sigma ** 2).clamp(min=1)
    guess = student(x, level, {"class": cond, "w": w})
    return (weight * (guess - want_theirs(teacher, x, level, cond, null, w)).square()).mean()


def newcomers_weight_inside(student, teacher, x, level, cond, null, w):
    """I put the weight inside of the square."""
    weight = level.alpha ** 2 / level.sigma ** 2 + 1
    return (weight * (student(x, level, {"class": cond, "w": w}) - want_theirs(teacher, x, level, cond, null, w))).square().mean()


def newcomers_weight_apart(student, teacher, x, level, cond, null, w):
    """I multiplied the mean of the weight with the mean of the squares."""
    weight = torch.as_tensor(level.alpha ** 2 / level.sigma ** 2 + 1).mean()
    return weight * F.mse_loss(student(x, level, {"class": cond, "w": w}), want_theirs(teacher, x, level, cond, null, w))


def newcomers_inverse_weight(student, teacher, x, level, cond, null, w):
    """I have the SNR upside down in the weight."""
    weight = level.sigma ** 2 / level.alpha ** 2 + 1
    return (weight * (student(x, level, {"class": cond, "w": w}) - want_theirs(teacher, x, level, cond, null, w)).square()).mean()


def newcomers_pair_of_losses(student, teacher, x, level, cond, null, w):
    """I distilled both guesses of the teacher instead of the guided one."""
    with torch.no_grad():
        c, n = teacher(x, level, cond), teacher(x, level, null.expand(len(x)))
    guess = student(x, level, {"class": cond, "w": w})
    return stops.error(guess, c, level, "v") + stops.error(guess, n, level, "v")


def newcomers_told_w_less_one(student, teacher, x, level, cond, null, w):
    """I told the student w - 1, as in the paper."""
    return stops.error(student(x, level, {"class": cond, "w": w - 1}), want_theirs(teacher, x, level, cond, null, w), level, "v")


def newcomers_student_null(student, teacher, x, level, cond, null, w):
    """I told the student null for the class."""
    told = {"class": null.expand(len(x)), "w": w}
    return stops.error(student(x, level, told), want_theirs(teacher, x, level, cond, null, w), level, "v")


def newcomers_detached_guess(student, teacher, x, level, cond, null, w):
    """I detached the student's guess and not the teacher's."""
    want = guided(teacher, cond, null, w)(x, level)
    return stops.error(student(x, level, {"class": cond, "w": w}).detach(), want, level, "v")


def newcomers_own_w(student, teacher, x, level, cond, null, w):
    """I drew w anew, as the text says, and did not use the one that is handed in."""
    w = 4 * torch.rand(len(x)).to(x)
    return stops.error(student(x, level, {"class": cond, "w": w}), want_theirs(teacher, x, level, cond, null, w), level, "v")


RIGHT = [right, right_by_hand, right_detached]
WRONG = [
    (of(loss=lambda g, want, at: ((at.alpha / at.sigma + 1) * (g - want) ** 2).mean()), ["alpha / sigma is not squared"]),
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
    (of(told=lambda c, n, w: {"class": n.expand(len(c)), "w": w}), ["told null"]), 
    (of(told=lambda c, n, w: {"class": c, "w": w - 1}), ["told w - 1"]),
    (wrong_teacher_learns, ["the teacher learns"]), (wrong_no_grad, ["nothing can be learned"]), (wrong_w_row, []),
    (wrong_student_guided, []), (wrong_twice, []),
    (newcomers_in_place_w, []),
    (newcomers_w_column, []),
    (newcomers_student_guided, []),
    (newcomers_floor_weight, ["the floor, max"]),
    (newcomers_weight_inside, ["the weight is squared with the error"]),
    (newcomers_weight_apart, ["the mean of the weights times the mean of the sq"]),
    (newcomers_inverse_weight, ["sigma² / alpha² + 1"]),
    (newcomers_pair_of_losses, ["both guesses are learned, with and without the c"]),
    (newcomers_told_w_less_one, ["the student is told w - 1"]),
    (newcomers_student_null, ["the student is told null for its class"]),
    (newcomers_detached_guess, ["the student learns nothing, and"]),
    (newcomers_own_w, []),
]
