"""Pretrained models of diffusers in our three nouns, and our noise law in their words.

A pipeline is a network and a scheduler, with an autoencoder and text encoders around them. Seen from here it is

    denoise, schedule = from_diffusers(pipeline)            # or from_diffusers(unet, scheduler)

so every sampler, wrapper and measurement drives it, on the latents that the network sees. The rest lies beside the two:

    model = from_diffusers(pipeline)
    cond, null = model.prompt("a red circle")
    grid = model.grid(20)                                   # where the pipeline's own scheduler would stop
    latents = last(dpmpp_2m(guided(model.denoise, cond, null, 4.5), start((1, *model.shape), grid), grid))
    images = model.decode(latents)

A condition is what the network takes as keyword arguments: a dict of tensors, or of such dicts.
Three conventions differ. Euler and Heun schedulers carry x / alpha and rescale it for the network; here x is what the
network sees. Flow networks count t to 1000, and a shift s (Esser et al. 2024) multiplies sigma / (1 - sigma) on a grid,
which moves every lam by -log s. `clip_sample` becomes part of the denoiser; DDIMScheduler clips its guess but not the
noise that belongs to it, DDPMScheduler and our samplers clip both.
A picture is inverted by ddim up a grid, from a level with sigma > 0: ddim(denoise, latents, grid[::-1]).
Left out: networks that take images (inpainting, ControlNet) or a guidance weight; dynamic thresholding; consistency.
"""
import copy
import inspect
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Callable, Iterator

import torch
from torch import Tensor, nn

from .diffusion import levels
from .diffusion.denoise import Denoiser, clipped
from .diffusion.guidance import each
from .diffusion.levels import CLEAN, Level, Schedule

NETWORKS = ("UNet2DModel", "UNet2DConditionModel", "SanaTransformer2DModel")
PREDICTIONS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v", "flow_prediction": "flow"}


class Foreign(nn.Module):
    """A diffusers network called as ours are: net(x, t, cond) -> the shape of x; cond holds its keyword arguments."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net, self.scale = net, net.config.get("timestep_scale", 1.0)

    def forward(self, x: Tensor, t: Tensor, cond: dict | None = None) -> Tensor:
        out = self.net(x, timestep=self.scale * t, return_dict=False, **(cond or {}))[0]
        return out[:, :x.shape[1]]              # a learned variance, where there is one, comes after


@dataclass(frozen=True)
class Model:
    """A pretrained model, which unpacks into (denoise, schedule). shape: (C, H, W) of the latents it was made for."""
    denoise: Callable
    schedule: Schedule
    net: nn.Module
    scheduler: Any
    shape: tuple[int, int, int]
    pipeline: Any = None

    def __iter__(self) -> Iterator:
        return iter((self.denoise, self.schedule))

    def grid(self, n: int, **options) -> list[Level]:
        """The levels at which the model's own scheduler stops; n and options go to its `set_timesteps`.

        t is what it feeds the network, often rounded. A level that it visits twice in a row is listed once.
        """
        scheduler = copy.deepcopy(self.scheduler)           # set_timesteps changes it
        scheduler.set_timesteps(n, **options)
        times = [float(t) for t in scheduler.timesteps]
        if hasattr(scheduler, "sigmas"):
            grid = [Level(*fields) for fields in zip(times + [0.0], *_split(self.schedule, scheduler.sigmas))]
        else:
            clean = float(getattr(scheduler, "final_alpha_cumprod", 1.0)) == 1
            grid = [self.schedule(t) for t in times] + [CLEAN if clean else self.schedule(0.0)]
        return grid[:1] + [nxt for cur, nxt in pairwise(grid) if nxt[1:] != cur[1:]]

    def prompt(self, text: str | list[str] | None = None, size: tuple[int, int] | None = None,
               **given) -> tuple[dict, dict]:
        """(cond, null) of a prompt, for `guided`, as the pipeline itself would encode it.

        given: what its `encode_prompt` takes besides, such as negative_prompt, or ready embeddings: prompt_embeds
        (B, L, D) and so on. size: (height, width) in pixels, of which SDXL is told; by default that of `shape`.
        """
        kind = type(self.pipeline).__name__
        if kind not in PROMPTS:
            raise ValueError(f"prompts are encoded by {', '.join(PROMPTS)}, not by {kind}: "
                             "make the condition yourself, a dict of the network's keyword arguments")
        embedded = _encoded(self.pipeline, text, given)
        size = size or tuple(self.pipeline.vae_scale_factor * side for side in self.shape[1:])
        cast = lambda c: c.to(self.net.dtype) if c.is_floating_point() else c
        return tuple(each(cast, tree) for tree in PROMPTS[kind](size, *embedded))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images in [-1, 1] of latents; for a model without an autoencoder, the latents clipped."""
        vae = getattr(self.pipeline, "vae", None)
        if vae is None:
            return latents.clamp(-1, 1)
        mean, std = _moments(vae.config, latents)
        images = vae.decode((latents * std + mean).to(vae.dtype), return_dict=False)[0].to(latents.dtype)
        if latents.isfinite().all() and not images.isfinite().all():
            raise ValueError(f"the autoencoder overflows in {vae.dtype}: use pipeline.vae.to(torch.float32)")
        return images.clamp(-1, 1)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Latents of images (B, 3, H, W) in [-1, 1]; the mode, where the autoencoder gives a distribution."""
        vae = getattr(self.pipeline, "vae", None)
        if vae is None:
            return images
        out = vae.encode(images.to(vae.dtype))
        latents = (out.latent if hasattr(out, "latent") else out.latent_dist.mode()).to(images.dtype)
        mean, std = _moments(vae.config, latents)
        return (latents - mean) / std


def _split(schedule: Schedule, sigmas: Tensor) -> list[list[float]]:
    """Our alphas and sigmas of a scheduler's sigmas, which are sigma itself for flow and sigma / alpha otherwise."""
    sigmas = sigmas.double().cpu()
    lam = torch.special.logit(1 - sigmas) if schedule.split is levels.straight else -sigmas.log()
    return [field.tolist() for field in schedule.split(lam)]


