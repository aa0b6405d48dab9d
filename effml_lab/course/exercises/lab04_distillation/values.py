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
    if STUDENT not in found or SOLVER not in found:
        raise Unanswered(UNRECORDED)
    return found


def wanted(row: Record) -> float:
    return row.quality["wanted"]["value"]


def solvers(found: dict[str, Record], steps: int, grids: tuple[str, ...] = ("karras", "lambda", "quadratic")) -> list[Record]:
    return [row for name, row in found.items() if name.startswith(SOLVERS) and row.nfe == steps
            and name.rpartition(", ")[2] in grids]


def most(found: dict[str, Record], beats=None) -> float:
    """The most evaluations at which the progressive student surely shows more of the wanted kind than every solver; 0 if none."""
    beats = beats or (lambda mine, others: all(mine["low"] > other["high"] for other in others))
    for steps in reversed(COUNTS):
        mine = next(row for name, row in found.items() if name.startswith(f"progressive_{steps},")).quality["wanted"]
        if beats(mine, [row.quality["wanted"] for row in solvers(found, steps)]):
            return float(steps)
    return 0.0


def pays() -> tuple[float, float]:
    right = most(rows())
    return right - 0.1, right + 0.1


def pays_slips() -> dict[str, tuple[float, float]]:
    found = rows()
    tries = {"its value is higher there, but the intervals touch: surely higher is asked for": most(
        found, lambda mine, others: all(mine["value"] > other["value"] for other in others)),
        "it beats DDIM there, and not every solver": most(found, lambda mine, others: mine["low"] > others[0]["high"]),
        "a count at which no student was made": 3.0, "the fewest: the most evaluations are asked for": 1.0}
    right = most(found)
    return {said: (value - 0.1, value + 0.1) for said, value in tries.items() if value != right}


def spent(row: Record, back: float = BACK, plain: bool = True) -> float:
    """What a training has cost in evaluations of a picture."""
    training = row.settings["training"]
    return back * training["learned from"] + (training["without a pass back"] if plain else 0.0)


def even(back: float = BACK, plain: bool = True, saves: float | None = None) -> float:
    """After how many pictures the student of four steps has paid for its training, beside 2M with eight steps."""
    found = rows()
    return spent(found[STUDENT], back, plain) / (saves or found[SOLVER].nfe - found[STUDENT].nfe)


def near(value: float) -> tuple[float, float]:
    return 0.98 * value, 1.02 * value


def even_slips() -> dict[str, tuple[float, float]]:
    return {"calls that are learned from count once: each has a pass back, and counts three": near(even(back=1)),
            "the calls of the teachers are missing": near(even(plain=False)),
            "divided by the eight evaluations of 2M: what is saved is the difference": near(even(saves=8)),
            "this is the cost of the training: divide it by what a picture saves": near(even(saves=1)),
            "the student's calls are missing: they count three each": near(even(back=0))}


EXERCISES: tuple[Exercise, ...] = (
    prediction("04-guess-spread", "Prediction: pairs that were shuffled", "a number, 0 or more", lambda value: value >= 0),
    prediction("04-guess-guided", "Prediction: a student under guidance", *POSITIVE),
    reading("04-read-pays", "Where training pays", pays, pays_slips),
    reading("04-read-even", "When it has paid", lambda: near(even()), even_slips),
)
