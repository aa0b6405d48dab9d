"""The order of a solver: how fast its error falls with the number of steps.

An error C / N^p is a straight line of slope -p over log N. p is that of the least-squares line through several counts, which
only mean something where the error is ruled by its leading term: look at the curve before you trust the number.
"""
import numpy as np


def order(errors, counts) -> float:
    """Minus the slope of log error over log count; errors, counts: as many positive numbers, two or more."""
    counts, errors = np.asarray(counts, dtype=float), np.asarray(errors, dtype=float)
    if counts.shape != errors.shape or counts.ndim != 1 or len(counts) < 2 or not ((counts > 0) & (errors > 0)).all():
        raise ValueError("an order is measured on as many errors as counts, two or more, all positive, "
                         f"got {counts.shape} and {errors.shape}")
    return float(-np.polyfit(np.log(counts), np.log(errors), 1)[0])
