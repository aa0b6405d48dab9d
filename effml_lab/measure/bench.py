"""Measuring what a technique costs: time, network calls, multiply-accumulates, bytes; and the rows it is recorded in.

Time is the median of repeats after a warm-up, with a bootstrap interval of that median; `sync` is called before each
reading of the clock, so that a GPU has finished. Machines differ and drift, so two variants are compared by a ratio
within one run, their repeats interleaved A B A B. NFE (network function evaluations) is counted at the net, rows over
batch: guidance, which calls it with two rows an image, counts two, and no code that is timed can avoid it.
A Record is one line of JSON. Figures and tables are drawn from such lines, never typed.
Left out: energy, and memory at peak.
"""
import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
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


def versions() -> dict[str, str]:
    """What a number depends on."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def device_name(device: str | torch.device = "cpu") -> str:
    """The device in words: a GPU's name, or the processor with its cores and the threads in use."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] \
        if info.exists() else []
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The commit of the source this runs from, or None outside a repository."""
    try:
        return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, check=True,
                              capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass
class Record:
    """One measured point. ms: {median, low, high} of the run that `settings` describes. macs: of one image, all calls.

    bytes: the stored weights. quality: {name: {value, low, high, n}}. What does not apply is None or empty.
    """
    technique: str
    nfe: float | None = None
    ms: dict | None = None
    bytes: int | None = None
    macs: int | None = None
    quality: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    device: str = field(default_factory=device_name)
    versions: dict = field(default_factory=versions)
    date: str = field(default_factory=now)
    commit: str | None = field(default_factory=commit)


def append(path: str | Path, record: Record) -> None:
    """Add one line to a file of records, which is made where missing."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read(path: str | Path) -> list[Record]:
    """All records of a file, oldest first; none where there is no file."""
    known, records = {f.name for f in fields(Record)}, []
    if not Path(path).exists():
        return records
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            records.append(Record(**{k: v for k, v in row.items() if k in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} of {path} is not a record ({error}): mend or delete that line") from None
    return records


def latest(path: str | Path) -> dict[str, Record]:
    """Of every technique in a file its last record, by name, in the order in which the names first came."""
    return {record.technique: record for record in read(path)}
