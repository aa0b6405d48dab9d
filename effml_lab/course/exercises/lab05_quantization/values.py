"""Lab 05: a prediction, and numbers read off."""
from ...contract.exercise import Exercise, prediction, reading

RANK, GROUP, RATIO, STEP = 32, 64, 3.0, 64


def least_width(ratio: float = RATIO, codes: float = 0.5, scales: float = 2 / GROUP, branch: float = 4.0 * RANK, s: float = 2.0,
                step: int = STEP, strictly: bool = False) -> float:
    """The least multiple of `step` as width of a square layer at which 16 bits take so many times its bytes.

    codes and scales: bytes a weight; branch and s: bytes a channel.
    """
    for n in range(step, 10**5, step):
        got = 2 * n * n / ((codes + scales) * n * n + (branch + s) * n)
        if got > ratio or (got == ratio and not strictly):
            return float(n)
    return 0.0


def near(value: float) -> tuple[float, float]:
    return value - 0.5, value + 0.5


def width_slips() -> dict[str, tuple[float, float]]:
    tries = {
        "there the ratio is above 3: at least 3 is asked for, and a narrower layer has just that": least_width(strictly=True),
        "a power of two: multiples of 64 are asked for": 1024.0,
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
    return {said: near(number) for number, said in taken.items() if number not in (0.0, least_width())}


EXERCISES: tuple[Exercise, ...] = (
    prediction("05-guess-smoothing", "Prediction: what smoothing is worth", "a number of decibels, -100 to 100",
               lambda value: -100 <= value <= 100),
    reading("05-read-width", "How wide it has to be", lambda: near(least_width()), width_slips),
)
