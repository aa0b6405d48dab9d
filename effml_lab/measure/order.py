"""The order of a solver: how fast its error falls with the number of steps.

An error C / N^p is a straight line of slope -p over log N. p is that of the least-squares line through several counts, which
only mean something where the error is ruled by its leading term: look at the curve before you trust the number.
"""
from typing import Sequence

import numpy as np


def order(errors: Sequence[float], counts: Sequence[float]) -> float:
    """Minus the slope of log error over log count; errors, counts: as many positive numbers, at two counts or more."""
    counts, errors = np.asarray(counts, dtype=float), np.asarray(errors, dtype=float)
    fit = counts.shape == errors.shape and counts.ndim == 1 and len(set(counts.tolist())) > 1
    if not fit or not ((counts > 0) & (errors > 0) & np.isfinite(errors)).all():
        raise ValueError("an order is measured on as many errors as counts, at two counts or more, all positive and finite, "
                         f"got {counts.shape} and {errors.shape}")
    return float(-np.polyfit(np.log(counts), np.log(errors), 1)[0])
