"""`bench candidate`: a model trained at home beside the shipped one, picture by picture."""
import shutil

import pytest
import torch

from effml_lab import folders
from effml_lab.bench import candidate
from effml_lab.measure import records
from effml_lab.models import samples, store
from effml_lab.models.reader import Attributes


@pytest.mark.usefixtures("toys")
def test_the_same_model_is_neither_better_nor_worse(tmp_path, monkeypatch):
    monkeypatch.setattr(candidate, "PLAN", samples.Plan("shapes", "ddim", 2, "karras", 20))
    shutil.copytree(store.checkpoints(), folders.home() / "checkpoints")
    said = candidate.measure(tmp_path, n=40)
    row, = records.read(tmp_path / "candidate.jsonl")
    assert said.startswith("not surely better") and row.settings["checkpoint"] == row.settings["shipped"]
    assert all(row.quality[name]["low"] == row.quality[name]["high"] == 0 for name in ("wanted", "frechet"))
    assert not list((folders.home() / "samples").iterdir())


def test_who_hits_more_is_better():
    n, wanted = 300, torch.arange(300) % 6
    read = lambda kind: Attributes(kind, wanted, torch.arange(n) % 2, wanted, torch.zeros(n, 2))
    worse = torch.where(torch.arange(n) % 3 == 0, (wanted + 1) % 6, wanted)
    near, far = (torch.randn(n, 4, generator=store.seeded(i)) + i for i in (0, 2))
    found = candidate.compared((near, read(wanted)), (far, read(worse)), wanted, torch.randn(n, 4, generator=store.seeded(9)))
    assert found["wanted"].value == pytest.approx(1 / 3) and found["wanted"].low > 0.2 and found["frechet"].high < 0
    assert found["own wanted"].value == 1 and {"small", "large"} <= set(found)
