"""`bench shape_search`: which UNet of about the same cost learns most in the same time by the course's recipe?

All see the same batches in the same order, at a constant rate with EMA, so that every stop is a result and a good one can
go on. Time is counted in steps: first a training step of each is timed A B A B beside that of the first entry, then each
makes as many as fit into so many steps of the first, so that what else a machine does, or which one it is, changes nothing.
Judged are the loss of the EMA on held-out scenes (uniform times, the same noise for all) and the share of 800 noises that
become the wanted kind (2M, 20 steps), small and large shapes apart as they are read. One entry trains on other times: a
quarter of them where colour and ground are decided. States lie in $EFFML_HOME/training: the same command goes on, and with
a greater budget the best few are carried further.
"""
import time
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .. import folders
from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..diffusion.guidance import guided
from ..diffusion.train import Run, fit
from ..measure import cost, quality, records
from ..models import reader, store
from ..nets.unet import UNet
from ..recipes import shapes, training
from .race import ENDLESS, validated

BUDGET, ROUNDS, BETWEEN = 3000, 12, 60.0     # steps of the first entry; rounds of timing; seconds between stored states
NOISES, STEPS, BATCH = 800, 20, 100
BASE = {"channels_in": 3, "classes": shapes.CLASSES, "stem": 2, "blocks": 1}
SHAPES = {      # name -> settings of the UNet beside those of BASE; a number in the name is the width at that resolution
    "48-64-96": {"widths": [48, 64, 96], "attention": [False, True, True]},
    "48-64": {"widths": [48, 64], "attention": [False, True]},
    "48-64, no attention but the middle's": {"widths": [48, 64], "attention": False},
    "56-56": {"widths": [56, 56], "attention": [False, True]},
    "56-56, no attention but the middle's": {"widths": [56, 56], "attention": False},
    "40-64, two blocks at 16 x 16": {"widths": [40, 64], "blocks": [2, 1], "attention": [False, True]},
    "40-64, two blocks at 8 x 8": {"widths": [40, 64], "blocks": [1, 2], "attention": [False, True]},
    "16-40-56, stem 1": {"widths": [16, 40, 56], "attention": [False, False, True], "stem": 1},
    "48, two blocks, 16 x 16 alone": {"widths": [48], "blocks": [2], "attention": False},
    "48-64, a quarter at high noise": {"widths": [48, 64], "attention": [False, True]},
}
HIGH = {"48-64, a quarter at high noise": 0.25}


def settings_of(name: str) -> dict:
    return BASE | SHAPES[name]


def loss_of(name: str) -> Callable[[nn.Module, int], Tensor]:
    """The recipe's loss, on other times where the entry asks for it."""
    times = shapes.skewed(HIGH[name]) if name in HIGH else None
    return lambda net, step: shapes.loss(net, step, times=times)


def fresh(name: str) -> Run:
    torch.manual_seed(shapes.SEED)
    return Run(UNet(**settings_of(name)), shapes.LR, rate=lambda done: 1.0)


def state(name: str) -> Path:
    return training.state_path("shape_search " + "".join(c for c in name if c.isalnum() or c in " -"))


def relative(name: str, rounds: int) -> float:
    """The time of a training step of an entry over that of the first."""
    first = next(iter(SHAPES))
    runs = [fit(fresh(other), loss_of(other), ENDLESS) for other in (name, first)]
    return 1.0 if name == first else cost.ratio(*(lambda run=run: next(run) for run in runs), rounds=rounds)[0].value


def drive(name: str, steps: int) -> Run:
    """Train an entry, from where it was left, until it has made so many steps."""
    run, path, saved = fresh(name), state(name), time.monotonic()
    if path.exists():
        run.load(store.read_state(path)[0])
    for done, _ in fit(run, loss_of(name), ENDLESS) if run.done < steps else ():
        if done >= steps or time.monotonic() - saved > BETWEEN:
            store.write(path, run.state())
            saved = time.monotonic()
        if done >= steps:
            break
    return run


@torch.no_grad()
def seen(net: nn.Module) -> tuple[Tensor, Tensor]:
    """Of the same noises for every net: whether the picture shows the wanted kind, and its size as read; (NOISES,) each."""
    denoise, grid = Denoiser(net, "v"), shapes.SCHEDULE().grid(STEPS, "karras")
    hits, sizes = [], []
    for i in range(NOISES // BATCH):
        wanted = (i * BATCH + torch.arange(BATCH)) % shapes.CLASSES
        x = samplers.start((BATCH, 3, reader.SIZE, reader.SIZE), grid, store.seeded(shapes.SEED, i))
        told = guided(denoise, wanted, torch.full((1,), shapes.CLASSES), 1.0)
        read = reader.attributes(samplers.last(samplers.dpmpp_2m(told, x, grid)))
        hits.append(read.kind == wanted)
        sizes.append(read.size)
    return torch.cat(hits).double(), torch.cat(sizes)


def record(name: str, run: Run, ratio: float, budget: int) -> records.Record:
    """The row of an entry: its loss, its shares, its cost, and the hits themselves, so that two entries can be paired."""
    mean = lambda values: quality.bootstrap(lambda v: v.mean().item(), values)._asdict()
    hits, sizes = seen(run.ema)
    given = torch.zeros(1, 3, reader.SIZE, reader.SIZE), torch.zeros(1), torch.zeros(1, dtype=torch.long)
    found = {"loss": mean(validated(run)), "wanted": mean(hits)}
    found |= {part: mean(hits[sizes == k]) for k, part in enumerate(("small", "large")) if (sizes == k).any()}
    return records.Record(name, macs=cost.macs(run.net, *given), quality=found, settings={
        "net": settings_of(name), "high": HIGH.get(name, 0.0), "budget": budget, "step to the first's": ratio, "steps": run.done,
        "parameters": sum(p.numel() for p in run.net.parameters()), "products": str(shapes.products("cpu")),
        "hits": "".join(str(int(hit)) for hit in hits)})


def measure(out: Path | str | None = None, device: str = "cpu", budget: int = BUDGET, names=tuple(SHAPES)) -> str:
    """Train every entry for the time of `budget` steps of the first, or go on, and append a row each to shape_search.jsonl."""
    if device != "cpu":
        raise ValueError("the search compares times of a processor: use --device cpu")
    path, threads = folders.results(out) / "shape_search.jsonl", torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name in tqdm(names, desc="shapes", unit="net"):
            ratio = relative(name, ROUNDS)
            records.append(path, record(name, drive(name, round(budget / ratio)), ratio, budget))
    finally:
        torch.set_num_threads(threads)
    return f"recorded in {path}"
