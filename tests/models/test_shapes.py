"""The course model of shapes and its judge: what ships reads and draws what its card says, and can be made again."""
import pytest
import torch

from effml_lab import models
from effml_lab.datasets import captions
from effml_lab.datasets import shapes as scenes_of
from effml_lab.diffusion import samplers
from effml_lab.diffusion.guidance import guided
from effml_lab.measure import quality
from effml_lab.models import reader, store
from effml_lab.recipes import control, digits_judge, scenes, shapes, shapes_judge, shapes_noisy


def renders(n: int, seed: int) -> tuple[torch.Tensor, reader.Attributes]:
    scenes = scenes_of.draw(n, store.seeded(seed))
    return scenes_of.render(scenes), reader.truth(scenes)


def test_the_judge_reads_renders_it_never_saw():
    images, right = renders(3000, 4242)
    read = models.attributes(images)
    for name in ("kind", "color", "size", "ground"):
        assert (getattr(read, name) == getattr(right, name)).double().mean() >= 0.99, name
    assert ((read.centre - right.centre).abs() < reader.PIXEL).all(1).double().mean() >= 0.99
    assert models.features("shapes", images).shape == (3000, shapes_judge.NET["features"])


def test_what_was_asked_for_is_read_and_where_the_shape_is():
    scenes = scenes_of.draw(400, store.seeded(4243))
    images = scenes_of.render(scenes)
    right = reader.right(images, scenes)
    assert list(right) == [*reader.READ, "all four"] and right["all four"].double().mean() >= 0.97
    other = scenes._replace(color=(scenes.color + 1) % len(scenes_of.COLORS))
    wrong = reader.right(images, other)
    assert not wrong["all four"].any() and torch.equal(wrong["kind"], right["kind"])
    assert quality.overlap(reader.figure(images), scenes_of.masks(scenes)[:, 0] > 0.5).mean() > 0.99


def test_the_judge_does_not_take_junk_for_a_shape():
    images, right = renders(1000, 77)
    for name, bad in shapes_judge.junk(images, right.kind, store.seeded(78)).items():
        assert (models.attributes(bad).kind != reader.NO_SHAPE).double().mean() <= 0.1, name


def test_averages_of_one_kind_are_refused():
    with pytest.raises(ValueError, match="two classes or more"):
        digits_judge.averages(torch.zeros(3, 3, 32, 32), torch.ones(3), 2, store.seeded(0))


def test_blocks_are_shuffled_and_nothing_is_lost():
    image = torch.arange(2 * 3 * 32 * 32.0).view(2, 3, 32, 32)
    moved = shapes_judge.shuffled(image, store.seeded(0))
    assert not torch.equal(moved, image) and torch.equal(moved.flatten(2).sort(2).values, image.flatten(2))
    corner = moved[0, 0, :8, :8]
    assert torch.equal(corner - corner[0, 0], image[0, 0, :8, :8])


@pytest.fixture(scope="module")
def drawn():
    """120 samples of a short deterministic run, without guidance, and the kinds that were wanted."""
    denoise, schedule = models.denoiser("shapes")
    wanted, grid = torch.arange(120) % shapes.CLASSES, schedule.grid(20, "karras")
    x = samplers.start((120, 3, 32, 32), grid, store.seeded(5))
    condition = guided(denoise, wanted, torch.full((1,), shapes.CLASSES), 1.0)
    return samplers.last(samplers.dpmpp_2m(condition, x, grid)), wanted


def test_the_model_draws_the_wanted_kind(drawn):
    images, wanted = drawn
    assert (models.attributes(images).kind == wanted).double().mean() >= 0.75


def test_without_a_class_it_draws_all_kinds():
    denoise, schedule = models.denoiser("shapes")
    grid = schedule.grid(15, "karras")
    images = samplers.last(samplers.dpmpp_2m(denoise, samplers.start((60, 3, 32, 32), grid, store.seeded(6)), grid))
    kinds = models.attributes(images).kind
    assert (kinds != reader.NO_SHAPE).double().mean() >= 0.7 and len(kinds.unique()) >= 5


def test_batches_drop_one_condition_in_ten():
    images, kinds = shapes.batch(2000, store.seeded(1))
    assert images.shape == (2000, 3, 32, 32) and 0.07 < (kinds == shapes.CLASSES).double().mean() < 0.13


def test_batches_of_captions_leave_out_one_in_ten_and_fresh_nets_are_the_course_model():
    images, said = scenes.batch(1500, store.seeded(1))
    none = (said == captions.nothing()).all(1)
    assert images.shape == (1500, 3, 32, 32) and 0.07 < none.double().mean() < 0.13
    x, t = torch.randn(2, 3, 32, 32), torch.tensor([100.0, 900.0])
    course = models.load("shapes")
    assert torch.equal(scenes.fresh()(x, t, said[:2]), course(x, t))
    assert torch.equal(control.fresh()(x, t, {"hint": torch.rand(2, 1, 32, 32)}), course(x, t))
    assert scenes.share("unet.enter.weight") < scenes.share("unet.up.0.read.q.weight") == scenes.share("encoder.norm.bias") == 1


def test_noisy_scenes_are_clean_at_first_and_noise_at_last():
    early, late = (shapes_noisy.seen(50, store.seeded(2), t) for t in (0, 999))
    assert (early[0] - scenes_of.render(scenes_of.draw(50, store.seeded(2)))).abs().mean() < 0.05
    assert abs(late[0].std() - 1) < 0.05 and torch.equal(early[2], late[2]) and (late[1] == 999).all()
    assert len(shapes_noisy.seen(50, store.seeded(2))[1].unique()) > 40


@pytest.mark.parametrize("recipe, name, batch", [(shapes, "shapes", 8), (shapes_judge, "shapes_judge", 48)])
def test_a_training_that_was_stopped_ends_with_the_same_bits(recipe, name, batch, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "BATCH", batch)
    monkeypatch.setattr(recipe, "examine", lambda folder: {})
    whole = recipe.train(out=tmp_path / "whole", steps=4)
    assert recipe.train(out=tmp_path / "parts", steps=4, minutes=0) is None
    while (parts := recipe.train(out=tmp_path / "parts", steps=4, minutes=0)) is None:
        pass
    assert whole.read_bytes() == parts.read_bytes() and models.card(name, whole.parent)["steps"] == 4
