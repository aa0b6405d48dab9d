"""Real handwritten digits: 1,797 images of 8x8 pixels, inside scikit-learn, so nothing is downloaded.

They are the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI repository): 32x32
bitmaps by 13 writers, counted in blocks of 4x4, hence 17 grey values 0..16, here mapped to [-1, 1]. White ink is +1.

The split is fixed for ever and needs no random numbers: sort by label (stable), hold out every fifth image. That gives
1,437 images to train on and 360 held out, with the classes in equal shares; each part then keeps the order of the file,
in which the classes are mixed. Both parts hold all 13 writers: the held-out part says how well unseen images are met,
not unseen hands.
"""
import torch
from torch import Tensor

CLASSES, SIZE = 10, 8
SOURCE = "scikit-learn digits, 1437 training images"


def load(split: str = "train") -> tuple[Tensor, Tensor]:
    """Images (N, 1, 8, 8), float32 in [-1, 1], and labels (N,), int64; N = 1437 for "train", 360 for "test"."""
    if split not in ("train", "test"):
        raise ValueError(f"unknown split {split!r} of the digits: choose 'train' or 'test'")
    from sklearn.datasets import load_digits  # slow to import, and only needed here
    raw = load_digits()
    images, labels = torch.from_numpy(raw.images), torch.from_numpy(raw.target).long()
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[labels.argsort(stable=True)[::5]] = True
    kept = held_out if split == "test" else ~held_out
    return (images[kept].float() / 8 - 1)[:, None], labels[kept]              # (N, 1, 8, 8)
