"""Lab 04: the loss of a consistency model (Song et al. 2023, algorithms 2 and 3): neighbours on a path, one answer.

Student and slow copy are two made-up guesses, so that it shows who was asked where. The guess of x0 that leads from cur to nxt is
handed in: the teacher's, or the picture itself.
"""
import torch
from torch import Tensor

from ....diffusion.step import step
from ....efficiency.distill import consistency
from ...contract.exercise import Exercise, Property, close
from .made_up import (
    MOVES, ONCE, ROWS, SIZES, Guess, asked_at, bent, between, by_row, drawn, level, levels, means, moves, once, one_number, slack,
    times, trained, unasked)

FORM, VALUE = "one number", "the error of the student at cur to its slow copy at nxt, one step on"
SLOW = "the slow copy is asked once, at nxt, about where the step led"


def cases(rng):
    rows = [(k, shape, dtype, False) for k, (shape, dtype) in enumerate(SIZES)] + [(0, *SIZES[2], True)]
    out = [{"x": drawn(rng, shape, dtype), "guess": drawn(rng, shape, dtype), "levels": levels(rng, k, clean)[1:],
            "weights": [between(rng, 0.4, 0.9) for _ in "ab"]} for k, shape, dtype, clean in rows]
    x = drawn(rng, ROWS, torch.float64)
    return [*out, {"x": x, "guess": drawn(rng, ROWS, x.dtype), "levels": by_row(rng, x)[1:],
                   "weights": [between(rng, 0.4, 0.9) for _ in "ab"]}]


def run(impl, case):
    student, slow = (Guess(name, weight) for name, weight in zip(("student", "slow copy"), case["weights"]))
    before = torch.get_rng_state()
    with unasked():
        value = impl(student, slow, case["x"], case["guess"], *map(level, case["levels"]))
    drew = not torch.equal(before, torch.get_rng_state())
    return trained(value, student=student) | {"slow": slow.slope, "asked slow": slow.asked, "drew": drew}


def verify(case, out):
    x, guess, (cur, nxt) = case["x"], case["guess"], map(level, case["levels"])
    mine, other = case["weights"]
    on = step(x, guess, cur, nxt)
    off = lambda want, got=bent(mine, x, cur): lambda: (got - want).square().mean()
    right = off(bent(other, on, nxt))()
    form = one_number(FORM, out["loss"], right, x)
    if not form.readable:
        return [form]
    snr = torch.as_tensor((cur.alpha / cur.sigma) ** 2, dtype=x.dtype)
    weighted = lambda count: lambda: (count * (bent(mine, x, cur) - bent(other, on, nxt)) ** 2).mean()
    huber = lambda c: lambda: (((bent(mine, x, cur) - bent(other, on, nxt)).square() + c**2).sqrt() - c).mean()
    value = close(VALUE, out["loss"], right, means(bent(mine, x, cur) - bent(other, on, nxt)) | {
        "the floor of exercise 3 weighs the errors: here all count the same": weighted(snr.clamp(min=1)),
        "the SNR weighs the errors: here all count the same": weighted(snr),
        "SNR + 1 weighs the errors: here all count the same": weighted(snr + 1),
        "the pseudo-Huber loss of a later paper: the squares are asked for": huber(0.00054 * x[0].numel() ** 0.5),
        "a pseudo-Huber loss: the squares are asked for": huber(1.0),
        "the slow copy is asked about x itself: it is asked where a step leads": off(bent(other, x, nxt)),
        "the slow copy is asked at cur: the state is at nxt by then": off(bent(other, on, cur)),
        "the guess itself is the answer: it only leads to nxt": off(guess),
        "the state at nxt is compared: it is the slow copy's answer there": off(on),
        "the student is asked at both ends: the answer at nxt is the slow copy's": off(bent(mine, on, nxt)),
        "the two are exchanged: the student answers at cur, the slow copy at nxt": off(bent(mine, on, nxt), bent(other, x, cur)),
        "the slow copy is asked about the guess": off(bent(other, guess, nxt)),
        "the state at nxt is guess and x mixed anew: x keeps its noise, step(x, guess, cur, nxt)": off(
            bent(other, nxt.alpha * guess + nxt.sigma * x, nxt)),
        "x and guess are exchanged in the step: step(x, guess, cur, nxt)": off(bent(other, step(guess, x, cur, nxt), nxt)),
        "the student is asked about where the step led: has x been overwritten?": off(bent(other, on, nxt), bent(mine, on, cur)),
        "the step is one for alpha = 1: step(x, guess, cur, nxt) knows all levels": off(
            bent(other, x + (nxt.sigma - cur.sigma) * (x - guess) / cur.sigma, nxt)),
        "the step goes from nxt to cur": lambda: off(
            bent(other, step(x, guess, nxt, cur), nxt) if torch.as_tensor(nxt.sigma).all() else x * torch.nan)(),
        "the student's own guess leads the step: the one that is handed in does": off(
            bent(other, step(x, bent(mine, x, cur), cur, nxt), nxt)),
        "the slow copy's guess leads the step: the one that is handed in does": off(
            bent(other, step(x, bent(other, x, cur), cur, nxt), nxt)),
        "the student's answer is stepped on, too": off(bent(other, on, nxt), step(x, bent(mine, x, cur), cur, nxt)),
        "both are asked at cur about x": off(bent(other, x, cur))}, slack(x.dtype))
    learns = moves(out["slopes"] | {"slow copy": out["slow"]}, {
        "slow copy": "the slow copy learns, too: ask it under torch.no_grad()"})
    return [form, value, at_next(out["asked slow"], on, nxt.t, out["drew"]), once(out["asked"]["student"], x, cur.t), learns]


def at_next(calls: list[dict], on: Tensor, at: float | Tensor, drew: bool) -> Property:
    expected = "once, at nxt, about where the step led"
    if len(calls) != 1:
        return Property(SLOW, False, f"{len(calls)} times", expected)
    if not asked_at(calls[0], at):
        return Property(SLOW, False, f"at t = {times(calls[0])}", expected)
    good = calls[0]["x"].shape == on.shape and bool((calls[0]["x"] - on).abs().max() < 1e-3)
    return Property(SLOW, good, "as expected" if good else "about another state", expected, (
        "new noise is drawn: a step on, x keeps the noise that it has",) if drew and not good else ())


EXERCISES = (Exercise("04-consistency", "One answer all along a path", {FORM: 0, VALUE: 2, SLOW: 0.5, ONCE: 0.5, MOVES: 1}, cases,
                      run, verify, own=(consistency.loss,)),)
