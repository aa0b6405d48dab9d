"""From a name to a net: the checkpoints as frozen nets, and as denoisers with the schedule they were trained on.

A card names the kind of net and its settings; both are keys of the tables below. What lies on disk is store.py's.
"""
from pathlib import Path

from torch import nn

from ..diffusion import levels
from ..diffusion.denoise import Denoiser
from ..nets.classifier import Classifier, NoisyClassifier
from ..nets.control import Controlled
from ..nets.dit import DiT
from ..nets.points import PointNet
from ..nets.text import Captioned
from ..nets.unet import UNet
from ..nets.weighted import Weighted
from . import store

NETS = {"unet": UNet, "classifier": Classifier, "captioned": Captioned, "controlled": Controlled,
        "noisy_classifier": NoisyClassifier, "points": PointNet, "weighted": Weighted, "dit": DiT}
SCHEDULES = {"linear": levels.linear, "cosine": levels.cosine}


def build(card: dict) -> nn.Module:
    """A fresh net of the kind and the settings that a card names."""
    return NETS[card["net"]["kind"]](**card["net"]["settings"])


def load(name: str, folder: Path | str | None = None) -> nn.Module:
    """The net of a checkpoint, in float32, frozen, in eval mode, after its hash was checked."""
    net = build(store.card(name, folder))
    net.load_state_dict(store.weights(name, folder))
    return net.eval().requires_grad_(False)


def denoiser(name: str, folder: Path | str | None = None) -> tuple[Denoiser, levels.Schedule]:
    """A diffusion checkpoint as a Denoiser, with the schedule it was trained on."""
    card = store.card(name, folder)
    if "pred" not in card:
        raise ValueError(f"{name!r} is a {card['net']['kind']}, not a denoiser: use load({name!r})")
    return Denoiser(load(name, folder), card["pred"]), SCHEDULES[card["schedule"]]()
