"""What a technique costs: time, network calls, multiply-accumulates.

Time is the median of repeats after a warm-up, with a bootstrap interval of that median; `sync` is called before each
reading of the clock, so that a GPU has finished. Machines differ and drift, so two variants are compared by a ratio
within one run, their repeats interleaved A B A B. NFE (network function evaluations) is counted at the net, rows over
batch: guidance, which calls it with two rows an image, counts two, and no code that is timed can avoid it.
Left out: energy, and memory at peak.
"""
import time
from typing import Callable, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class Times(NamedTuple):
    """Milliseconds: the median and the 95% interval of that median."""
    median: float
    low: float
    high: float


class Ratio(NamedTuple):
    """A number without unit and its 95% interval."""
    value: float
    low: float
    high: float


def _interval(statistic: Callable, *samples: np.ndarray, rounds: int = 2000) -> tuple[float, float, float]:
    """A statistic of rows and the 95% percentiles of its bootstrap; the same rows are drawn from every sample."""
    pick = np.random.default_rng(0).integers(len(samples[0]), size=(rounds, len(samples[0])))
    low, high = np.quantile(statistic(*(s[pick] for s in samples)), [0.025, 0.975])
    return float(statistic(*(s[None] for s in samples))[0]), float(low), float(high)


def _once(fn: Callable, sync: Callable | None, clock: Callable[[], float]) -> float:
    sync = sync or (lambda: None)
    sync()
    begin = clock()
    fn()
    sync()
    return (clock() - begin) * 1e3


def timed(fn: Callable, warmup: int = 3, repeats: int = 20, sync: Callable | None = None,
          clock: Callable[[], float] = time.perf_counter) -> Times:
    """The time of fn() in ms. sync: e.g. torch.cuda.synchronize; clock: seconds."""
    for _ in range(warmup):
        fn()
    return Times(*_interval(lambda s: np.median(s, 1), np.array([_once(fn, sync, clock) for _ in range(repeats)])))


def ratio(a: Callable, b: Callable, rounds: int = 20, warmup: int = 3, sync: Callable | None = None,
          clock: Callable[[], float] = time.perf_counter) -> tuple[Ratio, Times, Times]:
    """Time of a() over time of b(), measured A B A B ...: the ratio of medians; then the times of each, in ms."""
    for fn in (a, b) * warmup:
        fn()
    first, second = np.array([[_once(a, sync, clock), _once(b, sync, clock)] for _ in range(rounds)]).T
    median = lambda s: np.median(s, 1)
    return (Ratio(*_interval(lambda s, r: median(s) / median(r), first, second)),
            Times(*_interval(median, first)), Times(*_interval(median, second)))


class Counted(nn.Module):
    """A net that counts: `calls`, and `rows` of all batches it was given. Otherwise it is that net."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net, self.calls, self.rows = net, 0, 0

    def forward(self, x: Tensor, *rest, **named) -> Tensor:
        self.calls, self.rows = self.calls + 1, self.rows + len(x)
        return self.net(x, *rest, **named)

    def nfe(self, batch: int) -> float:
        """Evaluations an image, for a batch of that many images."""
        return self.rows / batch


@torch.no_grad()
def macs(net: nn.Module, *args) -> int:
    """Multiply-accumulates of net(*args) in convolutions, linear layers and attention, counted by PyTorch's hooks."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode
    # the plain form of attention is two matrix products, which the counter knows on every device
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(*args)
    return counter.get_total_flops() // 2
