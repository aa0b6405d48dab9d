"""What a program holds: tiles, and whole numbers that are known only at run time; with Triton's arithmetic.

Tiles meet with broadcasting, as tensors do. Whole numbers divide towards 0, 16-bit floats are divided in 32 bits, small numbers
are reduced in 32 bits. Whatever Triton would refuse is refused in a sentence that says what to write instead.
"""
import operator
from typing import Callable

import torch
from torch import Tensor


class TileError(Exception):
    """What a GPU would have done wrong, or Triton would have refused, in one sentence."""


TORCH = "torch does not run inside a kernel: use what tl offers (tl.arange, tl.exp, tl.dot, ...)"
INSTEAD = {"T": "tl.trans(tile)", "abs": "tl.abs(tile)", "max": "tl.max(tile, axis)", "amax": "tl.max(tile, axis)",
           "sum": "tl.sum(tile, axis)", "round": "tl.floor(tile + 0.5)", "float": ".to(tl.float32)", "exp": "tl.exp(tile)"}


class Foreign:
    """What a kernel holds is nothing that functions of torch take."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise TileError(TORCH)


class Tile(Foreign):
    """A block of numbers that one program holds; its sides are powers of two, or 1."""

    def __init__(self, data: Tensor):
        if any(side & (side - 1) for side in data.shape):
            raise TileError(f"a tile's sides are powers of two, got {tuple(data.shape)}: take whole tiles, and mask the rest")
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
        raise TileError(f"a tile has no .{name}: {INSTEAD.get(name, 'it knows operators, .to(dtype), .shape, .dtype')}")

    def __bool__(self) -> bool:
        raise TileError("a tile is many numbers, and Python's `and`, `if` and `max` take one: masks are (a) & (b), each "
                        "comparison in brackets; tl.maximum takes the larger of two tiles")

    def __round__(self, *digits):
        raise TileError("a tile is rounded by tl.floor(tile + 0.5)")

    def __matmul__(self, other):
        raise TileError("tiles are multiplied as matrices by tl.dot(a, b)")


def plain(value):
    """A tile's tensor, or the number itself."""
    if isinstance(value, Tensor):
        raise TileError(TORCH)
    return value.data if isinstance(value, Tile) else value


def numbers(*values) -> list[Tensor]:
    """Tensors and plain numbers as tensors, the plain ones in the type of the others."""
    dtype = next((value.dtype for value in values if isinstance(value, Tensor)), None)
    return [value if isinstance(value, Tensor) else torch.tensor(value, dtype=dtype) for value in values]


def lifted(op: Callable) -> Callable:
    """An operation on tensors and numbers as one on tiles and numbers."""
    def apply(*values):
        if any(isinstance(value, Foreign) and not isinstance(value, Tile) for value in values):
            return NotImplemented
        try:
            made = op(*map(plain, values))
        except (RuntimeError, TypeError) as error:
            raise TileError(unfit(values) or str(error).splitlines()[0]) from None
        return Tile(made) if isinstance(made, Tensor) else made
    return apply


def unfit(values) -> str:
    """That the sides of tiles do not go together, if that is so."""
    sides = [value.shape for value in values if isinstance(value, Tile)]
    try:
        torch.broadcast_shapes(*sides)
    except RuntimeError:
        told = " and ".join(map(str, sides))
        return f"these tiles do not fit: {told}; give them sides with [:, None] and [None, :], or multiply matrices by tl.dot"
    return ""


def widened(t):
    """16-bit floats are divided in 32 bits."""
    return t.float() if isinstance(t, Tensor) and t.dtype in (torch.float16, torch.bfloat16) else t


SAME = ("add", "sub", "mul", "lshift", "rshift", "lt", "le", "gt", "ge", "eq", "ne")
OPERATORS = {name: getattr(operator, name) for name in SAME} | {
    "and": operator.and_, "or": operator.or_, "xor": operator.xor, "truediv": lambda a, b: widened(a) / widened(b),
    "floordiv": lambda a, b: torch.div(*numbers(a, b), rounding_mode="trunc"), "mod": lambda a, b: torch.fmod(*numbers(a, b))}
for _name, _op in OPERATORS.items():
    setattr(Tile, f"__{_name}__", lifted(_op))
    setattr(Tile, f"__r{_name}__", lifted(lambda a, b, op=_op: op(b, a)))
Tile.__neg__, Tile.__invert__ = lifted(operator.neg), lifted(operator.invert)


class Whole(int):
    """A whole number that a kernel is told at run time, or computes of such: it divides towards 0."""


for _name in ("add", "sub", "mul", "neg", "abs", "lshift", "rshift", "and", "or", "xor", "radd", "rsub", "rmul", "rand", "ror",
              "rxor"):
    setattr(Whole, f"__{_name}__", lambda self, *other, op=getattr(int, f"__{_name}__"): Whole(made) if isinstance(
        made := op(self, *other), int) else made)
Whole.__floordiv__ = lambda self, by: Whole(abs(int(self)) // abs(int(by)) * (1 if (self < 0) == (by < 0) else -1)) if isinstance(
    by, int) else NotImplemented
Whole.__rfloordiv__ = lambda self, over: Whole(over) // self
Whole.__mod__ = lambda self, by: Whole(int(self) - int(self // by) * int(by)) if isinstance(by, int) else NotImplemented


def known(*sides) -> None:
    """Refuse sides of a tile that are known only at run time."""
    if any(isinstance(side, Whole) for side in sides):
        raise TileError("the sides of a tile are known when a kernel is compiled: take constants, as BLOCK: tl.constexpr")


def reducible(t: Tensor) -> Tensor:
    """Numbers as they are reduced: small ones in 32 bits."""
    return t.to(torch.int32) if t.dtype in (torch.bool, torch.int8, torch.uint8, torch.int16) else widened(t)
