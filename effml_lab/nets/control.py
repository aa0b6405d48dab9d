"""ControlNet (Zhang et al. 2023): a trained net that is also told, pixel by pixel, where things are.

The trained net stays as it is. A copy of its way down sees the hint c too, and what it finds is added to what the base's own
way down leaves for the way up, through convolutions Z that begin at zero (their eq. 2 and 3):
  y = decode(encode(h) + Z2(encode'(h' + Z1(c)))),   h and h' being what the first layer of each makes of x.
So a fresh one is the base, bit for bit. At the first step only the Z2 have a gradient: the copy stands behind zeros, and its
own and that of Z1 are exactly 0; from the second step on they are not.
Left out: the paper's small net that encodes a hint; here Z1, of 3 x 3 where the paper's are of 1 x 1, sees its pixels. Bases
that read words.
"""
from typing import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import zero
from .unet import UNet, Ways, trunk


def controlled(x: Tensor, hint: Tensor, base: Ways, copy: Ways, seen: Callable, zeros: Iterable[Callable]) -> Tensor:
    """The output of `base` at x, to whose way up a copy of its way down, which sees the hint too, adds through zeros."""
    mine = base.encode(base.entered(x))
    theirs = copy.encode(copy.entered(x) + seen(hint))
    return base.decode([m + z(t) for m, z, t in zip(mine, zeros, theirs, strict=True)])


class Controlled(nn.Module):
    """net(x, t, cond) -> a tensor like x. cond: {"hint": (B, hints, H, W)} and, if the base has classes, "class": (B,).

    unet: the settings of the base. Only `own`, `seen` and `zeros` are trained.
    """

    def __init__(self, unet: dict, hints: int = 1):
        super().__init__()
        self.base, self.own, self.hints = UNet(**unet).requires_grad_(False), trunk(UNet(**unet)), hints
        self.seen = zero(nn.Conv2d(hints * self.base.stem**2, self.own.enter.out_channels, 3, padding=1))
        self.zeros = nn.ModuleList(zero(nn.Conv2d(width, width, 1)) for width in self.base.kept)
        self.train()

    def train(self, mode: bool = True) -> "Controlled":
        super().train(mode)
        self.base.eval()
        return self

    def begin_as_base(self) -> "Controlled":
        """Begin as a copy of the base: to be called once its weights are loaded."""
        theirs = self.base.state_dict()
        self.own.load_state_dict({key: theirs[key] for key in self.own.state_dict()})
        return self

    def forward(self, x: Tensor, t: Tensor, cond: dict[str, Tensor] | None = None) -> Tensor:
        if not len(x):
            return torch.empty_like(x)
        if not isinstance(cond, dict) or "hint" not in cond or not cond.keys() <= {"hint", "class"}:
            raise ValueError("a controlled net is told {\"hint\": (B, C, H, W)} and, if it has classes, \"class\": (B,) too")
        hint, kind = cond["hint"], cond.get("class")
        if hint.shape != (len(x), self.hints, *x.shape[2:]):
            raise ValueError(f"a hint has the size of the picture, {(len(x), self.hints, *x.shape[2:])}, got {tuple(hint.shape)}")
        hint = F.pixel_unshuffle(hint.to(x), self.base.stem)
        return controlled(x, hint, self.base.ways(t, kind, x.dtype), self.own.ways(t, kind, x.dtype), self.seen, self.zeros)
