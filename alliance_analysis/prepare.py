"""Pure functions that add the columns a question needs: within, between, lag, first, detrended, stacked raters.

Every function takes a sessions frame (one row = one session of one client with one therapist) and returns a new one
with the same rows in the same order. The unit is the dyad of client and therapist unless `by` says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.row_codes import repeated, row_codes
from alliance_analysis.study import vocabulary as v

_LEVELS = ((v.CLIENT,), (v.CLIENT, v.THERAPIST))


def dyad_keys(frame: pd.DataFrame) -> list[str]:
    """Return the columns that name a dyad: client, and therapist where the study has therapist ids."""
    return [name for name in (v.CLIENT, v.THERAPIST) if name in frame]


def add_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the two shapes of time the models use: `time` = session - 1 and `log_time` = log(session).

    Both are 0 at session 1, so that an intercept speaks about the first session; at session 0 (intake) `log_time` is
    missing, because a log-shaped course starts with treatment.

    Examples
    --------
    >>> add_time(pd.DataFrame({"session": [1, 2]}))["log_time"].round(3).tolist()
    [0.0, 0.693]
    """
    _need(frame, [v.SESSION])
    session = frame[v.SESSION].astype(float)
    return frame.assign(**{v.TIME: session - 1, v.LOG_TIME: np.log(session.where(session >= 1))})


def keep_treatment(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of treatment: without post and follow-up occasions, where the study tells phases apart.

    Examples
    --------
    >>> keep_treatment(pd.DataFrame({"session": [1, 9], "phase": ["treatment", "follow_up"]}))["session"].tolist()
    [1]
    """
    if v.PHASE not in frame:
        return frame
    return frame[frame[v.PHASE].isna() | (frame[v.PHASE] == v.PHASES[0])]


def grand_mean(frame: pd.DataFrame, column: str, levels: Sequence[str] = (v.CLIENT,)) -> float:
    """Return the mean that `add_within_between` centres the highest level on: the mean of client or therapist means.

    Examples
    --------
    >>> grand_mean(pd.DataFrame({"client": ["a", "a", "b"], "x": [1.0, 3.0, 5.0]}), "x")
    3.5
    """
    means = _client_means(frame, column, None)
    if _checked_levels(frame, levels) == _LEVELS[0]:
        return float(means.mean())
    return float(means.groupby(level=v.THERAPIST).mean().mean())


def add_within_between(
    frame: pd.DataFrame, column: str, levels: Sequence[str] = (v.CLIENT,), rows: pd.Series | None = None
) -> pd.DataFrame:
    """Split a session-level column into its within-client and between-client (and between-therapist) parts.

    Use it before any model that asks whether a client's *better than usual* session differs from a *better than
    others* client. The parts plus `grand_mean` give the raw column back.

    Parameters
    ----------
    frame : DataFrame
        Sessions.
    column : str
        A numeric column; its unit is kept.
    levels : ("client",) or ("client", "therapist")
    rows : Series of bool, optional
        The rows that the means are computed on; default: every available rating of the client.

    Returns
    -------
    DataFrame
        With ``("client",)``: `<column>_within` = value - client mean, `<column>_between` = client mean - mean of client
        means. With ``("client", "therapist")``: `_within`; `_between_client` = client mean - mean of the therapist's
        client means; `_between_therapist` = that mean - mean over therapists.

    Raises
    ------
    DataError
        If a column is missing or not numeric, or `levels` is neither of the two.

    References
    ----------
    Curran & Bauer 2011, 10.1146/annurev.psych.093008.100356.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "a", "b"], "x": [1.0, 3.0, 5.0]})
    >>> add_within_between(frame, "x")["x_between"].tolist()
    [-1.5, -1.5, 1.5]
    """
    _need(frame, [column], numeric=True)
    checked = _checked_levels(frame, levels)
    means = _client_means(frame, column, rows)
    client = _spread(means, frame)
    if checked == _LEVELS[0]:
        between = {v.BETWEEN: client - means.mean()}
    else:
        therapist_means = means.groupby(level=v.THERAPIST).mean()
        therapist = frame[v.THERAPIST].map(therapist_means)
        between = {v.BETWEEN_CLIENT: client - therapist, v.BETWEEN_THERAPIST: therapist - therapist_means.mean()}
    parts = {v.WITHIN: frame[column] - client} | between
    return frame.assign(**{column + suffix: part for suffix, part in parts.items()})


def add_lag(
    frame: pd.DataFrame,
    columns: Sequence[str],
    steps: int = 1,
    by: Sequence[str] | None = None,
    max_gap_days: int | None = None,
) -> pd.DataFrame:
    """Add the value at exactly `steps` sessions before; where that session is not in the data the lag is missing.

    "The row before" is the usual mistake: over a missed session it pairs values two or more sessions apart.

    Parameters
    ----------
    frame : DataFrame
        Sessions; `session` is unique within the dyad.
    columns : sequence of str
    steps : int
        Sessions back, 1 or more.
    by : sequence of str, optional
        Columns that name a series; default: the dyad.
    max_gap_days : int, optional
        Pairs further apart than this many days, not in order, or without both dates are missing; needs `date`.

    Returns
    -------
    DataFrame
        With `<column>_lag<steps>` for each column.

    Raises
    ------
    DataError
        If a column is missing, a session stands twice in a series, `steps` < 1, or dates are asked for and absent.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "a", "a"], "session": [1, 2, 4], "x": [5, 6, 7]})
    >>> add_lag(frame, ["x"])["x_lag1"].tolist()
    [nan, 5.0, nan]
    """
    keys = [*(by or dyad_keys(frame)), v.SESSION]
    _need(frame, [*keys, *columns, *([v.DATE] if max_gap_days is not None else [])])
    if steps < 1:
        raise DataError(f"add_lag: steps must be 1 or more, got {steps}. Use steps=1 for the session before.")
    _refuse_repeated(frame, keys)
    before, found = _rows_before(frame, keys[:-1], steps)
    if max_gap_days is not None:
        dates = frame[v.DATE].to_numpy()
        days = (dates - dates[before]) / np.timedelta64(1, "D")
        found &= (days >= 0) & (days <= max_gap_days)  # an unknown gap is no gap within the limit
    lagged = {name: np.where(found, frame[name].to_numpy(dtype=float)[before], np.nan) for name in columns}
    return frame.assign(**{f"{name}{v.LAG}{steps}": values for name, values in lagged.items()})


def _rows_before(frame: pd.DataFrame, series: list[str], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the place of the one `steps` sessions before in its series, and whether there is one."""
    if frame.empty:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
    sessions = frame[v.SESSION].to_numpy(dtype=float)
    known = np.isfinite(sessions)
    numbers = np.where(known, sessions, 0.0)
    low = numbers.min()
    # a series and a session make one number, series far enough apart that no step leads from one into the next
    span = numbers.max() - low + steps + 1
    places = row_codes(frame[key] for key in series) * span + (numbers - low)
    if np.all(places[1:] > places[:-1]):  # the sessions of a study are in this order
        before = np.searchsorted(places, places - steps)
    else:
        order = np.argsort(places, kind="stable")
        before = order[np.searchsorted(places[order], places - steps).clip(max=len(order) - 1)]
    return before, known & known[before] & (places[before] == places - steps)


