"""`bench unet`: how fast a training step of our UNet is, beside diffusers' UNet2DModel of the same channels, blocks and weights.

Without a stem the two nets hold the same number of weights in the same places (a test loads one's into the other), so
the ratio of the times of a step (loss, backward, AdamW) is that of the code alone. The course model has a stem, which
diffusers' class has not: there the ratio also holds what the stem saves, a factor near four in multiply-adds. All is
measured in one run, A B A B, each net as it comes: ours lays its weights channels-last by itself; theirs is also
measured after being told to.
"""
from importlib.metadata import version
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn

from .. import folders
from ..diffusion import levels
from ..diffusion.denoise import loss
from ..measure import cost, records
from ..nets.norm import GROUPS
from ..nets.blocks import HEAD
from ..nets.unet import UNet
from ..recipes import shapes

PLAIN = {"blocks": 2, "attention": (False, True), "dropout": 0.1}
CASES = {       # label -> images of a step, settings of the UNet, the type that products run in
    "8x8 digits, batch 64": ((64, 1, 8, 8), PLAIN | {"channels_in": 1, "widths": (32, 64)}, torch.float32),
    "32x32, batch 8": ((8, 3, 32, 32), PLAIN | {"channels_in": 3, "widths": (64, 128)}, torch.float32),
    "the course model, batch 64": ((64, 3, 32, 32), shapes.NET, torch.float32),
    "the course model in bfloat16, batch 64": ((64, 3, 32, 32), shapes.NET, torch.bfloat16),
}
LAYOUTS = {"as it comes": torch.contiguous_format, "told to lie channels-last": torch.channels_last}


def package():
    """diffusers, which is only needed to be measured beside."""
    try:
        import diffusers
    except ModuleNotFoundError:
        raise ModuleNotFoundError("this is measured beside diffusers: `pip install diffusers`") from None
    return diffusers


class Sample(nn.Module):
    """A diffusers model called like ours: net(x, t) or net(x, t, cond) -> a tensor."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        return self.net(x, t, class_labels=cond).sample


def peer(size: int, channels_in: int, widths: tuple[int, ...], blocks: int, attention: tuple[bool, ...] | bool = False,
         classes: int | None = None, dropout: float = 0.0, stem: int = 1) -> nn.Module:
    """diffusers' UNet2DModel by the settings of our UNet, weight for weight; it has no stem, whatever ours has."""
    each = (attention,) * len(widths) if isinstance(attention, bool) else attention
    down = ["AttnDownBlock2D" if attend else "DownBlock2D" for attend in each]
    return package().UNet2DModel(
        sample_size=size, in_channels=channels_in, out_channels=channels_in, block_out_channels=widths, dropout=dropout,
        down_block_types=down, up_block_types=[name.replace("Down", "Up") for name in reversed(down)],
        layers_per_block=blocks, norm_num_groups=GROUPS, attention_head_dim=HEAD, freq_shift=1,
        num_class_embeds=None if classes is None else classes + 1)


def training_step(net: nn.Module, x0: Tensor, cond: Tensor | None, dtype: torch.dtype) -> Callable[[], None]:
    """A function that makes one training step of a net on images x0 (B, C, H, W) of classes cond (B,)."""
    opt, schedule = torch.optim.AdamW(net.parameters(), 1e-4), levels.linear()

    def step() -> None:
        opt.zero_grad(set_to_none=True)
        with torch.autocast(x0.device.type, dtype, enabled=dtype != torch.float32):
            value = loss(net, x0, schedule, cond=cond)
        value.backward()
        opt.step()

    return step


def measure(out: Path | str | None = None, device: str = "cpu", rounds: int = 20, cases: dict = CASES) -> str:
    """Time a training step of ours and of theirs, and append two records a case to unet.jsonl."""
    path = folders.results(out) / "unet.jsonl"
    sync = torch.cuda.synchronize if torch.device(device).type == "cuda" else None
    for label, (shape, net, dtype) in cases.items():
        x0, cond = torch.randn(shape, device=device), torch.zeros(shape[0], dtype=torch.long, device=device)
        for form, layout in LAYOUTS.items():
            nets = [UNet(**net), Sample(peer(shape[2], **net).to(memory_format=layout))]
            steps = [training_step(n.to(device).train(), x0, cond if "classes" in net else None, dtype) for n in nets]
            ratio, mine, other = cost.ratio(*steps, rounds=rounds, sync=sync)
            settings = {"net": net, "shape": shape, "products in": str(dtype), "theirs ms": other._asdict(),
                        "parameters": [sum(p.numel() for p in n.parameters()) for n in nets],
                        "diffusers": version("diffusers")}
            records.append(path, records.Record(
                f"training step, ours to diffusers' {form}, {label}", ms=mine._asdict(), settings=settings,
                quality={"ratio": ratio._asdict() | {"n": rounds}}, device=records.device_name(device)))
    return f"recorded in {path}"
