"""Lab 03: classifier-free guidance (Ho and Salimans 2021, eq. 6) as a denoiser, in one batched call.

The net is a table: each condition, "nothing" too and a call without one, scales and shifts x in a way of its own, so that every
mixture of guesses tells what went into it. Its calls are written down: rows, states, levels and conditions.
"""
from contextlib import contextmanager
from typing import Iterator

import torch
from torch import Tensor

from ....diffusion.guidance import guided
from ....diffusion.levels import Level
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered, close, known, same_form
from ..common import integer, tol

FORM, VALUE, ROWS = "shape and dtype of x", "x0 without + w (x0 with - x0 without)", "both guesses in one call of 2 B rows"
LOW, AGAIN = "the same at w = 1/2 and at w = 5/4", "asked again, about another x at another level"
ONE, SHOWN = "w = 1: the guess with the condition, for B rows", "both guesses are asked about x, at its level"
SIZES = (((3, 1, 2, 2), torch.float32), ((1, 2, 3), torch.float64), ((4, 4, 4, 4), torch.float32))
CLASSES, BARE = 5, 8                # and some numbers that are no class of the case


def cases(rng):
    out, nulls = [], 1 + torch.randperm(CLASSES - 1, generator=rng)      # not 0, so that "no condition = 0" shows
    for (shape, dtype), null in zip(SIZES, nulls.tolist()):
        draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64).to(dtype)
        others = torch.tensor([k for k in range(CLASSES) if k != null])
        cond = others[torch.randint(len(others), (shape[0],), generator=rng)]
        out.append({"x": draw(*shape), "cond": cond, "null": torch.tensor([null]), "w": 2.1 + 2 * draw(1).abs().item(),
                    "scale": 1 + draw(BARE + 2), "shift": draw(BARE + 2),
                    "level": {"t": float(integer(rng, 1, 999)), "alpha": 0.6, "sigma": 0.8}})
    return out


def guess(case, x: Tensor, cond: Tensor) -> Tensor:
    """What the net says; condition number BARE is a call without one."""
    wide = lambda table: table[cond].view(-1, *[1] * (x.ndim - 1))
    return wide(case["scale"]) * x + wide(case["shift"])


def run(impl, case):
    x, level, calls = case["x"], Level(**case["level"]), []

    def denoise(x, level, cond=None):
        cond = torch.full((len(x),), BARE) if cond is None else cond
        calls.append({"x": x.clone(), "t": float(level.t), "cond": cond.clone()})
        return guess(case, x, cond.expand(len(x)))

    def at(w, *states):
        guide = impl(denoise, case["cond"].clone(), case["null"].clone(), w)
        if guide is denoise:
            raise Unanswered("What is returned is the denoiser that was handed in, without guidance.")
        if not callable(guide):
            raise Unanswered("Return a denoiser, a function of (x, level): guided ends with the return of the one defined in it.")
        outs = []
        for state, its_level in states:
            calls.clear()
            outs.append((guide(state, its_level), list(calls)))
        return outs
    with laid_out(len(x)):
        lows, one, again = [at(w, (x.clone(), level))[0][0] for w in (0.5, 1.25)], at(1.0, (x.clone(), level))[0], other(case)
        first, again = at(case["w"], (x, level), again)         # x of the case itself: a change in place shows
    return {"out": first[0], "calls": first[1], "again": again[0], "one": one[0], "calls_one": one[1], "low": lows}


def other(case) -> tuple[Tensor, Level]:
    """A second state and its level."""
    return case["x"].flip(-1) + 1, Level(**case["level"] | {"t": case["level"]["t"] / 2, "alpha": 0.8, "sigma": 0.6})


@contextmanager
def laid_out(b: int) -> Iterator[None]:
    """Torch's complaint about a null for one image beside conditions for b, told as what to do."""
    try:
        yield
    except RuntimeError as error:
        if "size" not in str(error):
            raise
        raise Unanswered("The sizes do not fit: 2 B rows of x need 2 B conditions, and null is one, of shape (1,): "
                         f"null.expand({b}) gives each of {b} images its own{where(error)}.") from None


