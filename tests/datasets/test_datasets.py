"""Shapes whose area, place and colour are known, MNIST through its format, and what a missing or broken file says."""
import gzip
import hashlib
import math
import socket

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effml_lab import datasets
from effml_lab.datasets import captions, mnist, shapes

AREAS = {"circle": math.pi, "ring": math.pi * (1 - 0.64**2), "square": 2.0, "triangle": 3 * math.sqrt(3) / 4,
         "star": 5 * 0.45 * math.sin(math.pi / 5), "cross": 8 * 0.3 * math.sqrt(1 - 0.09) - 4 * 0.09}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", list(shapes.KINDS))
def test_unit_shapes_have_their_area_and_a_true_distance(kind):
    """Area by counting; |grad d| = 1 away from the skeleton; the unit circle holds the shape."""
    axis = torch.linspace(-1.2, 1.2, 401, dtype=torch.float64)
    p = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).requires_grad_()
    d = shapes.KINDS[kind](p)
    area = (d < 0).double().mean().item() * (401 * (axis[1] - axis[0]).item()) ** 2
    assert area == pytest.approx(AREAS[kind], rel=0.01)
    slope = torch.autograd.grad(d.sum(), p)[0].norm(dim=-1)
    assert ((slope - 1).abs() < 1e-6).double().mean() > 0.98
    assert p[d < 0].norm(dim=-1).max() <= 1 + 1e-9


def test_a_square_and_a_triangle_at_known_points():
    p = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, -2.0]])
    half = math.sqrt(0.5)
    assert shapes.KINDS["square"](p).tolist() == pytest.approx([-half, 2 - half, 2 - half])
    assert shapes.KINDS["triangle"](p)[0].item() == pytest.approx(-0.5) and shapes.KINDS["triangle"](p)[2].item() == 1


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 5), most=st.integers(1, 4), size=st.integers(4, 40), seed=st.integers(0, 99))
def test_scenes_of_any_size(n, most, size, seed):
    scenes = shapes.draw(n, seeded(seed), most)
    images, masks, edges = shapes.render(scenes, size), shapes.masks(scenes, size), shapes.edges(scenes, size)
    assert images.shape == (n, 3, size, size) and images.dtype == torch.float32 and images.abs().max() <= 1
    assert masks.shape == (n, most, size, size) and edges.shape == (n, 1, size, size)
    assert masks.sum(1).max() <= 1 + 1e-5 and (masks[~scenes.shown] == 0).all()         # nothing overlaps
    assert torch.equal(images, shapes.render(shapes.draw(n, seeded(seed), most), size))
    assert len(captions.sentences(scenes)) == n


def test_attributes_are_what_is_seen():
    """Mass, centre of mass and colour of each mask agree with the attributes; captions name them."""
    scenes, size = shapes.draw(40, seeded(1), 3), 96
    masks, images, said = shapes.masks(scenes, size), shapes.render(scenes, size), captions.sentences(scenes)
    axis, edges = (torch.arange(size) + 0.5) * 2 / size - 1, shapes.edges(scenes, size)
    for i, k in scenes.shown.nonzero().tolist():
        kind, color = list(shapes.KINDS)[scenes.kind[i, k]], list(shapes.COLORS)[scenes.color[i, k]]
        room, m = 1.0 if scenes.shown[i].sum() == 1 else 0.5, masks[i, k]
        assert m.sum().item() == pytest.approx(AREAS[kind] * (scenes.radius[i, k].item() * size / 2) ** 2, rel=0.03)
        middle = torch.stack([(m.sum(0) * axis).sum(), (m.sum(1) * axis).sum()]) / m.sum()
        assert (middle - scenes.centre[i, k]).abs().max() < 0.02
        assert torch.allclose(images[i, :, m == 1].mean(1) / 2 + 0.5, torch.tensor(shapes.COLORS[color]), atol=1e-5)
        name = list(shapes.SIZES)[scenes.size[i, k]]
        low, high = shapes.SIZES[name]
        assert low <= scenes.radius[i, k] / room <= high and f"a {name} {color} {kind}" in said[i]
        if room == 0.5:
            place = shapes.PLACES[scenes.place[i, k]]
            assert place in said[i] and ("left" in place) == (middle[0] < 0) and ("top" in place) == (middle[1] < 0)
        assert (edges[i, 0][(m > 0.3) & (m < 0.7)] > 0.5).all()
    empty = masks.sum(1) == 0
    for i, ground in enumerate(scenes.ground.tolist()):
        light = torch.tensor(list(shapes.GROUNDS.values())[ground])
        assert torch.allclose(images[i][:, empty[i]] / 2 + 0.5, light[:, None], atol=1e-6)


