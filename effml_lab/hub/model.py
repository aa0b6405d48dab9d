"""A pretrained model in our nouns: a denoiser and a schedule, with what belongs to them."""
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import torch
from torch import Tensor, nn

from ..diffusion.denoise import Denoiser, clipped
from ..diffusion.levels import Level, Schedule
from . import grids, laws, networks, pictures, pipelines, solvers


@dataclass(frozen=True)
class Model:
    """A pretrained model, which unpacks into (denoise, schedule). shape: (C, H, W) of the latents it was made for.

    Another size: dataclasses.replace(model, shape=(C, H, W)), since some grids and prompts depend on it.
    """
    denoise: Callable
    schedule: Schedule
    net: nn.Module
    scheduler: Any
    shape: tuple[int, int, int]
    pipeline: Any = None

    def __iter__(self) -> Iterator:
        return iter((self.denoise, self.schedule))

    def grid(self, n: int | None = None, **options) -> list[Level]:
        """The levels at which the model's own scheduler stops; n and options go to its `set_timesteps`.

        t is what it feeds the network, often rounded. A level that it visits twice in a row is listed once. n may be left
        out where an option says it, such as timesteps or sigmas. Without options, those of the pipeline are taken.
        """
        grids.whole(n, bool(options))
        n, options = (n, options) if options else pipelines.stops(self.pipeline, self.scheduler, self.shape, n)
        return grids.grid(self.scheduler, self.schedule, n, **options)

    def start(self, shape: tuple[int, ...], grid: list[Level], rng: torch.Generator | None = None) -> Tensor:
        """Noise at the first level, as much as the model's scheduler begins with, on the network's device.

        It differs from samplers.start by up to half a percent: Euler's linspace begins at sigma, not at 1.
        """
        spread = laws.law(self.scheduler).spread(self.scheduler.config, grid[0])
        device = next(self.net.parameters()).device
        return spread * torch.randn(shape, generator=rng, device=rng.device if rng else device).to(device)

    @property
    def sampler(self) -> solvers.Sampler:
        """Our sampler that makes the scheduler's own steps, called as any of SAMPLERS: sampler(denoise, x, grid)."""
        found = solvers.own(self.scheduler)
        if found is None:
            raise ValueError(f"the steps of {type(self.scheduler).__name__}, as it is set, are not those of any sampler here: "
                             "its levels and its network are followed, so take one of samplers.SAMPLERS")
        return found

    def prompt(self, text: str | list[str] | None = None, size: tuple[int, int] | None = None,
               **given) -> tuple[dict, dict | None]:
        """(cond, null) of a prompt, for `guided`, as the pipeline itself would encode it.

        given: what its `encode_prompt` takes besides, such as negative_prompt, or ready embeddings: prompt_embeds
        (B, L, D) and so on. size: (height, width) in pixels, of which SDXL is told; by default that of `shape`. Flux is
        told guidance_scale, and its null is None without negative_prompt or its embeddings. A pipeline takes a weight below
        1 for 1; its guidance_rescale is guidance.rescaled with the network's own prediction.
        """
        factor = getattr(self.pipeline, "vae_scale_factor", 1)
        size = size or tuple(factor * side for side in self.shape[1:])
        return pipelines.prompt(self.pipeline, text, size, self.net.dtype, given)

    def decode(self, latents: Tensor) -> Tensor:
        """Images in [-1, 1] of latents; for a model without an autoencoder, the latents clipped."""
        return pictures.decode(pictures.autoencoder(self.pipeline), latents)

    def encode(self, images: Tensor) -> Tensor:
        """Latents of images (B, 3, H, W) in [-1, 1]; the mode, where the autoencoder gives a distribution."""
        return pictures.encode(pictures.autoencoder(self.pipeline), images)


def from_diffusers(source: Any, scheduler: Any = None) -> Model:
    """A pipeline, or a network and a scheduler, as a Model: `denoise, schedule = from_diffusers(pipeline)`.

    The weights are not copied. denoise(x, level, cond): x (B, C, H, W), cond a dict of the network's keyword arguments.
    """
    pipeline, net = None, source
    if scheduler is None and hasattr(source, "scheduler") and not isinstance(source, type):
        pipeline, scheduler = pipelines.checked(source), source.scheduler
        net = source.transformer if getattr(source, "unet", None) is None else source.unet
    net = networks.checked(net)
    law = laws.law(scheduler)
    pred, schedule = law.read(scheduler)
    denoise = Denoiser(networks.Foreign(net, -1.0 if laws.mirrored(scheduler) else 1.0), pred)
    if law.clips and scheduler.config.get("clip_sample"):
        reach = scheduler.config.get("clip_sample_range", 1.0)
        denoise = clipped(denoise, -reach, reach)
    return Model(denoise, schedule, net, scheduler, networks.shape(net), pipeline)


def pretrained(name: str = "google/ddpm-cifar10-32", device: str = "cuda") -> Model:
    """A pipeline from the Hugging Face hub, adapted, on a GPU. Only safetensors are read.

    RuntimeError says in one sentence why there is none.
    """
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"{name} was skipped: this machine has no GPU")
    try:
        from diffusers import DiffusionPipeline
        pipeline = DiffusionPipeline.from_pretrained(name, use_safetensors=True)        # its other format is pickle
    except ModuleNotFoundError as missing:
        raise RuntimeError(f"{name} was skipped: {missing.name} is not installed (pip install diffusers)") from None
    except OSError:
        why = "neither the network nor the local cache gave its safetensors"
        raise RuntimeError(f"{name} was skipped: {why}") from None
    return from_diffusers(pipeline.to(device))
