"""The README shows what was recorded, and nothing else."""
import json
import re
from pathlib import Path

import pytest
import torch

from effml_lab.bench import findings
from effml_lab.course.authoring import highlights, readme, results, results_page
from effml_lab.folders import checkout
from effml_lab.measure import records

ROOT = checkout()
FIGURES = ("frechet", "kid", "recognizable", "nearest")


def record(name: str, nfe: float | None, value: float) -> records.Record:
    quality = {key: {"value": value, "low": value / 2, "high": value * 2, "n": 100} for key in FIGURES}
    return records.Record(name, nfe=nfe, quality=quality)


@pytest.fixture
def recorded(tmp_path) -> Path:
    """A folder of results with a little of everything."""
    records.append(tmp_path / "digits.jsonl", record("real digits", None, 0.5))
    for value in (9.0, 3.0):                                    # the later one counts
        records.append(tmp_path / "digits.jsonl", record("ddim, 50 steps", 50, value))
    for id, right in (("01-levels", 3), ("01-loss", 1), ("99-gone", 5)):
        counts = {"wrong": 4, "wrong told": 3, "right": right, "right told": right, "seeds": 100}
        records.append(tmp_path / "graders.jsonl", records.Record(id, settings=counts))
    lab = {"lab": "01_ddpm", "kind": "graded", "seconds": 40.2, "longest": 9.9, "device": "a machine"}
    (tmp_path / "labs.jsonl").write_text(json.dumps(lab) + "\n")
    return tmp_path


def test_the_page_holds_the_latest_rows(recorded):
    text = results_page.page(recorded, "")
    for words in ("6 of 8 wrong", "4 of 4 right", "40 s, slowest cell 10 s", "3 (1.5 to 6); real digits 0.5", "n = 100",
                  "## `bench graders`"):
        assert words in text
    assert "9 (" not in text and "UNet" not in text and "bench samplers" not in text


def test_the_front_page_holds_a_few_of_them(recorded):
    text = results.table(highlights.lines(recorded))
    assert "6 of 8 wrong" in text and "01: 40 s" in text and "no GPU has been at hand yet" in text
    few_steps(recorded, nfe=8, settings={"point": "dpmpp_2m, 8 steps"})
    text = results.table(highlights.lines(recorded))
    assert "3.1 (1.55 to 6.2) instead of 3 (1.5 to 6), surely at most a fifth greater; 124 (62 to 248) times as fast" in text
    assert "0.8 (0.4 to 1.6) instead of 0.9 (0.45 to 1.8)" in text            # and what it costs in the other metric


def test_a_card_that_has_not_everything_is_told_of_all_the_same(recorded):
    size = "3072 -> 12288"
    for way, ratio in (("w4a8", 1.1), ("int8", 0.9)):                                      # no FP8, as on an A100
        for m in (1024, 4096, 16384):
            settings = {"ratio": {"graph": [ratio, ratio]}, "graph": {"median": 1.0}}
            records.append(recorded / "kernels.jsonl", records.Record(
                f"{way}, {size}, M = {m}", device="a card", settings=settings))
    front = results.table(highlights.lines(recorded))
    assert f"{size}, M = 16384, over the library's in 16 bits, a card, two turns | 1.10/1.10 |" in front
    assert "w4a8 1.10/1.10, 1.10/1.10, 1.10/1.10; int8 0.90/0.90" in results_page.page(recorded, "")


def test_what_the_stem_saves_is_counted():
    net = {"channels_in": 3, "widths": [8, 16], "blocks": 1, "attention": False, "classes": 2, "stem": 2}
    row = records.Record("made up", settings={"net": net, "shape": [1, 3, 32, 32]})
    assert 0.7 < highlights.saved(row) < 0.76


def few_steps(folder: Path, wide: bool = False, **found) -> dict[str, str]:
    """The table's rows of the course model, from three recorded points and a finding."""
    estimate = lambda value: {"value": value, "low": value / 2, "high": value * 2, "n": 100}
    row = lambda name, nfe, **values: records.append(folder / "samplers.jsonl", records.Record(
        name, nfe=nfe, quality={key: estimate(value) for key, value in values.items()}))
    row(results.FLOOR, None, frechet=0.5)
    row(findings.FULL, 1000, frechet=3.0, wanted=0.9, frechet_less_ddpm_1000=0.0)
    row("dpmpp_2m, 8 steps", 8, frechet=3.1, wanted=0.8, frechet_less_ddpm_1000=0.1)
    if wide:
        unsure = {"frechet_less_ddpm_1000": {"value": 0.1, "low": -2.0, "high": 2.0, "n": 100}}
        records.append(folder / "samplers.jsonl", records.Record("dpmpp_2m, 10 steps", nfe=10, quality=unsure))
    row(findings.ORDER, None, ratio=0.4)
    for finding in (findings.FEWEST, findings.NO_WORSE):
        records.append(folder / "samplers.jsonl", records.Record(finding, quality={"speedup": estimate(124.0)}, **found))
    return dict(results.few(folder))