def add_first(frame: pd.DataFrame, columns: Sequence[str], by: Sequence[str] | None = None) -> pd.DataFrame:
    """Add `<column>_first`, the first available value of the dyad in session order.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "a"], "session": [2, 1], "x": [6.0, 5.0]})
    >>> add_first(frame, ["x"])["x_first"].tolist()
    [5.0, 5.0]
    """
    keys = [*(by or dyad_keys(frame))]
    _need(frame, [*keys, v.SESSION, *columns])
    first = frame.sort_values(v.SESSION, kind="stable").groupby(keys)[[*columns]].first()
    return frame.assign(**{name + v.FIRST: _spread(first[name], frame) for name in columns})


def add_detrended(
    frame: pd.DataFrame, columns: Sequence[str], time: str = v.TIME, by: Sequence[str] | None = None
) -> pd.DataFrame:
    """Add `<column>_detrended`, the residual of the column on `time` within each dyad; missing below 3 values.

    A different estimand, not a neutral check: METHODS 0.3 of the project simulates how much of a true slope is lost.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a"] * 3, "time": [0.0, 1, 2], "x": [1.0, 2.0, 3.0]})
    >>> add_detrended(frame, ["x"])["x_detrended"].round(12).abs().tolist()
    [0.0, 0.0, 0.0]
    """
    keys = [*(by or dyad_keys(frame))]
    _need(frame, [*keys, time, *columns], numeric=False)
    return frame.assign(**{name + v.DETRENDED: _detrended(frame, name, time, keys) for name in columns})


