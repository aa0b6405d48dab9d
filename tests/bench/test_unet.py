"""`bench unet`: a training step beside diffusers' net of as many weights."""
import sys

import pytest
import torch

from effml_lab.bench import unet
from effml_lab.measure import records


def test_the_unet_is_timed_beside_its_peer(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    net = {"channels_in": 1, "widths": (8, 32), "blocks": 1, "attention": (False, True), "classes": 2}
    unet.measure(tmp_path, rounds=2, cases={"tiny": ((2, 1, 8, 8), net, torch.bfloat16)})
    rows = records.read(tmp_path / "unet.jsonl")
    assert len(rows) == 2 and all(r.settings["parameters"][0] == r.settings["parameters"][1] for r in rows)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ModuleNotFoundError, match="pip install diffusers"):
        unet.measure(tmp_path)
