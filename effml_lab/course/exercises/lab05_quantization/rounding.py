"""Lab 05: numbers as whole codes with a scale a group (the symmetric grid of Jacob et al. 2018; groups as in SVDQuant)."""
import torch
from torch import Tensor

from ....efficiency import quant
from ...contract.exercise import Exercise, Property, close, known, near
from ..common import several, tol
from .bed import codes, drawn, formed, shape

FORM, SCALE, CODES = "codes as x, one scale a group", "the scale of each group", "the codes, with your own scales"
WHOLE, SHAPES = "the codes are int8", ((3, 32, 8, 4), (1, 16, 16, 8), (5, 24, 4, 3), (4, 16, 2, 4))     # rows, K, group, bits


def cases(rng):
    out = []
    for k, (rows, width, group, bits) in enumerate(SHAPES):
        x = drawn(rng, rows, width, dtype=(torch.float32, torch.float64)[k % 2])
        x = x * torch.exp(drawn(rng, rows, width // group).to(x)).repeat_interleave(group, 1)
        x[0, -1] = 0                                                            # one zero is not yet a group of them
        if rows > 1:                                                            # nor is a group that adds up to 0
            x[2, -group:] = 0.1 * x[2, -1] * torch.tensor([1, -1]).repeat(group // 2)
        x = torch.where(x.abs() == x.abs().amax(), -x.abs(), x)                 # the largest number is below 0
        if rows > 1:
            x[1, :group] = 0                                                    # a group of zeros
            x[2, :group] *= 1e-5                                                # faint is not zero
        out.append({"x": x, "bits": bits, "group": group})
    return out


def run(impl, case):
    return dict(zip(("q", "scale"), several(impl(case["x"], case["bits"], case["group"]), "q, scale")))


def slips(x: Tensor, bits: int, group: int, got: Tensor) -> dict:
    part, top = x.unflatten(1, (-1, group)), 2 ** (bits - 1) - 1
    most = part.abs().amax(2)
    set_right = lambda scale: torch.where(scale == 0, 1.0, scale)
    over = lambda scale, by: lambda: set_right(scale / torch.tensor(float(by)).to(scale))
    strided = lambda: set_right(x.unflatten(1, (group, -1)).abs().amax(1) / top)
    return {
        "divided by 2^(bits - 1): the largest code is one less": over(most, top + 1),
        "divided by 2^bits - 1, all steps: half of them lie below 0": over(most, 2 * top + 1),
        "divided by 2^bits: half of the codes lie below 0": over(most, 2 * top + 2),
        "from the least to the greatest number over all steps: the grid is symmetric, and reaches |x|": over(
            part.amax(2) - part.amin(2), 2 * top + 1),
        "from the least to the greatest number over the steps of a symmetric grid: it reaches |x|": over(
            part.amax(2) - part.amin(2), 2 * top),
        "the greatest number, not the greatest |x|: take abs() first": over(part.amax(2), top),
        "the greatest |x| is not divided by the largest code, 2^(bits - 1) - 1": over(most, 1),
        "upside down: a code counts max |x| / top": lambda: torch.where(most == 0, 1.0, top / most),
        "divided by 2 ** (bits - 2): the largest code is 2 ** (bits - 1) - 1": over(most, 2 ** (bits - 2)),
        "^ is the exclusive or of whole numbers in Python: a power is **": over(most, (2 ^ (bits - 1)) - 1),
        "divided by 7, the largest code of 4 bits, whatever `bits` is": over(most, 7),
        "upside down, and infinite for a group of zeros: a code counts max |x| / top": lambda: top / most,
        "a group of zeros gets 1 / top here: its scale itself is 1": lambda: torch.where(most == 0, 1.0, most) / top,
        "one scale a row: each group has its own": over(x.abs().amax(1, keepdim=True).expand_as(most), top),
        "one scale for all of x: each group has its own": over(x.abs().max().expand_as(most), top),
        "the mean of |x|: the largest is what the largest code stands for": over(part.abs().mean(2), top),
        "groups are every so many-th number: they are neighbours, unflatten(1, (-1, group))": strided,
        "a group of zeros has the scale 0 here: take 1": lambda: most / top,
        "a group of zeros has next to no scale here: take 1": lambda: (most / top).clamp(min=1e-8),
        "a small number is added to every scale: only that of a group of zeros is 1": lambda: most / top + 1e-8,
        "rounded to 16 bits: the scales stay in the type of x": lambda: set_right((most / top).half().to(x)),
        "1 is the scale of groups that are not all 0, too": lambda: torch.where(got == 1, 1.0, set_right(most / top))}


def verify(case, out):
    x, bits, group = case["x"], case["bits"], case["group"]
    want, scale = codes(x, bits, group)
    q, got = out["q"], out["scale"]
    form = formed(FORM, {"q": (q, tuple(x.shape)), "scale": (got, tuple(scale.shape))}, {
        "the codes are still in groups: flatten(1)": shape(q) == (*scale.shape, group),
        "the scales keep an axis of 1: amax(2), without keepdim, or scale[..., 0]": shape(got) == (*scale.shape, 1),
        "squeeze() takes off every axis of 1, that of a single row, too: squeeze(-1)": tuple(scale.shape) != shape(got) == shape(
            scale.squeeze()),
        "`group` is the size of a group, not their number": shape(got) == (len(x), group) and group != scale.shape[1],
        "the two are exchanged: (q, scale)": shape(got) == tuple(x.shape) and shape(q) == tuple(scale.shape),
        "a scale for each number: one for each group is asked for": shape(got) == tuple(x.shape) == shape(q)})
    if not form.readable:
        return [form]
    right = close(SCALE, got, scale, slips(x, bits, group, got), tol(x.dtype))
    if got.dtype != x.dtype:
        right = Property(SCALE, False, str(got.dtype).replace("torch.", ""), str(x.dtype).replace("torch.", ""), (
            "the scales are of another type than x",))
    kinds = {torch.float32: "these are floating-point numbers: `.to(torch.int8)`, after rounding",
             torch.float64: "these are floating-point numbers: `.to(torch.int8)`, after rounding",
             torch.uint8: "uint8 has no numbers below 0: int8", torch.int64: "int64 takes eight bytes a code: int8",
             torch.int32: "int32 takes four bytes a code: int8"}
    whole = Property(WHOLE, q.dtype == torch.int8, str(q.dtype).replace("torch.", ""), "int8", known(kinds, q.dtype)
                     if q.dtype != torch.int8 else ())
    return [form, right, coded(x, q, got, want, bits, group), whole]


def coded(x: Tensor, q: Tensor, scale: Tensor, want: Tensor, bits: int, group: int) -> Property:
    """Codes that follow from somebody's own scales, clipped or not, or those that are right."""
    top, each = 2 ** (bits - 1) - 1, torch.where(scale == 0, 1.0, scale).to(x.dtype).repeat_interleave(group, 1)
    if not scale.isfinite().all() or not q.isfinite().all():
        zero = bool((scale == 0).any())
        return Property(CODES, False, "a scale or a code is NaN or infinite", "whole numbers", (
            "a group of zeros was divided by its scale, 0",) if zero else ())
    ratio = (x / each).double()                 # in the type of x, as an answer has it: cut off, 6.9999 is another code than 7
    exact, each, got = ratio.clamp(-top, top), each.double(), q.double()
    laid = x.double() / torch.where(scale == 0, 1.0, scale).double().repeat(1, group)
    turns = {"the scales of a row are taken in turn, number by number: each belongs to `group` neighbours": lambda: torch.where(
        laid.abs() <= top, laid.round(), got)} if scale.shape[1] > 1 else {}
    fits = lambda wanted: bool(((got - wanted).abs() <= 0.5 + 1e-3).all())
    if near(got, got.round(), 0) and (fits(exact) or fits(ratio) or near(got, want.double(), 0)):
        return Property(CODES, True, "as expected")
    return close(CODES, got, exact.round() + 0.0, turns | {
        "cut off, not rounded: round() first, and then `.to(torch.int8)`": lambda: ratio.trunc(),
        "rounded down: the nearest is asked for": lambda: ratio.floor(),
        "rounded up: the nearest is asked for": lambda: ratio.ceil(),
        "rounded once more, by 0.5 and down: round() is enough": lambda: (ratio + 0.5).round(),
        "0.5 is added and the rest cut off, which rounds numbers below 0 wrongly: round()": lambda: (ratio + 0.5).trunc(),
        "these are not codes yet: round()": lambda: exact,
        "these are the numbers that the codes stand for: codes are asked for": lambda: exact.round() * each,
        "x is multiplied by its scale: divide": lambda: (x.double() * each).round(),
        "the codes are clipped one step further below 0 than above: -top to top": lambda: ratio.round().clamp(-top - 1, top),
        "the codes are clipped to those of 4 bits, whatever `bits` is": lambda: ratio.round().clamp(-7, 7),
        "codes from 0 on: the grid is symmetric, and half of them lie below 0": lambda: exact.round() + top,
        "codes below 0 are lost": lambda: exact.round().clamp(min=0)}, 1e-6)


EXERCISES = (Exercise("05-quantize", "Codes and scales", {FORM: 0, SCALE: 2, CODES: 2, WHOLE: 0.5}, cases, run, verify,
                      own=(quant.quantize, quant.fit, quant.rounded)),)
