"""Answers to 06-copy: right ones, and wrong ones with the causes that a report may name for them."""
from effml_lab.efficiency.tiles import tl

EXERCISE = "06-copy"


def copy(x, y, rows, cols, stride, BR: tl.constexpr, BC: tl.constexpr):
    r = tl.program_id(0) * BR + tl.arange(0, BR)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = (r[:, None] < rows) & (c[None, :] < cols)
    tile = tl.load(x + r[:, None] * stride + c[None, :], mask=inside)
    tl.store(y + r[:, None] * cols + c[None, :], tile, mask=inside)


def by_pointers(x, y, rows, cols, stride, BR: tl.constexpr, BC: tl.constexpr):
    r = tl.arange(0, BR)[:, None] + tl.program_id(0) * BR
    c = tl.arange(0, BC)[None, :] + BC * tl.program_id(1)
    from_x, to_y = x + r * stride + c, y + r * cols + c
    tl.store(to_y, tl.load(from_x, mask=(r < rows) & (c < cols), other=0.0), mask=(r < rows) & (c < cols))


def row_by_row(x, y, rows, cols, stride, BR: tl.constexpr, BC: tl.constexpr):
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    for i in range(BR):
        row = tl.program_id(0) * BR + i
        here = (c < cols) & (row < rows)
        tl.store(y + row * cols + c, tl.load(x + row * stride + c, mask=here), mask=here)


def copying(read="stride", wrote="cols", by_rows=True, by_cols=True, masked=(True, True), swap=False, factor=1, back=False,
            tile=None):
    def kernel(x, y, rows, cols, stride, BR, BC):
        first, second = (1, 0) if swap else (0, 1)
        r = tl.program_id(first) * (BR if tile is None else tile) + tl.arange(0, BR)
        c = tl.program_id(second) * BC + tl.arange(0, BC)
        inside = r[:, None] < rows if not by_cols else c[None, :] < cols if not by_rows else (r[:, None] < rows) & (c[None,
            :] < cols)
        apart = {"stride": stride, "cols": cols, "rows": rows}
        found = tl.load(x + r[:, None] * apart[read] + c[None, :], mask=inside if masked[0] else None, other=0.0)
        if back:
            tl.load(y + r[:, None] * cols + c[None, :], mask=inside)
        tl.store(y + r[:, None] * apart[wrote] + c[None, :], factor * found, mask=inside if masked[1] else None)
    return kernel


def no_place(x, y, rows, cols, stride, BR, BC):
    r, c = tl.arange(0, BR), tl.arange(0, BC)
    inside = (r[:, None] < rows) & (c[None, :] < cols)
    tl.store(y + r[:, None] * cols + c[None, :], tl.load(x + r[:, None] * stride + c[None, :], mask=inside), mask=inside)


def loaded_only(x, y, rows, cols, stride, BR, BC):
    r, c = tl.arange(0, BR), tl.arange(0, BC)
    tl.load(x + r[:, None] * stride + c[None, :], mask=(r[:, None] < rows) & (c[None, :] < cols))


def with_and(x, y, rows, cols, stride, BR, BC):
    r, c = tl.program_id(0) * BR + tl.arange(0, BR), tl.program_id(1) * BC + tl.arange(0, BC)
    inside = r[:, None] < rows and c[None, :] < cols
    tl.store(y + r[:, None] * cols + c[None, :], tl.load(x + r[:, None] * stride + c[None, :], mask=inside), mask=inside)


def flat(x, y, rows, cols, stride, BR, BC):
    i = tl.program_id(0) * BR + tl.arange(0, BR)
    tl.store(y + i, tl.load(x + i, mask=i < rows), mask=i < rows)


def programs_as_places(x, y, rows, cols, stride, BR, BC):
    r, c = tl.program_id(0) + tl.arange(0, BR), tl.program_id(1) + tl.arange(0, BC)
    inside = (r[:, None] < rows) & (c[None, :] < cols)
    tl.store(y + r[:, None] * cols + c[None, :], tl.load(x + r[:, None] * stride + c[None, :], mask=inside), mask=inside)


def number_by_number(x, y, rows, cols, stride, BR, BC):
    for i in range(BR):
        for j in range(BC):
            r, c = tl.program_id(0) * BR + i, tl.program_id(1) * BC + j
            if r < rows and c < cols:
                tl.store(y + r * cols + c, tl.load(x + r * stride + c))


def first_alone(x, y, rows, cols, stride, BR, BC):
    if tl.program_id(0) + tl.program_id(1) == 0:
        for start in range(0, rows, BR):
            for left in range(0, cols, BC):
                r, c = start + tl.arange(0, BR)[:, None], left + tl.arange(0, BC)[None, :]
                inside = (r < rows) & (c < cols)
                tl.store(y + r * cols + c, tl.load(x + r * stride + c, mask=inside), mask=inside)


def clamped(x, y, rows, cols, stride, BR, BC):
    r = tl.minimum(tl.program_id(0) * BR + tl.arange(0, BR), rows - 1)[:, None]
    c = tl.minimum(tl.program_id(1) * BC + tl.arange(0, BC), cols - 1)[None, :]
    tl.store(y + r * cols + c, tl.load(x + r * stride + c))


def in_a_line(x, y, rows, cols, stride, BR: tl.constexpr, BC: tl.constexpr):
    i = tl.arange(0, BR * BC)
    r, c = tl.program_id(0) * BR + i // BC, tl.program_id(1) * BC + i % BC
    inside = (r < rows) & (c < cols)
    tl.store(y + r * cols + c, tl.load(x + r * stride + c, mask=inside), mask=inside)


RIGHT = [copy, by_pointers, row_by_row, in_a_line]
WRONG = [
    (copying(read="cols"), ["not `cols`"]), (copying(read="rows"), []), (copying(wrote="stride"), []),
    (copying(by_cols=False), []), (copying(by_rows=False), []), (copying(masked=(False, True)), []),
    (copying(masked=(True, False)), []), (copying(swap=True), ["program_id(0) counts"]),
    (copying(factor=2), ["twice the value"]), (copying(back=True), ["y was read"]), (copying(tile=1), []), (no_place, []),
    (loaded_only, []), (with_and, []), (flat, ["never"]), (programs_as_places, []), (copying(factor=0), []),
    (copying(read="cols", wrote="stride"), []), (number_by_number, []), (first_alone, []),
    (clamped, ["written inside it again"])]
