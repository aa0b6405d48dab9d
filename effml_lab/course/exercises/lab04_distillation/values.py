"""Lab 04: two predictions, and two numbers read from what was recorded: where training pays, and when it has paid.

The readings are answered by the rows of `bench distill`: whoever measures again changes them.
"""
from ....bench import point
from ....measure.records import Record
from ...contract.exercise import Exercise, Unanswered, prediction, reading
from ..common import POSITIVE

UNRECORDED = "Distillation is not recorded yet: `python -m effml_lab bench distill --out data/results` does that."
SOLVERS, COUNTS, BACK = ("ddim", "dpmpp_2m", "unipc"), (1, 2, 4, 8), 3      # a call that is learned from costs three
STUDENT, SOLVER = "progressive_4, 4 steps", "dpmpp_2m, 8 steps, karras"


def rows() -> dict[str, Record]:
    found = point.recorded("distill")
    if any(named(steps) not in found for steps in COUNTS) or SOLVER not in found:
        raise Unanswered(UNRECORDED)
    return found


def named(steps: int) -> str:
    return f"progressive_{steps}, {steps} step{'s' * (steps > 1)}"


def student(found: dict[str, Record], steps: int) -> Record:
    return found[named(steps)]


def solvers(found: dict[str, Record], steps: int) -> list[Record]:
    return [row for name, row in found.items() if name.startswith(SOLVERS) and row.nfe == steps]


def surely(mine: dict, others: list[Record]) -> bool:
    return all(mine["low"] > other.quality["wanted"]["high"] for other in others)


def most(found: dict[str, Record], beats=surely, among=solvers) -> float:
    """The most evaluations at which the progressive student beats what it is held against; 0 if at none."""
    for steps in reversed(COUNTS):
        if beats(student(found, steps).quality["wanted"], among(found, steps)):
            return float(steps)
    return 0.0


def pays() -> tuple[float, float]:
    right = most(rows())
    return right - 0.1, right + 0.1


def pays_slips() -> dict[str, tuple[float, float]]:
    found = rows()
    value = lambda row: row.quality["wanted"]["value"]
    lead = lambda steps: value(student(found, steps)) - max(map(value, solvers(found, steps)))
    tries = {
        "its value is higher there, but the intervals touch: surely higher is asked for": most(
            found, lambda mine, others: all(mine["value"] > value(other) for other in others)),
        "it beats DDIM there, and not every solver": most(
            found, lambda mine, others: surely(mine, [row for row in others if row.technique.startswith("ddim")])),
        "solvers of more evaluations are among those it is held against: as many as the student's are asked for": most(
            found, among=lambda found, steps: [row for count in COUNTS for row in solvers(found, count)]),
        "there its lead is largest: the most evaluations are asked for": float(max(COUNTS, key=lead)),
        "the fewest: the most evaluations are asked for": 1.0, "a count at which no student was made": 3.0}
    taken = {}
    for said, number in tries.items():
        taken.setdefault(number, said)
    return {said: (number - 0.1, number + 0.1) for number, said in taken.items() if number != most(found)}


def spent(back: float = BACK, plain: float = 1.0) -> float:
    """What the training of the student of four steps has cost in evaluations of a picture."""
    training = rows()[STUDENT].settings["training"]
    return back * training["learned from"] + plain * training["without a pass back"]


def even(cost: float, saves: float | None = None) -> float:
    """After how many pictures a training of that cost has paid for itself, beside 2M with eight steps."""
    found = rows()
    return cost / (saves or found[SOLVER].nfe - found[STUDENT].nfe)


def near(value: float) -> tuple[float, float]:
    return 0.98 * value, 1.02 * value


def even_slips() -> dict[str, tuple[float, float]]:
    once, alone = spent(back=1), spent(plain=0)
    calls = "calls that are learned from count once: each has a pass back, and counts three"
    others = "the calls of the teachers are missing"
    both = {f"{calls}; or {others}": once} if abs(once / alone - 1) < 0.02 else {calls: once, others: alone}
    return {said: near(even(cost)) for said, cost in both.items()} | {
        "divided by the eight evaluations of 2M: what is saved is the difference": near(even(spent(), 8)),
        "divided by two, the ratio: what a picture saves is the difference": near(even(spent(), 2)),
        "this is the cost of the training: divide it by what a picture saves": near(spent()),
        "this is a number of calls: those with a pass back count three, and a picture saves several": near(once),
        "the student's calls are missing: they count three each": near(even(spent(back=0))),
        "calls without a pass back count three, and the others once: it is the other way round": near(even(spent(1, 3))),
        "the student's calls alone, and once: they count three, and the teachers' count, too": near(even(spent(1, 0)))}


EXERCISES: tuple[Exercise, ...] = (
    prediction("04-guess-spread", "Prediction: pairs that were shuffled", "a number, 0 or more", lambda value: value >= 0),
    prediction("04-guess-guided", "Prediction: a student under guidance", *POSITIVE),
    reading("04-read-pays", "Where training pays", pays, pays_slips),
    reading("04-read-even", "When it has paid", lambda: near(even(spent())), even_slips),
)
