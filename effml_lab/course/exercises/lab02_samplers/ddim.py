"""Lab 02: DDIM over kept levels, eta = 0 (Song et al. 2021, eq. 12), on grids of all families.

Each step is judged by itself, from the state before it. One grid keeps whole times of a table unevenly, so that a step
of T / N times misses the next kept level; in one alpha is always 1 and the end above sigma = 0; one begins at alpha = 0.
"""
import itertools
import math
from typing import Callable

import torch
from torch import Tensor

from ....diffusion.levels import CLEAN, Level
from ....diffusion.samplers import ddim, ddpm, step
from ...contract.exercise import Exercise, Property, close, known, near
from ..common import integer, tol
from ..walks import (
    COUNTED,
    SHAPED,
    SIZES,
    asked_wrongly,
    each,
    family,
    guess,
    levels_of,
    moved,
    opened,
    rows,
    uneven,
    walk_case,
    walked,
    whole,
)

ASKED, STILL = "denoise is asked once a step, about the state and cur", "nothing is random"
END, NOISE = "the step to sigma = 0", "a grid that begins at alpha = 0"
EACH = {"vp": "each step, variance-preserving levels", "edm": "each step, alpha = 1 throughout (EDM)",
        "flow": "each step, alpha + sigma = 1 (flow)"}
FIRST = "denoise is shown the first x every time: x must become the new state, and denoise see that"
AT_CUR = "the state does not change: work the noise out with cur, and put it together with nxt"
ENDLESS = "e^lambda is infinite at sigma = 0, and 0 times infinity is no number: sort the step as in equation (2) first"
AT_NXT = "a division by nxt.sigma, which is 0 at the end: the noise is that of cur, (x - cur.alpha x0) / cur.sigma"
YIELDED = "the guess of x0 is yielded: yield the new state"
RESTART = "each step starts at the first x again: x must become the new state"
DIVIDED = "a division by cur.alpha, which is 0 here: (x - cur.alpha x0) / cur.sigma does without"


def kept(rng, n: int) -> Tensor:
    """n levels at whole times up to 700 of the table, one in each n-th part, and the clean one: (n + 1, 3)."""
    times = ((torch.arange(n, 0, -1) - 0.9 * torch.rand(n, generator=rng)) * 700 / n).floor().double()
    return rows("vp", family("vp").to_lam(times), clean=True)


def cases(rng):
    kinds = [("vp", True, torch.float32), ("edm", False, torch.float64), ("flow", True, torch.float32)]
    out = [{**walk_case(rng, *kind, shape), "family": kind[0]} for kind, shape in zip(kinds, SIZES)]
    noise = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    out[0]["grid"], out[2]["grid"] = kept(rng, integer(rng, 5, 8)), torch.cat([noise, uneven(rng, "flow", clean=True)])
    return out


def run(impl, case):
    torch.default_generator.manual_seed(1)
    try:
        out = walked(impl, case)
    except ZeroDivisionError:
        if case["grid"][0, 1]:
            raise
        return {"divided": True}
    if case["family"] != "edm":
        return out
    torch.default_generator.manual_seed(2)
    return {**out, "again": walked(impl, case)["states"][-1:]}


def verify(case, out):
    if "divided" in out:
        return [Property(NOISE, False, "ZeroDivisionError", "a state", (DIVIDED,))]
    grid, x, states = levels_of(case), case["x"], out["states"]
    form, fit = opened(grid, finite(case, states), x, out["seen"])
    if not fit:
        return form
    guesses = [guess(case, seen, cur) for seen, cur in zip(out["seen"], grid)]
    walks_on = len(states) > 1 and near(out["seen"][1], states[0], tol(x.dtype)) if len(out["seen"]) > 1 else True
    if not walks_on and all(near(y, x0, tol(x.dtype)) for y, x0 in zip(states, guesses)):
        return [*form, Property(EACH[case["family"]], False, "the guess of x0", "the state", (YIELDED,))]
    noisy = {False: "noise is added: this walk has none after its start"}
    still = [close(STILL, again.nan_to_num(), states[-1].nan_to_num(), None, tol(x.dtype)) for again in out.get("again", ())]
    walk = whole(zip([x, *states], states, itertools.pairwise(grid)))
    calls = asked(case, [x, *states[:-1]], out)
    return [*form, calls, *stepped(case, walk, calls.passed), *(row._replace(causes=known(noisy, row.passed)) for row in still)]


