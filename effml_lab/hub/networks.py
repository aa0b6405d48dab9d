"""How each network of diffusers is called: as ours are, net(x, t, cond) -> the shape of x.

A condition is what the network takes as keyword arguments: a dict of tensors, or of such dicts. What a network cannot do
without is asked for here, in one sentence, before it fails inside: the words of a prompt, and the guidance weight of a
distilled network, which is a condition like any other. Three networks want more than x, t and the condition:
  Sana      t times its own scale
  PixArt    the word that no size is told, where it was not trained on sizes
  Flux      patches of 2 x 2 latents as tokens, with the place of each, and t up to 1 (Esser et al. 2024; Labs 2024)
A network that gives 2C channels has learned a variance too (Nichol and Dhariwal 2021); it is left out, the mean is kept.
Left out: networks that take images (inpainting, ControlNet), video, sound, tokens.
"""
from typing import Any, Callable, NamedTuple

import torch
from torch import Tensor, nn


def _plainly(net: nn.Module, x: Tensor, t: Tensor, cond: dict) -> Tensor:
    return net(x, timestep=t, return_dict=False, **cond)[0]


def _in_its_time(net: nn.Module, x: Tensor, t: Tensor, cond: dict) -> Tensor:
    return _plainly(net, x, net.config.get("timestep_scale", 1.0) * t, cond)


def _without_size(net: nn.Module, x: Tensor, t: Tensor, cond: dict) -> Tensor:
    return _plainly(net, x, t, {"added_cond_kwargs": {"resolution": None, "aspect_ratio": None}} | cond)


def _in_patches(net: nn.Module, x: Tensor, t: Tensor, cond: dict) -> Tensor:
    count, channels, height, width = x.shape
    if height % 2 or width % 2:
        raise ValueError(f"latents of this network have an even height and width, got {height} x {width}")
    high, wide = height // 2, width // 2
    tokens = x.reshape(count, channels, high, 2, wide, 2).permute(0, 2, 4, 1, 3, 5).reshape(count, high * wide, 4 * channels)
    rows, columns = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    places = torch.stack([torch.zeros_like(rows), rows, columns], -1).reshape(-1, 3).to(x)
    words = places.new_zeros(cond["encoder_hidden_states"].shape[1], 3)
    out = net(tokens, timestep=t / 1000, img_ids=places, txt_ids=words, return_dict=False, **cond)[0]
    return out.reshape(count, high, wide, channels, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)


class Way(NamedTuple):
    """How a network is called, the condition that it cannot do without, and the latent channels of one that it takes."""
    call: Callable[[nn.Module, Tensor, Tensor, dict], Tensor]
    needs: tuple[str, ...] = ()
    patch: int = 1


WORDS = "encoder_hidden_states"
NETWORKS = {
    "UNet2DModel": Way(_plainly),
    "UNet2DConditionModel": Way(_plainly, (WORDS,)),
    "SanaTransformer2DModel": Way(_in_its_time, (WORDS,)),
    "PixArtTransformer2DModel": Way(_without_size, (WORDS,)),
    "SD3Transformer2DModel": Way(_plainly, (WORDS, "pooled_projections")),
    "FluxTransformer2DModel": Way(_in_patches, (WORDS, "pooled_projections"), 4),
}
OPTIONAL = {        # a setting of the network -> the condition that it needs then
    "guidance_embeds": "guidance", "time_cond_proj_dim": "timestep_cond", "addition_embed_type": "added_cond_kwargs",
    "use_additional_conditions": "added_cond_kwargs", "num_class_embeds": "class_labels",
}


def _bare(net: nn.Module) -> nn.Module:
    """The network itself, where torch.compile has wrapped it."""
    return getattr(net, "_orig_mod", net)


def kind(net: nn.Module) -> str:
    """The class of a network."""
    return type(_bare(net)).__name__


class Foreign(nn.Module):
    """A diffusers network called as ours are: net(x, t, cond) -> the shape of x; cond holds its keyword arguments."""

    def __init__(self, net: nn.Module, sign: float = 1.0):
        super().__init__()
        self.net, self.way, self.sign = net, NETWORKS[kind(net)], sign
        told = net.config | {k: v for k, v in vars(_bare(net)).items() if k in OPTIONAL}      # PixArt settles one by itself
        self.needs = {*self.way.needs, *(key for setting, key in OPTIONAL.items() if told.get(setting))}

    def forward(self, x: Tensor, t: Tensor, cond: dict | None = None) -> Tensor:
        cond = {} if cond is None else cond
        missing = sorted(self.needs - set(cond)) if isinstance(cond, dict) else ["a dict"]
        if missing:
            raise ValueError(f"{kind(self.net)} needs a condition with {', '.join(missing)}: take model.prompt, "
                             "or make a dict of the network's keyword arguments")
        return self.sign * self.way.call(self.net, x, t, cond)[:, :x.shape[1]]         # a learned variance comes after


def checked(net: Any) -> nn.Module:
    """The network, if it takes noisy latents and gives a prediction for them, and is ready to be asked."""
    if isinstance(net, (str, type)) or not isinstance(net, nn.Module):
        raise ValueError(f"from_diffusers takes a loaded pipeline, or a network and a scheduler, got {_told(net)}")
    if kind(net) not in NETWORKS:
        raise ValueError(f"from_diffusers adapts {', '.join(NETWORKS)}, got {kind(net)}")
    takes, gives = net.config.in_channels, net.config.get("out_channels") or net.config.in_channels
    if gives not in (takes, 2 * takes):
        raise ValueError(f"this {kind(net)} takes {takes} channels and gives {gives}: only a network of noisy latents, "
                         "a time and a condition is a denoiser")
    if _bare(net).training:
        raise ValueError(f"this {kind(net)} is in training mode, where dropout is at work: call its eval() first")
    return net


def _told(net: Any) -> str:
    """What was given instead, with what to do about it."""
    if isinstance(net, str):
        return f"the text {net!r}: hub.pretrained(name) loads by name"
    if isinstance(net, type):
        return f"the class {net.__name__}: make an instance, or load one with its from_pretrained"
    return type(net).__name__


def shape(net: nn.Module) -> tuple[int, int, int]:
    """(C, H, W) of the latents that the network was made for."""
    size = net.config.sample_size if "sample_size" in net.config else 128          # Flux states none; its pipeline takes this
    return (net.config.in_channels // NETWORKS[kind(net)].patch, *(size if isinstance(size, (list, tuple)) else (size, size)))