def test_the_fewest_steps_are_told_with_their_speed_up(tmp_path):
    text = "; ".join(few_steps(tmp_path, nfe=8, settings={"point": "dpmpp_2m, 8 steps"}).values())
    for words in ("3 (1.5 to 6); real shapes 0.5", "0.9 (0.45 to 1.8)",
                  "8 (dpmpp_2m, 8 steps; difference 0.1 (0.05 to 0.2))", "124 (62 to 248) times as fast", "0.4 (0.2 to 0.8)"):
        assert words in text


def test_where_no_point_will_do_the_table_says_so(tmp_path):
    assert "shown for none" in few_steps(tmp_path, nfe=None, settings={"point": None}).values()
    told = few_steps(tmp_path, wide=True, nfe=None, settings={"point": None}).values()
    assert "shown for none; undecided from 10 (dpmpp_2m, 10 steps; difference 0.1 (-2 to 2))" in told


def test_guidance_and_conditions_are_told_by_row(tmp_path):
    half = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 80}
    for name, more in (("shapes, w = 1", {}), ("shapes, w = 2", {}), ("scenes, w = 2", {"all four": half})):
        quality = {"kind": half, "small": half, "frechet": {**half, "value": 9.0}} | more
        records.append(tmp_path / "guidance.jsonl", records.Record(name, nfe=40, quality=quality))
    for name, quality in (("edges, kind given", {"overlap": half, "kind": half}), ("AdaGN", {"ratio": half})):
        records.append(tmp_path / "conditions.jsonl", records.Record(name, quality=quality))
    assert dict(results.guidance(tmp_path)) == {
        "Shapes, w = 1 (40 evaluations, n = 80)": "wanted kind 0.5 (0.4 to 0.6); small 0.5 (0.4 to 0.6); distance 9 (0.4 to 0.6)",
        "Shapes, w = 2 (40 evaluations, n = 80)": "wanted kind 0.5 (0.4 to 0.6); small 0.5 (0.4 to 0.6); distance 9 (0.4 to 0.6)",
        "Scenes, w = 2 (40 evaluations, n = 80)": (
            "kind, color, size and ground right 0.5 (0.4 to 0.6); small 0.5 (0.4 to 0.6); distance 9 (0.4 to 0.6)")}
    assert dict(results.conditions(tmp_path)) == {
        "Overlap of the shape asked for and the one drawn, edges, kind given": "0.5 (0.4 to 0.6); wanted kind 0.5 (0.4 to 0.6)",
        "AdaGN": "0.5 (0.4 to 0.6)"}
    assert len(list(highlights.asked(tmp_path))) == 2


def test_ratios_to_the_peer_are_told_by_file(tmp_path):
    ratio = {"ratio": {"value": 0.25, "low": 0.2, "high": 0.3, "n": 5}}
    records.append(tmp_path / "loop.jsonl", records.Record("a row", quality=ratio, device="a machine"))
    lines = results.beside("loop", "Loop of 50 steps")
    assert list(lines(tmp_path)) == [("Loop of 50 steps, a row", "0.25 (0.2 to 0.3) times theirs (a machine)")]


def test_the_speed_figure_is_drawn_from_rows(tmp_path, monkeypatch):
    estimate = {"value": 2.0, "low": 1.0, "high": 3.0, "n": 100}
    rows = {name: records.Record(name, nfe=5, quality={"frechet": estimate}, settings={"sampler": "ddim"})
            for name in (*readme.SHOWN, findings.FULL)}
    monkeypatch.setattr(readme.findings, "plan_of", lambda record, size: size)
    monkeypatch.setattr(readme.samples, "batch", lambda size: torch.zeros(size, 3, 32, 32))
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


def test_the_pages_are_up_to_date():
    assert readme.front(ROOT) == (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.results(ROOT) == (ROOT / readme.PAGE).read_text(encoding="utf-8")
    assert all((ROOT / file).is_file() for file in readme.ALT)


def test_the_example_runs():
    code = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names = {}
    exec(code, names)
    assert names["digits"].shape == (16, 1, 8, 8) and names["digits"].abs().max() < 2


def test_every_link_leads_somewhere():
    for page in (ROOT / "README.md", ROOT / readme.PAGE):
        links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        assert links and [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_what_a_count_and_a_calibration_found_is_told(tmp_path):
    estimate = lambda value: {"value": value, "low": value / 2, "high": value * 2, "n": 9}
    for choice, value in (("clean", 4.0), ("uniform", 1.0)):
        row = records.Record(f"w8a8, two scales, {choice}", quality={"x0": estimate(value)})
        records.append(tmp_path / "calibration.jsonl", row)
    records.append(tmp_path / "calibration.jsonl", records.Record("two scales over one, up.0", quality={"ratio": estimate(0.5)}))
    clocks = {"kernel": "gemm_w4a4", "cc": 90, "share": 0.25, "tensor": 100, "issue": 400, "convert": 90}
    records.append(tmp_path / "instructions.jsonl", records.Record("gemm_w4a4, 9.0", settings=clocks))
    told = " ".join(value for row in (*results.calibration(tmp_path), *results.instructions(tmp_path)) for value in row)
    for words in ("from pictures alone 4 (2 to 8); from the whole path 1 (0.5 to 2)", "1 layers from 0.5 (0.25 to 1)",
                  "0.25 on 9.0 (bound by instructions)"):
        assert words in told
    assert not list(results.calibration(tmp_path / "none")) and not list(results.instructions(tmp_path / "none"))