def finite(case, states: list) -> list:
    """NaN after a start at alpha = 0 is told by a property of its own, not by the gate: it is replaced."""
    if case["grid"][0, 1]:
        return states
    mended = lambda i, state: state.nan_to_num(i, i, i) if isinstance(state, Tensor) else state
    return [mended(i + 1.5, state) for i, state in enumerate(states)]


def asked(case, states: list[Tensor], out) -> Property:
    n, at, seen = len(states), out["at"], [x.nan_to_num() for x in out["seen"]]
    right = at == list(range(n)) and all(near(a.double(), b.nan_to_num().double(), 1e-5) for a, b in zip(seen, states))
    said = known(asked_wrongly(n, at), tuple(at))
    if not right and len(at) == n and all(torch.equal(x, case["x"]) for x in seen):
        said = (FIRST,)
    observed = f"levels {at}".replace("-1", "none of the grid") + ", other states" * (at == list(range(n)))
    expected = f"levels {list(range(n))}, the states there"
    return Property(ASKED, right, "as expected" if right else observed, expected, said)


def stepped(case, walk: list[tuple[Tensor, Tensor, tuple[Level, Level]]], asked: bool) -> list[Property]:
    """asked: whether denoise was asked as it should be, so that what is infinite comes from the step itself."""
    kinds: dict[str, list] = {}
    for x, y, (cur, nxt) in walk:
        name = END if nxt.sigma == 0 else NOISE if cur.alpha == 0 else EACH[case["family"]]
        kinds.setdefault(name, []).append((y, moved(x, guess(case, x, cur), cur, nxt), slips(case, cur, nxt, x)))
    judged = {name: each(name, steps, tol(case["x"].dtype)) for name, steps in kinds.items()}
    others = [row for name, rows in judged.items() if name != END for row in rows]
    at_nxt = AT_NXT if any(AT_CUR in row.causes for row in others) else None
    infinite = {NOISE: DIVIDED, END: ENDLESS if all(row.passed for row in others) else at_nxt}
    for name, cause in infinite.items():
        if name in kinds and not kinds[name][0][0].isfinite().any():
            judged[name] = [row._replace(causes=(cause,) if asked and cause else ()) for row in judged[name]]
    return [row for rows in judged.values() for row in rows]


