"""Lab 05: one factor a channel that moves what is loud from the inputs into the weights (Xiao et al. 2023, equation 4)."""
import torch
from torch import Tensor

from ....efficiency import svdquant
from ...contract.exercise import Exercise, Property, close
from ..common import several, tol
from .bed import formed, layers

FORM, SCALE = "x / s and W s in their shapes, one s a channel", "s = max |x|^a / max |W|^(1 - a), a channel"
MOVED, SAME = "x / s and W s, with your own s", "the product is unchanged"
POWERS = (0.5, 0.8, 0.3)


def cases(rng):
    out = []
    for case, a in zip(layers(rng), POWERS):
        x, w = case["x"].clone(), case["w"].clone()
        if len(x) > 1:
            x[:, 3], w[:, 5] = 0, 0                             # a dead channel each
        out.append({"x": x, "w": w, "a": a})
    return out


def run(impl, case):
    return dict(zip(("x", "w", "s"), several(impl(case["x"], case["w"], case["a"]), "x / s, w * s, s")))


def most(t: Tensor) -> Tensor:
    return t.abs().amax(0)


def one_where_dead(s: Tensor, *maxima: Tensor) -> Tensor:
    return torch.where(torch.stack([m == 0 for m in maxima]).any(0), torch.ones_like(s), s)


def slips(x: Tensor, w: Tensor, a: float) -> dict:
    mx, mw = most(x), most(w)
    made = lambda p, q, x=mx, w=mw: lambda: one_where_dead(x ** p / w ** q, mx, mw)
    return {
        "the exponents are exchanged: a is that of x": made(1 - a, a), "both have the exponent a: that of W is 1 - a": made(a, a),
        "max |W| is multiplied: it is divided by": made(a, a - 1), "upside down: loud inputs need a large s": made(-a, a - 1),
        "the weights are left out": made(a, 0), "the inputs are left out": made(0, 1 - a),
        "max |x| over max |W|, without the exponents": made(1, 1),
        "the exponent of W is 1 + a": made(a, 1 + a),
        "the greatest numbers, without abs()": made(a, 1 - a, x.amax(0).clamp(min=1e-30), w.amax(0).clamp(min=1e-30)),
        "the mean of |x| and |W|: the largest count": made(a, 1 - a, x.abs().mean(0), w.abs().mean(0)),
        "root mean squares: the largest count": made(a, 1 - a, x.square().mean(0).sqrt(), w.square().mean(0).sqrt()),
        "one number for all channels: each has its own": lambda: (x.abs().max() ** a / w.abs().max() ** (1 - a)).expand_as(mx),
        "a dead channel, whose inputs or weights are all 0, gets 1": lambda: mx ** a / mw ** (1 - a),
        "a dead channel gets 1: here its maximum is lifted to next to nothing": lambda: (
            mx.clamp(min=1e-5) ** a / mw.clamp(min=1e-5) ** (1 - a)),
        "only dead inputs get 1: dead weights do, too": lambda: torch.where(mx == 0, 1.0, mx ** a / mw ** (1 - a)),
        "only dead weights get 1: dead inputs do, too": lambda: torch.where(mw == 0, 1.0, mx ** a / mw ** (1 - a)),
        "a dead channel gets 0 here: 1": lambda: (mx ** a / mw ** (1 - a)).nan_to_num(0, 0, 0)}


def verify(case, out):
    x, w, a = case["x"], case["w"], case["a"]
    mx, mw = most(x), most(w)
    s = out["s"].flatten() if isinstance(out["s"], Tensor) else out["s"]
    form = formed(FORM, {"x / s": (out["x"], tuple(x.shape)), "w * s": (out["w"], tuple(w.shape)), "s": (s, tuple(mx.shape))})
    if not form.readable:
        return [form]
    if torch.equal(out["x"], x) and torch.equal(out["w"], w):
        form = form._replace(passed=False, observed="x and w as they came", expected="both changed")
    right = one_where_dead(mx ** a / mw ** (1 - a), mx, mw)
    of = lambda p, q: torch.cat([p.flatten(), q.flatten()]).double()
    both = of(out["x"], out["w"])
    moved = close(MOVED, both, of(x / s, w * s), {
        "x is multiplied and W divided: the other way round": lambda: of(x * s, w / s),
        "x is multiplied, too: only W is": lambda: of(x * s, w * s), "W is divided, too: only x is": lambda: of(x / s, w / s),
        "W as it came: it takes the s that x is divided by": lambda: of(x / s, w),
        "x as it came: divide it by s": lambda: of(x, w * s)}, tol(x.dtype))
    want = x.double() @ w.double().T
    off = (out["x"].double() @ out["w"].double().T - want).abs().max() / want.abs().max()
    same = Property(SAME, bool(off < 1e3 * tol(x.dtype) ** 1.2), f"off by {off:.2g} of the largest", "no more than rounding")
    return [form, close(SCALE, s, right, slips(x, w, a), tol(x.dtype)), moved, same]


EXERCISES = (Exercise("05-smooth", "Smoothing", {FORM: 0, SCALE: 2, MOVED: 1, SAME: 1}, cases, run, verify,
                      own=(svdquant.smooth_scale,)),)
