"""Lab 06: gradient checkpointing (Chen et al. 2016): nothing between is kept on the way forth, and made again on the way back."""
import warnings

import torch
from torch import nn

from ...contract.exercise import Exercise, Property, close, same_form
from ..common import integer
from .bed import drawn

FORM, INPUT, WEIGHTS, ONCE = ("a gradient shaped like x", "the gradient of x", "the gradients of the block's weights",
                              "the block is called once, and all else stays as it was")
UNREACHED = "the weights got no gradient: torch.autograd.backward(y, grad) reaches them, autograd.grad(y, x, ...) does not"


class Block(nn.Module):
    """A small block: two layers and a way around them; it notes in which mode it is called."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b, self.modes = nn.Parameter(a.clone()), nn.Parameter(b.clone()), []

    def forward(self, x):
        self.modes.append(self.training)
        return x + torch.tanh(x @ self.a.T) @ self.b.T


def cases(rng):
    out = []
    for trains, (rows, wide, inner) in enumerate(((3, 5, 7), (1, 4, 4), (integer(rng, 2, 6), 6, 9))):
        out.append({"x": drawn(rng, rows, wide), "grad": drawn(rng, rows, wide), "a": drawn(rng, inner, wide),
                    "b": drawn(rng, wide, inner), "before": drawn(rng, inner, wide), "training": trains != 1})
    return out


def run(impl, case):
    block, source = Block(case["a"], case["b"]).train(case["training"]), case["x"].clone().requires_grad_()
    block.a.grad = case["before"].clone()               # somebody else has been here: gradients add up
    x = source * 1                                      # as a block's input: it asks for gradients, and was made of something
    with torch.no_grad(), warnings.catch_warnings():    # as in a backward
        warnings.simplefilter("ignore")                 # of x.grad of such a tensor
        to_x = impl(block, x, case["grad"])
        switched = torch.is_grad_enabled()
    told = lambda t: torch.zeros(0) if t is None else t
    found = [t for t in (to_x, block.a.grad, block.b.grad) if isinstance(t, torch.Tensor)]
    return {"x": to_x, "a": told(block.a.grad), "b": told(block.b.grad), "calls": len(block.modes),
            "ran on": source.grad is not None,
            "same": bool(torch.equal(x, case["x"])) and x.grad_fn is not None, "switched": switched,
            "mode": all(mode == case["training"] for mode in (*block.modes, block.training)),
            "frozen": not all(weight.requires_grad for weight in block.parameters()),
            "graph": any(t.requires_grad for t in found)}


def kept(out):
    """Whether the block was called once and all else is as it was."""
    wrong = {
        "gradients ran on, through x to what it was made of: take x.detach() first": out["ran on"],
        "twice is the work of two: once, with gradients enabled, is enough": out["calls"] > 1,
        "the block was never called: what was not kept has to be made again": out["calls"] == 0,
        "gradients are left switched on: `with torch.enable_grad():` ends by itself": out["switched"],
        "the block's mode was changed (eval or train): call it as it is": not out["mode"],
        "the weights ask for no gradients any more: leave them as they are": out["frozen"],
        "x itself was changed: take a copy, x.detach()": not out["same"],
        "gradients carry a graph of their own, which is kept for nothing: no create_graph": out["graph"]}
    seen = [said for said, holds in wrong.items() if holds]
    told = f"{out['calls']} calls" if out["calls"] != 1 else "1 call, and something changed" if seen else "1 call"
    return Property(ONCE, not seen, told, "1 call, and nothing else changed", tuple(seen[:1]))


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
        "the gradient that came in times the output": lambda: grad * y,
        "of the mean: grad times the output is summed up": lambda: want / grad.numel(),
        "divided by the number of rows: grad is handed on as it is": lambda: want / len(grad),
        "grad is added once more: the block's gradient alone is asked for": lambda: want + grad}, 1e-4)
    before, unreached = case["before"].double(), (UNREACHED,) if out["calls"] and not out["frozen"] else ()
    first = close(WEIGHTS, out["a"], before + to_a, {
        "gradients that were there before are overwritten: they add up": lambda: to_a,
        **{said: lambda: before for said in unreached},
        "what was there before is added twice: backward adds to .grad by itself": lambda: 2 * before + to_a,
        "the gradient of the sum of the outputs: hand `grad` to backward": lambda: before + (
            (torch.ones_like(grad) @ b) * (1 - h * h)).T @ x,
        "added twice": lambda: before + 2 * to_a}, 1e-4)
    second = close(WEIGHTS, out["b"], to_b, {
        "the gradient of the sum of the outputs: hand `grad` to backward": lambda: torch.ones_like(grad).T @ h,
        "added twice": lambda: 2 * to_b}, 1e-4)
    if out["b"].numel() == 0:
        second = Property(WEIGHTS, False, "none", "a gradient for each weight", unreached)
    return [gate, row, first if not first.passed else second, kept(out)]


EXERCISES = (Exercise("06-checkpoint", "Made again on the way back", {FORM: 0, INPUT: 2, WEIGHTS: 2, ONCE: 1}, cases, run,
                      verify),)
