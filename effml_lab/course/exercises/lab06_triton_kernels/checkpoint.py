"""Lab 06: gradient checkpointing (Chen et al. 2016): nothing between is kept on the way forth, and made again on the way back."""
import warnings

import torch
from torch import nn

from ...contract.exercise import Exercise, Property, close, same_form
from ..common import integer
from .bed import drawn

FORM, INPUT, WEIGHTS, ONCE = ("a gradient shaped like x", "the gradient of x", "the gradients of the block's weights",
                              "the block is called once, and x stays as it was")
UNREACHED = "the weights got no gradient: torch.autograd.backward(y, grad) reaches them, autograd.grad(y, x, ...) does not"


class Block(nn.Module):
    """A small block: two layers and a way around them; it counts its calls."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b, self.calls = nn.Parameter(a.clone()), nn.Parameter(b.clone()), 0

    def forward(self, x):
        self.calls += 1
        return x + torch.tanh(x @ self.a.T) @ self.b.T


def cases(rng):
    out = []
    for rows, wide, inner in ((3, 5, 7), (1, 4, 4), (integer(rng, 2, 6), 6, 9)):
        out.append({"x": drawn(rng, rows, wide), "grad": drawn(rng, rows, wide), "a": drawn(rng, inner, wide),
                    "b": drawn(rng, wide, inner), "before": drawn(rng, inner, wide)})
    return out


def run(impl, case):
    block, source = Block(case["a"], case["b"]), case["x"].clone().requires_grad_()
    block.a.grad = case["before"].clone()               # somebody else has been here: gradients add up
    x = source * 1                                      # as a block's input: it asks for gradients, and was made of something
    with torch.no_grad(), warnings.catch_warnings():    # as in a backward
        warnings.simplefilter("ignore")                 # of x.grad of such a tensor
        to_x = impl(block, x, case["grad"])
    told = lambda t: torch.zeros(0) if t is None else t
    return {"x": to_x, "a": told(block.a.grad), "b": told(block.b.grad), "calls": block.calls,
            "same": bool(torch.equal(x, case["x"])), "ran on": source.grad is not None}


def verify(case, out):
    x, grad, a, b = (case[key].double() for key in ("x", "grad", "a", "b"))
    h = torch.tanh(x @ a.T)
    inner = (grad @ b) * (1 - h * h)                                # of the first layer's sums
    want, to_a, to_b = grad + inner @ a, inner.T @ x, grad.T @ h
    gate = same_form(FORM, out["x"], case["x"])
    if not gate.passed and not gate.readable:
        none = "nothing (None): is `return` missing? Or is it .grad of x itself, which was made of something: x.detach() first"
        return [gate._replace(observed=none) if out["x"] is None else gate]
    y = x + h @ b.T
    row = close(INPUT, out["x"], want, {
        "this is the block's output: its gradient is asked for": lambda: y, "this is the gradient that came in": lambda: grad,
        "the gradient of the sum of the outputs: hand `grad` to backward": lambda: (
            torch.ones_like(grad) + (torch.ones_like(grad) @ b * (1 - h * h)) @ a),
        "the gradient that came in times the output": lambda: grad * y}, 1e-4)
    before = case["before"].double()
    first = close(WEIGHTS, out["a"], before + to_a, {
        "gradients that were there before are overwritten: they add up": lambda: to_a,
        UNREACHED: lambda: before,
        "the gradient of the sum of the outputs: hand `grad` to backward": lambda: before + (
            (torch.ones_like(grad) @ b) * (1 - h * h)).T @ x,
        "added twice": lambda: before + 2 * to_a}, 1e-4)
    second = close(WEIGHTS, out["b"], to_b, {
        "the gradient of the sum of the outputs: hand `grad` to backward": lambda: torch.ones_like(grad).T @ h,
        "added twice": lambda: 2 * to_b}, 1e-4)
    if out["b"].numel() == 0:
        second = Property(WEIGHTS, False, "none", "a gradient for each weight", (UNREACHED,))
    once = Property(ONCE, out["calls"] == 1 and out["same"] and not out["ran on"], f"{out['calls']} calls", "1 call", (
        "gradients ran on, through x to what it was made of: take x.detach() first",) if out["ran on"] else (
        "twice is the work of two: once, with gradients enabled, is enough",) if out["calls"] > 1 else (
        "the block was never called: what was not kept has to be made again",) if out["calls"] == 0 else ())
    return [gate, row, first if not first.passed else second, once]


EXERCISES = (Exercise("06-checkpoint", "Made again on the way back", {FORM: 0, INPUT: 2, WEIGHTS: 2, ONCE: 1}, cases, run,
                      verify),)
