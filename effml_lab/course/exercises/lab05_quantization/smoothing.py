"""Lab 05: one factor a channel that moves what is loud from the inputs into the weights (Xiao et al. 2023, equation 4)."""
import torch
from torch import Tensor

from ....efficiency import svdquant
from ...contract.exercise import Exercise, Property, close, near
from ..common import several, tol
from .bed import formed, layers, shape

FORM, SCALE = "x / s and W s in their shapes, one s a channel", "s = max |x|^a / max |W|^(1 - a), a channel"
MOVED, SAME = "x / s and W s, with your own s", "the product is unchanged"
DEAD = "dead channels get s = 1"
POWERS = (0.5, 0.8, 0.3)


def cases(rng):
    out = []
    for case, a in zip(layers(rng), POWERS):
        x, w = case["x"].clone(), case["w"].clone()
        if len(x) > 1:
            x[:, 3], w[:, 5], x[:, 7], w[:, 7] = 0, 0, 0, 0     # dead channels: of x, of W, of both
            x[:, 8] *= 1e-4                                     # faint ones are not dead
            w[:, 9] *= 1e-4
        out.append({"x": x, "w": w, "a": a})
    return out


def run(impl, case):
    return dict(zip(("x", "w", "s"), several(impl(case["x"], case["w"], case["a"]), "x / s, w * s, s")))


def most(t: Tensor) -> Tensor:
    return t.abs().amax(0)


def slips(x: Tensor, w: Tensor, a: float, s: Tensor) -> dict:
    mx, mw = most(x), most(w)
    made = lambda p, q, x=mx, w=mw: lambda: x ** p / w ** q
    above = lambda mx, mw: lambda: torch.where(
        (mx > 0) & (mw > 0), mx.clamp(min=1e-9) ** a / mw.clamp(min=1e-9) ** (1 - a), 1.0)
    signed = "the greatest number, without abs(), of "
    return {
        "the exponents are exchanged: a is that of x": made(1 - a, a), "both have the exponent a: that of W is 1 - a": made(a, a),
        "max |W| is multiplied: it is divided by": made(a, a - 1), "upside down: loud inputs need a large s": made(-a, a - 1),
        "the weights are left out": made(a, 0), "the inputs are left out": made(0, 1 - a),
        "max |x| over max |W|, without the exponents": made(1, 1), "a is not used: both have 0.5": made(0.5, 0.5),
        "the exponent of W is 1 + a": made(a, 1 + a),
        "`mw ** 1 - a` is mw - a: brackets, mw ** (1 - a)": lambda: mx ** a / (mw - a),
        "`/ mw ** 1 - a` takes a off at the end: brackets, mw ** (1 - a)": lambda: mx ** a / mw - a,
        "abs() comes after the maximum: first abs(), then amax(0)": made(a, 1 - a, x.amax(0).abs(), w.amax(0).abs()),
        "s is 1 in channels that are not dead, too": lambda: torch.where(s == 1, 1.0, mx ** a / mw ** (1 - a)),
        signed + "both": above(x.amax(0), w.amax(0)), signed + "x": above(x.amax(0), mw), signed + "W": above(mx, w.amax(0)),
        signed + "both, ": made(a, 1 - a, x.amax(0), w.amax(0)), signed + "x, ": made(a, 1 - a, x.amax(0), mw),
        signed + "W, ": made(a, 1 - a, mx, w.amax(0)),
        "the mean of |x| and |W|: the largest count": made(a, 1 - a, x.abs().mean(0), w.abs().mean(0)),
        "root mean squares: the largest count": made(a, 1 - a, x.square().mean(0).sqrt(), w.square().mean(0).sqrt()),
        "one number for all channels: each has its own": made(a, 1 - a, x.abs().max().expand_as(mx), w.abs().max()),
        "one maximum for all of W: each channel has its own": made(a, 1 - a, mx, w.abs().max()),
        "one maximum for all of x: each channel has its own": made(a, 1 - a, x.abs().max(), mw)}


