"""The course model, told the weight of guidance: one call for what guidance takes two for (Meng et al. 2023, stage 1); lab 04.

It begins as the course model bit for bit, whatever w it is told. The weights w of a batch are uniform in [0, 4], a fifth of its
times lie where color and ground are decided, and the error counts as that of v. A first try of 4,500 steps at 3e-4, half of its
times there, left more of the error; other ways to bring w in (through two layers together with the class, or as a step from "no
class" to the class) learned as fast in a few hundred steps. What is left lies where there is little noise: there the kind can be
seen, an exact denoiser's two guesses would agree, and what w multiplies is the network's own error.
"""
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion.denoise import Denoiser, noised
from ..diffusion.guidance import guided
from ..diffusion.train import Run
from ..efficiency.distill import one_call
from ..models import checkpoints, store
from ..nets.weighted import Weighted
from . import shapes, students, training

SEED, STEPS, LR, RANGE, HIGH = 0, 12000, 1e-3, (0.0, 4.0), 0.2


def drawn(rng: torch.Generator, size: int = students.BATCH, high: float = HIGH) -> tuple:
    """Noisy scenes (size, 3, 32, 32), their levels, kinds (size,) and weights of guidance (size,)."""
    (x0, eps, kind), schedule = students.batch(rng, size), shapes.SCHEDULE()
    t = shapes.skewed(high)(torch.rand(size, 1, 1, 1, generator=rng))
    level = schedule((t * schedule.steps).floor(), like=x0)
    return noised(x0, level, eps), level, kind, weights(rng, size)


def begun(teacher: students.Teacher, device: str) -> tuple[Weighted, dict]:
    """The net that a student which is told w begins as, and what its card says of it."""
    settings = teacher.card["net"]["settings"]
    return Weighted(**settings).begin_as(teacher.net).to(device), {"net": {"kind": "weighted", "settings": settings}}


def weights(rng: torch.Generator, size: int) -> Tensor:
    """Weights of guidance (size,), uniform in the range that is trained on."""
    low, top = RANGE
    return low + (top - low) * torch.rand(size, generator=rng)


def loss(net: nn.Module, step: int, teacher: nn.Module, device: str = "cpu") -> Tensor:
    """The loss of one step, on a batch drawn from a seed made of its number."""
    x, level, kind, w = drawn(store.seeded(SEED, step))
    x, kind, w, level = x.to(device), kind.to(device), w.to(device), students.moved(level, device)
    null = torch.full((1,), shapes.CLASSES, device=device)
    with shapes.products_in(device):
        return one_call.loss(Denoiser(net, "v"), Denoiser(teacher, "v"), x, level, kind, null, w)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the student, store it as `weighted` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    teacher = students.teacher("shapes", out, device)
    net, card = begun(teacher, device)
    run = Run(net, LR, students.DECAY)
    recipe = students.recipe(run, teacher, steps or STEPS, device, w=list(RANGE)) | {"high noise": HIGH}
    about = {"recipe": __name__} | card
    return training.make("weighted", run, partial(loss, teacher=teacher.net, device=device), recipe,
                         students.like(teacher) | about, examine, out, minutes)


@torch.no_grad()
def squares(net: Denoiser, base: Denoiser, seen: tuple, w: float) -> dict[str, Tensor]:
    """Of each picture the squared error of v to that guided by w, "told w" and doing "nothing", and the "size" of that v; (n,).

    net, base: of the student and of the teacher. seen: noisy pictures, their levels and kinds, as the first of `drawn`.
    """
    x, level, kind = seen
    null = torch.full((1,), shapes.CLASSES, device=x.device)
    v = lambda guess: (level.alpha * x - guess) / level.sigma
    want = v(guided(base, kind, null, w)(x, level))
    told = {"class": kind, "w": torch.full((len(x),), w, device=x.device)}
    off = {"told w": v(net(x, level, told)) - want, "nothing": v(base(x, level, kind)) - want, "size": want}
    return {name: part.square().flatten(1).mean(1) for name, part in off.items()}


def examine(folder: Path, n: int = 480) -> dict:
    """A quick look at the stored weights: the error of v by w, relative to the guided teacher's v, and that of doing nothing."""
    pair, found = [checkpoints.denoiser(*named)[0] for named in (("weighted", folder), ("shapes",))], {}
    seen = drawn(store.seeded(SEED, -1), n, high=0.0)[:3]
    for w in (0.0, 1.0, 2.0, 3.0, 4.0):
        square = squares(*pair, seen, w)
        off = lambda name: (square[name].mean() / square["size"].mean()).sqrt().item()
        found |= {f"error of v at w = {w:g}": {"value": off("told w"), "n": n, "doing nothing": off("nothing")}}
    return {"quality": found}
