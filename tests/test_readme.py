"""The README shows what was recorded, and nothing else."""
import json
import re
from pathlib import Path

import pytest

from effml_lab.course import readme
from effml_lab.measure import bench

ROOT = Path(__file__).parent.parent
FIGURES = ("frechet", "kid", "recognizable", "nearest")


def record(name: str, nfe: float | None, value: float) -> bench.Record:
    quality = {key: {"value": value, "low": value / 2, "high": value * 2, "n": 100} for key in FIGURES}
    return bench.Record(name, nfe=nfe, quality=quality)


@pytest.fixture
def results(tmp_path) -> Path:
    bench.append(tmp_path / "digits.jsonl", record("real digits", None, 0.5))
    for value in (9.0, 3.0):                                    # the later one counts
        bench.append(tmp_path / "digits.jsonl", record("ddim, 50 steps", 50, value))
    graders = {"wrong": 8, "wrong told": 7, "right": 4, "right told": 4}
    (tmp_path / "graders.jsonl").write_text(json.dumps(graders) + "\n")
    lab = {"lab": "01_ddpm", "kind": "graded", "seconds": 40.2, "longest": 9.9, "device": "a machine"}
    (tmp_path / "labs.jsonl").write_text(json.dumps(lab) + "\n")
    return tmp_path


def test_the_table_holds_the_latest_rows(results, monkeypatch):
    monkeypatch.setattr(readme, "judge", lambda: [])
    text = readme.table(results, readme.latest(results / "digits.jsonl"))
    for words in ("7 of 8 wrong", "4 of 4 right", "40 s, slowest cell 10 s", "3 (1.5 to 6); real digits 0.5", "n = 100"):
        assert words in text
    assert "9 (" not in text and "UNet" not in text


def test_only_what_stands_between_the_marks_changes():
    text = "a\n<!-- measured: numbers -->\nold\n<!-- measured: end -->\nb\n<!-- measured: end -->"
    assert readme.between(text, "numbers", "new") == text.replace("old", "new")
    with pytest.raises(ValueError, match="measured: figure"):
        readme.between(text, "figure", "new")


def test_without_results_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="bench digits"):
        readme.redraw(tmp_path)


def test_the_readme_is_up_to_date():
    results = ROOT / "data" / "results"
    assert readme.table(results, readme.latest(results / "digits.jsonl")) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / readme.FIGURE).is_file()


def test_the_example_runs():
    code = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names = {}
    exec(code, names)
    assert names["digits"].shape == (16, 1, 8, 8) and names["digits"].abs().max() < 2


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links and [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
