"""check("01-levels", levels, points=5): judge one answer.

The cases come from a seed: public at home and under `nbgrader validate`, EFFML_SEED under autograde. An answer
earns the share of its points that its properties weigh, and nothing if a gate fails, if the code raises or changes
its inputs, or if the package's own version was called. Under validate a shortfall is an exception that lists the
failed properties.
"""
import difflib
import os
import textwrap
import zlib

import torch

from . import marks
from .attempt import Attempt, attempt, unwrapped
from .codec import decode, encode
from .exercise import Exercise, Property
from .report import Report

PUBLIC_SEED = 2020
FOOT = "{} on the public inputs; marks use other inputs of the same kinds."
SESSION: dict[str, Report] = {}     # the latest report of each exercise, for summary()


class Unfinished(Exception):
    """What `nbgrader validate` shows of a check that is not at full marks."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report

    def _render_traceback_(self, *_) -> list[str]:
        return [line for text in str(self.report).splitlines() for line in textwrap.wrap(text, 75) or [""]]


def check(id: str, impl, points: float) -> Report:
    """Judge `impl`, the answer to exercise `id`, and show what is right and what is wrong, and why.

    The last expression of a cell: nbgrader reads the points from what it displays.
    """
    report = judge(find(id), impl, points, seed())
    SESSION[id] = report
    if marks.grading() == "validate" and report.points < report.of:
        raise Unfinished(report)
    marks.record(id, report.points, report.of)
    return report


def seed() -> int:
    """Which inputs are used: the public ones, except under autograde."""
    given = os.environ.get("EFFML_SEED", "") if marks.grading() == "autograde" else ""
    return int(given) if given.lstrip("-").isdigit() else PUBLIC_SEED


def find(id: str) -> Exercise:
    from .exercises import EXERCISES
    if id not in EXERCISES:
        near = difflib.get_close_matches(id, EXERCISES, 1)
        raise ValueError(f"there is no exercise {id!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    return EXERCISES[id]


def judge(exercise: Exercise, impl, points: float, seed: int) -> Report:
    """The report of one answer on the cases of one seed. Where there is a note, nothing counts."""
    seen: dict[str, list[Property]] = {name: [] for name in exercise.weights}
    note, printed = refused(exercise, impl), ""
    rng = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{exercise.id}".encode()))
    for case in () if note else exercise.cases(rng):
        blob = encode(case)
        result = attempt(exercise.run, impl, blob, exercise.own)
        note, printed = stopped(result), printed or result.printed
        if note:
            break
        for row in verified(exercise, decode(blob), decode(result.out)):
            seen[row.name].append(row)
    rows = [verdict(name, seen[name]) for name in exercise.weights]
    shut = [row.name for row, holds in rows if exercise.weights[row.name] == 0 and holds is False]
    note = note or (f"Nothing counts until this holds: {shut[0]}." if shut else "")
    share = sum(exercise.weights[row.name] for row, holds in rows if holds) / sum(exercise.weights.values())
    foot = "" if marks.grading() == "autograde" or note else FOOT.format("Passed" if share == 1 else "Checked")
    return Report(exercise.id, exercise.title, 0.0 if note else points * share, points, rows, note, printed, foot)


def verdict(name: str, seen: list[Property]) -> tuple[Property, bool | None]:
    """A property holds if it held in every case, None if no case got to it.

    Shown is the first failure, with the one cause that explains all of them.
    """
    failed = [row for row in seen if not row.passed]
    if not failed:
        return (seen or [Property(name, False)])[0], True if seen else None
    shared = [cause for cause in failed[0].causes if all(cause in row.causes for row in failed)]
    return failed[0]._replace(causes=tuple(shared) if len(shared) == 1 else ()), False


def refused(exercise: Exercise, impl) -> str:
    """Why an answer is not even run, or nothing."""
    if impl is None or impl is Ellipsis:
        return "No answer yet."
    if exercise.kind == "value":
        return ""
    plain = unwrapped(impl)
    if not all(callable(part) for part in plain):
        return f"Hand over the function itself; this is a {type(impl).__name__}."
    theirs = [p for p in plain if (getattr(p, "__module__", None) or "").split(".")[0] == "effml_lab"]
    return f"This is the package's own `{theirs[0].__name__}`: hand over the one that you wrote." if theirs else ""


def stopped(result: Attempt) -> str:
    """Why a run counts for nothing, or nothing."""
    if result.error:
        return result.error
    if result.called:
        return f"Your code called the package's own `{result.called[0]}`: here you write it yourself."
    if result.changed:
        return "Your code changed its input in place: build new tensors (x = x + ...) and leave the given ones alone."
    return ""


def verified(exercise: Exercise, case, out) -> list[Property]:
    try:
        return exercise.verify(case, out)
    except (TypeError, AttributeError, KeyError, IndexError, RuntimeError, ValueError) as error:
        gate = next(iter(exercise.weights))
        unread = f"an answer that could not be read ({type(error).__name__})"
        return [Property(gate, False, unread, "the form asked for")]
