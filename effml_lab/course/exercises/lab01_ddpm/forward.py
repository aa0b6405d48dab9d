"""Lab 01: the closed-form forward step (Ho et al. 2020, eq. 4).

Batches of odd shapes, in float32 and float64: one of a single picture, one as wide as it is long, so that a factor laid along
the wrong axis is not saved by an error; t = 0, 1 and T - 1 always occur, unsorted. A batch of two dimensions is compared
with the answer's own for the same numbers in four: what suits every image of the lab loses that row alone.
"""
import torch
from torch import Tensor

from ....diffusion.denoise import noised
from ...contract.exercise import Exercise, Property, blamed, close, kind, near, same_form
from ..common import PAPER, betas, column, integer, lined_up
from ..moments import cut

BATCHES = (((3, 1, 5, 4), torch.float32), ((1, 2, 3, 3), torch.float64), ((4, 4, 4, 4), torch.float32),
           ((3, 2, 2, 3), torch.float64))
NOTEBOOK = (4, 1, 2, 2)         # a batch on the notebook's table, whose ends show a clamp and a small number "for safety"
FLAT = "as many dimensions as x0 has"
ROUGH = 1e-4          # in float64 too: a table in float32 is told as what it is, not as another number
CLIPPED = "x_t is clipped to -1 ... 1, which eq. 4 does not ask for"
FIRST = "all images at the t of the first: each has its own"
VARIANCE = "the variance 1 - alpha-bar was used as a standard deviation"


def batch_cases(rng):
    cases = []
    for shape, dtype in BATCHES:
        draw = lambda: torch.randn(shape, generator=rng, dtype=dtype)
        T = integer(rng, 9, 20)
        t = torch.tensor([integer(rng, 2, T - 1), 0, T - 1, 1] if shape[0] == 4 else [T - 1, 0, integer(rng, 2, T - 1)])
        abar = (1 - betas(rng, T, dtype)).cumprod(0)
        cases.append({"x0": draw(), "eps": draw(), "t": t[-shape[0]:], "abar": abar})
    draw = lambda: torch.randn(NOTEBOOK, generator=rng, dtype=torch.float64)
    times = torch.tensor([integer(rng, 300, 700), 0, 999, 1])
    return [*cases, {"x0": draw(), "eps": draw(), "t": times, "abar": (1 - PAPER).cumprod(0)}]


def flattened(call, x: Tensor, other: Tensor) -> Tensor | str:
    """What call(x, other) gives for two dimensions less what it gives for the same numbers in four, or the shape it has."""
    def seeded(*shape):
        torch.manual_seed(0)
        return call(x.reshape(len(x), -1, *shape), other.reshape(len(x), -1, *shape))
    try:
        flat, deep = seeded(), seeded(1, 1)
    except RuntimeError:
        return "an error"
    if not isinstance(flat, Tensor) or not isinstance(deep, Tensor):
        return kind(flat)
    return flat - deep.flatten(1) if flat.shape == x.flatten(1).shape == deep.flatten(1).shape else f"shape {tuple(flat.shape)}"


def flat_row(name: str, offs: list[Tensor | str]) -> Property:
    texts = [off for off in offs if isinstance(off, str)]
    good = not texts and all(near(off, torch.zeros_like(off), 1e-4) for off in offs)
    four = any(text.count(",") == 3 for text in texts)
    cause = "a factor of shape (B, 1, 1, 1) suits four dimensions: give it as many as the batch has"
    return Property(name, good, "as expected" if good else (texts or ["another result"])[0],
                    "the same as in four dimensions, for a batch of shape (B, n)", (cause,) if four else ())


def foreign(t: Tensor, abar: Tensor, x: Tensor) -> dict[str, Tensor]:
    """What may be read in the place of abar[t]: a cause -> that."""
    at = lambda table: column(table[t], x).to(x.dtype)
    along = lambda n, *shape: abar[t].view(-1, *shape) if len(t) == n else at(abar)
    wide = "give abar[t] a shape of (B, 1, 1, 1)"
    return {
        FIRST: abar[t[0]],
        "alpha-bar read at t - 1": at(abar.roll(1)),
        "alpha-bar read at t - 1, and at 0 for t = 0": at(torch.cat([abar[:1], abar[:-1]])),
        "alpha-bar read at t - 1, with 1 before t = 0: the table counts from 0": at(torch.cat([abar.new_ones(1), abar[:-1]])),
        "t = 0 is taken for clean: it has the noise of one step already": at(torch.cat([abar.new_ones(1), abar[1:]])),
        "alpha-bar read at t + 1: t counts from 0": at(torch.cat([abar[1:], abar[-1:]])),
        "beta of the notebook: abar, which is handed in, is the product of all steps": at(1 - PAPER.float()),
        "the notebook's table: read alpha-bar from the abar that is handed in": at((1 - PAPER.float()).cumprod(0)),
        "counted from the other end: abar[t] is that of t": at(abar.flip(0)),
        "the first entries of abar, whatever t is: read abar[t]": column(abar[:len(t)], x).to(x.dtype),
        "one step's alpha-bar[t] / alpha-bar[t - 1]: x_t is all steps away from x0": at(
            torch.cat([abar[:1], abar[1:] / abar[:-1]])),
        "the product is taken once more: abar is the product already": at(abar.cumprod(0)),
        "abar was taken for betas: it is the product of all 1 - beta": at((1 - abar).cumprod(0)),
        "t / T is no level: alpha-bar is read from abar": column(1 - t / len(abar), x).to(x.dtype),
        f"one factor a column of the picture: {wide}": along(x.shape[-1]),
        f"one factor a row of the picture: {wide}": along(x.shape[-2], 1),
        f"one factor a channel of the picture: {wide}": along(x.shape[1], 1, 1)}


