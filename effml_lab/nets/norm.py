"""The group norm of our nets: PyTorch's, which may also stand above frozen layers.

On a CPU, PyTorch 2.13 crashes without a word in the backward pass of a GroupNorm whose weights are trained while its
input, laid channels-last, needs no gradient. That is what ControlNet, LoRA and every fine-tuning of upper layers meet. An
input that asks for its gradient costs one tensor and takes another way through PyTorch.
"""
import torch
from torch import Tensor, nn

GROUPS = 8


class Norm(nn.GroupNorm):
    """GroupNorm with GROUPS groups of channels (B, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and self.weight.requires_grad and not x.requires_grad:
            x = x.detach().requires_grad_()
        return super().forward(x)
