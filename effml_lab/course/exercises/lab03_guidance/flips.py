"""Lab 03: what guidance won and what it lost, counted picture by picture."""
import torch

from ....measure.quality import flips
from ...contract.exercise import Exercise, Property
from ..common import integer, one_number, several

FORM, GAINED, LOST = "two whole numbers", "became right", "became wrong"
SIZES = (60, 7, 1)


def cases(rng):
    out = []
    for n in SIZES:
        want = torch.arange(n) % 6
        wrong = lambda share: torch.where(torch.rand(n, generator=rng) < share,
                                          (want + 1 + torch.randint(5, (n,), generator=rng)) % 6, want)
        before, after = wrong(0.6), wrong(0.3)
        stay = slice(0, n // 10)                    # wrong before, and wrong in the same way afterwards
        before[stay] = after[stay] = (want[stay] + 1) % 6
        out.append({"before": before, "after": after, "want": want})
    n = integer(rng, 12, 20)
    want = torch.randint(6, (n,), generator=rng)
    return [*out, {"before": want.clone(), "after": want.clone(), "want": want},
            {"before": (want + 1) % 6, "after": (want + 2) % 6, "want": want}]


def run(impl, case):
    gained, lost = several(impl(*(case[key].clone() for key in ("before", "after", "want"))), "gained, lost")
    return [one_number(gained, "number of pictures that became right"), one_number(lost, "number of pictures that became wrong")]


def slips(case) -> dict[str, tuple[float, float]]:
    before, after, want = (case[key] for key in ("before", "after", "want"))
    first, then = before == want, after == want
    gained, lost = flips(before, after, want)
    n = len(want)
    moved = before != after
    return {
        "the two are exchanged": (lost, gained),
        "shares where counts were asked for": (gained / n, lost / n),
        "all that are right afterwards, and all that are wrong: those that changed are asked for": (
            int(then.sum()), int((~then).sum())),
        "all that are right before, and after": (int(first.sum()), int(then.sum())),
        "all that changed, one way or the other: a wrong picture may become another wrong one": (
            int(moved.sum()), int(moved.sum())),
        "became right, and changed without becoming right: a wrong picture may become another wrong one": (
            gained, int((moved & ~then).sum())),
        "the difference of the two: both are asked for": (gained - lost, lost - gained),
        "the difference of the two, cut at 0: both are asked for": (max(gained - lost, 0), max(lost - gained, 0)),
        "lost counts all that are wrong afterwards: those that were wrong before were not lost": (gained, int((~then).sum())),
        "gained counts all that are right afterwards: those that were right before were not gained": (int(then.sum()), lost),
        "lost as a negative number: it is a count": (gained, -lost)}


def verify(case, out):
    right = flips(case["before"], case["after"], case["want"])
    whole = all(float(value).is_integer() for value in out)
    said = [cause for cause, guess in slips(case).items()
            if all(abs(g - o) < 1e-6 for g, o in zip(guess, out)) and tuple(guess) != right]
    form = Property(FORM, whole, f"{out[0]:g} and {out[1]:g}", "two whole numbers", () if whole else tuple(said))
    row = lambda name, got, want: Property(name, got == want, f"{got:g}", f"{want:g}", () if got == want else tuple(said))
    return [form, row(GAINED, out[0], right[0]), row(LOST, out[1], right[1])]


EXERCISES = (Exercise("03-flips", "Won and lost", {FORM: 0, GAINED: 1, LOST: 1}, cases, run, verify, own=(flips,)),)
