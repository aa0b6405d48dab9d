"""The plot that ends a lab: recorded on that lab's model, with the student's own point, whether or not there are records."""
import matplotlib
import pytest

matplotlib.use("agg")

from effml_lab.bench import point as own  # noqa: E402
from effml_lab.course.notebook import figures, marks, start, summary  # noqa: E402
from effml_lab.measure import records  # noqa: E402


def point(name: str, nfe: int | None, value: float, sampler: str | None = None) -> records.Record:
    kid = {"value": value, "low": value - 1, "high": value + 1, "n": 9}
    return records.Record(name, nfe=nfe, quality={"kid": kid}, settings={"sampler": sampler})


ROWS = [point("the floor", None, 0.1), point("ddim, 5 steps", 5, 8.0, "ddim"), point("ddim, 9 steps", 9, 4.0, "ddim"),
        records.Record("finding: other", nfe=9, quality={"ratio": {"value": 1, "low": 1, "high": 1}})]


@pytest.mark.parametrize("lab, file, names", [
    ("01_ddpm", "digits", ["Pareto front", "ddim, 5 steps", "ddim, 9 steps", "mine"]),
    ("02_samplers", "samplers", ["Pareto front", "ddim", "mine", "the floor"])])
def test_a_lab_ends_with_the_records_of_its_model_and_ones_own_point(lab, file, names, monkeypatch):
    shown = []
    monkeypatch.setitem(start.LAB, "name", lab)
    monkeypatch.setattr(own, "recorded", lambda name: {row.technique: row for row in ROWS} if name == file else {})
    monkeypatch.setattr(figures, "display", lambda fig, metadata: shown.append((fig, metadata["image/png"]["alt"])))
    summary.course_plot(point("mine", 7, 6.0))
    (fig, alt), = shown
    assert sorted(text.get_text() for text in fig.axes[0].get_legend().get_texts()) == sorted(names)
    assert "mine 7 evaluations, distance 6" in alt and "ddim, 9 steps 9 evaluations, distance 4" in alt
    assert "finding" not in alt


def test_a_lab_on_bits_has_bytes_on_its_axis(monkeypatch):
    named = {"dit, bf16": 3.0, "dit, w4a4, rounded": 5.0, "unet, fp32": 1.0}
    shown, rows = [], [point(name, 12, value) for name, value in named.items()]
    mine = point("mine", 12, 4.0)
    for row, size in zip([*rows, mine], (4e6, 1e6, 2e6, 2e6)):
        row.bytes, row.quality = int(size), {"rmse_median": row.quality["kid"]}
    monkeypatch.setitem(start.LAB, "name", "05_quantization")
    monkeypatch.setattr(own, "recorded", lambda name: {row.technique: row for row in rows} if name == "quant" else {})
    monkeypatch.setattr(figures, "display", lambda fig, metadata: shown.append((fig, metadata["image/png"]["alt"])))
    summary.course_plot(mine)
    (fig, alt), = shown
    assert fig.axes[0].get_xlabel() == "bytes of weights" and "mine 2e+06 bytes, distance 4" in alt and "unet" not in alt


def test_without_records_there_is_only_ones_own_point(monkeypatch):
    shown = []
    monkeypatch.setitem(start.LAB, "name", "02_samplers")
    monkeypatch.setattr(own, "recorded", lambda name: {})
    monkeypatch.setattr(figures, "display", lambda fig, metadata: shown.append(metadata))
    summary.course_plot()
    assert not shown
    summary.course_plot(point("mine", 7, 6.0))
    assert len(shown) == 1


def test_all_labs_and_all_own_points_so_far(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    marks.record("01-levels", 1.5, 3)
    marks.record("01-levels", 3, 3)
    marks.record("02-score", 2, 3)
    marks.note("pareto.jsonl", {"technique": "mine <b>", "nfe": 7, "quality": {"kid": {"value": 0.5}}})
    page = summary.so_far()
    assert "3 of 3" in page and "2 of 3" in page and "mine &lt;b&gt;" in page and "kid 0.5" in page and "<b>" not in page


def test_a_lab_ends_with_its_factor_and_a_grader_reads_no_home(monkeypatch):
    shown = []
    monkeypatch.setitem(start.LAB, "name", "03_guidance")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(summary, "course_plot", lambda own: None)
    monkeypatch.setattr(summary, "display", lambda html: shown.append(html.data))
    summary.summary()
    assert len(shown) == 2 and "Factor of the cost" in shown[1] and "evaluations" in shown[1]
