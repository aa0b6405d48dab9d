"""`bench digits`: the rows it writes, and the bars that the recorded ones meet."""
import torch

from effml_lab import folders, models
from effml_lab.bench import digits
from effml_lab.measure import cost, records


def test_the_recorded_bars_are_met_by_what_ships():
    rows = {r.technique: r for r in records.read(folders.data_folder() / "results" / "digits.jsonl")}
    full, floor = rows["ddpm, 1000 steps"], rows["real digits, the floor"]
    assert full.settings["checkpoint"] == models.card("digits")["sha256"][:12]
    assert full.settings["judge"] == floor.settings["judge"] == models.card("digits_judge")["sha256"][:12]
    assert full.nfe == 1000 and full.quality["recognizable"]["value"] >= 0.95
    assert full.quality["nearest"]["value"] >= 0.9 and full.quality["evenness"]["value"] >= 0.95


def test_benchmarks_write_records(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "judged", lambda data, images: {"n": {"value": len(images)}})
    assert str(tmp_path) in digits.measure(tmp_path, n=5, runs=[("ddim", 2)])
    floor, row = records.read(tmp_path / "digits.jsonl")
    assert floor.quality["n"]["value"] == row.quality["n"]["value"] == 5
    assert not list((folders.home() / "samples").iterdir())
    assert row.nfe == 2 and row.macs == 2 * cost.macs(models.load("digits"), torch.zeros(1, 1, 8, 8), torch.zeros(1))
