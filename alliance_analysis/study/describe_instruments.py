"""Lists what is known of the questionnaires as a table: figure by figure, each with how well it is known."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from alliance_analysis.study.instruments import INSTRUMENTS, Instrument

COLUMNS = ("instrument", "title", "figure", "value", "confidence", "source")


def describe_instruments(own: Mapping[str, Instrument] | None = None) -> pd.DataFrame:
    """Return what is known of each instrument, one row per figure; what is unknown has no row.

    Parameters
    ----------
    own : mapping of str to Instrument, optional
        Further instruments, such as those a study describes itself.

    Returns
    -------
    DataFrame
        ``instrument title figure value confidence source``, all text.

    Examples
    --------
    >>> frame = describe_instruments()
    >>> frame[(frame["instrument"] == "PHQ-9") & (frame["figure"] == "cut_off")]["value"].tolist()
    ['10']
    """
    rows = [
        (one.name, one.title, figure.name, _written(figure.value), figure.confidence, figure.source)
        for one in {**INSTRUMENTS, **(own or {})}.values()
        for figure in one.figures
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
