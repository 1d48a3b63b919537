"""Secondary tests of a report as one family: their p-values adjusted after Holm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

COLUMNS = ["model", "term", "level", "p_value", "p_holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, after Holm: never smaller than before, in the order given.

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics, 6, 65-70.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def secondary_tests(estimates: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Tabulate the tests of a report beyond its primary one, as one family.

    Parameters
    ----------
    estimates : sequence of mapping
        Rows of `results.json`. A test belongs to the family when the notebook names a level for its term: intercepts,
        courses and other terms that no question is asked about do not. Variances and shares have no test.

    Returns
    -------
    DataFrame
        `model term level p_value p_holm`; no row without tests.
    """
    family = [
        row for row in estimates if row.get("p_value") is not None and row.get("level") and not row.get("primary")
    ]
    table = pd.DataFrame([{name: row.get(name) for name in COLUMNS[:4]} for row in family], columns=COLUMNS[:4])
    return table.assign(p_holm=holm([float(p) for p in table["p_value"]]))
