"""The digits: fixed, split without overlap, in [-1, 1]."""
import pytest
import torch

from effml_lab import datasets
from effml_lab.datasets import digits


def test_shapes_range_and_dtypes():
    for split, n in (("train", 1437), ("test", 360)):
        images, labels = datasets.load("digits", split)
        assert images.shape == (n, 1, 8, 8) and images.dtype == torch.float32
        assert labels.shape == (n,) and labels.dtype == torch.int64
        assert images.min() == -1 and images.max() == 1
        assert torch.equal(images * 8, (images * 8).round())                # 17 grey values, nothing lost


def test_the_split_is_stratified_and_covers_the_set():
    from sklearn.datasets import load_digits
    raw = load_digits()
    (train, a), (test, b) = digits.load("train"), digits.load("test")
    assert (a.bincount() / b.bincount()).sub(4).abs().max() < 0.2
    rows = torch.cat([train, test]).flatten(1).add(1).mul(8).long()
    everything = torch.from_numpy(raw.data).long()
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, everything.tolist()))


def test_the_split_is_the_same_for_ever():
    train, test = digits.load("train")[0], digits.load("test")[0]
    assert [x[:, 0, 3, 4].add(1).mul(8).sum().item() for x in (train, test)] == [14290.0, 3549.0]
    assert torch.equal(train, digits.load("train")[0])


def test_the_classes_are_mixed():
    for split in ("train", "test"):
        assert digits.load(split)[1][:60].bincount(minlength=10).min() >= 2


@pytest.mark.parametrize("call", [lambda: datasets.load("digitz"), lambda: datasets.load("digits", "valid")])
def test_unknown_names_get_one_sentence(call):
    with pytest.raises(ValueError, match="unknown .* choose") as error:
        call()
    assert "\n" not in str(error.value)
