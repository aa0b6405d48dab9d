"""MNIST (LeCun, Cortes and Burges 1998): 60,000 + 10,000 handwritten digits of 28x28 pixels, in the IDX format.

An IDX file is a header (two zero bytes, the type, the number of dimensions; then each dimension as a big-endian 32-bit
integer) and the values; type 8 is unsigned bytes. The four published files are read from the folder `mnist` in
EFFML_DATA, or in EFFML_HOME/data (default ~/.effml_lab/data). Missing ones are downloaded to it from the mirrors that
torchvision and TensorFlow Datasets use. Their SHA-256 is pinned and checked at each reading, wherever they came from.
Left out: every other type of IDX.
"""
import gzip
import hashlib
import math
import os
from pathlib import Path
from urllib.request import urlopen

import torch
from torch import Tensor

SOURCES = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FILES = {       # split -> (images, labels), each with its SHA-256
    "train": (("train-images-idx3-ubyte.gz", "db8f937d487057fb14a9f0fbe97f0bc8d311ab41b750d41e1ff37c43b9e55e19"),
              ("train-labels-idx1-ubyte.gz", "51fc562b6747b666fbf6e84ce29d43c3cb5f9c388c664d43b33f02095313405a")),
    "test": (("t10k-images-idx3-ubyte.gz", "cfeddb84311ecf044fc6a5b0f6ee8a24d265d4e83e388400186eb114082f4209"),
             ("t10k-labels-idx1-ubyte.gz", "e41c74e484045d39b462a7790a4af51301bd9b0b24f0154798d713ec68c45920")),
}


def folder() -> Path:
    """Where the four files lie, or will."""
    home = Path(os.environ.get("EFFML_HOME") or Path.home() / ".effml_lab").expanduser()
    return Path(os.environ.get("EFFML_DATA") or home / "data").expanduser() / "mnist"


def parse(data: bytes) -> Tensor:
    """The tensor in an IDX file's bytes, uint8."""
    dims = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(dims)]
    if not dims or len(data) != 4 + 4 * dims + math.prod(shape):
        raise ValueError("this is no IDX file of unsigned bytes, or it was cut short: download it again")
    return torch.frombuffer(bytearray(data[4 + 4 * dims:]), dtype=torch.uint8).reshape(shape)


def _download(path: Path) -> None:
    """Through a temporary file, so that a broken download leaves nothing behind."""
    part, reason = path.with_suffix(".part"), None
    for source in SOURCES:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with urlopen(source + path.name, timeout=30) as reply:
                part.write_bytes(reply.read())
            part.replace(path)
            return
        except OSError as error:
            reason = reason or error
    raise FileNotFoundError(f"{path.name} of MNIST is not in {path.parent} and could not be downloaded ({reason}): go "
                            "online once, or copy the four .gz files there, or set EFFML_DATA to the parent of 'mnist'")


def _fetch(name: str, sha256: str) -> Tensor:
    path = folder() / name
    if not path.is_file():
        _download(path)
    packed = path.read_bytes()
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise ValueError(f"{path} is not the published file (its SHA-256 differs): delete it and load again")
    return parse(gzip.decompress(packed))


def load(split: str = "train") -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28), float32 in [-1, 1], and labels (N,), int64; N = 60000 for "train", 10000 for "test"."""
    if split not in FILES:
        raise ValueError(f"unknown split {split!r} of MNIST: choose 'train' or 'test'")
    images, labels = (_fetch(*file) for file in FILES[split])
    return (images.float() / 127.5 - 1)[:, None], labels.long()
