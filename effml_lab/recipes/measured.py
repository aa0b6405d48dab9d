"""How good the model of digits is: samples of its stored weights against real digits that it never saw.

All distances are taken to the 360 held-out digits, in the judge's features. What the 1,437 training images themselves
score there is the floor: as many real images, the same reference, hence the same bias, and what no model has to beat.
  frechet, kid     distances between feature distributions (`measure.quality`)
  recognizable     the share that the judge takes for a digit, at a threshold that few averages and no noise pass
  nearest          median distance (pixels, Euclidean) to the nearest training image, over that of held-out digits:
                   near 0 for a copying machine, near 1 for new digits
  evenness         entropy of the classes that the judge reads, over that of equal shares
Samples are kept in $EFFML_HOME/samples batch by batch, so a long measurement that was stopped goes on.
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

RUNS = [("ddim", 50), ("ddpm", 1000)]        # sampler, steps: trailing steps of the table


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


def judged(data: str, images: Tensor, folder=None) -> dict[str, dict]:
    """The five figures of a set of images (N, C, H, W) of a data set, with intervals."""
    (train, _), (held, _) = datasets.load(data, "train")[:2], datasets.load(data, "test")[:2]
    see = lambda x: models.features(data, x, folder)
    classes, threshold = models.read_classes(images, data, folder)[0], store.card(models.judge(data), folder)["threshold"]
    passed = (models.read_classes(images, data, folder)[1] >= threshold).double()
    count = int(datasets.load(data, "train")[1].max()) + 1
    ratio = lambda a, b: (a.median() / b.median()).item()
    estimates = {
        "frechet": quality.bootstrap(quality.frechet, see(images), see(held)),
        "kid": quality.bootstrap(quality.kid, see(images), see(held)),
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
    device_name = bench.device_name(device)
    train = datasets.load("digits", "train")[0]
    floor = {"reference": "360 held-out digits", "judge": store.card("digits_judge")["sha256"][:12]}
    bench.append(path, bench.Record("real digits, the floor", quality=judged("digits", train), settings=floor,
                                    device=device_name))
    for sampler, steps in runs:
        images = draw("digits", n, sampler, steps, device=device)
        settings = floor | {"sampler": sampler, "steps": steps, "spacing": "trailing", "seed": 0, "batch": 16,
                            "checkpoint": store.card("digits")["sha256"][:12]}
        bench.append(path, bench.Record(f"{sampler}, {steps} steps", quality=judged("digits", images), settings=settings,
                                        device=device_name, **cost("digits", sampler, steps, device=device)))
    return f"recorded in {path}"
