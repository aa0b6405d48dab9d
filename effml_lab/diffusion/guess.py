"""The guess: which x0 to feed `step` so that it is of second or third order.

Along the probability-flow ODE the right guess for a step of length h = lam_nxt - lam_cur is a weighted mean of the
network's own guesses (DPM-Solver++, Lu et al. 2022b, proposition 4.1), with tau running from 0 at cur to 1 at nxt:
  x0 = integral of w(tau) x0(tau) dtau,      w(tau) = h e^(-(1 - tau) h) / (1 - e^-h).
Solvers differ in what they put for x0(tau): DDIM a constant; 2M a line through this guess and the one before, with the
mean of tau taken as 1/2; third order a parabola through three; UniPC's corrector a parabola through the guess ahead
as well. Averaging two *slopes* of the ODE in sigma / alpha (Heun; DPM-Solver-2) gives a guess of the same kind.
All of them reduce to x0 itself where h is infinite: out of alpha = 0 or into sigma = 0 a step is of first order.
Left out: fourth order and above, solvers with a memory of noise predictions.
"""
import math

import torch
from torch import Tensor

from .levels import Level


def middle(x0: Tensor, probe: Tensor, cur: Level, mid: Level, nxt: Level) -> Tensor:
    """The guess of DPM-Solver-2 (Lu et al. 2022a) from those at cur and mid; Heun's where mid is nxt.

    With r = (lam_mid - lam_cur) / h: eps = eps_cur + (eps_mid - eps_cur) / 2r, written for x0.
    """
    rise, h = mid.lam - cur.lam, nxt.lam - cur.lam
    return torch.lerp(x0, probe, math.exp(rise) * h / (2 * rise))


def forecast(x0s: list[Tensor], lams: list[float], factor: float = 2.0) -> Tensor:
    """The guess for a step from one, two or three known ones, newest first: order 1, 2 or 3.

    x0s: at cur and before. lams: of nxt, cur and before, one more than x0s. factor: see `parabola`.
    """
    (x0, *past), h = x0s, lams[0] - lams[1]
    if not past or math.isinf(h):
        return x0
    taus = [(lam - lams[1]) / h for lam in lams[2:]]
    if len(past) == 1:
        return torch.lerp(x0, past[0], 1 / (2 * taus[0]))             # DPM-Solver++(2M), algorithm 2
    return parabola(x0, (past[0], taus[0]), (past[1], taus[1]), h, factor)


def correction(x0s: list[Tensor], lams: list[float]) -> Tensor:
    """UniPC's guess for the step just made (Zhao et al. 2023, B2 = e^h - 1), once the one at its end is known.

    x0s: at nxt, cur and, where there is one, before cur. lams: theirs.
    """
    (ahead, x0, *past), h = x0s, lams[0] - lams[1]
    if math.isinf(h):
        return x0
    if not past:
        return torch.lerp(x0, ahead, 0.5)
    return parabola(x0, (ahead, 1.0), (past[0], (lams[2] - lams[1]) / h), h)


def parabola(x0: Tensor, near: tuple[Tensor, float], far: tuple[Tensor, float], h: float,
             factor: float = 2.0) -> Tensor:
    """The weighted mean of the parabola through x0 at tau = 0 and two more (guess, tau), in Newton's form.

    factor: of the second difference. 2 interpolates: order 3. 1 is the third-order update as published and as
    commonly implemented, whose measured order is 2.
    """
    first = -1 / math.expm1(-h) - 1 / h                               # the mean of tau
    second = -1 / math.expm1(-h) - 2 * first / h                      # and of tau^2
    (p, at_p), (q, at_q) = near, far
    bend = (factor / 2 * second - first * at_p) / (at_p - at_q)       # what multiplies the difference of the two slopes
    return torch.lerp(x0, p, (first + bend) / at_p) - bend / at_q * (q - x0)
