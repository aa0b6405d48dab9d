"""Kernels written in tiles, run in plain PyTorch, one program after the other, with every byte counted.

A kernel is an ordinary function in the words of Triton: it asks which program it is, loads tiles from memory, computes on them
and stores a tile. Here `tl` stands for triton.language, and `launch` runs the function for every program of a grid:

  def double(x, y, n, BLOCK: tl.constexpr):
      i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
      tl.store(y + i, 2 * tl.load(x + i, mask=i < n), mask=i < n)

  traffic = launch(double, (4,), x, y, 1000, BLOCK=256)          # traffic.bytes: 8000 for float32

The same source, with the real `tl`, is what Triton compiles (kernels/written.py). What a GPU does in silence is told here: a
read or a write beyond a tensor, two programs that write one element; what a mask keeps out is NaN, unless `other` says what it
is. Sums of products are those of tensor cores: whole numbers in int32, all else in float32. Counted are the bytes of all elements
that a mask lets through, as if nothing were cached: so a score does not hang on a machine.
Left out: atomics, pipelining, layouts; and all of triton.language that is not below.
"""
import itertools
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

import torch
from torch import Tensor


class TileError(Exception):
    """What a GPU would have done wrong, in one sentence."""


class Traffic(NamedTuple):
    """Bytes that crossed between memory and the programs, for each tensor by the name of its argument."""
    loaded: dict[str, int]
    stored: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.loaded.values()) + sum(self.stored.values())


class constexpr:
    """Marks an argument that is known when the kernel is compiled."""


class Tile:
    """A block of numbers that one program holds; its sides are powers of two, or 1."""

    def __init__(self, data: Tensor):
        if any(side & (side - 1) for side in data.shape):
            raise TileError(f"a tile's sides are powers of two, got {tuple(data.shape)}")
        self.data = data

    shape = property(lambda self: tuple(self.data.shape))
    dtype = property(lambda self: self.data.dtype)

    def to(self, dtype: torch.dtype) -> "Tile":
        return Tile(self.data.to(dtype))

    def __getitem__(self, key) -> "Tile":
        parts = key if isinstance(key, tuple) else (key,)
        if not all(part is None or part == slice(None) for part in parts):
            raise TileError("a tile is only given new sides, [:, None] or [None, :]: load the part that you need")
        return Tile(self.data[key])

    def __getattr__(self, name: str):
        raise TileError(f"a tile has no .{name}: it knows operators, .to(dtype), .shape, .dtype and what tl offers")

    def __bool__(self) -> bool:
        raise TileError("a tile is many numbers: choose with tl.where, or load with a mask")


def plain(value):
    """A tile's tensor, or the number itself."""
    return value.data if isinstance(value, Tile) else value


def numbers(*values) -> list[Tensor]:
    """Tensors and plain numbers as tensors, the plain ones in the type of the others."""
    dtype = next((value.dtype for value in values if isinstance(value, Tensor)), None)
    return [value if isinstance(value, Tensor) else torch.tensor(value, dtype=dtype) for value in values]


def lifted(op: Callable) -> Callable:
    """An operation on tensors as one on tiles and numbers; a number stays one."""
    def apply(*values):
        if any(isinstance(value, Pointer) for value in values):
            return NotImplemented
        try:
            made = op(*map(plain, values))
        except RuntimeError:
            sides = " and ".join(str(value.shape) for value in values if isinstance(value, Tile))
            raise TileError(f"these tiles do not fit: {sides}; give them sides with [:, None] and [None, :]") from None
        return Tile(made) if isinstance(made, Tensor) else made
    return apply


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift", "lt", "le", "gt", "ge",
              "eq", "ne", "neg", "invert"):
    setattr(Tile, f"__{_name}__", lifted(getattr(Tensor, f"__{_name}__")))
for _name in ("add", "mul", "and", "or", "xor"):
    setattr(Tile, f"__r{_name}__", getattr(Tile, f"__{_name}__"))
Tile.__rsub__ = lifted(lambda tile, number: number - tile)
Tile.__rtruediv__ = lifted(lambda tile, number: number / tile)


class Pointer:
    """Where a tensor lies, or a tile of places in it: added to, and given to tl.load and tl.store."""

    def __init__(self, name: str, tensor: Tensor, at: Tensor | int = 0):
        self.name, self.tensor, self.at = name, tensor, at

    def __add__(self, step) -> "Pointer":
        step = plain(step)
        if isinstance(step, Tensor) and (step.is_floating_point() or step.dtype == torch.bool) or isinstance(step, float):
            raise TileError(f"places in {self.name} are whole numbers")
        return Pointer(self.name, self.tensor, self.at + step)

    __radd__ = __add__

    def memory(self) -> Tensor:
        """All that lies from the tensor's first element on, in one line."""
        room = self.tensor.untyped_storage().nbytes() // self.tensor.element_size() - self.tensor.storage_offset()
        return self.tensor.as_strided((room,), (1,))

    def places(self, mask) -> tuple[Tensor, Tensor]:
        """The places and which of them count, in one shape, every counted one inside the memory."""
        at, mask = torch.as_tensor(self.at), torch.as_tensor(True if mask is None else plain(mask))
        at, mask = torch.broadcast_tensors(at, mask)
        room, asked = len(self.memory()), at[mask]
        if len(asked) and not 0 <= asked.min() <= asked.max() < room:
            bad = asked[(asked < 0) | (asked >= room)][0].item()
            raise TileError(f"program {running.program} reaches for element {bad} of {self.name}, which has {room}: mask what "
                            "lies beyond the edge")
        return at.where(mask, 0), mask


