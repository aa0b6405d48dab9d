"""`bench forward`: a whole DiT in 4 bits on a GPU, end to end: what fast layers are worth in a net, and its pictures.

Nets are converted by `quantized`, as a user converts them, and called in 16 bits, in w4a8 and in w4a4: as they are, where a
small net waits for Python to launch its kernels, and replayed from a CUDA graph, where nothing waits.
  dit     the net of lab 05, trained, which is far too small for a GPU
  xl      random weights, as wide as DiT-XL (1152), 4 blocks, 4 images of 1024 tokens
  flux    random weights, as wide as FLUX (3072), 2 blocks, one image of 4096 tokens
`ratio` is the time of the net in 16 bits over it, in turns, with each turn's. The trained net also draws: `psnr` is that of the
median picture to the same net in 32 bits on the same device, from the same noises; nothing is simulated there. Without a GPU
the same runs at toy size, on the layer's plain route: a check of this script, whose times mean nothing.
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
from ..diffusion.denoise import Denoiser
from ..diffusion.guidance import guided
from ..diffusion.levels import Level
from ..efficiency import svdlinear
from ..efficiency.calibrate import Seen, calibrate
from ..efficiency.quantized import quantized, stored
from ..efficiency.svdquant import relative
from ..measure import records
from ..models import reader, store
from ..nets.dit import DiT
from ..recipes import shapes
from .beds import bed
from .kernels import beside, clock, summary
from .quant import psnr

MODES = ("w4a8", "w4a4")
QUICK = {"exponents": [(0.5, 0.5)], "rounds": 1}       # random weights have nothing to search for


class Size(NamedTuple):
    """A net of random weights: what it is built of, and the batch and edge of its images."""
    net: dict
    batch: int
    edge: int


SIZES = {"xl": Size({"width": 1152, "depth": 4, "heads": 16}, 4, 128),
         "flux": Size({"width": 3072, "depth": 2, "heads": 24}, 1, 256)}
TOY = {"toy": Size({"width": 128, "depth": 1, "heads": 2}, 2, 16)}


def random(size: Size, device: str, dtype: torch.dtype) -> tuple[nn.Module, Seen, Tensor]:
    """A net of that size whose layers all do something, what they are given, and inputs (B, 3, edge, edge)."""
    torch.manual_seed(0)
    net = DiT(3, 4, **size.net).to(device, dtype).requires_grad_(False)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.02)
    x = torch.randn(size.batch, 3, size.edge, size.edge, device=device).to(dtype)
    return net, calibrate(Denoiser(net, "v"), net, [(x, shapes.SCHEDULE()(500.0))], keep=64), x


def replayed(net: Callable, *given: Tensor) -> Callable:
    """net(*given) as a CUDA graph; calling it runs it again on what these tensors hold by then."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            net(*given)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        net(*given)
    return graph.replay


@torch.no_grad()
def timed(nets: dict[str, nn.Module], x: Tensor, device: str) -> dict[str, dict]:
    """For each net its times as it is and from a graph, and the speed of each beside the first, from two turns of all."""
    t = torch.full((len(x),), 500.0, device=device)
    runs = {name: {"eager": partial(net, x, t)} for name, net in nets.items()}
    if x.is_cuda:
        runs = {name: run | {"graph": replayed(nets[name], x, t)} for name, run in runs.items()}
    turns = [{name: {kind: clock(fn, device) for kind, fn in run.items()} for name, run in runs.items()} for _ in range(2)]
    first = next(iter(runs))
    return {name: {kind: summary(turns[0][name][kind] + turns[1][name][kind]) | {"ratio": beside(turns, name, first, kind)}
                   for kind in run} for name, run in runs.items()}


@torch.no_grad()
def differ(net: nn.Module, x: Tensor) -> float:
    """How far a call is from the same in plain PyTorch, each layer on its plain route; refused where the kernels are wrong."""
    t = torch.full((len(x),), 500.0, device=x.device)
    got, fused = net(x, t), svdlinear.ROUTES["fused"]
    svdlinear.ROUTES["fused"] = svdlinear.plain
    try:
        apart = relative(got.float(), net(x, t).float())
    finally:
        svdlinear.ROUTES["fused"] = fused
    if not apart <= 5e-2:           # a last bit may turn a code of a later layer
        raise RuntimeError(f"the kernels are wrong in this net, which was not timed: off by {apart:.1g}")
    return apart


def pictures(net: nn.Module, grid: list[Level], n: int, device: str) -> Tensor:
    """n pictures of the kinds in turn, drawn on a device from noises of the CPU."""
    kinds = torch.arange(n, device=device) % shapes.CLASSES
    x = samplers.start((n, 3, reader.SIZE, reader.SIZE), grid, store.seeded(0)).to(device)
    told = guided(Denoiser(net, "v"), kinds, torch.full((1,), shapes.CLASSES, device=device), 1.0)
    return samplers.last(samplers.dpmpp_2m(told, x, grid)).cpu()


def measure(out: Path | str | None = None, device: str = "cpu", n: int | None = None) -> str:
    """Convert, compare and time the nets, and append the rows to forward.jsonl. n: pictures of the trained one."""
    gpu = torch.device(device).type == "cuda"
    sizes, n, dtype = (SIZES, n or 240, torch.bfloat16) if gpu else (TOY, n or 4, torch.float32)
    path, named = folders.results(out) / "forward.jsonl", records.device_name(device) if gpu else "plain, toy size"
    append = lambda name, settings, **costs: records.append(path, records.Record(
        name, settings={"dtype": str(dtype), **settings}, device=named, **costs))

    def rows(label: str, nets: dict[str, nn.Module], x: Tensor, found: dict[str, dict], settings: dict) -> None:
        apart = {name: differ(net, x) for name, net in nets.items() if name in MODES}
        settings = {**settings, "fused to plain": apart}
        for name, times in timed(nets, x, device).items():
            append(f"{label}, {name}", {**settings, **times, "tokens": x[:, 0].numel() // 16}, ms=times["eager"],
                   bytes=stored(nets[name]), quality=found.get(name, {}))

    given, search = (bed("dit"), {}) if gpu else (bed("dit", fitted=4, visits=1), QUICK)
    nets = {"16 bits": copy.deepcopy(given.net)} | {mode: quantized(given.net, given.seen, mode, **search).net for mode in MODES}
    nets = {name: net.to(device, dtype) for name, net in nets.items()}
    exact = pictures(given.net.to(device), given.grid, n, device)
    errors = {name: (pictures(net, given.grid, n, device) - exact).double().square().flatten(1).mean(1)
              for name, net in nets.items()}
    found = {name: {key: value._asdict() for key, value in psnr(square).items()} for name, square in errors.items()}
    x = torch.randn(64 if gpu else 2, 3, reader.SIZE, reader.SIZE, device=device).to(dtype)
    rows("dit", nets, x, found, {"checkpoint": store.card("dit")["sha256"][:12], "n": n})
    for label, size in tqdm(sizes.items(), desc="random nets", unit="net"):
        net, seen, x = random(size, device, dtype)
        nets = {"16 bits": net} | {mode: quantized(net, seen, mode, **QUICK).net for mode in MODES}
        rows(label, nets, x, {}, {"net": size.net})
    return f"recorded in {path}"