def _moments(config: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of an autoencoder's latents; the network sees them normalized."""
    mean = config.get("latents_mean") or config.get("shift_factor") or 0.0
    std = config.get("latents_std") or 1.0
    mean, std = (torch.tensor(m).reshape(1, -1, 1, 1).to(like) for m in (mean, std))
    return mean, std / config.scaling_factor


@torch.no_grad()
def _encoded(pipeline: Any, text: str | list[str] | None, given: dict) -> tuple[Tensor, ...]:
    """What encode_prompt gives when it is called as the pipeline's own __call__ does."""
    taken, own = (inspect.signature(f).parameters for f in (pipeline.encode_prompt, pipeline.__call__))
    named = {k: p.default for k, p in own.items() if k in taken} | {
        "prompt": text, "device": pipeline.device, "num_images_per_prompt": 1,
        "do_classifier_free_guidance": True} | given
    missing = [k for k in taken if k.endswith(("_embeds", "_mask")) and named.get(k) is None]
    if missing and (text is None or pipeline.text_encoder is None):
        raise ValueError(f"give {', '.join(missing)}" + ("" if pipeline.text_encoder is None else ", or a text"))
    return pipeline.encode_prompt(**named)


def _text(size, cond, null):
    return [{"encoder_hidden_states": e} for e in (cond, null)]


def _text_and_size(size, cond, null, pooled, unpooled):             # SDXL, Podell et al. 2023, section 2.2
    ids = torch.tensor([[*size, 0, 0, *size]], dtype=cond.dtype, device=cond.device)     # (1, 6), uncropped
    return [{"encoder_hidden_states": e, "added_cond_kwargs": {"text_embeds": p, "time_ids": ids}}
            for e, p in ((cond, pooled), (null, unpooled))]


def _masked_text(size, cond, mask, null, unmask):
    return [{"encoder_hidden_states": e, "encoder_attention_mask": m} for e, m in ((cond, mask), (null, unmask))]


PROMPTS = {"StableDiffusionPipeline": _text, "StableDiffusionXLPipeline": _text_and_size, "SanaPipeline": _masked_text}


def _flow(total: int, shift: float) -> Schedule:
    """Straight paths with t in [0, total], and the shift in the range of lam of the grids."""
    unit = levels.flow()
    return replace(unit, to_lam=lambda t: unit.to_lam(t / total), to_t=lambda lam: total * unit.to_t(lam),
                   span=(0.0, float(total)), lams=tuple(lam - math.log(shift) for lam in unit.lams))


def _law(scheduler: Any) -> tuple[str, Schedule]:
    """What the network predicts, and the noise law."""
    kind, config = type(scheduler).__name__, scheduler.config
    named = "flow_prediction" if kind.startswith("FlowMatch") else config.get("prediction_type")
    if named not in PREDICTIONS or named != "flow_prediction" and not hasattr(scheduler, "alphas_cumprod"):
        raise ValueError(f"{kind} with prediction_type {named!r} has no counterpart here: "
                         f"use a scheduler of one of {', '.join(PREDICTIONS)} with a table of alpha-bar, or a flow one")
    if config.get("thresholding"):
        raise ValueError("dynamic thresholding is left out: make the scheduler with thresholding=False")
    if named == "flow_prediction":
        return "flow", _flow(config.num_train_timesteps, config.get("flow_shift", config.get("shift", 1.0)))
    return PREDICTIONS[named], levels.from_alphas_cumprod(scheduler.alphas_cumprod.double().cpu())


def _network(net: Any) -> nn.Module:
    """The network, if it takes noisy latents and gives a prediction for them."""
    kind = type(net).__name__
    if kind not in NETWORKS:
        raise ValueError(f"from_diffusers adapts {', '.join(NETWORKS)}, got {kind}")
    takes, gives = net.config.in_channels, net.config.out_channels
    if gives not in (takes, 2 * takes) or net.config.get("time_cond_proj_dim") or net.config.get("guidance_embeds"):
        raise ValueError(f"this {kind} takes {takes} channels and gives {gives}, or takes a guidance weight: "
                         "only a network of noisy latents, a time and a condition is a denoiser")
    return net


def from_diffusers(source: Any, scheduler: Any = None) -> Model:
    """A pipeline, or a network and a scheduler, as a Model: `denoise, schedule = from_diffusers(pipeline)`.

    The weights are not copied. denoise(x, level, cond): x (B, C, H, W), cond a dict of the network's keyword arguments.
    """
    pipeline = source if scheduler is None else None
    net = source if scheduler is not None else getattr(source, "unet", None) or getattr(source, "transformer", None)
    net, scheduler = _network(net), scheduler or source.scheduler
    pred, schedule = _law(scheduler)
    denoise, size = Denoiser(Foreign(net), pred), net.config.sample_size
    if scheduler.config.get("clip_sample"):
        reach = scheduler.config.get("clip_sample_range", 1.0)
        denoise = clipped(denoise, -reach, reach)
    shape = (net.config.in_channels, *(size if isinstance(size, (list, tuple)) else (size, size)))
    return Model(denoise, schedule, net, scheduler, shape, pipeline)


def to_diffusers(schedule: Schedule, pred: str = "eps") -> dict:
    """The configuration of a diffusers scheduler with our noise law: DDIMScheduler.from_config(to_diffusers(schedule)).

    Other schedulers that read a table of beta take it too. Their loop around our net then gives our trajectory on
    `schedule.grid(n, "leading")`; `timestep_spacing="trailing"` gives ours where n divides T.
    """
    names = {ours: theirs for theirs, ours in PREDICTIONS.items() if ours != "flow"}
    if schedule.steps is None or pred not in names:
        raise ValueError(f"only a table of alpha-bar with one of {', '.join(names)} is exported, "
                         f"got {pred!r} on a schedule of {schedule.steps or 'no'} steps")
    times = torch.arange(schedule.steps, dtype=torch.float64)
    abar = schedule(times, like=times).alpha ** 2
    betas = 1 - abar / torch.cat([torch.ones_like(abar[:1]), abar[:-1]])
    return {"_class_name": "DDIMScheduler", "num_train_timesteps": schedule.steps, "trained_betas": betas.tolist(),
            "prediction_type": names[pred], "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 0,
            "timestep_spacing": "leading"}


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
