"""Checkpoints: stored in half, checked by hash, loaded frozen; one sentence for whatever is wrong with one."""
import pytest
import torch

from effml_lab import models
from effml_lab.models import store
from effml_lab.nets.unet import UNet


def small(folder, name="small"):
    net = UNet(1, (8,), 1)
    card = {"net": {"kind": "unet", "settings": {"widths": [8], "blocks": 1}}, "pred": "v", "schedule": "linear"}
    return net, store.save(name, net.state_dict(), card, folder)


def test_stored_in_half_and_loaded_frozen(tmp_path):
    net, path = small(tmp_path)
    assert path.stat().st_size < 2.2 * sum(p.numel() for p in net.parameters()) + 8000
    back = models.load("small", tmp_path)
    assert not back.training and not any(p.requires_grad for p in back.parameters())
    for key, value in net.state_dict().items():
        assert back.state_dict()[key].dtype == torch.float32
        assert torch.equal(back.state_dict()[key], value.half().float())
    assert models.denoiser("small", tmp_path)[0].pred == "v"
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
        models.load("small", tmp_path)
    assert word in str(error.value) and "\n" not in str(error.value)


def test_a_hash_that_fits_a_file_that_does_not(tmp_path):
    path = small(tmp_path)[1]
    path.write_bytes(b"nonsense")
    store.update("small", models.card("small", tmp_path) | {"sha256": store.digest(path)}, tmp_path)
    with pytest.raises(ValueError, match="not a safetensors file"):
        models.load("small", tmp_path)


@pytest.mark.parametrize("call, word", [
    (lambda: models.load("cats"), "choose one of consistency, "),
    (lambda: models.features("cats", torch.zeros(1, 1, 8, 8)), "no judge of 'cats'"),
    (lambda: models.denoiser("digits_judge"), "is a classifier, not a denoiser"),
    (lambda: models.recognizable(torch.zeros(3, 8, 8)), "sees finite images of shape (N, 1, 8, 8), got (3, 8, 8)"),
    (lambda: models.features("digits", torch.full((2, 1, 8, 8), torch.nan)), "with NaN or infinity"),
])
def test_unknown_names_get_one_sentence(call, word):
    with pytest.raises(ValueError) as error:
        call()
    assert word in str(error.value) and "\n" not in str(error.value)


def test_what_ships_is_small_and_has_full_cards():
    files = sorted(store.checkpoints().glob("*.safetensors"))
    assert {"digits", "digits_judge"} <= {f.stem for f in files}
    assert sum(f.stat().st_size for f in files) < 60e6 and all(f.stat().st_size < 8e6 for f in files)
    sittings = {"shapes": 180, "scenes": 80}                          # minutes of what may take several; all else may take 75
    for file in files:
        card = models.card(file.stem)
        assert set("recipe seed steps data sha256 quality versions date device minutes net".split()) <= card.keys()
        took = min(card["minutes"], card.get("cpu_minutes", card["minutes"]))       # a busy machine stretches the wall's
        assert card["bytes"] == file.stat().st_size and took <= sittings.get(file.stem, 75)
        assert all(t.dtype == torch.float16 for t in store.read_state(file)[0].values())
