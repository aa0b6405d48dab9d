"""The command line as a user meets it: what it lists, what it starts, and one sentence for whatever is wrong."""
import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from effml_lab import __main__ as front
from effml_lab import doctor, folders
from effml_lab.course.notebook import labs
from effml_lab.folders import checkout

ROOT = checkout()


def told(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(front.cli, args)
    return result.exit_code, result.stdout, result.stderr


def notebook() -> dict:
    return {"metadata": {"effml_lab": {"title": "T", "minutes": {"reading": 3}}}, "cells": [
        {"metadata": {"nbgrader": {"grade": True, "solution": False, "grade_id": "01-a", "points": 4}}},
        {"metadata": {"nbgrader": {"grade": True, "solution": True, "grade_id": "01-words", "points": 9}}},
        {"metadata": {}}]}


@pytest.fixture
def shelf(tmp_path) -> Path:
    """A folder with one lab worth 4 points at home, and what must not be taken for labs."""
    for name in ("01_ddpm/01_ddpm", "01_ddpm/scratch", "notes/notes"):
        path = tmp_path / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(notebook()))
    return tmp_path


def test_labs_with_minutes_and_marks(shelf):
    listed = labs.listed(shelf)
    assert [lab.name for lab in listed] == ["01_ddpm"]
    marked = labs.table(listed, {"01_ddpm": 71.4}, {"01-a": {"points": 1.5, "of": 2}, "02-b": {"points": 1, "of": 1}})
    row = marked.splitlines()[1]
    assert all(word in row for word in ("01_ddpm", "T", "3 min", "?", "71 s", "3 of 4"))


def test_a_better_mark_is_never_more_than_the_points(shelf):
    assert labs.listed(shelf)[0].mark({"01-a": {"points": 9, "of": 2}}) == 4


def test_measured_takes_the_last_run(tmp_path):
    rows = [{"lab": "01_ddpm", "kind": kind, "seconds": s} for kind, s in [("solution", 9), ("solution", 7), ("blank", 1)]]
    (tmp_path / "labs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert labs.measured(tmp_path) == {"01_ddpm": 7} and labs.measured(tmp_path / "none") == {}


@pytest.fixture
def started(monkeypatch) -> list:
    """JupyterLab is not started; what would have been is kept."""
    calls = []
    monkeypatch.setattr(labs, "start", lambda folder, words: calls.append((folder, words)))
    return calls


def test_lab_passes_options_on_and_leaves_the_token_alone(started, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    code, out, _ = told("lab", "--no-browser", "--port=8899", "--ServerApp.ip", "0.0.0.0")
    (folder, words), = started
    assert code == 0 and folder == ROOT / "labs" and "--allow-root" in out
    assert words[1:] == ["-m", "jupyterlab", "--allow-root", "--no-browser", "--port=8899", "--ServerApp.ip", "0.0.0.0"]


def test_lab_as_a_user_adds_nothing(started, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    code, out, _ = told("lab")
    assert code == 0 and "root" not in out and started[0][1][1:] == ["-m", "jupyterlab"]


def test_lab_without_a_repository_says_where_labs_are(started, monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "PACKAGE", tmp_path / "effml_lab")
    code, _, err = told("lab")
    assert code == 2 and len(err.splitlines()) == 1 and labs.source_url() in err and not started


def test_lab_without_jupyterlab(started, monkeypatch):
    lost = lambda data: [doctor.Line("jupyterlab", False, "missing", "needed")]
    monkeypatch.setattr(doctor, "examine", lost)
    code, out, err = told("lab")
    assert code == 2 and "pip install -r requirements.txt" in err and "MISS jupyterlab" in out and not started


def test_doctor_is_quick_and_names_what_is_missing(monkeypatch, tmp_path):
    start = time.process_time()
    told("doctor")
    assert time.process_time() - start < 1
    monkeypatch.setitem(doctor.PACKAGES, "no-such-package", ("sums", None))
    lines = {line.name: line for line in doctor.examine(tmp_path)}
    assert lines["no-such-package"].ok is False and "sums" in str(lines["no-such-package"])
    assert lines["checkpoints"].ok is False and lines["torch"].ok is True


def test_doctor_misses_weights_without_file(tmp_path):
    (tmp_path / "digits.json").write_text("{}")
    assert "digits" in doctor.checkpoints(tmp_path).found and not doctor.checkpoints(tmp_path).ok


@pytest.mark.parametrize("flags, fast", [
    ("fma avx512f avx512_bf16", False), ("AuthenticAMD avx512_bf16", True), ("AuthenticAMD avx512f", False),
    ("avx512_bf16 amx_bf16 amx_tile", True), ("avx2 fma", False), (None, False)])
def test_the_type_to_train_in_is_what_the_processor_has(flags, fast, tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    if flags:
        cpuinfo.write_text(f"flags : {flags}\n")
    assert doctor.bfloat16(cpuinfo) is fast
    monkeypatch.setattr(doctor, "bfloat16", lambda: fast)
    assert ("in bfloat16" in str(doctor.training())) is fast


def test_python_of_another_age():
    assert doctor.python((3, 13)).ok and not doctor.python((3, 10)).ok and not doctor.python((3, 14)).ok


@pytest.mark.parametrize("words, wanted", [
    (("labb",), "lab"),
    (("train", "nonsense"), "digits_judge"),
    (("train", "digits_judge", "--device", "abacus"), "--device cpu"),
    (("train", "digits_judge", "--out", __file__), "folder"),
    (("train",), "NAME"),
    (("train", "digits_judge", "--sideways"), "--sideways"),
    (("bench", "nonsense"), "choose one of"),
    (("build", "99"), "99"),
])
def test_wrong_input_gets_one_sentence(words, wanted):
    code, out, err = told(*words)
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and wanted in err


def test_a_library_error_is_one_sentence_unless_traced(monkeypatch):
    from effml_lab.recipes import digits_judge

    def refuse(device, out):
        raise ValueError("the weights are not there: fetch them again")
    monkeypatch.setattr(digits_judge, "train", refuse)
    assert told("train", "digits_judge") == (2, "", "the weights are not there: fetch them again\n")
    monkeypatch.setenv("EFFML_TRACE", "1")
    with pytest.raises(ValueError):
        CliRunner().invoke(front.cli, ["train", "digits_judge"], catch_exceptions=False)


def test_readme_gives_the_two_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert "pip install -r requirements.txt && python -m effml_lab lab" in lines
    assert "pip install -r requirements.txt && pytest" in lines


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the driver's tool is a shell script")
@pytest.mark.parametrize("says, wanted", [("GPU 0: NVIDIA T4 (UUID: GPU-1)", "NVIDIA T4"), ("no devices", "none"), ("", "none")])
def test_the_gpu_is_asked_of_its_driver(says, wanted, monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{says}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert doctor.gpu().found == wanted
