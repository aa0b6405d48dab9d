"""Latents and pictures: the autoencoder of a pipeline, in the scale that its network sees."""
from typing import Any

import torch
from torch import Tensor


def _moments(config: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of an autoencoder's latents; the network sees them normalized."""
    mean = config.get("latents_mean") or config.get("shift_factor") or 0.0
    std = config.get("latents_std") or 1.0
    mean, std = (torch.tensor(m).reshape(1, -1, 1, 1).to(like) for m in (mean, std))
    return mean, std / config.scaling_factor


def autoencoder(pipeline: Any) -> Any:
    """The pipeline's autoencoder, or None."""
    return getattr(pipeline, "vae", None) or getattr(pipeline, "vqvae", None)


@torch.no_grad()
def decode(vae: Any, latents: Tensor) -> Tensor:
    """Images in [-1, 1] of latents; without an autoencoder, the latents clipped."""
    if vae is None:
        return latents.clamp(-1, 1)
    mean, std = _moments(vae.config, latents)
    images = vae.decode((latents * std + mean).to(vae.dtype), return_dict=False)[0].to(latents.dtype)
    if latents.isfinite().all() and not images.isfinite().all():
        raise ValueError(f"the autoencoder overflows in {vae.dtype}: use pipeline.vae.to(torch.float32)")
    return images.clamp(-1, 1)


@torch.no_grad()
def encode(vae: Any, images: Tensor) -> Tensor:
    """Latents of images; the mode, where the autoencoder gives a distribution."""
    if vae is None:
        return images
    out = vae.encode(images.to(vae.dtype))
    found = next((getattr(out, name) for name in ("latent", "latents") if hasattr(out, name)), None)
    latents = (out.latent_dist.mode() if found is None else found).to(images.dtype)
    mean, std = _moments(vae.config, latents)
    return (latents - mean) / std