def test_scenes_do_not_depend_on_the_resolution_and_attributes_are_even():
    scenes = shapes.draw(60, seeded(2))
    small, large = shapes.render(scenes, 32), torch.nn.functional.avg_pool2d(shapes.render(scenes, 128), 4)
    assert (small - large).abs().mean() < 0.01
    many = shapes.draw(6000, seeded(3))
    for field, table in ((many.kind, shapes.KINDS), (many.color, shapes.COLORS), (many.ground, shapes.GROUNDS)):
        counts = torch.bincount(field.flatten(), minlength=len(table)).float()
        assert ((counts - 6000 / len(table)).abs() < 5 * counts.sqrt()).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_draws_the_same_pictures():
    scenes = shapes.draw(50, seeded(4), 4)
    on_gpu = shapes.render(scenes, 64, "cuda")
    assert on_gpu.device.type == "cuda" and (on_gpu.cpu() - shapes.render(scenes, 64)).abs().max() < 1e-3


def test_data_sets_by_name():
    images, scenes = datasets.load("shapes", "test")
    assert images.shape == (512, 3, 32, 32) and images.dtype == torch.float32 and len(scenes.ground) == 512
    with pytest.raises(ValueError, match="unknown data set 'cats': choose one of .*shapes"):
        datasets.load("cats")
    for name in ("shapes", "mnist"):
        with pytest.raises(ValueError, match="unknown split 'dev' of .*choose 'train' or 'test'"):
            datasets.load(name, "dev")
    with pytest.raises(ValueError, match="one to 4 shapes"):
        shapes.draw(3, seeded(), 5)


# MNIST.

def packed(values: torch.Tensor) -> bytes:
    head = b"\0\0\x08" + bytes([values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return gzip.compress(head + bytes(values.flatten().tolist()))


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Three made-up images as the published files of a pretended mirror; an empty folder of our own."""
    mirror, images = tmp_path / "mirror", torch.randint(0, 256, (3, 28, 28), generator=seeded(), dtype=torch.uint8)
    mirror.mkdir()
    files = {"images.gz": packed(images), "labels.gz": packed(torch.tensor([7, 0, 9], dtype=torch.uint8))}
    for name, data in files.items():
        (mirror / name).write_bytes(data)
    pinned = tuple((name, hashlib.sha256(data).hexdigest()) for name, data in files.items())
    monkeypatch.setattr(mnist, "FILES", {"train": pinned})
    monkeypatch.setattr(mnist, "SOURCES", (f"{mirror.as_uri()}/",))
    monkeypatch.setenv("EFFML_DATA", str(tmp_path / "data"))
    return images


def test_mnist_is_downloaded_once_and_scaled(tiny, monkeypatch):
    images, labels = datasets.load("mnist")
    monkeypatch.setattr(mnist, "SOURCES", ())
    again, _ = datasets.load("mnist")
    assert torch.equal(images, again) and labels.tolist() == [7, 0, 9] and labels.dtype == torch.int64
    assert images.shape == (3, 1, 28, 28) and images.dtype == torch.float32
    torch.testing.assert_close(images[:, 0], tiny.float() / 255 * 2 - 1)


def test_no_network_is_one_sentence_and_leaves_nothing(tiny, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))                       # bound and not listening: connections are refused
        monkeypatch.setattr(mnist, "SOURCES", (f"http://127.0.0.1:{unused.getsockname()[1]}/",))
        with pytest.raises(FileNotFoundError, match="could not be downloaded .*copy the four .gz files") as caught:
            datasets.load("mnist")
    assert "\n" not in str(caught.value) and not list(mnist.folder().iterdir())


def test_a_broken_file_is_one_sentence(tiny):
    datasets.load("mnist")
    path = mnist.folder() / "labels.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is not the published file .*delete it"):
        datasets.load("mnist")
    for data in (b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01\0", b"\0\0\x08\x01\0\0\0\x05abc"):
        with pytest.raises(ValueError, match="no IDX file"):
            mnist.parse(data)


@pytest.mark.skipif(not (mnist.folder() / "t10k-images-idx3-ubyte.gz").is_file(), reason="no MNIST here: set EFFML_DATA")
def test_the_real_mnist():
    images, labels = datasets.load("mnist", "test")
    assert images.shape == (10000, 1, 28, 28) and (images.min(), images.max()) == (-1, 1)
    assert torch.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
