"""The average course of each series and what varies between clients around it: the columns X and Z of the panel VAR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from alliance_analysis.errors import ModelError
from alliance_analysis.panel.series import PanelSeries

TimeShape = Literal["linear", "log", "quadratic", "factor", "none"]
INTERCEPT, TIME = "intercept", "time"
_RANDOM = ((INTERCEPT,), (INTERCEPT, TIME))


@dataclass(frozen=True)
class Course:
    """Columns of the average course (X) and of the clients' deviations from it (Z), orthonormal over what was rated.

    Attributes
    ----------
    X : ndarray, shape (T * K, p)
    Z : ndarray, shape (T * K, q)
    terms : tuple of (series, name), length p
    random : tuple of (series, name), length q
    to_terms : ndarray, shape (p, p)
        Coefficients of the named columns = to_terms @ coefficients of X.
    to_random : ndarray, shape (q, q)
    """

    X: np.ndarray
    Z: np.ndarray
    terms: tuple[tuple[int, str], ...]
    random: tuple[tuple[int, str], ...]
    to_terms: np.ndarray
    to_random: np.ndarray


def build_course(series: PanelSeries, time_shape: TimeShape, random: Sequence[str]) -> Course:
    """Build X and Z for every cell of the grid.

    Under "log" the time column is log(session), under "linear" session - 1; "quadratic" adds its square, "factor" has a
    mean per session number. Slopes that vary between clients are on log(session) under "log" and on session - 1
    otherwise; under "none" there is no time and only the intercepts vary.
    """
    _check_options(time_shape, random)
    session = series.own_session().astype(float)
    counts = series.seen.sum(axis=0).reshape(session.shape)
    if time_shape == "log" and (counts[session < 1] > 0).any():
        raise ModelError(
            f"fit_panel_var: session {int(session[counts > 0].min())} has no log(session); a log-shaped course "
            'starts at session 1. Leave earlier sessions out or use time_shape="linear".'
        )
    time = np.log(np.maximum(session, 1)) if time_shape == "log" else session - 1
    slopes = time_shape != "none" and tuple(random) == _RANDOM[1]
    fixed, varying = [], []
    for k in range(series.n_series):
        names, columns = _fixed_columns(time_shape, time[:, k], session[:, k], counts[:, k])
        fixed.append((names, *_orthonormal(columns, counts[:, k], series.columns[k])))
        columns = np.column_stack([np.ones(len(time)), time[:, k]])[:, : 1 + slopes]
        varying.append((list(_RANDOM[slopes]), *_orthonormal(columns, counts[:, k], series.columns[k])))
    X, terms, to_terms = _interleave(fixed)
    Z, effects, to_random = _interleave(varying)
    return Course(X, Z, terms, effects, to_terms, to_random)


def _check_options(time_shape: str, random: Sequence[str]) -> None:
    if time_shape not in get_args(TimeShape):
        raise ModelError(
            f"fit_panel_var: time_shape must be one of {', '.join(get_args(TimeShape))}, got {time_shape!r}."
        )
    if tuple(random) not in _RANDOM:
        raise ModelError(
            f'fit_panel_var: random must be ("intercept",) or ("intercept", "time"), got {tuple(random)!r}.'
        )


def _fixed_columns(
    shape: TimeShape, time: np.ndarray, session: np.ndarray, counts: np.ndarray
) -> tuple[list[str], np.ndarray]:
    one = np.ones_like(time)
    if shape == "factor":
        rated = np.flatnonzero(counts)
        return [f"session {int(session[t])}" for t in rated], np.eye(len(time))[:, rated]
    columns = {
        "none": {INTERCEPT: one},
        "linear": {INTERCEPT: one, TIME: time},
        "log": {INTERCEPT: one, "log_time": time},
        "quadratic": {INTERCEPT: one, TIME: time, "time squared": time**2},
    }[shape]
    return list(columns), np.column_stack(list(columns.values()))


def _orthonormal(columns: np.ndarray, counts: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns turned to mean square 1 and no correlation over what was rated, and the way back."""
    size = np.sqrt((counts[:, None] * columns**2).sum(axis=0) / counts.sum())
    if columns.shape[1] > 1 and not (size > 0).all():
        raise ModelError(f"fit_panel_var: {name} was rated at one session number only; a course needs more. {_SIMPLER}")
    triangle = np.linalg.qr(np.sqrt(counts / counts.sum())[:, None] * columns / size, mode="r")
    if np.abs(np.diagonal(triangle)).min() < 1e-10:
        raise ModelError(f"fit_panel_var: {name} was rated at too few session numbers for this course. {_SIMPLER}")
    back = np.linalg.inv(triangle) / size[:, None]
    return columns @ back, back


_SIMPLER = 'Use time_shape="linear" or "none".'


def _interleave(
    parts: list[tuple[list[str], np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, tuple[tuple[int, str], ...], np.ndarray]:
    """Put the columns of K series on the rows t * K + k, each series with its own columns."""
    K, T = len(parts), len(parts[0][1])
    ends = np.cumsum([0, *(columns.shape[1] for _, columns, _ in parts)])
    whole, back = np.zeros((T, K, ends[-1])), np.zeros((ends[-1], ends[-1]))
    terms: list[tuple[int, str]] = []
    for k, (names, columns, to_names) in enumerate(parts):
        span = slice(ends[k], ends[k + 1])
        whole[:, k, span], back[span, span] = columns, to_names
        terms += [(k, name) for name in names]
    return whole.reshape(T * K, -1), tuple(terms), back
