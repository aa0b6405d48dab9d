"""A UNet that is told the weight of guidance too, so that one call does what guidance takes two for (Meng et al. 2023).

w goes to sines and cosines, as the time does, and through two layers; what comes out is added to the embedding of the class and
so reaches every residual block. The last layer starts at zero: a fresh one gives what the net gave without it, bit for bit, and
takes that net's weights under their own names. A weight that was never trained on means little.
"""
from torch import Tensor, nn

from .blocks import TimeEmbedding, zero
from .unet import UNet

WIDTH, SCALE = 64, 100.0        # of the embedding of w: numbers from 0 to 10 are spread as times from 0 to 1000 are


class Labels(nn.Embedding):
    """{"class": (B,) numbers, "w": (B,)} -> what blocks are told of both, (B, width)."""

    def __init__(self, classes: int, width: int):
        super().__init__(classes + 1, width)
        self.weighed = TimeEmbedding(WIDTH, width, SCALE)
        zero(self.weighed.mlp[-1])

    def forward(self, cond: dict[str, Tensor]) -> Tensor:
        if not isinstance(cond, dict) or cond.keys() != {"class", "w"}:
            raise ValueError("this net is told {\"class\": (B,) numbers, \"w\": (B,) weights of guidance}")
        return super().forward(cond["class"]) + self.weighed(cond["w"], self.weight.dtype)


class Weighted(UNet):
    """net(x, t, {"class": (B,), "w": (B,)}) -> a tensor like x; the settings are those of a UNet with classes."""

    def __init__(self, **settings):
        super().__init__(**settings)
        if self.classes is None:
            raise ValueError("a net that is told a weight of guidance is told a class too: build it with classes=...")
        self.label = Labels(self.classes, self.label.embedding_dim)

    def begin_as(self, net: UNet) -> "Weighted":
        """Begin as a net of the same settings that was not told w, bit for bit."""
        mine, theirs = self.state_dict(), net.state_dict()
        rest = {key for key in mine if not key.startswith("label.weighed.")}
        if rest != theirs.keys() or any(mine[key].shape != theirs[key].shape for key in rest):
            raise ValueError("a net that is told w begins as one of the same settings, with classes, that is not told w")
        self.load_state_dict(mine | theirs)
        return self
