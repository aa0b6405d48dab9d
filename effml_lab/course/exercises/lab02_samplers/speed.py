"""Lab 02: what a step costs and what it is worth, read from the recorded results of the course.

The answers are computed from the records themselves, never typed: whoever measures again changes them. Where nothing
is recorded, the check says so in one sentence.
"""
from functools import partial

from ....bench import findings, point
from ....measure.records import Record
from ...contract.exercise import Exercise, Unanswered, as_number, finite, prediction, told
from ..common import POSITIVE

READ = "the value read"
UNRECORDED = "The samplers are not recorded yet: `python -m effml_lab bench samplers --out data/results` does that."
FAST = "dpmpp_2m, 10 steps"


def around(value: float, slack: float) -> list[float]:
    return [value - slack, value + slack]


def fewest(rows: dict[str, Record]) -> dict:
    """The fewest network calls that are not separable from DDPM's thousand steps, or 0, and what else may be read."""
    full, others = rows[findings.FULL], [r for r in rows.values() if findings.AGAINST in r.quality and r.nfe]
    least = lambda said, kept: {said: around(min(r.nfe for r in kept), 0.4)} if kept else {}
    gap = lambda r: r.quality[findings.AGAINST]
    bars = lambda r: r.quality["frechet"]
    point = findings.fewest(rows)
    return {"right": around(point.nfe if point else 0.0, 0.4), "slips": (
        least("its difference's interval holds 0, but is wider than a fifth of the distance: that is \"cannot tell\"",
              [r for r in others if gap(r)["low"] <= 0 <= gap(r)["high"]])
        | least("that the bars overlap is not enough: the interval of the difference has to hold 0",
                [r for r in others if bars(r)["low"] <= bars(full)["high"] and bars(full)["low"] <= bars(r)["high"]])
        | least("this one's distance is lower, but the question is which are not separable",
                [r for r in others if gap(r)["high"] < 0])
        | ({} if point is None else {"there is one: look for intervals that hold 0 and are narrow": around(0.0, 0.4)}))}


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


def cases(of, rng) -> list[dict]:
    rows = point.recorded("samplers")
    return [of(rows) if {findings.FULL, FAST} <= set(rows) else {}]


def run(impl, case) -> float:
    if not case:
        raise Unanswered(UNRECORDED)
    return as_number(impl, case)


def verify(case, out):
    row = finite(READ, out)
    return [told(READ, out, *case["right"], case["slips"]) if row.passed else row]


def recorded_reading(id: str, title: str, of) -> Exercise:
    return Exercise(id, title, {READ: 1}, partial(cases, of), run, verify, "value")


EXERCISES = (
    prediction("02-guess-latency", "How long will 20 steps of 2M take?", *POSITIVE),
    recorded_reading("02-read-separable", "The fewest calls that are as good as a thousand", fewest),
    recorded_reading("02-read-latency", "How much faster ten steps are than a thousand", times),
)
