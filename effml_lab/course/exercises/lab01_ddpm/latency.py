"""Lab 01: measuring latency: warm-up, synchronization, median and spread, on a simulated device with an injected clock.

The device works in the background, as a GPU does: a call only enqueues, and the work is paid for when somebody waits for
it. Its first calls are slow. Of the twenty costs in order only the 5th and 6th, 10th and 11th, 15th and 16th are equal, so that
every convention for quartiles gives the same numbers, and the 84th percentile, trimming or dropping calls gives others.
The slowest come first, so that the warm-up taken out twice is seen. A clock may be read more often than is needed.
"""
from typing import Callable, NamedTuple

import torch
from torch import Tensor

from ....measure.cost import ratio, timed
from ...contract.exercise import Exercise, Property, blamed, close, known, near, prediction
from ..common import POSITIVE, integer, one_number, several

START = 2.0**14         # seconds: clocks count from long ago
COARSE = 2.0**-9 * 1000     # ms between neighbouring float32 numbers there
NUMBERS, COUNTED = "two finite numbers, the median above 0", "warm-up and repeats, no more"
IDLE, MEDIAN, SPREAD = "nothing is pending when the clock is read", "the median, in ms", "the spread, q75 - q25, in ms"
TWICE = "the warm-up is taken out twice: the timed calls are all after it"


class Device:
    """A device whose clock is ours: calls return after `launch` seconds, the work itself waits for `sync`."""

    def __init__(self, costs: list[float], launch: float):
        self.costs, self.launch = costs, launch
        self.now, self.pending, self.unfinished = START, 0.0, 0.0
        self.calls = self.readings = self.clean = 0

    def fn(self) -> None:
        self.now += self.launch
        self.pending += self.costs[min(self.calls, len(self.costs) - 1)]
        self.calls += 1

    def sync(self) -> None:
        self.now, self.pending = self.now + self.pending, 0.0

    def clock(self) -> float:
        self.readings += 1
        self.clean += not self.pending
        self.unfinished = max(self.unfinished, self.pending)
        return self.now


def cases(rng):
    unit = 0.001 * (1 + torch.rand((), generator=rng).item())
    costs = [2.0, 2.2, 2.5, 2.7, 3.0, 3.0, 3.2, 3.5, 3.7, 4.0, 4.0, 4.5, 5.0, 6.0, 7.0, 7.0, 8.0, 9.0, 30.0, 40.0]
    mixed = lambda part: [part[i] for i in torch.randperm(len(part), generator=rng).tolist()]
    warmup = integer(rng, 5, 8)
    placed = {5: 13, 9: 1, 10: 2, 15: 11}           # so that the middle of a list that is not sorted is wrong on every seed
    rest = iter(mixed(costs[16:]) + mixed([c for i, c in enumerate(costs[:16]) if i not in placed.values()]))
    kept = [costs[placed[i]] if i in placed else next(rest) for i in range(20)]
    slow = [90.0 + i for i in range(warmup)]
    return [{"costs": [unit * c for c in slow + kept], "warmup": warmup, "launch": 0.02 * unit}]


def run(impl, case):
    names = "median, spread"
    device = Device(case["costs"], case["launch"])
    answer = impl(device.fn, case["warmup"], 20, device.clock, device.sync)
    median, spread = (one_number(value, name) for value, name in zip(several(answer, names), names.split(", ")))
    return {"median": median, "spread": spread, "calls": device.calls, "readings": device.readings,
            "clean": device.clean, "unfinished": device.unfinished}


class Timed(NamedTuple):
    """What the device took for its calls, in ms."""
    each: Tensor        # of those that are to be timed, sorted
    every: Tensor       # of all, sorted
    order: Tensor       # of those that are to be timed, as they came
    launch: Tensor
    warmup: int

    @property
    def spread(self) -> Tensor:
        return between(self.each)


def between(values: Tensor, low: float = 0.25, high: float = 0.75) -> Tensor:
    return values.quantile(high) - values.quantile(low)


def timed_calls(case) -> Timed:
    took = 1000 * (torch.tensor(case["costs"], dtype=torch.float64) + case["launch"])
    kept = took[case["warmup"]:]
    return Timed(kept.sort().values, took.sort().values, kept, torch.tensor(1000 * case["launch"]).double(), case["warmup"])


def counted(t: Timed, calls: int, median: Tensor) -> Property:
    n, inside = t.warmup + 20, t.order[:20 - t.warmup]
    out_of_them = any(near(median, middle, 1e-6) for middle in (inside.median(), inside.quantile(0.5)))
    return Property(COUNTED, calls == n, f"{calls} calls", f"{n} calls", known({
        20: "the warm-up is taken out of the repeats: it comes on top of them" if out_of_them else "there is no warm-up",
        t.warmup: "nothing but the warm-up ran", n + 1: "one call too many",
        t.warmup + 1: "one call was timed: does `return` stand inside the loop?"}, calls))


