"""How good the model of digits is: samples of its stored weights against real digits that it never saw.

All distances are taken to the 360 held-out digits, in the judge's features. What the 1,437 training images themselves
score there is the floor: as many real images, the same reference, hence the same bias, and what no model has to beat.
  frechet, kid     distances between feature distributions (`measure.quality`)
  recognizable     the share that the judge takes for a digit, at a threshold that few averages and no noise pass
  nearest          median distance (pixels, Euclidean) to the nearest training image, over that of held-out digits:
                   near 0 for a copying machine, near 1 for new digits
  evenness         entropy of the classes that the judge reads, over that of equal shares
Samples are kept in $EFFML_HOME/samples, batch by batch, until they are recorded: a stopped measurement goes on.
"""
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import datasets
from ..diffusion import samplers
from ..measure import bench, quality
from . import models, store

RUNS = [("ddim", 10), ("ddim", 50), ("ddpm", 100), ("ddpm", 1000)]       # sampler, steps: trailing steps of the table


def batch(name: str, sampler: str, steps: int, size: int, seed: int, index: int, folder=None, device="cpu") -> Tensor:
    """One batch of samples (size, C, H, W) of a checkpoint; it depends on the seed and its index alone."""
    denoise, schedule = models.denoiser(name, folder)
    denoise.net.to(device)
    grid, rng = schedule.grid(steps, "trailing"), store.seeded(seed, index)
    x = samplers.start((size, *store.card(name, folder)["shape"]), grid, rng, device)
    return samplers.last(samplers.SAMPLERS[sampler](denoise, x, grid, rng=rng)).cpu()


def draw(name: str, n: int, sampler: str = "ddim", steps: int = 50, seed: int = 0, size: int = 240, folder=None,
         device: str = "cpu") -> Tensor:
    """n samples (n, C, H, W) of a checkpoint, kept on disk by batch and read back where they are there already."""
    stamp, batches = store.card(name, folder)["sha256"][:12], []
    for i in tqdm(range(-(-n // size)), desc=f"{sampler}, {steps} steps", unit="batch", leave=False):
        path = store.home() / "samples" / f"{name}-{stamp}-{sampler}-{steps}-{seed}-{size}-{i}.safetensors"
        if not path.exists():
            store.write(path, {"images": batch(name, sampler, steps, size, seed, i, folder, device)})
        batches.append(store.read_state(path)[0]["images"])
    return torch.cat(batches)[:n]


def forget(name: str, sampler: str, steps: int) -> None:
    """Remove the kept samples of a sampler: the next measurement draws them again, with the code of its day."""
    for path in (store.home() / "samples").glob(f"{name}-*-{sampler}-{steps}-*.safetensors"):
        path.unlink()


def judged(data: str, images: Tensor, folder=None) -> dict[str, dict]:
    """The five figures of a set of images (N, C, H, W) of a data set, with intervals."""
    (train, labels), (held, _) = datasets.load(data, "train")[:2], datasets.load(data, "test")[:2]
    seen, real = models.features(data, images, folder), models.features(data, held, folder)
    classes, passed = models.read_classes(images, data, folder)[0], models.recognizable(images, data, folder).double()
    count, ratio = int(labels.max()) + 1, lambda a, b: (a.median() / b.median()).item()
    estimates = {
        "frechet": quality.bootstrap(quality.frechet, seen, real),
        "kid": quality.bootstrap(quality.kid, seen, real),
        "recognizable": quality.bootstrap(lambda p: p.mean().item(), passed),
        "nearest": quality.bootstrap(ratio, quality.nearest(images, train), quality.nearest(held, train)),
        "evenness": quality.bootstrap(partial(quality.evenness, classes=count), classes),
    }
    return {name: estimate._asdict() for name, estimate in estimates.items()}


def cost(name: str, sampler: str, steps: int, folder=None, device: str = "cpu", size: int = 16) -> dict:
    """nfe, ms of a batch of `size`, bytes and MACs of a sampler on a checkpoint."""
    denoise, schedule = models.denoiser(name, folder)
    denoise.net = bench.Counted(denoise.net.to(device))
    grid, shape = schedule.grid(steps, "trailing"), tuple(store.card(name, folder)["shape"])
    x = samplers.start((size, *shape), grid, store.seeded(0), device)
    run = lambda: samplers.last(samplers.SAMPLERS[sampler](denoise, x, grid, rng=store.seeded(1)))
    run()
    nfe = denoise.net.nfe(size)
    one = bench.macs(denoise.net.net, x[:1], torch.zeros(1, device=device))
    sync = torch.cuda.synchronize if torch.device(device).type == "cuda" else None
    times = bench.timed(run, warmup=0, repeats=5, sync=sync)
    return {"nfe": nfe, "ms": times._asdict(), "macs": int(one * nfe), "bytes": store.card(name, folder)["bytes"]}


def digits(out: Path | str | None = None, device: str = "cpu", n: int = 1437, runs=RUNS) -> str:
    """Measure the checkpoint `digits` and append one record a sampler, and one of the floor, to digits.jsonl."""
    path = Path(out or store.home() / "results") / "digits.jsonl"
    shared = {"reference": "360 held-out digits", "judge": store.card("digits_judge")["sha256"][:12]}
    record = partial(bench.Record, device=bench.device_name(device))
    bench.append(path, record("real digits, the floor", settings=shared,
                              quality=judged("digits", datasets.load("digits", "train")[0][:n])))
    for sampler, steps in runs:
        settings = shared | {"sampler": sampler, "steps": steps, "spacing": "trailing", "seed": 0, "batch": 16,
                             "checkpoint": store.card("digits")["sha256"][:12]}
        quality_of = judged("digits", draw("digits", n, sampler, steps, device=device))
        bench.append(path, record(f"{sampler}, {steps} steps", settings=settings, quality=quality_of,
                                  **cost("digits", sampler, steps, device=device)))
        forget("digits", sampler, steps)
    return f"recorded in {path}"
