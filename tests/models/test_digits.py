"""The model of digits and its judge: what ships draws digits that are new, and tells them from junk."""
import torch

from effml_lab import models
from effml_lab.bench import digits as bench
from effml_lab.datasets import digits
from effml_lab.models import samples, store
from effml_lab.recipes import digits_judge


def test_the_judge_passes_digits_and_neither_noise_nor_averages():
    (held, labels), rng = digits.load("test"), store.seeded(77)
    assert models.recognizable(held).double().mean() >= 0.99
    assert (models.read_classes(held)[0] == labels).double().mean() >= 0.98
    assert models.recognizable(digits_judge.averages(held, labels, 2000, rng)).double().mean() <= 0.05
    assert models.recognizable(digits_judge.noise(2000, rng)).double().mean() <= 0.05
    assert models.features("digits", held).shape == (360, 32)


def test_averages_are_of_different_classes():
    images = torch.arange(10.0).view(10, 1, 1, 1)
    mixed = digits_judge.averages(images, torch.arange(10) // 5, 500, store.seeded(0))
    assert mixed.min() >= 2.5 and mixed.max() <= 6.5                    # an average within a class could be 0 or 9


def test_the_model_of_digits_draws_digits_that_are_new():
    images = samples.batch(samples.Plan("digits", "ddim", 25, "trailing", 100, 9))
    assert models.recognizable(images).double().mean() >= 0.9
    row = bench.judged("digits", images)
    assert row["nearest"]["value"] >= 0.9 and row["evenness"]["value"] > 0.9
