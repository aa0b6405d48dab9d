import statistics

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


RIGHT = [right_tensor, right_statistics]
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
]
