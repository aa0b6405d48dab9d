"""All exercises of the course by id: one module a topic, each with a tuple EXERCISES, in the order of the lab."""
from . import ddpm_ancestral, ddpm_forward, ddpm_kept, ddpm_loss, ddpm_reverse, latency
from . import (
    sampler_2m, sampler_ddim, sampler_grid, sampler_heun, sampler_order, sampler_score, sampler_sde, sampler_speed,
    sampler_third)

MODULES = (ddpm_forward, ddpm_loss, ddpm_reverse, ddpm_ancestral, ddpm_kept, latency,
           sampler_score, sampler_sde, sampler_ddim, sampler_heun, sampler_2m, sampler_order, sampler_third,
           sampler_grid, sampler_speed)
EXERCISES = {exercise.id: exercise for module in MODULES for exercise in module.EXERCISES}


def of_lab(lab: str) -> list[str]:
    """The ids of a lab's exercises, in order; lab: its number, "01", or its name, "01_ddpm"."""
    return [id for id in EXERCISES if id.startswith(lab[:2] + "-")]
