"""What all tests share: a home of one's own, toy checkpoints; and the record of the graders.

`--seeds 100 --record FOLDER`, which is `python -m effml_lab bench graders`, judges the answers of every exercise without a
current row in FOLDER/graders.jsonl, and appends the rows.
"""
import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")       # here and in what the tests start: small nets, busy machines

JUDGED = {"test_wrong_answers_lose_points": "wrong", "test_right_answers_keep_all_points": "right"}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFML_HOME", str(tmp_path / "home"))


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """Checkpoints of the names of the course's: a net that moves its input a little, a judge at random."""
    import torch

    from effml_lab.models import store
    from effml_lab.nets.classifier import Classifier
    from effml_lab.nets.dit import DiT
    from effml_lab.nets.unet import UNet
    from effml_lab.recipes import shapes, shapes_judge
    torch.manual_seed(0)
    settings = dict(shapes.NET, widths=[8, 32], attention=[False, True])
    net = UNet(**settings)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, 0, 0.05)
    card = {"pred": "v", "schedule": "cosine", "classes": 6, "shape": [3, 32, 32]}
    store.save("shapes", net.state_dict(), card | {"net": {"kind": "unet", "settings": settings}}, tmp_path / "ck")
    settings = dict(shapes_judge.NET, widths=[8, 8])
    blocks = {"patch": 8, "width": 128, "depth": 1, "heads": 4, "classes": 6}
    dit = DiT(**blocks)
    for weight in dit.parameters():
        torch.nn.init.normal_(weight, 0, 0.08)
    store.save("dit", dit.state_dict(), card | {"net": {"kind": "dit", "settings": blocks}}, tmp_path / "ck")
    card = {"shape": [3, 32, 32], "net": {"kind": "classifier", "settings": settings}}
    store.save("shapes_judge", Classifier(**settings).state_dict(), card, tmp_path / "ck")
    monkeypatch.setattr(store, "checkpoints", lambda: tmp_path / "ck")
    return tmp_path


def pytest_addoption(parser):
    parser.addoption("--seeds", type=int, default=3, help="on how many seeds each answer in code is judged")
    parser.addoption("--record", type=Path, metavar="FOLDER", help="append what is found of the graders to FOLDER/graders.jsonl")


def kept(config) -> Path | None:
    folder = config.getoption("--record")
    return folder and folder / "graders.jsonl"


def pytest_collection_modifyitems(config, items):
    """While recording, only the answers whose exercise has no current row are judged."""
    if kept(config):
        from banks import stale

        from effml_lab.measure import records
        rows, seeds = records.latest(kept(config)), config.getoption("--seeds")
        todo = lambda id: stale(id, rows.get(id), seeds)
        items[:] = [item for item in items if item.originalname in JUDGED and todo(item.callspec.params["id"])]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if getattr(item, "originalname", None) in JUDGED:
        report.judged = JUDGED[item.originalname], item.callspec.params["id"]


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """One row an exercise: how many answers there were of a kind, and how many were judged as they should be."""
    whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if not kept(config) or not whole or hasattr(config, "workerinput"):          # the parent of several processes tells
        return
    from banks import CODED, rests_on

    from effml_lab.measure import records
    found: dict[str, dict[str, int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            if getattr(report, "judged", None) and report.when == "call":
                kind, id = report.judged
                row = found.setdefault(id, dict.fromkeys(("wrong", "wrong told", "right", "right told"), 0))
                row[kind] += 1
                row[f"{kind} told"] += outcome == "passed"
    for id, row in found.items():
        seeds = config.getoption("--seeds") if id in CODED else 1
        records.append(kept(config), records.Record(id, settings=row | {"seeds": seeds, "rests on": rests_on(id)}))
