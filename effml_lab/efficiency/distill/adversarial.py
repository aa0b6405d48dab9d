"""UFOGen (Xu et al. 2023): a student of one step whose pictures, made noisy again, a critic cannot tell from real ones.

A squared error makes a student of one step draw the mean of all that could have been meant. The critic D asks instead whether a
noisy picture could be real. From x at level cur, made of a picture x0, the student guesses x0'. Both go to a cleaner level nxt by
the *forward* kernel, each with noise of its own,
  real  x' ~ q(x_nxt | x0),      fake  x' ~ q(x_nxt | x0'),
and D sees (x', nxt) alone, not cur. That is what makes it one step: the fake is made of the guess and nothing else, so a matched
x' at every level means matched pictures, whichever level they were guessed from. (Denoising diffusion GANs draw the fake from the
posterior q(x_nxt | x, x0'), part of which is x, and need some steps.) The losses are the non-saturating ones and a pull to x0,
  L_D = softplus(-D(real)) + softplus(D(fake)),      L_G = softplus(-D(fake)) + pull min(SNR, 1) |x0 - x0'|^2.
Noise is what keeps D from being sure: it blurs both until they overlap. The pull counts at levels where x0 can be known: in pure
noise it would ask for the mean again. Both begin with a diffusion model's weights, D with a last layer of zeros.
Ours, and not the paper's: min(SNR, 1) on the pull, jumps to any cleaner level (the paper's go to the next), three in four from
pure noise, two turns of the critic for one, a critic that is a way down alone. Left out: the clamp on D's answers of the authors'
code.
"""
from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...diffusion.denoise import noised
from ...diffusion.levels import Level
from .stops import alike, error


def critic_loss(critic: Callable, real: Tensor, fake: Tensor, level: Level, eps: tuple[Tensor, Tensor]) -> Tensor:
    """How badly the critic tells pictures (B, ...) from guesses of them, both made noisy; a scalar.

    critic: (x, level) -> (B,), high for real. eps: the noise of each, like real.
    """
    for other in (fake, *eps):
        alike(other, real)
    says_real = critic(noised(real, level, eps[0]), level)
    says_fake = critic(noised(fake.detach(), level, eps[1]), level)
    return F.softplus(-says_real).mean() + F.softplus(says_fake).mean()


def maker_loss(critic: Callable, real: Tensor, fake: Tensor, cur: Level, nxt: Level, eps: Tensor, pull: float = 0.1) -> Tensor:
    """How badly guesses (B, ...) made at cur pass for real at nxt, and how far they are from the pictures; a scalar.

    critic: as of `critic_loss`. eps: the noise of the guesses at nxt. pull: the weight of the distance.
    """
    passed = F.softplus(-critic(noised(fake, nxt, eps), nxt)).mean()
    return passed + pull * error(fake, real, cur, "cap")


def jumps(count: int, size: int, rng: torch.Generator, top: float = 0.75) -> tuple[Tensor, Tensor]:
    """For each row the numbers of cur and nxt among `count` levels, (size,) each; a share `top` of them begins at the first.

    The first is where the student is used.
    """
    if count < 2:
        raise ValueError(f"a jump takes two levels or more, got {count}")
    cur = torch.randint(count - 1, (size,), generator=rng)
    cur = torch.where(torch.rand(size, generator=rng) < top, 0, cur)
    return cur, cur + 1 + (torch.rand(size, generator=rng) * (count - 1 - cur)).long()


def makers_turn(step: int, every: int = 3) -> bool:
    """Whether this step of training is the maker's, one in `every`, and not the critic's."""
    return step % every == 0
