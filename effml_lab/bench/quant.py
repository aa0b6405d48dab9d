"""`bench quant`: whole nets in few bits, end to end: the course's UNet, a DiT, and the DiT with planted outliers.

Three columns that are never mixed.
  quality   PSNR to the pictures of the net in 32 bits from the same noises, the median picture (`psnr`) and of the pooled square
            (`psnr_pooled`), range 2; Fréchet distance, share of the wanted kind
  bytes     all that is stored, codes, scales, branches and what stays in 16 bits
  time      a call of the net over one in 32 bits, for 16 bits alone: everything below 16 bits is *simulated* here, in float32,
            and has no time until a GPU has run it (`bench kernels`)
Rows that begin with "equal bytes" are the control: what the branch of rank 32 costs is spent on the codes instead, on 8 bits a
weight or on groups so small that a layer is about as large, and smoothing is searched for as ever. "SVDQuant over ..." are ratios
of squared errors (PSNR's), with their intervals over pictures; below 1 the branch is worth its bytes.
"""
import copy
from functools import partial
from pathlib import Path
from typing import Callable, NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .. import folders
from ..diffusion import samplers
from ..efficiency import quant, svdquant
from ..efficiency.quantized import in_sixteen, quantized, staying, stored
from ..efficiency.svdlinear import MOVES, unfolded
from ..efficiency.swap import fourbit, swap
from ..measure import cost, quality
from ..models import judges, reader, store
from ..recipes import shapes
from . import real
from .beds import NETS, STEPS, Bed, bed, drawn, told
from .lora import measured as lora
from .samplers import figures, recorder

N, RANK, RANKS = 240, 32, (8, 16, 64)
PLAIN, FOUR = {"exponents": [None], "rank": 0}, {"bits": 4, "per": "group"}


class Way(NamedTuple):
    """make: of a bed, a net. simulated: whether its arithmetic is not the real one."""
    make: Callable[[Bed], nn.Module]
    simulated: bool = True


class Spent(nn.Module):
    """The control: a smoothed layer whose weights have `bits` in groups of `per`, without a branch, and inputs as `act` says."""

    def __init__(self, layer: nn.Module, seen: Tensor, bits: int, per: str | int, act: dict):
        super().__init__()
        self.conv = isinstance(layer, nn.Conv2d)
        for key in MOVES if self.conv else ():
            setattr(self, key, getattr(layer, key))
        self.act, self.bias, w = act, layer.bias, layer.weight.flatten(1)
        rows = svdquant.spread(unfolded(layer, seen).flatten(0, 1), 1024) if self.conv else seen
        share, want = layer.weight[0, 0].numel(), rows @ w.T

        def tried(pair) -> tuple[Tensor, nn.Module]:
            s = torch.ones_like(w[0]) if pair is None else svdquant.smooth_scale(rows, w, *pair, share)
            return s, quant.Stored(w * s, bits, per)

        wrong = lambda pair: svdquant.relative(self.rounded(rows, *tried(pair)), want)
        s, self.codes = tried(min(svdquant.EXPONENTS, key=wrong))
        self.register_buffer("smooth", s.half())

    def rounded(self, rows: Tensor, s: Tensor, codes: nn.Module) -> Tensor:
        return quant.rounded(rows / s, **self.act) @ codes.weight().T

    def forward(self, input: Tensor) -> Tensor:
        rows = unfolded(self, input) if self.conv else input
        y = self.rounded(rows, self.smooth.float(), self.codes)
        y = y if self.bias is None else y + self.bias
        side = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(input.shape[-2:], self._reversed_padding_repeated_twice[::2],
                                                               self.kernel_size, self.stride)] if self.conv else ()
        return y.transpose(1, 2).unflatten(2, side) if self.conv else y


