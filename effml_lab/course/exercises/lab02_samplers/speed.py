"""Lab 02: what a step costs and what it is worth, read from the recorded results of the course.

The answers are computed from the records themselves, never typed: whoever measures again changes them. Where nothing
is recorded, the check says so in one sentence.
"""
from dataclasses import replace
from typing import Callable

from ....bench import findings, point
from ....measure.records import Record
from ...contract.exercise import Exercise, Unanswered, as_number, prediction, reading
from ..common import POSITIVE

UNRECORDED = "The samplers are not recorded yet: `python -m effml_lab bench samplers --out data/results` does that."
FAST = "dpmpp_2m, 10 steps"


def around(value: float, slack: float) -> list[float]:
    return [value - slack, value + slack]


def gap(row: Record) -> dict:
    return row.quality[findings.AGAINST]


def compared(rows: dict[str, Record]) -> list[Record]:
    return [row for name, row in rows.items() if findings.AGAINST in row.quality and row.nfe and name != findings.FULL]


def misread(right: float, tries: dict[str, list[Record]]) -> dict[str, list[float]]:
    """A cause -> around the fewest calls of the points that it would take; of two that give one number the first."""
    slips: dict[str, float] = {}
    for said, kept in tries.items():
        least = min((row.nfe for row in kept), default=right)
        if least != right and least not in slips.values():
            slips[said] = least
    return {said: around(least, 0.4) for said, least in slips.items()}


def fewest(rows: dict[str, Record]) -> dict:
    """The fewest network calls that are not separable from DDPM's thousand steps, or 0, and what else may be read."""
    full, others, best = rows[findings.FULL], compared(rows), findings.fewest(rows)
    bars = lambda r: r.quality["frechet"]
    right = best.nfe if best else 0.0
    found = {} if best is None else {"there is one: look for intervals that hold 0 and are narrow": around(0.0, 0.4)}
    return {"right": around(right, 0.4), "slips": found | misread(right, {
        "its difference's interval holds 0, but is wider than a fifth of the distance: that is \"cannot tell\"":
            [r for r in others if gap(r)["low"] <= 0 <= gap(r)["high"]],
        "that the bars overlap is not enough: the interval of the difference has to hold 0":
            [r for r in others if bars(r)["low"] <= bars(full)["high"] and bars(full)["low"] <= bars(r)["high"]],
        "this one's distance is lower, but the question is which are not separable": [r for r in others if gap(r)["high"] < 0]})}


def no_worse(rows: dict[str, Record]) -> dict:
    """The fewest calls whose distance is surely at most a fifth greater than that of DDPM's thousand steps, or 0."""
    full, others, best = rows[findings.FULL].quality["frechet"], compared(rows), findings.no_worse(rows)
    right, fifth = best.nfe if best else 0.0, full["value"] / 5
    found = {} if best is None else {"there is one: look for an interval whose upper end is below a fifth": around(0.0, 0.4)}
    return {"right": around(right, 0.4), "slips": found | misread(right, {
        "its difference is below a fifth, but not surely: the upper end of the interval has to be":
            [r for r in others if gap(r)["value"] < fifth],
        "that the interval holds 0 is not enough: its upper end has to be below a fifth of the reference's distance":
            [r for r in others if gap(r)["low"] <= 0 <= gap(r)["high"]],
        "the lower end is below a fifth: that is \"perhaps\"; surely is the upper end":
            [r for r in others if gap(r)["low"] < fifth],
        "surely better is more than was asked: a fifth worse will do": [r for r in others if gap(r)["high"] < 0]})}


def times(rows: dict[str, Record]) -> dict:
    """How many times as long DDPM's thousand steps take as ten of 2M."""
    full, fast = rows[findings.FULL], rows[FAST]
    slow, quick, calls = full.ms["median"], fast.ms["median"], full.nfe / fast.nfe
    near = lambda value, slack=0.002: around(value, slack * abs(value))
    return {"right": near(slow / quick, 0.02), "slips": {
        "this is what the numbers of calls say: the recorded times are asked for": near(calls),
        "upside down: the longer time over the shorter": near(quick / slow),
        "this is the difference of the two times: divide one by the other": near(slow - quick),
        "this is the longer time itself: divide it by the other": near(slow)}}


def run(impl, case) -> float | str:
    if not {findings.FULL, FAST} <= set(point.recorded("samplers")):
        raise Unanswered(UNRECORDED)
    return as_number(impl, case)


def recorded_reading(id: str, title: str, of: Callable[[dict[str, Record]], dict]) -> Exercise:
    """A reading of the course's records; of: from the rows to what is right, and what else may be read."""
    found = lambda part: of(point.recorded("samplers"))[part]
    return replace(reading(id, title, lambda: found("right"), lambda: found("slips")), run=run)


EXERCISES = (
    prediction("02-guess-latency", "How long will 20 steps of 2M take?", *POSITIVE),
    recorded_reading("02-read-separable", "The fewest calls that are as good as a thousand", fewest),
    recorded_reading("02-read-no-worse", "The fewest calls that are surely at most a fifth worse", no_worse),
    recorded_reading("02-read-latency", "How much faster ten steps are than a thousand", times),
)
