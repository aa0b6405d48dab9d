"""Lab 04: the loss of a consistency model (Song et al. 2023, algorithms 2 and 3): neighbours on a path, one answer.

Student and slow copy are two made-up guesses, so that it shows who was asked where. The guess of x0 that leads from cur to nxt is
handed in: the teacher's, or the picture itself.
"""
from torch import Tensor

from ....diffusion.step import step
from ....efficiency.distill import consistency, stops
from ...contract.exercise import Exercise, Property, close, same_form
from ..common import tol
from .made_up import MOVES, ONCE, SIZES, Guess, bent, between, drawn, level, levels, means, moves, once, trained

FORM, VALUE = "one number", "the error of the student at cur to its slow copy at nxt, one step on"
SLOW = "the slow copy is asked once, at nxt, about where the step led"


def cases(rng):
    rows = [(k, shape, dtype, False) for k, (shape, dtype) in enumerate(SIZES)] + [(0, *SIZES[2], True)]
    return [{"x": drawn(rng, shape, dtype), "guess": drawn(rng, shape, dtype), "levels": levels(rng, k, clean)[1:],
             "weights": [between(rng, 0.4, 0.9) for _ in "ab"]} for k, shape, dtype, clean in rows]


def run(impl, case):
    student, slow = (Guess(name, weight) for name, weight in zip(("student", "slow copy"), case["weights"]))
    return trained(impl(student, slow, case["x"], case["guess"], *map(level, case["levels"])), student=student) | {
        "slow": slow.moved, "asked slow": slow.asked}


def verify(case, out):
    x, guess, (cur, nxt) = case["x"], case["guess"], map(level, case["levels"])
    mine, other = case["weights"]
    on = step(x, guess, cur, nxt)
    off = lambda want, got=bent(mine, x, cur): lambda: (got - want).square().mean()
    right = off(bent(other, on, nxt))()
    form = same_form(FORM, out["loss"], right)
    if not form.readable:
        return [form]
    asked = [call["t"] for call in out["asked slow"]]
    value = close(VALUE, out["loss"], right, means((bent(mine, x, cur) - bent(other, on, nxt)).square()) | {
        "the slow copy is asked about x itself: it is asked where a step leads": off(bent(other, x, nxt)),
        "the slow copy is asked at cur: the state is at nxt by then": off(bent(other, on, cur)),
        "the guess itself is the answer: it only leads to nxt": off(guess),
        "the state at nxt is compared: it is the slow copy's answer there": off(on),
        "the student is asked at both ends: the answer at nxt is the slow copy's": off(bent(mine, on, nxt)),
        "the two are exchanged: the student answers at cur, the slow copy at nxt": off(bent(mine, on, nxt), bent(other, x, cur)),
        "the slow copy is asked about the guess": off(bent(other, guess, nxt)),
        "the state at nxt is guess and x mixed anew: x keeps its noise, step(x, guess, cur, nxt)": off(
            bent(other, nxt.alpha * guess + nxt.sigma * x, nxt)),
        "the step goes from nxt to cur": off(bent(other, step(x, guess, nxt, cur), nxt)) if nxt.sigma else off(x * float("nan")),
        "the student's own guess leads the step: the one that is handed in does": off(
            bent(other, step(x, bent(mine, x, cur), cur, nxt), nxt)),
        "the slow copy's guess leads the step: the one that is handed in does": off(
            bent(other, step(x, bent(other, x, cur), cur, nxt), nxt)),
        "the student's answer is stepped on, too": off(bent(other, on, nxt), step(x, bent(mine, x, cur), cur, nxt)),
        "both are asked at cur about x": off(bent(other, x, cur))}, 10 * tol(x.dtype))
    learns = moves(out["moved"] | {"slow copy": out["slow"]}, {
        "slow copy": "the slow copy learns, too: ask it under torch.no_grad()"})
    return [form, value, at_next(out["asked slow"], asked, on, nxt.t), once(out["asked"]["student"], x, cur.t), learns]


def at_next(calls: list[dict], times: list[float], on: Tensor, at: float) -> Property:
    good = times == [at] and calls[0]["x"].shape == on.shape and (calls[0]["x"] - on).abs().max() < 1e-3
    return Property(SLOW, good, "as expected" if good else f"at t = {times}" if times != [at] else "about another state",
                    f"at t = {[at]}, about where the step led")


EXERCISES = (Exercise("04-consistency", "One answer all along a path", {FORM: 0, VALUE: 3, SLOW: 0.5, ONCE: 0.5, MOVES: 1}, cases,
                      run, verify, own=(consistency.loss, stops.error)),)
