"""Arranges judgements for a reader: what was published, what stands beside it, and every criterion."""

from __future__ import annotations

import pandas as pd

from alliance_analysis.report.formats import MISSING
from alliance_analysis.report.tables import interval_cells, number_cells

CAPTION = "Own estimate beside published findings, each comparable only at the same level and metric."
NOTE = "Published figures as printed, with how they were verified."
NOTE_OWN = (
    f"{NOTE} Own values are coded so that positive is good for the client: where a higher score is worse, the sign of "
    "the own estimate is turned; figures on the agreement of two raters, where no direction is good or bad, stay as "
    "they are. So is the interval expected for a new study of this size. Where the reason says “direction only”, the "
    "published figure has another metric or no number, and only the directions are compared."
)
NOTE_NO_OWN = f"{NOTE} No own value stands beside them: in each row the reason says why."
CRITERIA_CAPTION = "Criteria, all reported."
CRITERIA_NOTE = (
    "Tau is the between-study standard deviation, which the sources do not print: consistency is therefore given for "
    "three values of it. Small telescopes: the own estimate is below what a single source could have found; not asked "
    "of a meta-analysis. Bayes factor: published estimate against no effect; above one speaks for the published one."
)
_CRITERIA = {
    "consistent_tau_0": "Consistent, tau 0",
    "consistent_tau_05": "Consistent, tau .05",
    "consistent_tau_10": "Consistent, tau .10",
    "small_telescopes": "Too small to have been found (small telescopes)",
    "bayes_factor": "Bayes factor",
}
_LARGE = 1000  # beyond it a Bayes factor says no more


def arrange_verdicts(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the columns a reader needs, each estimate with its interval in one cell, and the note they need.

    Parameters
    ----------
    frame : DataFrame
        Of `judge_replication`; `published`, `own` and `expected` may be absent.

    Returns
    -------
    DataFrame
        `citation metric published own expected verdict reason confidence`, without `own` and `expected` where no row
        has an own value.
    str
        How the values are coded.
    """
    shown = frame[[name for name in ("citation", "metric") if name in frame]].copy()
    has_own = "own" in frame and bool(frame["own"].notna().any())
    for name in ("published", "own", "expected") if has_own else ("published",):
        parts = [number_cells(frame[name])] if name in frame else []
        if f"{name}_low" in frame:
            parts.append(interval_cells(frame[f"{name}_low"], frame[f"{name}_high"]))
        if parts:
            # a number printed without an interval stands alone; where nothing is known one dash says so
            told = ([cell for cell in cells if cell != MISSING] for cells in zip(*parts, strict=True))
            shown[name] = [" ".join(cells) or MISSING for cells in told]
    note = NOTE_OWN if has_own else NOTE_NO_OWN
    last = {name: frame[name] for name in ("verdict", "reason", "confidence") if name in frame}
    return shown.assign(**last), note


def arrange_criteria(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per comparable figure with all criteria, under headings in words; no row where none compares."""
    known = [name for name in _CRITERIA if name in frame]
    rows = frame[frame[known].notna().any(axis=1)]
    shown = rows[["citation", *known]].rename(columns={"citation": "Citation"} | _CRITERIA)
    if "bayes_factor" in known:
        factor = rows["bayes_factor"].astype(float)
        cells = number_cells(factor)
        shown[_CRITERIA["bayes_factor"]] = [
            f"> {_LARGE:,}" if value > _LARGE else cell for value, cell in zip(factor, cells, strict=True)
        ]
    return shown
