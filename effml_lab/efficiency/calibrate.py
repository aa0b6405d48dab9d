"""Calibration: what the layers of a net see while it denoises.

A denoiser's inputs change from noise to picture on the way, and the range of what a layer sees changes with them. So
the examples come from the net's own denoising trajectory (Shang et al. 2023, PTQ4DM; Li et al. 2023, Q-Diffusion), and
which times they come from is a choice:
  noise    the first level alone        uniform  all levels alike
  clean    the last one alone           ndtc     normal around 0.4 T with a spread of T / 2, clamped: all over the path,
                                                 more near the picture (PTQ4DM)
Left out: block reconstruction, learned step sizes.
"""
from typing import Callable, Iterable

import torch
from torch import Tensor, nn

from ..diffusion.levels import Level
from ..diffusion.samplers import ddim
from .svdquant import spread

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


class Seen(dict):
    """Name of a layer -> its inputs: rows (n, K) of a linear layer, images (n, C, H, W) of a convolution.

    places: the layers that see many rows a picture, tokens (B, N, K) or pixels (B, C, H, W), in the order in which they are first
    called. The others see one row a picture: a time, a class, or what becomes of them. (Tokens that a net has flattened to
    (B N, K) before look like the latter.)
    """

    def __init__(self, inputs: dict[str, Tensor], places: Iterable[str]):
        super().__init__(inputs)
        self.places = list(places)


@torch.no_grad()
def calibrate(denoise: Callable, net: nn.Module, batches: Iterable[Visit], keep: int = 512) -> Seen:
    """What each layer of `net` is given while `denoise`, which calls it, answers the batches; at most `keep` rows a call."""
    seen: dict[str, list[Tensor]] = {name: [] for name in layers(net)}
    places: dict[str, None] = {}

    def watch(name: str) -> Callable:
        def hook(layer, given, named):
            x = (given[0] if given else named["input"]).detach()
            if (x.shape[-2:] if isinstance(layer, nn.Conv2d) else x.shape[1:-1]).numel() > 1:
                places[name] = None
            single = x.shape[-3:] if isinstance(layer, nn.Conv2d) else x.shape[-1:]
            seen[name].append(spread(x.reshape(-1, *single), keep))
        return hook

    handles = [layer.register_forward_pre_hook(watch(name), with_kwargs=True) for name, layer in layers(net).items()]
    try:
        for x, level in batches:
            denoise(x, level)
    finally:
        for handle in handles:
            handle.remove()
    return Seen({name: torch.cat(parts) for name, parts in seen.items() if parts}, places)
