"""How kernels are launched: which cards they run on, and a committed table of tile sizes instead of autotuning.

configs.json holds, for each kernel and architecture, rows [largest M, settings]; the first row whose M suffices is taken,
and an architecture that is not listed takes the nearest one below. A row is committed only if it compiles without
spilling (ahead.py); which of those is fastest is measured on a GPU (`bench tune`). A first call never searches.
"""
import json
from functools import cache
from importlib.resources import files

import torch
import triton.language as tl
from torch import Tensor
from triton import knobs
from triton.runtime.interpreter import InterpretedFunction

INTERPRETED = isinstance(tl.zeros, InterpretedFunction)         # settled when Triton was imported; the variable may be set later
DTYPES = (torch.float16, torch.bfloat16)


@cache
def table() -> dict:
    return json.loads(files(__package__).joinpath("configs.json").read_text(encoding="utf-8"))


def power(n: int) -> int:
    """The least power of two from 16 on that is not below n: what a tile can be wide."""
    return max(16, 1 << (n - 1).bit_length()) if n else 16


def architecture(device: torch.device | str) -> int:
    """Compute capability as one number, 90 for 9.0; the interpreter takes what is written for 80."""
    return 80 if INTERPRETED else 10 * (cc := torch.cuda.get_device_capability(device))[0] + cc[1]


def buckets(kernel: str, cc: int) -> list:
    """The rows [largest M, settings] of a kernel on an architecture."""
    rows = table()[kernel]
    return rows[str(max(int(arch) for arch in rows if int(arch) <= cc))]


def settings(kernel: str, cc: int, m: int) -> dict:
    """Tile sizes, warps and stages of a kernel on an architecture for m rows."""
    return next(how for most, how in buckets(kernel, cc) if most is None or m <= most)


def config(device: torch.device | str, kernel: str, m: int) -> dict:
    return settings(kernel, architecture(device), m)


def contiguous(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    """Each tensor as the kernels read it, rows one after another in memory; None stays None."""
    return tuple(t if t is None else t.contiguous() for t in tensors)


def on_gpu(device: torch.device) -> None:
    """Refuse a tensor on the CPU, in one sentence, unless the interpreter is there to take it."""
    if bool(knobs.runtime.interpret) != INTERPRETED:
        raise ValueError("TRITON_INTERPRET was changed after Triton was imported: set it before Python starts")
    if device.type != "cuda" and not INTERPRETED:
        raise ValueError("the kernels run on a GPU, and this tensor is on the CPU: the layer itself runs on both")


def covered(dtype: torch.dtype, device: torch.device) -> None:
    """Refuse what the fused kernels cannot take, in one sentence."""
    if dtype not in DTYPES:
        raise ValueError(f"the kernels take float16 and bfloat16 inputs, got {dtype}")
    on_gpu(device)
    if not INTERPRETED and architecture(device) < 80:
        raise ValueError(f"Triton does not reach the tensor cores of {torch.cuda.get_device_name(device)} (it needs "
                         "compute capability 8.0): the layer dequantizes and uses cuBLAS there")
