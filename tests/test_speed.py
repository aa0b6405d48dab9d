"""Speed against quality on toy checkpoints: samples that pair off and outlive a kill, and the rows made of them."""
import math

import pytest
import torch

from effml_lab import recipes
from effml_lab.diffusion import samplers
from effml_lab.measure import bench, quality
from effml_lab.nets.classifier import Classifier
from effml_lab.nets.unet import UNet
from effml_lab.recipes import findings, loop, race, reader, real, samples, shapes, speed, store

NET = dict(shapes.NET, widths=[8, 32], attention=[False, True])
JUDGE = dict(reader.NET, widths=[8, 8])


@pytest.fixture(autouse=True)
def toys(tmp_path, monkeypatch):
    """A home, and checkpoints of the names of the course's: a net that moves its input a little, a judge at random."""
    monkeypatch.setenv("EFFML_HOME", str(tmp_path / "home"))
    torch.manual_seed(0)
    net = UNet(**NET)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, 0, 0.05)
    card = {"pred": "v", "schedule": "cosine", "classes": 6, "shape": [3, 32, 32]}
    store.save("shapes", net.state_dict(), card | {"net": {"kind": "unet", "settings": NET}}, tmp_path / "ck")
    card = {"shape": [3, 32, 32], "net": {"kind": "classifier", "settings": JUDGE}}
    store.save("shapes_judge", Classifier(**JUDGE).state_dict(), card, tmp_path / "ck")
    monkeypatch.setattr(store, "checkpoints", lambda: tmp_path / "ck")
    return tmp_path


PLAN = samples.Plan("shapes", "ddpm", 2, "trailing", 4)


def test_sets_pair_off_and_ask_for_the_kinds_in_turn():
    _, _, x, _ = samples.prepared(PLAN, 1)
    assert torch.equal(x, samples.prepared(PLAN._replace(sampler="ddim", steps=3), 1)[2])
    assert not torch.equal(x, samples.prepared(PLAN, 0)[2])
    assert samples.kinds("shapes", 4, 4).tolist() == [4, 5, 0, 1]


def test_random_samplers_repeat_and_leave_the_generator_alone():
    first = samples.batch(PLAN, 1)
    torch.rand(3)
    assert torch.equal(first, samples.batch(PLAN, 1))
    assert not torch.equal(first, samples.batch(PLAN._replace(seed=1), 1))
    state = torch.get_rng_state()
    with samples.global_seed(3):
        torch.rand(1)
    assert torch.equal(state, torch.get_rng_state())


class Killed(BaseException):
    pass


def test_a_killed_measurement_goes_on_from_the_last_batch(monkeypatch):
    whole = samples.draw(PLAN, 10, workers=1)
    samples.forget(PLAN)
    draw, drawn = samples.batch, []

    def dying(plan, index, device):
        if drawn:
            raise Killed
        return drawn.append(index) or draw(plan, index, device)

    monkeypatch.setattr(samples, "batch", dying)
    with pytest.raises(Killed):
        samples.draw(PLAN, 10, workers=1)
    monkeypatch.setattr(samples, "batch", lambda plan, index, device: drawn.append(index) or draw(plan, index, device))
    again = samples.draw(PLAN, 10, workers=1)
    assert drawn == [0, 1, 2] and again.shape == (10, 3, 32, 32) and torch.equal(again, whole)


def test_two_processes_draw_what_one_draws(toys):
    plan, threads = PLAN._replace(folder=str(toys / "ck")), torch.get_num_threads()
    one = samples.draw(plan, 8, workers=1)
    samples.forget(plan)
    samples.fill([plan], 8, workers=2)
    assert torch.get_num_threads() == threads
    assert torch.equal(one, torch.cat([store.read_state(samples.path(plan, i))[0]["images"].float() for i in range(2)]))


def test_a_process_that_fails_is_told(toys):
    with pytest.raises(RuntimeError, match="the same command goes on"):
        samples.fill([PLAN, PLAN._replace(folder=str(toys / "ck"), spacing="nonsense")], 4, workers=2)


