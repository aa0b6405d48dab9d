"""A small convolutional classifier: the frozen judge whose features the course measures distances in.

Convolution, group norm and SiLU, three times at each width, a stride of 2 between widths; the mean over the pixels that
are left is projected to `features` numbers, and those, linearly, to the logits. Distances are measured on the features:
few of them, so that a covariance can be estimated from some hundred images. The idea of judging with a small classifier
of one's own, instead of Inception, is common in courses; what comes out is never called FID.
Left out: anything that a judge of 8x8 to 32x32 images does not need.
"""
import torch
from torch import Tensor, nn


def layer(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inner, outer, 3, stride, 1), nn.GroupNorm(8, outer), nn.SiLU())


class Classifier(nn.Module):
    """net(x) -> logits (B, classes); net.features(x) -> (B, features). x: (B, C, H, W)."""

    def __init__(self, classes: int, channels_in: int = 1, widths: tuple[int, ...] = (32, 64), features: int = 32,
                 dropout: float = 0.0):
        super().__init__()
        layers, inner = [], channels_in
        for i, width in enumerate(widths):
            layers += [layer(inner, width, stride=2 if i else 1), layer(width, width), layer(width, width)]
            inner = width
        self.body = nn.Sequential(*layers)
        self.narrow = nn.Sequential(nn.Linear(inner, features), nn.SiLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, classes))
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        return self.narrow(self.body(x).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))
