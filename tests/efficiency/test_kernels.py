"""The kernels without a GPU: in Triton's interpreter, compiled ahead of time, and behind the layer's one operator."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from effml_lab.efficiency import svdlinear, svdquant

HERE = Path(__file__).parent
SHARED = {80: 163, 89: 99, 90: 227}         # KB a block may use
triton = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton is for Linux")


def alone(*command: str, **env: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=HERE, capture_output=True, text=True,
                          env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@triton
def test_in_the_interpreter():
    out = alone("-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "interpreted.py", TRITON_INTERPRET="1")
    assert int(out.split(" passed")[0].split()[-1]) >= 66 and "skipped" not in out


@triton
def test_compiled_ahead_of_time(tmp_path):
    alone("-m", "effml_lab", "bench", "instructions", "--out", str(tmp_path), TRITON_CACHE_DIR=str(tmp_path),
          TRITON_INTERPRET="0")
    rows = [json.loads(line)["settings"] for line in (tmp_path / "instructions.jsonl").read_text().splitlines()]
    assert {(row["kernel"], row["cc"]) for row in rows} >= {
        (f"{kernel}_{mode}", cc) for kernel in ("quantize", "gemm") for mode in svdquant.MODES for cc in SHARED}
    for row in rows:
        assert row["stack"] == 0 and not row["raced"] and row["shared"] <= 1024 * SHARED.get(row["cc"], 48), row
        products = " ".join(row["products"])
        if row["kernel"].startswith("gemm"):
            whole = ".s32.s8.s8" if row["cc"] == 90 else "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.s8.s32"
            assert whole in products and ("wgmma.mma_async" in products) == (row["cc"] == 90) and "tf32" in products
            assert row["macs"] == row["how"]["BM"] * row["how"]["BN"] * 128         # the loop that was counted is the loop
            assert (row["convert"] == 0) == (row["kernel"] == "gemm_w4a8") and row["issue"] > 100
            assert row["kernel"] != "gemm_w4a8" or row["along K"]
        if row["kernel"].startswith("quantize"):
            assert "bf16" in products
    assert any(row["kernel"] == "dequantize" and row["cc"] == 75 for row in rows)


@triton
def test_a_tile_that_a_running_product_still_reads_is_found():
    out = alone("-c", """
from effml_lab.efficiency.kernels import ahead
for rows in (32, 64):
    print(ahead.compiled("quantize_w4a8", 90, {"BM": rows, "SPLIT": 4, "STAGES": 3, "num_warps": 8})["raced"])
""", TRITON_INTERPRET="0")
    assert out.split() == ["False", "True"]


@triton
def test_without_the_compiler_the_count_is_refused_in_one_sentence():
    done = subprocess.run([sys.executable, "-m", "effml_lab", "bench", "instructions"], capture_output=True, text=True,
                          env=os.environ | {"TRITON_INTERPRET": "1"})
    assert done.returncode == 2 and "TRITON_INTERPRET unset" in done.stderr and "Traceback" not in done.stderr


@triton
def test_the_benchmark_runs_at_toy_size(tmp_path):
    alone("-m", "effml_lab", "bench", "kernels", "--out", str(tmp_path), TRITON_INTERPRET="1")
    rows = [json.loads(line) for line in (tmp_path / "kernels.jsonl").read_text().splitlines()]
    assert {row["technique"].split(",")[0] for row in rows} >= {"correct", "linear", "w4a8", "w4a4", "int8"}
    assert all(row["device"] == "interpreted, toy size" for row in rows)
    right = [row["settings"] for row in rows if row["technique"].startswith("correct")]
    assert len(right) >= 2 and all(found["codes"] == 0 and found["layer"] < 2e-3 for found in right)
    timed = [row for row in rows if row["ms"]]
    assert all(len(row["settings"]["ratio"][kind]) == 2 and row["settings"]["graph"]["median"] > 0 for row in timed
               for kind in ("cold", "graph")) and {row["settings"]["ratio"]["cold"][0] for row in timed
                                                   if row["technique"].startswith("linear")} == {1.0}


@triton
def test_tuning_at_toy_size_writes_a_table_that_launches(tmp_path):
    alone("-m", "effml_lab", "bench", "tune", "--out", str(tmp_path), TRITON_INTERPRET="1")
    table = json.loads((tmp_path / "configs.json").read_text())
    committed = json.loads((Path(svdlinear.__file__).parent / "kernels/configs.json").read_text())
    for kernel, rows in table.items():
        assert [most for most, _ in rows["80"]] == [None] and rows["80"][0][1].keys() == committed[kernel]["80"][-1][1].keys()
        assert {arch: found for arch, found in rows.items() if arch != "80"} == {
            arch: found for arch, found in committed[kernel].items() if arch != "80"}
    timed = [json.loads(line)["settings"] for line in (tmp_path / "tune.jsonl").read_text().splitlines()]
    best = {kernel: rows["80"][0][1] for kernel, rows in table.items()}
    for found, how in zip(timed, best.values()):
        assert how == found["candidates"][found["ms"].index(min(found["ms"]))]


def layer(mode="w4a8", bias=True, dtype=torch.float16):
    torch.manual_seed(0)
    made = svdlinear.SVDQuantLinear.from_linear(nn.Linear(200, 48, bias=bias), torch.randn(64, 200), 16, mode,
                                                exponents=[None])
    return made.to(dtype) if dtype != torch.float16 else made


@pytest.mark.parametrize("mode", list(svdquant.MODES))
@pytest.mark.parametrize("bias", [True, False])
def test_the_operator_can_be_captured_and_differentiated(mode, bias):
    made, x = layer(mode, bias), torch.randn(6, 200, requires_grad=True)
    given = (x, made.codes, made.scale, made.multiplier, made.smooth, made.up, made.down, made.bias)
    torch.library.opcheck(svdlinear.svdquant_linear, given)
    whole = torch.compile(made, backend="aot_eager", fullgraph=True)
    assert torch.equal(whole(x), made(x))


def test_gradients_are_those_of_the_layer_without_rounding_of_inputs():
    made, x = layer(), torch.randn(6, 200, requires_grad=True)
    matrix = svdlinear.effective(x, made.codes, made.scale, made.multiplier, made.smooth, made.up, made.down)
    made(x).square().sum().backward()
    grad = 2 * made(x).detach()
    torch.testing.assert_close(x.grad, grad @ matrix, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(made.bias.grad.float(), grad.sum(0), atol=1e-2, rtol=1e-2)
    want = (grad.T @ (x.detach() @ made.down.float().T), (grad @ made.up.float()).T @ x.detach())
    for got, exact in zip((made.up.grad, made.down.grad), want):
        torch.testing.assert_close(got.float(), exact.detach(), atol=1e-2, rtol=1e-2)
    assert (matrix @ x[0] + made.bias - made(x)[0]).norm() < 0.02 * made(x)[0].norm()


def test_a_lora_learns_on_top_of_four_bits():
    made, x = layer("w4a4"), torch.randn(256, 200)
    want = made(x).detach() + x @ torch.randn(200, 2) @ torch.randn(2, 48) * 0.05
    made.add_lora(0.01 * torch.randn(48, 4), 0.01 * torch.randn(4, 200))
    made.float()
    codes, loss = made.codes.clone(), lambda: (made(x) - want).square().mean()
    before, opt = loss().item(), torch.optim.Adam([made.up, made.down], 5e-3)
    for _ in range(100):
        opt.zero_grad()
        loss().backward()
        opt.step()
    assert loss().item() < 0.1 * before and torch.equal(made.codes, codes)


def test_routes(monkeypatch):
    class Seen:
        is_cuda, device = True, "cuda"

        def __init__(self, dtype):
            self.dtype = dtype

    for capability, route in (((7, 5), "whole"), ((8, 0), "fused"), ((9, 0), "fused")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert svdlinear.route(Seen(torch.float16)) == route and svdlinear.route(Seen(torch.float32)) == "plain"
    monkeypatch.setattr(svdlinear, "has_triton", lambda: False)
    assert svdlinear.route(Seen(torch.bfloat16)) == "whole" and svdlinear.route(torch.ones(1)) == "plain"


@pytest.mark.parametrize("mode", list(svdquant.MODES))
def test_the_whole_route_is_the_layer_without_rounding_of_inputs(mode):
    made, x = layer(mode), torch.randn(6, 200)
    given = (x, made.codes, made.scale, made.multiplier, made.smooth, made.up, made.down, made.bias)
    exact, got = svdlinear.plain(*given), svdlinear.whole(*given)
    assert 0 < (got - exact).norm() / exact.norm() < {"w4a4": 0.2, "w4a8": 0.02}[mode]


@triton
def test_a_tensor_on_the_cpu_and_an_old_card_get_one_sentence():
    out = alone("-c", """