def test_the_table_becomes_rows_and_findings(toys, monkeypatch):
    few = lambda fn: lambda *args, **named: fn(*args, **named | {"rounds": 4})
    for name in ("bootstrap", "kid_interval", "paired"):
        monkeypatch.setattr(quality, name, few(getattr(quality, name)))
    monkeypatch.setattr(speed, "GRIDS", ("trailing", "karras"))
    monkeypatch.setattr(findings, "FULL", "ddpm, 6 steps")
    full = PLAN._replace(steps=6)
    table = {"ddpm": (6,), "ddim": (10,), "dpmpp_2m": (10,), "heun": (2,)}
    run = lambda: speed.samplers(toys, n=12, table=table, full=full, exact=full._replace(sampler="ddim", steps=12),
                                 workers=1, rounds=1, size=2)
    assert str(toys) in run()
    rows = bench.latest(toys / "samplers.jsonl")
    assert list(rows) == [speed.FLOOR, "ddpm, 6 steps", "ddim, 10 steps", "dpmpp_2m, 10 steps", "heun, 2 steps",
                          findings.ORDER, findings.FEWEST, findings.NO_WORSE]
    assert rows["heun, 2 steps"].nfe == 3 and rows[speed.FLOOR].nfe is None
    same = rows["ddpm, 6 steps"].quality
    assert same[findings.AGAINST]["value"] == 0 and "rmse" not in same and same["wanted"]["n"] == 12
    error = lambda name: rows[f"{name}, 10 steps"].quality["rmse"]["value"]
    assert rows[findings.ORDER].quality["ratio"]["value"] == pytest.approx(error("dpmpp_2m") / error("ddim"), rel=1e-6)
    grids = bench.latest(toys / "spacing.jsonl")
    assert list(grids) == [f"{s}, 10 steps, {g}" for s in ("ddim", "dpmpp_2m") for g in ("trailing", "karras")]
    assert grids["ddim, 10 steps, trailing"].quality["rmse"]["value"] == pytest.approx(error("ddim"), rel=1e-6)
    assert not list((store.home() / "samples").iterdir())


def row(name, nfe, low, high, own=1.0):
    frechet = {"value": own, "low": own, "high": own, "n": 9}
    difference = {"value": (low + high) / 2, "low": low, "high": high, "n": 9}
    return bench.Record(name, nfe=nfe, quality={"frechet": frechet, findings.AGAINST: difference})


def test_the_fewest_evaluations_are_those_that_cannot_be_told_apart():
    rows = [row(findings.FULL, 1000, 0, 0), row("wide", 3, -1, 1), row("worse", 4, 0.1, 0.2),
            row("better", 5, -0.2, -0.1), row("same", 8, -0.05, 0.1), row("same too", 20, -0.01, 0.01),
            bench.Record("finding: other", nfe=2)]
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


def test_anybodys_sampler_is_measured(monkeypatch):
    monkeypatch.setitem(real.IMAGES, "shapes", lambda: real.scenes(30)[0])
    seen = []

    def sampler(denoise, x, grid):
        seen.append((x.shape, len(grid)))
        yield from samplers.ddpm(denoise, x, grid)

    point = recipes.measure("mine", sampler, 3, n=12, data="shapes")
    assert seen == [((12, 3, 32, 32), 4)] and point.nfe == 3 and math.isfinite(point.quality["kid"]["value"])
    assert point.quality == recipes.measure("mine", sampler, 3, n=12, data="shapes").quality
    with pytest.raises(ValueError, match="no course model of 'cats': choose one of digits, shapes"):
        recipes.measure("mine", sampler, 3, data="cats")


def test_the_loop_is_timed_beside_its_peer(toys, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setattr(loop, "STEPS", 4)
    monkeypatch.setattr(loop, "SHAPE", (2, 3, 32, 32))
    loop.loop(toys, cases={"free": (loop.free, 2), "whole": (loop.whole, 2)})
    rows = bench.read(toys / "loop.jsonl")
    assert [r.technique.split(",")[0] for r in rows] == ["ddim", "dpmpp_2m"] * 2
    assert all(r.quality["ratio"]["value"] > 0 and r.quality["ratio"]["n"] == 2 for r in rows)
    monkeypatch.setattr(loop.samplers, "SAMPLERS", samplers.SAMPLERS | {"ddim": samplers.dpmpp_2m})
    with pytest.raises(RuntimeError, match="not the same update"):
        loop.whole("ddim", 1, "cpu")


def test_a_race_goes_on_where_it_was_left(toys, monkeypatch):
    pytest.importorskip("diffusers")
    for name, value in {"TRIAL": 0.1, "TURN": 0.1, "BETWEEN": 0.2, "RATES": (1e-3,)}.items():
        monkeypatch.setattr(race, name, value)
    monkeypatch.setattr(race.shapes, "BATCH", 2)
    check, drive, driven = race.validated, race.drive, []
    monkeypatch.setattr(race, "validated", lambda run: check(run, parts=2, size=4))

    def dying(run, seconds):
        if len(driven) == 4:
            raise Killed
        return driven.append(run.done) or drive(run, seconds)

    monkeypatch.setattr(race, "drive", dying)
    with pytest.raises(Killed):
        race.race(toys, minutes=0.01, net=NET)
    monkeypatch.setattr(race, "drive", lambda run, seconds: driven.append(run.done) or drive(run, seconds))
    race.race(toys, minutes=0.01, net=NET)
    assert driven[:2] == [0, 0] and all(done > 0 for done in driven[4:])   # two trials, two turns, then on from there
    found, = bench.read(toys / "unet.jsonl")
    assert found.quality["ratio"]["value"] > 0 and found.settings["rates"] == {"ours": 1e-3, "theirs": 1e-3}
    assert all(curve[-1][0] >= 0.6 for curve in found.settings["curves"].values())
    with pytest.raises(ValueError, match="use --device cpu"):
        race.race(toys, device="cuda")
