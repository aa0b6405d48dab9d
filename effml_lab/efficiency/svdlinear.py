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
from .svdquant import INPUTS, OFFSET, Split, Weights, search, spread

RANKS = 16                      # ranks are filled up to a multiple: what tensor cores multiply at once
MOVES = ("kernel_size", "stride", "dilation", "_reversed_padding_repeated_twice")       # the last is padding as `F.pad` takes it


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


class SVDQuantLinear(quant.Coded):
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
        self.bias = None if bias is None else nn.Parameter(owned(bias, dtype), bias.requires_grad)
        if not all(kept.isfinite().all() for kept in self.parameters()):
            raise ValueError(f"the branch or the bias of this layer is beyond {dtype}: divide weights and bias by a constant, "
                             "and multiply the outputs by it")

    @classmethod
    def _converted(cls, layer: nn.Module, split: Split, mode: str):
        """The layer's split as a module, frozen where the layer was."""
        made = cls(split, layer.bias, mode, sixteen(layer.weight.dtype))
        for part in (made.up, made.down):
            part.requires_grad_(layer.weight.requires_grad)
        return made

    @classmethod
    def from_linear(cls, linear: nn.Linear, activations: Tensor, rank: int = 32, mode: str = "w4a4", **how):
        """Weights and bias of a linear layer, converted for inputs like `activations` (..., K). how: see `search`."""
        rows = activations.reshape(-1, activations.shape[-1])
        return cls._converted(linear, search(quant.weighted(linear, nn.Linear).weight, rows, rank, mode, **how), mode)

    def forward(self, input: Tensor) -> Tensor:         # named as in torch: some nets call their layers by keyword
        k = len(self.smooth)
        if not input.is_floating_point() or input.ndim == 0 or input.shape[-1] != k:
            raise ValueError(f"this layer takes floating-point inputs (..., {k}), got {input.dtype} {tuple(input.shape)}")
        y = svdquant_linear(input.reshape(-1, k), self.codes, self.scale, self.multiplier, self.smooth, self.up, self.down,
                            self.bias)
        return y.reshape(*input.shape[:-1], len(self.codes))

    def add_lora(self, a: Tensor, b: Tensor) -> None:
        """Add a (N, r) b (r, K) to the weights by putting them beside the branch; nothing is quantized again.

        The branch is a new parameter then: make optimizers afterwards.
        """
        (n, k), r, extra = (len(self.up), self.down.shape[1]), a.shape[-1], -a.shape[-1] % RANKS
        if a.shape != (n, r) or b.shape != (r, k):
            raise ValueError(f"a LoRA of this layer is a ({n}, r) and b (r, {k}), got {tuple(a.shape)} and {tuple(b.shape)}")
        a, b = F.pad(a, (0, extra)).to(self.up), F.pad(b, (0, 0, 0, extra)).to(self.down)
        if not (a.isfinite().all() and b.isfinite().all()):
            raise ValueError(f"a factor of this LoRA is beyond {self.up.dtype}: divide it by a constant, and multiply the other "
                             "by it")
        self.up = nn.Parameter(owned(torch.cat([self.up, a], 1)), self.up.requires_grad)
        self.down = nn.Parameter(owned(torch.cat([self.down, b], 0)), self.down.requires_grad)

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        """A branch of any rank is taken, as a LoRA makes it wider."""
        up, down = (state_dict.get(prefix + name, own) for name, own in (("up", self.up), ("down", self.down)))
        if up.shape[1:] == down.shape[:1] != self.down.shape[:1]:
            self.up = nn.Parameter(self.up.new_zeros(len(self.up), len(down)), self.up.requires_grad)
            self.down = nn.Parameter(self.down.new_zeros(len(down), self.down.shape[1]), self.down.requires_grad)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class SVDQuantConv2d(SVDQuantLinear):
    """A convolution as the linear layer that it is on unfolded inputs, (C kh kw) numbers a pixel; one s a channel."""

    @classmethod
    def from_conv(cls, conv: nn.Conv2d, images: Tensor, rank: int = 0, mode: str = "w4a4", keep: int = 1024, **how):
        """Weights and bias of a convolution, converted for inputs like `images` (B, C, H, W). keep: pixels looked at."""
        pixels = unfolded(quant.convolution(conv), images).flatten(0, 1)
        split = search(conv.weight.flatten(1), spread(pixels, keep), rank, mode, share=conv.weight[0, 0].numel(), **how)
        made = cls._converted(conv, split, mode)
        for key in MOVES:
            setattr(made, key, getattr(conv, key))
        return made

    def forward(self, input: Tensor) -> Tensor:
        channels = len(self.smooth) // (self.kernel_size[0] * self.kernel_size[1])
        if input.ndim not in (3, 4) or input.shape[-3] != channels:
            raise ValueError(f"this convolution takes images (B, {channels}, H, W) or one without B, got {tuple(input.shape)}")
        made = folded(self, super().forward(unfolded(self, input)), input)
        return made if input.ndim == 4 else made[0]


def sixteen(dtype: torch.dtype) -> torch.dtype:
    """The 16-bit type for what stays unquantized in a layer of this type."""
    return dtype if dtype == torch.bfloat16 else torch.float16


def folded(conv: nn.Module, rows: Tensor, images: Tensor) -> Tensor:
    """A convolution's outputs (B, places, N) for images (B, C, H, W), as images again, (B, N, H', W')."""
    left, right, top, bottom = conv._reversed_padding_repeated_twice
    size = [(n + edges - d * (k - 1) - 1) // s + 1 for n, edges, d, k, s in
            zip(images.shape[-2:], (top + bottom, left + right), conv.dilation, conv.kernel_size, conv.stride)]
    return rows.transpose(1, 2).unflatten(2, size)


def unfolded(conv: nn.Module, images: Tensor) -> Tensor:
    """What a convolution multiplies at each place of images (B, C, H, W), or of one (C, H, W): (B, places, C kh kw)."""
    edged = F.pad(images, conv._reversed_padding_repeated_twice)
    return F.unfold(edged.reshape(-1, *edged.shape[-3:]), conv.kernel_size, conv.dilation, stride=conv.stride).transpose(1, 2)
