"""Lab 05: a prediction, a width worked out, and what the branch is worth at equal bytes, read from what was recorded.

The last is answered by the rows of `bench quant`: whoever measures again changes it.
"""
from ....bench import point
from ....measure.records import Record
from ...contract.exercise import Exercise, Unanswered, prediction, reading

RANK, GROUP, RATIO, STEP = 32, 64, 3.0, 128


def least_width(ratio: float = RATIO, codes: float = 0.5, scales: float = 2 / GROUP, branch: float = 4.0 * RANK, s: float = 2.0,
                step: int = STEP) -> float:
    """The least multiple of `step` as width of a square layer at which 16 bits take at least so many times its bytes.

    codes and scales: bytes a weight; branch and s: bytes a channel.
    """
    for n in range(step, 10**5, step):
        if 2 * n * n >= ratio * ((codes + scales) * n * n + (branch + s) * n):
            return float(n)
    return 0.0


def width_slips() -> dict[str, tuple[float, float]]:
    tries = {
        "a multiple of 64: multiples of 128 are asked for, which need no padding": least_width(step=64),
        "a power of two, the next: multiples of 128 are asked for": 2048.0,
        "there it is nearly 3: at least 3 is asked for": 896.0,
        "the scales are missing": least_width(scales=0), "one factor of the branch is missing": least_width(branch=2.0 * RANK),
        "the branch has one byte a number here: 16 bits are two": least_width(branch=2.0 * RANK),
        "the branch has four bytes a number here: 16 bits are two": least_width(branch=8.0 * RANK),
        "the scales have four bytes here: 16 bits are two": least_width(scales=4 / GROUP),
        "beside 32 bits: beside a layer of 16 is asked": least_width(ratio=RATIO / 2),
        "this is the narrowest there is": float(STEP), "a ratio of 2: 3 is asked for": least_width(ratio=2.0),
        "a ratio of 3.5: 3 is asked for": least_width(ratio=3.5)}
    taken = {}
    for said, number in tries.items():
        taken.setdefault(number, said)
    return {said: about(number, 0.5) for number, said in taken.items() if number not in (0.0, least_width())}


UNRECORDED = "Whole nets are not recorded yet: `python -m effml_lab bench quant --out data/results` does that."
BRANCH, CONTROL = "SVDQuant, w4a4, rank 32", "equal bytes"


def decibels(net: str = "dit", key: str = "psnr") -> dict[str, float]:
    """By way the PSNR of a net, of the median picture."""
    rows: list[Record] = [row for row in point.recorded("quant").values()
                          if row.settings.get("net") == net and key in row.quality]
    found = {row.settings["way"]: row.quality[key]["value"] for row in rows}
    if BRANCH not in found or not any(row.settings["control"] for row in rows):
        raise Unanswered(UNRECORDED)
    return found


def worth(net: str = "dit", pick=max, key: str = "psnr", mine: str = BRANCH, others: str = CONTROL) -> float:
    """How far SVDQuant lies above the best of other ways."""
    found = decibels(net, key)
    return found[mine] - pick(value for name, value in found.items() if name.startswith(others))


def paired(net: str = "dit") -> float:
    """How far it lies above the best control in the median of the differences."""
    rows = [row for row in point.recorded("quant").values() if row.settings.get("net") == net and "over" in row.settings]
    return min(row.quality["decibels_median"]["value"] for row in rows if row.settings["control"])


def about(value: float, by: float = 0.15) -> tuple[float, float]:
    return value - by, value + by


def worth_slips() -> dict[str, tuple[float, float]]:
    right = worth()
    tries = {
        "this is over rounding alone, which takes fewer bytes: the rows of equal bytes are asked for": worth(
            others="w4a4, rounded"),
        "this is over smoothing alone, which takes fewer bytes: the rows of equal bytes are asked for": worth(
            others="w4a4, smoothing only"),
        "this is the median of the differences, picture by picture: the difference of two rows is asked for": paired(),
        "this is over 8 bits a weight, which is not the best of the rows": worth(others=f"{CONTROL}, 8 bits"),
        "this is over the worst of the rows of equal bytes: the best is asked for": worth(pick=min),
        "the other way round: SVDQuant less the control": -right,
        "these are the rows with outliers planted by a shift: the DiT as trained is asked for": worth("shifted"),
        "these are the rows with outliers planted by rescaling: the DiT as trained is asked for": worth("rescaled"),
        "this is rank 8: rank 32 has as many bytes as the control": worth(mine="SVDQuant, w4a4, rank 8"),
        "this is rank 64: rank 32 has as many bytes as the control": worth(mine="SVDQuant, w4a4, rank 64"),
        "this is the difference of the rows of all pictures together: that of the median picture is asked for": worth(
            key="psnr_pooled"),
        "this is SVDQuant's own PSNR: what it lies above the control is asked for": decibels()[BRANCH]}
    apart = lambda said: all(abs(tries[said] - other) > 0.4 for name, other in [*tries.items(), ("", right)] if name != said)
    return {said: about(number, 0.2) for said, number in tries.items() if apart(said)}


EXERCISES: tuple[Exercise, ...] = (
    prediction("05-guess-smoothing", "Prediction: what smoothing is worth", "a number of decibels, -100 to 100",
               lambda value: -100 <= value <= 100),
    reading("05-read-worth", "What the branch is worth at equal bytes", lambda: about(worth()), worth_slips),
    reading("05-read-width", "How wide it has to be", lambda: about(least_width(), 0.5), width_slips),
)
