"""Answers to 01-latency: right ones, and wrong ones with the causes that a report may name for them."""
import statistics
import time

import numpy as np
import torch

EXERCISE = "01-latency"


def right_tensor(fn, warmup, repeats, clock, sync):
    for _ in range(warmup):
        fn()
    times = []
    for _ in range(repeats):
        sync()
        begin = clock()
        fn()
        sync()
        times.append(1000 * (clock() - begin))
    times = torch.tensor(times, dtype=torch.float64)
    low, high = times.quantile(torch.tensor([0.25, 0.75], dtype=torch.float64))
    return times.median().item(), (high - low).item()


def right_statistics(fn, warmup, repeats, clock, sync):
    def once():
        begin = clock()
        fn()
        sync()
        return (clock() - begin) * 1e3
    sync()
    times = [once() for _ in range(warmup + repeats)][warmup:]
    low, middle, high = statistics.quantiles(times, n=4)
    return middle, high - low


def with_change(warm=True, before=True, after=True, middle=statistics.median, spread=None, unit=1000.0, keep=False):
    def answer(fn, warmup, repeats, clock, sync):
        times = []
        for i in range(warmup + repeats if warm else repeats):
            if before:
                sync()
            begin = clock()
            fn()
            if after:
                sync()
            if keep or not warm or i >= warmup:
                times.append(unit * (clock() - begin))
            else:
                sync()
        low, _, high = statistics.quantiles(times, n=4)
        return middle(times), spread(times) if spread else high - low
    return answer


def wrong_whole_loop(fn, warmup, repeats, clock, sync):
    for _ in range(warmup):
        fn()
    sync()
    begin = clock()
    for _ in range(repeats):
        fn()
    sync()
    return 1000 * (clock() - begin) / repeats, 0.0


def wrong_first_unsynced(fn, warmup, repeats, clock, sync):
    for _ in range(warmup):
        fn()
    times = []
    for _ in range(repeats):
        begin = clock()
        fn()
        sync()
        times.append(1000 * (clock() - begin))
    low, middle, high = statistics.quantiles(times, n=4)
    return middle, high - low


def right_neighbours(fn, warmup, repeats, clock, sync):
    for _ in range(warmup):
        fn()
    sync()
    readings = [clock()]
    for _ in range(repeats):
        fn()
        sync()
        readings.append(clock())
    low, middle, high = np.percentile(1000 * np.diff(readings), [25, 50, 75])
    return [middle, high - low]


