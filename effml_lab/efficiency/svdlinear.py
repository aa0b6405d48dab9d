"""The 4-bit layer with its branch as a module, and as one operator that knows where it runs.

  y = Q(x / s) Q(R)^T + (x down^T) up^T + bias
On a GPU from compute capability 8.0 on two fused kernels compute that (kernels/). On an older one the weights are made
whole in 16 bits, R / s + up down, and the library multiplies: less memory, the old arithmetic. Anywhere else, and for
32-bit inputs, plain PyTorch computes it, in float32. As an operator with a fake and a backward it can be compiled,
captured and trained through: rounding counts as the identity, so gradients reach the input, the branch and the bias,
which is how a LoRA learns on top of 4 bits. Left out: gradients of the codes.
"""
from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import quant
from .quant import PAIR, owned, padded
from .svdquant import INPUTS, OFFSET, Split, Weights, search

RANKS = 16                      # ranks are filled up to a multiple: what tensor cores multiply at once
MOVES = ("kernel_size", "stride", "padding", "dilation")


@cache
def has_triton() -> bool:
    """Whether Triton is installed; looked up once, since every call of a layer asks."""
    return find_spec("triton") is not None


def route(x: Tensor) -> str:
    """Which of ROUTES takes an input."""
    if not x.is_cuda or x.dtype not in (torch.float16, torch.bfloat16):
        return "plain"
    return "fused" if has_triton() and torch.cuda.get_device_capability(x.device) >= (8, 0) else "whole"


def plain(x, codes, scale, multiplier, smooth, up, down, bias) -> Tensor:
    mode = "w4a4" if multiplier is None else "w4a8"
    told = quant.rounded(padded(x.float() / smooth, PAIR), **INPUTS[mode])
    y = told @ unpacked(codes, scale, multiplier).dense().T + x.float() @ down.float().T @ up.float().T
    return (y if bias is None else y + bias).to(x.dtype)


def fused(x, codes, scale, multiplier, smooth, up, down, bias) -> Tensor:
    from .kernels import gemm_up, quantize_down
    made = quantize_down.quantize_down(x, smooth, down.to(x.dtype), "w4a4" if multiplier is None else "w4a8")
    return gemm_up.gemm_up(*made, (codes, scale, multiplier), up, bias, x.dtype)


def whole(x, codes, scale, multiplier, smooth, up, down, bias) -> Tensor:
    y = x @ effective(x, codes, scale, multiplier, smooth, up, down).T
    return y if bias is None else y + bias.to(x.dtype)


ROUTES = {"plain": plain, "fused": fused, "whole": whole}


def unpacked(codes: Tensor, scale: Tensor, multiplier: Tensor | None) -> Weights:
    if multiplier is None:
        return Weights(quant.unpack(codes, OFFSET["w4a4"]), scale.T, None)
    return Weights(quant.unpack(codes, OFFSET["w4a8"]), scale.T, multiplier.T)


def effective(x, codes, scale, multiplier, smooth, up, down) -> Tensor:
    """The matrix (N, K) that the layer multiplies x by, but for the rounding of x: R / s + up down, in x's dtype."""
    if x.is_cuda and has_triton() and x.dtype != torch.float32:
        from .kernels.dequantize import dequantize
        rest = dequantize(codes, scale, multiplier, smooth, x.dtype)
    else:
        rest = (unpacked(codes, scale, multiplier).dense()[:, :len(smooth)] / smooth).to(x.dtype)
    return torch.addmm(rest, up.to(x.dtype), down.to(x.dtype))


@torch.library.custom_op("effml_lab::svdquant_linear", mutates_args=())
def svdquant_linear(x: Tensor, codes: Tensor, scale: Tensor, multiplier: Tensor | None, smooth: Tensor, up: Tensor,
                    down: Tensor, bias: Tensor | None) -> Tensor:
    """The layer for rows x (M, K); the rest as SVDQuantLinear keeps it."""
    return ROUTES[route(x)](x, codes, scale, multiplier, smooth, up, down, bias)


@svdquant_linear.register_fake
def _(x, codes, scale, multiplier, smooth, up, down, bias):
    return x.new_empty(len(x), len(codes))


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _back(ctx, grad):
    x, codes, scale, multiplier, smooth, up, down, bias = ctx.saved_tensors
    to_x = grad @ effective(grad, codes, scale, multiplier, smooth, up, down) if ctx.needs_input_grad[0] else None
    to_up = (grad.T @ (x @ down.to(x.dtype).T)).to(up.dtype) if ctx.needs_input_grad[5] else None
    to_down = ((grad @ up.to(grad.dtype)).T @ x).to(down.dtype) if ctx.needs_input_grad[6] else None
    to_bias = None if bias is None else grad.sum(0).to(bias.dtype)
    return to_x, None, None, None, None, to_up, to_down, to_bias


