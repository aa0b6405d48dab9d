"""Lab 05: the best branch of a rank and what it leaves (Eckart and Young 1936; Li et al. 2025, SVDQuant, section 4.2)."""
import torch

from ....efficiency import svdquant
from ...contract.exercise import Exercise, Property, apart, close, near
from ..common import integer, several
from .bed import drawn, formed

FORM, REST = "up (N, r), down (r, K), rest (N, K)", "rest = w - up down, with your own factors"
LEAST, WHOLE = "no branch of that rank leaves less", "branch and rest together are w"
SIZES = ((7, 12), (16, 9), (10, 10), (40, 36))            # N, K


def cases(rng):
    return [{"w": drawn(rng, *size, dtype=(torch.float32, torch.float64)[k % 2]) * (0.2 + drawn(rng, size[1]).abs()).to(
        (torch.float32, torch.float64)[k % 2]), "rank": integer(rng, 2, 5)} for k, size in enumerate(SIZES)]


def run(impl, case):
    return dict(zip(("up", "down", "rest"), several(impl(case["w"], case["rank"]), "up, down, rest")))


def cut(w, r):
    """The first r terms of the SVD: U, the singular values, V^T."""
    u, s, vt = torch.linalg.svd(w, full_matrices=False)
    return u[:, :r], s[:r], vt[:r]


def other(w, up, down, best, slack) -> tuple[str, ...]:
    """What can be said of a branch that is not the best, and none of the slips."""
    product = up @ down
    if not product.isfinite().all():
        return ()
    if (product - best).norm() < 0.01 * w.norm():
        return ("near the best branch and not equal to it: is something rounded, or found only approximately?",)
    rows, columns = torch.linalg.qr(down.T)[0], torch.linalg.qr(up)[0]
    if near(product, w @ rows @ rows.T, slack) or near(product, columns @ (columns.T @ w), slack):
        return ("w on other directions than the best: these are the first singular vectors, of an exact SVD",)
    return ()


def verify(case, out):
    w, r = case["w"].double(), case["rank"]
    (n, k), slack = w.shape, 1e-4 if case["w"].dtype == torch.float32 else 1e-8
    up, down, rest = (out[key] for key in ("up", "down", "rest"))
    form = formed(FORM, {"up": (up, (n, r)), "down": (down, (r, k)), "rest": (rest, (n, k))})
    if not form.readable:
        shapes = [tuple(getattr(part, "shape", ())) for part in (up, down, rest)]
        causes = {"down lies on its side: transpose it": shapes[1] == (k, r),
                  "up lies on its side: transpose it": shapes[0] == (r, n),
                  "up and down are exchanged": shapes[:2] == [(r, k), (n, r)],
                  "the factors are not cut to the rank: the first `rank` columns of U, rows of V^T": (
                      shapes[0] == (n, min(n, k)) or shapes[1] == (min(n, k), k))}
        return [form._replace(causes=tuple(said for said, holds in causes.items() if holds)[:1])]
    up, down, rest = up.double(), down.double(), rest.double()
    u, s, vt = torch.linalg.svd(w, full_matrices=False)
    product, made = up @ down, lambda a, d, b: lambda: (a * d) @ b
    best = (u[:, :r] * s[:r]) @ vt[:r]
    square = vt.T if vt.shape[0] == vt.shape[1] else None
    slips = {
        "the singular values are missing: they belong to one factor, or their root to both": made(
            u[:, :r], torch.ones(r), vt[:r]),
        "the singular values stand in both factors: in one, or their root in each": made(u[:, :r], s[:r] ** 2, vt[:r]),
        "the root of the singular values stands in one factor alone": made(u[:, :r], s[:r].sqrt(), vt[:r]),
        "the smallest singular values are kept: they come sorted, largest first": made(u[:, -r:], s[-r:], vt[-r:]),
        "divided by the singular values": made(u[:, :r], 1 / s[:r], vt[:r]),
        "the first term is left out: U[:, :rank], from 0 on": made(u[:, 1:r + 1], s[1:r + 1], vt[1:r + 1]),
        "the mean is taken off before the SVD: nothing is taken off here": made(*cut(w - w.mean(0), r)),
        "one rank less than asked for": made(u[:, :r - 1], s[:r - 1], vt[:r - 1])}
    if n <= k:
        slips["the singular values scale the rows of U: they belong to its columns, u[:, :rank] * s[:rank]"] = made(
            s[:, None] * u[:, :r], torch.ones(r), vt[:r])
    if square is not None:
        slips["V where V^T belongs: torch.linalg.svd gives V^T already"] = made(u[:, :r], s[:r], square[:r])
    off = (w - product).norm()
    least = close(LEAST, product, best, slips, slack)
    if not least.passed and abs(off - s[r:].norm()) < slack * w.norm():
        least = Property(LEAST, True, "as expected")                            # a tie of singular values
    if not least.passed:
        observed, expected = apart(off.item(), s[r:].norm().item())
        least = least._replace(observed=f"{observed} is left", expected=f"{expected} is left",
                               causes=least.causes or other(w, up, down, best, slack))
    left = close(REST, rest, w - product, {
        "the sign: rest = w - up down": lambda: product - w, "the branch is added: it is taken off": lambda: w + product,
        "this is the branch itself": lambda: product, "this is w itself: the branch is taken off": lambda: w,
        "the rest is made without the singular values: rest = w - up down": lambda: w - u[:, :r] @ vt[:r],
        "the other terms without their singular values: rest = w - up down": lambda: u[:, r:] @ vt[r:],
        "this is what the best branch leaves, and not what yours does": lambda: w - best}, slack)
    whole = close(WHOLE, product + rest, w, None, slack)
    return [form, least, left, whole if not left.causes else whole._replace(causes=())]


EXERCISES = (Exercise("05-split", "A branch and a rest", {FORM: 0, LEAST: 4, REST: 1, WHOLE: 0.5}, cases, run, verify,
                      own=(svdquant.lowrank, svdquant.lowrank_residual)),)
