"""Answers to 04-consistency: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

from effml_lab.diffusion.step import step

EXERCISE = "04-consistency"


def right(student, slow, x, guess, cur, nxt):
    with torch.no_grad():
        want = slow(step(x, guess, cur, nxt), nxt)
    return (student(x, cur) - want).square().mean()


def right_by_hand(student, slow, x, guess, cur, nxt):
    eps = (x - cur.alpha * guess) / cur.sigma
    want = slow(nxt.alpha * guess + nxt.sigma * eps, nxt).detach()
    return ((want - student(x, cur)) ** 2).mean()


def right_library(student, slow, x, guess, cur, nxt):
    answer = student(x, cur)
    with torch.no_grad():
        x = step(x, guess, cur, nxt)
        return_to = slow(x, nxt)
    return F.mse_loss(answer, return_to)


def of(want, got=lambda f, x, cur: f(x, cur), loss=lambda a, b: (a - b).square().mean()):
    def answer(student, slow, x, guess, cur, nxt):
        mine = got(student, x, cur)
        with torch.no_grad():
            aim = want(slow, x, guess, cur, nxt)
        return loss(mine, aim)
    return answer


def on(f, x, guess, cur, nxt):
    return f(step(x, guess, cur, nxt), nxt)


def wrong_gradient(student, slow, x, guess, cur, nxt):
    return (student(x, cur) - slow(step(x, guess, cur, nxt), nxt)).square().mean()


def wrong_detached_student(student, slow, x, guess, cur, nxt):
    return (student(x, cur).detach() - slow(step(x, guess, cur, nxt), nxt)).square().mean()


def wrong_student_twice(student, slow, x, guess, cur, nxt):
    with torch.no_grad():
        want = student(step(x, guess, cur, nxt), nxt)
    return (student(x, cur) - want).square().mean()


def wrong_exchanged(student, slow, x, guess, cur, nxt):
    with torch.no_grad():
        want = slow(x, cur)
    return (student(step(x, guess, cur, nxt), nxt) - want).square().mean()


def wrong_new_noise(student, slow, x, guess, cur, nxt):
    with torch.no_grad():
        want = slow(nxt.alpha * guess + nxt.sigma * torch.randn_like(x), nxt)
    return (student(x, cur) - want).square().mean()


def wrong_own_guess(student, slow, x, guess, cur, nxt):
    mine = student(x, cur)
    with torch.no_grad():
        want = slow(step(x, mine.detach(), cur, nxt), nxt)
    return (mine - want).square().mean()


def wrong_slow_guess(student, slow, x, guess, cur, nxt):
    with torch.no_grad():
        want = slow(step(x, slow(x, cur), cur, nxt), nxt)
    return (student(x, cur) - want).square().mean()


def wrong_stepped(student, slow, x, guess, cur, nxt):
    with torch.no_grad():
        want = slow(step(x, guess, cur, nxt), nxt)
    return (step(x, student(x, cur), cur, nxt) - want).square().mean()


# A newcomer's own, written before any check was run


def newcomers_weighted(student, slow, x, guess, cur, nxt):
    """I weighted it with the floor of section 3."""
    with torch.no_grad():
        want = slow(step(x, guess, cur, nxt), nxt)
    weight = torch.as_tensor(cur.alpha ** 2 / cur.sigma ** 2).clamp(min=1)
    return (weight * (student(x, cur) - want).square()).mean()


def newcomers_pseudo_huber(student, slow, x, guess, cur, nxt):
    """I took the pseudo-Huber loss of the improved paper."""
    with torch.no_grad():
        want = slow(step(x, guess, cur, nxt), nxt)
    c = 0.03
    return (((student(x, cur) - want).square() + c ** 2).sqrt() - c).mean()


def newcomers_step_args(student, slow, x, guess, cur, nxt):
    """I swapped x and guess in step."""
    with torch.no_grad():
        want = slow(step(guess, x, cur, nxt), nxt)
    return (student(x, cur) - want).square().mean()


def newcomers_overwritten(student, slow, x, guess, cur, nxt):
    """I overwrote x with the neighbour before I asked the student at cur."""
    x = step(x, guess, cur, nxt)
    with torch.no_grad():
        want = slow(x, nxt)
    return (student(x, cur) - want).square().mean()


def newcomers_edm_euler(student, slow, x, guess, cur, nxt):
    """I wrote the Euler step of the paper, x + (sigma' - sigma)(x - guess) / sigma, which is for alpha = 1."""
    with torch.no_grad():
        near = x + (nxt.sigma - cur.sigma) * (x - guess) / cur.sigma
        want = slow(near, nxt)
    return (student(x, cur) - want).square().mean()


RIGHT = [right, right_by_hand, right_library]
WRONG = [
    (of(lambda f, x, g, cur, nxt: f(x, nxt)), ["about x itself"]), (of(lambda f, x, g, cur, nxt: f(step(x, g, cur, nxt), cur)), [
        "the slow copy is asked at cur"]), (of(lambda f, x, g, cur, nxt: g), ["the guess itself"]),
    (of(lambda f, x, g, cur, nxt: step(x, g, cur, nxt)), ["the state at nxt is compared"]),
    (of(lambda f, x, g, cur, nxt: f(g, nxt)), ["about the guess"]),
    (of(lambda f, x, g, cur, nxt: f(x, cur)), ["both are asked at cur"]),
    (of(lambda f, x, g, cur, nxt: f(nxt.alpha * g + nxt.sigma * x, nxt)),
     ["mixed anew"]),
    (of(on, loss=lambda a, b: (a - b).square().sum()), ["the sum:"]),
    (of(on, loss=lambda a, b: (a - b).abs().mean()), ["absolute"]),
    (of(on, loss=lambda a, b: (a - b).square().mean() / 2), ["halved"]), (of(on, loss=lambda a, b: a - b), [
        "the mean is missing"]),
    (of(on, loss=lambda a, b: (a - b).square().mean().item()), ["a plain number"]),
    (of(on, loss=lambda a, b: (a - b).square().mean().sqrt()), ["the root"]),
    (of(on, got=lambda f, x, cur: f(x, cur).detach()),
     ["nothing can be learned"]),
    (of(lambda f, x, g, cur, nxt: f(step(x, g, nxt, cur), nxt) if nxt.sigma else x / 0), []),
    (of(on, got=lambda f, x, cur: x), ["nothing can be learned"]), (wrong_gradient, ["the slow copy learns"]),
    (wrong_detached_student, ["the student learns nothing, and"]),
    (wrong_student_twice, ["asked at both ends"]), (wrong_exchanged, ["the two are exchanged", "asked at another level"]),
    (wrong_new_noise, ["new noise is drawn"]), (wrong_own_guess, ["the student's own guess"]),
    (wrong_slow_guess, ["the slow copy's guess"]),
    (wrong_stepped, ["stepped on, too"]),
    (newcomers_weighted, ["the floor of exercise 3 weighs the errors"]),
    (newcomers_pseudo_huber, []),
    (newcomers_step_args, ["x and guess are exchanged in the step"]),
    (newcomers_overwritten, ["the student is asked about where the step led"]),
    (newcomers_edm_euler, ["the step is one for alpha = 1"]),
]