import torch
from effml_lab.efficiency.kernels import launch, quantize_down
x = torch.zeros(2, 128, dtype=torch.float16)
def told(call):
    try: call()
    except ValueError as error: print(error)
told(lambda: quantize_down.quantize_down(x, x[0], x, "w4a4"))
torch.cuda.get_device_capability, torch.cuda.get_device_name = lambda device: (7, 5), lambda device: "Tesla T4"
told(lambda: launch.covered(torch.float16, torch.device("cuda")))
""", TRITON_INTERPRET="0")
    cpu, old = out.strip().splitlines()
    assert "on the CPU" in cpu and "tensor cores of Tesla T4" in old


@triton
@pytest.mark.parametrize("before", ["from effml_lab.efficiency.kernels import quantize_down", "import triton.language"])
def test_the_interpreter_switched_on_too_late_gets_one_sentence(before):
    out = alone("-c", f"""
{before}
import os, torch
os.environ["TRITON_INTERPRET"] = "1"
from effml_lab.efficiency.kernels import quantize_down
x = torch.zeros(2, 128, dtype=torch.float16)
try: quantize_down.quantize_down(x, x[0], x, "w4a4")
except ValueError as error: print(error)
""", TRITON_INTERPRET="0")
    assert out.strip() == "TRITON_INTERPRET was changed after Triton was imported: set it before Python starts"


def test_without_triton_the_layer_runs():
    alone("-c", """
import sys
class Absent:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "triton": raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent)
import torch
from effml_lab.efficiency import svdlinear
made = svdlinear.SVDQuantLinear.from_linear(torch.nn.Linear(64, 32), torch.randn(9, 64), 8, exponents=[None])
assert made(torch.randn(3, 64)).isfinite().all()
""")


@pytest.mark.skipif(not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 0), reason="no such GPU here")
@pytest.mark.parametrize("mode", list(svdquant.MODES))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_on_a_gpu_the_layer_is_right_compiled_and_captured(mode, dtype):
    made, x = layer(mode).to("cuda", dtype), torch.randn(70, 200, device="cuda", dtype=dtype)
    with torch.no_grad():
        want = svdlinear.plain(x, made.codes, made.scale, made.multiplier, made.smooth, made.up, made.down, made.bias)
        assert ((made(x) - want).float().norm() / want.float().norm()).item() < 1e-2
        torch.testing.assert_close(torch.compile(made, fullgraph=True)(x), made(x))
        graph, moved = torch.cuda.CUDAGraph(), torch.randn_like(x)
        with torch.cuda.graph(graph):
            out = made(x)
        x.copy_(moved)
        graph.replay()
        assert torch.equal(out, made(moved))
