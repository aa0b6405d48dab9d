"""Kernels written in tiles, run in plain PyTorch, one program after the other, with every byte counted.

A kernel is an ordinary function in the words of Triton: it asks which program it is, loads tiles from memory, computes on them
and stores a tile. Here `tl` stands for triton.language, and `launch` runs the function for every program of a grid:

  def double(x, y, n, BLOCK: tl.constexpr):
      i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
      tl.store(y + i, 2 * tl.load(x + i, mask=i < n), mask=i < n)

  traffic = launch(double, (4,), x, y, 1000, BLOCK=256)          # traffic.bytes: 8000 for float32

The same source, with the real `tl`, is what Triton compiles (kernels/written.py). What a GPU does in silence is told here: a
place beyond a tensor, two programs that write one element, or one that reads what another writes; and what a mask keeps out is
NaN (77 in whole numbers), unless `other` says what it is. Counted are the bytes of all elements that a mask lets through, as if
nothing were cached: so a score does not hang on a machine.
  tile     what a program holds, and its arithmetic       memory   pointers, and who has read and written what
  words    `tl`
Left out: atomics, pipelining, layouts; all of triton.language that is not in `words`; TF32, in which tensor cores multiply
float32; that Triton's maxima pass over a NaN; and what its compiler asks of Python: a variable keeps its type in a loop, and
functions that a kernel calls are marked, too.
"""
import itertools
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

import torch
from torch import Tensor

from .memory import Pointer, Running, running
from .tile import TileError, Whole
from .words import tl

__all__ = ["TileError", "Traffic", "launch", "tl"]


class Traffic(NamedTuple):
    """Bytes that crossed between memory and the programs, for each tensor by the name of its argument."""
    loaded: dict[str, int]
    stored: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.loaded.values()) + sum(self.stored.values())


@contextmanager
def fresh() -> Iterator[Running]:
    """A launch of its own, whatever runs around it."""
    before = dict(vars(running))
    vars(running).update(vars(Running()))
    try:
        yield running
    finally:
        vars(running).update(before)


def launch(kernel: Callable, grid: tuple[int, ...], *args, **constants) -> Traffic:
    """Run a kernel for every program of a grid; tensors among args are handed over as pointers. TileError: what a GPU hides."""
    names = kernel.__code__.co_varnames[:kernel.__code__.co_argcount]
    if len(args) + len(constants) > len(names):
        raise TileError(f"{kernel.__name__} takes {len(names)} arguments, and {len(args) + len(constants)} were given")
    told = lambda name, arg: Pointer(name, arg) if isinstance(arg, Tensor) else Whole(arg) if type(arg) is int else arg
    given = [told(name, arg) for name, arg in zip(names, args)]
    with fresh() as state, torch.no_grad():
        state.grid = tuple(grid)
        for state.number, state.program in enumerate(itertools.product(*map(range, grid))):
            kernel(*given, **constants)
        return Traffic(state.loaded, state.stored)
