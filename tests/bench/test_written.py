"""A student's kernel on a GPU, without one: what is missing is told, and impossible times are not."""
import pytest
import torch

from effml_lab.bench import written


def test_what_is_missing_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "type, T4:" in written.missing(False) and "type, L4 or A100" in written.missing(True)
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


def test_the_floor_is_the_longer_of_bytes_and_operations(monkeypatch):
    monkeypatch.setattr(written, "clock", lambda run, device: [1.0])           # a copy takes 1 ms, and so does a product
    monkeypatch.setattr(written, "EDGE", 16)
    assert written.floor(3 * 2 * written.SIZE, 0, torch.float32, "cpu") == 3.0
    assert written.floor(2 * written.SIZE, 5 * 2 * 16**3, torch.float32, "cpu") == 5.0
    assert written.floor(7 * 2 * written.SIZE, 5 * 2 * 16**3, torch.int8, "cpu") == 7.0


def test_nan_is_no_result_and_no_time():
    assert written.off(torch.tensor([1.0, torch.nan]), torch.ones(2)) == float("inf")
    assert written.off(torch.ones(2), torch.ones(2)) == 0
    assert "not believed" in written.judged(float("nan"), 0.8, 0.5)
