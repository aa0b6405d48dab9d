"""Readings of recorded results: right is what the records say, whatever they say, made-up ones here."""
import pytest

from effml_lab.bench import point
from effml_lab.course.contract.judge import judge
from effml_lab.course.exercises import find
from effml_lab.measure.records import Record

AGAINST = "frechet_less_ddpm_1000"


def row(nfe, frechet, difference=None, half=0.1, ms=1.0):
    """A record whose paired difference to the reference has an interval of twice `half`."""
    around = lambda value, slack: {"value": value, "low": value - slack, "high": value + slack, "n": 100}
    quality = {"frechet": around(frechet, 1.0)} | ({} if difference is None else {AGAINST: around(difference, half)})
    return Record("made up", nfe=nfe, ms={"median": ms, "low": ms, "high": ms}, quality=quality)


SOME = {"ddpm, 1000 steps": row(1000, 6.0, ms=4100.0), "dpmpp_2m, 5 steps": row(5, 7.0, 1.0),
        "heun, 4 steps": row(7, 6.1, 0.1, 0.9), "dpmpp_2m, 10 steps": row(10, 6.05, 0.05, ms=50.0),
        "dpmpp_2m, 20 steps": row(20, 6.0, 0.0), "unipc, 3 steps": row(3, 3.0, -3.0)}
NONE = {name: record for name, record in SOME.items() if record.nfe != 20}
NONE["dpmpp_2m, 10 steps"] = row(10, 8.0, 2.0, ms=50.0)
WORSE = {name: record for name, record in SOME.items() if record.nfe != 3} | {          # a fifth of the reference is 1.2
    "dpmpp_2m, 5 steps": row(5, 7.0, 1.15), "heun, 4 steps": row(7, 6.1, 0.1, 1.5)}


def marked(monkeypatch, rows, id, value):
    monkeypatch.setattr(point, "recorded", lambda name: rows)
    return judge(find(id), value, 2, 0)


@pytest.mark.parametrize("rows, value, said", [
    (SOME, 10, None), (SOME, 20, ""), (SOME, 7, "cannot tell"), (SOME, 3, "lower"), (SOME, 5, "bars overlap"),
    (SOME, 0, "there is one"),
    (NONE, 0, None), (NONE, 10, ""), (NONE, 7, "cannot tell")])
def test_the_fewest_calls_that_are_not_separable(monkeypatch, rows, value, said):
    report = marked(monkeypatch, rows, "02-read-separable", value)
    assert repr(report) == ("2" if said is None else "0")
    assert (said or "") in str(report) and ("likely cause" in str(report)) == bool(said)


@pytest.mark.parametrize("rows, value, said", [
    (SOME, 3, None), (WORSE, 10, None), (WORSE, 0, "there is one"), (WORSE, 5, "not surely"), (WORSE, 7, "holds 0 is not enough"),
    (WORSE, 20, "")])
def test_the_fewest_calls_that_are_surely_at_most_a_fifth_worse(monkeypatch, rows, value, said):
    report = marked(monkeypatch, rows, "02-read-no-worse", value)
    assert repr(report) == ("2" if said is None else "0")
    assert (said or "") in str(report) and ("likely cause" in str(report)) == bool(said)


def test_one_number_that_two_misreadings_give_has_one_cause(monkeypatch):
    """Where bars overlap and the interval of the difference holds 0 but is wide, it is the latter that is told."""
    rows = {name: record for name, record in NONE.items() if record.nfe in (7, 1000)} | {
        "dpmpp_2m, 10 steps": row(10, 8.0, 2.0, ms=50.0)}
    assert "cannot tell" in str(marked(monkeypatch, rows, "02-read-separable", 7))


@pytest.mark.parametrize("value, said", [
    (82, None), (100, "numbers of calls"), (1 / 82, "upside down"), (4050, "difference"), (50, "")])
def test_how_much_faster(monkeypatch, value, said):
    report = marked(monkeypatch, SOME, "02-read-latency", value)
    assert repr(report) == ("2" if said is None else "0") and (said or "") in str(report)


@pytest.mark.parametrize("id", ["02-read-separable", "02-read-no-worse", "02-read-latency"])
@pytest.mark.parametrize("rows", [{}, {"ddpm, 1000 steps": row(1000, 2.0)}])
def test_what_is_not_recorded_is_said_in_one_sentence(monkeypatch, id, rows):
    report = marked(monkeypatch, rows, id, 10)
    assert repr(report) == "0" and report.note.startswith("The samplers are not recorded yet")
