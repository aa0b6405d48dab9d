"""Lab 04: where one step of a student has to aim (Salimans and Ho 2022, algorithm 2).

Levels of three families, one of which preserves the variance; once nxt is the clean end, and once all are almost pure noise,
where a step's x0 counts little: as little as for the first step of the course's student.
"""
import torch
from torch import Tensor

from ....diffusion.step import step
from ....efficiency.distill import progressive, stops
from ...contract.exercise import Exercise, Property, close, known, same_form
from .made_up import (
    ROWS, SIZES, Guess, asked_at, bent, between, by_row, drawn, level, levels, slack, times, unasked)

FORM, LANDS = "shape and dtype of z", "one step with it lands where the teacher's two do"
ASKED, FREE = "the teacher is asked twice: at cur about z, at mid about where its first step led", "no gradient is left behind"


def cases(rng):
    out = [(k, shape, dtype, False, 0.0) for k, (shape, dtype) in enumerate(SIZES)]
    out = [{"z": drawn(rng, shape, dtype), "weight": between(rng, 0.4, 0.9), "levels": levels(rng, k, clean, lift)}
           for k, shape, dtype, clean, lift in [*out, (0, *SIZES[2], True, 0.0), (0, *SIZES[2], False, -3.9)]]
    z = drawn(rng, ROWS, torch.float64)
    return [*out, {"z": z, "weight": between(rng, 0.4, 0.9), "levels": by_row(rng, z)}]


def run(impl, case):
    teacher = Guess("teacher", case["weight"])
    with unasked():
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
    over = lambda a, b: a / torch.as_tensor(b, dtype=z.dtype)                    # infinite at the clean end
    root = lambda value: torch.as_tensor(value, dtype=z.dtype).sqrt()
    first_eps = (z - cur.alpha * first) / cur.sigma
    to = lambda x0, x=half, at=mid: step(x, x0, at, nxt)
    return {
        "this comes to the teacher's guess at cur: where its first step led, it is asked again": lambda: first,
        "this comes to the teacher's guess at mid: from z, a step with it lands elsewhere": lambda: second,
        "the target is clipped to [-1, 1]: it is asked for as it is": lambda: solved(end)().clamp(-1, 1),
        "the average of the teacher's two guesses: solve for the one that lands on z''": lambda: (first + second) / 2,
        "this is z'', where the teacher arrives: the x0 that leads there is asked for": lambda: end,
        "this is the state at mid": lambda: half,
        "the ratio is upside down: sigma'' / sigma": solved(end, over(cur.sigma, nxt.sigma)),
        "alpha'' / alpha where sigma'' / sigma belongs": solved(end, nxt.alpha / cur.alpha),
        "the alphas are exchanged in the denominator: alpha'' less the ratio times alpha": solved(end, a=nxt.alpha, b=cur.alpha),
        "z' where z belongs: the student steps from z": solved(end, x=half),
        "z'' where z belongs: has z been overwritten by the walk?": solved(end, x=end),
        "the ratio is missing in the denominator: alpha'' less the ratio times alpha": lambda: (end - keep * z) / over(
            nxt.alpha - cur.alpha, 1.0),
        "the ratio is missing before z": lambda: (end - z) / (nxt.alpha - keep * cur.alpha),
        "plus where minus belongs before z": lambda: (end + keep * z) / (nxt.alpha - keep * cur.alpha),
        "plus where minus belongs in the denominator": lambda: (end - keep * z) / (nxt.alpha + keep * cur.alpha),
        "alpha and sigma of mid stand where those of cur belong: the student steps from cur": solved(
            end, nxt.sigma / mid.sigma, a=mid.alpha),
        "a root is taken of sigma'' / sigma: sigma is a standard deviation already": solved(end, root(keep)),
        "roots are taken of alpha and sigma: here they are what x0 and noise are multiplied with": solved(
            end, root(keep), a=root(cur.alpha), b=root(nxt.alpha)),
        "roots are taken of alpha: alpha is what x0 is multiplied with": solved(end, a=root(cur.alpha), b=root(nxt.alpha)),
        "the noise of the teacher's first guess is taken off z'': that of the student's own step is": lambda: (
            (end - nxt.sigma * first_eps) / nxt.alpha),
        "the ratio is that of mid: sigma'' / sigma, from cur to nxt": solved(end, mid.sigma / cur.sigma),
        "sigma of mid stands below in the ratio: sigma'' / sigma, from cur to nxt": solved(end, nxt.sigma / mid.sigma),
        "alpha is missing in the denominator: alpha'' less the ratio times alpha": solved(end, a=1.0),
        "brackets are missing: the whole of z'' less the ratio times z is divided": lambda: end - keep * z / (
            nxt.alpha - keep * cur.alpha),
        "alpha of mid in the denominator: it is that of nxt, less the ratio times that of cur": solved(end, b=mid.alpha),
        "numerator or denominator is turned round: this is the right one with the other sign": lambda: -solved(end)(),
        "the second guess is made at nxt: it is made at mid, where its step begins": lambda: solved(
            to(guess(half, nxt)))(),
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
    divisor = torch.as_tensor(nxt.alpha - nxt.sigma / cur.sigma * cur.alpha).min().item()
    return [form, close(LANDS, out["out"], right, slips(case), slack(z.dtype) / min(divisor, 1.0)), asked(case, out["asked"]),
            Property(FREE, not out["keeps"], "none" if not out["keeps"] else "one hangs on the target", "none", () if not out[
                "keeps"] else ("the teacher is not trained: ask it under torch.no_grad()",))]


def asked(case, calls: list[dict]) -> Property:
    z, (cur, mid, _) = case["z"], map(level, case["levels"])
    half = step(z, bent(case["weight"], z, cur), cur, mid)
    at = tuple("cur" if asked_at(call, cur.t) else "mid" if asked_at(call, mid.t) else f"t = {times(call)}" for call in calls)
    said = {("cur", "cur"): "both at cur: the second is made at mid", ("cur",): "once: it is asked again at mid",
            ("mid",): "at mid alone: the first step needs a guess at cur", (): "the teacher was never asked"}
    if at != ("cur", "mid"):
        return Property(ASKED, False, f"at {' and '.join(at) or 'no level'}", "at cur and mid", known(said, at))
    seen = [call["x"] for call in calls]
    good = all(a.shape == b.shape and (a - b).abs().max() < 1e-3 for a, b in zip(seen, (z, half)))
    return Property(ASKED, good, "as expected" if good else "about other states", "about z, and about where its first step led")


EXERCISES = (Exercise("04-target", "Where to aim", {FORM: 0, LANDS: 4, ASKED: 0.5, FREE: 0.5}, cases, run, verify,
                      own=(progressive.target, stops.aim)),)
