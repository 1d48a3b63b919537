"""Checks of questions about two raters: who rated, on which scale, how reliable a difference is, who disagrees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alliance_analysis.check import rules
from alliance_analysis.check.rules import COLUMNS
from alliance_analysis.prepare import dyad_keys, keep_treatment
from alliance_analysis.study import vocabulary as v

COEFFICIENTS = 6  # of a surface, the intercept included


def check_agreement(
    sessions: pd.DataFrame,
    first: str = v.ALLIANCE_CLIENT,
    second: str = v.ALLIANCE_THERAPIST,
    *,
    comparable: bool = True,
    difference: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Check what limits any statement about the agreement of two raters.

    Parameters
    ----------
    sessions : DataFrame
    first, second : str
        Columns.
    comparable : bool
        Whether both are known to answer the same items on the same scale.
    difference : DataFrame, optional
        Of `describe_difference`; checked at the number of sessions the median client has.

    Returns
    -------
    DataFrame
        `check value limit status why what_to_do`.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": list("aab"), "alliance_client": [4.0, 5, 3]})
    >>> check_agreement(frame.assign(alliance_therapist=[4.0, 4, None]))["status"].tolist()
    ['amber', 'amber', 'amber', 'green', 'green']
    """
    treatment = keep_treatment(sessions)
    rated = treatment[[first, second]].notna()
    either, both = int(rated.any(axis=1).sum()), rated.all(axis=1)
    pairs = treatment[both]
    sizes = pairs.groupby(dyad_keys(pairs)).size()
    clients = pairs[v.CLIENT].nunique()
    therapists = pairs[v.THERAPIST].nunique() if v.THERAPIST in pairs else 0
    alone = 1 - int(both.sum()) / either if either else 1.0
    single = float((sizes == 1).mean()) if len(sizes) else 1.0
    rows = [
        rules.CLIENTS.row(clients, clients >= rules.CLIENTS.limit),
        rules.THERAPISTS.row(therapists, therapists >= rules.THERAPISTS.limit),
        rules.RATED_ALONE.row(alone, alone <= rules.RATED_ALONE.limit),
        rules.ONE_SESSION.row(single, single <= rules.ONE_SESSION.limit),
        rules.SAME_ITEMS.row(comparable, comparable),
    ]
    if difference is not None and len(difference):
        typical = np.searchsorted(difference["sessions"].to_numpy(), sizes.median(), side="right") - 1
        value = float(difference["difference"].iloc[max(int(typical), 0)])
        rows.append(rules.DIFFERENCE.row(value, value >= rules.DIFFERENCE.limit))
    return pd.DataFrame(rows, columns=COLUMNS)


def check_congruence(glance: pd.DataFrame, base_rates: Mapping[str, float]) -> pd.DataFrame:
    """Check a polynomial regression of an outcome on two ratings.

    Parameters
    ----------
    glance : DataFrame
        `glance()` of `fit_congruence`.
    base_rates : mapping
        Its `base_rates`; empty where nothing was fitted.

    Examples
    --------
    >>> glance = pd.DataFrame([{"converged": True, "singular": False, "n_client": 100, "n_therapist": 12}])
    >>> rates = {"first higher": 0.3, "in agreement": 0.4, "second higher": 0.3}
    >>> check_congruence(glance, rates)["status"].unique().tolist()
    ['green']
    """
    row = glance.iloc[0]
    if not row["converged"]:
        return pd.DataFrame([rules.CONVERGED.row(False, False)], columns=COLUMNS)
    regular = not row.get("singular", False)
    clients = int(row[f"n_{v.CLIENT}"]) if f"n_{v.CLIENT}" in row else int(row["n_obs"])
    rows = [
        rules.CONVERGED.row(True, True),
        rules.REGULAR.row(regular, regular),
        rules.CLIENTS.row(clients, clients >= rules.CLIENTS.limit),
        rules.ROWS_PER_TERM.row(clients / COEFFICIENTS, clients / COEFFICIENTS >= rules.ROWS_PER_TERM.limit),
    ]
    if f"n_{v.THERAPIST}" in row:
        n = int(row[f"n_{v.THERAPIST}"])
        rows.append(rules.THERAPISTS.row(n, n >= rules.THERAPISTS.limit))
    if base_rates:
        least = min(base_rates["first higher"], base_rates["second higher"])
        rows.append(rules.DISAGREE.row(least, least >= rules.DISAGREE.limit))
    return pd.DataFrame(rows, columns=COLUMNS)
