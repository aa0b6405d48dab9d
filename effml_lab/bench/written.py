"""A kernel that somebody wrote in tiles, compiled and timed on a GPU beside a library, both on fresh inputs.

What is faster than the bytes and operations allow is not believed: the floor is worked out from what this card copies and
multiplies, measured in the same run. Without a GPU, or with one that Triton does not serve, one sentence says what is missing.
"""
import statistics
from typing import Callable

import torch
from torch import Tensor

from ..efficiency.svdlinear import has_triton
from .kernels import clock

NO_GPU = ("No GPU here: the kernel ran in plain PyTorch, and that it is right is all that was to be seen. On Colab choose "
          "Runtime, Change runtime type, T4: there the same cell compiles and times it.")
NO_TRITON = "Triton is not installed here: it comes with PyTorch for Linux. The kernel ran in plain PyTorch."
TOO_OLD = ("{} is too old for Triton's tensor-core products, which need compute capability 8.0: kernels without tl.dot are "
           "compiled here, this one is not.")
SIZE = 2**28                # bytes of the copy that the floor rests on


def missing(dot: bool) -> str | None:
    """What this machine lacks to compile a kernel, in one sentence; dot: whether it multiplies tiles."""
    if not torch.cuda.is_available():
        return NO_GPU
    if not has_triton():
        return NO_TRITON
    if dot and torch.cuda.get_device_capability() < (8, 0):
        return TOO_OLD.format(torch.cuda.get_device_name())
    return None


def floor(moved: int, operations: float, dtype: torch.dtype, device: str) -> float:
    """The least ms for bytes and operations by what this machine copies, and multiplies in that type, now."""
    source = torch.empty(SIZE, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    least = moved / (2 * SIZE / statistics.median(clock(lambda: target.copy_(source), device)))
    if operations:
        n = 4096
        a, b = (torch.randint(-127, 128, (n, n), device=device, dtype=torch.int8) if dtype == torch.int8
                else torch.randn(n, n, device=device).to(dtype) for _ in range(2))
        product = (lambda: torch._int_mm(a, b.T)) if dtype == torch.int8 else (lambda: a @ b)
        least = max(least, operations / (2 * n**3 / statistics.median(clock(product, device))))
    return least


def timed(kernel: Callable, grid: tuple[int, ...], given: Callable[[str], tuple], constants: dict, peer: Callable[..., Tensor],
          moved: int, operations: float = 0.0, dot: bool = False, device: str = "cuda", tolerance: float = 1e-2) -> str:
    """A kernel beside a library, in one sentence.

    given(device): fresh arguments, the last tensor among them the output. peer(*arguments): what should stand there. moved,
    operations: the least that the work takes, in bytes and operations.
    """
    if (said := missing(dot)) and device == "cuda":
        return said
    from ..efficiency.kernels.written import jitted
    made, args = jitted(kernel), given(device)
    tensors = [arg for arg in args if isinstance(arg, Tensor)]
    mine, theirs = lambda: made[grid](*args, **constants), lambda: peer(*args)
    try:
        mine()
    except Exception as error:          # a compiler has many ways to give up
        return f"Triton does not compile this: {str(error).strip().splitlines()[-1]}"
    want = theirs()
    off = ((tensors[-1].double() - want.double()).norm() / want.double().norm()).item()
    if not off <= tolerance:
        return f"Compiled, the kernel is off by {off:.1g}: a GPU runs programs at the same time. Nothing was timed."
    times = [[statistics.median(clock(run, device)) for run in (mine, theirs)] for _ in range(2)]
    fast, library = (min(turn[i] for turn in times) for i in range(2))
    return judged(fast, library, floor(moved, operations, tensors[0].dtype, device))


def judged(mine: float, library: float, least: float) -> str:
    """Two times in ms beside the least that is possible."""
    if mine < 0.9 * least:
        return f"{mine:.3f} ms, less than the {least:.3f} ms that bytes and operations take: that is not believed, and not told."
    return f"{mine:.3f} ms, {least / mine:.0%} of what this card allows; the library {library:.3f} ms, {least / library:.0%}."
