"""Where trained weights lie, and how they are read and written: safetensors, with a JSON card beside each. No pickle.

The weights are stored in float16, and quality is measured on what was stored. The card says what made them: recipe,
seed, steps, data, versions, device, minutes, the quality measured, and the SHA-256 of the file, checked at every load.
The course's own checkpoints lie in data/ of the repository, which a wheel carries inside the package; what a user
trains lies in $EFFML_HOME, by default ~/.effml_lab. Files are written beside their place and moved there in one go, so
that a kill leaves the old file or the new one, never half of one.
"""
import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..folders import data_folder, home


def checkpoints() -> Path:
    return data_folder() / "checkpoints"


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Tensors to a safetensors file, in one go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, beside, metadata)
    beside.chmod(0o644)                         # safetensors writes for the owner alone; a wheel is for all users
    os.replace(beside, path)


def save(name: str, weights: dict[str, Tensor], card: dict, folder: Path | str | None = None) -> Path:
    """Weights in float16 and their card, as `name`.safetensors and `name`.json; the path of the first."""
    path = Path(folder or home() / "checkpoints") / f"{name}.safetensors"
    write(path, {k: v.half() if v.is_floating_point() else v for k, v in weights.items()})
    update(name, {**card, "bytes": path.stat().st_size, "sha256": digest(path)}, path.parent)
    return path


def update(name: str, card: dict, folder: Path | str) -> None:
    """Write the card of a checkpoint."""
    path = Path(folder) / f"{name}.json"
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def card(name: str, folder: Path | str | None = None) -> dict:
    """The card of a checkpoint."""
    path = Path(folder or checkpoints()) / f"{name}.json"
    if not path.exists():
        known = sorted(p.stem for p in path.parent.glob("*.json")) if path.parent.is_dir() else []
        raise ValueError(f"there is no checkpoint {name!r} in {path.parent}: "
                         f"choose one of {', '.join(known) or 'none'}, or train one with `python -m effml_lab train`")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is not a readable card: fetch it again, or train the model again") from None


def checked(name: str, folder: Path | str | None = None) -> dict[str, Tensor]:
    """The tensors of a checkpoint as they are stored, after checking that the file is the one its card names."""
    path = Path(folder or checkpoints()) / f"{name}.safetensors"
    expected = card(name, folder).get("sha256")
    if not path.exists():
        raise ValueError(f"{path} is missing though its card is there: fetch it again, or train the model again")
    if digest(path) != expected:
        raise ValueError(f"{path} is not the file that its card names (its SHA-256 differs): "
                         "fetch it again, or train the model again")
    try:
        return load_file(path)
    except SafetensorError:
        raise ValueError(f"{path} is not a safetensors file: fetch it again, or train the model again") from None


def weights(name: str, folder: Path | str | None = None) -> dict[str, Tensor]:
    """The weights of a checkpoint in float32, checked."""
    return {k: v.float() if v.is_floating_point() else v for k, v in checked(name, folder).items()}


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A safetensors file as it is, and its metadata."""
    from safetensors import safe_open
    with safe_open(path, framework="pt") as file:
        return {k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {}


def seeded(seed: int, step: int = 0) -> torch.Generator:
    """A generator for one step of one run: nothing random is carried from step to step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)
