"""LoRA: what a layer is to learn beside its frozen weights, in few numbers (Hu et al. 2022, equation 3).

  y = layer(x) + up down x,   down (r, K) drawn at random, up (N, r) zero: a fresh one changes nothing
The layer may be of any kind that takes (..., K) to (..., N). The paper's alpha / r, a factor of the learning rate, is left out.
"""
import math

import torch
from torch import Tensor, nn


class LoRA(nn.Module):
    """A layer (..., inputs) -> (..., outputs) with a branch of rank r beside it, in float32; rng: draws `down`."""

    def __init__(self, layer: nn.Module, inputs: int, outputs: int, rank: int, rng: torch.Generator | None = None):
        super().__init__()
        if not 1 <= rank <= min(inputs, outputs):
            raise ValueError(f"a LoRA of a layer {inputs} -> {outputs} has a rank from 1 to {min(inputs, outputs)}, got {rank}")
        self.layer = layer
        self.down = nn.Parameter(torch.randn(rank, inputs, generator=rng) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, input: Tensor) -> Tensor:
        return self.layer(input) + (input.to(self.down.dtype) @ self.down.T @ self.up.T).to(input.dtype)