def stood_in(case, calls: list[dict]) -> Tensor:
    """The condition that every image is asked for where null belongs; null itself if there is none such."""
    halves = [half for call in calls for half in call["cond"].reshape(-1).split(len(case["x"]))
              if not torch.equal(half, case["cond"])]
    good = halves and len(set(halves[0].tolist())) == 1 and int(halves[0][0]) not in (0, BARE)
    return halves[0][:1] if good else case["null"]


def slips(case, w: float, calls: list[dict]) -> dict:
    x = case["x"]
    u, c = guess(case, x, case["null"].expand(len(x))), guess(case, x, case["cond"])
    zero, bare = (guess(case, x, torch.full((len(x),), kind)) for kind in (0, BARE))
    clip, first = lambda v: v.clamp(-1, 1), guess(case, x, case["cond"][:1].expand(len(x)))
    woven = lambda rows: rows[::2] + w * (rows[1::2] - rows[::2])
    size = lambda v: v.flatten(1).std(1).view(-1, *[1] * (x.ndim - 1))
    stranger = guess(case, x, stood_in(case, calls).expand(len(x)))
    paired = guess(case, torch.cat([x, x]), torch.stack([case["cond"], case["null"].expand(len(x))], 1).flatten()).chunk(2)
    g, level = u + w * (c - u), case["level"]
    return {
        "the paper's w, which starts from the guess with: (1 + w) with - w without. Here w = 1 is guidance off": lambda: (
            (1 + w) * c - w * u),
        "the two guesses are exchanged: the first half of the batch is what it was given first": lambda: c + w * (u - c),
        "the guess without is added whole: its weight is 1 - w": lambda: u + w * c,
        "w times the difference, and nothing it is added to": lambda: w * (c - u),
        "(w - 1) where w belongs": lambda: u + (w - 1) * (c - u),
        "the sign of the difference: from the guess without towards the one with": lambda: u - w * (c - u),
        "the guesses are clipped before they are combined: clip what was guided": lambda: clip(u) + w * (clip(c) - clip(u)),
        "the result is clipped: that is left to whoever wants it": lambda: clip(u + w * (c - u)),
        "the guess with the condition alone: w does nothing": lambda: c,
        "the guess without the condition alone: w does nothing": lambda: u,
        "nothing to ask for was 0, which is a class: null is another": lambda: zero + w * (c - zero),
        "the call without is made without any condition: null is one, and was trained on": lambda: bare + w * (c - bare),
        "another number stands where null belongs: it is handed in": lambda: stranger + w * (c - stranger),
        "the conditions alternate, the images stand in two blocks: both are put together alike": lambda: (
            paired[1] + w * (paired[0] - paired[1])),
        "the conditions are left out: denoise(x, level, cond)": lambda: bare,
        "the brackets are missing: w times the difference of both": lambda: w * c,
        "the average of both guesses": lambda: (u + c) / 2,
        "the sign of the part without: its weight is 1 - w": lambda: w * c + (w - 1) * u,
        "every second row is taken: the two guesses come in two blocks, one after the other": lambda: woven(torch.cat([u, c])),
        "every second row is taken: they come in two blocks, the one with the condition first": lambda: woven(
            torch.cat([c, u]).flip(0)).flip(0),
        "all images are asked for what the first is": lambda: u + w * (first - u),
        "the result is rescaled to the spread of the guess with: that is another method": lambda: g * size(c) / size(g),
        "this is the noise of the guess: x0 was asked for": lambda: (x - level["alpha"] * g) / level["sigma"]}


def verify(case, out):
    x, w, cond, null = case["x"], case["w"], case["cond"], case["null"]
    u, c = guess(case, x, null.expand(len(x))), guess(case, x, cond)
    form = same_form(FORM, out["out"], u + w * (c - u), x)
    if not form.readable:
        return [form]
    value = close(VALUE, out["out"], u + w * (c - u), slips(case, w, out["calls"]), tol(x.dtype))
    rows = [form, value, batched(out["calls"], len(x)), shown(case, out["calls"], value.passed),
            off(case, out, c, not value.passed)]
    return [*rows, lower(out["low"], u, c, tol(x.dtype)), again(case, out["again"])] if value.passed else rows


