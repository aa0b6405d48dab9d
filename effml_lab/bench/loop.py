"""`bench loop`: what a sampler's loop costs when the network costs nothing, beside the same update through diffusers' scheduler.

Both loops get a constant guess of x0, so all that is timed is the arithmetic between two network calls. Schedulers keep
state between steps, so each round gets one that was set up beforehand; our grid is made beforehand too. A and B are
measured in one run, A B A B. Then the whole is timed with the course model in both loops, where the network hides most
of the difference, and both must end with the same pictures.
"""
from importlib.metadata import version
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor

from .. import folders
from ..diffusion import levels, samplers
from ..diffusion.levels import Level
from ..measure import cost, quality, records
from ..models import checkpoints, samples, store
from . import unet
from .plan_cost import sync

STEPS, SHAPE = 50, (16, 3, 32, 32)
PEERS = {       # sampler -> the class of diffusers, its settings, and our spacing of the same times
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": True, "timestep_spacing": "trailing"},
             "trailing"),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"solver_order": 2, "algorithm_type": "dpmsolver++",
                                                 "solver_type": "midpoint", "final_sigmas_type": "zero",
                                                 "timestep_spacing": "linspace"}, "linspace"),
}


def scheduler(name: str, table: Tensor, pred: str = "sample"):
    """A fresh scheduler of diffusers, set to STEPS steps of a schedule with these betas (T,)."""
    kind, settings, _ = PEERS[name]
    made = getattr(unet.package(), kind)(trained_betas=table.numpy(), prediction_type=pred, **settings)
    made.set_timesteps(STEPS)
    return made


def betas(schedule: levels.Schedule) -> Tensor:
    """The one-step variances (T,) of a schedule with a table."""
    alpha = torch.tensor([schedule(float(t)).alpha for t in range(schedule.steps)], dtype=torch.float64)
    return 1 - (alpha / torch.cat([torch.ones(1, dtype=torch.float64), alpha[:-1]])) ** 2


@torch.no_grad()
def theirs(made, net: Callable, x: Tensor) -> Tensor:
    """diffusers' loop: net(x, t) -> its prediction."""
    for t in made.timesteps:
        x = made.step(net(x, t), t, x).prev_sample
    return x


def compared(name: str, ours: Callable, peer: Callable, table: Tensor, pred: str, x: Tensor, grid: list[Level],
             rounds: int, device: str) -> tuple[cost.Ratio, cost.Times, cost.Times]:
    """Time of our loop over theirs, each round with a scheduler set up beforehand."""
    fresh = iter([scheduler(name, table, pred) for _ in range(rounds + 4)])
    mine = lambda: samplers.last(samplers.SAMPLERS[name](ours, x, grid))
    other = lambda: theirs(next(fresh), peer, x)
    apart = (mine() - other()).abs().max().item()
    if not apart < 1e-2:
        raise RuntimeError(f"the two loops of {name} end {apart:.2g} apart: they are not the same update")
    return cost.ratio(mine, other, rounds, warmup=3, sync=sync(device))


def free(name: str, rounds: int, device: str) -> tuple:
    """With a guess that costs nothing."""
    schedule, rng = levels.linear(), store.seeded(0)
    grid = schedule.grid(STEPS, PEERS[name][2])
    x, guess = (torch.randn(SHAPE, generator=rng).to(device) for _ in range(2))
    ours, peer = lambda x, level: guess, lambda x, t: guess
    return compared(name, ours, peer, betas(schedule), "sample", x, grid, rounds, device)


def whole(name: str, rounds: int, device: str) -> tuple:
    """With the course model in both loops."""
    plan = samples.Plan("shapes", name, STEPS, PEERS[name][2], SHAPE[0])
    denoise, told, x, grid = samples.prepared(plan, 0, device)
    kinds, schedule = samples.kinds("shapes", len(x)).to(device), checkpoints.denoiser("shapes")[1]
    net = lambda x, t: denoise.net(x, t.expand(len(x)).to(x), kinds)
    return compared(name, told, net, betas(schedule), "v_prediction", x, grid, rounds, device)


CASES = {"a network that costs nothing": (free, 40), "the course model": (whole, 11)}       # and how many rounds


def measure(out: Path | str | None = None, device: str = "cpu", cases: dict = CASES) -> str:
    """Time both loops of each sampler, and append a record for each to loop.jsonl."""
    path = folders.results(out) / "loop.jsonl"
    for label, (timed, rounds) in cases.items():
        for name in PEERS:
            ratio, mine, other = timed(name, rounds, device)
            settings = {"steps": STEPS, "shape": SHAPE, "theirs ms": other._asdict(), "diffusers": version("diffusers")}
            records.append(path, records.Record(
                f"{name}, ours to diffusers', {label}", ms=mine._asdict(), settings=settings,
                quality={"ratio": quality.Estimate(*ratio, rounds)._asdict()}, device=records.device_name(device)))
    return f"recorded in {path}"
