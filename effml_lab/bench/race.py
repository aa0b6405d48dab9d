"""`bench race`: the course UNet against diffusers' UNet2DModel of as many weights: whose loss is lower after the same minutes?

A step that costs a third is worth little if it teaches a third. So both nets are trained by the course's recipe (the
same batches in the same order, AdamW, EMA) for the same time of one processor core, in turns of half a minute within
one process. The rate is constant after the warm-up: every point of the two curves is a result in its own right, not a
stage of a longer schedule. Each net takes the best of three rates, which are tried for a minute and a half each. The
validation loss is that of the EMA on held-out scenes, with the same noise for both; validating is not timed.
All is kept in $EFFML_HOME/training after every turn: a stopped race goes on.
Left out: GPUs, whose time a processor's clock does not count.
"""
import json
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import datasets, folders
from ..diffusion.denoise import loss
from ..diffusion.train import Run, fit
from ..measure import quality, records
from ..models import reader, store
from ..nets.unet import UNet
from ..recipes import shapes, training
from . import unet

RATES, TRIAL = (shapes.LR / 2, shapes.LR, 1.5 * shapes.LR), 90.0          # seconds; 3 LR diverges in the end
MINUTES, TURN, BETWEEN = 20.0, 25.0, 120.0                                # seconds of a turn, and between validations
WARMUP, ENDLESS = 50, 10**9
NETS = {        # settings of our UNet -> the net
    "ours": lambda net: UNet(**net), "theirs": lambda net: unet.Sample(unet.peer(reader.SIZE, **net)),
}


@dataclass
class Notes:
    """What a race has come to. trials: {"name rate": loss}; curves: {name: [[seconds, steps, loss], ...]}."""
    net: dict
    trials: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(NETS, 0.0))
    curves: dict[str, list] = field(default_factory=lambda: {name: [] for name in NETS})


def entrant(notes: Notes, name: str, rate: float) -> Run:
    torch.manual_seed(shapes.SEED)
    return Run(NETS[name](notes.net), rate)


def drive(run: Run, seconds: float) -> float:
    """Train for that many seconds of the processor; those it took, since the last step is finished."""
    begin = time.process_time()
    for _ in fit(run, shapes.loss, ENDLESS, warmup=WARMUP):
        if time.process_time() - begin >= seconds:
            break
    return time.process_time() - begin


@torch.no_grad()
def validated(run: Run, parts: int = 24, size: int = 32) -> Tensor:
    """The loss of the EMA on held-out scenes, part by part, the same noise whoever asks; (parts,)."""
    images, scenes = datasets.load("shapes", "test")
    rows = (torch.arange(parts * size) % len(images)).view(parts, size)
    return torch.tensor([loss(run.ema, images[r], shapes.SCHEDULE(), "v", store.seeded(shapes.SEED, -1 - i),
                              scenes.kind[r, 0]).item() for i, r in enumerate(rows)])


def tried(notes: Notes) -> bool:
    """Try one more net at one more rate; False when there is none left."""
    todo = [(name, rate) for rate in RATES for name in NETS if f"{name} {rate:g}" not in notes.trials]
    for name, rate in todo[:1]:
        run = entrant(notes, name, rate)
        drive(run, TRIAL)
        notes.trials[f"{name} {rate:g}"] = validated(run).mean().item()
    return bool(todo)


def best(notes: Notes, name: str) -> float:
    return min(RATES, key=lambda rate: notes.trials[f"{name} {rate:g}"])


def keep(path: Path, notes: Notes, runs: dict[str, Run]) -> None:
    tensors = {f"{name}/{key}": value for name, run in runs.items() for key, value in run.state().items()}
    store.write(path, tensors | {"notes": torch.zeros(1)}, {"notes": json.dumps(asdict(notes))})


def noted(path: Path, net: dict) -> Notes:
    """The notes of a race that was left, or a fresh one's."""
    notes = Notes(**json.loads(store.read_state(path)[1]["notes"])) if path.exists() else Notes(net)
    if notes.net != net:
        raise ValueError(f"{path} holds an unfinished race of other nets: delete the file to start again")
    return notes


def entered(path: Path, notes: Notes) -> dict[str, Run]:
    """Both runs at their best rates, from where they were left."""
    tensors = store.read_state(path)[0]
    runs = {name: entrant(notes, name, best(notes, name)) for name in NETS}
    for name, run in runs.items():
        if notes.seconds[name]:
            run.load({k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")})
    return runs


def turn(notes: Notes, runs: dict[str, Run], limit: float) -> None:
    """The net that is behind trains for one turn; now and then, and at the end, it is validated."""
    name = min(NETS, key=notes.seconds.get)
    before = notes.seconds[name]
    notes.seconds[name] += drive(runs[name], min(TURN, limit - before))
    if notes.seconds[name] >= limit or before // BETWEEN < notes.seconds[name] // BETWEEN:
        notes.curves[name].append([notes.seconds[name], runs[name].done, validated(runs[name]).mean().item()])


def record(notes: Notes, runs: dict[str, Run]) -> records.Record:
    """The row: our loss over theirs at the end, with its interval over the parts, and both curves."""
    over = quality.ratio(*(validated(runs[name]) for name in ("ours", "theirs")))
    settings = {"curves": notes.curves, "columns": ["seconds", "steps", "loss"], "trials": notes.trials,
                "net": notes.net,
                "rates": {name: best(notes, name) for name in NETS}, "batch": shapes.BATCH,
                "parameters": {name: sum(p.numel() for p in run.net.parameters()) for name, run in runs.items()},
                "diffusers": version("diffusers")}
    minutes = round(min(notes.seconds.values()) / 60, 1)
    return records.Record(f"validation loss after {minutes:g} minutes of one core, ours to diffusers'", settings=settings,
                        quality={"ratio": over._asdict()})


def measure(out: Path | str | None = None, device: str = "cpu", minutes: float = MINUTES, net: dict = shapes.NET) -> str:
    """Run the race to its end, or go on with one that was stopped, and append its record to unet.jsonl."""
    if device != "cpu":
        raise ValueError("the race counts the processor's own time: use --device cpu")
    path, limit = training.state_path("race"), 60 * minutes
    notes = noted(path, net)
    while tried(notes):
        keep(path, notes, {})
    runs = entered(path, notes)
    with tqdm(total=round(2 * limit), desc="race", unit="s") as bar:
        while min(notes.seconds.values()) < limit:
            turn(notes, runs, limit)
            keep(path, notes, runs)
            bar.update(round(sum(notes.seconds.values())) - bar.n)
    records.append(results := folders.results(out) / "unet.jsonl", record(notes, runs))
    path.unlink()
    return f"recorded in {results}"
