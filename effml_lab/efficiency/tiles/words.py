"""What of triton.language kernels use here, by the same names and arguments."""
from typing import Callable

import torch
from torch import Tensor

from .memory import Pointer, running
from .tile import Tile, TileError, Whole, known, lifted, numbers, plain, reducible


class constexpr:
    """Marks an argument that is known when the kernel is compiled."""


def wide(name: str) -> Callable:
    """A function of torch that takes numbers of 32 bits, as Triton's does."""
    def function(t) -> Tensor:
        if not isinstance(t, Tensor) or t.dtype not in (torch.float32, torch.float64):
            raise TileError(f"tl.{name} takes a tile in float32: .to(tl.float32) first")
        return getattr(torch, name)(t)
    return function


def reduced(name: str) -> Callable:
    """A reduction of a tile along an axis."""
    def function(tile: Tile, axis: int, keep_dims: bool = False) -> Tile:
        t = reducible(tile.data)
        return Tile(t.sum(axis, keep_dims, dtype=t.dtype) if name == "sum" else getattr(t, name)(axis, keep_dims))
    return function


def chosen(name: str) -> Callable:
    """The larger or the smaller of two, number by number."""
    def function(a, b):
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            return max(a, b) if name == "maximum" else min(a, b)
        return getattr(torch, name)(*torch.broadcast_tensors(*numbers(a, b)))
    return function


class tl:
    """What of triton.language kernels use here, by the same names and arguments."""
    constexpr, static_range = constexpr, range
    float16, bfloat16, float32, int8, uint8, int16, int32, int64 = (
        torch.float16, torch.bfloat16, torch.float32, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
    range = staticmethod(lambda *bounds, num_stages=None: range(*bounds))
    cdiv = staticmethod(lambda a, b: (a + (b - 1)) // b)
    exp, exp2, log, sqrt, floor, ceil = (staticmethod(lifted(wide(name)))
                                         for name in ("exp", "exp2", "log", "sqrt", "floor", "ceil"))
    abs, where = staticmethod(lifted(torch.abs)), staticmethod(lifted(torch.where))
    maximum, minimum = (staticmethod(lifted(chosen(name))) for name in ("maximum", "minimum"))
    max, min, sum = (staticmethod(reduced(name)) for name in ("amax", "amin", "sum"))
    trans = staticmethod(lambda tile: Tile(tile.data.T))

    @staticmethod
    def program_id(axis: int) -> Whole:
        return Whole(running.program[axis])

    @staticmethod
    def num_programs(axis: int) -> Whole:
        return Whole(running.grid[axis])

    @staticmethod
    def arange(start: int, end: int) -> Tile:
        known(start, end)
        return Tile(torch.arange(start, end, dtype=torch.int32))

    @staticmethod
    def zeros(shape, dtype: torch.dtype) -> Tile:
        return tl.full(shape, 0, dtype)

    @staticmethod
    def full(shape, value: float, dtype: torch.dtype) -> Tile:
        known(*shape)
        return Tile(torch.full(shape, value, dtype=dtype))

    @staticmethod
    def load(pointer: Pointer, mask=None, other=None) -> Tile:
        at, mask = pointer.places(mask)
        running.count(running.loaded, pointer, mask)
        running.read(pointer, at[mask])
        found = pointer.memory()[at]
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
    def dot(a: Tile, b: Tile, acc: Tile | None = None, input_precision: str | None = None,
            out_dtype: torch.dtype = torch.float32) -> Tile:
        whole = not a.dtype.is_floating_point
        multiplied(a, b, whole)
        made = (a.data.double() @ b.data.double()).to(torch.int32) if whole else a.data.float() @ b.data.float()
        if acc is None:
            return Tile(made.to(torch.int32 if whole else out_dtype))
        if acc.shape != tuple(made.shape):
            raise TileError(f"tl.dot of {a.shape} and {b.shape} adds to an acc of {tuple(made.shape)}, this one has {acc.shape}")
        wanted = torch.int32 if whole else out_dtype
        if acc.dtype != wanted or out_dtype != wanted:
            rule = "acc in int32, and out_dtype=tl.int32" if whole else "acc in float32, and no out_dtype"
            raise TileError(f"tl.dot of {a.dtype} takes {rule}; here acc has {acc.dtype}, and out_dtype is {out_dtype}")
        return Tile((acc.data + made).to(wanted))


def multiplied(a: Tile, b: Tile, whole: bool) -> None:
    """Refuse tiles that tensor cores do not multiply."""
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0] or min(*a.shape, *b.shape) < 16:
        raise TileError(f"tl.dot takes (M, K) and (K, N), each side at least 16, got {a.shape} and {b.shape}")
    if a.dtype != b.dtype or whole and a.dtype != torch.int8:
        raise TileError(f"tl.dot takes two tiles of one type, int8 or floats, got {a.dtype} and {b.dtype}")
    if whole and a.shape[1] < 32:
        raise TileError(f"tl.dot of int8 takes a K of at least 32, got {a.shape} and {b.shape}")
