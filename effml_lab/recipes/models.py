"""From a name to a net: the shipped checkpoints as frozen nets, as denoisers, and as a judge of samples."""
from pathlib import Path

import torch
from torch import Tensor, nn

from ..diffusion import levels
from ..diffusion.denoise import Denoiser
from ..nets.classifier import Classifier
from ..nets.unet import UNet
from . import store

NETS = {"unet": UNet, "classifier": Classifier}
SCHEDULES = {"linear": levels.linear, "cosine": levels.cosine}
JUDGES = {"digits": "digits_judge", "shapes": "shapes_judge"}        # data set -> the classifier whose features measure it


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


def judge(data: str = "digits") -> str:
    """The name of the classifier that judges a data set."""
    if data not in JUDGES:
        raise ValueError(f"there is no judge of {data!r}: choose one of {', '.join(JUDGES)}")
    return JUDGES[data]


def _seeing(data: str, images: Tensor, folder: Path | str | None) -> nn.Module:
    """The judge of a data set, after a look at whether it can see these images."""
    net, shape = load(judge(data), folder), store.card(judge(data), folder)["shape"]
    if images.ndim != 4 or list(images.shape[1:]) != shape or not images.isfinite().all():
        raise ValueError(f"the judge of {data!r} sees finite images of shape (N, {', '.join(map(str, shape))}), "
                         f"got {tuple(images.shape)}" + ("" if images.isfinite().all() else " with NaN or infinity"))
    return net.to(images.device)


@torch.no_grad()
def features(data: str, images: Tensor, folder: Path | str | None = None) -> Tensor:
    """Features (N, D) of images (N, C, H, W) in [-1, 1], by the judge of that data set."""
    return _seeing(data, images, folder).features(images.float())


@torch.no_grad()
def logits(data: str, images: Tensor, folder: Path | str | None = None) -> Tensor:
    """What the judge of a data set says of images (N, C, H, W) in [-1, 1]: its raw outputs, (N, outputs)."""
    return _seeing(data, images, folder)(images.float())


def read_classes(images: Tensor, data: str = "digits", folder: Path | str | None = None) -> tuple[Tensor, Tensor]:
    """The judge's most likely class of each image and its probability, (N,) each; "none of them" is no class."""
    chance = logits(data, images, folder).softmax(1)[:, :-1]                       # its last class is "none of them"
    return chance.argmax(1), chance.max(1).values


def recognizable(images: Tensor, data: str = "digits", folder: Path | str | None = None) -> Tensor:
    """Which images the judge takes for one of the classes, at its card's threshold; bool (N,)."""
    return read_classes(images, data, folder)[1] >= store.card(judge(data), folder)["threshold"]