def verify(case, out):
    x, w, a = case["x"], case["w"], case["a"]
    mx, mw, s = most(x), most(w), out["s"]
    form = formed(FORM, {"x / s": (out["x"], tuple(x.shape)), "w * s": (out["w"], tuple(w.shape)), "s": (s, tuple(mx.shape))}, {
        "s has an axis too many: one number a channel, (K,), amax(0) without keepdim": shape(s) == (1, len(mx)),
        "s comes last: (x / s, w * s, s)": shape(s) in (tuple(x.shape), tuple(w.shape)) and shape(out["x"]) == tuple(mx.shape)})
    if not form.readable:
        return [form]
    if torch.equal(out["x"], x) and torch.equal(out["w"], w):
        form = form._replace(passed=False, observed="x and w as they came", expected="both changed")
    alive = (mx > 0) & (mw > 0)
    right = mx ** a / mw ** (1 - a)
    live = {said: (lambda value=value: value()[alive]) for said, value in slips(x, w, a, s).items()}
    scale = close(SCALE, s[alive], right[alive], live, tol(x.dtype))
    return [form, scale, dead(s, mx, mw, a), *moved(out, x[:, alive], w[:, alive], s[alive], right[alive], alive)]


def dead(s: Tensor, mx: Tensor, mw: Tensor, a: float) -> Property:
    """What dead channels got, and what their maxima, 0, were taken for if the formula gave it."""
    alive = (mx > 0) & (mw > 0)
    got = s[~alive]
    if bool((got == 1).all()):
        return Property(DEAD, True, "as expected")
    of_x, of_w = (s * mw ** (1 - a))[(mx == 0) & (mw > 0)], (mx ** a / s)[(mw == 0) & (mx > 0)]
    lifted = torch.cat([of_x ** (1 / a), of_w ** (1 / (1 - a))])
    causes = {"0, infinity or NaN stands there: take 1": not bool(((got > 0) & got.isfinite()).all()),
              "their maxima are lifted a little, and the formula gives any number": bool(((lifted > 0) & (lifted < 0.01)).all()),
              "their maxima are taken for 1: it is s that is 1": near(lifted, torch.ones_like(lifted), 1e-3),
              "the median of the others, as in the package: 1 is asked for": bool(s[alive].max() > s[alive].min()) and near(
                  got, s[alive].median().expand_as(got), 1e-4)}
    seen = f"{got[got != 1][0].item():.3g}".replace("nan", "NaN")
    return Property(DEAD, False, seen, "1", tuple(said for said, holds in causes.items() if holds))


def moved(out: dict, x: Tensor, w: Tensor, s: Tensor, right: Tensor, alive: Tensor) -> list[Property]:
    """Whether x / s and W s follow from somebody's own s, or are right, and multiply to what x and W do; channels alive."""
    of = lambda p, q: torch.cat([p.flatten(), q.flatten()]).double()
    got = out["x"][:, alive], out["w"][:, alive]
    row = close(MOVED, of(*got), of(x / s, w * s), {
        "x is multiplied and W divided: the other way round": lambda: of(x * s, w / s),
        "x is multiplied, too: only W is": lambda: of(x * s, w * s), "W is divided, too: only x is": lambda: of(x / s, w / s),
        "W as it came: it takes the s that x is divided by": lambda: of(x / s, w),
        "x as it came: divide it by s": lambda: of(x, w * s)}, tol(x.dtype))
    if near(of(*got), of(x / right, w * right), tol(x.dtype)):
        row = Property(MOVED, True, "as expected")
    want = x.double() @ w.double().T
    off = (got[0].double() @ got[1].double().T - want).abs().max() / want.abs().max()
    fits = bool(off < 1e3 * tol(x.dtype) ** 1.2)
    return [row, Property(SAME, fits, f"off by {off:.2g} of the largest", "no more than rounding")]


EXERCISES = (Exercise("05-smooth", "Smoothing", {FORM: 0, SCALE: 4, DEAD: 0.5, MOVED: 1, SAME: 1}, cases, run, verify,
                      own=(svdquant.smooth_scale,)),)
