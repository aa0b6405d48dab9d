"""`bench samplers` on toy checkpoints: the table becomes rows and findings."""
import pytest

from effml_lab import folders
from effml_lab.bench import findings, samplers
from effml_lab.measure import quality, records
from effml_lab.models import samples

PLAN = samples.Plan("shapes", "ddpm", 2, "trailing", 4)


def test_the_table_becomes_rows_and_findings(toys, monkeypatch):
    few = lambda fn: lambda *args, **named: fn(*args, **named | {"rounds": 4})
    for name in ("bootstrap", "kid_interval", "paired"):
        monkeypatch.setattr(quality, name, few(getattr(quality, name)))
    monkeypatch.setattr(samplers, "GRIDS", ("trailing", "karras"))
    monkeypatch.setattr(findings, "FULL", "ddpm, 6 steps")
    full = PLAN._replace(steps=6)
    table = {"ddpm": (6,), "ddim": (10,), "dpmpp_2m": (10,), "heun": (2,)}
    run = lambda: samplers.measure(toys, n=12, table=table, full=full, exact=full._replace(sampler="ddim", steps=12),
                                   workers=1, rounds=1, size=2)
    assert str(toys) in run()
    rows = records.latest(toys / "samplers.jsonl")
    assert list(rows) == [samplers.FLOOR, "ddpm, 6 steps", "ddim, 10 steps", "dpmpp_2m, 10 steps", "heun, 2 steps",
                          findings.ORDER, findings.FEWEST, findings.NO_WORSE]
    assert rows["heun, 2 steps"].nfe == 3 and rows[samplers.FLOOR].nfe is None
    same = rows["ddpm, 6 steps"].quality
    assert same[findings.AGAINST]["value"] == 0 and "rmse" not in same and same["wanted"]["n"] == 12
    error = lambda name: rows[f"{name}, 10 steps"].quality["rmse"]["value"]
    assert rows[findings.ORDER].quality["ratio"]["value"] == pytest.approx(error("dpmpp_2m") / error("ddim"), rel=1e-6)
    grids = records.latest(toys / "spacing.jsonl")
    assert list(grids) == [f"{s}, 10 steps, {g}" for s in ("ddim", "dpmpp_2m") for g in ("trailing", "karras")]
    assert grids["ddim, 10 steps, trailing"].quality["rmse"]["value"] == pytest.approx(error("ddim"), rel=1e-6)
    assert not list((folders.home() / "samples").iterdir())