def add_client_columns(frame: pd.DataFrame, clients: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Add columns that belong to the client, such as age, to every session of the client.

    Parameters
    ----------
    frame : DataFrame
        Sessions.
    clients : DataFrame
        One row per client.
    columns : sequence of str
        Columns of `clients`.

    Returns
    -------
    DataFrame
        `frame` with the columns; missing where the client is not among `clients`.

    Raises
    ------
    DataError
        If `clients` lacks a column, or `frame` has one of them already.

    Examples
    --------
    >>> sessions = pd.DataFrame({"client": ["a", "a", "b"], "session": [1, 2, 1]})
    >>> add_client_columns(sessions, pd.DataFrame({"client": ["a", "b"], "age": [30, 41]}), ["age"])["age"].tolist()
    [30, 30, 41]
    """
    _need(frame, [v.CLIENT])
    _need(clients, [v.CLIENT, *columns])
    there = [name for name in columns if name in frame]
    if there:
        raise DataError(f"add_client_columns: the sessions have a column {there[0]!r} already. Name another one.")
    by_client = clients.drop_duplicates(v.CLIENT).set_index(v.CLIENT)
    return frame.assign(**{name: frame[v.CLIENT].map(by_client[name]) for name in columns})


def stack_raters(frame: pd.DataFrame, measure: str = "alliance") -> pd.DataFrame:
    """Stack the client's and the therapist's rating: two rows per session, everything else repeated.

    Returns
    -------
    DataFrame
        `rater` ("client", "therapist"), `rating`, `rating_other` and every other column; 2n rows, client rows first.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a"], "alliance_client": [4.0], "alliance_therapist": [3.0]})
    >>> stack_raters(frame)[["rater", "rating", "rating_other"]].to_numpy().tolist()
    [['client', 4.0, 3.0], ['therapist', 3.0, 4.0]]
    """
    client, therapist = (f"{measure}_{rater}" for rater in v.RATERS[:2])
    _need(frame, [client, therapist])
    rest = frame.drop(columns=[client, therapist])
    halves = [
        rest.assign(rater=rater, rating=frame[own], rating_other=frame[other])
        for rater, own, other in zip(v.RATERS, (client, therapist), (therapist, client), strict=False)
    ]
    return pd.concat(halves, ignore_index=True)


def keep_pairs(frame: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Return the rows of treatment in which both columns have a value: sessions that both raters rated.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": ["a", "b"], "x": [1.0, None], "y": [2.0, 3.0]})
    >>> keep_pairs(frame, "x", "y")["client"].tolist()
    ['a']
    """
    _need(frame, [v.CLIENT, first, second])
    return keep_treatment(frame).dropna(subset=[first, second]).reset_index(drop=True)


def within_sd(frame: pd.DataFrame, column: str) -> float:
    """Return the pooled within-client standard deviation, df = sum(n_i - 1): the metric of a within-client effect.

    Examples
    --------
    >>> within_sd(pd.DataFrame({"client": ["a", "a", "b", "b"], "x": [1.0, 3.0, 5.0, 7.0]}), "x")
    1.4142135623730951
    """
    known = frame.dropna(subset=[column])
    dyads = known.groupby(dyad_keys(known))[column]
    within = known[column] - dyads.transform("mean")
    df = len(known) - dyads.ngroups
    return float(np.sqrt((within**2).sum() / df)) if df > 0 else float("nan")


def _need(frame: pd.DataFrame, columns: Sequence[str], *, numeric: bool = False) -> None:
    absent = [name for name in columns if name not in frame]
    if absent:
        raise DataError(
            f"no column {', '.join(map(repr, absent))} in the data; it has {', '.join(map(str, frame.columns))}."
        )
    text = [name for name in columns if numeric and not pd.api.types.is_numeric_dtype(frame[name])]
    if text:
        raise DataError(
            f"{text[0]}: must hold numbers, got {frame[text[0]].dtype}. Validate the file with `alliance check`."
        )


def _checked_levels(frame: pd.DataFrame, levels: Sequence[str]) -> tuple[str, ...]:
    if tuple(levels) not in _LEVELS:
        raise DataError(f"levels must be ('client',) or ('client', 'therapist'), got {tuple(levels)!r}.")
    _need(frame, levels)
    return tuple(levels)


def _client_means(frame: pd.DataFrame, column: str, rows: pd.Series | None) -> pd.Series:
    _need(frame, [v.CLIENT, column], numeric=False)
    used = frame if rows is None else frame[rows]
    return used.groupby(dyad_keys(frame))[column].mean().dropna()


def _spread(values: pd.Series, frame: pd.DataFrame) -> np.ndarray:
    """Return one value per row of `frame` from one value per dyad."""
    keys = list(values.index.names)
    index = pd.Index(frame[keys[0]]) if len(keys) == 1 else pd.MultiIndex.from_frame(frame[keys])
    return values.reindex(index).to_numpy()


def _refuse_repeated(frame: pd.DataFrame, keys: list[str]) -> None:
    again = repeated(row_codes(frame[key] for key in keys), keep_first=True)
    if again.any():
        raise DataError(
            f"add_lag: {int(again.sum())} rows repeat ({', '.join(keys)}); "
            "a lag needs one row per session. Keep one row per session."
        )


def _detrended(frame: pd.DataFrame, column: str, time: str, keys: list[str]) -> pd.Series:
    known = frame[column].notna() & frame[time].notna()
    x, y = frame[time].where(known).astype(float), frame[column].where(known).astype(float)
    groups = [frame[key] for key in keys]
    x, y = x - x.groupby(groups).transform("mean"), y - y.groupby(groups).transform("mean")
    sxx = (x * x).groupby(groups).transform("sum")
    sxy = (x * y).groupby(groups).transform("sum")
    slope = (sxy / sxx.where(sxx > 0)).fillna(0.0)
    return (y - slope * x).where(known.groupby(groups).transform("sum") >= 3)
