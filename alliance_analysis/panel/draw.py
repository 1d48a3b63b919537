"""Draws panels from a panel VAR on a study's own clients, sessions, gaps and missing ratings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_analysis.panel.course import Course
from alliance_analysis.panel.fitted import PanelVarFit
from alliance_analysis.panel.parameters import PanelParameters
from alliance_analysis.panel.series import PanelSeries
from alliance_analysis.study import vocabulary as v


def simulate_panel(
    fit: PanelVarFit, rng: np.random.Generator, parameters: PanelParameters | None = None
) -> pd.DataFrame:
    """Simulate the study a panel VAR was fitted to: the same clients, sessions, gaps and missing ratings.

    Parameters
    ----------
    fit : PanelVarFit
    rng : numpy.random.Generator
    parameters : PanelParameters, optional
        The truth; default: the fit's estimates. `dataclasses.replace(fit.parameters, transition=...)` changes a part.

    Returns
    -------
    DataFrame
        `client` (a number), the cluster column where the fit has one, `session` and the series, one row per session
        with a rating, in the data's units.

    Examples
    --------
    >>> from alliance_analysis.panel.fit import fit_panel_var
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(4, StudyDesign(n_clients=40, n_sessions=8)).sessions
    >>> fit = fit_panel_var(sessions, ["alliance_client", "symptoms"])
    >>> simulate_panel(fit, np.random.default_rng(1)).columns.tolist()
    ['client', 'session', 'alliance_client', 'symptoms']
    """
    series = fit.series
    used = series.client >= 0
    ratings = draw_ratings(series, fit.course, parameters or fit.parameters, rng)[used]
    table: dict[str, np.ndarray] = {v.CLIENT: series.client[used]}
    if series.cluster is not None:
        table[series.cluster_name] = series.cluster[series.client[used]]
    table[v.SESSION] = series.session[used]
    return pd.DataFrame(table | dict(zip(series.columns, ratings.T, strict=True)))


def draw_ratings(
    series: PanelSeries, course: Course, parameters: PanelParameters, rng: np.random.Generator
) -> np.ndarray:
    """Draw one study.

    Returns
    -------
    ndarray, shape (rows, K)
        Aligned with the rows of the frame the series were read from; NaN where nothing was rated.
    """
    n, K = series.n_clients, series.n_series
    mean = course.X @ np.linalg.solve(course.to_terms, parameters.course)
    effects = rng.standard_normal((n, len(parameters.client))) @ _root(parameters.client).T
    stable = effects @ (course.Z @ np.linalg.inv(course.to_random)).T
    first = parameters.start if parameters.start is not None else parameters.deviation_covariance(1)
    step = _root(parameters.innovation)
    state = rng.standard_normal((n, K)) @ _root(first).T
    states = [state]
    for _ in range(series.n_occasions - 1):
        state = state @ parameters.transition.T + rng.standard_normal((n, K)) @ step.T
        states.append(state)
    grid = mean + stable + np.stack(states, axis=1).reshape(n, -1)
    drawn = grid[series.client[:, None], series.cells]
    return np.where(series.cells >= 0, drawn, np.nan)


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return a square root of a covariance that may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))
