"""Lab 05: which input channel's rounding costs most of a layer's error."""
import torch

from ...contract.exercise import Exercise, Property, close, near, same_form
from ..common import tol
from .bed import layers, rounded

FORM, VALUE, SUM = "one share a channel", "the share of each channel in the squared error", "the shares add up to 1"


def cases(rng):
    return [{"x": case["x"], "told": rounded(case["x"]), "w": case["w"]} for case in layers(rng)]


def run(impl, case):
    return impl(case["x"], case["told"], case["w"])


def verify(case, out):
    x, told, w = (case[key] for key in ("x", "told", "w"))
    off, square = x - told, lambda t: t.square().sum(0)
    share = lambda e: e / e.sum()
    right = share(square(off) * square(w))
    if isinstance(out, torch.Tensor) and out.is_floating_point():
        out = out.to(right.dtype)
    form = same_form(FORM, out, right)
    if not form.readable:
        shape = tuple(getattr(out, "shape", ()))
        causes = {
            "this is one number a row: sum over the rows (dimension 0), a number a channel is asked for": shape == (len(x),),
            "this is one number an output: sum over the outputs, a number a channel is asked for": shape == (len(w),),
            "nothing is summed over the rows": shape == tuple(x.shape),
            "nothing is summed over the outputs": shape == tuple(w.shape),
            "an axis too many: (K,), without keepdim": shape == (1, len(right)),
            "this is one number for all: a number a channel is asked for": shape == () and hasattr(out, "shape")}
        holds = tuple(said for said, is_so in causes.items() if is_so)
        return [form._replace(causes=holds if len(x) != len(w) or len(holds) == 1 else ())]
    value = close(VALUE, out, right, {
        "what is rounded is not squared": lambda: share(off.abs().sum(0) * square(w)),
        "the errors are summed before they are squared: they cancel": lambda: share(off.sum(0) ** 2 * square(w)),
        "the weights are summed before they are squared": lambda: share(square(off) * w.sum(0) ** 2),
        "errors and weights are summed before they are squared": lambda: share(off.sum(0) ** 2 * w.sum(0) ** 2),
        "the length of the weights, not its square": lambda: share(square(off) * w.norm(dim=0)),
        "the length of the errors, not its square": lambda: share(off.norm(dim=0) * square(w)),
        "a sum: an error is multiplied by the weights": lambda: share(square(off) + square(w)),
        "the weights are not squared": lambda: share(square(off) * w.abs().sum(0)),
        "neither errors nor weights are squared": lambda: share(off.abs().sum(0) * w.abs().sum(0)),
        "the weights are missing: an error counts as much as what it is multiplied by": lambda: share(square(off)),
        "the error is missing: this is how loud the channel is": lambda: share(square(x) * square(w)),
        "the rounded inputs, not how far they are off": lambda: share(square(told) * square(w)),
        "the error over the channel's own size: the output sees the error as it is": lambda: share(
            square(off) / square(x).clamp(min=1e-30) * square(w)),
        "the root of the squares: shares of the squared error are asked for": lambda: share((square(off) * square(w)).sqrt()),
        "the largest error of the channel, where all rows count": lambda: share(off.abs().amax(0) ** 2 * square(w)),
        "the largest weight of the channel, where all outputs count": lambda: share(square(off) * w.abs().amax(0) ** 2),
        "a variance of the errors takes their mean off first: squares are added up": lambda: share(
            square(off - off.mean(0)) * square(w)),
        "a variance of the weights takes their mean off first: squares are added up": lambda: share(
            square(off) * square(w - w.mean(0))),
        "squares are subtracted: a difference is squared": lambda: share((square(x) - square(told)) * square(w)),
        "a softmax: divide by the sum": lambda: torch.softmax(square(off) * square(w), 0),
        "divided by the largest: shares add up to 1": lambda: square(off) * square(w) / (square(off) * square(w)).max(),
        "in percent: shares add up to 1": lambda: 100 * right,
        "divided by the number of channels: by their sum": lambda: square(off) * square(w) / len(right),
        "not divided by the sum: shares are asked for": lambda: square(off) * square(w),
        "means, not divided by their sum: shares are asked for": lambda: off.square().mean(0) * w.square().mean(0)},
        tol(x.dtype))
    if not value.passed and not value.causes and near(out.double(), right.double() * out.double().sum(), tol(x.dtype)):
        value = value._replace(causes=("in proportion all is right, but the sum is not 1: divide by it, and by nothing else",))
    return [form, value, Property(SUM, abs(out.sum().item() - 1) < 1e-3, f"{out.sum().item():.4g}", "1")]


EXERCISES = (Exercise("05-channel", "Whose rounding costs most", {FORM: 0, VALUE: 2, SUM: 0.5}, cases, run, verify),)
