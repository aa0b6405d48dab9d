"""Students of the ring's net, each trained in seconds: every distillation of lab 04 where its points can be looked at.

All are told no class, but those of `halved_guided`, and all begin with the weights of the net that teaches them. `loss` and the
like are the package's; a notebook hands in a student's own.
"""
import copy
from typing import Callable

import torch
from torch import Tensor, nn

from ..diffusion import samplers
from ..diffusion.denoise import Denoiser, noised
from ..diffusion.guidance import dropped, guided
from ..diffusion.levels import Level
from ..diffusion.train import Run, fit
from ..efficiency.distill import adversarial, aware, consistency, one_step, progressive
from ..efficiency.distill.stops import picked
from ..models import store
from ..nets.points import PointNet
from . import ring, students

NOBODY = torch.tensor([ring.CLASSES])           # no class


def told(net: nn.Module, kind: Tensor = NOBODY, w: float | Tensor = 1.0) -> Callable:
    """A net of v as a denoiser (x, level) -> x0 that is told classes, (B,) or (1,), guided by w."""
    return guided(Denoiser(net, "v"), kind, NOBODY, w)


def drawn(denoise: Callable, steps: int, n: int = 2000, sampler: Callable = samplers.ddim, seed: int = 9) -> Tensor:
    """n points of a sampler on the stops of so many steps, (n, 2), from noises that all share."""
    grid = ring.grid(steps)
    return samplers.last(sampler(denoise, samplers.start((n, 2), grid, store.seeded(seed)), grid))


def triples(steps: int, rng: torch.Generator) -> tuple[Tensor, tuple[Level, Level, Level], Tensor]:
    """Noisy points (B, 2) at stops of a student of so many steps, (cur, mid, nxt) of its teacher's grid, and classes (B,)."""
    x0, eps, kind = ring.batch(rng)
    index = 2 * torch.randint(steps, (len(x0),), generator=rng)
    cur, mid, nxt = (picked(ring.grid(2 * steps), index + i, x0) for i in range(3))
    return noised(x0, cur, eps), (cur, mid, nxt), kind


def batches(steps: int, count: int, seed: int = 0) -> list[tuple[Tensor, Level, Level, Level]]:
    """So many batches (z, cur, mid, nxt) for a student of so many steps."""
    return [(z, *levels) for z, levels, _ in (triples(steps, store.seeded(seed + 1, i)) for i in range(count))]


def halved(teacher: nn.Module, steps: int, weight: str = "floor", training: int = 300, seed: int = 0) -> nn.Module:
    """The progressive student of so many steps of a teacher of twice as many."""
    def loss(net: nn.Module, rng: torch.Generator) -> Tensor:
        z, levels, _ = triples(steps, rng)
        return progressive.loss(told(net), told(teacher), z, *levels, weight)
    return ring.learned(teacher, loss, training, seed=seed)


def halved_guided(teacher: nn.Module, steps: int, w: float = 1.0, share: float = 1.0, null: float = 0.0, training: int = 300,
                  seed: int = 0, loss: Callable = aware.loss) -> nn.Module:
    """The same of a net that is told the class: in a share of the steps both are guided by w, in the others neither.

    null: the share of points that are told no class where nothing is guided, so that this guess is learned too.
    """
    def each(net: nn.Module, rng: torch.Generator) -> Tensor:
        z, levels, kind = triples(steps, rng)
        if w != 1 and torch.rand((), generator=rng) < share:
            return loss(Denoiser(net, "v"), Denoiser(teacher, "v"), z, *levels, kind, NOBODY, w)
        kind = dropped(kind, NOBODY, null, rng)
        return progressive.loss(told(net, kind), told(teacher, kind), z, *levels)
    return ring.learned(teacher, each, training, seed=seed)


def rounds(train: Callable, teacher: nn.Module, to: int, **how) -> dict[int, nn.Module]:
    """The students of 16, 8, ... down to `to` steps, each the teacher of the next. train: `halved` or `halved_guided`."""
    found, steps = {}, ring.FULL
    while steps > to:
        steps //= 2
        found[steps] = teacher = train(teacher, steps, **how)
    return found


def by_pairs(teacher: nn.Module, shuffled: bool = False, n: int = 8192, training: int = 1500, seed: int = 0,
             loss: Callable = one_step.loss) -> nn.Module:
    """The student of one step, of n stored pairs of the teacher's 32 steps. shuffled: each point with another's noise."""
    x = samplers.start((n, 2), ring.grid(), store.seeded(seed, 1))
    ends = samplers.last(samplers.ddim(told(teacher), x, ring.grid()))
    ends = ends[torch.randperm(n, generator=store.seeded(seed, 2))] if shuffled else ends

    def each(net: nn.Module, rng: torch.Generator) -> Tensor:
        rows = torch.randint(n, (ring.BATCH,), generator=rng)
        return loss(told(net), x[rows], ends[rows], ring.grid()[0])
    return ring.learned(teacher, each, training, seed=seed)


def consistent(teacher: nn.Module, distilled: bool = True, training: int = 1500, seed: int = 0,
               loss: Callable = consistency.loss) -> nn.Module:
    """A consistency model, by the teacher's guesses or by the points themselves; it begins as the teacher either way."""
    run, grid = Run(copy.deepcopy(teacher).train().requires_grad_(), 1e-3, ring.DECAY), ring.grid()

    def each(net: nn.Module, step: int) -> Tensor:
        rng = store.seeded(seed + 1, step)
        x0, eps, _ = ring.batch(rng)
        index = torch.randint(ring.FULL, (len(x0),), generator=rng)
        cur, nxt = picked(grid, index, x0), picked(grid, index + 1, x0)
        x = noised(x0, cur, eps)
        with torch.no_grad():
            guess = told(teacher)(x, cur) if distilled else x0
        return loss(told(net), told(run.ema), x, guess, cur, nxt)
    for _ in fit(run, each, training, warmup=20):
        pass
    return run.ema


def against_a_critic(teacher: nn.Module, training: int = 6000, lr: float = 6e-4, betas: tuple[float, float] = (0.0, 0.9),
                     seed: int = 0, loss: Callable = adversarial.critic_loss) -> nn.Module:
    """UFOGen's student of one step; one training step in three is its own, the others are the critic's."""
    torch.manual_seed(seed)
    critic, theirs = PointNet(**ring.NET, out=1), teacher.state_dict()
    critic.load_state_dict({key: own if key.startswith("leave") else theirs[key] for key, own in critic.state_dict().items()})
    pair = nn.ModuleDict({"maker": copy.deepcopy(teacher), "critic": critic}).requires_grad_()
    run = Run(pair, lr, 0.998, betas=betas)

    def each(net: nn.ModuleDict, step: int) -> Tensor:
        rng = store.seeded(seed + 1, step)
        x0, eps, _ = ring.batch(rng)
        again = [torch.randn(x0.shape, generator=rng) for _ in range(2)]
        cur, nxt = (picked(ring.grid(), index, x0) for index in adversarial.jumps(ring.FULL, len(x0), rng))
        critic = lambda x, level: net["critic"](x, level.t.flatten())[:, 0]
        makers = adversarial.makers_turn(step)
        students.only(net, "maker" if makers else "critic")
        fake = told(net["maker"])(noised(x0, cur, eps), cur)
        if makers:
            return adversarial.maker_loss(critic, x0, fake, cur, nxt, again[0])
        return loss(critic, x0, fake, nxt, again)
    for _ in fit(run, each, training, warmup=20):
        pass
    return run.ema["maker"]
