"""Lab 04: consistency sampling (Song et al. 2023, algorithm 1): guess, make noisy again, guess again.

Noise is known by what is left when the guess is taken off, so each step is judged from the state before it.
"""
import itertools

import torch
from torch import Tensor

from ....diffusion.levels import Level
from ....efficiency.distill.consistency import multistep
from ...contract.exercise import Exercise, Property, close, known, near
from ..common import drawn_anew, repeated
from ..walks import COUNTED, SHAPED, asked, asked_wrongly, formed, guess, iterable, joined, levels_of, unspent, walk_case

ASKED, NOISE = "denoise is asked once a step, at cur about the state", "a step leaves the guess and new noise of nxt's size"
ENDS, DRAWN = "into the clean end the guess alone", "all that is random comes from rng"
NEW = "new noise in every step"
SHAPE = (40, 2, 6, 5)


def cases(rng):
    return [walk_case(rng, name, True, dtype, SHAPE) | {"seed": int(torch.randint(10**6, (), generator=rng))}
            for name, dtype in (("vp", torch.float32), ("edm", torch.float64), ("flow", torch.float64))]


def walk(impl, case, rng) -> dict:
    grid, at, seen = levels_of(case), [], []
    lent = list(grid)
    states = iterable(impl(asked(case, grid, at, seen), case["x"], lent, rng))
    states = unspent(list(itertools.islice(states, 2 * len(grid) + 2)), lent, grid)
    at, seen = joined(at, seen, len(case["x"]))
    return {"states": states, "at": at, "seen": seen}


def run(impl, case):
    walks = repeated(lambda rng: walk(impl, case, rng), case["seed"])
    return walks["out"] | {"again": walks["again"]["states"], "other": walks["other"]["states"]}


def verify(case, out):
    grid, x, states = levels_of(case), case["x"], out["states"]
    rows = [overshot(row, states, x, len(grid)) for row in formed(grid, states, x, out["seen"])]
    if not all(row.passed for row in rows):
        return rows
    n = len(grid) - 1
    asks = Property(ASKED, out["at"] == list(range(n)), f"at {out['at']}", f"at {list(range(n))}",
                    known(asked_wrongly(n, out["at"]), tuple(out["at"])))
    befores = [x, *states[:-1]]
    if asks.passed and not all(near(seen, before, 1e-4) for seen, before in zip(out["seen"], befores)):
        asks = Property(ASKED, False, "about another state than the one that was yielded", "about the state", (
            "what is yielded is not what the next step begins with: yield the state, noise and all",))
    if not asks.passed:                             # what it was told of another state or level is not what is judged below
        return [*rows, asks]
    steps = [noisy(case, *step, first=not k) for k, step in enumerate(zip(befores, states[:-1], grid, grid[1:]))]
    rows = [*rows, asks, *steps, ended(case, befores[-1], states[-1], grid[-2])]
    if not all(step.passed for step in steps) or not len(out["again"]) == len(out["other"]) == n:
        return rows
    new = repeat(case, befores, states, grid)
    noises = (torch.cat([state.flatten() for state in some[:-1]]).double() for some in (states, out["again"], out["other"]))
    return [*rows, new, *([drawn_anew(DRAWN, *noises, True)] if new.passed else [])]


def overshot(row: Property, states: list, x: Tensor, count: int) -> Property:
    """One state too many is the start only if the first one is; else the walk went a step too far."""
    if row.name != COUNTED or len(states) != count or near(states[0], x, 1e-6):
        return row
    return row._replace(causes=("there is a step too many: zip(grid, grid[1:]) has one for each pair of levels",))


def ended(case, before: Tensor, after: Tensor, cur: Level) -> Property:
    said = guess(case, before, cur)
    row = close(ENDS, after, said, {
        "the last step leaves the state as it was": lambda: before,
        "the guess is clipped to [-1, 1]: it is used as it is": lambda: said.clamp(-1, 1)}, 1e-4)
    rest = (after - said).double().std().item()
    slack = 6 / (2 * after.numel()) ** 0.5
    noisy = not row.passed and min(abs(rest - 1), abs(rest / cur.sigma - 1)) < slack
    return row._replace(causes=("noise is added at the clean end, too: there is none",)) if noisy else row


