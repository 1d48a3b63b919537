"""Ratings of a panel laid out on the grid of session numbers: who was rated when, gaps and missing ratings kept."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.prepare import dyad_keys
from alliance_analysis.study import vocabulary as v

FEWEST_CLIENTS = 10
FEWEST_SESSIONS = 3  # per client: with two, a stable difference and an after-effect cannot be told apart
MOST_OCCASIONS = 400  # on the grid from the first to the last session number
SAME = 0.999  # correlation within clients at which two series are one
_NO_VARIANCE = 1e-9  # of a series within clients, relative to its size


@dataclass(frozen=True)
class PanelSeries:
    """K series of n clients at T consecutive session numbers; cell t * K + k is series k at the t-th number.

    Attributes
    ----------
    columns : tuple of str
    first : int
        Session number of the first cell.
    values : ndarray, shape (n, T * K)
        In the data's units; 0 where nothing was rated.
    seen : ndarray of bool, shape (n, T * K)
    shift : ndarray of int, shape (K,)
        Sessions by which each series was moved on the grid.
    client : ndarray of int, shape (rows,)
        The client (or dyad) of each row of the caller's frame.
    cells : ndarray of int, shape (rows, K)
        Where the values of each row stand; -1 where nothing was rated.
    session : ndarray of int, shape (rows,)
    cluster : ndarray of int, shape (n,), or None
        The therapist of each client.
    cluster_name : str
    n_persons : int
        Different clients; fewer than n where a client saw several therapists.
    """

    columns: tuple[str, ...]
    first: int
    values: np.ndarray
    seen: np.ndarray
    shift: np.ndarray
    client: np.ndarray
    cells: np.ndarray
    session: np.ndarray
    cluster: np.ndarray | None
    cluster_name: str
    n_persons: int

    @property
    def n_series(self) -> int:
        """Number of series K."""
        return len(self.columns)

    @property
    def n_clients(self) -> int:
        """Number of clients (or dyads) n."""
        return len(self.values)

    @property
    def n_occasions(self) -> int:
        """Number of session numbers T on the grid."""
        return self.values.shape[1] // self.n_series

    def own_session(self) -> np.ndarray:
        """Return the session number (T, K) at which each cell was rated."""
        return self.first + np.arange(self.n_occasions)[:, None] - self.shift

    def within_sd(self) -> np.ndarray:
        """Return the pooled within-client standard deviations (K,) of the ratings, df = sum(n_i - 1)."""
        K = self.n_series
        values, seen = (a.reshape(self.n_clients, -1, K) for a in (self.values, self.seen))
        count = seen.sum(axis=1)
        mean = values.sum(axis=1) / np.maximum(count, 1)
        squares = (seen * (values - mean[:, None]) ** 2).sum(axis=(0, 1))
        return np.sqrt(squares / np.maximum(np.maximum(count - 1, 0).sum(axis=0), 1))


def read_series(
    sessions: pd.DataFrame,
    columns: Sequence[str],
    by: Sequence[str] | str | None = None,
    cluster: str | None = None,
    shift: Mapping[str, int] | None = None,
) -> PanelSeries:
    """Lay the ratings out on the grid of session numbers, or say why these data cannot carry a panel VAR.

    Parameters
    ----------
    sessions : DataFrame
        One row per client and session.
    columns : sequence of str
        Two or more series, numbers.
    by : sequence of str, optional
        Columns that name a client; default: the dyad.
    cluster : str, optional
        Column of the therapist.
    shift : mapping of str to int, optional

    Returns
    -------
    PanelSeries

    Raises
    ------
    ModelError
        Unknown, constant or infinite columns, repeated sessions, missing ids, too few clients or sessions.
    """
    keys = [by] if isinstance(by, str) else list(by or dyad_keys(sessions))
    if isinstance(columns, str):
        raise ModelError(f"fit_panel_var: columns must be a list of two or more series, got {columns!r}.")
    names = list(columns)
    _check_columns(sessions, names, [*keys, v.SESSION, *([cluster] if cluster else [])])
    numbers = _numbers(sessions, names)
    client, session = _positions(sessions, keys)
    moved = _read_shift(names, shift or {})
    known = np.isfinite(numbers)
    place = session[:, None] + moved
    if not known.any():
        raise ModelError(f"fit_panel_var: {', '.join(names)} hold no rating at all. Check the study file.")
    first, last = _span(place[known])
    cells = np.where(known, (place - first) * len(names) + np.arange(len(names)), -1)
    used = np.flatnonzero(known.any(axis=1))
    codes, client_used = np.unique(client[used], return_inverse=True)
    values = np.full((len(codes), (last - first + 1) * len(names)), np.nan)
    row, column = np.nonzero(known[used])
    values[client_used[row], cells[used][row, column]] = numbers[used][row, column]
    everyone = np.full(len(sessions), -1)
    everyone[used] = client_used
    series = PanelSeries(
        columns=tuple(names),
        first=first,
        values=np.nan_to_num(values),
        seen=np.isfinite(values),
        shift=moved,
        client=everyone,
        cells=cells,
        session=session,
        cluster=_clusters(sessions, cluster, client_used, used),
        cluster_name=cluster or "",
        n_persons=sessions.iloc[used][v.CLIENT].nunique() if v.CLIENT in keys else len(codes),
    )
    _check_series(series)
    return series


def _span(places: np.ndarray) -> tuple[int, int]:
    """First and last occasion of any rating."""
    first, last = int(places.min()), int(places.max())
    if last - first + 1 > MOST_OCCASIONS:
        raise ModelError(
            f"fit_panel_var: session runs from {first} to {last}; a panel VAR spans at most {MOST_OCCASIONS} sessions. "
            "Check session for dates and typing errors."
        )
    return first, last


def _read_shift(names: list[str], shift: Mapping[str, int]) -> np.ndarray:
    """Sessions (K,) by which each series is moved."""
    for name, steps in shift.items():
        if name not in names:
            raise ModelError(f"fit_panel_var: shift names {name!r}, which is no series; they are {', '.join(names)}.")
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer):
            raise ModelError(f"fit_panel_var: shift of {name} must be a whole number of sessions, got {steps!r}.")
    return np.array([int(shift.get(name, 0)) for name in names])


def _check_columns(sessions: pd.DataFrame, columns: list[str], keys: list[str]) -> None:
    for name in [*columns, *keys]:
        if name not in sessions:
            near = difflib.get_close_matches(str(name), [str(c) for c in sessions.columns], n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(map(str, sessions.columns))}."
            raise ModelError(f"fit_panel_var: no column {name!r} in the data; {hint}")
    if len(columns) < 2 or len(set(columns)) < len(columns):
        raise ModelError(
            f"fit_panel_var: columns must name two or more different series, got {', '.join(columns)}. "
            'Write ["alliance_client", "symptoms"].'
        )
    lost = [name for name in keys if sessions[name].isna().any()]
    if lost:
        count = int(sessions[lost[0]].isna().sum())
        raise ModelError(f"fit_panel_var: {lost[0]}: {count} rows have no value; every session needs one. Add it.")


def _numbers(sessions: pd.DataFrame, columns: list[str]) -> np.ndarray:
    text = [name for name in columns if not pd.api.types.is_numeric_dtype(sessions[name])]
    if text:
        raise ModelError(f"fit_panel_var: {text[0]}: must hold numbers, got {sessions[text[0]].dtype}. Recode it.")
    numbers = np.column_stack([sessions[name].to_numpy(dtype=float, na_value=np.nan) for name in columns])
    infinite = np.isinf(numbers).any(axis=0)
    if infinite.any():
        name = columns[int(infinite.argmax())]
        raise ModelError(f"fit_panel_var: {name}: holds infinite values; ratings are finite. Set them to missing.")
    return numbers


def _positions(sessions: pd.DataFrame, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the client code and the session number of each row."""
    session = sessions[v.SESSION].to_numpy(dtype=float)
    if not np.array_equal(session, np.round(session)):
        raise ModelError("fit_panel_var: session must hold whole numbers; gaps between them are used. Number sessions.")
    repeated = sessions.duplicated([*keys, v.SESSION])
    if repeated.any():
        raise ModelError(
            f"fit_panel_var: {int(repeated.sum())} rows repeat ({', '.join([*keys, v.SESSION])}); "
            "a series has one rating per session. Keep one row per session."
        )
    return sessions.groupby(keys, sort=False).ngroup().to_numpy(), session.astype(int)


