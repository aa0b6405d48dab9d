"""A small convolutional classifier: the frozen judge whose features the course measures distances in.

Convolution, group norm and SiLU, three times at each width, a stride of 2 between widths; the means over a coarse grid
of `pool` x `pool` cells (1: over all pixels, so that place does not matter) are projected to `features` numbers, and
those, linearly, to the logits. Distances are measured on the features: few of them, so that a covariance can be
estimated from some hundred images. A stem of s > 1 trades s x s pixels for channels first, as in the UNet. The idea of
judging with a small classifier of one's own, instead of Inception, is common in courses; what comes out is never called
FID.
A classifier that guides looks at images under noise and is told the time: the way down of a UNet, and the mean of what it
leaves (Dhariwal and Nichol 2021, section 4.3, pool by attention).
Left out: anything that a judge of 8x8 to 32x32 images does not need.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .norm import Norm
from .unet import UNet, trunk


def layer(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inner, outer, 3, stride, 1), Norm(outer), nn.SiLU())


class Classifier(nn.Module):
    """net(x) -> logits (B, classes); net.features(x) -> (B, features). x: (B, C, H, W)."""

    def __init__(self, classes: int, channels_in: int = 1, widths: tuple[int, ...] = (32, 64), features: int = 32,
                 dropout: float = 0.0, stem: int = 1, pool: int = 1):
        super().__init__()
        self.stem, self.pool = stem, pool
        layers, inner = [], channels_in * stem**2
        for i, width in enumerate(widths):
            layers += [layer(inner, width, stride=2 if i else 1), layer(width, width), layer(width, width)]
            inner = width
        self.body = nn.Sequential(*layers)
        self.narrow = nn.Sequential(nn.Linear(inner * pool**2, features), nn.SiLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, classes))
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        seen = self.body(F.pixel_unshuffle(x, self.stem))
        return self.narrow(F.adaptive_avg_pool2d(seen, self.pool).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class NoisyClassifier(nn.Module):
    """net(x, t, cond=None) -> logits (B, classes) of images x (B, C, H, W) under noise of times t (B,).

    unet: settings of its way down, which may be told a class, too: cond (B,).
    """

    def __init__(self, classes: int, unet: dict):
        super().__init__()
        self.trunk = trunk(UNet(**unet))
        width = self.trunk.kept[-1]
        self.head = nn.Sequential(Norm(width), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        if not len(x):
            return x.new_empty(0, self.head[-1].out_features)
        emb = self.trunk.embed(t, cond, x.dtype)
        return self.head(self.trunk.encode(self.trunk.entered(x), emb)[-1])
