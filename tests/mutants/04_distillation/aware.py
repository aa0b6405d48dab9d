"""Answers to 04-aware: right ones, and wrong ones with the causes that a report may name for them."""
import torch

from effml_lab.diffusion.guidance import guided
from effml_lab.diffusion.step import step
from effml_lab.efficiency.distill import progressive
from effml_lab.efficiency.distill.stops import error

EXERCISE = "04-aware"


def right(student, teacher, z, cur, mid, nxt, cond, null, w):
    return progressive.loss(guided(student, cond, null, w), guided(teacher, cond, null, w), z, cur, mid, nxt)


def right_target(student, teacher, z, cur, mid, nxt, cond, null, w):
    want = progressive.target(guided(teacher, cond, null, w), z, cur, mid, nxt)
    return error(guided(student, cond, null, w)(z, cur), want, cur)


def right_by_hand(student, teacher, z, cur, mid, nxt, cond, null, w):
    def both(net):
        def guide(x, level):
            without = net(x, level, null.expand(len(x)))
            return without + w * (net(x, level, cond) - without)
        return guide
    return progressive.loss(both(student), both(teacher), z, cur, mid, nxt, "floor")


def of(mine=lambda w: w, theirs=lambda w: w, after=lambda value: value):
    def answer(student, teacher, z, cur, mid, nxt, cond, null, w):
        pair = guided(student, cond, null, mine(w)), guided(teacher, cond, null, theirs(w))
        return after(progressive.loss(*pair, z, cur, mid, nxt))
    return answer


def wrong_v(student, teacher, z, cur, mid, nxt, cond, null, w):
    return progressive.loss(guided(student, cond, null, w), guided(teacher, cond, null, w), z, cur, mid, nxt, "v")


def wrong_exchanged(student, teacher, z, cur, mid, nxt, cond, null, w):
    return progressive.loss(guided(teacher, cond, null, w), guided(student, cond, null, w), z, cur, mid, nxt)


def wrong_null(student, teacher, z, cur, mid, nxt, cond, null, w):
    return progressive.loss(guided(student, null, cond, w), guided(teacher, null, cond, w), z, cur, mid, nxt)


def wrong_bare(student, teacher, z, cur, mid, nxt, cond, null, w):
    return progressive.loss(student, teacher, z, cur, mid, nxt)


def wrong_targets(student, teacher, z, cur, mid, nxt, cond, null, w):
    aims = [progressive.target(guided(teacher, kind, None, 1.0), z, cur, mid, nxt) for kind in (null, cond)]
    return error(guided(student, cond, null, w)(z, cur), aims[0] + w * (aims[1] - aims[0]), cur)


def wrong_added(student, teacher, z, cur, mid, nxt, cond, null, w):
    pair = lambda v: (guided(student, cond, null, v), guided(teacher, cond, null, v))
    return sum(progressive.loss(*pair(v), z, cur, mid, nxt) for v in (w, 1.0))


def wrong_guided_loss(student, teacher, z, cur, mid, nxt, cond, null, w):
    losses = [progressive.loss(guided(student, kind, None, 1.0), guided(teacher, kind, None, 1.0), z, cur, mid, nxt)
              for kind in (null, cond)]
    return losses[0] + w * (losses[1] - losses[0])


def wrong_ends(student, teacher, z, cur, mid, nxt, cond, null, w):
    with torch.no_grad():
        guide = guided(teacher, cond, null, w)
        half = step(z, guide(z, cur), cur, mid)
        end = step(half, guide(half, mid), mid, nxt)
    return (step(z, guided(student, cond, null, w)(z, cur), cur, nxt) - end).square().mean()


def wrong_no_grad(student, teacher, z, cur, mid, nxt, cond, null, w):
    with torch.no_grad():
        return right(student, teacher, z, cur, mid, nxt, cond, null, w)


def wrong_into_teacher(student, teacher, z, cur, mid, nxt, cond, null, w):
    guide = guided(teacher, cond, null, w)
    half = step(z, guide(z, cur), cur, mid)
    end, keep = step(half, guide(half, mid), mid, nxt), nxt.sigma / cur.sigma
    return error(guided(student, cond, null, w)(z, cur), (end - keep * z) / (nxt.alpha - keep * cur.alpha), cur)


# A newcomer's own, written before any check was run


def target_theirs(teacher, z, cur, mid, nxt):
    with torch.no_grad():
        z1 = step(z, teacher(z, cur), cur, mid)
        z2 = step(z1, teacher(z1, mid), mid, nxt)
    ratio = nxt.sigma / cur.sigma
    return (z2 - ratio * z) / (nxt.alpha - ratio * cur.alpha)


def newcomers_null_detached(student, teacher, z, cur, mid, nxt, cond, null, w):
    """I let no gradient through the student's guess without the class."""
    def mine(x, level):
        with torch.no_grad():
            n = student(x, level, null.expand(len(x)))
        return n + w * (student(x, level, cond) - n)
    return progressive.loss(mine, guided(teacher, cond, null, w), z, cur, mid, nxt)


