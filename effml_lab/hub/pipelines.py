"""What a pipeline does around its network: words to conditions, the stops that depend on a picture's size.

A pipeline is followed if what it does between its network and its scheduler is known here: guidance by two guesses and
no more. Those with a control, an adapter or a second network are refused, since that part would be dropped in silence.
Each one hands its network other things: SDXL (Podell et al. 2023) the picture's size, SD3 and Flux a pooled embedding,
PixArt and SANA a mask of the words. Flux distilled with guidance is told the weight (guidance_scale); it guides itself.
"""
import inspect
from typing import Any, Callable

import numpy as np
import torch

from ..diffusion.guidance import each

Pair = tuple[dict, dict | None]


@torch.no_grad()
def _encoded(pipeline: Any, text: str | list[str] | None, given: dict) -> tuple:
    """What encode_prompt gives when it is called as the pipeline's own __call__ does."""
    taken, own = (inspect.signature(f).parameters for f in (pipeline.encode_prompt, pipeline.__call__))
    named = {k: p.default for k, p in own.items() if k in taken} | {
        "prompt": text, "device": pipeline.device, "num_images_per_prompt": 1}
    named |= {"do_classifier_free_guidance": True} if "do_classifier_free_guidance" in taken else {}
    named |= given
    missing = [k for k in taken if k.endswith(("_embeds", "_mask")) and named.get(k) is None]
    if missing and (text is None or pipeline.text_encoder is None):
        raise ValueError(f"give {', '.join(missing)}" + ("" if pipeline.text_encoder is None else ", or a text"))
    unknown = sorted(set(given) - set(taken) - {"kwargs"})
    if unknown:
        raise ValueError(f"{type(pipeline).__name__}.encode_prompt does not take {', '.join(unknown)}")
    return pipeline.encode_prompt(**named)


def _text(pipeline, text, size, given) -> Pair:
    return tuple({"encoder_hidden_states": e} for e in _encoded(pipeline, text, given))


def _text_and_size(pipeline, text, size, given) -> Pair:             # SDXL, section 2.2
    cond, null, pooled, unpooled = _encoded(pipeline, text, given)
    ids = torch.tensor([[*size, 0, 0, *size]], dtype=cond.dtype, device=cond.device)     # (1, 6), uncropped
    return tuple({"encoder_hidden_states": e, "added_cond_kwargs": {"text_embeds": p, "time_ids": ids}}
                 for e, p in ((cond, pooled), (null, unpooled)))


def _masked_text(pipeline, text, size, given) -> Pair:
    cond, mask, null, unmask = _encoded(pipeline, text, given)
    return tuple({"encoder_hidden_states": e, "encoder_attention_mask": m} for e, m in ((cond, mask), (null, unmask)))


def _masked_text_and_size(pipeline, text, size, given) -> Pair:
    pair = _masked_text(pipeline, text, size, given)
    if not getattr(pipeline.transformer, "use_additional_conditions", False):
        return pair
    like = {"dtype": pair[0]["encoder_hidden_states"].dtype, "device": pair[0]["encoder_hidden_states"].device}
    told = {"resolution": torch.tensor([size], **like), "aspect_ratio": torch.tensor([[size[0] / size[1]]], **like)}
    return tuple(one | {"added_cond_kwargs": told} for one in pair)


def _pooled_text(pipeline, text, size, given) -> Pair:
    cond, null, pooled, unpooled = _encoded(pipeline, text, given)
    return tuple({"encoder_hidden_states": e, "pooled_projections": p} for e, p in ((cond, pooled), (null, unpooled)))


def _weighted_text(pipeline, text, size, given) -> Pair:
    """Flux: what is not wanted is encoded by a second call, where it is given; else there is no null."""
    weight = given.get("guidance_scale", inspect.signature(pipeline.__call__).parameters["guidance_scale"].default)
    negative = {k.removeprefix("negative_"): v for k, v in given.items() if k.startswith("negative_")}
    wanted = {k: v for k, v in given.items() if not k.startswith("negative_") and k != "guidance_scale"}
    shared = {k: v for k, v in wanted.items() if not k.startswith(("prompt", "pooled"))}

    def made(words: str | list[str] | None, parts: dict) -> dict:
        embeds, pooled, _ = _encoded(pipeline, words, parts)
        cond = {"encoder_hidden_states": embeds, "pooled_projections": pooled}
        return cond | ({"guidance": embeds.new_full((1,), weight)} if pipeline.transformer.config.guidance_embeds else {})
    return made(text, wanted), made(negative.pop("prompt", None), shared | negative) if negative else None


PROMPTS: dict[str, Callable[..., Pair]] = {
    "StableDiffusionPipeline": _text, "StableDiffusionXLPipeline": _text_and_size, "SanaPipeline": _masked_text,
    "StableDiffusion3Pipeline": _pooled_text, "FluxPipeline": _weighted_text,
    "PixArtAlphaPipeline": _masked_text_and_size, "PixArtSigmaPipeline": _masked_text_and_size,
}
PIPELINES = (*PROMPTS, "DDPMPipeline", "DDIMPipeline", "LDMPipeline")


def checked(pipeline: Any) -> Any:
    """The pipeline, if nothing of what it does is dropped."""
    name = type(pipeline).__name__
    if name not in PIPELINES:
        part = "unet" if getattr(pipeline, "unet", None) is not None else "transformer"
        raise ValueError(f"{name} may do more than its network and its scheduler say, and that would be dropped; known are "
                         f"{', '.join(PIPELINES)}: adapt from_diffusers(pipeline.{part}, pipeline.scheduler) alone")
    return pipeline


def prompt(pipeline: Any, text: str | list[str] | None, size: tuple[int, int], dtype: torch.dtype, given: dict) -> Pair:
    """(cond, null) as the pipeline itself would encode them, in the network's dtype."""
    kind = type(pipeline).__name__
    if kind not in PROMPTS:
        raise ValueError(f"prompts are encoded by {', '.join(PROMPTS)}, not by {kind}: "
                         "make the condition yourself, a dict of the network's keyword arguments")
    cast = lambda c: c.to(dtype) if c.is_floating_point() else c
    return tuple(tree and each(cast, tree) for tree in PROMPTS[kind](pipeline, text, size, given))


def _shifted(config: Any, tokens: int, most: float) -> dict:
    """mu, the logarithm of the shift, rises linearly with the number of tokens."""
    if not config.get("use_dynamic_shifting"):
        return {}
    few, many = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", most)
    return {"mu": low + (tokens - few) * (high - low) / (many - few)}


def _stops_of_sd3(config: Any, tokens: int, n: int) -> tuple[int | None, dict]:
    return n, _shifted(config, tokens, 1.16)


def _stops_of_flux(config: Any, tokens: int, n: int) -> tuple[int | None, dict]:
    if config.get("use_flow_sigmas"):
        return n, _shifted(config, tokens, 1.15)
    return None, {"sigmas": np.linspace(1.0, 1 / n, n)} | _shifted(config, tokens, 1.15)


STOPS = {"StableDiffusion3Pipeline": _stops_of_sd3, "FluxPipeline": _stops_of_flux}


def stops(pipeline: Any, scheduler: Any, shape: tuple[int, int, int], n: int) -> tuple[int | None, dict]:
    """What the pipeline gives its scheduler's set_timesteps: n, or None where the sigmas say it, and options."""
    kind = type(pipeline).__name__
    if kind not in STOPS:
        return n, {}
    patch = pipeline.transformer.config.patch_size if kind == "StableDiffusion3Pipeline" else 2
    return STOPS[kind](scheduler.config, (shape[1] // patch) * (shape[2] // patch), n)
