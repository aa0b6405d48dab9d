"""The nets that lab 05 quantizes, each with what its layers see on the way from noise to picture.

  unet      the course model                 dit      a transformer on the same task
  rescaled, shifted   the DiT with outliers that were planted in one of two exact ways (efficiency/planted.py)
"""
from functools import partial
from typing import Callable, NamedTuple

import torch
from torch import Tensor, nn

from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..diffusion.guidance import guided
from ..diffusion.levels import Level
from ..efficiency import calibrate
from ..efficiency.planted import planted
from ..measure import quality, records
from ..models import checkpoints, reader, store
from ..models.samples import SPACING
from ..recipes import shapes

NETS: dict[str, tuple[str, Callable[[nn.Module], nn.Module]]] = {
    "unet": ("shapes", lambda net: net), "dit": ("dit", lambda net: net),
    "rescaled": ("dit", partial(planted, kind="rescaled")), "shifted": ("dit", partial(planted, kind="shifted"))}
STEPS, FITTED = 12, 48          # of 2M; pictures that calibrate


class Bed(NamedTuple):
    """A net, its grid, and what its layers were given on paths of their own noises."""
    name: str
    checkpoint: str
    net: nn.Module
    grid: list[Level]
    seen: calibrate.Seen


def told(net: nn.Module, n: int, first: int = 0) -> Callable:
    """A net as a denoiser (x, level) of n pictures, asked for the kinds in turn, unguided."""
    kinds = (first + torch.arange(n)) % shapes.CLASSES
    return guided(Denoiser(net, "v"), kinds, torch.full((1,), shapes.CLASSES), 1.0)


def bed(name: str, fitted: int = FITTED, visits: int = 4) -> Bed:
    """One of NETS, calibrated on so many states of the paths of `fitted` pictures."""
    checkpoint, change = NETS[name]
    net, grid = change(checkpoints.load(checkpoint)), shapes.SCHEDULE().grid(STEPS, SPACING)
    return Bed(name, checkpoint, net, grid, calibrate.calibrate(
        told(net, fitted), net, calibrate.chosen(path(net, grid, fitted), "uniform", visits)))


def path(net: nn.Module, grid: list[Level], n: int) -> list[calibrate.Visit]:
    """The states of n pictures on the way down, from noises that nothing is measured on."""
    x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, store.seeded(1))
    return calibrate.trajectory(told(net, n), x, grid, samplers.dpmpp_2m)


def drawn(net: nn.Module, grid: list[Level], n: int, size: int = 60) -> Tensor:
    """n pictures, (n, 3, 32, 32); their noises are those of no path above."""
    parts = []
    for i in range(0, n, size):
        x = samplers.start((min(size, n - i), 3, reader.SIZE, reader.SIZE), grid, store.seeded(0, i // size))
        parts.append(samplers.last(samplers.dpmpp_2m(told(net, len(x), i), x, grid)))
    return torch.cat(parts)


def measured(technique: str, net: nn.Module, size: int, n: int) -> records.Record:
    """The point of a net that stands in for the DiT: how far its pictures are from the DiT's own; size: its bytes."""
    grid = shapes.SCHEDULE().grid(STEPS, SPACING)
    errors = quality.paired_errors(drawn(net, grid, n), drawn(checkpoints.load("dit"), grid, n))
    return records.Record(technique, nfe=STEPS, bytes=size, quality={key: row._asdict() for key, row in errors.items()})
