"""A student's kernel on a GPU, without one: what is missing is told, and impossible times are not."""
import pytest
import torch

from effml_lab.bench import written


def test_what_is_missing_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "On Colab" in written.missing(False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *device: "Tesla T4")
    monkeypatch.setattr(written, "has_triton", lambda: True)
    assert written.missing(False) is None and "Tesla T4 is too old" in written.missing(True)
    monkeypatch.setattr(written, "has_triton", lambda: False)
    assert "not installed" in written.missing(False)


@pytest.mark.parametrize("mine, said", [(1.0, "50% of what"), (0.4, "not believed"), (0.5, "100%")])
def test_a_time_below_the_floor_is_not_believed(mine, said):
    text = written.judged(mine, 0.8, 0.5)
    assert said in text and ("library" in text) == (mine >= 0.45)
