"""Calibration: what the layers of a net see while it denoises, and the same net with those layers quantized.

A denoiser's inputs change from noise to picture on the way, and the range of what a layer sees changes with them. So
the examples come from the net's own denoising trajectory (Shang et al. 2023, PTQ4DM; Li et al. 2023, Q-Diffusion), and
which times they come from is a choice:
  noise    the first level alone        uniform  all levels alike
  clean    the last one alone           ndtc     levels around 0.4 T, normally distributed (PTQ4DM)
Errors are told on rows that the conversion has not seen. Left out: block reconstruction, learned step sizes.
"""
import copy
from typing import Callable, Iterable, NamedTuple, Sequence

import torch
from torch import Tensor, nn

from ..diffusion.levels import Level
from ..diffusion.samplers import ddim
from .quant import QuantConv2d, QuantLinear, bytes_of
from .svdlinear import SVDQuantConv2d, SVDQuantLinear
from .svdquant import relative

Visit = tuple[Tensor, Level]
PICK = {       # (number of visits, how many, rng) -> which of them, from noise to picture
    "noise": lambda n, many, rng: torch.zeros(many, dtype=torch.long),
    "clean": lambda n, many, rng: torch.full((many,), n - 1),
    "uniform": lambda n, many, rng: torch.linspace(0, n - 1, many).round().long(),
    "ndtc": lambda n, many, rng: ((0.6 + 0.5 * torch.randn(many, generator=rng)) * n).long().clamp(0, n - 1),
}


def trajectory(denoise: Callable, x: Tensor, grid: list[Level], sampler: Callable = ddim) -> list[Visit]:
    """What the denoiser is asked on the way down the grid from x (B, ...): a pair (state, level) for each step."""
    return list(zip([x, *sampler(denoise, x, grid)], grid[:-1]))


def chosen(visits: list[Visit], strategy: str, many: int = 8, rng: torch.Generator | None = None) -> list[Visit]:
    """So many of the visits of a trajectory, by a strategy, with repeats where it wants them."""
    if strategy not in PICK:
        raise ValueError(f"there is no strategy {strategy!r}: choose one of {', '.join(PICK)}")
    return [visits[i] for i in PICK[strategy](len(visits), many, rng).tolist()]


def layers(net: nn.Module) -> dict[str, nn.Module]:
    """The linear layers and convolutions of a net, by name; subclasses, which may be called otherwise, are left out."""
    return {name: part for name, part in net.named_modules() if type(part) in (nn.Linear, nn.Conv2d)}


@torch.no_grad()
def calibrate(denoise: Callable, net: nn.Module, batches: Iterable[Visit], keep: int = 512) -> dict[str, Tensor]:
    """What each layer of `net` is given while `denoise`, which calls it, answers the batches.

    Inputs (rows, K) of a linear layer, at most `keep` rows a batch, evenly spread; (B, C, H, W) of a convolution.
    """
    seen: dict[str, list[Tensor]] = {name: [] for name in layers(net)}

    def watch(name: str) -> Callable:
        def hook(layer, inputs):
            x = inputs[0].detach()
            rows = x if isinstance(layer, nn.Conv2d) else x.flatten(0, -2)
            seen[name].append(rows[:: max(1, len(rows) // keep)].clone())
        return hook

    handles = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers(net).items()]
    try:
        for x, level in batches:
            denoise(x, level)
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts) for name, parts in seen.items() if parts}


class Row(NamedTuple):
    """A layer that was replaced: its relative error on inputs not seen before, and its bytes before and now."""
    name: str
    error: float
    before: int
    bytes: int


def fourbit(name: str, layer: nn.Module, seen: Tensor, rank: int = 32, mode: str = "w4a4", **how) -> nn.Module:
    """A layer as SVDQuant stores it; one narrower than `rank` gets the rank it has room for. how: see `svdquant.search`."""
    if isinstance(layer, nn.Conv2d):
        return SVDQuantConv2d.from_conv(layer, seen, 0, mode, **how)
    return SVDQuantLinear.from_linear(layer, seen, min(rank, *layer.weight.shape), mode, **how)


def static(name: str, layer: nn.Module, seen: Tensor, bits: int = 8, per: str = "channel",
           parts: dict[str, Sequence[int]] = {}) -> nn.Module:
    """A layer with rounded weights, and inputs in 8 bits with one scale, fixed now. parts: name -> see `QuantLinear`."""
    kind = QuantConv2d if isinstance(layer, nn.Conv2d) else QuantLinear
    return kind(layer, bits, per, act={"bits": 8, "per": "tensor"}, seen=seen, parts=parts.get(name, ()))


@torch.no_grad()
def swap(net: nn.Module, calibration: dict[str, Tensor], where: Callable = lambda name, layer: isinstance(layer, nn.Linear),
         convert: Callable = fourbit, **how) -> tuple[nn.Module, list[Row]]:
    """A copy of the net with the layers that `where(name, layer)` names converted, and a row for each.

    Every other input of the calibration is kept for the error. convert: `fourbit` or `static`, which take the rest.
    """
    chosen_layers = {name: layer for name, layer in layers(net).items() if where(name, layer)}
    if missing := sorted(chosen_layers.keys() - calibration.keys()):
        raise ValueError(f"the calibration never reached {', '.join(missing)}: give it batches that do, or leave them out")
    made, rows = copy.deepcopy(net), []
    for name, layer in chosen_layers.items():
        fitted, held = calibration[name][::2], calibration[name][1::2]
        if not len(held):
            raise ValueError(f"the calibration holds one input of {name or 'the layer'}: two or more are needed, "
                             "half of them for its error")
        new = convert(name, layer, fitted, **how)
        rows.append(Row(name, relative(new(held), layer(held)), bytes_of(layer), bytes_of(new)))
        made = replaced(made, name, new)
    return made, rows


def replaced(net: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """The net with a layer in the place of the one of that name, wherever that one is used; the layer, if it is the net."""
    old = net.get_submodule(name)
    for place in [place for place, part in net.named_modules(remove_duplicate=False) if part is old and place]:
        parent, _, last = place.rpartition(".")
        setattr(net.get_submodule(parent), last, layer)
    return net if name else layer
