"""How kernels are run to be judged: program by program, on outputs that were poisoned before, every byte counted."""
from typing import Callable

import torch
from torch import Generator, Tensor

from ....efficiency.tiles import launch
from ...contract.exercise import Property, close
from .style import in_tiles, noted

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
    with noted() as (calls, writers):
        traffic = launch(kernel, grid, *given.values(), *numbers, **constants)
    theirs = kernel.__code__.co_varnames[:len(given)]
    in_tiles(dict(zip(theirs, given.values())), theirs[len(inputs):], grid, traffic, calls, writers)
    bytes_of = lambda book: {ours: book.get(name, 0) for ours, name in zip(given, theirs)}
    return made | {"moved": {"loaded": bytes_of(traffic.loaded), "stored": bytes_of(traffic.stored)}}


def stored(made: dict[str, Tensor], moved: dict) -> Property:
    """The gate: something was stored in each output, and not zeros alone in all of them."""
    for name, t in made.items():
        if t.numel() and not moved["stored"][name]:
            return Property(STORED, False, f"`{name}`: nothing was stored", "numbers in every output", readable=False)
    if not any(bool(t.any()) for t in made.values()):
        return Property(STORED, False, "zeros alone", "numbers in every output")
    return Property(STORED, True, "as expected")


def lost(row: Property, got: Tensor, why: str = "is `other` missing where a mask keeps something out?") -> Property:
    """A failing row; where NaN was seen, with what may have brought it."""
    return row if row.passed or row.causes or not got.isnan().any() else row._replace(observed=f"NaN: {why}")


def traffic(name: str, moved: int, least: int, most: float, causes: dict[str, int] = {}) -> Property:
    """Bytes moved: the least that is possible, or up to so many times as many. causes: what else was moved -> bytes with it."""
    told = f"{moved / least:.2f} times the least, {moved:,} bytes"
    passed = least - 0.5 <= moved <= most * least + 0.5
    return Property(name, passed, told, f"{least:,} bytes" + (f" to {most:g} times as many" if most > 1 else ""),
                    () if passed else tuple(said for said, number in causes.items() if number == moved))


def scale_slips(most: Tensor, greatest: Tensor, bits: int, of: str, rows: int) -> dict[str, Callable]:
    """What goes wrong with scales of the largest |x| of each row or group; greatest: the largest x; rows: of a program."""
    top, other = 2 ** (bits - 1) - 1, 12 - bits
    return {
        f"the largest |x| of the {of} is not divided by {top} yet": lambda: most,
        f"upside down: a code counts max |x| / {top}": lambda: top / most,
        f"divided by {top + 1}: the largest code is {top}": lambda: most / (top + 1),
        f"divided by {2 ** (other - 1) - 1}, the largest code of {other} bits: these have {bits}": lambda: most / (
            2 ** (other - 1) - 1),
        f"divided by {2 * top + 1}, all steps: half of them lie below 0": lambda: most / (2 * top + 1),
        "the greatest number, not the greatest |x|: tl.abs first": lambda: greatest / top,
        "one scale for all rows of the tile: each row has its own": lambda: torch.cat([
            part.amax(0, keepdim=True).expand_as(part) for part in most.split(rows)]) / top}


def shortened(left: Tensor, right: Tensor, of: str) -> dict[str, Callable]:
    """left right^T of numbers that were rounded to 16 bits before: cause -> value; of: what the two are."""
    return {f"{of} are rounded to {said} here: multiply them as they are": lambda dtype=dtype: (
        left.to(dtype).double() @ right.to(dtype).double().T)
        for said, dtype in {"16 bits": torch.float16, "bfloat16, 16 bits,": torch.bfloat16}.items()}


def never_written(out: dict, name: str) -> bool:
    """Whether places of an output were left as they were."""
    return out["moved"]["stored"][name] < out[name].numel() * out[name].element_size()


def coded(name: str, x: Tensor, out: dict, each: Tensor, most: int, more: dict = {}) -> Property:
    """The codes of an answer, beside somebody's own scales, `each` as wide as x; a tie may go either way. more: other slips."""
    q, ratio = out["codes"], (x / each).double()
    if not ratio.isfinite().all():
        return Property(name, False, "a scale is 0, infinite or NaN", "whole numbers")
    got, exact = q.double(), ratio.clamp(-most, most)
    if any(bool(((got - wanted).abs() <= 0.5 + 1e-3).all()) for wanted in (exact, ratio)):
        return Property(name, True, "as expected")
    wrapped = lambda value: value.to(torch.int64).to(torch.int8).double()
    return close(name, got, exact.round() + 0.0, more | {
        "cut off: `.to(tl.int8)` drops what is behind the point; round first": lambda: wrapped(ratio.trunc()),
        "rounded down: add a half before tl.floor": lambda: wrapped(ratio.floor()),
        "rounded up: the nearest is asked for": lambda: wrapped(ratio.ceil()),
        "a half too much below 0: tl.floor(v + 0.5) rounds there, too; `.to(tl.int8)` alone cuts towards 0": lambda: wrapped(
            (ratio + 0.5).trunc()),
        "x is multiplied by its scale: divide": lambda: wrapped(torch.floor(x.double() * each.double() + 0.5)),
        "x itself, and no scale": lambda: wrapped(torch.floor(x.double() + 0.5)),
        "codes of some places were never written": lambda: torch.where(q == 77, 77.0, exact.round())
        if never_written(out, "codes") else exact}, 1e-6)
