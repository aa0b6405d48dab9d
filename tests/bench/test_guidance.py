"""`bench guidance` and `bench conditions` on toy checkpoints: tables become rows, and pictures pair off."""
from functools import partial

import pytest
import torch

from effml_lab import folders
from effml_lab.bench import conditions, guidance
from effml_lab.measure import quality, records
from effml_lab.models import samples, store
from effml_lab.nets.classifier import NoisyClassifier
from effml_lab.nets.control import Controlled
from effml_lab.nets.text import Captioned
from effml_lab.recipes import scenes, shapes

SMALL = dict(shapes.NET, widths=[8, 16])


@pytest.fixture
def told(toys):
    """Toy models that are told words, outlines and noise."""
    nets = {"scenes": ("captioned", Captioned, {**scenes.NET, "unet": {**SMALL, "reads": True}, "width": 16, "depth": 1}),
            "control": ("controlled", Controlled, {"unet": SMALL, "hints": 1}),
            "control_masks": ("controlled", Controlled, {"unet": SMALL, "hints": 1}),
            "shapes_noisy": ("noisy_classifier", NoisyClassifier,
                             {"classes": 6, "unet": {"channels_in": 3, "widths": [8], "stem": 2}})}
    for name, (kind, cls, settings) in nets.items():
        net = cls(**settings)
        for weight in net.parameters():
            torch.nn.init.normal_(weight, 0, 0.05)
        card = {"pred": "v", "schedule": "cosine", "shape": [3, 32, 32], "net": {"kind": kind, "settings": settings}}
        store.save(name, net.state_dict(), card | ({} if name == "scenes" else {"classes": 6}), toys / "ck")
    return toys


@pytest.fixture
def quick(monkeypatch):
    for name in ("bootstrap", "paired"):
        monkeypatch.setattr(quality, name, partial(getattr(quality, name), rounds=4))


def rows():
    kinds, words = guidance.KINDS._replace(steps=4, size=4), guidance.WORDS._replace(steps=4, size=4)
    return {"shapes, w = 1": kinds, "shapes, w = 3": kinds._replace(w=3.0),
            "shapes, w = 3 inside": kinds._replace(w=3.0, inside=(0.3, 5.0)),
            "shapes, a classifier, s = 2": kinds._replace(w=2.0, by="a classifier"), "scenes, w = 2": words._replace(w=2.0),
            "scenes, held out, w = 1": words._replace(asks="held out")}


def test_weights_become_rows_that_pair_off(told, quick):
    guidance.measure(told, n={"shapes": 10, "scenes": 6}, rows=rows, workers=1, rounds=1, size=2)
    found = records.latest(told / "guidance.jsonl")
    assert list(found) == list(rows())
    assert [found[name].nfe for name in found] == [4, 8, 5, 4, 8, 4]           # of four steps one lies inside
    plain, strong = found["shapes, w = 1"], found["shapes, w = 3"]
    assert plain.quality["frechet less w = 1"]["value"] == 0 and plain.settings["became right, wrong"] == [0, 0]
    assert strong.quality["kind"]["n"] == 10 and "all four" not in strong.quality
    some = {found[name].quality["frechet"]["value"] for name in list(found)[:3]}
    assert len(some) == 3 and found["shapes, a classifier, s = 2"].bytes > plain.bytes
    assert set(found["scenes, w = 2"].quality) >= {"kind", "color", "size", "ground", "all four", "area", "time"}
    assert not list((folders.home() / "samples").iterdir())


def test_captions_come_from_the_number_of_a_batch(told):
    plan = samples.Plan("scenes", "ddim", 2, "karras", 4)
    cond, null = samples.wanted(plan, 1)
    assert torch.equal(cond, samples.wanted(plan, 1)[0]) and not torch.equal(cond, samples.wanted(plan)[0])
    assert cond.shape == (4, 40) and null.shape == (1, 40)
    held = samples.asked(plan._replace(asks="held out"))
    from effml_lab.datasets import captions
    assert captions.held(held).all() and not (captions.held(samples.asked(plan)) & samples.asked(plan).shown).any()
    stems = {samples.stem(p) for p in (plan, plan._replace(w=2.0), plan._replace(w=2.0, inside=(0.3, 5.0)),
                                       plan._replace(w=2.0, inside=(0.35,
                                                                    5.0)), plan._replace(asks="held out"), plan._replace(seed=1),
                                       plan._replace(w=-1.0))}
    assert len(stems) == 7
    with pytest.raises(ValueError, match="'control' is controlled"):
        samples.wanted(plan._replace(name="control"))


def test_conditions_become_rows(told, quick, monkeypatch):
    monkeypatch.setattr(conditions, "SEEDS", (0,))
    monkeypatch.setattr(conditions, "CALLS", 2)
    conditions.measure(told, n=4, steps=2, rounds=2)
    found = records.latest(told / "conditions.jsonl")
    assert len(found) == 7 and found["no hint, kind given"].quality["overlap"]["n"] == 4
    assert found["keys once a prompt, time over at every call"].settings["largest difference"] == 0
    weights = found["AdaGN, loss over that of adding"].settings["parameters"]
    assert abs(weights["added"] / weights["adaptive"] - 1) < 0.01
    with pytest.raises(ValueError, match="use --device cpu"):
        conditions.measure(told, device="cuda")
