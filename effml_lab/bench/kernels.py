"""`bench kernels`: the 4-bit layer on a GPU, in one call: is it right, and what share of the machine does it reach?

First the ceilings of this machine on this day, measured (bytes copied, 16-bit and 8-bit products). Then layers in the sizes
of real diffusion transformers are made by `from_linear`, as a user makes them; each is compared with plain PyTorch on all of the
inputs that it is timed on, since tiles change with their number, or nothing is timed. Then the time of the whole layer, kernel 1
and 2, beside
  linear        the library's 16-bit layer: the one to beat
  no branch     the same kernels at rank 0: what the branch costs fused
  unfused       the same at rank 0 and the branch as two library products: what fusing saves
  int8, fp8     the library's 8-bit products, on operands quantized beforehand
  dequantize    weights made whole in 16 bits, then the library: the simple rival
Everything is timed twice in turns, A B C ... A B C ...: `ms` is the median of all, cold in the second-level cache, with the
20% and 80% points; `graph` the same from a replayed CUDA graph over four sets of inputs in turn, without the cost of
launching, which dominates at M = 1024. `ratio` is the 16-bit layer's time over it, cold and in graphs, with that of each
turn. The share is bound / time; the bound is the larger of bytes over the copying speed and operations over the measured
product speeds. With TRITON_INTERPRET=1 and --device cpu all of it runs at toy size: a check of this script, whose times
mean nothing. A size that is whole in the file, by this device, is left out: stopped, it goes on from the size it was at.
"""
import statistics
import subprocess
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Callable, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from .. import folders
from ..efficiency import svdlinear, svdquant
from ..measure import cost, records

RANK, MODES = 32, ("w4a8", "w4a4")
SHAPES = [(3072, 12288), (3072, 3072), (12288, 3072), (1152, 1152), (1152, 4608), (4608, 1152), (2240, 2240), (2240, 11200),
          (5600, 2240)]                         # (K, N): FLUX, PixArt and DiT-XL, SANA
ROWS, SETS = (1024, 4096, 16384), 4
Layers = dict[str, tuple[svdlinear.SVDQuantLinear, ...]]        # mode -> with a branch, without


class Size(NamedTuple):
    """What is measured: on a GPU, or at toy size."""
    shapes: list
    rows: tuple
    cube: int           # edge of the product that a ceiling is measured with
    buffer: int         # bytes of the copy


FULL, TOY = Size(SHAPES, ROWS, 8192, 2**30), Size([(224, 72)], (33,), 128, 2**16)


