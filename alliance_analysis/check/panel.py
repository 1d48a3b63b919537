"""Checks of the panel VAR: convergence, boundary, after-effects, how many clients carry it."""

from __future__ import annotations

import pandas as pd

from alliance_analysis.check import rules
from alliance_analysis.check.rules import COLUMNS
from alliance_analysis.panel.fitted import PanelVarFit
from alliance_analysis.study import vocabulary as v

SESSIONS_NEEDED = 3  # of a client, for a deviation to be told from the level


def check_panel(fit: PanelVarFit, data: pd.DataFrame, *, measures: tuple[str, ...]) -> pd.DataFrame:
    """Check a panel VAR.

    Parameters
    ----------
    fit : PanelVarFit
        A model that was refused, did not converge or may not be shown gets the one red row that says why.
    data : DataFrame
        The sessions that were fitted; needs `client`.
    measures : tuple of str
        Its series.

    Returns
    -------
    DataFrame
        `check value limit status why what_to_do`, as `check_fit` gives it.
    """
    glance = fit.glance().iloc[0]
    if not glance["converged"] or fit.withheld:
        reasons = ", ".join(dict.fromkeys(fit.withheld.values()))
        return pd.DataFrame(
            [rules.CONVERGED.row(False, False) | ({"why": reasons} if reasons else {})], columns=COLUMNS
        )
    clustered = str(glance["se_method"]).startswith("clustered")
    regular, eigenvalue = not glance["singular"], float(glance["largest_eigenvalue"])
    clients = int(glance["n_client"])
    rows = [
        rules.CONVERGED.row(True, True),
        rules.LEVELS_REGULAR.row(regular, regular),
        rules.CLIENTS.row(clients, clients >= rules.CLIENTS.limit),
        rules.CLUSTERED.row(clustered, clustered),
        rules.AFTER_EFFECTS.row(eigenvalue, eigenvalue <= rules.AFTER_EFFECTS.limit),
    ]
    for name in measures:
        rated = data.dropna(subset=[name]).groupby(v.CLIENT)[name]
        short = float((rated.count() < SESSIONS_NEEDED).mean())
        still = float((rated.nunique() == 1)[rated.count() > 1].mean())
        rows += [
            rules.SHORT.about(name).row(short, short <= rules.SHORT.limit),
            rules.VARIATION.about(name).row(still, still <= rules.VARIATION.limit),
        ]
    return pd.DataFrame(rows, columns=COLUMNS)
