"""`bench conditions`: what three ways of telling a net something are worth.

  AdaGN      validation loss of a digits net whose blocks are scaled and shifted, over one that adds, after equal steps with
             equally many weights, from three seeds. The interval is that of the noise of validation, which all nets share; how
             far seeds differ is told by their own ratios
  control    overlap (intersection over union) of the shape that a hint asks for and the one that is drawn, with a hint and
             without, from the same noises; and the share that shows the kind where it was given
  keys once  time of twenty calls of the text model, each on 16 images of one prompt, that is encoded once, over encoding it
             row by row at every call, A B A B
"""
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import datasets, folders
from ..datasets import captions, shapes
from ..diffusion import levels, samplers
from ..diffusion.denoise import loss
from ..diffusion.train import Run, cooled, fit
from ..measure import cost, quality, records
from ..models import checkpoints, reader, samples, store
from ..nets.unet import UNet

SEEDS, STEPS, BATCH, LR = (0, 1, 2), 500, 64, 1e-3
DIGITS = {"widths": [32, 64], "blocks": 1, "attention": [False, True], "classes": 10}
NETS = {"added": {}, "adaptive": {"adaptive": True, "emb": 78}}             # emb: so that both have as many weights
N, CALLS = 300, 20
HINTS = {"edges": ("control", shapes.edges), "masks": ("control_masks", shapes.masks)}


def learned(settings: dict, seed: int, steps: int) -> Tensor:
    """The validation loss of a net after so many steps, pass by pass, the same noise for every net; (passes,)."""
    images, kinds = datasets.load("digits", "train")
    held, classes = datasets.load("digits", "test")
    torch.manual_seed(seed)
    run, schedule = Run(UNet(**DIGITS, **settings), LR, rate=cooled), levels.linear()

    def each(net, step):
        rng = store.seeded(seed, step)
        rows = torch.randint(len(images), (BATCH,), generator=rng)
        return loss(net, images[rows], schedule, "eps", rng, kinds[rows])
    for _ in fit(run, each, steps):
        pass
    with torch.no_grad():
        return torch.tensor([loss(run.ema, held, schedule, "eps", store.seeded(seed, -1 - i), classes).item() for i in range(24)])


def adagn(steps: int) -> records.Record:
    found = {name: [learned(settings, seed, steps) for seed in tqdm(SEEDS, desc=name, unit="net")]
             for name, settings in NETS.items()}
    ratio = quality.ratio(torch.cat(found["adaptive"]), torch.cat(found["added"]))
    return records.Record("AdaGN, loss over that of adding", quality={"ratio": ratio._asdict()}, settings={
        "steps": steps, "seeds": SEEDS, "ratios": [
            (mine.mean() / other.mean()).item() for mine, other in zip(found["adaptive"], found["added"])],
        "parameters": {name: sum(p.numel() for p in UNet(**DIGITS, **settings).parameters()) for name, settings in NETS.items()}})


def drawn(name: str, cond: dict | Tensor, n: int) -> Tensor:
    """Pictures of a model that is told cond, (n, 3, 32, 32), from noises that all share."""
    denoise, schedule = checkpoints.denoiser(name)
    grid = schedule.grid(20, samples.SPACING)
    x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, store.seeded(0, -1))
    return samplers.last(samplers.dpmpp_2m(lambda x, level: denoise(x, level, cond), x, grid))


def followed(n: int):
    """A row for each hint, the kind given or left out, and one without a hint."""
    asked = shapes.draw(n, store.seeded(0, -2))
    kinds, wanted = asked.kind[:, 0], shapes.masks(asked)[:, 0] > 0.5
    told = {"given": kinds, "left out": torch.full_like(kinds, len(shapes.KINDS))}

    def row(technique: str, name: str, cond: dict | Tensor) -> records.Record:
        images = drawn(name, cond, n)
        hits = reader.attributes(images).kind == kinds
        found = {"overlap": quality.mean(quality.overlap(reader.figure(images), wanted)),
                 "kind": quality.proportion(hits)}
        return records.Record(technique, quality={k: v._asdict() for k, v in found.items()},
                              settings={"checkpoint": store.card(name)["sha256"][:12]})
    yield row("no hint, kind given", "shapes", kinds)
    for hint, (name, made) in HINTS.items():
        for said, kind in told.items():
            yield row(f"{hint}, kind {said}", name, {"hint": made(asked), "class": kind})


@torch.no_grad()
def once(rounds: int, rows: int = 16) -> records.Record:
    """A prompt's keys and values computed once a run, over at every call; the outputs are bit for bit the same."""
    net = checkpoints.load("scenes")
    tokens = captions.tokens("a small red star at the top left and a large blue ring at the bottom left, on grey")
    x, t = torch.randn(rows, 3, reader.SIZE, reader.SIZE), torch.full((rows,), 500.0)
    each = lambda: [net(x, t, tokens.expand(rows, -1)) for _ in range(CALLS)]

    def kept():
        told = {key: part.expand(rows, *part.shape[1:]) for key, part in net.remember(tokens).items()}
        return [net(x, t, told) for _ in range(CALLS)]
    apart = (each()[0] - kept()[0]).abs().max().item()
    ratio, mine, other = cost.ratio(kept, each, rounds, warmup=1)
    share = 1 - cost.macs(net, x[:1], t[:1], net.remember(tokens)) / cost.macs(net, x[:1], t[:1], tokens)
    return records.Record("keys once a prompt, time over at every call", ms=mine._asdict(), settings={
        "rows": rows, "calls": CALLS, "multiply-adds saved": share, "largest difference": apart, "theirs ms": other._asdict(),
        "checkpoint": store.card("scenes")["sha256"][:12]}, quality={"ratio": quality.Estimate(*ratio, rounds)._asdict()})


def measure(out: Path | str | None = None, device: str = "cpu", n: int = N, steps: int = STEPS, rounds: int = 20) -> str:
    """Append the rows to conditions.jsonl."""
    if device != "cpu":
        raise ValueError("these are measured on the processor: use --device cpu")
    path = folders.results(out) / "conditions.jsonl"
    for row in (adagn(steps), *followed(n), once(rounds)):
        records.append(path, row)
    return f"recorded in {path}"
