"""A net with layers replaced by quantized ones, and its return from a file: `save_file(made.state_dict(), path)` of safetensors,
then `restored(net, load_file(path))`.

A converter makes one layer of another and of inputs that it has seen, `convert(name, layer, seen, **how)`:
  fourbit   SVDQuant, W4A4 or W4A8: a branch for linear layers, and for convolutions where it is asked for
  plainly   rounded to nearest: weights alone, or inputs too, with scales found in each of them
  static    rounded weights, inputs in 8 bits with one scale that is fixed now
Errors are told on every other row of the calibration, which the conversion is not fitted to. `quantized.py` chooses among them
for a whole net.
"""
import copy
from typing import Callable, NamedTuple, Sequence

import torch
from torch import Tensor, nn

from .calibrate import layers
from .quant import QuantConv2d, QuantLinear, bytes_of
from .svdlinear import SVDQuantConv2d, SVDQuantLinear
from .svdquant import relative


class Row(NamedTuple):
    """A layer that was replaced: its relative error on inputs that it was not fitted to, and its bytes before and now."""
    name: str
    error: float
    before: int
    bytes: int


def fourbit(name: str, layer: nn.Module, seen: Tensor, rank: int = 32, mode: str = "w4a4", conv_rank: int = 0,
            **how) -> nn.Module:
    """A layer as SVDQuant stores it; one narrower than the rank gets the rank it has room for.

    conv_rank: of a convolution; the paper's have no branch. how: see `svdquant.search`.
    """
    least = min(layer.weight.flatten(1).shape)
    if isinstance(layer, nn.Conv2d):
        return SVDQuantConv2d.from_conv(layer, seen, min(conv_rank, least), mode, **how)
    return SVDQuantLinear.from_linear(layer, seen, min(rank, least), mode, **how)


def plainly(name: str, layer: nn.Module, seen: Tensor, bits: int = 8, per: str | int = "channel",
            act: dict | None = None) -> nn.Module:
    """A layer with rounded weights, and inputs rounded as `act` says, if it does.

    All inputs of a convolution share one scale, those of a whole batch: a picture's codes depend on its neighbours.
    """
    if isinstance(layer, nn.Conv2d):
        return QuantConv2d(layer, bits, per, act=act and act | {"per": "tensor"})
    return QuantLinear(layer, bits, per, act=act)


def static(name: str, layer: nn.Module, seen: Tensor, bits: int = 8, per: str = "channel",
           parts: dict[str, Sequence[int]] = {}) -> nn.Module:
    """A layer with rounded weights, and inputs in 8 bits with one scale, fixed now. parts: name -> see `QuantLinear`."""
    kind = QuantConv2d if isinstance(layer, nn.Conv2d) else QuantLinear
    return kind(layer, bits, per, act={"bits": 8, "per": "tensor"}, seen=seen, parts=parts.get(name, ()))


@torch.no_grad()
def swap(net: nn.Module, calibration: dict[str, Tensor], where: Callable = lambda name, layer: isinstance(layer, nn.Linear),
         convert: Callable = fourbit, **how) -> tuple[nn.Module, list[Row]]:
    """A copy of the net with the layers that `where(name, layer)` names converted, and a row for each.

    Every other input of the calibration is kept for the error. convert: `fourbit`, `plainly` or `static`, which take `how`. A
    layer that stands in several places is converted once and put into all of them. What was frozen stays frozen.
    """
    chosen_layers = {name: layer for name, layer in layers(net).items() if where(name, layer)}
    if not chosen_layers:
        raise ValueError("no layer of this net is named to be converted: `where` chooses among those of `layers(net)`")
    if missing := sorted(chosen_layers.keys() - calibration.keys()):
        raise ValueError(f"the calibration never reached {', '.join(missing)}: give it batches that do, or leave them out")
    if short := sorted(name for name in chosen_layers if len(calibration[name]) < 2):
        raise ValueError(f"of the inputs of {', '.join(short)} none is left to measure the error on: calibrate with two or more")
    made, rows = copy.deepcopy(net), []
    for name, layer in chosen_layers.items():
        fitted, held = calibration[name][::2], calibration[name][1::2]
        new = convert(name, layer, fitted, **how).train(layer.training)
        rows.append(Row(name, relative(new(held), layer(held)), bytes_of(layer), bytes_of(new)))
        made = replaced(made, name, new)
    return made, rows


def replaced(net: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """The net with a layer in every place of the one that has this name; the layer itself, if that one is the net."""
    if not name:
        return layer
    for parent, _, last in (place.rpartition(".") for place in places(net, net.get_submodule(name))):
        setattr(net.get_submodule(parent), last, layer)
    return net


def places(net: nn.Module, layer: nn.Module) -> list[str]:
    """Every name of a layer in a net."""
    return [name for name, part in net.named_modules(remove_duplicate=False) if part is layer]


EMPTY = {fourbit: {"exponents": [None], "rounds": 1}}           # converters that would search, told not to


@torch.no_grad()
def restored(net: nn.Module, state: dict[str, Tensor], convert: Callable = fourbit, **how) -> nn.Module:
    """The net that `swap` made of one like `net`, from the state_dict() of it: same outputs, bit by bit, and no search.

    convert and how: as `swap` was given them. Which layers were converted is seen in the state, types are those of the state,
    and of a layer in several places one name is enough, as in a file of safetensors' `save_model`.
    """
    made, how, strange = copy.deepcopy(net), how | EMPTY.get(convert, {}), state.keys() - net.state_dict().keys()
    for name, layer in layers(net).items():
        starts = tuple(place and f"{place}." for place in places(net, layer))
        if any(key.startswith(starts) for key in strange):
            made = replaced(made, name, convert(name, layer, blank(layer), **how).train(layer.training))
    own, state = made.state_dict(), tied(made, state)
    whole = own.keys() == state.keys() and all(t.is_floating_point() or t.dtype == own[name].dtype for name, t in state.items())
    try:
        made.load_state_dict({name: t.to(own[name].device, copy=True) for name, t in state.items()} if whole else {}, assign=True)
    except RuntimeError:
        raise ValueError("this is no state of this net so converted: give the arguments that `swap` was given") from None
    return made


def tied(net: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state with all names of the tensors that have several in a net."""
    own = net.state_dict(keep_vars=True)
    found = {id(t): state[name] for name, t in own.items() if name in state}
    return state | {name: found[id(t)] for name, t in own.items() if id(t) in found}


def blank(layer: nn.Module) -> Tensor:
    """An input of zeros of the least size that a layer takes."""
    kernel = zip(layer.weight.shape[2:], getattr(layer, "dilation", ()))
    return layer.weight.new_zeros(1, layer.weight.shape[1], *(d * (k - 1) + 1 for k, d in kernel))
