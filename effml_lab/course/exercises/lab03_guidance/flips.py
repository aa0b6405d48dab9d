"""Lab 03: what guidance won and what it lost, counted picture by picture."""
import torch

from ....measure.quality import flips
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered
from ..common import integer, one_number, several

FORM, GAINED, LOST = "two whole numbers", "became right", "became wrong"
ANY = ".any() says whether there is one: .sum() counts them"
SIZES, CLASSES = (60, 53, 47, 31, 7, 1), 9       # more classes than the lab's kinds


def cases(rng):
    out = []
    for n in SIZES:
        want = torch.arange(n) % CLASSES
        wrong = lambda share: torch.where(torch.rand(n, generator=rng) < share,
                                          (want + 1 + torch.randint(CLASSES - 1, (n,), generator=rng)) % CLASSES, want)
        before, after = wrong(0.6), wrong(0.3)
        stay = slice(0, n // 10)                    # wrong before, and wrong in the same way afterwards
        before[stay] = after[stay] = (want[stay] + 1) % CLASSES
        out.append({"before": before, "after": after, "want": want})
    n = integer(rng, 12, 20)
    want = torch.randint(CLASSES, (n,), generator=rng)
    return [*out, {"before": want.clone(), "after": want.clone(), "want": want},
            {"before": (want + 1) % CLASSES, "after": (want + 2) % CLASSES, "want": want}]


def run(impl, case):
    try:
        answer = impl(*(case[key] for key in ("before", "after", "want")))
        gained, lost = several(list(answer) if getattr(answer, "shape", ()) == (2,) else answer, "gained, lost")
    except RuntimeError as error:
        if "ambiguous" not in str(error):
            raise
        raise Unanswered("A whole row is asked for one truth value: `and`, `or` and chains like a != b & c == d do that. Put "
                         f"each comparison in brackets and & between them{where(error)}.") from None
    return [one_number(gained, "number of pictures that became right"), one_number(lost, "number of pictures that became wrong")]


def counts(case) -> dict[str, dict[str, float]]:
    """For each of the two numbers: what else may have been counted -> how many that is."""
    before, after, want = (case[key] for key in ("before", "after", "want"))
    f, t, n = before == want, after == want, len(want)
    moved, count = before != after, lambda mask: int(mask.sum())
    net = count(t) - count(f)
    shared = {
        "all that are right afterwards: those that changed are asked for": count(t),
        "all that are wrong afterwards: those that changed are asked for": count(~t),
        "all that were right before: those that changed are asked for": count(f),
        "all that were wrong before: those that changed are asked for": count(~f),
        "all that changed: a wrong picture may become another wrong one": count(moved),
        "all that changed without becoming right: a wrong picture may become another wrong one": count(moved & ~t),
        "all that changed and are not yet right before: a wrong picture may become another wrong one": count(moved & ~f),
        "all that are right before or afterwards, but not both: ask which way each changed": count(f ^ t),
        "those that were right and stayed so": count(f & t), "those that were wrong and stayed so": count(~f & ~t),
        "~ and & work on the bits of class numbers: compare them with want first": count(~before & after),
        "the difference of the two: both are asked for": net, "the difference of the two, turned round: both are asked for": -net,
        ANY: 1}
    both = lambda mask, other, wide, moved: shared | {
        "class numbers are compared by size: right is what equals want": count(moved),
        "the two are exchanged, or one of them stands twice": count(other),
        "| where & belongs, or all the rest (the number of pictures less the other count)": count(wide),
        "a share where a count was asked for": count(mask) / n, "a percentage where a count was asked for": 100 * count(mask) / n,
        "a negative number: it is a count": -count(mask)}
    return {GAINED: both(~f & t, f & ~t, ~f | t, after > before), LOST: both(f & ~t, ~f & t, f | ~t, after < before)}


def verify(case, out):
    right, told = flips(case["before"], case["after"], case["want"]), counts(case)

    def row(name: str, got: float, want: float) -> Property:
        causes = () if got == want else tuple(cause for cause, value in told[name].items()
                                              if abs(value - got) < 1e-3 and value != want and (cause != ANY
                                                                                                or set(out) <= {0, 1}))
        if not any(out) and want:
            causes = ("both numbers are 0: look at what is counted, picture by picture",)
        return Property(name, got == want, f"{got:g}", f"{want:g}", causes)
    rows = [row(name, got, want) for name, got, want in zip((GAINED, LOST), out, right)]
    whole = all(float(value).is_integer() for value in out)
    return [Property(FORM, whole, f"{out[0]:g} and {out[1]:g}", "two whole numbers"), *rows]


EXERCISES = (Exercise("03-flips", "Won and lost", {FORM: 0, GAINED: 1, LOST: 1}, cases, run, verify, own=(flips,)),)
