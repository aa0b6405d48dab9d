"""`bench plane`: every distillation on the ring of `recipes.ring`, from several seeds of training; a row each.

  error       root mean squared distance to the teacher's 64 steps of DDIM from the same noises; the ring has radius 1
  within      the share of points within three standard deviations of a mode: of real ones 0.989
  modes       how many of the eight modes have at least a tenth of their share
  spread      standard deviation of the points over that of the teacher's
  mmd         unbiased squared maximum mean discrepancy to fresh points, a Gaussian kernel of twice a mode's width
Intervals are over seeds: mean, least and greatest.
"""
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .. import folders
from ..diffusion import samplers
from ..efficiency.distill.consistency import multistep
from ..measure import quality, records
from ..models import checkpoints, store
from ..recipes import ring
from ..recipes import ring_students as students

SEEDS, N = (0, 1, 2), 2000


def near(x: Tensor) -> tuple[float, int]:
    """The share of points (N, 2) within three deviations of a mode, and the number of modes that are hit."""
    away, mode = torch.cdist(x, ring.data().means).min(1)
    inside = away < 3 * ring.STD
    counts = mode[inside].bincount(minlength=ring.CLASSES)
    return inside.double().mean().item(), int((counts >= len(x) / ring.CLASSES / 10).sum())


def bell(a: Tensor, b: Tensor, width: float = 2 * ring.STD) -> Tensor:
    """A Gaussian kernel of points a (N, 2) and b (M, 2), (N, M)."""
    return torch.exp(-torch.cdist(a.double(), b.double()) ** 2 / (2 * width**2))


def found(points: Tensor, exact: Tensor) -> dict[str, float]:
    share, modes = near(points)
    real = ring.data().sample(len(points), store.seeded(77))
    return {"error": ring.apart(points, exact), "within": share, "modes": modes, "mmd": quality.mmd(points, real, bell),
            "spread": (points.std(0).norm() / exact.std(0).norm()).item()}


def over(values: list[dict[str, float]]) -> dict[str, dict]:
    """Mean, least and greatest over seeds, as estimates."""
    columns = {key: torch.tensor([value[key] for value in values], dtype=torch.float64) for key in values[0]}
    told = {key: quality.Estimate(v.mean().item(), v.min().item(), v.max().item(), len(v)) for key, v in columns.items()}
    return {key: estimate._asdict() for key, estimate in told.items()}


def free(teacher: nn.Module, exact: Tensor):
    """Samplers that cost no training."""
    for name in ("ddim", "dpmpp_2m"):
        for steps in (16, 8, 4, 2, 1):
            points = students.drawn(students.told(teacher), steps, N, samplers.SAMPLERS[name])
            yield f"{name}, {steps} steps", [found(points, exact)], steps
    yield "real points", [found(ring.data().sample(N, store.seeded(5)), exact)], 0
    yield "the teacher's 64 steps", [found(exact, exact)], 64


def trained(teacher: nn.Module, exact: Tensor, seeds: tuple[int, ...]):
    """Students that are told no class."""
    of = lambda nets, steps, sampler=samplers.ddim: [
        found(students.drawn(students.told(net), steps, N, sampler), exact) for net in nets]
    for weight in ("floor", "cap"):
        runs = [students.rounds(students.halved, teacher, 1, weight=weight, seed=seed) for seed in seeds]
        for steps in runs[0]:
            yield f"progressive, {weight}, {steps} steps", of([run[steps] for run in runs], steps), steps
    for name, shuffled in (("pairs", False), ("pairs, shuffled", True)):
        yield f"{name}, 1 step", of([students.by_pairs(teacher, shuffled, seed=seed) for seed in seeds], 1), 1
    renewed: Callable = lambda denoise, x, grid: multistep(denoise, x, grid, store.seeded(2))
    for name, distilled in (("consistency", True), ("consistency, no teacher", False)):
        nets = [students.consistent(teacher, distilled, seed=seed) for seed in seeds]
        for steps in (1, 2, 4, 8):
            yield f"{name}, {steps} steps", of(nets, steps, renewed), steps
    for name, betas in (("critic", (0.0, 0.9)), ("critic, with momentum", (0.9, 0.999))):
        yield f"{name}, 1 step", of([students.against_a_critic(teacher, betas=betas, seed=seed) for seed in seeds], 1), 1


def under_guidance(teacher: nn.Module, seeds: tuple[int, ...], steps: int = 4):
    """Students of four steps that are told a class, and used with and without guidance; "error" alone."""
    kind = torch.arange(N) % ring.CLASSES
    ways = {"no student": None, "class alone": {}, "class and none": {"null": 0.2}, "guided, w = 3": {"w": 3.0},
            "half guided, w = 3": {"w": 3.0, "share": 0.5, "null": 0.2}}
    nets = {name: [teacher] if how is None else [students.rounds(students.halved_guided, teacher, steps, seed=seed, **how)[steps]
                                                 for seed in seeds] for name, how in ways.items()}
    grid = checkpoints.denoiser("ring")[1].grid(64, ring.SPACING)
    for w in (1.0, 2.0, 3.0, 4.0):
        x = samplers.start((N, 2), grid, store.seeded(9))
        exact = samplers.last(samplers.ddim(students.told(teacher, kind, w), x, grid))
        for name, each in nets.items():
            errors = [{"error": ring.apart(students.drawn(students.told(net, kind, w), steps, N), exact)} for net in each]
            yield f"{name}, {steps} steps, used at w = {w:g}", errors, steps * (1 if w == 1 else 2)


def measure(out: Path | str | None = None, device: str = "cpu", seeds: tuple[int, ...] = SEEDS) -> str:
    """Append the rows to plane.jsonl."""
    if device != "cpu":
        raise ValueError("the plane is measured on the processor: use --device cpu")
    path, teacher = folders.results(out) / "plane.jsonl", checkpoints.load("ring")
    grid = checkpoints.denoiser("ring")[1].grid(64, ring.SPACING)
    exact = samplers.last(samplers.ddim(students.told(teacher), samplers.start((N, 2), grid, store.seeded(9)), grid))
    stamp = store.card("ring")["sha256"][:12]
    for parts in (free(teacher, exact), trained(teacher, exact, seeds), under_guidance(teacher, seeds)):
        for technique, values, nfe in tqdm(parts, desc="plane", unit="row"):
            records.append(path, records.Record(technique, nfe=nfe, quality=over(values), settings={
                "checkpoint": stamp, "seeds": list(seeds[:len(values)]), "n": N}))
    return f"recorded in {path}"
