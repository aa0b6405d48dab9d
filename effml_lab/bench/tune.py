"""`bench tune`: which tile sizes are fastest on this GPU: the rows of the launch table, measured instead of guessed.

For each kernel and each number of rows every candidate that compiles without spilling is timed on layers of different
shapes, made as a user makes them and compared with plain PyTorch first, on codes and scales that the kernels made
themselves, from replayed graphs; one that gives something else than the table's own settings is left out. The one with the
lowest geometric mean of times becomes the row. All timings go to tune.jsonl, and the table with this architecture's rows
replaced to configs.json beside it: whoever trusts it copies that file over effml_lab/efficiency/kernels/configs.json, and
`pytest` checks that every row compiles for every architecture that inherits it. In the interpreter the same runs at toy size,
as a check of this script.
"""
import itertools
import json
import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Callable, Iterator

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import folders
from ..efficiency.svdlinear import SVDQuantLinear
from ..efficiency.svdquant import relative
from ..measure import records
from . import kernels

SHAPES = [(1152, 1152), (3072, 12288), (12288, 3072)]           # (K, N)
ROWS = (1024, 4096, 16384)                                                  # each stands for all up to it, the last for more
TOY = ([(224, 72)], (33,))


def candidates(kernel: str) -> list[dict]:
    """Settings worth trying."""
    if kernel.startswith("quantize"):
        return [{"BM": bm, "SPLIT": split, "STAGES": 3, "num_warps": warps}
                for (bm, warps), split in itertools.product(((16, 4), (32, 4), (64, 4), (64, 8)), (1, 4, 8))]
    tiles = {"gemm_w4a4": [(64, 64, 4), (64, 128, 4), (128, 64, 4), (64, 128, 8), (128, 64, 8)],
             "gemm_w4a8": [(64, 64, 4), (64, 128, 4), (128, 64, 4), (128, 128, 8), (256, 128, 8), (128, 256, 8)]}[kernel]
    return [{"BM": bm, "BN": bn, "GROUP_M": 8, "num_warps": warps, "num_stages": stages}
            for (bm, bn, warps), stages in itertools.product(tiles, (3, 4))]


def fits(kernel: str, how: dict, interpreted: bool) -> bool:
    """Whether a candidate compiles for this GPU without spilling, without a race and within its shared memory."""
    if interpreted:
        return True
    from ..efficiency.kernels import ahead, launch
    most = torch.cuda.get_device_properties("cuda").shared_memory_per_block_optin
    try:
        found = ahead.compiled(kernel, launch.architecture("cuda"), how)
    except Exception as error:      # a compiler has many ways to give up
        tqdm.write(f"left out, {kernel} {how}: {type(error).__name__}")
        return False
    safe = not found["raced"] and (kernel != "gemm_w4a8" or found["along K"])
    return safe and found["stack"] == 0 and found["shared"] <= most


@contextmanager
def launched_as(how: dict) -> Iterator[None]:
    """Every kernel is launched with these settings."""
    from ..efficiency.kernels import launch
    before = launch.settings
    launch.settings = lambda kernel, cc, m: how
    try:
        yield
    finally:
        launch.settings = before


@cache
def layer(k: int, n: int, mode: str, device: str, dtype: torch.dtype) -> SVDQuantLinear:
    """A layer of each size and mode, made once."""
    return kernels.made(k, n, mode, kernels.RANK, device, dtype)


def work(kernel: str, m: int, k: int, n: int, device: str, dtype: torch.dtype) -> Callable:
    """A launch of one kernel on inputs made for it by the other, of a layer that is right at the table's own settings."""
    from ..efficiency.kernels import gemm_up, quantize_down
    part, mode = kernel.split("_")
    made, x = layer(k, n, mode, device, dtype), torch.randn(m, k, device=device).to(dtype)
    kernels.correct(x, made)
    if part == "quantize":
        return partial(quantize_down.quantize_down, x, made.smooth, made.down, mode)
    given: tuple[Tensor, ...] = quantize_down.quantize_down(x, made.smooth, made.down, mode)
    return partial(gemm_up.gemm_up, *given, (made.codes, made.scale, made.multiplier), made.up, made.bias, dtype)


def alike(got: Tensor | tuple, want: Tensor | tuple) -> bool:
    """Whether two launches gave the same, but for rounding."""
    pairs = zip(got, want) if isinstance(got, tuple) else [(got, want)]
    return all(relative(a.float(), b.float()) <= 2e-3 for a, b in pairs)


def measure(out: Path | str | None = None, device: str = "cpu", shapes: list | None = None, rows: tuple = ()) -> str:
    """Time every candidate; append the timings to tune.jsonl and write the table to configs.json beside it."""
    from ..efficiency.kernels import launch
    kernels.covered(device)
    toy, folder = launch.INTERPRETED, folders.results(out)
    shapes, rows = (shapes, rows) if shapes else TOY if toy else (SHAPES, ROWS)
    dtype, named = (torch.float16, "interpreted, toy size") if toy else (torch.bfloat16, records.device_name(device))
    table = {kernel: dict(found) for kernel, found in launch.table().items()}
    for kernel in tqdm(list(table), desc="kernels", unit="kernel"):
        tried, buckets = candidates(kernel), []
        with ThreadPoolExecutor() as pool:
            usable = [how for how, fit in zip(tried, pool.map(partial(fits, kernel, interpreted=toy), tried)) if fit]
        if not usable:
            raise RuntimeError(f"no candidate of {kernel} compiles for this GPU without spilling: its rows stay as they are")
        for m in rows:
            runs = [((k, n), work(kernel, m, k, n, device, dtype)) for k, n in shapes]
            times = [timings(run, usable, device) for _, run in runs]                   # a list a shape
            for (k, n), found in zip((shape for shape, _ in runs), times):
                records.append(folder / "tune.jsonl", records.Record(
                    f"{kernel}, {k} -> {n}, M = {m}", device=named, settings={
                        "candidates": usable, "ms": [ms if ms < math.inf else None for ms in found]}))
            total = [sum(math.log(found[i]) for found in times) for i in range(len(usable))]
            buckets.append([None if m == rows[-1] else m, usable[total.index(min(total))]])
        table[kernel][str(launch.architecture(device))] = buckets
        (folder / "configs.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return f"recorded in {folder / 'tune.jsonl'}; the table is in {folder / 'configs.json'}"


def timings(run: Callable, usable: list[dict], device: str) -> list[float]:
    """The median time in ms of a launch with each of the settings; infinite where one gives another result than the table's."""
    want, found = run(), []
    for how in usable:
        with launched_as(how):
            right = alike(run(), want)
            found.append(statistics.median(kernels.clock(run, device, graph=True, rep=60)) if right else math.inf)
    return found
