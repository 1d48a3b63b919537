"""The delete-one jackknife over clients, for statistics of independent clients that have no closed-form error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def jackknife_error(statistic: Callable[[np.ndarray], float], rows: np.ndarray) -> float:
    """Return the standard error of a statistic of rows (n, ...), one row per client, leaving out one at a time.

    Examples
    --------
    >>> round(jackknife_error(np.mean, np.array([1.0, 2.0, 3.0])), 4)  # that of the mean: SD / sqrt(n)
    0.5774
    """
    n = len(rows)
    left_out = np.array([statistic(np.delete(rows, row, axis=0)) for row in range(n)])
    return spread_of(left_out)


def spread_of(left_out: np.ndarray) -> float:
    """Return the jackknife's standard error from the statistics (n,) of everybody but one.

    Examples
    --------
    >>> round(spread_of(np.array([2.5, 2.0, 1.5])), 4)
    0.5774
    """
    n = len(left_out)
    return float(np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()))
