"""Lab 04: where one step of a student has to aim (Salimans and Ho 2022, algorithm 2).

Levels of three families, one of which preserves the variance; once nxt is the clean end.
"""
from torch import Tensor

from ....diffusion.step import step
from ....efficiency.distill import progressive, stops
from ...contract.exercise import Exercise, Property, close, known, same_form
from ..common import tol
from .made_up import SIZES, Guess, bent, between, drawn, level, levels

FORM, LANDS = "shape and dtype of z", "one step with it lands where the teacher's two do"
ASKED, FREE = "the teacher is asked twice: at cur about z, at mid about where its first step led", "no gradient is left behind"


def cases(rng):
    out = [(k, shape, dtype, False) for k, (shape, dtype) in enumerate(SIZES)]
    return [{"z": drawn(rng, shape, dtype), "weight": between(rng, 0.4, 0.9), "levels": levels(rng, k, clean)}
            for k, shape, dtype, clean in [*out, (0, *SIZES[2], True)]]


def run(impl, case):
    teacher = Guess("teacher", case["weight"])
    out = impl(teacher, case["z"], *map(level, case["levels"]))
    keeps = isinstance(out, Tensor) and out.requires_grad
    return {"out": out.detach() if keeps else out, "asked": teacher.asked, "keeps": keeps}


def slips(case) -> dict:
    z, w = case["z"], case["weight"]
    cur, mid, nxt = map(level, case["levels"])
    guess = lambda x, at: bent(w, x, at)
    first = guess(z, cur)
    half = step(z, first, cur, mid)
    second = guess(half, mid)
    end = step(half, second, mid, nxt)
    keep = nxt.sigma / cur.sigma
    solved = lambda end, ratio=keep, x=z, a=cur.alpha, b=nxt.alpha: lambda: (end - ratio * x) / (b - ratio * a)
    to = lambda x0, x=half, at=mid: step(x, x0, at, nxt)
    return {
        "this comes to the teacher's guess at cur: where its first step led, it is asked again": lambda: first,
        "this comes to the teacher's guess at mid: from z, a step with it lands elsewhere": lambda: second,
        "the average of the teacher's two guesses: solve for the one that lands on z''": lambda: (first + second) / 2,
        "this is z'', where the teacher arrives: the x0 that leads there is asked for": lambda: end,
        "this is the state at mid": lambda: half,
        "the ratio is upside down: sigma'' / sigma": solved(end, cur.sigma / nxt.sigma if nxt.sigma else float("nan")),
        "alpha'' / alpha where sigma'' / sigma belongs": solved(end, nxt.alpha / cur.alpha),
        "the alphas are exchanged in the denominator: alpha'' less the ratio times alpha": solved(end, a=nxt.alpha, b=cur.alpha),
        "z' where z belongs: the student steps from z": solved(end, x=half),
        "the ratio is that of mid: sigma'' / sigma, from cur to nxt": solved(end, mid.sigma / cur.sigma),
        "alpha of mid in the denominator: it is that of nxt, less the ratio times that of cur": solved(end, b=mid.alpha),
        "the denominator is missing": lambda: end - keep * z,
        "divided by alpha'' alone: the ratio times alpha is missing": lambda: (end - keep * z) / nxt.alpha,
        "z is missing: the old noise that the step keeps is taken off first": lambda: end / (nxt.alpha - keep * cur.alpha),
        "plus where minus belongs: what the step keeps of z is taken off": lambda: (end + keep * z) / (
            nxt.alpha + keep * cur.alpha),
        "the second guess is made about z: it is made about where the first step led": solved(to(guess(z, mid))),
        "the second guess is made at cur: the state is at mid by then": solved(to(guess(half, cur))),
        "the first step leads to nxt, and so does the second: the first one stops at mid": solved(
            step(step(z, first, cur, nxt), guess(step(z, first, cur, nxt), mid), mid, nxt)),
        "both steps begin at z: the second begins where the first led": solved(to(second, z)),
        "the second step is one from cur: it is one from mid": solved(to(second, half, cur)),
        "noise for x0: solve the step for x0": lambda: (end - nxt.alpha * z / cur.alpha) / (
            nxt.sigma - nxt.alpha * cur.sigma / cur.alpha)}


def verify(case, out):
    z, (cur, mid, nxt) = case["z"], map(level, case["levels"])
    right = progressive.target(lambda x, at: bent(case["weight"], x, at), z, cur, mid, nxt)
    form = same_form(FORM, out["out"], right, z)
    if not form.readable:
        return [form]
    return [form, close(LANDS, out["out"], right, slips(case), 10 * tol(z.dtype)), asked(case, out["asked"]),
            Property(FREE, not out["keeps"], "none" if not out["keeps"] else "one hangs on the target", "none", () if not out[
                "keeps"] else ("the teacher is not trained: ask it under torch.no_grad()",))]


def asked(case, calls: list[dict]) -> Property:
    z, (cur, mid, _) = case["z"], map(level, case["levels"])
    half = step(z, bent(case["weight"], z, cur), cur, mid)
    times = tuple(call["t"] for call in calls)
    said = {(cur.t, cur.t): "both at cur: the second is made at mid", (cur.t,): "once: it is asked again at mid",
            (mid.t,): "at mid alone: the first step needs a guess at cur", (): "the teacher was never asked"}
    if times != (cur.t, mid.t):
        return Property(ASKED, False, f"at t = {list(times)}", f"at t = {[cur.t, mid.t]}", known(said, times))
    seen = [call["x"] for call in calls]
    good = all(a.shape == b.shape and (a - b).abs().max() < 1e-3 for a, b in zip(seen, (z, half)))
    return Property(ASKED, good, "as expected" if good else "about other states", "about z, and about where its first step led")


EXERCISES = (Exercise("04-target", "Where to aim", {FORM: 0, LANDS: 4, ASKED: 0.5, FREE: 0.5}, cases, run, verify,
                      own=(progressive.target, stops.aim)),)
