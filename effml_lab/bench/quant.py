"""`bench quant`: whole nets in few bits, end to end: the course's UNet, a DiT, and the DiT with outliers planted in two ways.

Three columns that are never mixed.
  quality   PSNR to the pictures of the net in 32 bits from the same noises, of the pooled square (`psnr_pooled`) and of the
            median picture (`psnr`), range 2; the errors themselves, the share that moved; Fréchet distance, wanted kind
  bytes     all that is stored, codes, scales, branches and what stays in 16 bits
  time      a call of the net over one in 32 bits, for 16 bits alone: all below 16 bits is *simulated* here, in float32, and has
            no time until a GPU has run it (`bench kernels`)
Rows of "equal bytes" are the control (spent.py): as many bytes as SVDQuant's with rank 32, spent on codes. "SVDQuant over ..."
are differences in decibels from the same noises, pooled and of the median picture, with their intervals over pictures.
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
from ..efficiency.quantized import quantized, stored
from ..efficiency.swap import plainly, swap
from ..measure import cost, quality
from ..models import judges, reader, store
from ..recipes import shapes
from . import lora, real
from .beds import NETS, STEPS, Bed, bed, drawn, told
from .samplers import FLOOR, figures, recorder
from .spent import LADDERS, spent

N, RANK, RANKS = 240, 32, (8, 16, 64)
LEARNING = ("dit",)           # nets with 4-bit linear layers that a LoRA can stand beside
PLAIN = {"exponents": [None], "rank": 0}


class Way(NamedTuple):
    """make: of a bed, a net. size: bytes of a number that is no code. simulated: whether its arithmetic is not the real one.

    control: whether it spends what the branch costs elsewhere; beside: whether SVDQuant is compared with it; tuned: whether a
    LoRA is trained on it; dit: whether it is for DiTs alone.
    """
    make: Callable[[Bed], nn.Module]
    size: int = 2
    simulated: bool = True
    control: bool = False
    beside: bool = False
    tuned: bool = False
    dit: bool = False


def svd(given: Bed, mode: str = "w4a4", rank: int = RANK, **how) -> nn.Module:
    return quantized(given.net, given.seen, mode, **{"rank": rank, "conv_rank": rank} | how).net


def plain(given: Bed, mode: str) -> nn.Module:
    return quantized(given.net, given.seen, mode).net


def adaln_too(given: Bed) -> nn.Module:
    """SVDQuant, and the weights of AdaLN rounded to 4 bits, as in its release."""
    return swap(svd(given), given.seen, lambda name, layer: name.endswith("told"), plainly, bits=4, per="group")[0]


def control(given: Bed, ladder: str, inputs_too: bool = False) -> nn.Module:
    """A net that takes as many bytes as one with branches of rank 32."""
    return spent(given, stored(svd(given, exponents=[None], rounds=1)), LADDERS[ladder], inputs_too)


BEST = f"SVDQuant, w4a4, rank {RANK}"
WAYS: dict[str, Way] = {
    BEST: Way(svd, tuned=True),
    "fp32": Way(lambda given: given.net, 4, False),
    "bf16": Way(lambda given: copy.deepcopy(given.net).to(torch.bfloat16), 2, False),
    "w8a8, rounded": Way(partial(plain, mode="w8a8")), "w4a16, rounded": Way(partial(plain, mode="w4a16")),
    "w4a4, rounded": Way(partial(svd, **PLAIN), beside=True), "w4a4, smoothing only": Way(partial(svd, rank=0), beside=True),
    "w4a4, branch only": Way(partial(svd, exponents=[None]), beside=True),
    **{f"SVDQuant, w4a4, rank {rank}": Way(partial(svd, rank=rank)) for rank in RANKS},
    f"{BEST}, AdaLN w4a16": Way(adaln_too, dit=True),
    "w4a8, rounded": Way(partial(svd, mode="w4a8", **PLAIN)), f"SVDQuant, w4a8, rank {RANK}": Way(partial(svd, mode="w4a8")),
    **{f"equal bytes, {ladder}": Way(partial(control, ladder=ladder), control=True, beside=True) for ladder in LADDERS},
    "equal bytes, small groups, of inputs too": Way(
        partial(control, ladder="small groups", inputs_too=True), control=True, beside=True),
}


def decibels(square: Tensor) -> float:
    return 10 * torch.log10(4 / square.clamp(min=1e-12)).item()


def psnr(square: Tensor) -> dict[str, quality.Estimate]:
    """Squared errors of pictures (n,), which reach from -1 to 1, in decibels: of the median picture, and of their mean."""
    return {"psnr": quality.bootstrap(lambda s: decibels(s.quantile(0.5)), square),
            "psnr_pooled": quality.bootstrap(lambda s: decibels(s.mean()), square)}


def seconds(net: nn.Module, other: nn.Module, grid: list, rounds: int) -> quality.Estimate:
    """Time of a call of one net over that of another, in turns."""
    x = samplers.start((16, 3, reader.SIZE, reader.SIZE), grid, store.seeded(0))
    a, b = (partial(told(each, 16), x, grid[2]) for each in (net, other))
    return quality.Estimate(*cost.ratio(a, b, rounds, warmup=2)[0], rounds)


def gained(mine: Tensor, other: Tensor) -> dict[str, quality.Estimate]:
    """How many decibels squared errors (n,) lie better than others of the same noises, pooled and in the median picture."""
    pair = torch.stack([mine, other], 1).clamp(min=1e-12)
    return {"decibels": quality.bootstrap(lambda p: (10 * (p[:, 1].mean() / p[:, 0].mean()).log10()).item(), pair),
            "decibels_median": quality.bootstrap(lambda p: (10 * (p[:, 1] / p[:, 0]).log10()).quantile(0.5).item(), pair)}


@torch.no_grad()
def measure(out: Path | str | None = None, device: str = "cpu", n: int = N, nets: tuple = tuple(NETS), ways: dict = WAYS,
            rounds: int = 30) -> str:
    """Append the rows of every net, way by way, to quant.jsonl."""
    if device != "cpu":
        raise ValueError("what is quantized here is simulated: a GPU's times are those of `bench kernels --device cuda`")
    path, held = folders.results(out) / "quant.jsonl", judges.features("shapes", real.scenes(n)[0])
    append, shared = recorder(path, device), {"reference": f"{n} fresh renders"}
    append(f"{FLOOR}, n = {n}", figures(real.scenes(n, 1)[0], torch.arange(n) % shapes.CLASSES, held)[0], shared)
    for name in nets:
        given = bed(name)
        about = shared | {"net": name, "checkpoint": store.card(given.checkpoint)["sha256"][:12], "steps": STEPS}
        compare(given, ways, n, held, rounds, lambda row, found, more, **costs: append(
            f"{name}, {row}", found, about | more, nfe=STEPS, **costs))
    return f"recorded in {path}"


def compare(given: Bed, ways: dict[str, Way], n: int, held: Tensor, rounds: int, append: Callable) -> None:
    """The rows of one net. held: features of real pictures; append(row, found, settings, bytes=)."""
    exact, squares, kinds = drawn(given.net, given.grid, n), {}, torch.arange(n) % shapes.CLASSES
    for way, how in tqdm(ways.items(), desc=given.name, unit="way"):
        if how.dit and given.name == "unet":
            continue
        net = how.make(given)
        images = drawn(net, given.grid, n)
        squares[way] = (images - exact).double().square().flatten(1).mean(1)
        found = figures(images, kinds, held)[0] | psnr(squares[way]) | quality.paired_errors(images, exact)
        more = {"way": way, "control": how.control} | ({"simulated": "arithmetic"} if how.simulated else {})
        if not how.simulated:
            found["time over fp32"] = seconds(net, given.net, given.grid, rounds)
        append(way, found, more, bytes=stored(net) * how.size // 2)
        if how.beside and BEST in squares:
            append(f"{BEST} over {way}", gained(squares[BEST], squares[way]), more | {"over": way})
        if how.tuned and given.name in LEARNING:
            shares, told_of = lora.measured(given, net)
            append(f"LoRA on {way}", shares, more | told_of, bytes=told_of["bytes after"])
