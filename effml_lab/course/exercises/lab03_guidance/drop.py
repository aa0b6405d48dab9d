"""Lab 03: dropping conditions, so that one net knows both guesses (Ho and Salimans 2021, algorithm 1).

Each label by a chance of its own: seen in a long row, whose share is known to a tenth of itself, and in many short ones.
"""
from contextlib import contextmanager
from typing import Iterator

import torch
from torch import Tensor

from ....diffusion.guidance import dropped
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered, close, known, number, same_form, within
from ..common import drawn, integer, repeated

FORM, KEPT, SHARE = "whole numbers, as many as there are labels", "a label is kept as it is, or null", "a share p is null"
EVEN, CHANCE, ENDS = "whatever the label and its place", "each by a chance of its own", "none at p = 0, all at p = 1"
DRAWN = "all that is random comes from rng"
NOTHING, ALL, COIN = "nothing is dropped", "everything is dropped, whatever p is", "all, or none: one draw for the whole batch"
LONG, SHORT, TIMES = 30_000, 4, 200


def cases(rng):
    classes = integer(rng, 4, 9)
    some = lambda high, n: torch.randint(high, (n,), generator=rng)
    few = torch.arange(SHORT) % (classes - 1)           # of several classes, and null is not their largest and 1
    return [{"labels": some(classes, LONG), "few": few, "null": classes, "p": p,
             "seed": integer(rng, 1, 10**6)} for p in (0.1, 0.3)]


@contextmanager
def lettered() -> Iterator[None]:
    """Torch's complaint about uniform draws of whole numbers, told as what to do."""
    try:
        yield
    except RuntimeError as error:
        if "check_uniform_bounds" not in str(error):
            raise
        raise Unanswered("rand_like takes over the labels' dtype, and there is no uniform draw in whole numbers: "
                         f"torch.rand(len(labels), generator=rng){where(error)}.") from None


def run(impl, case):
    labels, null, seed = case["labels"], case["null"], case["seed"]
    call = lambda rows, p, rng: impl(rows, null, p, rng)
    rng = torch.Generator().manual_seed(seed + 7)
    with lettered():
        first = call(case["few"], 0.5, rng)         # before the long row, of which a square would fill the memory
    if isinstance(first, Tensor) and first.ndim > 1:
        raise Unanswered(f"As many labels as are handed in are asked for: {SHORT} went in, and a tensor of shape "
                         f"{tuple(first.shape)} came out. One draw for each label has the shape (B,).")
    short = [first, *(call(case["few"], 0.5, rng) for _ in range(TIMES - 1))]
    return {**repeated(lambda rng: call(labels, case["p"], rng), seed), "short": short,
            "none": call(labels[:50], 0.0, rng), "all": call(labels[:50], 1.0, rng), "one": call(labels[:1], 0.5, rng)}


def verify(case, out):
    labels, null, p, got = case["labels"], case["null"], case["p"], out["out"]
    form = same_form(FORM, got, torch.full_like(labels, null), labels)
    if form.passed:
        form = next((row for row in (same_form(FORM, part, labels[:len(part)]) for part in (*out["short"], out["one"])
                                     if isinstance(part, Tensor)) if not row.readable), form)
    if form.observed == "the input handed back":
        form = form._replace(observed="not one label was dropped", expected="some labels dropped")
    if not form.readable or not all(isinstance(part, Tensor) and part.shape == (SHORT,) for part in out["short"]):
        return [form]
    gone, numbers = got == null, [out[key].double() for key in ("out", "again", "other")]
    whole = ends(out, null, labels)
    whose = kept(labels, null, got, p)
    if not whose.passed:
        return [form, whose]
    rows = [form, whose, share(gone, p, whole.causes), even(gone, labels, null),
            chance(out["short"], case["few"], null), whole, drawn(DRAWN, *numbers)]
    if not rows[3].passed:                          # dropped by place or by class: then the share says nothing of its own
        rows[2] = rows[2]._replace(causes=())
    same = not rows[-1].passed and not rows[-1].causes and rows[3].passed and bool(gone.any() and not gone.all())
    return [*rows[:-1], rows[-1]._replace(causes=("the same ones for every rng: draw with generator=rng",))] if same else rows