def forward_run(impl, case):
    x0, t, abar, eps = (case[k] for k in ("x0", "t", "abar", "eps"))
    blank = torch.zeros_like(x0)
    with lined_up(len(x0)):
        out = [impl(x0, t, abar, eps), impl(x0, t, abar, blank), impl(blank, t, abar, eps), impl(x0, t, abar, eps)]
    return [*out, flattened(lambda x, e: impl(x, t, abar, e), x0, eps)]


def forward_verify(case, out):
    x0, t, abar, eps = (case[k] for k in ("x0", "t", "abar", "eps"))
    a, e = column(abar[t], x0), ROUGH if len(abar) < len(PAPER) else ROUGH / 10
    form = same_form("shape and dtype of x0", out[0], a.sqrt() * x0 + (1 - a).sqrt() * eps, x0)
    if not form.readable:
        return [form]
    again = ("the result changes from call to call: use the eps that is handed in, and draw none",)
    part = lambda of, picture: {said: (lambda v=v: of(v) * picture) for said, v in foreign(t, abar, x0).items()}
    rows = [close("without noise: sqrt(alpha-bar) x0", out[1], a.sqrt() * x0, {
                "the square root is missing on alpha-bar": lambda: a * x0,
                "alpha-bar is squared: its square root belongs there": lambda: a**2 * x0,
                "the picture is not scaled down": lambda: x0,
                "sqrt(1 - alpha-bar) scales the picture": lambda: (1 - a).sqrt() * x0,
                "the picture is scaled by 1 - t / T: alpha-bar is read from abar": lambda: (1 - column(t / len(abar), x0)) * x0,
                **part(lambda v: v.sqrt(), x0)}, e),
            close("without picture: sqrt(1 - alpha-bar) eps", out[2], (1 - a).sqrt() * eps, {
                VARIANCE: lambda: (1 - a) * eps,
                "1 - alpha-bar is squared: its square root belongs there": lambda: (1 - a) ** 2 * eps,
                "sqrt(alpha-bar) multiplies the noise as well: it belongs to the picture alone": lambda: (
                    (a * (1 - a)).sqrt() * eps),
                "divided by sqrt(alpha-bar): that is EDM's convention, whose picture keeps its size": lambda: (
                    ((1 - a) / a).sqrt() * eps),
                "the noise is not scaled": lambda: eps,
                "the noise is subtracted: x_t adds it": lambda: -(1 - a).sqrt() * eps,
                "alpha-bar is squared once more: it is alpha² already": lambda: (1 - a**2).sqrt() * eps,
                "sqrt(alpha-bar) scales the noise: sqrt(1 - alpha-bar) does": lambda: a.sqrt() * eps,
                "1 - sqrt(alpha-bar): take the root after the difference": lambda: (1 - a.sqrt()) * eps,
                "sqrt(1 - alpha): alpha² belongs under the root": lambda: (1 - a.sqrt()).sqrt() * eps,
                "the noise is scaled by t / T: alpha-bar is read from abar": lambda: column(t / len(abar), x0) * eps,
                **part(lambda v: (1 - v).sqrt(), eps)}, e),
            close("the two parts add up to x_t", out[0], out[1] + out[2], None, e)]
    if any(cut(part) for part in out[:3]):
        rows = blamed(rows, CLIPPED)
    if not torch.equal(out[0].nan_to_num(), out[3].nan_to_num()):
        rows = blamed(rows, *again)
    return [form, *rows, flat_row(FLAT, out[4:])]


EXERCISES = (Exercise("01-forward", "The closed-form forward step", {
    "shape and dtype of x0": 0, "without noise: sqrt(alpha-bar) x0": 1, "without picture: sqrt(1 - alpha-bar) eps": 1,
    "the two parts add up to x_t": 1, FLAT: 0.5}, batch_cases, forward_run, forward_verify, own=(noised,)),)
