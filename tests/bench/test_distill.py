"""`bench plane` and `bench distill` on a small scale: every row is there, pairs off, and says what it cost."""
from functools import partial

import pytest
import torch

from effml_lab.bench import distill, plane
from effml_lab.measure import cost, quality, records
from effml_lab.models import store
from effml_lab.recipes import ring_students, students, ufogen


def test_the_plane(tmp_path, monkeypatch):
    for name in ("halved", "halved_guided", "by_pairs", "consistent", "against_a_critic"):
        monkeypatch.setattr(ring_students, name, partial(getattr(ring_students, name), training=2))
    monkeypatch.setattr(plane, "N", 200)
    plane.measure(tmp_path, seeds=(0, 1))
    rows = records.latest(tmp_path / "plane.jsonl")
    assert rows["the teacher's 64 steps"].quality["error"]["value"] == 0
    assert rows["real points"].quality["within"]["value"] > 0.95 and rows["real points"].quality["modes"]["value"] == 8
    assert rows["ddim, 1 steps"].quality["modes"]["value"] == 0 < rows["ddim, 16 steps"].quality["modes"]["value"]
    assert rows["progressive, cap, 2 steps"].quality["error"]["n"] == 2 and rows["class alone, 4 steps, used at w = 3"].nfe == 8
    assert len(rows) == 14 + 10 + 2 + 8 + 2 + 20 - 2


def test_a_share_within_and_the_modes_that_are_hit():
    means = plane.ring.data().means
    assert plane.near(means.repeat(10, 1)) == (1.0, 8) and plane.near(0 * means) == (0.0, 0)
    assert plane.near(means[:2].repeat(10, 1))[1] == 2
    same = 0.3 * torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    apart = lambda a, b: quality.mmd(a, b, plane.bell)
    assert abs(apart(same[:150], same[150:])) < 0.02 < apart(same, same + 1)


def test_pictures(tmp_path, monkeypatch):
    if not (store.checkpoints() / "progressive_4.json").exists():
        pytest.skip("not trained here yet")
    monkeypatch.setattr(distill, "SIZE", 8)
    monkeypatch.setattr(distill, "FULL", 8)
    monkeypatch.setattr(distill, "COUNTS", (4,))
    monkeypatch.setattr(distill, "FRESH", {})
    distill.measure(tmp_path, n=12)
    rows = records.latest(tmp_path / "distill.jsonl")
    mine = rows["progressive_4, 4 steps"]
    assert mine.nfe == 4 and mine.quality["rmse"]["n"] == 12
    assert rows["ddim, 4 steps, karras"].settings["training"]["learned from"] == 0
    cards = [store.card(f"progressive_{steps}") for steps in (16, 8, 4)]
    assert mine.settings["training"] == {"learned from": sum(card["steps"] * card["batch"] for card in cards),
                                         "without a pass back": sum(2 * card["steps"] * card["batch"] for card in cards)}
    assert rows["progressive over ddim, 4 steps"].settings["over"].startswith("ddim, 4 steps")
    assert rows["weighted, w = 1"].quality["nothing"]["value"] < 1e-6
    assert rows["guided, two calls, w = 2, 4 steps, karras"].nfe == 8
    assert rows["guided, weighted, w = 2, 4 steps, lambda"].nfe == 4


def test_ddim_is_held_against_on_its_best_grid():
    off = {"ddim, 4 steps, karras": torch.full((9,), 4.0), "ddim, 4 steps, lambda": torch.full((9,), 1.0),
           "progressive_4, 4 steps": torch.full((9,), 0.25)}
    found, settings = distill.against_ddim(off, 4)
    assert settings["over"] == "ddim, 4 steps, lambda" and found["ratio"].value == pytest.approx(0.5)


def test_what_a_call_of_the_critic_takes():
    pair = ufogen.pair(students.teacher("shapes"))
    seen = torch.zeros(1, 3, 32, 32), torch.zeros(1), torch.zeros(1, dtype=torch.long)
    assert distill.CRITIC == pytest.approx(cost.macs(pair["critic"], *seen) / cost.macs(pair["maker"], *seen), abs=0.005)
