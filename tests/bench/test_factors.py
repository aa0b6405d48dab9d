"""The map of the course: a line for each lab that is here, from the recorded rows alone."""
from effml_lab.bench import factors, point
from effml_lab.folders import checkout


def test_every_lab_has_a_line_with_its_numbers():
    lines = factors.factors()
    assert [line.lab for line in lines] == sorted(path.name[:2] for path in (checkout() / "labs").glob("[0-9][0-9]_*"))
    assert all(any(sign.isdigit() for sign in line.measured) for line in lines)
    speed = point.recorded("samplers")[factors.findings.NO_WORSE].quality["speedup"]
    assert f"{speed['value']:.3g} ({speed['low']:.3g} to {speed['high']:.3g})" in lines[1].measured


def test_what_was_never_recorded_is_left_out(monkeypatch):
    monkeypatch.setattr(factors, "recorded", lambda name: {})
    assert factors.factors() == []
