"""How kernels are run to be judged: program by program, on outputs that were poisoned before, every byte counted."""
from typing import Callable

import torch
from torch import Generator, Tensor

from ....efficiency.tiles import launch
from ...contract.exercise import Property

POISON = {torch.float32: torch.nan, torch.float16: torch.nan, torch.int8: 77, torch.int32: -7_777_777}
STORED = "the kernel stores its results"


def drawn(rng: Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)


def codes(rng: Generator, *shape: int, most: int = 127) -> Tensor:
    """Whole numbers from -most to most, int8, both ends among them."""
    q = torch.randint(-most, most + 1, shape, generator=rng, dtype=torch.int8)
    q.view(-1)[:2] = torch.tensor([-most, most])
    return q


def tiles(sides: tuple[int, ...], tile: tuple[int, ...]) -> tuple[int, ...]:
    """How many tiles cover each side."""
    return tuple(-(-side // part) for side, part in zip(sides, tile))


def ran(kernel: Callable, grid: tuple[int, ...], inputs: dict[str, Tensor], outputs: dict[str, tuple], *numbers,
        **constants) -> dict:
    """What a kernel stores: name -> tensor; and `moved`, the bytes it loaded or stored of each argument, by our names.

    outputs: name -> (dtype, *shape). The kernel is given inputs, outputs, numbers in this order.
    """
    made = {name: torch.full(shape, POISON[dtype], dtype=dtype) for name, (dtype, *shape) in outputs.items()}
    given = {**inputs, **made}
    traffic = launch(kernel, grid, *given.values(), *numbers, **constants)
    theirs = kernel.__code__.co_varnames
    bytes_of = lambda book: {ours: book.get(name, 0) for ours, name in zip(given, theirs)}
    return made | {"moved": {"loaded": bytes_of(traffic.loaded), "stored": bytes_of(traffic.stored)}}


def stored(*made: Tensor) -> Property:
    """The gate: something was stored in each output, and not zeros alone."""
    for t in made:
        poison = POISON[t.dtype]
        kept = t.isnan() if t.is_floating_point() else t == poison
        if t.numel() and bool(kept.all()):
            return Property(STORED, False, "an output in which nothing was stored, or NaN alone", "numbers in every output")
        if t.numel() and not t.any():
            return Property(STORED, False, "an output of zeros alone", "numbers in every output")
    return Property(STORED, True, "as expected")


def traffic(name: str, moved: int, least: int, most: float, causes: dict[str, int] = {}) -> Property:
    """Bytes moved, at most so many times the least that is possible. causes: what else was moved -> bytes in all, with it."""
    told = f"{moved / least:.2f} times the least, {moved:,} bytes"
    passed = moved <= most * least + 0.5
    return Property(name, passed, told, f"at most {most:.2f} times {least:,} bytes",
                    () if passed else tuple(said for said, number in causes.items() if number == moved))


def never_written(got: Tensor) -> bool:
    """Whether places of an output were left as they were."""
    return bool(got.isnan().any() if got.is_floating_point() else (got == POISON[got.dtype]).any())
