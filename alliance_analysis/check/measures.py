"""Checks of measures and of the client-level correlation, and several tables of checks as one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alliance_analysis.check.rules import (
    AMBER,
    CLIENTS,
    CLIENTS_USED,
    COLUMNS,
    CONVERGED,
    EXTREME,
    GREEN,
    MISSING,
    RED,
    REGULAR,
    THERAPISTS,
)  # fmt: skip


def check_measures(described: pd.DataFrame) -> pd.DataFrame:
    """Check the measures of `describe_measures`: floor, ceiling, missing values.

    Examples
    --------
    >>> described = pd.DataFrame({"measure": ["x"], "missing_share": [0.5], "floor_share": 0.0, "ceiling_share": [0.3]})
    >>> check_measures(described)["status"].tolist()
    ['amber', 'amber']
    """
    extreme = described[["floor_share", "ceiling_share"]].max(axis=1)
    rows = []
    for name, missing, share in zip(described["measure"], described["missing_share"], extreme, strict=True):
        rows.append(MISSING.about(name).row(missing, missing <= MISSING.limit))
        if not np.isnan(share):
            rows.append(EXTREME.about(name).row(share, share <= EXTREME.limit))
    return pd.DataFrame(rows, columns=COLUMNS)


def check_early_alliance(glance: pd.DataFrame, flow: pd.DataFrame) -> pd.DataFrame:
    """Check the correlation of early alliance and end state (`glance()` and `flow` of `fit_early_alliance`).

    Examples
    --------
    >>> glance = pd.DataFrame([{"n_client": 196, "n_therapist": 24}])
    >>> check_early_alliance(glance, pd.DataFrame({"clients": [240, 196]}))["status"].tolist()
    ['green', 'green', 'green']
    """
    row = glance.iloc[0]
    lost = 1 - flow["clients"].iloc[-1] / flow["clients"].iloc[0]
    rows = [
        CLIENTS.row(int(row["n_client"]), row["n_client"] >= CLIENTS.limit),
        THERAPISTS.row(row["n_therapist"], row["n_therapist"] >= THERAPISTS.limit),
        CLIENTS_USED.row(lost, lost <= CLIENTS_USED.limit),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def check_shares(glance: pd.DataFrame) -> pd.DataFrame:
    """Check how a measure's variance was divided (`glance()` of `fit_variance_shares`).

    Examples
    --------
    >>> glance = pd.DataFrame([{"converged": True, "singular": False, "n_client": 196, "n_therapist": 7}])
    >>> check_shares(glance)["status"].tolist()
    ['green', 'green', 'green', 'amber']
    """
    row = glance.iloc[0]
    if not row["converged"]:
        return pd.DataFrame([CONVERGED.row(False, False)], columns=COLUMNS)
    regular = not row["singular"]
    rows = [
        CONVERGED.row(True, True),
        REGULAR.row(regular, regular),
        CLIENTS.row(int(row["n_client"]), row["n_client"] >= CLIENTS.limit),
        THERAPISTS.row(int(row["n_therapist"]), row["n_therapist"] >= THERAPISTS.limit),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def combine_checks(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return several tables of checks as one, red first, then amber; each check names what it is about.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        What was checked to its table; "" for a table whose checks say it themselves.

    Examples
    --------
    >>> green = pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"check": "converged", "status": "green"}])
    >>> combine_checks({"session model": green})["check"].tolist()
    ['session model: converged']
    """
    order = {RED: 0, AMBER: 1, GREEN: 2}
    named = [table.assign(check=[f"{n}: {c}" if n else c for c in table["check"]]) for n, table in tables.items()]
    table = pd.concat(named, ignore_index=True)
    return table.sort_values("status", key=lambda s: s.map(order), kind="stable", ignore_index=True)