def taken(layer: nn.Module, size: int, bits: int) -> int:
    """Bytes of such a layer with groups of that size: codes, scales, smoothing and bias."""
    n, k = layer.weight.flatten(1).shape
    groups = -(-k // size)
    row = -(-groups * size // quant.PAIR) * quant.PAIR if bits == 4 else groups * size
    return n * row * bits // 8 + 2 * n * groups + 2 * k + 2 * n * (layer.bias is not None)


def smallest(layer: nn.Module, most: int, bits: int) -> int:
    """The smallest group with which it takes at most so many bytes; 64 where none below does."""
    return next((size for size in range(1, quant.GROUP) if taken(layer, size, bits) <= most), quant.GROUP)


def control(given: Bed, bits: int, inputs_too: bool = False) -> nn.Module:
    """A net whose layers spend what a branch of rank 32 takes on their codes."""
    whole = staying(given.net, given.seen)

    def convert(name: str, layer: nn.Module, seen: Tensor) -> nn.Module:
        most = stored(fourbit(name, layer, seen, RANK, conv_rank=RANK, exponents=[None], rounds=1))
        size = smallest(layer, most, bits)
        return Spent(layer, seen, bits, size, FOUR | ({"per": size} if inputs_too else {}))
    return in_sixteen(swap(given.net, given.seen, lambda name, layer: name not in whole, convert)[0])


def svd(given: Bed, mode: str = "w4a4", rank: int = RANK, **how) -> nn.Module:
    return quantized(given.net, given.seen, mode, **{"rank": rank, "conv_rank": rank} | how).net


def plain(given: Bed, mode: str) -> nn.Module:
    return quantized(given.net, given.seen, mode).net


WAYS: dict[str, Way] = {
    "fp32": Way(lambda given: given.net, False),
    "bf16": Way(lambda given: copy.deepcopy(given.net).to(torch.bfloat16), False),
    "w8a8, rounded": Way(partial(plain, mode="w8a8")), "w4a16, rounded": Way(partial(plain, mode="w4a16")),
    "w4a4, rounded": Way(partial(svd, **PLAIN)), "w4a4, smoothing only": Way(partial(svd, rank=0)),
    "w4a4, branch only": Way(partial(svd, exponents=[None])),
    **{f"SVDQuant, w4a4, rank {rank}": Way(partial(svd, rank=rank)) for rank in sorted((*RANKS, RANK))},
    f"SVDQuant, w4a4, rank {RANK}, GPTQ": Way(partial(svd, compensate=True)),
    "w4a8, rounded": Way(partial(svd, mode="w4a8", **PLAIN)), f"SVDQuant, w4a8, rank {RANK}": Way(partial(svd, mode="w4a8")),
    "equal bytes, 8 bits a weight": Way(partial(control, bits=8)),
    "equal bytes, small groups": Way(partial(control, bits=4)),
    "equal bytes, small groups, of inputs too": Way(partial(control, bits=4, inputs_too=True)),
}
BEST = f"SVDQuant, w4a4, rank {RANK}"
OVER = [name for name in WAYS if name.startswith(("w4a4", "equal bytes")) or "GPTQ" in name]


def psnr(square: Tensor) -> dict[str, quality.Estimate]:
    """Squared errors of pictures (n,), which reach from -1 to 1, in decibels: of the median picture, and of their mean."""
    decibels = lambda s: 10 * torch.log10(4 / s.clamp(min=1e-12))
    return {"psnr": quality.bootstrap(lambda s: decibels(s.quantile(0.5)).item(), square),
            "psnr_pooled": quality.bootstrap(lambda s: decibels(s.mean()).item(), square)}


def seconds(net: nn.Module, other: nn.Module, grid: list, rounds: int) -> quality.Estimate:
    """Time of a call of one net over that of another, in turns."""
    x = samplers.start((16, 3, reader.SIZE, reader.SIZE), grid, store.seeded(0))
    a, b = (partial(told(each, 16), x, grid[2]) for each in (net, other))
    return quality.Estimate(*cost.ratio(a, b, rounds, warmup=2)[0], rounds)


@torch.no_grad()
def measure(out: Path | str | None = None, device: str = "cpu", n: int = N, nets: tuple = tuple(NETS), ways: dict = WAYS,
            rounds: int = 30) -> str:
    """Append the rows of every net, way by way, to quant.jsonl."""
    if device != "cpu":
        raise ValueError("what is quantized here is simulated: a GPU's times are those of `bench kernels --device cuda`")
    file, kinds = folders.results(out) / "quant.jsonl", torch.arange(n) % shapes.CLASSES
    held, append = judges.features("shapes", real.scenes(n)[0]), recorder(file, device)
    for name in nets:
        given = bed(name)
        exact, square = drawn(given.net, given.grid, n), {}
        about = {"net": name, "checkpoint": store.card(given.checkpoint)["sha256"][:12], "steps": STEPS}
        for way, (make, simulated) in tqdm(ways.items(), desc=name, unit="way"):
            net = make(given)
            images = drawn(net, given.grid, n)
            square[way] = (images - exact).double().square().flatten(1).mean(1)
            found = figures(images, kinds, held)[0] | (psnr(square[way]) if way != "fp32" else {})
            if not simulated:
                found["time over fp32"] = seconds(net, given.net, given.grid, rounds)
            append(f"{name}, {way}", found, about | ({"simulated": "arithmetic"} if simulated else {}), nfe=STEPS,
                   bytes=stored(net) * (2 if way == "fp32" else 1))
        for way in OVER:
            if way in square and BEST in square:
                append(f"{name}, {BEST} over {way}", {"ratio": quality.ratio(square[BEST], square[way])}, about)
        if name != "unet" and BEST in ways:
            append(f"{name}, LoRA on {BEST}", *lora(given, ways[BEST].make(given)))
    return f"recorded in {file}"