svdquant_linear.register_autograd(_back, setup_context=_keep)


class SVDQuantLinear(nn.Module):
    """A linear layer in 4 bits with its branch: `from_linear` makes it of a real one.

    codes (N, K / 2) bytes, K padded to 128; scale and multiplier as in `svdquant.Weights`, but transposed: a kernel reads
    one group of many outputs at a time; smooth (K,); up (N, R), down (R, K), bias (N,) in 16 bits, R a multiple of 16.
    """

    def __init__(self, split: Split, bias: Tensor | None, mode: str, dtype: torch.dtype = torch.float16):
        super().__init__()
        self.mode = mode
        down, extra = split.down / split.smooth, -split.up.shape[1] % RANKS                   # reads x as it comes
        self.register_buffer("codes", quant.pack(split.rest.codes, OFFSET[mode]))
        self.register_buffer("scale", owned(split.rest.scale.T))
        self.register_buffer("multiplier", None if (m := split.rest.multiplier) is None else owned(m.T))
        self.register_buffer("smooth", owned(split.smooth, torch.float16))
        self.up = nn.Parameter(owned(F.pad(split.up, (0, extra)), dtype))
        self.down = nn.Parameter(owned(F.pad(down, (0, 0, 0, extra)), dtype))
        self.bias = None if bias is None else nn.Parameter(owned(bias, dtype))

    @classmethod
    def from_linear(cls, linear: nn.Linear, activations: Tensor, rank: int = 32, mode: str = "w4a4", **how):
        """Weights and bias of a linear layer, converted for inputs like `activations` (..., K). how: see `search`."""
        split = search(quant.weighted(linear, nn.Linear).weight, activations.flatten(0, -2), rank, mode, **how)
        return cls(split, linear.bias, mode, sixteen(linear.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_floating_point() or x.shape[-1] != len(self.smooth):
            raise ValueError(f"this layer takes floating-point inputs (..., {len(self.smooth)}), got {x.dtype} {tuple(x.shape)}")
        y = svdquant_linear(x.flatten(0, -2), self.codes, self.scale, self.multiplier, self.smooth, self.up, self.down,
                            self.bias)
        return y.unflatten(0, x.shape[:-1])

    def add_lora(self, a: Tensor, b: Tensor) -> None:
        """Add a (N, r) b (r, K) to the weights by putting them beside the branch; nothing is quantized again."""
        extra = -a.shape[1] % RANKS
        self.up = nn.Parameter(torch.cat([self.up, F.pad(a, (0, extra)).to(self.up)], 1))
        self.down = nn.Parameter(torch.cat([self.down, F.pad(b, (0, 0, 0, extra)).to(self.down)], 0))


class SVDQuantConv2d(SVDQuantLinear):
    """A convolution as the linear layer that it is on unfolded inputs, (C kh kw) numbers a pixel; one s a channel."""

    @classmethod
    def from_conv(cls, conv: nn.Conv2d, images: Tensor, rank: int = 0, mode: str = "w4a4", keep: int = 1024, **how):
        """Weights and bias of a convolution, converted for inputs like `images` (B, C, H, W). keep: pixels looked at."""
        pixels = unfolded(quant.convolution(conv), images).flatten(0, 1)
        split = search(conv.weight.flatten(1), pixels[:: max(1, len(pixels) // keep)], rank, mode,
                       share=conv.weight[0, 0].numel(), **how)
        made = cls(split, conv.bias, mode, sixteen(conv.weight.dtype))
        made.kernel_size, made.stride, made.padding, made.dilation = (getattr(conv, key) for key in MOVES)
        return made

    def forward(self, x: Tensor) -> Tensor:
        size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in
                zip(x.shape[2:], self.padding, self.dilation, self.kernel_size, self.stride)]
        return super().forward(unfolded(self, x)).transpose(1, 2).unflatten(2, size)


def sixteen(dtype: torch.dtype) -> torch.dtype:
    """The 16-bit type for what stays unquantized in a layer of this type."""
    return dtype if dtype == torch.bfloat16 else torch.float16


def unfolded(conv: nn.Module, images: Tensor) -> Tensor:
    """What a convolution multiplies at each place of images (B, C, H, W): (B, places, C kh kw)."""
    return F.unfold(images, conv.kernel_size, conv.dilation, conv.padding, conv.stride).transpose(1, 2)
