"""A consistency model of the guided path: few steps and one call a step, told w (LCM, Luo et al. 2023); lab 04.

It begins as the course model, whatever w it is told, and learns from that model, guided, as LCM does from Stable Diffusion: one
DDIM step from neighbour to neighbour, levels and copy as in `consistency`, w as in `weighted`. LCM skips twenty of a thousand
levels from neighbour to neighbour; these are neighbours of 32. Used with up to four steps and fresh noise between them.
"""
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..diffusion.guidance import guided
from ..diffusion.levels import Level
from ..diffusion.train import Run
from ..efficiency.distill import consistency as method
from ..models import checkpoints, reader, samples, store
from ..models.students import student
from . import consistency, shapes, students, training, weighted

SEED, STEPS = 0, 4500


def loss(net: nn.Module, step: int, slow: nn.Module, teacher: nn.Module, grid: list[Level], device: str = "cpu") -> Tensor:
    """The loss of one step, on a batch drawn from a seed made of its number."""
    rng = store.seeded(SEED, step)
    _, kind, x, cur, nxt = students.neighbours(rng, grid, device)
    w = weighted.weights(rng, len(x)).to(device)
    null = torch.full((1,), shapes.CLASSES, device=device)
    with shapes.products_in(device):
        nets = (Denoiser(each, "v") for each in (net, slow, teacher))
        return method.guided_loss(*nets, x, cur, nxt, kind, null, w, consistency.WEIGHT)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the student, store it as `consistency_guided` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    teacher = students.teacher("shapes", out, device)
    net, card = weighted.begun(teacher, device)
    run = Run(net, students.LR, consistency.DECAY)
    recipe = students.recipe(run, teacher, steps or STEPS, device, weight=consistency.WEIGHT, w=list(weighted.RANGE))
    about = {"recipe": __name__} | card | students.use(4, consistency.FULL, "multistep")
    grid = shapes.SCHEDULE().grid(consistency.FULL, samples.SPACING)
    each = partial(loss, slow=run.ema, teacher=teacher.net, grid=grid, device=device)
    return training.make("consistency_guided", run, each, recipe, students.like(teacher) | about, examine, out, minutes)


def examine(folder: Path, n: int = 480) -> dict:
    """A quick look at the stored weights: the share of n pictures with the wanted kind, by w and by steps.

    Beside it that of the course model's 2M under guidance with as many calls, which is half as many steps.
    """
    kind, found = torch.arange(n) % shapes.CLASSES, {}
    base, schedule = checkpoints.denoiser("shapes")
    shown = lambda sampler, denoise, x, grid: (reader.attributes(samplers.last(sampler(denoise, x, grid))).kind == kind).double()
    for w in (2.0, 4.0):
        for steps in (2, 4):
            denoise, grid, sampler = student("consistency_guided", folder, steps)
            x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, store.seeded(SEED, -1))
            told = {"class": kind, "w": torch.full((n,), w)}
            mine = shown(partial(sampler, rng=store.seeded(SEED, -2)), partial(denoise, cond=told), x, grid)
            two = guided(base, kind, torch.tensor([shapes.CLASSES]), w)
            theirs = shown(samplers.dpmpp_2m, two, x, schedule.grid(steps // 2, "quadratic"))      # its best grid of so few
            found[f"wanted kind at w = {w:g}, {steps} calls"] = {
                "value": mine.mean().item(), "n": n, "guided 2M": theirs.mean().item()}
    return {"quality": found}
