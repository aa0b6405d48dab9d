"""How fast a training step of our UNet is, beside diffusers' UNet2DModel of the same channels, blocks and weights.

The two nets hold the same number of weights in the same places (a test loads one's into the other), so the ratio of the
times of a step (loss, backward, AdamW) is that of the code alone. Both are measured in one run, A B A B, each as it
comes: ours lays its weights channels-last by itself; theirs is also measured after being told to.
"""
from importlib.metadata import version
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn

from ..diffusion import levels
from ..diffusion.denoise import loss
from ..measure import bench
from ..nets.unet import GROUPS, HEAD, UNet
from . import store

CASES = [("8x8 digits, batch 64", (64, 1, 8, 8), (32, 64)), ("32x32, batch 8", (8, 3, 32, 32), (64, 128))]
BLOCKS, DROPOUT = 2, 0.1
LAYOUTS = {"as it comes": torch.contiguous_format, "told to lie channels-last": torch.channels_last}


class Sample(nn.Module):
    """A diffusers model called like ours: net(x, t) -> a tensor."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.net(x, t).sample


def peer(size: int, channels: int, widths: tuple[int, ...]) -> nn.Module:
    """diffusers' UNet2DModel with attention at every width but the first, weight for weight our UNet."""
    try:
        from diffusers import UNet2DModel
    except ModuleNotFoundError:
        raise ModuleNotFoundError("our UNet is timed beside diffusers': install it with `pip install diffusers`") from None
    down = ["DownBlock2D"] + ["AttnDownBlock2D"] * (len(widths) - 1)
    return UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, block_out_channels=widths, dropout=DROPOUT,
        down_block_types=down, up_block_types=[name.replace("Down", "Up") for name in reversed(down)],
        layers_per_block=BLOCKS, norm_num_groups=GROUPS, attention_head_dim=HEAD, freq_shift=1)


def training_step(net: nn.Module, x0: Tensor) -> Callable[[], None]:
    """A function that makes one training step of a net on images x0 (B, C, H, W)."""
    opt, schedule = torch.optim.AdamW(net.parameters(), 1e-4), levels.linear()

    def step() -> None:
        opt.zero_grad(set_to_none=True)
        loss(net, x0, schedule).backward()
        opt.step()

    return step


def unet(out: Path | str | None = None, device: str = "cpu", rounds: int = 20, cases=CASES) -> str:
    """Time a training step of ours and of theirs, and append two records a case to unet.jsonl."""
    path = Path(out or store.home() / "results") / "unet.jsonl"
    sync = torch.cuda.synchronize if torch.device(device).type == "cuda" else None
    for label, shape, widths in cases:
        ours = UNet(shape[1], widths, BLOCKS, (False,) + (True,) * (len(widths) - 1), dropout=DROPOUT)
        for form, layout in LAYOUTS.items():
            theirs = Sample(peer(shape[2], shape[1], widths).to(memory_format=layout))
            nets, x0 = [net.to(device).train() for net in (ours, theirs)], torch.randn(shape, device=device)
            ratio, mine, other = bench.ratio(*(training_step(net, x0) for net in nets), rounds=rounds, sync=sync)
            settings = {"widths": widths, "blocks": BLOCKS, "shape": shape, "theirs ms": other._asdict(),
                        "parameters": [sum(p.numel() for p in net.parameters()) for net in nets],
                        "diffusers": version("diffusers")}
            bench.append(path, bench.Record(
                f"training step, ours to diffusers' {form}, {label}", ms=mine._asdict(), settings=settings,
                quality={"ratio": ratio._asdict() | {"n": rounds}}, device=bench.device_name(device)))
    return f"recorded in {path}"
