"""Knowledge distillation into one step (Luhman and Luhman 2021): from the noise straight to the teacher's picture.

A deterministic teacher makes one picture of each noise x_T. The student, begun with the teacher's weights and asked at the
first level alone, is trained on stored pairs,
  L = 1/2 E |student(x_T) - teacher(x_T)|^2      (eq. 4; a factor of the loss does not matter here).
A picture must keep its own noise: the best answer to pairs that were shuffled is the mean of all pictures. What is paid is
mostly the pairs, pictures times the teacher's calls, before the first step of training.
"""
from typing import Callable

from torch import Tensor

from ...diffusion.levels import Level
from .stops import alike


def loss(student: Callable, x: Tensor, image: Tensor, level: Level) -> Tensor:
    """The mean squared error of the student's guess at the noise x (B, ...) to the teacher's pictures of it; a scalar.

    student: (x, level) -> x0. level: the first of the teacher's grid.
    """
    guess = student(x, level)
    alike(guess, image)
    return (guess - image).square().mean()
