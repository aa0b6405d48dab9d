"""Checkpoints and the recipes that make them: stored, checked, resumed without losing a bit."""
import sys
from functools import partial

import pytest
import torch

from effml_lab import recipes
from effml_lab.datasets import digits
from effml_lab.diffusion.train import Run
from effml_lab.measure import bench
from effml_lab.nets.unet import UNet
from effml_lab.recipes import judge, measured, samples, store, training, versus


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFML_HOME", str(tmp_path / "home"))


def toy():
    torch.manual_seed(3)
    run = Run(UNet(1, (16, 32), 1, (False, True), dropout=0.2), lr=1e-2)

    def loss(net, step):
        rng = store.seeded(5, step)
        x, t = torch.randn(8, 1, 8, 8, generator=rng), 999 * torch.rand(8, generator=rng)
        return (net(x, t) - x.flip(3)).square().mean()

    return run, loss


class Killed(BaseException):
    pass


def test_a_killed_run_goes_on_to_the_same_bits():
    settings = {"seed": 5}
    whole, loss = toy()
    assert training.finish("whole", whole, loss, 12, settings)["minutes"] > 0

    broken, loss = toy()

    def dying(net, step):
        if step == 7:
            raise Killed
        return loss(net, step)

    with pytest.raises(Killed):
        training.finish("broken", broken, dying, 12, settings, every=0)
    again, loss = toy()
    with torch.no_grad():
        again.net.enter.weight.add_(1)              # whatever it starts from, the stored state counts
    assert training.finish("broken", again, loss, 12, settings, every=0)["cpu_minutes"] > 0
    for key, value in whole.state().items():
        assert torch.equal(value, again.state()[key]), key


def test_a_state_of_other_settings_is_refused():
    run, loss = toy()
    assert training.finish("toy", run, loss, 3, {"seed": 5}, minutes=0) is None and run.done == 1
    with pytest.raises(ValueError, match="other settings: finish it with those, or delete the file") as error:
        training.finish("toy", toy()[0], loss, 3, {"seed": 6})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", list(recipes.TRAIN))
def test_each_recipe_stops_goes_on_and_stores_what_it_trained(name, tmp_path, monkeypatch):
    recipe = sys.modules[recipes.TRAIN[name].__module__]
    monkeypatch.setattr(recipe, "examine", partial(recipe.examine, n=8))
    assert recipes.TRAIN[name](out=tmp_path, steps=3, minutes=0) is None
    assert training.state_path(name).exists() and not list(tmp_path.glob("*.safetensors"))
    path = recipes.TRAIN[name](out=tmp_path, steps=3)
    assert path == tmp_path / f"{name}.safetensors" and not training.state_path(name).exists()
    card, shipped = recipes.card(name, tmp_path), recipes.card(name)
    assert card["steps"] == 3 and card["net"] == shipped["net"]
    assert card.keys() == shipped.keys() - {"continued"}            # said of a training whose state was lost on the way


def small(folder, name="small"):
    net = UNet(1, (8,), 1)
    card = {"net": {"kind": "unet", "settings": {"widths": [8], "blocks": 1}}, "pred": "v", "schedule": "linear"}
    return net, store.save(name, net.state_dict(), card, folder)


def test_stored_in_half_and_loaded_frozen(tmp_path):
    net, path = small(tmp_path)
    assert path.stat().st_size < 2.2 * sum(p.numel() for p in net.parameters()) + 8000
    back = recipes.load("small", tmp_path)
    assert not back.training and not any(p.requires_grad for p in back.parameters())
    for key, value in net.state_dict().items():
        assert back.state_dict()[key].dtype == torch.float32
        assert torch.equal(back.state_dict()[key], value.half().float())
    assert recipes.denoiser("small", tmp_path)[0].pred == "v"
    assert not list(tmp_path.glob("*.part"))


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm, word", [
    (flip, "SHA-256 differs"),
    (lambda p: p.unlink(), "is missing though its card is there"),
    (lambda p: p.with_suffix(".json").write_text("{"), "not a readable card"),
    (lambda p: p.with_suffix(".json").unlink(), "there is no checkpoint 'small'"),
])
def test_a_damaged_checkpoint_gets_one_sentence(tmp_path, harm, word):
    harm(small(tmp_path)[1])
    with pytest.raises(ValueError) as error:
        recipes.load("small", tmp_path)
    assert word in str(error.value) and "\n" not in str(error.value)


def test_a_hash_that_fits_a_file_that_does_not(tmp_path):
    path = small(tmp_path)[1]
    path.write_bytes(b"nonsense")
    store.update("small", recipes.card("small", tmp_path) | {"sha256": store.digest(path)}, tmp_path)
    with pytest.raises(ValueError, match="not a safetensors file"):
        recipes.load("small", tmp_path)


