"""What is recorded in data/results and shipped in data/checkpoints: it belongs together, and keeps what the course says."""
import json
from pathlib import Path

import pytest

from effml_lab import models
from effml_lab.bench import findings
from effml_lab.bench.samplers import FLOOR
from effml_lab.efficiency import svdlinear
from effml_lab.folders import data_folder
from effml_lab.measure import records

RESULTS = data_folder() / "results"
recorded = records.latest(RESULTS / "samplers.jsonl")


def value(row: str, name: str) -> float:
    return recorded[row].quality[name]["value"]


def test_the_samplers_were_measured_on_what_is_shipped():
    for row in recorded.values():
        assert row.settings["checkpoint"] == models.card("shapes")["sha256"][:12], row.technique
        assert row.settings["judge"] == models.card("shapes_judge")["sha256"][:12]


def test_there_are_at_least_eight_counts_of_five_samplers():
    counts = {}
    for row in recorded.values():
        if "sampler" in row.settings:
            counts.setdefault(row.settings["sampler"], []).append(row)
    assert sum(len(rows) >= 8 for rows in counts.values()) >= 5
    assert all(row.quality["frechet"]["n"] == 2000 for rows in counts.values() for row in rows)


def test_a_hundred_deterministic_steps_are_near_real_shapes():
    assert value("ddim, 100 steps", "frechet") <= 4 * value(FLOOR, "frechet")
    assert value("ddim, 100 steps", "wanted") >= 0.9 and value(findings.FULL, "wanted") >= 0.95


def test_memory_pays():
    """Surely. How much is ruled by a few noises that end in another picture, so the ratio itself is known to a third."""
    assert recorded[findings.ORDER].quality["ratio"]["high"] < 1


def test_a_twentieth_of_the_steps_is_nearly_as_good():
    """The nearer a model is to real shapes, the narrower is a fifth of its distance, and the more pictures it would take."""
    found = recorded[findings.NO_WORSE]
    assert found.nfe <= 50
    assert found.quality["speedup"]["low"] >= 0.8 * 1000 / found.nfe


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
def test_the_loop_costs_a_third_of_the_peers(sampler):
    rows = records.latest(RESULTS / "loop.jsonl")
    assert rows[f"{sampler}, ours to diffusers', a network that costs nothing"].quality["ratio"]["high"] <= 0.35


def test_four_bits_with_a_branch():
    error = lambda name: records.latest(RESULTS / "layers.jsonl")[name].quality["error"]["value"]
    plain, smooth, both = (error(f"{way}, w4a4, 8 outliers") for way in ("rounded", "smoothing only", "SVDQuant"))
    assert both <= 0.25 * plain and both <= 0.5 * smooth
    assert 0.8 <= error("SVDQuant, w4a4, 0 outliers") / error("rounded, w4a4, 0 outliers") <= 1


def test_stored_layers_are_small_where_they_are_wide():
    smaller = {name: row.settings["of 16 bits"] for name, row in records.latest(RESULTS / "layers.jsonl").items()
               if name.startswith("bytes")}
    assert smaller["bytes, w4a8, 3072 -> 12288"] >= 3.6 and smaller["bytes, w4a4, 3072 -> 12288"] >= 3.55
    assert smaller["bytes, w4a8, 256 -> 256"] < 2                       # what a lab has to say, too


def test_calibrating_on_the_whole_path_beats_its_worse_end():
    rows = records.latest(RESULTS / "calibration.jsonl")
    for choice in ("uniform", "ndtc"):
        row = rows[f"w8a8, two scales, {choice}"]
        assert row.quality["to the worse end"]["high"] <= 0.5
        assert row.settings["checkpoint"] == models.card("shapes")["sha256"][:12]
    assert max(rows["ranges over time"].settings["ratios"].values()) >= 3               # or there is nothing to show
    shared = [row.quality["ratio"]["value"] for name, row in rows.items() if name.startswith("two scales over one")]
    assert len(shared) == 6 and max(shared) < 1 and min(shared) <= 0.5
    along = rows["along the path"].settings["rmse"]
    assert along[0] < along[len(along) // 2] < along[-1]


def test_every_row_of_the_launch_table_was_compiled():
    table = json.loads((Path(svdlinear.__file__).parent / "kernels/configs.json").read_text())
    recorded_rows = [row.settings for row in records.latest(RESULTS / "instructions.jsonl").values()]
    for kernel, rows in table.items():
        for how in (how for buckets in rows.values() for _, how in buckets):
            found = [row for row in recorded_rows if row["kernel"] == kernel and row["how"] == how]
            assert found and all(row["stack"] == 0 for row in found), (kernel, how)


def test_on_hopper_whole_sums_are_the_only_ones_that_can_win():
    rows = {(row.settings["kernel"], row.settings["cc"]): row.settings          # the last, for the most rows
            for row in records.latest(RESULTS / "instructions.jsonl").values() if "share" in row.settings}
    assert rows["gemm_w4a4", 90]["share"] < 0.5 < rows["gemm_w4a8", 90]["share"]
    assert rows["gemm_w4a4", 89]["share"] > 0.9 and all(rows["gemm_w4a8", cc]["share"] == 1 for cc in (80, 89, 90))


def test_at_least_six_shapes_were_tried_in_the_same_time():
    rows = records.latest(RESULTS / "shape_search.jsonl")
    assert len(rows) >= 6 and len({row.settings["budget"] for row in rows.values()}) == 1
    for row in rows.values():
        told = row.settings["budget"] / row.settings["step to the first's"]
        assert row.settings["steps"] == pytest.approx(told, rel=0.05) and row.quality["wanted"]["n"] == 800


guided = records.latest(RESULTS / "guidance.jsonl")
conditions = records.latest(RESULTS / "conditions.jsonl")


def test_guidance_was_measured_on_what_is_shipped():
    for row in (*guided.values(), *(row for row in conditions.values() if "checkpoint" in row.settings)):
        for name, stamp in row.settings.get("checkpoints", {}).items():
            assert stamp == models.card(name)["sha256"][:12], row.technique
    assert len({row.settings["w"] for name, row in guided.items() if name.startswith("shapes, w") and "inside" not in name}) >= 8


def test_guidance_buys_the_kind_and_takes_the_small_ones():
    quality = lambda w: guided[f"shapes, w = {w}"].quality
    assert quality(2)["kind"]["value"] >= 0.94
    assert quality(3)["frechet less w = 1"]["low"] > 0 and quality(3)["small less w = 1"]["high"] < -0.1
    inside = guided["shapes, w = 3 inside"]
    assert inside.quality["kind"]["value"] >= 0.93 and inside.nfe <= 0.65 * guided["shapes, w = 3"].nfe


def test_captions_are_drawn():
    best = guided["scenes, w = 2"].quality
    assert best["size"]["value"] >= 0.97 and best["ground"]["value"] >= 0.97 and best["color"]["value"] >= 0.95
    assert best["all four"]["value"] >= 0.85


def test_hints_are_followed_and_prompts_read_once():
    overlap = lambda name: conditions[name].quality["overlap"]["value"]
    for hint in ("edges", "masks"):
        assert overlap(f"{hint}, kind left out") >= 0.7
        assert overlap(f"{hint}, kind given") >= 2 * overlap("no hint, kind given")
    once = conditions["keys once a prompt, time over at every call"]
    assert once.settings["largest difference"] == 0 and once.settings["multiply-adds saved"] > 0
    assert conditions["AdaGN, loss over that of adding"].quality["ratio"]["value"] <= 0.99
