"""The text model: scenes of one to four shapes from captions; lab 03.

It begins with the weights of the course model, told no class, and learns to read: an encoder and readers, new, at the whole
rate, the old weights at a fifth of it. Five in eight scenes have one shape, the others two to four, of two every second with
a relation in place of the places; the pairs of `captions.HELD` are never asked for. Color and ground are decided where there is
hardly anything but noise (t > 950), which uniform times visit one time in twenty: with those alone, both stay near chance
for long. So half of the times lie there for most of the steps, and a fifth at the end. One caption in ten is left out.
Left out: the other things that captions could leave unsaid (lab 07).
"""
from pathlib import Path

import torch
from torch import Tensor, nn

from ..datasets import captions
from ..datasets import shapes as data
from ..diffusion import samplers
from ..diffusion.denoise import loss as diffusion_loss
from ..diffusion.guidance import dropped, guided
from ..diffusion.train import Run, cooled
from ..models import checkpoints, reader, samples, store
from ..nets.text import Captioned
from . import shapes, training

NET = {"unet": {**shapes.NET, "reads": True}, "vocabulary": len(captions.VOCABULARY), "length": captions.LENGTH, "width": 64,
       "depth": 2, "nothing": captions.NUMBER[captions.START]}
SEED, BATCH, STEPS, LR, OLD, DROPPED = 0, 24, 20000, 1e-3, 0.2, 0.1
HIGH, LATER, SWITCH = 0.5, 0.2, 0.7             # shares of the times at high noise: at first, and after so much of the steps


def batch(size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fresh scenes (size, 3, 32, 32) and the tokens of their captions (size, LENGTH), of which a share says nothing."""
    drawn = captions.draw(size, rng)
    said = captions.tokens(captions.sentences(drawn, torch.rand(size, generator=rng) < 0.5))
    return data.render(drawn), dropped(said, captions.nothing(), DROPPED, rng)


def loss(net: nn.Module, step: int, steps: int = STEPS, device: str = "cpu") -> Tensor:
    """The loss of one step of `steps`, on a batch drawn from a seed made of its number."""
    rng = store.seeded(SEED, step)
    images, said = batch(BATCH, rng)
    times = shapes.skewed(HIGH if step < SWITCH * steps else LATER)
    with shapes.products_in(device):
        return diffusion_loss(net, images.to(device), shapes.SCHEDULE(), "v", rng, said.to(device), times)


def fresh() -> Captioned:
    """The text model before its first step: the course model that was told no class, and readers that add nothing."""
    net = Captioned(**NET)
    net.unet.load_state_dict(net.unet.state_dict() | store.weights("shapes"))
    return net


def share(name: str) -> float:
    """What a weight has of the learning rate."""
    return 1.0 if name.startswith("encoder.") or ".read." in name else OLD


def train(device: str = "cpu", out: Path | str | None = None, steps: int | None = None,
          minutes: float | None = None) -> Path | None:
    """Train the text model, store it as `scenes` and return its path; None if `minutes` ran out before the end."""
    torch.manual_seed(SEED)
    run, steps = Run(fresh().to(device), LR, rate=cooled, share=share), steps or STEPS
    recipe = {"seed": SEED, "steps": steps, "batch": BATCH, "lr": LR, "share of old weights": OLD, "rate": run.rate.__name__,
              "net": NET, "dropped": DROPPED, "high noise": [HIGH, LATER, SWITCH], "products": str(shapes.products(device)),
              "begins with": store.card("shapes")["sha256"]}
    about = {"recipe": __name__, "net": {"kind": "captioned", "settings": NET}, "pred": "v", "schedule": "cosine",
             "shape": [3, reader.SIZE, reader.SIZE], "data": "shapes, one to four a scene, rendered anew"}
    return training.make("scenes", run, lambda net, step: loss(net, step, steps, device), recipe, about, examine, out, minutes)


def examine(folder: Path, n: int = 480, steps: int = 20, w: float = 2.0) -> dict:
    """A quick look at the stored weights: what n pictures of one shape show of what their captions asked for."""
    denoise, schedule = checkpoints.denoiser("scenes", folder)
    rng, grid = store.seeded(SEED, -1), schedule.grid(steps, samples.SPACING)
    asked = captions.draw(n, rng, alone=1.0)
    said = captions.tokens(captions.sentences(asked))
    x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, rng)
    parts = [samplers.last(samplers.dpmpp_2m(guided(denoise, told, captions.nothing(), w), part, grid))
             for part, told in zip(x.split(120), said.split(120))]
    right = reader.right(torch.cat(parts), asked)
    return {"quality": {f"{name}, dpmpp_2m {steps}, w = {w:g}": {"value": hits.double().mean().item(), "n": n}
                        for name, hits in right.items()}}
