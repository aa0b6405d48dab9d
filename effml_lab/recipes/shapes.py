"""The course model: a UNet that draws 32x32 scenes of one shape, told which kind; labs 02 to 12 start from it.

v-prediction (Salimans and Ho 2022) on the cosine table of T = 1000 (Nichol and Dhariwal 2021): v stays well defined from
pure noise to nearly none, which few-step samplers, guidance and distillation all need; and where DDPM's linear table
spends half of its times in what is nearly noise alone, the cosine one asks more of the picture. One condition in ten is
dropped, so that the same weights also know the unconditional image (Ho and Salimans 2021). Scenes are rendered anew for
every step: there is no training set to learn by heart. A stem of 2 x 2 pixels halves the resolution of all the work,
products run in bfloat16 where the processor has them, and what is kept is the EMA of the weights. Batches are small: on a
CPU, where the time of a step is nearly proportional to its batch, that gave the lowest loss for the same minutes. The
learning rate stays where it is for most of the steps, which taught more in the same time than a cosine, and is cooled
down at the end; three times this rate learns faster at first and diverges after four thousand steps. The shape is what
`bench shape_search` found best for the same time: no level below 8 x 8, one width, attention at the middle alone.
Left out: captions and several shapes (labs 03 and 07).
"""
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from .. import doctor
from ..datasets import shapes
from ..diffusion import levels, samplers
from ..diffusion.denoise import loss as diffusion_loss
from ..diffusion.guidance import dropped, guided
from ..diffusion.train import Run, cooled
from ..models import checkpoints, reader, store
from ..nets.unet import UNet
from . import training

CLASSES = len(shapes.KINDS)
NET = {"channels_in": 3, "widths": [56, 56], "blocks": 1, "attention": False, "classes": CLASSES, "stem": 2}
SCHEDULE = levels.cosine
SEED, BATCH, STEPS, LR, DROPPED = 0, 24, 90000, 1e-3, 0.1


def batch(size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fresh scenes (size, 3, 32, 32) and their kinds (size,), of which a share is dropped: CLASSES means "no class"."""
    scenes = shapes.draw(size, rng)
    return shapes.render(scenes), dropped(scenes.kind[:, 0], torch.tensor([CLASSES]), DROPPED, rng)


def products(device: str) -> torch.dtype:
    """The type that products run in: bfloat16, but for a processor that would emulate it and take ten times as long."""
    return torch.bfloat16 if torch.device(device).type != "cpu" or doctor.bfloat16() else torch.float32


def skewed(share: float, border: float = 0.95) -> Callable[[Tensor], Tensor]:
    """Shares of the range of t of which so many lie beyond `border`, where colour and ground are decided."""
    return lambda u: torch.where(u < share, border + (1 - border) * u / share, (u - share) / (1 - share))


@contextmanager
def products_in(device: str) -> Iterator[None]:
    """Products in the type that suits the device; on a CPU attention as plain products.

    It is over 256 pixels at most, and the fused one is slow backwards in bfloat16 there.
    """
    dtype, kind = products(device), torch.device(device).type
    plain = sdpa_kernel(SDPBackend.MATH) if kind == "cpu" else nullcontext()
    with torch.autocast(kind, dtype, enabled=dtype != torch.float32, cache_enabled=kind == "cpu"), plain:
        yield


def loss(net: nn.Module, step: int, device: str = "cpu", times: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """The loss of one step, on a batch drawn from a seed made of its number; times: as of `denoise.loss`."""
    rng = store.seeded(SEED, step)
    images, kinds = batch(BATCH, rng)
    with products_in(device):
        return diffusion_loss(net, images.to(device), SCHEDULE(), "v", rng, kinds.to(device), times)


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None, name: str = "shapes", net: dict = NET,
          look: Callable[[Path], dict] | None = None) -> Path | None:
    """Train the course model, store it as `name` and return its path; None if `minutes` ran out before the end.

    look: what examines the stored weights, by default `examine`.
    """
    torch.manual_seed(SEED)
    run = Run(UNet(**net).to(device), LR, rate=cooled)
    recipe = {"seed": SEED, "steps": steps or STEPS, "batch": BATCH, "lr": LR, "rate": run.rate.__name__, "net": net,
              "dropped": DROPPED, "products": str(products(device))}
    about = {"recipe": f"{__package__}.{name}", "net": {"kind": "unet", "settings": net}, "pred": "v", "schedule": "cosine",
             "classes": CLASSES, "shape": [3, reader.SIZE, reader.SIZE], "data": "shapes, one a scene, rendered anew"}
    return training.make(name, run, lambda net, step: loss(net, step, device), recipe, about, look or examine, out, minutes)


def examine(folder: Path, name: str = "shapes", n: int = 480, steps: int = 50) -> dict:
    """A quick look at the stored weights: the share of n samples of a short DDIM run that show the wanted kind."""
    denoise, schedule = checkpoints.denoiser(name, folder)
    wanted, grid = torch.arange(n) % CLASSES, schedule.grid(steps, "trailing")
    x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, store.seeded(SEED, -1))
    images = samplers.last(samplers.ddim(guided(denoise, wanted, torch.full((1,), CLASSES), 1.0), x, grid))
    share = reader.attributes(images).kind == wanted
    return {"quality": {f"wanted kind, ddim {steps}": {"value": share.double().mean().item(), "n": n}}}