def clock(fn: Callable, device: str, graph: bool = False, rep: int = 40) -> list[float]:
    """Times of fn() in ms, measured for about `rep` ms: each cold in the second-level cache, or from replays of a graph."""
    if device == "cpu":
        return [cost.timed(fn, warmup=0, repeats=1).median]
    from triton import testing
    if graph:
        return list(map(float, testing.do_bench_cudagraph(fn, rep=rep // 5, return_mode="all")))
    return list(map(float, testing.do_bench(fn, 25, rep, return_mode="all")))


def summary(times: list[float]) -> dict[str, float]:
    low, *_, high = statistics.quantiles(times, n=5, method="inclusive") if len(times) > 1 else times * 2
    return {"median": statistics.median(times), "low": low, "high": high}


def state(device: str) -> str | None:
    """Clocks, power and temperature of the GPU as they are, in nvidia-smi's words."""
    try:
        asked = ["nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() if device != "cpu" else None
    except (OSError, subprocess.CalledProcessError):
        return None


def ceilings(size: Size, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Bytes, and 16-bit and 8-bit operations, in a second."""
    n = size.cube
    source = torch.empty(size.buffer, dtype=torch.uint8, device=device)
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    q, p = (torch.randint(-127, 128, (n, n), device=device, dtype=torch.int8) for _ in range(2))
    seconds = lambda fn: statistics.median(clock(fn, device)) / 1e3
    target = torch.empty_like(source)
    return {"bytes": 2 * size.buffer / seconds(lambda: target.copy_(source)), "float": 2 * n**3 / seconds(lambda: a @ b),
            "whole": 2 * n**3 / seconds(lambda: torch._int_mm(q, p.T))}


def made(k: int, n: int, mode: str, rank: int, device: str, dtype: torch.dtype) -> svdlinear.SVDQuantLinear:
    """A layer of random weights, converted as a user converts one, with smoothing; only the search is cut short."""
    linear = nn.Linear(k, n, device=device, dtype=dtype).requires_grad_(False)
    return svdlinear.SVDQuantLinear.from_linear(linear, torch.randn(64, k, device=device), rank, mode, exponents=[(0.5, 0.5)],
                                                rounds=1)


def tensors(layer: svdlinear.SVDQuantLinear) -> tuple:
    return layer.codes, layer.scale, layer.multiplier, layer.smooth, layer.up, layer.down, layer.bias


def correct(x: Tensor, layer: svdlinear.SVDQuantLinear) -> dict[str, float]:
    """How far the kernels are from plain PyTorch: codes that differ, and the relative error of the layer."""
    from ..efficiency.kernels import quantize_down
    codes, _, la = quantize_down.quantize_down(x, layer.smooth, layer.down, layer.mode)
    want, _, exact = quantize_down.reference(x, layer.smooth, layer.down, layer.mode)
    found = {"codes": (codes != want).double().mean().item(), "down": svdquant.relative(la, exact),
             "layer": svdquant.relative(svdlinear.fused(x, *tensors(layer)).float(), svdlinear.plain(x, *tensors(layer)).float())}
    if found["codes"] > 1e-3 or found["down"] > 1e-3 or found["layer"] > 2e-2:
        raise RuntimeError(f"the {layer.mode} kernels are wrong on this machine, nothing was timed: {found}")
    return found


def pairs(k: int, n: int, device: str, dtype: torch.dtype) -> Layers:
    """The layers of a size by mode, with a branch and without."""
    return {mode: tuple(made(k, n, mode, rank, device, dtype) for rank in (RANK, 0)) for mode in MODES}


def compared(layers: Layers, x: Tensor) -> dict[str, dict]:
    """How right the layers with a branch are on inputs, by mode; those without are compared, too."""
    return {mode: [correct(x, layer) for layer in pair][0] for mode, pair in layers.items()}


def variants(m: int, k: int, n: int, device: str, dtype: torch.dtype, layers: Layers) -> dict[str, Callable]:
    """Everything that is timed for inputs (M, K) and N outputs, by name; each is called with the inputs."""
    w, bias = torch.randn(n, k, device=device).to(dtype), torch.zeros(n, device=device, dtype=dtype)
    runs: dict[str, Callable] = {"linear": lambda x: F.linear(x, w, bias)}
    for mode, (layer, bare) in layers.items():
        runs[mode] = lambda x, layer=layer: svdlinear.fused(x, *tensors(layer))
        runs[f"{mode}, no branch"] = lambda x, bare=bare: svdlinear.fused(x, *tensors(bare))
        runs[f"{mode}, unfused"] = lambda x, layer=layer, bare=bare: torch.addmm(
            svdlinear.fused(x, *tensors(bare)), x @ layer.down.T, layer.up.T)
        runs[f"{mode}, dequantize"] = lambda x, layer=layer: svdlinear.whole(x, *tensors(layer))
    a, b = (torch.randint(-127, 128, size, device=device, dtype=torch.int8) for size in ((m, k), (n, k)))
    runs["int8"] = lambda x: torch._int_mm(a, b.T)
    if torch.device(device).type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9):
        e, f = (t.to(torch.float8_e4m3fn) for t in (torch.randn(m, k, device=device), w))
        rows, cols = torch.ones(m, 1, device=device), torch.ones(1, n, device=device)
        runs["fp8"] = lambda x: torch._scaled_mm(e, f.T, rows, cols, out_dtype=torch.bfloat16)
    return runs


def runnable(runs: dict[str, Callable], x: Tensor) -> dict[str, Callable]:
    """The runs that this machine has; what it refuses is named, and the rest goes on."""
    kept = {}
    for name, run in runs.items():
        try:
            run(x)
            kept[name] = run
        except RuntimeError as error:
            tqdm.write(f"left out, {name}: {str(error).splitlines()[0]}")
    return kept


def beside(turns: list[dict], name: str, first: str, key) -> list[float]:
    """How many times as fast as the first a run was in each turn; key: which of its lists of times."""
    middle = lambda turn, which: statistics.median(turn[which][key])
    return [middle(turn, first) / middle(turn, name) for turn in turns]


def measured(runs: dict[str, Callable], inputs: list[Tensor], device: str) -> dict[str, dict]:
    """For each run its times cold and in graphs, and its speed beside `linear`, from two turns of all."""
    turns = [{name: (clock(partial(run, inputs[0]), device),
                     [ms / len(inputs) for ms in clock(lambda: [run(x) for x in inputs], device, graph=True)])
              for name, run in runs.items()} for _ in range(2)]
    kinds, found = ("cold", "graph"), {}
    for name in runs:
        times = {kind: summary(turns[0][name][i] + turns[1][name][i]) for i, kind in enumerate(kinds)}
        each = {kind: beside(turns, name, "linear", i) for i, kind in enumerate(kinds)}
        found[name] = {"ms": times["cold"], "graph": times["graph"], "ratio": each}
    return found


def bound(name: str, m: int, k: int, n: int, top: dict[str, float]) -> float:
    """The least time in ms that the ceilings allow: a layer's own bytes and products, its branch in 16 bits."""
    ops, outer = 2 * m * n * k, 2 * m * n
    if name in ("int8", "fp8"):
        return 1e3 * max((m * k + n * k + (2 * outer if name == "int8" else outer)) / top["bytes"], ops / top["whole"])
    if name == "linear" or "dequantize" in name:
        return 1e3 * max((2 * m * k + 2 * n * k + outer) / top["bytes"], ops / top["float"])
    branch = 0 if "no branch" in name else 2 * m * RANK * (k + n)
    codes = m * k // (1 if "w4a8" in name else 2)
    return 1e3 * ((2 * m * k + codes) / top["bytes"]
                  + max((codes + n * k // 2 + outer) / top["bytes"], ops / top["whole"] + branch / top["float"]))


def covered(device: str) -> None:
    """Refuse a machine on which the kernels do not run."""
    from ..efficiency.kernels import launch
    if torch.device(device).type != "cuda" and not launch.INTERPRETED:
        raise ValueError("the kernels run on a GPU: --device cuda; for a run at toy size set TRITON_INTERPRET=1")
    launch.covered(torch.float16, torch.device(device))


def measure(out: Path | str | None = None, device: str = "cpu", size: Size | None = None) -> str:
    """Measure it all and append the rows to kernels.jsonl."""
    from ..efficiency.kernels import launch
    covered(device)
    dtype, size = (torch.float16, size or TOY) if launch.INTERPRETED else (torch.bfloat16, size or FULL)
    path, torch_seed = folders.results(out) / "kernels.jsonl", torch.manual_seed(0)
    top, named = ceilings(size, device, dtype), "interpreted, toy size" if launch.INTERPRETED else records.device_name(device)
    shared = {"ceilings": top, "triton": version("triton"), "seed": torch_seed.initial_seed(), "dtype": str(dtype)}
    append = lambda name, settings, **costs: records.append(path, records.Record(
        name, settings=shared | settings, device=named, **costs))
    draw = lambda m, k: torch.randn(m, k, device=device).to(dtype)
    known = {row.technique for row in records.read(path) if row.device == named and "note" not in row.settings}
    for k, n in tqdm(size.shapes, desc="layers", unit="size"):
        if f"whole, {k} -> {n}" in known:
            continue
        layers, now = pairs(k, n, device, dtype), state(device)
        for m in size.rows:
            inputs = [draw(m, k) for _ in range(SETS)]
            for mode, found in compared(layers, inputs[0]).items():
                append(f"correct, {mode}, {k} -> {n}, M = {m}", found)
            for name, found in measured(runnable(variants(m, k, n, device, dtype, layers), inputs[0]), inputs, device).items():
                share = bound(name, m, k, n, top) / found["ms"]["median"]
                append(f"{name}, {k} -> {n}, M = {m}", {"share": share, "K": k, "N": n, "M": m, "state": now,
                                                        "graph": found["graph"], "ratio": found["ratio"]}, ms=found["ms"])
        append(f"whole, {k} -> {n}", {"rows": size.rows})
    return f"recorded in {path}"
