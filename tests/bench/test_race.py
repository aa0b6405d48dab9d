"""`bench race`: two nets side by side, over as many sittings as it takes."""
import pytest

from effml_lab.bench import race
from effml_lab.measure import records


class Killed(BaseException):
    pass


NET = dict(race.shapes.NET, widths=[8, 32], attention=[False, True])


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
        race.measure(toys, minutes=0.01, net=NET)
    monkeypatch.setattr(race, "drive", lambda run, seconds: driven.append(run.done) or drive(run, seconds))
    race.measure(toys, minutes=0.01, net=NET)
    assert driven[:2] == [0, 0] and all(done > 0 for done in driven[4:])   # two trials, two turns, then on from there
    found, = records.read(toys / "unet.jsonl")
    assert found.quality["ratio"]["value"] > 0 and found.settings["rates"] == {"ours": 1e-3, "theirs": 1e-3}
    assert all(curve[-1][0] >= 0.6 for curve in found.settings["curves"].values())
    with pytest.raises(ValueError, match="use --device cpu"):
        race.measure(toys, device="cuda")