def table_slips(case, cur: Level, to: Callable[[Level], Tensor]) -> dict[str, Callable[[], Tensor]]:
    """Steps that ignore nxt, which a table of times allows."""
    at = lambda t: family("vp")(t) if t >= 0 else CLEAN
    return {} if case["family"] != "vp" else {
        "the step goes T / N times on, not to the next kept level: nxt says where": lambda: (
            to(at(cur.t - 1000 // (len(case["grid"]) - 1)))),
        "the step goes to t - 1, not to the next kept level: nxt says where": lambda: to(at(cur.t - 1))}


def slips(case, cur: Level, nxt: Level, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    x0 = guess(case, x, cur)
    eps, first = (x - cur.alpha * x0) / cur.sigma, guess(case, case["x"], cur)
    begun = guess(case, case["x"], levels_of(case)[0])
    clipped, keep = x0.clamp(-1, 1), cur.alpha * nxt.sigma**2 / (nxt.alpha * cur.sigma**2)
    with_sigma = lambda sigma: nxt.alpha * x0 + sigma(nxt.alpha) * (x - cur.alpha * x0) / sigma(cur.alpha)
    with_noise = lambda noise: nxt.alpha * x0 + nxt.sigma * noise
    return {
        **table_slips(case, cur, lambda level: moved(x, x0, cur, level)),
        "cur.alpha where nxt.alpha belongs": lambda: cur.alpha * x0 + nxt.sigma * eps,
        "the noise keeps its old size: cur.sigma divides it, nxt.sigma multiplies it": lambda: nxt.alpha * x0 + cur.sigma * eps,
        "this is the guess of x0: the step goes to nxt only": lambda: x0,
        "the noise is dropped: it comes back at its new size, nxt.sigma": lambda: nxt.alpha * x0,
        "alpha and sigma of nxt are swapped": lambda: nxt.sigma * x0 + nxt.alpha * eps,
        "cur.alpha is missing in the noise, (x - cur.alpha x0) / cur.sigma": lambda: with_noise((x - x0) / cur.sigma),
        "cur.sigma is missing in the noise, (x - cur.alpha x0) / cur.sigma": lambda: with_noise(x - cur.alpha * x0),
        "the noise is divided by the variance: cur.sigma belongs there": lambda: with_noise(eps / cur.sigma),
        AT_CUR: lambda: x,
        "the noise of the first step is kept: work it out anew in every step": lambda: with_noise(
            (case["x"] - levels_of(case)[0].alpha * begun) / levels_of(case)[0].sigma),
        "level.alpha is sqrt(alpha-bar) already: take no further root, here of alpha alone": lambda: (
            nxt.alpha**0.5 * x0 + with_noise((x - cur.alpha**0.5 * x0) / cur.sigma) - nxt.alpha * x0),
        "this is the noise: the state is made of it and of the guess": lambda: eps,
        "a level is (t, alpha, sigma), in this order": lambda: nxt.t * x0 + nxt.alpha * (x - cur.t * x0) / cur.alpha,
        "equation (1) has sigma of nxt before the integral": lambda: (
            nxt.sigma / cur.sigma * x + x0 * (math.exp(nxt.lam) - math.exp(cur.lam))),
        "x and the guess are mixed by sigma alone: their alphas differ": lambda: (
            x0 + nxt.sigma / cur.sigma * (x - x0)),
        "nxt.alpha in the noise, (x - cur.alpha x0) / cur.sigma: x is at cur": lambda: (
            with_noise((x - nxt.alpha * x0) / cur.sigma)),
        "nxt.alpha is missing before the guess of x0": lambda: x0 + nxt.sigma * eps,
        "the noise is subtracted: it is added at its new size": lambda: with_noise(-eps),
        "x stands where its noise belongs": lambda: with_noise(x),
        "denoise is asked at nxt: the state is at cur": lambda: moved(x, guess(case, x, nxt), cur, nxt),
        FIRST: lambda: moved(x, first, cur, nxt),
        **({RESTART: lambda: moved(case["x"], first, cur, nxt)} if nxt.sigma else {}),      # at sigma = 0 it is FIRST
        "what denoise gives is x0 itself, not eps": lambda: (
            nxt.alpha * (x - cur.sigma * x0) / cur.alpha + nxt.sigma * x0),
        "the guess is clipped to -1 ... 1, which equation (2) does not ask for": lambda: moved(x, clipped, cur, nxt),
        "the guess is clipped once the noise is worked out: equation (2) does not ask for it": lambda: (
            nxt.alpha * clipped + nxt.sigma * eps),
        "alpha² and sigma² where alpha and sigma belong": lambda: nxt.alpha**2 * x0 + nxt.sigma**2 * eps,
        "level.alpha is sqrt(alpha-bar) already: take no root of it": lambda: (
            nxt.alpha**0.5 * x0 + (1 - nxt.alpha) ** 0.5 * (x - cur.alpha**0.5 * x0) / (1 - cur.alpha) ** 0.5),
        "1 - alpha where sigma belongs: only flow levels have that": lambda: with_sigma(lambda alpha: 1 - alpha),
        "sqrt(1 - alpha²) where sigma belongs: only variance-preserving levels have that": lambda: (
            with_sigma(lambda alpha: (1 - alpha**2) ** 0.5)),
        "this is the mean of DDPM's step (eta = 1): with eta = 0 all of the noise is kept": lambda: (
            keep * x + (nxt.alpha - keep * cur.alpha) * x0)}


EXERCISES = (
    Exercise("02-ddim", "DDIM over kept levels", {
        SHAPED: 0, COUNTED: 1, ASKED: 1.5, EACH["vp"]: 3, EACH["edm"]: 1, EACH["flow"]: 1, NOISE: 0.5, END: 1,
        STILL: 0.5}, cases, run, verify, own=(ddim, ddpm, step)),
)
