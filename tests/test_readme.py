"""The README shows what was recorded, and nothing else."""
import json
import re
from pathlib import Path

import pytest
import torch

from effml_lab.course import numbers, readme
from effml_lab.measure import bench
from effml_lab.recipes import findings

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
    monkeypatch.setattr(numbers, "judge", lambda: [])
    text = numbers.table(results, bench.latest(results / "digits.jsonl"))
    for words in ("7 of 8 wrong", "4 of 4 right", "40 s, slowest cell 10 s", "3 (1.5 to 6); real digits 0.5", "n = 100"):
        assert words in text
    assert "9 (" not in text and "UNet" not in text and "hapes" not in text


def few_steps(folder: Path, wide: bool = False, **found) -> dict[str, str]:
    """The table's rows of the course model, from three recorded points and a finding."""
    estimate = lambda value: {"value": value, "low": value / 2, "high": value * 2, "n": 100}
    row = lambda name, nfe, **values: bench.append(folder / "samplers.jsonl", bench.Record(
        name, nfe=nfe, quality={key: estimate(value) for key, value in values.items()}))
    row(numbers.FLOOR, None, frechet=0.5)
    row(findings.FULL, 1000, frechet=3.0, wanted=0.9, frechet_less_ddpm_1000=0.0)
    row("dpmpp_2m, 8 steps", 8, frechet=3.1, frechet_less_ddpm_1000=0.1)
    if wide:
        unsure = {"frechet_less_ddpm_1000": {"value": 0.1, "low": -2.0, "high": 2.0, "n": 100}}
        bench.append(folder / "samplers.jsonl", bench.Record("dpmpp_2m, 10 steps", nfe=10, quality=unsure))
    row(findings.ORDER, None, ratio=0.4)
    for finding in (findings.FEWEST, findings.NO_WORSE):
        bench.append(folder / "samplers.jsonl", bench.Record(finding, quality={"speedup": estimate(124.0)}, **found))
    return dict(numbers.few(folder))


def test_the_fewest_steps_are_told_with_their_speed_up(tmp_path):
    text = "; ".join(few_steps(tmp_path, nfe=8, settings={"point": "dpmpp_2m, 8 steps"}).values())
    for words in ("3 (1.5 to 6); real shapes 0.5", "0.9 (0.45 to 1.8)",
                  "8 (dpmpp_2m, 8 steps; difference 0.1 (0.05 to 0.2))", "124 (62 to 248) times as fast", "0.4 (0.2 to 0.8)"):
        assert words in text


def test_where_no_point_will_do_the_table_says_so(tmp_path):
    assert "shown for none" in few_steps(tmp_path, nfe=None, settings={"point": None}).values()
    told = few_steps(tmp_path, wide=True, nfe=None, settings={"point": None}).values()
    assert "shown for none; undecided from 10 (dpmpp_2m, 10 steps; difference 0.1 (-2 to 2))" in told


def test_ratios_to_the_peer_are_told_by_file(tmp_path):
    ratio = {"ratio": {"value": 0.25, "low": 0.2, "high": 0.3, "n": 5}}
    for file in ("loop", "unet"):
        bench.append(tmp_path / f"{file}.jsonl", bench.Record(f"{file} row", quality=ratio, device="a machine"))
    assert list(numbers.beside(tmp_path)) == [("Loop of 50 steps, loop row", "0.25 (0.2 to 0.3) times theirs (a machine)"),
                                             ("UNet, unet row", "0.25 (0.2 to 0.3) times theirs (a machine)")]


def test_the_speed_figure_is_drawn_from_rows(tmp_path, monkeypatch):
    estimate = {"value": 2.0, "low": 1.0, "high": 3.0, "n": 100}
    rows = {name: bench.Record(name, nfe=5, quality={"frechet": estimate}, settings={"sampler": "ddim"})
            for name in (*readme.SHOWN, findings.FULL)}
    monkeypatch.setattr(readme.findings, "plan_of", lambda record, size: size)
    monkeypatch.setattr(readme.recipes.samples, "batch", lambda size: torch.zeros(size, 3, 32, 32))
    readme.speed(tmp_path / "speed.png", rows)
    assert (tmp_path / "speed.png").stat().st_size > 10_000


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
    assert numbers.table(results, bench.latest(results / "digits.jsonl")) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / readme.FIGURE).is_file()


def test_the_example_runs():
    code = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names = {}
    exec(code, names)
    assert names["digits"].shape == (16, 1, 8, 8) and names["digits"].abs().max() < 2


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links and [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_what_a_count_and_a_calibration_found_is_told(tmp_path):
    estimate = lambda value: {"value": value, "low": value / 2, "high": value * 2, "n": 9}
    for choice, value in (("clean", 4.0), ("uniform", 1.0)):
        bench.append(tmp_path / "calibration.jsonl", bench.Record(f"w8a8, two scales, {choice}", quality={"x0": estimate(value)}))
    bench.append(tmp_path / "calibration.jsonl", bench.Record("two scales over one, up.0", quality={"ratio": estimate(0.5)}))
    clocks = {"kernel": "gemm_w4a4", "cc": 90, "share": 0.25, "tensor": 100, "issue": 400, "convert": 90}
    bench.append(tmp_path / "instructions.jsonl", bench.Record("gemm_w4a4, 9.0", settings=clocks))
    told = " ".join(value for row in (*numbers.overtime(tmp_path), *numbers.instructions(tmp_path)) for value in row)
    for words in ("from pictures alone 4 (2 to 8); from the whole path 1 (0.5 to 2)", "1 layers from 0.5 (0.25 to 1)",
                  "0.25 on 9.0 (bound by instructions)"):
        assert words in told
    assert not list(numbers.overtime(tmp_path / "none")) and not list(numbers.instructions(tmp_path / "none"))
