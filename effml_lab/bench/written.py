"""A kernel that somebody wrote in tiles, compiled and timed on a GPU beside a library, both on fresh inputs.

What is faster than the bytes and operations allow is not believed: the floor is worked out from what this card copies and
multiplies, measured in the same run. Without a GPU, or with one that Triton does not serve, one sentence says what is missing.
"""
import statistics
from contextlib import contextmanager
from typing import Callable, Iterator

import torch
from torch import Tensor

from ..efficiency.svdlinear import has_triton
from .kernels import clock

NO_GPU = ("No GPU here, so nothing is compiled or timed; marks need none. On Colab choose Runtime, Change runtime type, {}: "
          "there the same cell does both.")
CARDS = {False: "T4", True: "L4 or A100 (a T4 is too old for Triton's tl.dot)"}
NO_TRITON = "Triton is not installed here, so nothing is compiled or timed: it comes with PyTorch for Linux."
TOO_OLD = ("{} is too old for Triton's tensor-core products, which need compute capability 8.0: kernels without tl.dot are "
           "compiled here, this one is not.")
SIZE, EDGE = 2**28, 4096           # bytes of the copy and edge of the product that the floor rests on


def missing(dot: bool) -> str | None:
    """What this machine lacks to compile a kernel, in one sentence; dot: whether it multiplies tiles."""
    if not torch.cuda.is_available():
        return NO_GPU.format(CARDS[dot])
    if not has_triton():
        return NO_TRITON
    if dot and torch.cuda.get_device_capability() < (8, 0):
        return TOO_OLD.format(torch.cuda.get_device_name())
    return None


@contextmanager
def tensor_cores() -> Iterator[None]:
    """Float32 products as tl.dot makes them, in TF32, in the library, too."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def floor(moved: int, operations: float, dtype: torch.dtype, device: str) -> float:
    """The least ms for bytes and operations by what this machine copies, and multiplies in that type, now."""
    source = torch.empty(SIZE, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    least = moved / (2 * SIZE / statistics.median(clock(lambda: target.copy_(source), device)))
    if operations:
        a, b = (torch.randint(-127, 128, (EDGE, EDGE), device=device, dtype=torch.int8) if dtype == torch.int8
                else torch.randn(EDGE, EDGE, device=device).to(dtype) for _ in range(2))
        product = (lambda: torch._int_mm(a, b.T)) if dtype == torch.int8 else (lambda: a @ b)
        least = max(least, operations / (2 * EDGE**3 / statistics.median(clock(product, device))))
    return least


def off(got: Tensor, want: Tensor) -> float:
    """The relative error; infinite where something is NaN."""
    error = ((got.double() - want.double()).norm() / want.double().norm().clamp(min=1e-30)).item()
    return error if error == error else float("inf")


def timed(kernel: Callable, grid: tuple[int, ...], given: Callable[[str], tuple], constants: dict, peer: Callable[..., Tensor],
          moved: int, operations: float = 0.0, dot: bool = False, device: str = "cuda", tolerance: float = 5e-3) -> str:
    """A kernel with one output beside a library, in one sentence.

    given(device): fresh arguments, the last tensor among them the output. peer(*arguments): what should stand there. moved,
    operations: the least that the work takes, in bytes and operations. tolerance: of the relative error; 0 for equal.
    """
    if (said := missing(dot)) and device == "cuda":
        return said
    from ..efficiency.kernels.written import jitted
    made, args = jitted(kernel), given(device)
    out = [arg for arg in args if isinstance(arg, Tensor)][-1]
    mine, theirs = lambda: made[grid](*args, **constants), lambda: peer(*args)
    try:
        compiled = mine()
    except Exception as error:          # a compiler has many ways to give up
        return f"Triton does not compile this: {(str(error).strip().splitlines() or [type(error).__name__])[-1]}"
    with tensor_cores():
        if raced(compiled):
            return "Triton's own code for this kernel has a race (kernels/ahead.py): take other tiles. Nothing was timed."
        if not off(out, want := theirs()) <= tolerance:
            return f"Compiled, the kernel is off by {off(out, want):.1g}: programs run at the same time. Nothing was timed."
        times = [[statistics.median(clock(run, device)) for run in turn] for turn in ((mine, theirs), (theirs, mine))]
        if not off(out, want) <= tolerance:
            return f"Run again and again, the kernel is off by {off(out, want):.1g}: programs get in each other's way."
        fast, library = min(times[0][0], times[1][1]), min(times[0][1], times[1][0])
        return judged(fast, library, floor(moved, operations, args[0].dtype, device))


def raced(compiled) -> bool:
    """Whether the code that Triton made has the race of kernels/ahead.py; the interpreter has none."""
    code = getattr(compiled, "asm", {}).get("ttgir", "")
    if not code:
        return False
    from ..efficiency.kernels import ahead
    return ahead.raced(code)


def judged(mine: float, library: float, least: float) -> str:
    """Two times in ms beside the least that is possible."""
    if not mine >= 0.9 * least:
        return f"{mine:.3f} ms, less than the {least:.3f} ms that bytes and operations take: that is not believed, and not told."
    return f"{mine:.3f} ms, {least / mine:.0%} of what this card allows; the library {library:.3f} ms, {least / library:.0%}."
