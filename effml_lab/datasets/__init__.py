"""The data sets by name, one a file: tensors in [-1, 1] and what is known of them; `shapes` is rendered, the others are real."""
from importlib import import_module

# name -> the module here whose load(split) reads it
LOADERS = {"digits": "digits", "shapes": "shapes", "mnist": "mnist"}


def load(name: str, split: str = "train") -> tuple:
    """What `load(split)` of that data set's module returns: images (N, C, H, W) in [-1, 1] first."""
    if name not in LOADERS:
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(LOADERS)}")
    return import_module(f".{LOADERS[name]}", __name__).load(split)
