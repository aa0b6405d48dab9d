"""What runs on a GPU, rehearsed on the CPU: jobs in order until the time is up, and what the next call does with the rest."""
import json
import subprocess
import sys

import pytest
import torch

from effml_lab.bench import forward, gpu
from effml_lab.measure import records


def job(tmp_path, monkeypatch, *lines: str) -> None:
    """A package of that name which `python -m` finds first: its commands are these lines, told the arguments."""
    (tmp_path / "stand_in" / "effml_lab").mkdir(parents=True)
    (tmp_path / "stand_in" / "effml_lab" / "__init__.py").touch()
    (tmp_path / "stand_in" / "effml_lab" / "__main__.py").write_text("\n".join(["import sys, time, pathlib", *lines]))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stand_in"))
    monkeypatch.chdir(tmp_path)


def test_jobs_run_in_order_until_the_time_is_up_and_go_on(tmp_path, monkeypatch):
    job(tmp_path, monkeypatch, "name, out = sys.argv[2], pathlib.Path(sys.argv[-1])",
        "with open(out / 'asked', 'a') as file: file.write(name + chr(10))",
        "assert sys.argv[1:] == ['bench', name, '--device', 'cpu', '--out', str(out)], sys.argv",
        "if name == 'wrong': sys.exit('one sentence')",
        "if name == 'long' and not (out / 'patient').exists(): time.sleep(60)")
    monkeypatch.setattr(gpu, "LEAST", 1.0)
    folder, jobs = tmp_path / "results", {name: ("bench", name) for name in ("short", "wrong", "long", "last")}
    folder.mkdir()
    first = gpu.measure(folder, minutes=0.15, jobs=jobs).splitlines()
    assert first == ["short: done", "wrong: one sentence", "long: stopped", "last: not begun"]
    (folder / "patient").touch()
    again = gpu.measure(folder, minutes=1, jobs=jobs).splitlines()
    assert again == ["short: done before", "wrong: one sentence", "long: done", "last: done"]
    assert (folder / "asked").read_text().split() == ["short", "wrong", "long", "wrong", "long", "last"]
    assert records.latest(folder / "gpu.jsonl")["long"].settings["end"] == "done"


def test_without_a_gpu_nothing_is_begun():
    with pytest.raises(ValueError, match="wait for a GPU: --device cuda"):
        gpu.measure(minutes=0.1)


def test_its_jobs_are_commands_that_exist():
    from effml_lab import bench, recipes
    known = {"bench": bench.NAMES, "train": recipes.NAMES}
    assert all(name in known[kind] for kind, name in gpu.JOBS.values()) and next(iter(gpu.JOBS)) == "the layer"


def test_minutes_are_for_what_can_be_stopped(tmp_path):
    asked = subprocess.run([sys.executable, "-m", "effml_lab", "bench", "loop", "--minutes", "1", "--out", str(tmp_path)],
                           capture_output=True, text=True)
    assert asked.returncode == 2 and asked.stderr.strip() == "loop runs to its end: leave --minutes out."


@pytest.mark.parametrize("n", [3])
def test_whole_nets_at_toy_size(tmp_path, toys, n):
    assert "forward.jsonl" in forward.measure(tmp_path, n=n)
    rows = records.latest(tmp_path / "forward.jsonl")
    assert list(rows) == [f"{net}, {mode}" for net in ("dit", "toy") for mode in ("16 bits", "w4a8", "w4a4")]
    assert all(row.device == "plain, toy size" and row.ms["median"] > 0 for row in rows.values())
    assert {name: row.settings["eager"]["ratio"] for name, row in rows.items() if "16 bits" in name} == {
        "dit, 16 bits": [1.0, 1.0], "toy, 16 bits": [1.0, 1.0]}
    near = [rows[f"dit, {mode}"].quality["psnr"]["value"] for mode in ("16 bits", "w4a8", "w4a4")]
    assert near[0] > 100 > near[1] > near[2] and rows["toy, w4a4"].bytes < rows["toy, 16 bits"].bytes
    assert json.loads((tmp_path / "forward.jsonl").read_text().splitlines()[0])["quality"]["psnr"]["n"] == n


def test_what_is_kept_for_the_way_back(tmp_path):
    from effml_lab.bench import memory
    layer, x = torch.nn.Linear(8, 3), torch.randn(4, 8, requires_grad=True)
    assert memory.kept(lambda: layer(x), list(layer.parameters())) == 4 * 8 * 4             # the inputs, and no weights
    memory.measure(tmp_path, depths=(1, 2), lengths=(32, 128), rounds=3)
    rows = records.latest(tmp_path / "memory.jsonl")
    size = lambda name: rows[name].bytes
    assert size("checkpoint, 2 blocks, inputs alone") < 0.2 * size("checkpoint, 2 blocks, everything kept")
    assert size("checkpoint, 2 blocks, everything kept") > 1.8 * size("checkpoint, 1 blocks, everything kept")
    assert size("sampling, 2 blocks") == 0                                  # nothing to save where there is no way back
    grown = {kind: size(f"attention, 128 tokens, {kind}") / size(f"attention, 32 tokens, {kind}")
             for kind in ("fused", "as products")}
    assert grown["fused"] < 4.1 < 5 < grown["as products"]
