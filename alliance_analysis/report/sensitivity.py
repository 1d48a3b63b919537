"""Says what would change an answer: the same quantity under the other choices that were fitted beside it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from alliance_analysis.report.formats import format_count, format_number
from alliance_analysis.report.records import Fit, withheld_reasons
from alliance_analysis.report.statements import begun, interval_text

OTHER_ADJUSTMENTS = {
    "r_given_baseline": "with symptoms at the start held constant, r is",
    "r_given_change_so_far": "with the change so far held constant as well, r is",
}
OTHER_AGREEMENT = {
    "correlation within clients, average course taken out": (
        "with the average course over sessions taken out, the correlation within clients is"
    ),
}
OTHER_CURVATURE = {"a4": "with the earlier symptoms left out, the curvature along disagreement is"}


def tell_other_shapes(table: pd.DataFrame) -> str | None:
    """Say how the primary slope moves with the shape of time and without individual courses.

    Parameters
    ----------
    table : DataFrame
        Of `compare_prospective_by_shape`; what a model withholds has no number there.

    Returns
    -------
    str or None
        None where no other choice gave a number.

    Examples
    --------
    >>> table = pd.DataFrame({"direction": "alliance predicts", "chosen": [True, False, False],
    ...     "standardised": [-0.1, -0.12, -0.05], "conf_low": [-0.2, -0.2, -0.1], "conf_high": [-0.01, -0.02, 0.0]})
    >>> tell_other_shapes(table).partition("courses, ")[2]
    'the slope lies between −0.12 and −0.05; 1 of 2 intervals leave out zero.'
    """
    others = table[(table["direction"] == "alliance predicts") & ~table["chosen"]].dropna(subset=["standardised"])
    if others.empty:
        return None
    lowest, highest = format_number(others["standardised"].min()), format_number(others["standardised"].max())
    clear = int(((others["conf_low"] > 0) | (others["conf_high"] < 0)).sum())
    span = f"is {lowest}" if lowest == highest else f"lies between {lowest} and {highest}"
    return (
        f"Under other shapes of time, with and without individual courses, the slope {span}; {format_count(clear)} of "
        f"{format_count(len(others))} intervals leave out zero."
    )


def tell_other_terms(fit: Fit, choices: Mapping[str, str], conf_level: float = 0.95) -> str | None:
    """Say what other terms or models give: each choice in words, then its estimate and interval.

    Parameters
    ----------
    fit : object with tidy(conf_level) and glance()
        What it withholds, and all of a fit that did not converge, is not said.
    choices : mapping
        term -> the beginning of what is said, such as "with symptoms at the start held constant, r is".
    conf_level : float
        Of the intervals.

    Returns
    -------
    str or None
        None where none of the terms has an estimate.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> table = pd.DataFrame({"term": ["b"], "estimate": [0.2], "conf_low": [0.1], "conf_high": [0.3]})
    >>> fit = SimpleNamespace(tidy=lambda conf_level: table, glance=lambda: pd.DataFrame({"converged": [True]}))
    >>> tell_other_terms(fit, {"b": "with age beside it, r is"})
    'With age beside it, r is 0.20 [0.10, 0.30].'
    """
    tidy = fit.tidy(conf_level=conf_level)
    withheld = withheld_reasons(fit, fit.glance(), tidy)
    rows = tidy.set_index("term").reindex([term for term in choices if term not in withheld])
    parts = [
        f"{choices[term]} {format_number(row['estimate'])} "
        f"{interval_text(row['conf_low'], row['conf_high'], conf_level)}"
        for term, row in rows.dropna(subset=["estimate"]).iterrows()
    ]
    return f"{begun('; '.join(parts))}." if parts else None
