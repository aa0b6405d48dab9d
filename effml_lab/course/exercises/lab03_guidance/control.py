"""Lab 03: ControlNet (Zhang et al. 2023, eq. 2 and 3) on a toy of two ways: what is copied, what is added, and where zeros stand.

Every part is another map, so that the answer tells what went through which. With zeros that are still zero the answer has to be
the base's own output, to the last bit.
"""
import torch
from torch import Tensor

from ....nets.control import controlled
from ....nets.unet import Ways
from ...contract.exercise import Exercise, Property, Unanswered, close, same_form
from ..common import tol

FORM, FRESH = "shape and dtype of x", "with zeros it is the base, to the last bit"
TOLD, ONCE = "decode(encode(x) + Z2(encode'(x + Z1(c))))", "each way down is gone once"
LEARNS = "a gradient reaches the zeros and the copy"
C = 4


def cases(rng):
    out = []
    for b, kept, dtype in ((3, 3, torch.float32), (1, 5, torch.float64)):
        draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64).to(dtype)
        out.append({"x": draw(b, C), "hint": draw(b, 2), "base": [draw(C, C) for _ in range(kept)],
                    "copy": [draw(C, C) for _ in range(kept)],
                    "up": [draw(C, C) for _ in range(kept)], "seen": draw(2, C),
                    "zeros": [0.7 * draw(C, C) for _ in range(kept)]})
    return out


def ways(case, which: str, calls: list) -> Ways:
    """The parts of the base or of the copy; a copy has no way up."""
    enter, *maps = case[which]

    def encode(h):
        calls.append(which)
        left = [h]
        for m in maps:
            left.append(torch.tanh(left[-1] @ m))
        return left

    def decode(left):
        if which == "copy":
            raise Unanswered("The copy has no way up: what it leaves is added to what the base leaves, and the base decodes.")
        left = list(left)
        if len(left) != len(case[which]):
            raise Unanswered(f"decode takes the {len(case[which])} tensors that encode leaves, got {len(left)}.")
        h = torch.zeros_like(left[0])
        for m, part in zip(case["up"], reversed(left)):
            h = torch.sin(h @ m + part)
        return h
    return Ways(lambda x: x @ enter, encode, decode)


def layers(case, blank: bool) -> tuple:
    made = lambda m: (lambda h: 0 * h @ m) if blank else (lambda h: h @ m)
    return made(case["seen"]), [made(m) for m in case["zeros"]]


def run(impl, case):
    def call(blank):
        calls = []
        parts = ways(case, "base", calls), ways(case, "copy", calls), *layers(case, blank)
        return impl(case["x"].clone(), case["hint"].clone(), *parts), sorted(calls)
    (fresh, _), (out, calls) = call(True), call(False)
    return {"fresh": fresh, "out": out, "calls": calls, "moved": moved(impl, case)}


def moved(impl, case) -> list[bool]:
    """Whether a loss would move the zeros, the copy and the layer of the hint."""
    with torch.enable_grad():
        asks = lambda value: [asks(part) for part in value] if isinstance(value, list) else value.clone().requires_grad_()
        taught = case | {key: asks(case[key]) for key in ("zeros", "copy", "seen")}
        out = impl(case["x"].clone(), case["hint"].clone(), ways(case, "base", []), ways(taught, "copy", []),
                   *layers(taught, False))
        if not isinstance(out, Tensor) or not out.requires_grad:
            return [False] * 3
        out.square().sum().backward()
    some = lambda values: any(v.grad is not None and bool(v.grad.any()) for v in values)
    return [some(taught["zeros"]), some(taught["copy"]), some([taught["seen"]])]