def _clusters(sessions: pd.DataFrame, name: str | None, client: np.ndarray, used: np.ndarray) -> np.ndarray | None:
    """Return the therapist code of each client."""
    if name is None:
        return None
    codes = pd.factorize(sessions[name].iloc[used])[0]
    pairs = np.unique(np.column_stack([client, codes]), axis=0)
    if len(pairs) > client.max() + 1:
        raise ModelError(
            f"fit_panel_var: {len(pairs) - client.max() - 1} clients have more than one {name}; "
            f"clusters hold whole clients. Leave `by` out, so that the dyad is the unit, or leave `cluster` out."
        )
    return pairs[:, 1]


def _check_series(series: PanelSeries) -> None:
    n, K = series.n_clients, series.n_series
    if n < FEWEST_CLIENTS:
        raise ModelError(f"fit_panel_var: {n} clients; {FEWEST_CLIENTS} or more are needed. Leave this model out.")
    sessions = series.seen.reshape(n, -1, K).any(axis=2).sum(axis=1)
    short = int((sessions < FEWEST_SESSIONS).sum())
    if 2 * short > n:
        raise ModelError(
            f"fit_panel_var: {short} of {n} clients have fewer than {FEWEST_SESSIONS} sessions; most need "
            f"{FEWEST_SESSIONS} or more, or stable differences and after-effects are one. Leave this model out."
        )
    size = np.abs(series.values).max(axis=0).reshape(-1, K).max(axis=0)
    for name, deviation, largest in zip(series.columns, series.within_sd(), size, strict=True):
        if not deviation > _NO_VARIANCE * max(largest, np.finfo(float).tiny):
            raise ModelError(
                f"fit_panel_var: {name} does not vary within clients; a within-client model needs ratings that change. "
                "Check the column for constant scores."
            )
    for k, m in combinations(range(K), 2):
        r = _within_correlation(series, k, m)
        if abs(r) > SAME:
            raise ModelError(
                f"fit_panel_var: {series.columns[k]} and {series.columns[m]} are one series within clients "
                f"(r = {r:.4f}); series of a panel VAR must differ. Leave one out."
            )


def _within_correlation(series: PanelSeries, k: int, m: int) -> float:
    """Return the correlation of two series' deviations from client means over shared sessions; 0 without any."""
    n, K = series.n_clients, series.n_series
    values, seen = (a.reshape(n, -1, K)[:, :, [k, m]] for a in (series.values, series.seen))
    both = seen.all(axis=2, keepdims=True)
    mean = (values * both).sum(axis=1, keepdims=True) / np.maximum(both.sum(axis=1, keepdims=True), 1)
    x, y = np.moveaxis((values - mean) * both, -1, 0)
    size = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / size) if size > 0 else 0.0
