"""Lab 06: where the roofline bends, what promotion leaves of the tensor cores, and what fusing saves.

The second is answered by the rows of `bench instructions`: whoever compiles again may change it.
"""
from ....bench import point
from ...contract.exercise import Exercise, Unanswered, prediction, reading
from ..common import COUNT

ROWS, WIDE, OUT = 4096, 3072, 12288


def counted(kernel: str, cc: int = 90) -> dict:
    """The counts of a kernel's main loop on an architecture, in the row for the most rows."""
    found = [row.settings for row in point.recorded("instructions").values()
             if row.settings.get("kernel") == kernel and row.settings.get("cc") == cc and "macs" in row.settings]
    if not found:
        raise Unanswered("Nothing is counted yet: `python -m effml_lab bench instructions --out data/results` does that.")
    return found[-1]


def share(kernel: str = "gemm_w4a4", cc: int = 90) -> float:
    """The most of the 8-bit peak that a loop can reach, in percent."""
    row = counted(kernel, cc)
    return 100 * row["tensor"] / max(row["issue"], row["tensor"], row["convert"])


def about(value: float, by: float) -> tuple[float, float]:
    return value - by, value + by


def share_slips() -> dict[str, tuple[float, float]]:
    row, right = counted("gemm_w4a4"), share()
    tries = {
        "this is w4a8: w4a4 is asked for": share("gemm_w4a8"), "this is compute capability 8.0: Hopper has 9.0": share(cc=80),
        "this is compute capability 8.9: Hopper has 9.0": share(cc=89),
        "upside down: tensor clocks over the largest of the three": 100 * row["issue"] / row["tensor"],
        "a share of one: percent are asked for": right / 100,
        "tensor clocks over the sum of all three: they overlap, so the largest decides":
            100 * row["tensor"] / (row["issue"] + row["tensor"] + row["convert"]),
        "this is what is lost: what is reached is asked for": 100 - right,
        "tensor clocks over those of conversions: the largest of the three decides":
            100 * row["tensor"] / row["convert"] if row["convert"] else -1.0}
    return {said: about(number, 0.5 if number > 1 else 0.005) for said, number in tries.items() if abs(number - right) > 1.2}


def saved(rows: int = ROWS, wide: int = WIDE, bytes_each: float = 2.0) -> float:
    """MB that are not read again when one kernel makes codes and la of 16-bit inputs."""
    return rows * wide * bytes_each / 1e6


EXERCISES: tuple[Exercise, ...] = (
    prediction("06-guess-rows", "Prediction: from how many rows on", *COUNT),
    reading("06-read-promotion", "What promotion leaves of the tensor cores", lambda: about(share(), 1.0), share_slips),
    reading("06-read-saved", "What one read saves", lambda: about(saved(), 0.3), lambda: {
        "x has 16 bits, two bytes a number": about(saved(bytes_each=1.0), 0.3),
        "these are 32 bits a number: x has 16": about(saved(bytes_each=4.0), 0.3),
        "these are MiB, of 2^20 bytes: MB of a million are asked for": about(saved() * 1e6 / 2**20, 0.3),
        "in bytes: a million of them are a MB": about(1e6 * saved(), 3e5),
        "these are the outputs, M N: x is M K": about(saved(wide=OUT), 0.5),
        "these are reads of x in both ways: what is saved is one": about(saved(bytes_each=6.0), 0.3)}),
)
