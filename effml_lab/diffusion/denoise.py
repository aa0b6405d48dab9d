"""From a network's output to the clean image, and back to what the network is trained on.

A Denoiser is the one contract that samplers know: (x, level) -> x0. What the network predicts is hidden here,
in one table, for x = alpha * x0 + sigma * eps at any (alpha, sigma):
  eps    the noise (Ho et al. 2020)                     x0 = (x - sigma o) / alpha
  x0     the clean image                                x0 = o
  v      alpha eps - sigma x0 (Salimans and Ho 2022)    x0 = (alpha x - sigma o) / (alpha^2 + sigma^2)
  flow   eps - x0 (Lipman et al. 2023)                  x0 = (x - sigma o) / (alpha + sigma)
  edm    Karras et al. 2022, table 1, sigma_data = 0.5  x0 = c_skip x + c_out o, the network fed c_in x
EDM's own distribution of training levels, and why it needs no weights here, are in edm.py. Left out: learned variances.
"""
import math
from functools import reduce
from typing import Callable, NamedTuple

import torch
from torch import Tensor, nn

from .levels import Level, Schedule, matched

SIGMA_DATA = 0.5
Condition = Tensor | dict[str, "Condition"]         # a network with several inputs takes a dict of them


def _edm(sigma) -> tuple:
    total = (sigma**2 + SIGMA_DATA**2) ** 0.5
    return SIGMA_DATA**2 / total**2, sigma * SIGMA_DATA / total, 1 / total        # c_skip, c_out, c_in


class Prediction(NamedTuple):
    """What a network's output o means: o -> x0, and (x0, eps) -> the target of training."""
    to_x0: Callable
    target: Callable
    scale: Callable = lambda level: 1.0         # of the network's input
    fits: Callable = lambda alpha: True         # the levels at which o says something of x0


PREDICTIONS = {
    "eps": Prediction(lambda o, x, l: (x - l.sigma * o) / l.alpha, lambda x0, eps, l: eps,
                      fits=lambda alpha: alpha != 0),
    "x0": Prediction(lambda o, x, l: o, lambda x0, eps, l: x0),
    "v": Prediction(lambda o, x, l: (l.alpha * x - l.sigma * o) / (l.alpha**2 + l.sigma**2),
                    lambda x0, eps, l: l.alpha * eps - l.sigma * x0),
    "flow": Prediction(lambda o, x, l: (x - l.sigma * o) / (l.alpha + l.sigma), lambda x0, eps, l: eps - x0),
    "edm": Prediction(lambda o, x, l: _edm(l.sigma)[0] * x + _edm(l.sigma)[1] * o,
                      lambda x0, eps, l: (x0 - _edm(l.sigma)[0] * (x0 + l.sigma * eps)) / _edm(l.sigma)[1],
                      lambda l: _edm(l.sigma)[2], lambda alpha: alpha == 1),
}


def fitting(pred: str, alpha: float | Tensor | None = None) -> Prediction:
    """The prediction of that name, after asking that it says something of x0 at this alpha, if it is a number."""
    if pred not in PREDICTIONS:
        raise ValueError(f"unknown prediction {pred!r}: choose one of {', '.join(PREDICTIONS)}")
    if alpha is not None and not isinstance(alpha, Tensor) and not PREDICTIONS[pred].fits(alpha):
        raise ValueError(f"at alpha = {alpha:g} an {pred}-prediction says nothing of x0: eps needs alpha > 0 and edm "
                         "alpha = 1; v, x0 and flow fit every level")
    return PREDICTIONS[pred]