def newcomers_unweighted(student, teacher, z, cur, mid, nxt, cond, null, w):
    """I wrote the loss myself and forgot the floor."""
    want = target_theirs(guided(teacher, cond, null, w), z, cur, mid, nxt)
    return (guided(student, cond, null, w)(z, cur) - want).square().mean()


def newcomers_no_base(student, teacher, z, cur, mid, nxt, cond, null, w):
    """My guidance is w (cond - null), the guess without the class is not added."""
    def both(net):
        return lambda x, level: w * (net(x, level, cond) - net(x, level, null.expand(len(x))))
    return progressive.loss(both(student), both(teacher), z, cur, mid, nxt)


def newcomers_mid_nxt_swapped(student, teacher, z, cur, mid, nxt, cond, null, w):
    """I swapped mid and nxt."""
    return progressive.loss(guided(student, cond, null, w), guided(teacher, cond, null, w), z, cur, nxt, mid)


def newcomers_losses_mixed(student, teacher, z, cur, mid, nxt, cond, null, w):
    """I guided the losses: w of the one with the class and 1 - w of the one without."""
    told = lambda net, c: lambda x, l: net(x, l, c)
    with_class = progressive.loss(told(student, cond), told(teacher, cond), z, cur, mid, nxt)
    without = progressive.loss(told(student, null.expand(len(z))), told(teacher, null.expand(len(z))), z, cur, mid, nxt)
    return without + w * (with_class - without)


def newcomers_both_guesses(student, teacher, z, cur, mid, nxt, cond, null, w):
    """I distilled both guesses, the sum of the loss with the class and of that without."""
    told = lambda net, c: lambda x, l: net(x, l, c)
    with_class = progressive.loss(told(student, cond), told(teacher, cond), z, cur, mid, nxt)
    without = progressive.loss(told(student, null.expand(len(z))), told(teacher, null.expand(len(z))), z, cur, mid, nxt)
    return with_class + without


def newcomers_student_twice(student, teacher, z, cur, mid, nxt, cond, null, w):
    """Copy and paste: both are the student."""
    return progressive.loss(guided(student, cond, null, w), guided(student, cond, null, w), z, cur, mid, nxt)


def newcomers_w_twice(student, teacher, z, cur, mid, nxt, cond, null, w):
    """I multiplied the loss by w, too."""
    return w * progressive.loss(guided(student, cond, null, w), guided(teacher, cond, null, w), z, cur, mid, nxt)


def newcomers_teacher_twice(student, teacher, z, cur, mid, nxt, cond, null, w):
    """Copy and paste: both are the teacher."""
    return progressive.loss(guided(teacher, cond, null, w), guided(teacher, cond, null, w), z, cur, mid, nxt)


RIGHT = [right, right_target, right_by_hand]
WRONG = [
    (of(lambda w: 3.0, lambda w: 3.0), ["the w of the notebook"]),
    (of(mine=lambda w: 1.0), ["only the teacher is guided"]), (of(theirs=lambda w: 1.0), ["only the student is guided"]),
    (of(lambda w: 1.0, lambda w: 1.0), ["neither is guided"]), (of(lambda w: w + 1, lambda w: w + 1), ["the paper's w"]),
    (of(lambda w: w - 1, lambda w: w - 1), ["w - 1 where"]), (of(lambda w: 0.0, lambda w: 0.0), ["without the class"]),
    (of(after=lambda value: value / 2), ["halved"]),
    (of(after=lambda value: value.item()), ["a plain number"]),
    (of(after=lambda value: value.detach()), ["nothing can be learned"]), (of(mine=lambda w: 0.0), []),
    (of(theirs=lambda w: 0.0), []),
    (wrong_v, ["counts as that of v"]),
    (wrong_exchanged, ["are exchanged", "the student learns nothing, and"]), (wrong_null, ["exchanged"]), (wrong_bare, []),
    (wrong_targets, ["two targets"]), (wrong_added, ["both losses added"]),
    (wrong_guided_loss, ["the losses are guided"]), (wrong_ends, []),
    (wrong_no_grad, ["nothing can be learned"]), (wrong_into_teacher, ["the teacher learns"]),
    (newcomers_null_detached, ["a part of the student is cut off"]),
    (newcomers_unweighted, ["the floor of section 3 is missing"]),
    (newcomers_no_base, ["w times the difference of both guesses"]),
    (newcomers_mid_nxt_swapped, []),
    (newcomers_losses_mixed, ["the losses are guided, and not the guesses"]),
    (newcomers_both_guesses, ["both guesses are distilled, each by itself, and "]),
    (newcomers_student_twice, ["the student is its own teacher"]),
    (newcomers_w_twice, ["the loss is multiplied by w, too"]),
    (newcomers_teacher_twice, ["the student learns nothing, and", "the teacher is compared with itself"]),
]