class RightSorted:
    def __call__(self, fn, warmup, repeats, clock, sync):
        times = torch.empty(repeats)
        for i in range(-warmup, repeats):
            sync()
            begin = clock()
            fn()
            sync()
            if i >= 0:
                times[i] = clock() - begin
        times = times.sort().values * 1000
        return times[repeats // 2], times[3 * repeats // 4] - times[repeats // 4]


def wrong_clock(fn, warmup, repeats, clock, sync):
    return right_tensor(fn, warmup, repeats, time.perf_counter, sync)


def wrong_float32_readings(fn, warmup, repeats, clock, sync):
    for _ in range(warmup):
        fn()
    begin, end = torch.zeros(repeats), torch.zeros(repeats)
    for i in range(repeats):
        sync()
        begin[i] = clock()
        fn()
        sync()
        end[i] = clock()
    times = 1000 * (end - begin)
    return times.median(), times.quantile(0.75) - times.quantile(0.25)


def wrong_return_in_loop(fn, warmup, repeats, clock, sync):
    return right_tensor(fn, warmup, 1, clock, sync)


def wrong_constants(fn, warmup, repeats, clock, sync):
    return right_tensor(fn, 3, 15, clock, sync)


def wrong_one_more(fn, warmup, repeats, clock, sync):
    return right_tensor(fn, warmup, repeats + 1, clock, sync)


def after(change):
    return lambda *arguments: change(*right_tensor(*arguments))


def quartiles(times):
    return statistics.quantiles(times, n=4)


def timed(fn, calls, clock, sync):
    sync()
    return [one(fn, clock, sync) for _ in range(calls)]


def one(fn, clock, sync):
    begin = clock()
    fn()
    sync()
    return 1000 * (clock() - begin)


def summed(change=lambda t, warmup: t, middle=statistics.median, spread=lambda t: quartiles(t)[2] - quartiles(t)[0]):
    def answer(fn, warmup, repeats, clock, sync):
        timed(fn, warmup, clock, sync)
        times = change(timed(fn, repeats, clock, sync), warmup)
        return middle(times), spread(times)
    return answer


def wrong_taken_out(fn, warmup, repeats, clock, sync):
    times = timed(fn, repeats, clock, sync)[warmup:]
    return statistics.median(times), quartiles(times)[2] - quartiles(times)[0]


def percentiles(low, high):
    return lambda times: float(np.percentile(times, high) - np.percentile(times, low))


def right_with_launch(fn, warmup, repeats, clock, sync):
    """The launch is timed too, and not returned."""
    timed(fn, warmup, clock, sync)
    times, launches = [], []
    for _ in range(repeats):
        sync()
        begin = clock()
        fn()
        launches.append(clock() - begin)
        sync()
        times.append(1e3 * (clock() - begin))
    return statistics.median_high(times), float(np.subtract(*np.percentile(times, [75, 25])))


def right_warm_without_clock(fn, warmup, repeats, clock, sync):
    [fn() for _ in range(warmup)]
    times = []
    while len(times) < repeats:
        sync()
        times.append(one(fn, clock, sync))
    times.sort()
    half = repeats // 2
    return statistics.median(times), statistics.median(times[half:]) - statistics.median(times[:half])


RIGHT = [right_tensor, right_statistics, right_neighbours, RightSorted(), right_with_launch, right_warm_without_clock]
WRONG = [
    (with_change(warm=False), ["no warm-up", "the warm-up is in it"]),
    (with_change(keep=True), ["warm-up"]),
    (with_change(before=False, after=False), ["sync", "the clock was read while work was pending"]),
    (with_change(after=False), ["sync", "the clock was read while work was pending"]),
    (with_change(middle=statistics.mean), ["the mean"]),
    (with_change(middle=min), ["the fastest"]),
    (with_change(middle=sum), ["the total"]),
    (with_change(unit=1.0), ["in seconds"]),
    (with_change(spread=statistics.stdev), ["standard deviation"]),
    (with_change(spread=lambda t: max(t) - min(t)), ["from the fastest to the slowest"]),
    (wrong_whole_loop, ["the mean"]),
    (wrong_first_unsynced, ["sync"]),
    (wrong_clock, ["time is told by clock()"]),
    (wrong_float32_readings, ["in float32"]),
    (wrong_return_in_loop, ["one call was timed"]),
    (wrong_constants, []),
    (wrong_one_more, ["one call too many"]),
    (after(lambda median, spread: (median / 20, spread)), ["divided by the number of repeats"]),
    (after(lambda median, spread: (spread, median)), ["are swapped"]),
    (after(lambda median, spread: (median, -spread)), ["the sign"]),
    (after(lambda median, spread: (median, spread / 2)), ["half the distance"]),
    (after(lambda median, spread: median), []),
    (with_change(unit=1e6), ["in microseconds"]),
    (with_change(spread=lambda t: quartiles(t)[2]), ["the 75th percentile alone"]),
    (with_change(spread=lambda t: quartiles(t)[2] - quartiles(t)[1]), ["from the median to"]),
    (with_change(spread=statistics.pvariance), ["the variance"]),
    (with_change(spread=quartiles), []),
    (wrong_taken_out, ["taken out of the repeats"]),
    (summed(lambda t, warmup: t[warmup:]), ["taken out twice"]),
    (summed(lambda t, _: sorted(t)[1:-1], spread=percentiles(25, 75)), ["the fastest and the slowest are left out"]),
    (summed(lambda t, _: sorted(t)[:-2], spread=percentiles(25, 75)), ["the slow calls are left out"]),
    (summed(spread=percentiles(16, 84)), ["from the 16th"]),
    (summed(spread=percentiles(10, 90)), ["from the 10th"]),
    (summed(spread=lambda t: t[15] - t[5]), ["not sorted"]),
    (summed(middle=lambda t: t[10]), ["not sorted"]),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def iqr(ts):
    t = torch.tensor(ts, dtype=torch.float64)
    return (t.quantile(0.5).item(), (t.quantile(0.75) - t.quantile(0.25)).item())


def wrong_cumulative(fn, warmup, repeats, clock, sync):
    for _ in range(warmup):
        fn()
    ts = []
    sync()
    start = clock()
    for _ in range(repeats):
        sync()
        fn()
        sync()
        ts.append((clock() - start) * 1000)
    return iqr(ts)


def wrong_exchanged(fn, warmup, repeats, clock, sync):
    for _ in range(repeats):
        fn()
    ts = []
    for _ in range(warmup):
        sync()
        start = clock()
        fn()
        sync()
        ts.append((clock() - start) * 1000)
    return iqr(ts)


WRONG += [
    (wrong_cumulative, ["the times add up: read the clock anew before"]),
    (wrong_exchanged, ["the two counts are swapped: `warmup` calls g"]),
]