def slips(case) -> dict:
    x, hint = case["x"], case["hint"]
    base, copy, (seen, zeros) = ways(case, "base", []), ways(case, "copy", []), layers(case, False)
    mine, see = base.encode(base.entered(x)), seen(hint)
    theirs = copy.encode(copy.entered(x) + see)
    added = lambda m, t, z=zeros: [a + f(b) for a, f, b in zip(m, z, t)]
    ours = lambda m, t: base.decode(added(m, t))
    last = [*mine[:-1], mine[-1] + zeros[-1](theirs[-1])]
    return {
        "the hint is not used: the copy sees it, too": lambda: ours(mine, copy.encode(copy.entered(x))),
        "the copy sees the hint alone: it sees x as well": lambda: ours(mine, copy.encode(see)),
        "the copy goes in by the base's entrance: it has one of its own": lambda: ours(mine, copy.encode(base.entered(x) + see)),
        "the base goes in by the copy's entrance": lambda: ours(base.encode(copy.entered(x)), theirs),
        "the base sees the hint, too: it stays as it is": lambda: ours(base.encode(base.entered(x) + see), theirs),
        "the base sees the hint, and the copy does not: it is the other way round": lambda: ours(
            base.encode(base.entered(x) + see), copy.encode(copy.entered(x))),
        "decode is handed the list from its other end": lambda: base.decode(added(mine, theirs)[::-1]),
        "both entrances are left out: encode takes what entered gives": lambda: ours(base.encode(x), copy.encode(x + see)),
        "the hint is added to what the copy found, at its entrance alone: the copy has to see it on its way down": lambda: ours(
            mine, [copy.encode(copy.entered(x))[0] + see, *copy.encode(copy.entered(x))[1:]]),
        "the hint is added to all that the copy found: the copy has to see it on its way down": lambda: ours(
            mine, [t + see for t in copy.encode(copy.entered(x))]),
        "the first of what the copy finds is left out: all of it is added": lambda: base.decode(
            [mine[0], *added(mine, theirs)[1:]]),
        "the hint is multiplied: it is added to what copy.entered(x) gives": lambda: ours(
            mine, copy.encode(copy.entered(x) * see)),
        "the copy goes on from what the base left: it goes in by its own entrance, with x": lambda: ours(
            mine, copy.encode(mine[-1] + see)),
        "the copy is not asked: both ways down are the base's": lambda: ours(mine, base.encode(base.entered(x) + see)),
        "the copy goes in, and then the base goes down: copy.encode": lambda: ours(mine, base.encode(copy.entered(x) + see)),
        "the zeros are left out: what the copy finds goes through them": lambda: base.decode(
            [m + t for m, t in zip(mine, theirs)]),
        "only the last of what the copy finds is added: all of it is": lambda: base.decode(last),
        "all but the last are added: the middle's, too": lambda: base.decode([*added(mine, theirs)[:-1], mine[-1]]),
        "what the base left is gone: what the copy finds is added to it": lambda: base.decode(
            [z(t) for z, t in zip(zeros, theirs)]),
        "what the copy finds is added after the zeros alone: they take it, not the sum": lambda: base.decode(
            [z(m + t) for z, m, t in zip(zeros, mine, theirs)]),
        "the zeros take what the base left, too: they take the copy's": lambda: base.decode(
            [t + z(m) for m, z, t in zip(mine, zeros, theirs)]),
        "the zeros are taken from the other end": lambda: base.decode(added(mine, theirs, zeros[::-1])),
        "what the copy left is added from the other end": lambda: ours(mine, theirs[::-1]),
        "multiplied: what the copy finds is added": lambda: base.decode([m * z(t) for m, z, t in zip(mine, zeros, theirs)]),
        "subtracted: what the copy finds is added": lambda: base.decode([m - z(t) for m, z, t in zip(mine, zeros, theirs)]),
        "the copy is not used": lambda: base.decode(mine),
        "the hint is added before the entrance: seen(hint) is added to what copy.entered(x) gives": lambda: (
            ours(mine, copy.encode(copy.entered(x + see)))),
        "the copy's entrance sees the hint alone: it sees x": lambda: ours(mine, copy.encode(copy.entered(see))),
        "the base's entrance is left out: encode takes what entered gives": lambda: ours(base.encode(x), theirs),
        "the copy's entrance is left out: encode takes what entered gives": lambda: ours(mine, copy.encode(x + see)),
        "zeros and findings are both taken from the other end: all three lists run alike": lambda: base.decode(
            added(mine, theirs[::-1], zeros[::-1])),
        "the zeros take what the base left: they take what the copy left": lambda: base.decode(
            [m + z(m) for m, z in zip(mine, zeros)]),
        "the first of the zeros is used for all: each has its own": lambda: base.decode(
            added(mine, theirs, zeros[:1] * len(mine))),
        "the last of the zeros is used for all: each has its own": lambda: base.decode(
            added(mine, theirs, zeros[-1:] * len(mine))),
        "decoded twice, and added: what the copy finds is added before the base decodes": lambda: (
            base.decode(mine) + base.decode([z(t) for z, t in zip(zeros, theirs)]))}


def verify(case, out):
    x = case["x"]
    base, copy, blank = ways(case, "base", []), ways(case, "copy", []), layers(case, True)
    right = controlled(x, case["hint"], base, copy, *layers(case, False))
    form = same_form(FORM, out["out"], right, x)
    if not form.readable:
        return [form]
    mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x))
    fresh = close(FRESH, out["fresh"], controlled(x, case["hint"], base, copy, *blank), {
        "the zeros are left out: what the copy finds goes through them": lambda: base.decode(
            [m + t for m, t in zip(mine, theirs)]),
        "what the base left is gone: what the copy finds is added to it": lambda: base.decode([0 * m for m in mine]),
        "multiplied: what the copy finds is added": lambda: base.decode([0 * m for m in mine]),
        "what the copy finds is added after the zeros alone: they take it, not the sum": lambda: base.decode(
            [0 * m for m in mine]),
        "decode is handed the list from its other end": lambda: base.decode(mine[::-1]),
        "the zeros take what the base left, too: they take the copy's": lambda: base.decode(theirs),
        "the base goes in by the copy's entrance": lambda: base.decode(base.encode(copy.entered(x)))}, 0.0)
    good = out["calls"] == ["base", "copy"]
    once = Property(ONCE, good, f"{', '.join(out['calls']) or 'none'}", "the base's and the copy's, once each")
    told = close(TOLD, out["out"], right, slips(case), tol(x.dtype))
    return [form, fresh, told, once, *([learns(out["moved"])] if told.passed else [])]


def learns(moved: list[bool]) -> Property:
    zeros, copy, seen = moved
    cause = "nothing gets a gradient: the base is frozen by its weights, not by no_grad or detach" if not zeros else \
        "what the copy finds is cut off (detach, no_grad): it could never learn" if not copy else \
        "what the hint's layer gives is cut off: it could never learn"
    good = all(moved)
    return Property(LEARNS, good, "as expected" if good else "none", "one", () if good else (cause,))


EXERCISES = (Exercise("03-control", "A copy behind zeros (ControlNet)", {FORM: 0, FRESH: 1, TOLD: 3, ONCE: 0.5, LEARNS: 0.5},
                      cases, run, verify, own=(controlled,)),)