class Denoiser:
    """A network seen as (x, level, cond) -> x0.

    net: called as net(x, t) or net(x, t, cond), x (B, C, H, W), t (B,). pred: a key of PREDICTIONS.
    """

    def __init__(self, net: Callable, pred: str = "eps"):
        self.net, self.pred, self.rule = net, pred, fitting(pred)
        self._first = self._widest = None

    @property
    def dtype(self) -> torch.dtype | None:
        """That of the network's weights, the widest of them; None if it has none. It follows net.half() and the like."""
        weights = self.net.parameters() if isinstance(self.net, nn.Module) else ()
        first = next((weight.dtype for weight in weights), None)
        if first != self._first:            # a look at all weights takes a third of a millisecond
            self._first = first             # layers in 4 bits keep 16-bit parts, so more than one dtype is usual
            self._widest = first and reduce(torch.promote_types, {weight.dtype for weight in self.net.parameters()})
        return self._widest

    def __call__(self, x: Tensor, level: Level, cond: Condition | None = None) -> Tensor:
        """The network's guess of x0, in the shape and dtype of x. level: one for all rows, or one for each: `matched`."""
        level, dtype = matched(level, x), self.dtype or x.dtype
        fitting(self.pred, level.alpha)
        t = torch.as_tensor(level.t, dtype=torch.promote_types(dtype, torch.float32), device=x.device)
        t = t.reshape(-1).expand(len(x))                        # (B,); not in bfloat16, which has no 999
        given = (self.rule.scale(level) * x).to(dtype)
        out = self.net(given, t) if cond is None else self.net(given, t, cond)
        return self.rule.to_x0(out.to(x.dtype), x, level)


def noised(x0: Tensor, level: Level, eps: Tensor) -> Tensor:
    """x = alpha x0 + sigma eps: q(x_t | x_0), DDPM eq. 4. level: one for all rows, or one for each: `matched`."""
    level = matched(level, x0)
    return level.alpha * x0 + level.sigma * eps


def _trainable(x0: Tensor, schedule: Schedule, pred: str) -> Prediction:
    """The prediction, after asking for images, for times to draw, and for levels at which it means something."""
    low, high = schedule.span
    if not x0.is_floating_point() or not len(x0) or math.isinf(high):
        raise ValueError("training needs floating-point images, one at least, and a schedule with a finite range of t, "
                         f"got {tuple(x0.shape)} of {x0.dtype} and [{low:g}, {high:g}]")
    return fitting(pred, schedule(high if schedule.steps else (low + high) / 2).alpha)     # a table's last time is drawn


def loss(net: nn.Module, x0: Tensor, schedule: Schedule, pred: str = "eps", rng: torch.Generator | None = None,
         cond: Condition | None = None, times: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """The mean squared error of one random t an image (DDPM eq. 14, L_simple, for pred = "eps"); a scalar.

    x0: (B, ...) floating point, images in [-1, 1]. cond: (B, ...) or None. rng: draws t and eps on its device.
    times: from shares u of the range of t, uniform in [0, 1), to those that are trained on; by default u itself.
    The net is given x in the dtype of x0, and t in float32 or wider. ValueError where pred does not fit the schedule.
    """
    rule, device = _trainable(x0, schedule, pred), rng.device if rng else x0.device
    low, high = schedule.span
    t = torch.rand(len(x0), *[1] * (x0.ndim - 1), generator=rng, device=device)         # (B, 1, ...)
    t = t if times is None else times(t)
    t = (t * schedule.steps).floor() if schedule.steps else low + t * (high - low)
    eps = torch.randn(x0.shape, generator=rng, device=device).to(x0)
    level = schedule(t.to(x0.device), like=x0)
    given, seen = rule.scale(level) * noised(x0, level, eps), t.flatten().to(x0.device)
    seen = seen.to(torch.promote_types(x0.dtype, torch.float32))            # bfloat16 has no 999
    out = net(given, seen) if cond is None else net(given, seen, cond)
    return (out - rule.target(x0, eps, level)).square().mean()


def clipped(denoise: Callable, low: float = -1.0, high: float = 1.0) -> Callable:
    """A denoiser whose x0 stays within the range of images. Clip outside `guided`, not inside."""
    def clip(x: Tensor, level: Level, cond: Condition | None = None) -> Tensor:
        return (denoise(x, level) if cond is None else denoise(x, level, cond)).clamp(low, high)
    return clip
