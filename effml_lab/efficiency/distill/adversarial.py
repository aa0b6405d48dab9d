"""UFOGen (Xu et al. 2023): a student of one step whose pictures, made noisy again, a critic cannot tell from real ones.

A squared error makes a student of one step draw the mean of all that could have been meant. The critic D asks instead whether a
noisy picture could be real. From x at level cur, made of a picture x0, the student guesses x0'. Both go to a cleaner level nxt by
the *forward* kernel, each with noise of its own,
  real  x' ~ q(x_nxt | x0),      fake  x' ~ q(x_nxt | x0'),
and D sees (x', nxt) alone, not cur. That is what makes it one step: the fake is made of the guess and nothing else, so a matched
x' at every level means matched pictures, whichever level they were guessed from. (Denoising diffusion GANs draw the fake from the
posterior q(x_nxt | x, x0'), part of which is x, and need some steps.) The losses are the non-saturating ones and a pull to x0,
  L_D = softplus(-D(real)) + softplus(D(fake)),      L_G = softplus(-D(fake)) + pull |x0 - x0'|^2.
Noise is what keeps D from being sure: it blurs both until they overlap. Begun with a diffusion model's weights.
Left out: the clamp on D's answers of the authors' code.
"""
from typing import Callable

import torch.nn.functional as F
from torch import Tensor

from ...diffusion.denoise import noised
from ...diffusion.levels import Level


def critic_loss(critic: Callable, real: Tensor, fake: Tensor, level: Level, eps: tuple[Tensor, Tensor]) -> Tensor:
    """How badly the critic tells pictures (B, ...) from guesses of them, both made noisy; a scalar.

    critic: (x, level) -> (B,), high for real. eps: the noise of each, like real.
    """
    told = critic(noised(real, level, eps[0]), level), critic(noised(fake.detach(), level, eps[1]), level)
    return F.softplus(-told[0]).mean() + F.softplus(told[1]).mean()


def maker_loss(critic: Callable, real: Tensor, fake: Tensor, level: Level, eps: Tensor, pull: float) -> Tensor:
    """How badly the guesses (B, ...), made noisy, pass for real, and how far they are from the pictures; a scalar."""
    passed = F.softplus(-critic(noised(fake, level, eps), level)).mean()
    return passed + pull * (real - fake).square().mean()
