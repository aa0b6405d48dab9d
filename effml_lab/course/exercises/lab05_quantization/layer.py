"""Lab 05: the layer of SVDQuant, all parts in their places (Li et al. 2025, equation 5)."""
import torch
from torch import Tensor

from ....efficiency import svdlinear, svdquant
from ...contract.exercise import Exercise, Property, Unanswered, close, kind, near, same_form
from ..common import tol
from .bed import layers, rounded

FORM, VALUE = "outputs (rows, N)", "Q(x / s) Q(rest)^T + (x / s) down^T up^T + bias"
EXACT, ONCE = "without rounding it is x W^T + bias", "two tensors are rounded: x / s and rest"
RANK = 3


def cases(rng):
    out = []
    for case in layers(rng):
        x, w = case["x"], case["w"]
        s = (x.abs().amax(0) ** 0.6 / w.abs().amax(0) ** 0.4).clamp(min=0.1)
        u, d, vt = torch.linalg.svd(w * s, full_matrices=False)
        up, down = u[:, :RANK] * d[:RANK], vt[:RANK]
        out.append({key: case[key] for key in ("x", "w", "bias")} | {
            "s": s, "up": up, "down": down, "rest": w * s - up @ down})
    return out


def run(impl, case):
    given, told = (case[key] for key in ("x", "s", "up", "down", "rest", "bias")), []

    def noted(rounds):
        def call(t):
            if not isinstance(t, Tensor) or t.ndim != 2 or t.shape[1] != len(case["s"]):
                seen = f"shape {tuple(t.shape)}" if isinstance(t, Tensor) else kind(t)
                raise Unanswered(f"rounded(t) takes rows of {len(case['s'])} numbers, as x / s and rest have; "
                                 f"it was given {seen}.")
            told.append(t.clone())
            return rounds(t)
        return call
    given = list(given)
    y = impl(*given, noted(rounded))
    asked = list(told)
    return {"y": y, "asked": asked, "exact": impl(*given, noted(lambda t: t.clone()))}


def formula(case, Q=rounded, change=lambda parts: parts) -> Tensor:
    x, s, up, down, rest, bias = (case[key] for key in ("x", "s", "up", "down", "rest", "bias"))
    p = change({"a": Q(x / s), "b": x / s, "r": Q(rest), "up": up, "down": down, "bias": bias})
    return p["a"] @ p["r"].T + p["b"] @ p["down"].T @ p["up"].T + p["bias"]


def slips(case, Q=rounded) -> dict:
    x, s, up, down, rest, bias = (case[key] for key in ("x", "s", "up", "down", "rest", "bias"))
    put = lambda **parts: lambda: formula(case, Q, lambda p: p | parts)
    zero = torch.zeros_like
    return {
        "the branch reads x: `down` was made of W s, so it reads x / s": put(b=x),
        "the branch reads what rounding lost, x / s - Q(x / s): it reads x / s itself": put(b=x / s - Q(x / s)),
        "the branch reads the rounded x / s: it is the part in 16 bits, and reads x / s as it is": put(b=Q(x / s)),
        "the inputs are not rounded": put(a=x / s), "the rest is not rounded": put(r=rest),
        "x is rounded before it is divided by s: Q(x / s)": put(a=Q(x) / s),
        "x is not divided by s": put(a=Q(x), b=x), "x is not divided by s where the codes are: Q(x / s)": put(a=Q(x)),
        "x is multiplied by s: divide": put(a=Q(x * s), b=x * s), "the bias is missing": put(bias=zero(bias)),
        "the bias is added twice": put(bias=2 * bias), "the bias is taken off": put(bias=-bias),
        "the branch is missing": put(up=zero(up)), "the rest is missing: this is the branch alone": put(r=zero(rest)),
        "the branch is taken off: it is added": put(up=-up), "the branch is added twice": put(up=2 * up),
        "the whole weight is rounded, and the branch is added on top: only the rest is rounded": put(r=Q(rest + up @ down)),
        "branch and rest are rounded together: the branch stays as it is": put(r=Q(rest + up @ down), up=zero(up)),
        "the rest is smoothed once more: it is one of W s already": put(r=Q(rest * s)),
        "the rest is divided by s before it is rounded: it belongs to x / s as it is": put(r=Q(rest / s)),
        "the rest is divided by s: it belongs to x / s as it is": put(r=Q(rest) / s),
        "the outputs are rounded, too": lambda: Q_rows(formula(case, Q), Q),
        "nothing is rounded": lambda: formula(case, lambda t: t)}


def Q_rows(y: Tensor, Q) -> Tensor:
    """Outputs rounded, where their width lets them be."""
    return Q(y) if y.shape[1] % 8 == 0 else y + torch.inf


def verify(case, out):
    x, w, bias = case["x"], case["w"], case["bias"]
    right = formula(case)
    form = same_form(FORM, out["y"], right, x)
    if not form.readable:
        shape = tuple(getattr(out["y"], "shape", ()))
        return [form._replace(causes=("this lies on its side: outputs are (rows, N)",) if shape == tuple(right.shape[::-1]) and
                              shape != tuple(right.shape) else ())]
    slack, want = 10 * tol(x.dtype), x @ w.T + bias
    value = close(VALUE, out["y"], right, slips(case), slack)
    plain = lambda t: t
    exact = close(EXACT, out["exact"], want, {said: value for said, value in slips(case, plain).items()
                                                      if not said.startswith("nothing is rounded")}, slack)
    if not value.passed and not exact.passed and not value.causes and near(
            out["exact"] / want.abs().max(), want / want.abs().max(), 0.01):
        value = value._replace(causes=("near and not equal: is the branch computed in 16 bits? It is only counted so",))
    exact, once = exact if value.passed else exact._replace(causes=()), asked(case, out["asked"])
    return [form, value, exact, once._replace(causes=()) if value.causes else once]


def asked(case, told: list[Tensor]) -> Property:
    """Whether rows of x / s and of the rest were rounded, all of them, and nothing else."""
    want, rows = torch.cat([case["x"] / case["s"], case["rest"]]), torch.cat(told or [case["rest"][:0]])
    fits = torch.cdist(want.double(), rows.double()) <= 1e-3 * (1 + want.double().norm(dim=1, keepdim=True))
    good = len(rows) > 0 and bool(fits.any(0).all() and fits.any(1).all())
    others = {"x": case["x"], "rest / s": case["rest"] / case["s"], "rest * s": case["rest"] * case["s"], "down": case["down"],
              "up @ down": case["up"] @ case["down"], "rest + up @ down": case["rest"] + case["up"] @ case["down"]}
    given = " and ".join(name for name, value in others.items() if any(close("", t, value, None, 1e-4).passed for t in told))
    return Property(ONCE, good, "as expected" if good else f"{len(rows)} rows, others or not all", "x / s and rest, nothing else",
                    (f"`rounded` was given {given}",) if given and not good else ())


EXERCISES = (Exercise("05-layer", "All parts in their places", {FORM: 0, VALUE: 3, EXACT: 1, ONCE: 0.5}, cases, run, verify,
                      own=(svdquant.apply, svdquant.search, svdlinear.plain)),)
