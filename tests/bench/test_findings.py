"""What the rows of `bench samplers` come to."""
import pytest
import torch

from effml_lab.bench import findings
from effml_lab.measure import records
from effml_lab.models import store


def row(name, nfe, low, high, own=1.0):
    frechet = {"value": own, "low": own, "high": own, "n": 9}
    difference = {"value": (low + high) / 2, "low": low, "high": high, "n": 9}
    return records.Record(name, nfe=nfe, quality={"frechet": frechet, findings.AGAINST: difference})


def test_the_fewest_evaluations_are_those_that_cannot_be_told_apart():
    rows = [row(findings.FULL, 1000, 0, 0), row("wide", 3, -1, 1), row("worse", 4, 0.1, 0.2),
            row("better", 5, -0.2, -0.1), row("same", 8, -0.05, 0.1), row("same too", 20, -0.01, 0.01),
            records.Record("finding: other", nfe=2)]
    by_name = {r.technique: r for r in rows}
    assert findings.fewest(by_name).technique == "same"
    told = {name: findings.verdict(by_name[name], rows[0]) for name in ("wide", "worse", "better", "same")}
    assert told == {"wide": None, "worse": True, "better": True, "same": False}
    assert findings.no_worse(by_name).technique == "better"        # a fifth of 1 is what its interval stays below
    del by_name["better"], by_name["same"]
    by_name["surer"] = row("surer", 20, -0.02, 0.005)
    assert findings.no_worse(by_name).technique == findings.fewest(by_name).technique == "surer"
    del by_name["surer"], by_name["same too"], by_name["worse"]
    assert findings.fewest(by_name) is None and findings.no_worse(by_name) is None


def test_an_error_half_as_large_is_half_as_large():
    gap = torch.rand(50, generator=store.seeded(0), dtype=torch.float64)
    assert findings.times_smaller(gap, 4 * gap) == pytest.approx((0.5, 0.5, 0.5, 50))
