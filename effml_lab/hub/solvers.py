"""Which of our samplers makes the very steps of a scheduler: on its grid, from its noise, the trajectory is the same.

Where the scheduler draws noise, so does ours, in the same order: give both a generator of one seed. None: the scheduler's
solver is not among ours (a longer memory, other noise), and only its levels and its network are followed; any of SAMPLERS
walks them. DDIMScheduler clips its guess but not the noise that belongs to it, DDPMScheduler and our samplers clip both:
with clip_sample it is ours when its step is told use_clipped_model_output=True.
"""
from functools import partial
from typing import Any, Callable, Iterator

from torch import Tensor

from ..diffusion.levels import Level
from ..diffusion.samplers import ddim, ddpm, dpm_2s, dpmpp_2m, dpmpp_3m, heun, unipc

Sampler = Callable[..., Iterator[Tensor]]
SHORT = 15          # below this number of steps diffusers' solvers end with lower orders


def _always(sampler: Sampler) -> Callable[[Any], Sampler]:
    return lambda config: sampler


def _ddpm(config: Any) -> Sampler | None:
    known = {"fixed_small": "small", "fixed_small_log": "small", "fixed_large": "large"}
    return partial(ddpm, variance=known[config.variance_type]) if config.variance_type in known else None


def _third(denoise: Callable, x: Tensor, grid: list[Level]) -> Iterator[Tensor]:
    return dpmpp_3m(denoise, x, grid, factor=1.0, lower_last=len(grid) <= SHORT)


def _multistep(config: Any) -> Sampler | None:
    known = {("dpmsolver", 1): ddim, ("dpmsolver++", 1): ddim, ("dpmsolver++", 2): dpmpp_2m, ("dpmsolver++", 3): _third,
             ("sde-dpmsolver++", 1): partial(ddim, eta=1.0), ("sde-dpmsolver++", 2): partial(dpmpp_2m, eta=1.0)}
    plain = config.solver_order == 1 or config.solver_type == "midpoint" and _ends_low(config)
    return known.get((config.algorithm_type, config.solver_order)) if plain else None


def _singlestep(config: Any) -> Sampler | None:
    known = {("dpmsolver", 1): ddim, ("dpmsolver++", 1): ddim, ("dpmsolver", 2): dpm_2s}
    plain = config.solver_order == 1 or config.solver_type == "midpoint"
    return known.get((config.algorithm_type, config.solver_order)) if plain else None


def _ends_low(config: Any) -> bool:
    return config.lower_order_final and config.final_sigmas_type == "zero" and not config.get("euler_at_final")


def _unipc(config: Any) -> Sampler | None:
    second = config.solver_order == 2 and config.solver_type == "bh2" and config.predict_x0 and not config.disable_corrector
    return unipc if second and _ends_low(config) and config.get("solver_p") is None else None


OWN = {     # what is not named here has a solver of its own
    "DDIMScheduler": lambda config: None if config.clip_sample else ddim,
    "DDIMParallelScheduler": lambda config: None if config.clip_sample else ddim,
    "CogVideoXDDIMScheduler": _always(ddim),
    "DDPMScheduler": _ddpm, "DDPMParallelScheduler": _ddpm,
    "EulerDiscreteScheduler": _always(ddim), "EulerAncestralDiscreteScheduler": _always(ddpm),
    "EDMEulerScheduler": _always(ddim), "FlowMatchEulerDiscreteScheduler": _always(ddim),
    "LTXEulerAncestralRFScheduler": lambda config: None if config.eta else ddim,
    "HeunDiscreteScheduler": _always(heun), "KDPM2DiscreteScheduler": _always(dpm_2s),
    "DPMSolverMultistepScheduler": _multistep, "EDMDPMSolverMultistepScheduler": _multistep,
    "DPMSolverSinglestepScheduler": _singlestep,
    "DEISMultistepScheduler": lambda config: ddim if config.solver_order == 1 else None,
    "UniPCMultistepScheduler": _unipc,
}


def own(scheduler: Any) -> Sampler | None:
    """Our sampler with the scheduler's own steps, or None where there is none."""
    return OWN.get(type(scheduler).__name__, _always(None))(scheduler.config)