def pending(out) -> Property:
    if not out["readings"]:
        cause = "time is told by clock(), which is handed in: this took another clock, or none"
        return Property(IDLE, False, "clock() was never called", "readings of clock()", (cause,))
    idle = out["unfinished"] == 0 or out["clean"] >= 2 * 20          # then the launch alone was timed on top
    return Property(IDLE, idle, f"{1000 * out['unfinished']:.3g} ms of work", "0 ms of work",
                    () if idle else ("call sync before the clock, at the start and at the end",))


def median_slips(t: Timed, got: Tensor) -> dict[str, Callable[[], Tensor]]:
    return {
        "divided by the number of repeats: each time is that of one call": lambda: t.each.median() / 20,
        "the median and the spread are swapped": lambda: t.spread,
        "in microseconds": lambda: t.each.median() * 1000,
        "readings of the clock in float32, too coarse for them: subtract before you make a tensor": lambda: (
            (got / COARSE).round() * COARSE),
        "in seconds: one second is 1000 ms": lambda: t.each.median() / 1000,
        "the mean: one slow call moves it": t.each.mean,
        "the fastest call": t.each.min,
        "the mean with the warm-up in it": t.every.mean,
        "the total": t.each.sum,
        "the clock was read while work was pending: the call had only been enqueued": lambda: t.launch}


def median_of_others(t: Timed) -> dict[str, Callable[[], Tensor]]:
    """Medians of other calls than those that are asked for, where the right number of calls was made."""
    return {
        TWICE: lambda: t.order[t.warmup:].quantile(0.5),
        "the warm-up is in it": lambda: t.every.quantile(0.5),
        "the slow calls are left out: the median needs no trimming": lambda: t.each[:-2].quantile(0.5),
        "the middle of a list that is not sorted": lambda: t.order[10],
        "the times add up: read the clock anew before each call": lambda: t.order.cumsum(0).quantile(0.5)}


def spread_slips(t: Timed) -> dict[str, Callable[[], Tensor]]:
    return {
        TWICE: lambda: between(t.order[t.warmup:]),
        "the slow calls are left out: quartiles need no trimming": lambda: between(t.each[:-2]),
        "the fastest and the slowest are left out: quartiles need no trimming": lambda: between(t.each[1:-1]),
        "from the 16th to the 84th percentile: the quartiles are at 25 and 75": lambda: between(t.each, 0.16, 0.84),
        "from the 10th to the 90th percentile: the quartiles are at 25 and 75": lambda: between(t.each, 0.1, 0.9),
        "the entries at a quarter and three quarters of a list that is not sorted": lambda: t.order[15] - t.order[5],
        "the 75th percentile alone": lambda: t.each.quantile(0.75),
        "the sign: the 75th percentile less the 25th": lambda: -t.spread,
        "half the distance": lambda: t.spread / 2,
        "from the median to the 75th percentile": lambda: t.each.quantile(0.75) - t.each.median(),
        "the variance: one slow call moves it": lambda: t.each.var(correction=0),
        "the median and the spread are swapped": t.each.median,
        "in microseconds": lambda: t.spread * 1000,
        "in seconds: one second is 1000 ms": lambda: t.spread / 1000,
        "the standard deviation: one slow call moves it": t.each.std,
        "the standard deviation: two slow calls move it": lambda: t.each.std(correction=0),
        "from the fastest to the slowest: two calls decide it": lambda: t.each.max() - t.each.min(),
        "only the calls after the first are in it": lambda: between(t.order[1:]),
        "the warm-up is in it": lambda: between(t.every)}


def verify(case, out):
    t, calls, (median, spread) = timed_calls(case), out["calls"], (torch.tensor(out[k]).double() for k in ("median", "spread"))
    good = bool(median.isfinite() and spread.isfinite() and median > 0)
    right, enough = calls == t.warmup + 20, calls >= 20         # of too few calls any statistic may look like another
    middle = close(MEDIAN, median, t.each.median(), {
        **(median_of_others(t) if right else {}), **(median_slips(t, median) if enough else {})}, 1e-6)
    width = close(SPREAD, spread, t.spread, spread_slips(t) if enough else {}, 1e-6)
    if right and out["readings"] in (2 * t.warmup, t.warmup + 1):
        middle, width = blamed([middle, width], "the two counts are swapped: `warmup` calls go untimed, then `repeats` are timed")
    elif TWICE in middle.causes:
        width = width._replace(causes=(TWICE,))
    return [Property(NUMBERS, good, f"{out['median']:.4g}, {out['spread']:.4g}", "median, spread in ms"),
            counted(t, calls, median), pending(out), middle, width]


EXERCISES = (
    Exercise("01-latency", "Measuring latency", {
        NUMBERS: 0, COUNTED: 1, IDLE: 2, MEDIAN: 2, SPREAD: 1},
        cases, run, verify, kind="measurement", own=(timed, ratio)),
    prediction("01-guess-time", "How long will 1000 steps take?", *POSITIVE),
)
