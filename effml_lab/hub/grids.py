"""Where a scheduler of diffusers stops, as a list of our levels.

What counts is what its network is asked: the t that it is fed, often rounded, and the noise of what it sees then. Three
things stand in the way of reading that off: schedulers of higher order visit a level twice, KDPM2 keeps the levels between its
steps in a second list, and the DDIM family moves to t - T // n, whatever time it visits next.
"""
import copy
import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..diffusion import levels
from ..diffusion.levels import CLEAN, Level, Schedule
from .laws import law


def whole(n: int | None, elsewhere: bool = False) -> None:
    """Ask for a whole number of steps; None is one where it is said elsewhere."""
    if n is None and elsewhere:
        return
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"a grid takes a whole number of steps, 1 at least, got {n}")


def grid(scheduler: Any, schedule: Schedule, n: int | None, **options) -> list[Level]:
    """The levels that a scheduler's network sees, and the one where it ends; each once.

    t is what it feeds the network, often rounded.
    """
    scheduler = copy.deepcopy(scheduler)            # set_timesteps changes it
    try:
        scheduler.set_timesteps(*() if n is None else (n,), **options)
    except TypeError as error:                      # diffusers' own words name the option
        raise ValueError(f"{type(scheduler).__name__} makes no grid of this: {error}") from None
    times = [float(t) for t in scheduler.timesteps]
    if hasattr(scheduler, "sigmas"):
        found = [Level(*fields) for fields in zip(times + [0.0], *_split(schedule, _seen(scheduler, len(times))))]
    else:
        if law(scheduler).strides:
            _evenly(scheduler, times)
        clean = float(getattr(scheduler, "final_alpha_cumprod", 1.0)) == 1
        found = [schedule(t) for t in times] + [CLEAN if clean else schedule(0.0)]
    return found[:1] + [nxt for cur, nxt in pairwise(found) if not math.isclose(cur.lam, nxt.lam, abs_tol=1e-5)]


def _seen(scheduler: Any, count: int) -> Tensor:
    """The sigmas of the network's inputs; KDPM2 keeps those between its steps in a second list."""
    sigmas = scheduler.sigmas.double().cpu()
    if not hasattr(scheduler, "sigmas_interpol"):
        return sigmas
    between = scheduler.sigmas_interpol.double().cpu()
    late = 1 if hasattr(scheduler, "sigmas_up") else 0             # the ancestral list begins a place earlier
    return torch.stack([between[k - late] if k % 2 else sigmas[k] for k in range(count)] + [sigmas[-1]])


def _evenly(scheduler: Any, times: list[float]) -> None:
    stride, config = scheduler.config.num_train_timesteps // scheduler.num_inference_steps, scheduler.config
    moves = (stride,) if config.get("skip_prk_steps", True) else (stride, stride // 2)      # Runge-Kutta stops half way
    if any(t >= stride and not any(t - move in times for move in moves) for t in times):
        raise ValueError(f"{type(scheduler).__name__} with timestep_spacing {config.timestep_spacing!r} steps to other levels "
                         f"than it visits next, for this number of steps: take one that divides {config.num_train_timesteps}, "
                         "or model.schedule.grid")


def _split(schedule: Schedule, sigmas: Tensor) -> list[list[float]]:
    """Our alphas and sigmas of a scheduler's sigmas, which are sigma itself for flow and sigma / alpha otherwise."""
    lam = torch.special.logit(1 - sigmas) if schedule.split is levels.straight else -sigmas.log()
    return [field.tolist() for field in schedule.split(lam)]