def kept(labels: Tensor, null: int, got: Tensor, p: float) -> Property:
    strange = (got != null) & (got != labels)
    if not strange.any():
        return Property(KEPT, True, "as expected")
    i = int(strange.double().argmax())
    values = set(got[strange].tolist())
    causes = {frozenset({0}): "what is dropped became 0, which is a class: null is another number",
              frozenset({-1}): "what is dropped became -1: null is the number that is handed in"}
    scaled = labels.double() / (1 - p)
    if ((got == 0) | (got == 1)).all():
        moved = ("this is the mask: labels where it is False, null where it is True",)
    elif values <= {0, -1}:
        moved = ()
    elif ((got == 0) | ((got - scaled).abs() < 1)).all():
        moved = ("dropout sets numbers to 0 and scales the others: a label is kept as it is, or becomes null",)
    elif strange.double().mean() < 1.1 * p:
        moved = ("what is dropped became another class: it becomes null, the number that is handed in",)
    else:
        moved = ("the labels have moved: each stays where it is",)
    return Property(KEPT, False, f"{number(int(got[i]))} in place of {number(int(labels[i]))}",
                    f"{int(labels[i])}, or null ({null})", known(causes, frozenset(values)) or moved)


def share(gone: Tensor, p: float, ends: tuple[str, ...]) -> Property:
    """ends: what is wrong at p = 0 and at p = 1, which tells a row that was spared by chance from one that always is."""
    slack = 5 * (p * (1 - p) / len(gone)) ** 0.5
    around = lambda q: (q - slack, q + slack)
    return within(SHARE, gone.double().mean().item(), *around(p), {
        "kept and dropped are exchanged: p is the share that is dropped": around(1 - p),
        NOTHING if NOTHING in ends else COIN: (0.0, 1e-6),
        "0.1, whatever p is": around(0.1) if p != 0.1 else (2.0, 2.0), "half of them, whatever p is": around(0.5),
        ALL if ALL in ends else COIN: (1 - 1e-6, 1.0),
        "compared with a normal number (randn): a uniform one (rand) lies below p with chance p": around(
            0.5 * (1 + torch.erf(torch.tensor(p / 2**0.5)).item())),
        "dropped where two draws agree: one draw for each label": around(p * p)})


def even(gone: Tensor, labels: Tensor, null: int) -> Property:
    """The share in each half of the row and in each class."""
    overall = gone.double().mean()
    parts = [gone[:LONG // 2], gone[LONG // 2:], gone[::2], *(gone[labels == k] for k in range(null))]
    gaps = [abs(float(part.double().mean() - overall)) / max(float(overall * (1 - overall)) / len(part), 1e-12) ** 0.5
            for part in parts]
    first = bool(gone[:10].all()) and not gone[-10:].any() or bool(gone[-10:].all()) and not gone[:10].any()
    cause = ("the first ones, or the last, are dropped: each label has a chance of its own",) if first else ()
    if max(gaps) < 6:
        return Property(EVEN, True, "as expected")
    return Property(EVEN, False, "other shares here than there", "the same share in every part and class", cause)


def chance(short: list[Tensor], labels: Tensor, null: int) -> Property:
    """Of four labels at p = 1/2 any number from 0 to 4 is dropped: all of them, in 200 rows, but by a chance of 1 in 200,000."""
    strange = [int(value) for row in short for value, label in zip(row, labels) if value not in (null, label)]
    if strange:
        return Property(CHANCE, False, f"{strange[0]} among {SHORT} labels", f"the label, or null ({null})", (
            "null is the number that is handed in, whatever labels there are",))
    counts = sorted({int((row == null).sum()) for row in short})
    causes = {(2,): "always as many: each label has a chance of its own", (0, 4): "all, or none: one draw for each label",
              (0,): NOTHING, (SHORT,): ALL}
    if len({tuple((row == null).tolist()) for row in short}) == 1 and 0 < counts[0] < SHORT:
        causes = {tuple(counts): "always as many, and always the same ones: each label has a new chance of its own"}
    return Property(CHANCE, len(counts) == SHORT + 1, f"of {SHORT} labels at p = 1/2 {counts} are dropped", "any number",
                    known(causes, tuple(counts)))


def ends(out: dict, null: int, labels: Tensor) -> Property:
    right = close(ENDS, out["none"], labels[:50]), close(ENDS, out["all"], torch.full_like(labels[:50], null))
    left = [torch.equal(torch.as_tensor(out[key]), labels[:50]) for key in ("none", "all")]
    gone = bool((torch.as_tensor(out["none"]) == null).all())
    causes = {(True, True, False): NOTHING, (False, True, True): "kept and dropped are exchanged: p is the share that is dropped",
              (False, False, True): ALL}
    bad = [row for row in right if not row.passed]
    return bad[0]._replace(causes=known(causes, (*left, gone))) if bad else right[0]


EXERCISES = (Exercise("03-drop", "Dropped labels", {FORM: 0, KEPT: 1, SHARE: 2, EVEN: 0.5, CHANCE: 1, ENDS: 0.5, DRAWN: 1}, cases,
                      run, verify, own=(dropped,)),)
