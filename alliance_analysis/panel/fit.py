"""The front door of the panel VAR: a sessions frame and its series in, one frozen fit out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.panel.course import INTERCEPT, TIME, Course, TimeShape, build_course
from alliance_analysis.panel.fitted import PanelVarFit
from alliance_analysis.panel.inference import FEWEST_CLUSTERS, clustered_covariance
from alliance_analysis.panel.parameters import to_data_units
from alliance_analysis.panel.problem import PanelProblem, build_problem, replace_values, unpack
from alliance_analysis.panel.search import PanelSolution, follow_maximum, maximise_likelihood
from alliance_analysis.panel.series import PanelSeries, read_series

NEAR_ONE = 0.95  # largest |eigenvalue| of A above which after-effects look like stable differences
MANY_CLIENTS = 30  # below, intervals by the normal distribution are too narrow
SINGULAR = 1e-6  # smallest eigenvalue of G, in within-client variances
_FLAT = 1e-9  # curvature below this share of the largest is none


def fit_panel_var(
    sessions: pd.DataFrame,
    columns: Sequence[str],
    *,
    time_shape: TimeShape = "log",
    random: Sequence[str] = (INTERCEPT, TIME),
    by: Sequence[str] | str | None = None,
    cluster: str | None = None,
    shift: Mapping[str, int] | None = None,
    initial: Literal["stationary", "free"] = "stationary",
) -> PanelVarFit:
    """Fit a panel VAR: what a client's better or worse session than usual says about the next, in both directions.

    The primary model for "does the alliance predict the next session's symptoms within clients": stable differences and
    trends of each client, the series' own after-effects, and cross-lags, all at once and by maximum likelihood.
    Centring on observed means and adding a lagged outcome is biased exactly there. Not for fewer than 3 sessions a
    client, nor for associations between clients.

    Parameters
    ----------
    sessions : DataFrame
        One row per client and session, with `session` (whole numbers: gaps between them are used). Missing ratings of
        one series do not drop the other; nobody is dropped who has a rating.
    columns : sequence of str
        Two or more series.
    time_shape : "log", "linear", "quadratic", "factor" or "none"
        Average course of each series, log(session) by default.
    random : ("intercept", "time") or ("intercept",)
        What varies between clients, correlated over all series. Under time_shape "none" only the intercept does.
    by : sequence of str, optional
        Columns that name a client; default: the dyad of client and therapist where there are therapists.
    cluster : str, optional
        The therapist's column: standard errors by a sandwich over therapists with therapists - 1 df, from 20 on.
    shift : mapping of str to int, optional
        Sessions by which a series is moved: -1 for an alliance rated *before* session t, which is the state after
        session t - 1. Its course keeps its own session number.
    initial : "stationary" or "free"
        Covariance of the deviations at the first session.

    Returns
    -------
    PanelVarFit

    Raises
    ------
    ModelError
        Unknown, constant or infinite columns, repeated sessions, fewer than 10 clients, most clients with fewer than 3
        sessions.

    Warns
    -----
    FitWarning
        Not converged, dynamics near a unit root, clients' covariance at the boundary, fewer than 30 clients.

    Notes
    -----
    z_it = X_t beta + Z_t b_i + w_it, b_i ~ N(0, G), w_it = A w_i,t-1 + e_it, e ~ N(0, S), P = A P A' + S,
    cov(w_is, w_it) = A^(s-t) P for s >= t. `tidy` is A. Derivation: docs/panel_var.md.

    References
    ----------
    Hamaker, Kuiper & Grasman 2015, 10.1037/a0038889; Hamaker 2005, 10.1177/0049124104270220; Lütkepohl 2005.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(4, StudyDesign(n_clients=60, n_sessions=10)).sessions
    >>> fit = fit_panel_var(sessions, ["alliance_client", "symptoms"])
    >>> fit.tidy().loc[2, "term"], fit.converged
    ('alliance_client -> symptoms', True)
    """
    if initial not in ("stationary", "free"):
        raise ModelError(f"fit_panel_var: initial must be 'stationary' or 'free', got {initial!r}.")
    series = read_series(sessions, columns, by, cluster, shift)
    course = build_course(series, time_shape, random)
    scale = series.within_sd()
    values = series.values / np.tile(scale, series.n_occasions)
    problem = build_problem(
        values, series.seen, course.X, course.Z, series.n_series, stationary=initial == "stationary"
    )
    return _assemble(series, course, problem, maximise_likelihood(problem), time_shape, scale)


def refit_panel_var(fit: PanelVarFit, ratings: np.ndarray, start: np.ndarray | None = None) -> PanelVarFit:
    """Fit the same model to other ratings of the same clients and sessions, quietly and quickly; for simulations.

    Estimates are right to a few hundredths of a standard error.

    Parameters
    ----------
    fit : PanelVarFit
    ratings : ndarray, shape (rows, K)
        Aligned with the frame of the first fit, from `draw_ratings`.
    start : ndarray, optional
        Where the search begins; default: at the first fit's theta.
    """
    old = fit.series
    row, k = np.nonzero(old.cells >= 0)
    values = np.zeros_like(old.values)
    values[old.client[row], old.cells[row, k]] = ratings[row, k]
    series = replace(old, values=values)
    scaled = values / np.tile(fit.scale, series.n_occasions)
    problem = replace_values(fit.problem, scaled)
    solution = follow_maximum(problem, fit.solution, fit.solution.theta if start is None else start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return _assemble(series, fit.course, problem, solution, fit.time_shape, fit.scale)


def _assemble(
    series: PanelSeries,
    course: Course,
    problem: PanelProblem,
    solution: PanelSolution,
    time_shape: TimeShape,
    scale: np.ndarray,
) -> PanelVarFit:
    parameters = to_data_units(solution.theta, solution.deviance.beta, problem, course, scale)
    covariance, df, se_method = _standard_errors(series, problem, solution)
    G = unpack(solution.theta, problem)[1][1]
    rated = series.seen.sum(axis=0).reshape(-1, series.n_series).sum(axis=0)
    fit = PanelVarFit(
        series=series,
        course=course,
        problem=problem,
        solution=solution,
        time_shape=time_shape,
        scale=scale,
        parameters=parameters,
        covariance=covariance,
        df=df,
        se_method=se_method,
        log_lik=-solution.deviance.value / 2 - float(rated @ np.log(scale)),
        singular=bool(np.linalg.eigvalsh(G @ G.T)[0] < SINGULAR),
        withheld={},
    )
    return _flagged(fit)


def _standard_errors(
    series: PanelSeries, problem: PanelProblem, solution: PanelSolution
) -> tuple[np.ndarray, float, str]:
    """Return the covariance of theta, the df and how it was made."""
    plain = solution.covariance
    if series.cluster is None:
        return plain, np.inf, "observed information"
    count, name = int(series.cluster.max()) + 1, series.cluster_name
    if count < FEWEST_CLUSTERS:
        return plain, np.inf, f"observed information ({count} {name}s are too few to cluster by)"
    if not solution.converged:
        return plain, np.inf, "observed information"
    return clustered_covariance(problem, solution, series.cluster), count - 1.0, f"clustered by {name}"


def _flagged(fit: PanelVarFit) -> PanelVarFit:
    """Return the fit with the terms that may not be reported, and warn."""
    largest = fit.parameters.largest_eigenvalue
    reason = ""
    if not fit.converged:
        reason = "the panel VAR did not converge, so nothing is reported from it"
    elif largest > NEAR_ONE:
        reason = (
            f"the dynamics are close to a unit root (largest |eigenvalue| {largest:.3f}), so that after-effects and "
            "stable differences between clients cannot be told apart"
        )
    elif _is_flat(fit):
        reason = "the likelihood is flat in the lagged coefficients: these data do not tell them apart"
    if reason:
        warnings.warn(f"fit_panel_var: {reason}.", FitWarning, stacklevel=4)
    elif fit.singular:
        warnings.warn(
            "fit_panel_var: the clients' covariance is estimated at the boundary; its variances are not to be trusted, "
            "the lagged coefficients stand.",
            FitWarning,
            stacklevel=4,
        )
    if fit.series.n_clients < MANY_CLIENTS:
        warnings.warn(
            f"fit_panel_var: {fit.series.n_clients} clients; below {MANY_CLIENTS} the intervals are too narrow.",
            FitWarning,
            stacklevel=4,
        )
    return replace(fit, withheld=dict.fromkeys(fit.terms, reason) if reason else {})


def _is_flat(fit: PanelVarFit) -> bool:
    """Whether a direction without curvature has a part in A."""
    values, vectors = np.linalg.eigh(fit.solution.hessian)
    flat = vectors[: fit.series.n_series**2, values < _FLAT * values[-1]]
    return bool(flat.size and np.abs(flat).max() > 1e-3)