def noisy(case, before: Tensor, after: Tensor, cur: Level, nxt: Level, first: bool) -> Property:
    """What is left when the guess is taken off has the size of nxt's noise, mean 0, and in the first step nothing of the old."""
    said = guess(case, before, cur)
    left, old = (after - nxt.alpha * said).double() / nxt.sigma, (before - cur.alpha * said).double() / cur.sigma
    alike = torch.corrcoef(torch.stack([part.double().flatten() for part in (left, old, said)])).nan_to_num()
    size, same = left.std().item(), alike[0, 1].item()
    slack, few = 6 / (2 * left.numel()) ** 0.5, 6 / left.numel() ** 0.5
    fits = abs(size - 1) < slack and abs(left.mean()) < few and (not first or abs(same) < few)
    tails = (left / size).pow(4).mean().item() if fits else 3.0         # of normal noise 3, give or take 5 / sqrt(n)
    if fits and abs(tails - 3) < 5 * few:
        return Property(NOISE, True, "as expected")
    rest = (alike[0, 2] - alike[0, 1] * alike[1, 2]).abs()              # what the guess still tells beside the old noise
    told = tuple(cause for cause, holds in {
        **reasons(case, before, after, cur, nxt, left, same),
        "a part of the old noise is kept: all of it is drawn anew": 2 * few < abs(same) < 0.99 and rest < few,
        "noise of the right size, but not normal: torch.randn draws normal noise": fits}.items() if holds)
    if fits:
        return Property(NOISE, False, f"a mean fourth power of {tails:.3g}", "3, as normal noise has", told)
    return Property(NOISE, False, f"noise of size {size:.3g}, like the old one to {same:.2f}", "size 1, like the old one to 0",
                    told)


def reasons(case, before: Tensor, after: Tensor, cur: Level, nxt: Level, left: Tensor, same: float) -> dict[str, bool]:
    """Causes -> whether this one predicts what is left."""
    said, slack = guess(case, before, cur), 6 / (2 * left.numel()) ** 0.5
    rest, cut = after - nxt.alpha * said, nxt.alpha * (said.clamp(-1, 1) - said)
    size = lambda rest, of: bool(abs((rest.double() / of).std() - 1) < slack) if of else False
    alike = lambda want: bool((after - want).abs().max() < 1e-3)
    return {
        "the old noise is kept, as DDIM does: the noise is drawn anew": same > 0.99,
        "alpha and sigma are exchanged: alpha belongs before the guess": size(after - nxt.sigma * said, nxt.alpha),
        "a root is taken of alpha: it is what x0 is multiplied with already": alike(said) if nxt.alpha == 1 else any(
            size(after - nxt.alpha**0.5 * said, of) for of in (nxt.sigma, nxt.sigma**0.5, (1 - nxt.alpha) ** 0.5)),
        "one noise for the whole batch: every picture has its own": bool(left.std(0).max() < 1e-4 * left.std()),
        "sqrt(1 - alpha²) stands where sigma belongs: they are one only where the variance is preserved": size(
            after - nxt.alpha * said, (1 - nxt.alpha**2) ** 0.5) if nxt.alpha < 1 else alike(nxt.alpha * said),
        "the guess is clipped to [-1, 1]: it is used as it is": size(rest - cut, nxt.sigma) and bool(
            abs((rest * cut).sum() / cut.square().sum() - 1) < 0.25),
        "no noise is added: the guess goes back to nxt, alpha times it and sigma times new noise": (
            alike(nxt.alpha * said) or alike(said)),
        "nothing is made of the guess: x stays as it is": alike(before),
        "the guess is not scaled: alpha of nxt belongs before it": size(after - said, nxt.sigma) and nxt.alpha != 1,
        "the noise is not scaled: sigma of nxt belongs before it": size(after - nxt.alpha * said, 1.0),
        "the noise has cur's size, or the guess goes back to cur: the state goes on to nxt": (
            size(after - nxt.alpha * said, cur.sigma) or size(after - cur.alpha * said, cur.sigma)),
        "noise is added to x: it is the guess that is made noisy": size(after - nxt.alpha * before, nxt.sigma),
        "sigma² where sigma belongs": size(after - nxt.alpha * said, nxt.sigma**2),
        "uniform noise (rand) where normal noise (randn) belongs": abs(left.mean().item() - 0.5) < 0.05 and bool(
            abs(left.std() - 0.2887) < 0.02)}


def repeat(case, befores: list[Tensor], states: list[Tensor], grid: list[Level]) -> Property:
    """Whether the noise of one step is that of another."""
    left = [((after - nxt.alpha * guess(case, before, cur)).double() / nxt.sigma).flatten()
            for before, after, cur, nxt in zip(befores, states[:-1], grid, grid[1:])]
    if any(part.std() < 1e-3 for part in left):
        return Property(NEW, True, "as expected")
    worst = max(torch.corrcoef(torch.stack(pair))[0, 1].abs().item() for pair in itertools.combinations(left, 2))
    good = worst < 7 / left[0].numel() ** 0.5
    return Property(NEW, good, f"alike to {worst:.2f}", "to 0", () if good or worst < 0.99 else (
        "the same noise in every step: draw it anew inside the loop",))


EXERCISES = (Exercise("04-multistep", "Guess, and guess again", {SHAPED: 0, COUNTED: 0, ASKED: 1, NOISE: 2, NEW: 0.5, ENDS: 1,
                                                                 DRAWN: 0.5}, cases, run, verify, own=(multistep,)),)
