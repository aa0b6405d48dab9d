"""What runs here program by program, and is no kernel: single numbers, lists of tiles, one program that does it all.

Triton compiles no list that grows, a program has no room for one, and a GPU moves a number alone as slowly as a tile.
"""
import math
import sys
from collections import Counter
from contextlib import contextmanager
from typing import Iterator

from torch import Tensor

from ....efficiency.tiles import TileError, Traffic
from ....efficiency.tiles.memory import running
from ....efficiency.tiles.tile import Tile
from ...contract.exercise import Unanswered

WIDE = 16       # columns of a matrix from which on its numbers are expected in tiles


@contextmanager
def noted() -> Iterator[tuple[Counter, set]]:
    """How often each argument is loaded or stored in the launches within, and which programs store; lists of tiles refused."""
    calls, writers, count = Counter(), set(), running.count

    def also(book, pointer, mask):
        calls[pointer.name] += 1
        if book is running.stored:
            writers.add(running.number)
            unlisted(sys._getframe(2).f_locals)          # of whoever called tl.store
        count(book, pointer, mask)
    running.count = also
    try:
        yield calls, writers
    finally:
        del running.count


def unlisted(values: dict) -> None:
    """Refuse a list, dict or tuple that collects tiles among a kernel's variables."""
    for name, value in values.items():
        held = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        many = sum(isinstance(part, Tile) for each in held for part in (each if isinstance(each, tuple) else (each,)))
        if many > (4 if isinstance(value, tuple) else 2):
            raise TileError(f"`{name}` is a Python {type(value).__name__} of {many} tiles: Triton compiles none that grows, and "
                            "a program has no room for it; keep what has to be known in one tile, and load the rest again")


def in_tiles(given: dict[str, Tensor], outputs: tuple[str, ...], grid: tuple[int, ...], moved: Traffic, calls: Counter,
             writers: set) -> None:
    """Refuse a kernel that moves numbers one by one, or with one program that does the work of all. given: by its own names."""
    for name, t in given.items():
        numbers = (moved.loaded.get(name, 0) + moved.stored.get(name, 0)) // t.element_size()
        if t.ndim == 2 and t.shape[1] >= WIDE and calls[name] >= numbers > 1:
            raise Unanswered(f"`{name}` is moved one number at a time, in {calls[name]} loads or stores: a kernel moves tiles; "
                             "tl.arange makes many places at once.")
    whole = all(moved.stored.get(name, 0) >= given[name].numel() * given[name].element_size() for name in outputs)
    if whole and len(writers) == 1 < math.prod(grid):
        raise Unanswered(f"One of {math.prod(grid)} programs does the work of all: each makes the tile with its own number, "
                         "tl.program_id.")
