"""Quantized nets on disk: their state as safetensors, codes as they are and the rest in 16 bits, and a card beside it.

The card says of which net, in which mode, which layers and with which error, what stays whole and why, and the file's SHA-256,
which is checked before anything is read. Nothing is searched when a net comes back: `load` gives the same bits as were saved.
"""
from pathlib import Path

from torch import nn

from ..efficiency.quantized import MODES, Quantized, kept, sixteen
from ..efficiency.swap import restored
from ..folders import home
from . import store


def save(made: Quantized, name: str, folder: Path | str | None = None, **about) -> Path:
    """A quantized net as `name`.safetensors and `name`.json; about: what else the card says, such as of which net it is."""
    path = Path(folder or home() / "checkpoints") / f"{name}.safetensors"
    store.write(path, {key: sixteen(t) for key, t in kept(made.net).items()})
    card = {**about, "name": name, "mode": made.mode, "how": made.how, "simulated": "arithmetic", "bytes": path.stat().st_size,
            "sha256": store.digest(path), "whole": made.whole,
            "layers": {row.name: {"error": row.error, "before": row.before, "bytes": row.bytes} for row in made.rows}}
    store.update(name, card, path.parent)
    return path


def load(net: nn.Module, name: str, folder: Path | str | None = None) -> nn.Module:
    """The quantized net that was saved under a name, made of one like it was made of; what stays whole in that net's types."""
    folder = folder or home() / "checkpoints"
    card = store.card(name, folder)
    if card.get("mode") not in MODES:
        raise ValueError(f"{name!r} is not a quantized net: use models.load({name!r})")
    state = store.checked(name, folder)
    own, (convert, _) = net.state_dict(), MODES[card["mode"]]
    branched = tuple(key.removesuffix("up") for key in state if key.rpartition(".")[2] == "up")  # keep a bias in 16 bits
    whole = {key: t.to(own[key].dtype) for key, t in state.items() if key in own and not key.startswith(branched)}
    return restored(net, state | whole, convert, **card["how"])