@pytest.mark.parametrize("call, word", [
    (lambda: recipes.load("cats"), "choose one of digits, digits_judge"),
    (lambda: recipes.features("cats", torch.zeros(1, 1, 8, 8)), "no judge of 'cats'"),
    (lambda: recipes.denoiser("digits_judge"), "is a classifier, not a denoiser"),
    (lambda: recipes.recognizable(torch.zeros(3, 8, 8)), "sees finite images of shape (N, 1, 8, 8), got (3, 8, 8)"),
    (lambda: recipes.features("digits", torch.full((2, 1, 8, 8), torch.nan)), "with NaN or infinity"),
])
def test_unknown_names_get_one_sentence(call, word):
    with pytest.raises(ValueError) as error:
        call()
    assert word in str(error.value) and "\n" not in str(error.value)


def test_what_ships_is_small_and_has_full_cards():
    files = sorted(store.checkpoints().glob("*.safetensors"))
    assert {"digits", "digits_judge"} <= {f.stem for f in files}
    assert sum(f.stat().st_size for f in files) < 40e6 and all(f.stat().st_size < 8e6 for f in files)
    for file in files:
        card = recipes.card(file.stem)
        assert set("recipe seed steps data sha256 quality versions date device minutes net".split()) <= card.keys()
        assert card["bytes"] == file.stat().st_size and card["minutes"] <= 75
        assert all(t.dtype == torch.float16 for t in store.read_state(file)[0].values())


def test_the_judge_passes_digits_and_neither_noise_nor_averages():
    (held, labels), rng = digits.load("test"), store.seeded(77)
    assert recipes.recognizable(held).double().mean() >= 0.99
    assert (recipes.read_classes(held)[0] == labels).double().mean() >= 0.98
    assert recipes.recognizable(judge.averages(held, labels, 2000, rng)).double().mean() <= 0.05
    assert recipes.recognizable(judge.noise(2000, rng)).double().mean() <= 0.05
    assert recipes.features("digits", held).shape == (360, 32)


def test_averages_are_of_different_classes():
    images = torch.arange(10.0).view(10, 1, 1, 1)
    mixed = judge.averages(images, torch.arange(10) // 5, 500, store.seeded(0))
    assert mixed.min() >= 2.5 and mixed.max() <= 6.5                    # an average within a class could be 0 or 9


def test_the_model_of_digits_draws_digits_that_are_new():
    images = samples.batch(samples.Plan("digits", "ddim", 25, "trailing", 100, 9))
    assert recipes.recognizable(images).double().mean() >= 0.9
    row = measured.judged("digits", images)
    assert row["nearest"]["value"] >= 0.9 and row["evenness"]["value"] > 0.9


def test_the_recorded_bars_are_met_by_what_ships():
    rows = {r.technique: r for r in bench.read(store.data_folder() / "results" / "digits.jsonl")}
    full, floor = rows["ddpm, 1000 steps"], rows["real digits, the floor"]
    assert full.settings["checkpoint"] == recipes.card("digits")["sha256"][:12]
    assert full.settings["judge"] == floor.settings["judge"] == recipes.card("digits_judge")["sha256"][:12]
    assert full.nfe == 1000 and full.quality["recognizable"]["value"] >= 0.95
    assert full.quality["nearest"]["value"] >= 0.9 and full.quality["evenness"]["value"] >= 0.95


def test_benchmarks_write_records(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "judged", lambda data, images: {"n": {"value": len(images)}})
    assert str(tmp_path) in measured.digits(tmp_path, n=5, runs=[("ddim", 2)])
    floor, row = bench.read(tmp_path / "digits.jsonl")
    assert floor.quality["n"]["value"] == row.quality["n"]["value"] == 5
    assert not list((store.home() / "samples").iterdir())
    assert row.nfe == 2 and row.macs == 2 * bench.macs(recipes.load("digits"), torch.zeros(1, 1, 8, 8), torch.zeros(1))


def test_the_unet_is_timed_beside_its_peer(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    net = {"channels_in": 1, "widths": (8, 32), "blocks": 1, "attention": (False, True), "classes": 2}
    versus.unet(tmp_path, rounds=2, cases={"tiny": ((2, 1, 8, 8), net, torch.bfloat16)})
    rows = bench.read(tmp_path / "unet.jsonl")
    assert len(rows) == 2 and all(r.settings["parameters"][0] == r.settings["parameters"][1] for r in rows)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ModuleNotFoundError, match="pip install diffusers"):
        versus.unet(tmp_path)
