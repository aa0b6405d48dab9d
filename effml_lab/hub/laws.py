"""The noise law of each scheduler of diffusers that is followed: what its network predicts, and how noisy it begins.

  of a table      alpha-bar, as DDPM has it; Euler, Heun, LMS and KDPM2 carry x / alpha and rescale it for the network, while
                  here x is what the network sees. Euler with continuous times is fed log(sigma / alpha) / 4 instead of an index
  of flow         straight paths with t up to 1000; a shift s (Esser et al. 2024) multiplies sigma / (1 - sigma) on a grid,
                  which moves every lam by -log s
  EDM's           Karras et al. 2022; a network that learned v gives F with the other sign
DPM-Solver++ and its relatives take a table or, with use_flow_sigmas, flow. A last alpha-bar of 2^-24, which they write for
0, stays where their grid visits it. `clip_sample` becomes part of the denoiser, for those schedulers that heed it. What has
no law here is refused: refused.py.
"""
import math
from dataclasses import replace
from typing import Any, Callable, NamedTuple

from ..diffusion import levels
from ..diffusion.denoise import SIGMA_DATA
from ..diffusion.levels import Level, Schedule
from .refused import REFUSED, settings

PREDICTIONS = {"epsilon": "eps", "sample": "x0", "original_sample": "x0", "v_prediction": "v", "flow_prediction": "flow"}
IN_FLOW = ("epsilon", "sample", "flow_prediction")      # v of diffusers is that of a table alone


def _predicted(scheduler: Any, known: tuple[str, ...]) -> str:
    named = scheduler.config.get("prediction_type")
    if named not in known:
        raise ValueError(f"{type(scheduler).__name__} with prediction_type {named!r} has no counterpart here: "
                         f"this scheduler is followed with {', '.join(known)}")
    return PREDICTIONS[named]


def _table(scheduler: Any) -> tuple[str, Schedule]:
    pred = _predicted(scheduler, ("epsilon", "sample", "original_sample", "v_prediction"))
    return pred, levels.from_alphas_cumprod(scheduler.alphas_cumprod.double().cpu())


def _euler(scheduler: Any) -> tuple[str, Schedule]:
    pred, table = _table(scheduler)
    if scheduler.config.timestep_type != "continuous" or pred != "v":       # Euler heeds it for v alone
        return pred, table
    return pred, replace(levels.edm(), split=levels.vp, lams=table.lams)


def _line(total: int, shift: float) -> Schedule:
    """Straight paths with t in [0, total], and the shift in the range of lam of the grids."""
    unit = levels.flow()
    return replace(unit, to_lam=lambda t: unit.to_lam(t / total), to_t=lambda lam: total * unit.to_t(lam),
                   span=(0.0, float(total)), lams=tuple(lam - math.log(shift) for lam in unit.lams))


def _flow(scheduler: Any) -> tuple[str, Schedule]:
    return "flow", _line(scheduler.config.num_train_timesteps, scheduler.config.get("shift", 1.0))


def _either(scheduler: Any) -> tuple[str, Schedule]:
    if not scheduler.config.get("use_flow_sigmas"):
        return _table(scheduler)
    return _predicted(scheduler, IN_FLOW), _line(scheduler.config.num_train_timesteps, scheduler.config.flow_shift)


def _edm(scheduler: Any) -> tuple[str, Schedule]:
    _predicted(scheduler, ("epsilon", "v_prediction"))
    config = scheduler.config
    if config.sigma_data != SIGMA_DATA:
        raise ValueError(f"an EDM scheduler is followed with sigma_data = {SIGMA_DATA}, got {config.sigma_data}")
    return "edm", levels.edm(config.sigma_max, config.sigma_min)


def _even(config: Any, first: Level) -> float:
    return 1.0


def _rescaled(config: Any, first: Level) -> float:
    """Where x / alpha is begun at sigma / alpha, x is at sigma; else at 1."""
    return first.sigma if config.timestep_spacing in ("linspace", "trailing") else 1.0


class Law(NamedTuple):
    """A scheduler's law; the standard deviation of x where it begins, its habits."""
    read: Callable[[Any], tuple[str, Schedule]]
    spread: Callable[[Any, Level], float] = _even
    clips: bool = False             # heeds clip_sample
    strides: bool = False           # steps to t - T // n, whatever time comes next


LAWS = {
    "DDIMScheduler": Law(_table, clips=True, strides=True), "DDIMParallelScheduler": Law(_table, clips=True, strides=True),
    "DDPMScheduler": Law(_table, clips=True), "DDPMParallelScheduler": Law(_table, clips=True),
    "CogVideoXDDIMScheduler": Law(_table, strides=True), "CogVideoXDPMScheduler": Law(_table, strides=True),
    "PNDMScheduler": Law(_table, strides=True),
    "EulerDiscreteScheduler": Law(_euler, _rescaled), "EulerAncestralDiscreteScheduler": Law(_table, _rescaled),
    "HeunDiscreteScheduler": Law(_table, _rescaled, clips=True), "LMSDiscreteScheduler": Law(_table, _rescaled),
    "KDPM2DiscreteScheduler": Law(_table, _rescaled), "KDPM2AncestralDiscreteScheduler": Law(_table, _rescaled),
    "DPMSolverMultistepScheduler": Law(_either), "DPMSolverSinglestepScheduler": Law(_either),
    "DEISMultistepScheduler": Law(_either), "UniPCMultistepScheduler": Law(_either), "SASolverScheduler": Law(_either),
    "FlowMatchEulerDiscreteScheduler": Law(_flow), "FlowMatchHeunDiscreteScheduler": Law(_flow),
    "LTXEulerAncestralRFScheduler": Law(_flow),
    "EDMEulerScheduler": Law(_edm, lambda config, first: math.hypot(config.sigma_max, 1)),
    "EDMDPMSolverMultistepScheduler": Law(_edm, lambda config, first: math.hypot(config.sigma_max, 1)),
}


def law(scheduler: Any) -> Law:
    """The law of a scheduler; ValueError says in one sentence why it has none here."""
    name = scheduler.__name__ if isinstance(scheduler, type) else type(scheduler).__name__
    if isinstance(scheduler, type) or not hasattr(scheduler, "set_timesteps"):
        raise ValueError(f"from_diffusers takes a scheduler that was made, such as DDIMScheduler(), got {name}")
    why = REFUSED.get(name) or settings(scheduler.config)
    if why:
        raise ValueError(f"{name} is not followed: {why}")
    if name not in LAWS:
        raise ValueError(f"{name} is not known here: take one of {', '.join(LAWS)}")
    return LAWS[name]


def mirrored(scheduler: Any) -> bool:
    """Whether the network's output has the other sign than ours: EDM's of networks that learned v."""
    return LAWS[type(scheduler).__name__].read is _edm and scheduler.config.prediction_type == "v_prediction"