class Running:
    """The program that runs now, what it has moved, and who has written where."""

    def __init__(self):
        self.program, self.number, self.grid, self.loaded, self.stored, self.writers = (), 0, (), {}, {}, {}

    def count(self, book: dict[str, int], pointer: Pointer, mask: Tensor) -> None:
        book[pointer.name] = book.get(pointer.name, 0) + int(mask.sum()) * pointer.tensor.element_size()

    def wrote(self, pointer: Pointer, at: Tensor) -> None:
        number = 1 + self.number
        seen = self.writers.setdefault(pointer.name, torch.zeros(len(pointer.memory()), dtype=torch.long))
        if len(twice := at[(seen[at] != 0) & (seen[at] != number)]):
            raise TileError(f"two programs write element {twice[0].item()} of {pointer.name}: nobody knows which a GPU runs last")
        seen[at] = number


running = Running()


class tl:
    """What of triton.language kernels use here, by the same names and arguments."""
    constexpr, static_range, range = constexpr, range, range
    float16, bfloat16, float32, int8, uint8, int16, int32, int64 = (
        torch.float16, torch.bfloat16, torch.float32, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)

    cdiv = staticmethod(lambda a, b: -(-a // b))
    exp, exp2, log, abs, sqrt = (staticmethod(lifted(getattr(torch, name))) for name in ("exp", "exp2", "log", "abs", "sqrt"))
    floor, ceil = (staticmethod(lifted(getattr(torch, name))) for name in ("floor", "ceil"))
    where = staticmethod(lifted(torch.where))

    @staticmethod
    def program_id(axis: int) -> int:
        return running.program[axis]

    @staticmethod
    def num_programs(axis: int) -> int:
        return running.grid[axis]

    @staticmethod
    def arange(start: int, end: int) -> Tile:
        return Tile(torch.arange(start, end))

    @staticmethod
    def zeros(shape, dtype: torch.dtype) -> Tile:
        return Tile(torch.zeros(shape, dtype=dtype))

    @staticmethod
    def full(shape, value: float, dtype: torch.dtype) -> Tile:
        return Tile(torch.full(shape, value, dtype=dtype))

    maximum = staticmethod(lifted(lambda a, b: torch.maximum(*torch.broadcast_tensors(*numbers(a, b)))))
    minimum = staticmethod(lifted(lambda a, b: torch.minimum(*torch.broadcast_tensors(*numbers(a, b)))))

    @staticmethod
    def max(tile: Tile, axis: int) -> Tile:
        return Tile(tile.data.amax(axis))

    @staticmethod
    def min(tile: Tile, axis: int) -> Tile:
        return Tile(tile.data.amin(axis))

    @staticmethod
    def sum(tile: Tile, axis: int) -> Tile:
        return Tile(tile.data.sum(axis, dtype=tile.dtype))

    @staticmethod
    def trans(tile: Tile) -> Tile:
        return Tile(tile.data.T)

    @staticmethod
    def load(pointer: Pointer, mask=None, other=None) -> Tile:
        at, mask = pointer.places(mask)
        running.count(running.loaded, pointer, mask)
        found = pointer.memory()[at]
        # what a mask keeps out is whatever a register held before, unless `other` says what it is
        empty = torch.nan if found.is_floating_point() else 77
        return Tile(found.where(mask, torch.tensor(empty if other is None else other, dtype=found.dtype)))

    @staticmethod
    def store(pointer: Pointer, value, mask=None) -> None:
        at, mask = pointer.places(mask)
        running.count(running.stored, pointer, mask)
        running.wrote(pointer, at[mask])
        value = torch.as_tensor(plain(value)).to(pointer.tensor.dtype)
        if value.ndim > at.ndim or any(a not in (1, b) for a, b in zip(value.shape[::-1], at.shape[::-1])):
            raise TileError(f"a tile {tuple(value.shape)} is stored to places {tuple(at.shape)} of {pointer.name}")
        pointer.memory()[at[mask]] = value.expand(at.shape)[mask]

    @staticmethod
    def dot(a: Tile, b: Tile, acc: Tile | None = None, out_dtype: torch.dtype = torch.float32) -> Tile:
        if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0] or min(*a.shape, *b.shape) < 16:
            raise TileError(f"tl.dot takes (M, K) and (K, N), each side at least 16, got {a.shape} and {b.shape}")
        if a.dtype != b.dtype:
            raise TileError(f"tl.dot takes two tiles of one type, got {a.dtype} and {b.dtype}")
        whole = not a.dtype.is_floating_point
        if acc is not None and (acc.dtype != out_dtype or whole and out_dtype != torch.int32):
            needed = "whole products take acc in int32 and out_dtype=tl.int32" if whole else "acc has float32"
            raise TileError(f"tl.dot adds to an acc of its out_dtype, float32 unless told, and acc has {acc.dtype}: {needed}")
        made = (a.data.double() @ b.data.double()).to(torch.int32) if whole else a.data.float() @ b.data.float()
        return Tile(made.to(torch.int32 if whole else out_dtype) if acc is None else acc.data + made)


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
    names = kernel.__code__.co_varnames
    given = [Pointer(name, arg) if isinstance(arg, Tensor) else arg for name, arg in zip(names, args)]
    with fresh() as state, torch.no_grad():
        state.grid = tuple(grid)
        for state.number, state.program in enumerate(itertools.product(*map(range, grid))):
            kernel(*given, **constants)
        return Traffic(state.loaded, state.stored)