def lower(got: list, u: Tensor, c: Tensor, tol: float) -> Property:
    """At weights that are no whole numbers: below 1, and between 1 and 2."""
    both, stay = (close(LOW, part, u + w * (c - u), {
        "guidance is off at w = 1 alone: below and above it both are asked": lambda: c,
        "w is cut to a whole number, or only w above 1 is guided": lambda: u}, tol) for w, part in zip((0.5, 1.25), got))
    return stay if both.passed else both


def again(case, got) -> Property:
    x, level = other(case)
    u, c = guess(case, x, case["null"].expand(len(x))), guess(case, x, case["cond"])
    first = [guess(case, case["x"], kind) for kind in (case["null"].expand(len(x)), case["cond"])]
    return close(AGAIN, got, u + case["w"] * (c - u), {
        "what was made of the first x is used for ever: the x of each call is asked about": lambda: (
            first[0] + case["w"] * (first[1] - first[0]))}, tol(x.dtype))


def batched(calls: list[dict], b: int) -> Property:
    sizes = [len(call["x"]) for call in calls]
    said = {(b, b): "two calls of B rows: put both into one batch, and cut what comes back in two",
            (b,): "one guess only: the other is missing",
            (2 * b, 2 * b): "the batch of 2 B rows is sent twice: keep what comes back",
            (): "the net was never asked"}
    return Property(ROWS, sizes == [2 * b], f"calls of {sizes} rows", f"one of {2 * b}", known(said, tuple(sizes)))


def shown(case, calls: list[dict], right: bool) -> Property:
    """right: whether the guesses came out as they should, which rows that stand otherwise cannot spoil."""
    x, level = case["x"], case["level"]
    parts = [part for call in calls for part in call["x"].split(len(x))]
    woven = all(torch.equal(call["x"], x.repeat_interleave(2, 0)) for call in calls)
    if len(x) > 1 and not right and any(torch.equal(call["x"], x.repeat_interleave(2, 0)) for call in calls):
        return Property(SHOWN, False, "each image twice in a row", "x for both guesses", (
            "repeat_interleave puts each image twice in a row, the conditions stand in two blocks: torch.cat([x, x])",))
    if not (right and woven) and not all(part.shape == x.shape and torch.equal(part, x) for part in parts):
        return Property(SHOWN, False, "another state", "x for both guesses")
    times = sorted({call["t"] for call in calls})
    if times != [level["t"]]:
        return Property(SHOWN, False, f"t = {times}", f"t = {level['t']:g}")
    return Property(SHOWN, True, "as expected")


def off(case, out: dict, c: Tensor, strange: bool) -> Property:
    """strange: whether other weights are wrong, too."""
    b, sizes = len(case["x"]), [len(call["x"]) for call in out["calls_one"]]
    u, bare = (guess(case, case["x"], kind.expand(b)) for kind in (case["null"], torch.tensor([BARE])))
    row = close(ONE, out["one"], c, (slips(case, 1.0, out["calls_one"]) if strange else {}) | {
        "at w = 1 it is the condition that is asked, not its absence": lambda: u,
        "at w = 1 the condition was not handed on": lambda: bare}, tol(c.dtype))
    if not row.passed:
        return row
    cause = ("w = 1 is guidance off: ask with the condition alone, for half the price",) if sum(sizes) == 2 * b else ()
    return Property(ONE, sizes == [b], f"calls of {sizes} rows", f"one of {b}", () if sizes == [b] else cause)


EXERCISES = (Exercise("03-guided", "Classifier-free guidance", {FORM: 0, VALUE: 3, LOW: 0.5, AGAIN: 0.5, ROWS: 1, SHOWN: 0.5,
                                                                ONE: 1}, cases, run, verify, own=(guided,)),)
