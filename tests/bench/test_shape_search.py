"""`bench shape_search`: entries go on where they were left, and become rows that can be paired."""
import pytest
import torch

from effml_lab.bench import shape_search
from effml_lab.measure import records
from effml_lab.recipes import shapes

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    tiny = {"widths": [8, 16], "attention": False}
    monkeypatch.setattr(shape_search, "SHAPES", {"tiny": tiny, "tiny, high noise": tiny})
    monkeypatch.setattr(shape_search, "HIGH", {"tiny, high noise": 0.25})
    monkeypatch.setattr(shape_search.shapes, "BATCH", 2)
    for name, value in {"NOISES": 12, "BATCH": 6, "STEPS": 2, "ROUNDS": 2}.items():
        monkeypatch.setattr(shape_search, name, value)
    check = shape_search.validated
    monkeypatch.setattr(shape_search, "validated", lambda run: check(run, parts=2, size=4))


def test_entries_become_rows_and_go_on(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setattr(shape_search, "relative", lambda name, rounds: 1.0 if name == "tiny" else 0.5)
    shape_search.measure(tmp_path, budget=3, names=("tiny", "tiny, high noise"))
    first, other = records.read(tmp_path / "shape_search.jsonl")
    assert (first.settings["high"], other.settings["high"]) == (0.0, 0.25) and first.macs == other.macs > 0
    assert (first.settings["steps"], other.settings["steps"]) == (3, 6)             # half the time, twice the steps
    assert len(first.settings["hits"]) == 12 and first.quality["wanted"]["n"] == 12 and first.quality["loss"]["n"] == 2
    shape_search.measure(tmp_path, budget=3, names=("tiny",))                       # has had its time
    shape_search.measure(tmp_path, budget=5, names=("tiny",))
    steps = [row.settings["steps"] for row in records.read(tmp_path / "shape_search.jsonl") if row.technique == "tiny"]
    assert steps == [3, 3, 5] and torch.get_num_threads() == threads
    with pytest.raises(ValueError, match="use --device cpu"):
        shape_search.measure(tmp_path, device="cuda")


def test_a_step_is_timed_beside_the_first_entrys():
    assert shape_search.relative("tiny", 2) == 1.0 and 0.2 < shape_search.relative("tiny, high noise", 2) < 5


def test_a_share_of_the_times_lies_at_high_noise():
    u = torch.linspace(0, 1, 4001)[:-1]
    times = shapes.skewed(0.25)(u)
    assert 0 <= times.min() and times.max() < 1
    # beyond the border: the quarter that is sent there, and its part of the rest
    assert (times >= 0.95).double().mean().item() == pytest.approx(0.25 + 0.75 * 0.05, abs=2e-3)
