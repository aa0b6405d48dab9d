"""Students of the course model: where each is asked, and by which sampler.

A student knows the levels that it was trained at and no others, so its card says under "use" which these are: those of a grid
of `of` steps, halved until `steps` are left, and the name of its sampler. One that was trained at the whole grid, and takes any
number of steps on it, has the sampler "multistep".
"""
from pathlib import Path
from typing import Callable

from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..diffusion.levels import Level, Schedule
from ..efficiency.distill.consistency import multistep
from ..efficiency.distill.stops import halved
from . import checkpoints, store

SAMPLERS: dict[str, Callable] = {"ddim": samplers.ddim, "multistep": multistep}


def stops(schedule: Schedule, steps: int, of: int, spacing: str) -> list[Level]:
    """The levels of a student of so many steps: those of the grid of `of` steps, halved again and again."""
    return halved(schedule.grid(of, spacing), steps)


def student(name: str, folder: Path | str | None = None, steps: int | None = None) -> tuple[Denoiser, list[Level], Callable]:
    """A student as a Denoiser, its stops and its sampler. steps: another number than it was made for, of the same levels."""
    denoise, schedule = checkpoints.denoiser(name, folder)
    use = store.card(name, folder).get("use")
    if use is None:
        raise ValueError(f"{name!r} is not a student of so many steps: its card names none")
    steps = use["steps"] if steps is None else steps
    if use["sampler"] != "multistep" and steps > use["steps"]:
        raise ValueError(f"{name!r} was trained at {use['steps']} levels and knows no others: take no more steps, got {steps}")
    return denoise, stops(schedule, steps, use["of"], use["spacing"]), SAMPLERS[use["sampler"]]
