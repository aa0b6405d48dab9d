"""Quantization: tensors as small whole numbers with shared scales, stored two 4-bit codes a byte.

  q = clip(round(x / scale) + zero),     x ~ scale (q - zero)
A symmetric grid has zero = 0 and as many steps below 0 as above it: -7..7 with 4 bit, -127..127 with 8. An asymmetric
one reaches from the least value to the greatest and uses every code. Who shares a scale:
  tensor          all of it
  channel, token  a row: of weights (outputs, inputs) a channel, of activations (..., features) a token
  group           64 neighbours along a row (the last group padded with zeros); a number is a group of that many
Scales found while running are dynamic; those found beforehand on a calibration set are static, given as `fixed`.
Scales are rounded to the 16 bits they are stored in *before* the codes are made from them, so nothing is hidden.

Layout of packed codes ("group-pair planar"): rows are padded to 128; byte j of pair i holds element 128 i + j in its low
and 128 i + 64 + j in its high nibble, so a plane of nibbles is a whole group and a kernel never shuffles.
References: Jacob et al. 2018 (the affine grid); Nagel et al. 2021, a survey. Left out: rounding that is learned.
"""
from typing import NamedTuple, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUP, PAIR = 64, 128
PER = {     # -> (rows, blocks, size): the numbers of a block share a scale
    "tensor": lambda x: x.reshape(1, 1, -1),
    "channel": lambda x: x.reshape(-1, 1, x.shape[-1]),
    "token": lambda x: x.reshape(-1, 1, x.shape[-1]),
    "group": lambda x: in_groups(x, GROUP),
}
LEAST = 2.0**-24                # the least number above 0 in 16 bits: the scale of a block of zeros


class Codes(NamedTuple):
    """A quantized tensor: int8 codes (rows, blocks, size), float16 scale and int8 zero for each block, and its shape."""
    q: Tensor
    scale: Tensor       # (rows, blocks, 1)
    zero: Tensor        # (rows, blocks, 1)
    shape: torch.Size


def padded(x: Tensor, multiple: int) -> Tensor:
    """x with its last dimension filled up with zeros to a multiple."""
    return F.pad(x, (0, -x.shape[-1] % multiple))


