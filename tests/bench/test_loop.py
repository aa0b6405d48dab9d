"""`bench loop`: a sampler's loop beside diffusers'."""
import pytest

from effml_lab.bench import loop
from effml_lab.diffusion import samplers
from effml_lab.measure import records


def test_the_loop_is_timed_beside_its_peer(toys, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setattr(loop, "STEPS", 4)
    monkeypatch.setattr(loop, "SHAPE", (2, 3, 32, 32))
    loop.measure(toys, cases={"free": (loop.free, 2), "whole": (loop.whole, 2)})
    rows = records.read(toys / "loop.jsonl")
    assert [r.technique.split(",")[0] for r in rows] == ["ddim", "dpmpp_2m"] * 2
    assert all(r.quality["ratio"]["value"] > 0 and r.quality["ratio"]["n"] == 2 for r in rows)
    monkeypatch.setattr(loop.samplers, "SAMPLERS", samplers.SAMPLERS | {"ddim": samplers.dpmpp_2m})
    with pytest.raises(RuntimeError, match="not the same update"):
        loop.whole("ddim", 1, "cpu")
