"""Running a training to its end, over as many sittings as it takes.

Every few seconds the whole state (net, EMA, optimizer, steps done) goes to $EFFML_HOME/training/NAME.safetensors. A run
that was killed goes on from there and ends with the same bits as one that was not: batches and dropout are drawn from
seeds made of the number of the step, so the state is complete. What was done since the last save is done again. Another
processor or number of threads rounds differently and gives other bits.
"""
import json
import os
import time
from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from .. import folders
from ..diffusion.train import Run, fit
from ..measure import records
from ..models import store


def state_path(name: str) -> Path:
    return folders.home() / "training" / f"{name}.safetensors"


def resume(name: str, run: Run, settings: dict) -> dict[str, float]:
    """Load a stored state into `run`, if there is one; the minutes it took so far."""
    path = state_path(name)
    if not path.exists():
        return {}
    tensors, metadata = store.read_state(path)
    if json.loads(metadata.get("settings", "null")) != settings:
        raise ValueError(f"{path} holds an unfinished training of {name!r} with other settings: "
                         "finish it with those, or delete the file to start again")
    run.load(tensors)
    return json.loads(metadata["took"])


def clocks() -> dict[str, float]:
    """Minutes by the wall and by the processor (of all threads): a busy machine stretches the first."""
    return {"minutes": time.monotonic() / 60, "cpu_minutes": time.process_time() / 60}


def finish(name: str, run: Run, loss: Callable[[nn.Module, int], Tensor], steps: int, settings: dict,
           minutes: float | None = None, every: float = 15.0) -> dict[str, float] | None:
    """Train `run` up to `steps` steps, from where it was left. The minutes it took in all, or None if stopped before.

    loss: (net, step) -> scalar. settings: what the training is; a state of other settings is refused.
    minutes: stop after that long; calling again goes on. every: seconds between stored states.
    """
    spent, begin = resume(name, run, settings), clocks()
    took = lambda: {k: round(spent.get(k, 0.0) + v - begin[k], 3) for k, v in clocks().items()}
    path, saved = state_path(name), time.monotonic()
    with tqdm(total=steps, initial=run.done, desc=f"training {name}", unit="step", mininterval=1.0) as bar:
        for done, value in fit(run, seed_dropout(loss, settings["seed"]), steps):
            bar.set_postfix(loss=f"{value:.4f}", refresh=False)
            bar.update()
            late = minutes is not None and clocks()["minutes"] - begin["minutes"] > minutes
            if late or time.monotonic() - saved > every or done == steps:
                store.write(path, run.state(), {"settings": json.dumps(settings), "took": json.dumps(took())})
                saved = time.monotonic()
            if late and done < steps:
                return None
    return took()


def make(name: str, run: Run, loss: Callable, recipe: dict, about: dict, examine: Callable[[Path], dict],
         out: Path | str | None = None, minutes: float | None = None,
         part: Callable[[nn.Module], nn.Module] = lambda net: net) -> Path | None:
    """Train `run` to its end and store its EMA with a card; the path, or None if `minutes` ran out before.

    recipe: what the training is, with `seed` and `steps`. about: what else the card says. examine: from the folder
    where the weights were stored to what was measured on them, for the card. part: of the net, what is stored.
    """
    took = finish(name, run, loss, recipe["steps"], recipe, minutes)
    if took is None:
        return None
    first = next(run.net.parameters())
    card = {"name": name, **recipe, **about, "parameters": sum(p.numel() for p in part(run.net).parameters()),
            "versions": records.versions(), "date": records.now(), "device": records.device_name(first.device), **took}
    path = store.save(name, part(run.ema).state_dict(), card, out)
    store.update(name, store.card(name, path.parent) | examine(path.parent), path.parent)
    state_path(name).unlink()
    return path


class Ahead(Dataset):
    """make(step) for one step after the other; beside a GPU other processes work it out while the steps before are trained."""

    def __init__(self, make: Callable[[int], Any], steps: int, device: str):
        self.make, self.steps, self.drawn, self.next = make, steps, None, None
        self.workers = 0 if torch.device(device).type == "cpu" else min(14, max(1, (os.cpu_count() or 1) - 2))

    def __getitem__(self, step: int) -> Any:
        return self.make(step)

    def __call__(self, step: int) -> Any:
        if self.drawn is None:
            self.drawn = iter(DataLoader(                           # its own generator: none is drawn from the global one
                self, batch_size=None, sampler=range(step, self.steps), num_workers=self.workers,
                pin_memory=self.workers > 0, generator=torch.Generator()))
            self.next = step
        if step != self.next:
            raise ValueError(f"batches come in order: that of step {self.next} is next, and {step} was asked for")
        self.next += 1
        return next(self.drawn)


def seed_dropout(loss: Callable, seed: int) -> Callable:
    """The same loss, with the global random state that dropout draws from set by the step and put back after it."""
    def seeded(net: nn.Module, step: int) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed * 1_000_003 + step)
            return loss(net, step)
    return seeded


def by_class(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The same set sorted by class. Which batches a seed draws depends on the order, so recipes fix it here."""
    order = labels.argsort(stable=True)
    return images[order], labels[order]