def in_groups(x: Tensor, size: int) -> Tensor:
    """x (..., features) as (rows, blocks, size), the last block of a row padded with zeros."""
    return padded(x, size).reshape(-1, -(-x.shape[-1] // size), size)


def owned(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A copy of x, in its dtype or another, with rows one after another in memory: nothing is shared with what it is from."""
    return x.detach().to(dtype or x.dtype, copy=True, memory_format=torch.contiguous_format)


def limits(bits: int, symmetric: bool = True) -> tuple[int, int]:
    """The least and the greatest code."""
    if bits not in (4, 8):
        raise ValueError(f"codes of {bits} bits are not stored here: choose 4 or 8")
    top = 2 ** (bits - 1) - 1
    return (-top if symmetric else -top - 1), top


def finite(x: Tensor) -> Tensor:
    """x, if all of it is finite; else one sentence."""
    if not x.isfinite().all():
        raise ValueError("this tensor holds NaN or infinity and cannot be quantized: look at what made it")
    return x


def resolved(x: Tensor, bits: int) -> Tensor:
    """x, if a scale of 16 bits that reaches its extremes is neither too large nor too coarse; else one sentence."""
    most = finite(x).abs().max().item()
    if most and not 8 * LEAST <= most / limits(bits)[1] <= torch.finfo(torch.float16).max:
        raise ValueError(f"numbers up to {most:.3g} are beyond what scales of 16 bits resolve: multiply them by a constant, and "
                         "divide what comes out by it")
    return x


def blocks(x: Tensor, per: str | int) -> Tensor:
    """x in float32 as (rows, blocks, size), the numbers of a block sharing a scale."""
    if isinstance(per, int) and not isinstance(per, bool) and per > 0:
        return in_groups(finite(x).float(), per)
    if per not in PER:
        raise ValueError(f"there is no scale per {per!r}: choose one of {', '.join(PER)}, or the size of a group")
    return PER[per](finite(x).float())


def fit(x: Tensor, bits: int = 8, per: str | int = "channel", symmetric: bool = True) -> tuple[Tensor, Tensor]:
    """The (scale, zero) of each block of x that just reach its extremes, float16 and int8, (rows, blocks, 1)."""
    low, high = limits(bits, symmetric)
    part = blocks(x, per)
    if symmetric:
        scale = stored(part.abs().amax(-1, keepdim=True) / high)
        return scale, torch.zeros_like(scale, dtype=torch.int8)
    least, most = part.amin(-1, keepdim=True).clamp(max=0), part.amax(-1, keepdim=True).clamp(min=0)
    scale = stored((most - least) / (high - low))
    return scale, (low - (least / scale.float()).round()).clamp(low, high).to(torch.int8)


def stored(scale: Tensor) -> Tensor:
    """A scale as it is stored: 16 bits, above 0 and finite."""
    return scale.clamp(LEAST, torch.finfo(torch.float16).max).half()


def quantize(x: Tensor, bits: int = 8, per: str | int = "channel", symmetric: bool = True,
             fixed: tuple[Tensor, Tensor] | None = None) -> Codes:
    """The codes of x (..., features). fixed: a static (scale, zero) of `fit`; else they are found from x itself."""
    scale, zero = fit(x, bits, per, symmetric) if fixed is None else fixed
    q = (blocks(x, per) / scale.float()).round() + zero
    return Codes(q.clamp(*limits(bits, symmetric)).to(torch.int8), scale, zero, x.shape)


def dequantize(codes: Codes) -> Tensor:
    """The tensor that codes stand for, in float32."""
    x = (codes.scale.float() * (codes.q.float() - codes.zero)).flatten(1)
    return (x if x.numel() == codes.shape.numel() else x[:, :codes.shape[-1]]).reshape(codes.shape)


def rounded(x: Tensor, bits: int = 8, per: str | int = "channel", symmetric: bool = True,
            fixed: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """x as it comes back from its codes, in its own dtype."""
    return dequantize(quantize(x, bits, per, symmetric, fixed)).to(x.dtype)


def pack(q: Tensor, offset: int = 0) -> Tensor:
    """Codes (rows, K) of 4 bits, K a multiple of 128, to bytes (rows, K / 2). offset: 0 two's complement, 8 for -8..7."""
    if q.shape[-1] % PAIR or q.min() < -8 or q.max() > 7:
        raise ValueError(f"4-bit codes from -8 to 7 are packed in rows of a multiple of {PAIR}, got {tuple(q.shape)} "
                         f"from {q.min()} to {q.max()}")
    low, high = ((q.to(torch.int16) + offset) & 15).unflatten(-1, (-1, 2, GROUP)).unbind(-2)
    return (low | high << 4).to(torch.uint8).flatten(-2)


def unpack(packed: Tensor, offset: int = 0) -> Tensor:
    """Bytes (rows, K / 2) back to codes (rows, K), int8."""
    pair = packed.to(torch.int16).unflatten(-1, (-1, GROUP))
    nibbles = torch.stack([pair & 15, pair >> 4], -2).flatten(-3)
    return (nibbles - offset if offset else (nibbles ^ 8) - 8).to(torch.int8)


def weighted(layer: nn.Module, kind: type) -> nn.Module:
    """The layer, if it is of this kind; else one sentence."""
    if not isinstance(layer, kind):
        raise ValueError(f"a {type(layer).__name__} is not quantized here: give a {kind.__name__}")
    return layer


def convolution(layer: nn.Module) -> nn.Conv2d:
    """The layer, if it is a convolution that can be read as a linear layer; else one sentence."""
    if weighted(layer, nn.Conv2d).groups != 1 or layer.padding_mode != "zeros":
        raise ValueError("only convolutions with one group, padded with zeros, are quantized")
    return layer


class Coded(nn.Module):
    """A module that keeps codes and their scales as buffers: they move between devices, but no cast changes their types."""
    gone = {"weight": "this layer keeps codes and has no .weight to read: leave it out of `swap` by `where`, or make the code "
                      "around it call the layer"}

    def _apply(self, fn, recurse=True):
        before = {name: kept for name, kept in self._buffers.items() if kept is not None}
        super()._apply(fn, recurse)
        for name, kept in before.items():
            if self._buffers[name].dtype != kept.dtype:
                self._buffers[name] = kept.to(self._buffers[name].device)
        return self

    def __getattr__(self, name):
        if name in Coded.gone:
            raise AttributeError(Coded.gone[name])
        return super().__getattr__(name)


class Stored(Coded):
    """A weight in memory as codes: `weight()` is the tensor that they stand for, in float32."""

    def __init__(self, weight: Tensor, bits: int = 8, per: str | int = "channel", symmetric: bool = True):
        super().__init__()
        codes = quantize(resolved(weight.detach(), bits).flatten(1), bits, per, symmetric)
        self.bits, self.cut, self.shape = bits, codes.q.shape, weight.shape
        q = codes.q.flatten(1)
        self.register_buffer("codes", pack(padded(q, PAIR)) if bits == 4 else q)
        self.register_buffer("scale", codes.scale)
        self.register_buffer("zero", None if symmetric else codes.zero)

    def weight(self) -> Tensor:
        q = unpack(self.codes) if self.bits == 4 else self.codes
        zero = 0 if self.zero is None else self.zero
        flat = torch.Size((self.shape[0], self.shape[1:].numel()))
        return dequantize(Codes(q[:, :self.cut[1:].numel()].view(self.cut), self.scale, zero, flat)).view(self.shape)


class Rounded(Coded):
    """Inputs rounded on the way into a layer: with scales found in each of them or, if `seen` is given, fitted to that."""

    def __init__(self, settings: dict, seen: Tensor | None = None):
        super().__init__()
        if seen is not None and settings.get("per") != "tensor":
            raise ValueError("a static scale serves every token: give the inputs per='tensor'")
        self.settings = dict(settings)
        scale, zero = (None, None) if seen is None else fit(resolved(seen, settings.get("bits", 8)), **settings)
        self.register_buffer("scale", scale)
        self.register_buffer("zero", zero)

    def forward(self, x: Tensor) -> Tensor:
        return rounded(x, **self.settings, fixed=None if self.scale is None else (self.scale, self.zero))


class QuantLinear(Coded):
    """A linear layer whose weights are stored in 4 or 8 bits, and whose inputs are rounded too where `act` says how.

    act: arguments of `quantize` for the inputs. seen: inputs of a calibration; with them their scales are static.
    parts: widths of inputs that were concatenated; each gets scales of its own, for weights and inputs (Li et al. 2023,
    Q-Diffusion, section 3.3). The storage is real; the products are simulated, in the input's own dtype.
    """
    kind, axis = nn.Linear, -1      # of the layer; of the input's features

    def __init__(self, layer: nn.Module, bits: int = 8, per: str | int = "channel", symmetric: bool = True,
                 act: dict | None = None, seen: Tensor | None = None, parts: Sequence[int] = ()):
        super().__init__()
        weighted(layer, self.kind)
        self.parts = list(parts) or [layer.weight.shape[1]]
        self.bias = None if layer.bias is None else nn.Parameter(owned(layer.bias), layer.bias.requires_grad)
        self.stored = nn.ModuleList(Stored(w, bits, per, symmetric) for w in layer.weight.split(self.parts, 1))
        examples = seen.split(self.parts, self.axis) if seen is not None else [None] * len(self.parts)
        self.inputs = nn.ModuleList(Rounded(act, part) if act else nn.Identity() for part in examples)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and weights as they are multiplied."""
        x = torch.cat([enter(part) for enter, part in zip(self.inputs, x.split(self.parts, self.axis))], self.axis)
        return x, torch.cat([part.weight() for part in self.stored], 1).to(x.dtype)

    def forward(self, input: Tensor) -> Tensor:         # named as in torch: some nets call their layers by keyword
        return F.linear(*self.both(input), self.bias)


class QuantConv2d(QuantLinear):
    """The same for a convolution; a group runs along the weights of an output, input channels outermost."""
    kind, axis = nn.Conv2d, -3

    def __init__(self, layer: nn.Conv2d, *args, **settings):
        super().__init__(convolution(layer), *args, **settings)
        if settings.get("act") and settings["act"].get("per") != "tensor":
            raise ValueError("the inputs of a convolution share one scale: give them per='tensor'")
        self.moves = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(*self.both(input), self.bias, **self.moves)


def bytes_of(module: nn.Module) -> int:
    """Bytes of all that a module keeps: parameters and buffers as they are stored."""
    kept = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in kept)
