"""check("01-levels", levels, points=5): what the test cells of a lab call.

The cases come from a seed: public at home and under `nbgrader validate`, the course's own under autograde. Under validate a
shortfall is an exception that lists the failed properties.
"""
import textwrap

from ..contract.attempt import where
from ..contract.judge import judge
from ..contract.report import Report
from ..exercises import find
from . import marks

PUBLIC_SEED = 2020
SEED = {"used": PUBLIC_SEED}        # which inputs
FOOT = "{} on the public inputs; marks use other inputs of the same kinds."
SESSION: dict[str, Report] = {}     # the latest report of each exercise, for summary()


class Unfinished(Exception):
    """What `nbgrader validate` shows of a check that is not at full marks."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report

    def _render_traceback_(self, *_) -> list[str]:
        return [line for text in str(self.report).splitlines() for line in textwrap.wrap(text, 75) or [""]]


class Interrupted(KeyboardInterrupt):
    """What a reader sees who stopped a check: one sentence, and nothing of the checks' own source."""

    def _render_traceback_(self, *_) -> list[str]:
        return textwrap.wrap(str(self), 75)


def check(id: str, impl, points: float) -> Report:
    """Judge `impl`, the answer to exercise `id`, and show what is right and what is wrong, and why.

    The last expression of a cell: nbgrader reads the points from what it displays. At home `check.case` holds, afterwards,
    the inputs of the first case that failed.
    """
    exercise = find(id)
    try:
        report = SESSION[id] = judge(exercise, impl, points, SEED["used"])
    except KeyboardInterrupt as error:
        raise Interrupted(f"Stopped while your code ran{where(error)}: nothing was marked. "
                          "If it does not end by itself, look at what ends its loop.") from None
    if marks.grading() == "autograde":
        report.case = None              # a page of feedback keeps the inputs that marks are given on
    else:
        told_at_home(report, exercise.kind != "value")
    if marks.grading() == "validate" and report.points < report.of:
        raise Unfinished(report)
    marks.record(id, report.points, report.of)
    return report


check.case = None


def told_at_home(report: Report, has_inputs: bool) -> None:
    """Keep the failing case at hand, and add a word on inputs where an exercise has some."""
    check.case = report.case
    if has_inputs and not report.note:
        report.foot = FOOT.format("Passed" if report.points == report.of else "Checked")


def use(seed: int) -> None:
    """Take other inputs from here on: what a grader calls before a notebook's first cell."""
    SEED["used"] = seed
