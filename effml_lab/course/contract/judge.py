"""Judging one answer on the cases of one seed.

An answer earns the share of its points that its properties weigh, and nothing if a gate fails, if the code raises or
changes its inputs, or if the package's own version was called.
"""
import zlib

import torch

from .attempt import Attempt, attempt, unwrapped
from .codec import decode, encode
from .exercise import Exercise, Property
from .report import Report


UNREAD = "This check could not read your answer ({}). That is a fault of the check: please show it to your instructor."


def judge(exercise: Exercise, impl, points: float, seed: int) -> Report:
    """The report of one answer on the cases of one seed. Where there is a note, nothing counts."""
    seen: dict[str, list[Property]] = {name: [] for name in exercise.weights}
    note, printed, failing = refused(exercise, impl), "", None
    rng = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{exercise.id}".encode()))
    for case in () if note else exercise.cases(rng):
        blob = encode(case)
        result = attempt(exercise.run, impl, blob, exercise.own)
        note, printed = stopped(result), printed or result.printed
        found = []
        if not note:
            try:
                found = exercise.verify(decode(blob), decode(result.out))
            except Exception as error:          # a fault of the check, or an answer that came from another process
                note = UNREAD.format(type(error).__name__)
        if failing is None and (note or not all(row.passed for row in found)):
            failing = decode(blob)
        if note:
            break
        for row in found:
            seen[row.name].append(row)
    rows = [verdict(name, seen[name]) for name in exercise.weights]
    shut = [row.name for row, holds in rows if exercise.weights[row.name] == 0 and holds is False]
    note = note or (f"Nothing counts until this holds: {shut[0]}." if shut else "")
    share = sum(exercise.weights[row.name] for row, holds in rows if holds) / sum(exercise.weights.values())
    return Report(exercise.id, exercise.title, 0.0 if note else points * share, points, rows, note, printed,
                  case=failing)


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
    names = [getattr(part, "__name__", type(part).__name__) for part in theirs]
    return f"This is the package's own `{names[0]}`: hand over the one that you wrote." if names else ""


def stopped(result: Attempt) -> str:
    """Why a run counts for nothing, or nothing."""
    if result.error:
        return result.error
    if result.called:
        return f"Your code called the package's own `{result.called[0]}`: here you write it yourself."
    if result.changed:
        return "Your code changed its input in place: build new tensors (x = x + ...) and leave the given ones alone."
    return ""
