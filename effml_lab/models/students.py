"""Students of the course model: where each is asked, and by which sampler.

A student knows the levels that it was trained at and no others, so its card says under "use" which these are: every k-th one
of a teacher's grid, ends included, and the name of its sampler. One that is asked at any level says so by having no stops:
then the grid is the caller's.
"""
from pathlib import Path
from typing import Callable

from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..diffusion.levels import Level, Schedule
from ..efficiency.distill.consistency import multistep
from ..efficiency.distill.stops import halve
from . import checkpoints, store

SAMPLERS: dict[str, Callable] = {"ddim": samplers.ddim, "multistep": multistep}


def stops(schedule: Schedule, steps: int, of: int, spacing: str) -> list[Level]:
    """The levels of a student of so many steps: every second one of the grid of `of` steps, as often as it takes."""
    grid = schedule.grid(of, spacing)
    while len(grid) > steps + 1:
        grid = halve(grid)
    if len(grid) != steps + 1:
        raise ValueError(f"{of} steps halved again and again are never {steps}")
    return grid


def student(name: str, folder: Path | str | None = None, steps: int | None = None) -> tuple[Denoiser, list[Level], Callable]:
    """A student as a Denoiser, its stops and its sampler. steps: another number than it was made for, on the same levels."""
    denoise, schedule = checkpoints.denoiser(name, folder)
    use = store.card(name, folder).get("use")
    if use is None:
        raise ValueError(f"{name!r} is not a student of so many steps: its card names none")
    return denoise, stops(schedule, steps or use["steps"], use["of"], use["spacing"]), SAMPLERS[use["sampler"]]
