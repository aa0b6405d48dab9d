"""Lab 05: a LoRA put beside the branch: ranks are concatenated, and nothing is quantized again (Li et al. 2025, section 4.2)."""
import torch

from ....efficiency import svdlinear
from ...contract.exercise import Exercise, Property, close
from ..common import integer, several, tol
from .bed import drawn, formed, layers

FORM, SUM = "up and down of the rank of both", "branch and LoRA, for inputs x / s"
KEPT = "the old branch is still in it"


def cases(rng):
    out = []
    for case, new in zip(layers(rng), (2, 1, 3)):
        x, (n, k), dtype = case["x"], case["w"].shape, case["x"].dtype
        old = integer(rng, 3, 6) if new < 3 else new            # once as many as the LoRA has
        part = lambda *size: drawn(rng, *size, dtype=dtype)
        out.append({"x": x, "s": 0.2 + 3 * part(k).abs(), "up": part(n, old), "down": part(old, k), "a": part(n, new),
                    "b": part(new, k)})
    return out


def run(impl, case):
    return dict(zip(("up", "down"), several(impl(*(case[key] for key in ("up", "down", "s", "a", "b"))), "up, down")))


def verify(case, out):
    x, s, up, down, a, b = (case[key] for key in ("x", "s", "up", "down", "a", "b"))
    (n, old), (new, k) = up.shape, b.shape
    got_up, got_down = out["up"], out["down"]
    form = formed(FORM, {"up": (got_up, (n, old + new)), "down": (got_down, (old + new, k))})
    if not form.readable:
        shapes = tuple(getattr(got_up, "shape", ())), tuple(getattr(got_down, "shape", ()))
        causes = {
            "this is the whole matrix of the LoRA: its factors are laid beside those of the branch": shapes[0] == (n, k),
            "the ranks are not added: torch.cat, up along its columns and down along its rows": shapes == ((n, old), (old, k)),
            "up and down are exchanged": shapes == ((old + new, k), (n, old + new)),
            "the LoRA alone: the branch stays": shapes == ((n, new), (new, k))}
        return [form._replace(causes=tuple(said for said, holds in causes.items() if holds))]
    product, at = got_up.double() @ got_down.double(), x.double() / s.double()
    wide = [t.double() for t in (s, up, down, a, b)]
    s, up, down, a, b = wide
    made = lambda lora, branch=1.0: lambda: at @ (branch * (up @ down) + lora).T
    crossed = lambda first, second: lambda: at @ (torch.cat([up, a], 1) @ torch.cat([first, second])).T
    both = close(SUM, at @ product.T, made(a @ (b * s))(), {
        "the LoRA reads x, and the branch x / s: b has to take the s that x is divided by, b * s": made(a @ b),
        "up has the branch first and down the LoRA: the same order in both": crossed(b * s, down),
        "up has the branch first and down the LoRA, and b has to take s": crossed(b, down),
        "down has the branch first and up the LoRA: the same order in both": lambda: at @ (
            torch.cat([a, up], 1) @ torch.cat([down, b * s])).T,
        "b is multiplied by s twice: once": made(a @ (b * s * s)), "the root of s: b takes s itself": made(a @ (b * s.sqrt())),
        "divided by the LoRA's rank: nobody asked for that here": made(a @ (b * s) / new),
        "the mean of s: each channel has its own": made(a @ (b * s.mean())),
        "b is divided by s: the branch reads x / s, so b is multiplied": made(a @ (b / s)),
        "the old branch is multiplied by s, too: it reads x / s already": lambda: at @ (up @ (down * s) + a @ (b * s)).T,
        "the old branch is multiplied by s, and the LoRA is not: it is b that needs it": lambda: at @ (up @ (down * s) + a @ b).T,
        "the old branch is divided by s: it reads x / s already": lambda: at @ (up @ (down / s) + a @ b).T,
        "all is divided by s: the old branch stays as it is, and b is multiplied": lambda: at @ (
            up @ (down / s) + a @ (b / s)).T,
        "the LoRA is taken off": made(-(a @ (b * s))), "the LoRA is counted twice": made(2 * a @ (b * s)),
        "the LoRA is missing": made(0 * (a @ b)), "the old branch is missing": made(a @ (b * s), 0.0)}, 10 * tol(x.dtype))
    off = product - up @ down
    rank = torch.linalg.matrix_rank(off, rtol=1e-5).item() if off.isfinite().all() else k
    kept = Property(KEPT, rank <= new, f"what is added has rank {rank}", f"at most {new}")
    return [form, both, kept]


EXERCISES = (Exercise("05-lora", "A LoRA beside the branch", {FORM: 0, SUM: 2, KEPT: 0.5}, cases, run, verify,
                      own=(svdlinear.SVDQuantLinear.add_lora,)),)
