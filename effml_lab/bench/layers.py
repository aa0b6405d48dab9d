"""`bench layers`: what 4-bit layers cost in error and bytes: the CPU side of SVDQuant, by mode, rank and outliers.

A layer of 512 x 512 Gaussian weights, inputs with or without eight channels thirty times as loud; half of the rows find
smoothing and branch, the other half measure |y - x W^T| / |x W^T|. The layer without outliers is the control: there the
method has little to win. Bytes are counted in stored layers, beside weights of 16 bits: what the branch and the scales
take depends on the width. Arithmetic here is simulated; storage is real. Speed needs a GPU (`bench kernels`).
"""
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .. import folders
from ..efficiency import quant, svdlinear, svdquant
from ..measure import quality, records
from ..models import store

WIDTH, ROWS, LOUD, RANK = 512, 2048, 30.0, 32
WAYS = {"rounded": (0, [None]), "branch only": (RANK, [None]), "smoothing only": (0, svdquant.EXPONENTS),
        "SVDQuant": (RANK, svdquant.EXPONENTS)}             # -> rank, exponents tried
RANKS, SIZES = (8, 16, 64), ((256, 256), (1024, 1024), (3072, 3072), (3072, 12288))      # sizes: (K, N)


def bed(outliers: int, width: int = WIDTH, rows: int = ROWS) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (width, width), inputs to calibrate with and inputs to measure on, (rows / 2, width) each."""
    rng = store.seeded(0)
    w, x = torch.randn(width, width, generator=rng) / math.sqrt(width), torch.randn(rows, width, generator=rng)
    x[:, torch.randperm(width, generator=rng)[:outliers]] *= LOUD
    return w, *x.chunk(2)


def error(got: Tensor, want: Tensor) -> quality.Estimate:
    """The relative error of outputs (rows, N), its interval over the rows."""
    squares = torch.stack([(got - want).square().sum(1), want.square().sum(1)], 1)
    return quality.bootstrap(lambda part: (part[:, 0].sum() / part[:, 1].sum()).sqrt().item(), squares)


def plans(outliers: int) -> dict[str, tuple[int, list, str]]:
    """Technique -> rank, exponents, mode."""
    each = {f"{way}, {mode}": (rank, tried, mode) for mode in svdquant.MODES for way, (rank, tried) in WAYS.items()}
    return each | ({f"SVDQuant, w4a4, rank {rank}": (rank, svdquant.EXPONENTS, "w4a4") for rank in RANKS} if outliers else {})


def bits(k: int, n: int, mode: str, rank: int = RANK) -> tuple[int, float]:
    """Bytes of a stored layer (K -> N) without bias, and how many times fewer than with 16 bits a weight."""
    filler = svdquant.MODES[mode](torch.ones(n, k))
    split = svdquant.Split(torch.ones(k), torch.zeros(n, rank), torch.zeros(rank, k), filler)
    stored = quant.bytes_of(svdlinear.SVDQuantLinear(split, None, mode))
    return stored, 2 * n * k / stored


def measure(out: Path | str | None = None, device: str = "cpu", width: int = WIDTH, rows: int = ROWS) -> str:
    """Measure every way on both beds, count bytes, and append the rows to layers.jsonl."""
    if device != "cpu":
        raise ValueError("this table is of the CPU; what a GPU makes of it is `bench kernels --device cuda`")
    path = folders.results(out) / "layers.jsonl"
    for outliers in (8, 0):
        w, fitted, held = bed(outliers, width, rows)
        about = {"width": width, "outliers": outliers, "simulated": "arithmetic"}
        eight = quant.QuantLinear(linear(w), act={"bits": 8, "per": "token"})
        record(path, f"rounded, w8a8, {outliers} outliers", error(eight(held), held @ w.T), about)
        for name, (rank, tried, mode) in tqdm(plans(outliers).items(), desc=f"{outliers} outliers", unit="layer"):
            got = svdquant.apply(held, svdquant.search(w, fitted, rank, mode, tried), mode)
            record(path, f"{name}, {outliers} outliers", error(got, held @ w.T), about | {"rank": rank, "mode": mode})
    for mode in svdquant.MODES:
        for k, n in SIZES:
            stored, ratio = bits(k, n, mode)
            records.append(path, records.Record(f"bytes, {mode}, {k} -> {n}", bytes=stored,
                                            settings={"of 16 bits": ratio, "rank": RANK}))
    return f"recorded in {path}"


def linear(w: Tensor) -> nn.Linear:
    layer = nn.Linear(w.shape[1], w.shape[0], bias=False)
    layer.weight.data = w
    return layer.requires_grad_(False)


def record(path: Path, technique: str, found: quality.Estimate, about: dict) -> None:
    records.append(path, records.Record(technique, quality={"error": found._asdict()}, settings=about))
