"""Lab 01: measuring latency: warm-up, synchronization, median and spread, on a simulated device with an injected clock.

The device works in the background, as a GPU does: a call only enqueues, and the work is paid for when somebody waits for
it. Its first calls are slow. Of the twenty costs in order only the 5th and 6th, 10th and 11th, 15th and 16th are equal, so that
every convention for quartiles gives the same numbers, and the 84th percentile, trimming or dropping calls gives others.
The slowest come first, so that the warm-up taken out twice is seen. A clock may be read more often than is needed.
"""
import math

import torch

from ....measure.cost import ratio, timed
from ...contract.exercise import Exercise, Property, close, known, near, prediction
from ..common import POSITIVE, integer, one_number, several

START = 2.0**14         # seconds: clocks count from long ago
COARSE = 2.0**-9 * 1000     # ms between neighbouring float32 numbers there


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


def pending(out) -> Property:
    name = "nothing is pending when the clock is read"
    if not out["readings"]:
        cause = "time is told by clock(), which is handed in: this took another clock, or none"
        return Property(name, False, "clock() was never called", "readings of clock()", (cause,))
    idle = out["unfinished"] == 0 or out["clean"] >= 2 * 20          # then the launch alone was timed on top
    return Property(name, idle, f"{1000 * out['unfinished']:.3g} ms of work", "0 ms of work",
                    () if idle else ("call sync before the clock, at the start and at the end",))


def verify(case, out):
    costs = torch.tensor(case["costs"], dtype=torch.float64)
    launch, timed = case["launch"], costs[case["warmup"]:].sort().values
    each = 1000 * (timed + launch)
    everything = 1000 * (costs.sort().values + launch)
    median, spread = each.median(), each.quantile(0.75) - each.quantile(0.25)
    good = all(math.isfinite(out[k]) for k in ("median", "spread")) and out["median"] > 0
    n = case["warmup"] + 20
    got = {k: torch.tensor(out[k], dtype=torch.float64) for k in ("median", "spread")}
    order = 1000 * (costs[case["warmup"]:] + launch)
    inside, trimmed, dropped = 1000 * (costs[case["warmup"]:20] + launch), each[1:-1], order[case["warmup"]:]
    taken_out = "the warm-up is taken out of the repeats: it comes on top of them"
    out_of_them = any(near(got["median"], m, 1e-6) for m in (inside.median(), inside.quantile(0.5)))
    twice = "the warm-up is taken out twice: the timed calls are all after it"
    between = lambda values, low, high: values.quantile(high) - values.quantile(low)
    quartiles = lambda values: between(values, 0.25, 0.75)
    slips = lambda table: table if out["calls"] >= 20 else {}       # of too few calls any statistic may look like another
    unsynced = "the clock was read while work was pending: the call had only been enqueued"
    slips_of_all = {
        twice: lambda: dropped.quantile(0.5),
        "the warm-up is in it": lambda: everything.quantile(0.5),
        "the slow calls are left out: the median needs no trimming": lambda: each[:-2].quantile(0.5),
        "the middle of a list that is not sorted": lambda: order[10],
        "the times add up: read the clock anew before each call": lambda: order.cumsum(0).quantile(0.5)}
    rows = [
        Property("two finite numbers, the median above 0", good, f"{out['median']:.4g}, {out['spread']:.4g}",
                 "median, spread in ms"),
        Property("warm-up and repeats, no more", out["calls"] == n, f"{out['calls']} calls", f"{n} calls", known({
            20: taken_out if out_of_them else "there is no warm-up", case["warmup"]: "nothing but the warm-up ran",
            n + 1: "one call too many",
            case["warmup"] + 1: "one call was timed: does `return` stand inside the loop?"}, out["calls"])),
        pending(out),
        close("the median, in ms", got["median"], median, slips({
            "divided by the number of repeats: each time is that of one call": lambda: median / 20,
            "the median and the spread are swapped": lambda: spread,
            "in microseconds": lambda: median * 1000,
            "readings of the clock in float32, too coarse for them: subtract before you make a tensor": lambda: (
                (got["median"] / COARSE).round() * COARSE),
            "in seconds: one second is 1000 ms": lambda: median / 1000,
            "the mean: one slow call moves it": lambda: each.mean(),
            **(slips_of_all if out["calls"] == n else {}),
            "the fastest call": lambda: each.min(),
            "the mean with the warm-up in it": lambda: everything.mean(),
            "the total": lambda: each.sum(),
            unsynced: lambda: torch.tensor(1000 * launch, dtype=torch.float64)}), 1e-6),
        close("the spread, q75 - q25, in ms", got["spread"], spread, slips({
            twice: lambda: quartiles(dropped),
            "the slow calls are left out: quartiles need no trimming": lambda: quartiles(each[:-2]),
            "the fastest and the slowest are left out: quartiles need no trimming": lambda: quartiles(trimmed),
            "from the 16th to the 84th percentile: the quartiles are at 25 and 75": lambda: between(each, 0.16, 0.84),
            "from the 10th to the 90th percentile: the quartiles are at 25 and 75": lambda: between(each, 0.1, 0.9),
            "the entries at a quarter and three quarters of a list that is not sorted": lambda: order[15] - order[5],
            "the 75th percentile alone": lambda: each.quantile(0.75),
            "the sign: the 75th percentile less the 25th": lambda: -spread,
            "half the distance": lambda: spread / 2,
            "from the median to the 75th percentile": lambda: each.quantile(0.75) - median,
            "the variance: one slow call moves it": lambda: each.var(correction=0),
            "the median and the spread are swapped": lambda: median,
            "in microseconds": lambda: spread * 1000,
            "in seconds: one second is 1000 ms": lambda: spread / 1000,
            "the standard deviation: one slow call moves it": lambda: each.std(),
            "the standard deviation: two slow calls move it": lambda: each.std(correction=0),
            "from the fastest to the slowest: two calls decide it": lambda: each.max() - each.min(),
            "only the calls after the first are in it": lambda: quartiles(order[1:]),
            "the warm-up is in it": lambda: everything.quantile(0.75) - everything.quantile(0.25)}), 1e-6)]
    swapped = "the two counts are swapped: `warmup` calls go untimed, then `repeats` are timed"
    if out["calls"] == n and out["readings"] in (2 * case["warmup"], case["warmup"] + 1):
        rows[-2:] = [row if row.passed else row._replace(causes=(swapped,)) for row in rows[-2:]]
    elif twice in rows[-2].causes:
        rows[-1] = rows[-1]._replace(causes=(twice,))
    return rows


EXERCISES = (
    Exercise("01-latency", "Measuring latency", {
        "two finite numbers, the median above 0": 0, "warm-up and repeats, no more": 1,
        "nothing is pending when the clock is read": 2, "the median, in ms": 2, "the spread, q75 - q25, in ms": 1},
        cases, run, verify, kind="measurement", own=(timed, ratio)),
    prediction("01-guess-time", "How long will 1000 steps take?", *POSITIVE),
)
