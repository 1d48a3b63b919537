"""How wrong each model of the literature would be in this study: simulated at its own N, T, gaps and feedback."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import PREDICTIVE, TimeShape, Timing, fit_literature_models, pair_sessions
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.prepare import dyad_keys
from alliance_analysis.study import vocabulary as v
from alliance_analysis.study.simulate import SeriesParameters, simulate_series

TRUE_SLOPES = (0.0, -0.20)  # nothing, and about the largest printed (W03 of the published findings)
_FEWEST_CLIENTS = 5  # who must have both ratings at a session number for it to count


@dataclass(frozen=True)
class BiasSimulation:
    """What each model says about simulated studies of this study's shape.

    Attributes
    ----------
    table : DataFrame
        `model true_slope mean_estimate bias mc_error rejected_share rejected_error_share n_simulations`: slopes in
        within-client standard deviations (of the deviations from stable part and trend); `rejected_share` = share of
        95 % intervals without 0 (at a true slope of 0: false positives); `*_error*` = Monte Carlo standard errors;
        `n_simulations` = replicates in which the model could be fitted.
    parameters : SeriesParameters or None
        What the simulation took from the study; None where it could not be simulated.
    reason : str
        Why not; the table is then empty.
    """

    table: pd.DataFrame
    parameters: SeriesParameters | None
    reason: str = ""


def estimate_series(
    data: pd.DataFrame, timing: Timing, *, alliance: str = v.ALLIANCE_CLIENT, outcome: str = v.SYMPTOMS
) -> SeriesParameters:
    """Estimate what the bias simulation needs to know about a study: the generator's own parameters.

    Stable parts, trends and autocorrelated deviations are told apart together, by maximum likelihood under the
    generator's covariances, missing sessions and ratings included; one after the other, autocorrelation would be taken
    for trends. The estimates set the scene of a simulation; they are no findings.

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions`.
    timing : Timing
    alliance, outcome : str

    Returns
    -------
    SeriesParameters
        In within-client standard deviations.

    Raises
    ------
    ModelError
        If fewer than 3 sessions are shared by enough clients, or no stationary series fits.
    """
    series = _paired_series(data, timing, alliance, outcome)
    free = _maximum_likelihood(series)
    _, _, course = _deviance(free, series)
    s, a = np.exp(free[:2])
    stable_s, stable_a, trend_s, trend_a = map(float, np.exp(free[7:]))
    return _stationary(
        SeriesParameters(
            autoregression_symptoms=float(free[2]),
            autoregression_alliance=float(free[3]),
            prospective=float(free[4]),
            feedback=float(free[5]),
            stable_correlation=float(free[6]),
            stable_sd_symptoms=stable_s,
            stable_sd_alliance=stable_a,
            trend_symptoms=float(course[1] / s),
            trend_alliance=float(course[3] / a),
            trend_sd_symptoms=trend_s,
            trend_sd_alliance=trend_a,
        )
    )


@dataclass(frozen=True)
class _Series:
    """Symptoms (first T columns) and alliance (last T) of n dyads at T session numbers.

    Attributes
    ----------
    values : ndarray, shape (n, 2T)
        0 where nothing was rated.
    seen : ndarray of bool, shape (n, 2T)
    session : ndarray, shape (T,)
    course : ndarray, shape (2T, 4)
        Intercept and log-time column of each series.
    """

    values: np.ndarray
    seen: np.ndarray
    session: np.ndarray
    course: np.ndarray


def _paired_series(data: pd.DataFrame, timing: Timing, alliance: str, outcome: str) -> _Series:
    symptoms, rating = _wide(data, outcome), _wide(data, alliance)
    if not timing.lag:  # rated before session t, the alliance is the state after session t - 1
        rating = rating.rename(columns=lambda session: session - 1)
    known = pd.concat([symptoms.notna().sum(), rating.notna().sum()], axis=1).min(axis=1, skipna=False)
    session = np.array(sorted(known.index[(known >= _FEWEST_CLIENTS) & (known.index >= 1)]), dtype=int)
    if len(session) < 3:
        raise ModelError(
            f"simulate_bias: {len(session)} session numbers have both ratings of {_FEWEST_CLIENTS} or more clients; "
            "3 are needed to simulate this study. Leave the simulation out."
        )
    values = np.hstack([symptoms[session].to_numpy(float), rating[session].to_numpy(float)])
    seen = np.isfinite(values)
    line = np.column_stack([np.ones(len(session)), np.log(session)])
    return _Series(np.where(seen, values, 0.0), seen, session, np.kron(np.eye(2), line))


def _wide(data: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return one row per dyad and one column per session number from 1 on."""
    return data.set_index([*dyad_keys(data), v.SESSION])[column].astype(float).unstack(v.SESSION)


def _implied(free: np.ndarray, session: np.ndarray) -> np.ndarray:
    """Return the covariances (2T, 2T) that the generator implies.

    free = log SD of s and a, phi_s, phi_a, b, f, stable correlation, log stable SDs, log trend SDs (in units of s, a).
    """
    phi_s, phi_a, b, f, rho = free[2:7]
    stable, trend = np.exp(free[7:9]), np.exp(free[9:11])
    c = (phi_a * b + f) / (1 - phi_a * phi_s)
    A, P = np.array([[phi_s, b], [f * phi_s, phi_a + f * b]]), np.array([[1.0, c], [c, 1.0]])
    lags = np.subtract.outer(session, session)
    powers = [P]
    for _ in range(lags.max()):
        powers.append(A @ powers[-1])
    ahead = np.array(powers)[np.abs(lags)]  # (T, T, 2, 2): cov(later, earlier)
    g = np.log(session)
    blocks = []
    for row in (0, 1):
        for column in (0, 1):
            deviation = np.where(lags >= 0, ahead[:, :, row, column], ahead[:, :, column, row])
            shared = stable[row] * stable[column] * (1.0 if row == column else rho)
            slopes = trend[row] ** 2 * np.outer(g, g) if row == column else 0.0
            blocks.append(np.exp(free[row] + free[column]) * (deviation + shared + slopes))
    return np.block([blocks[:2], blocks[2:]])


def _deviance(free: np.ndarray, series: _Series) -> tuple[float, np.ndarray, np.ndarray]:
    """Return -2 log likelihood (without its constant), its gradient by the covariances (2T, 2T), and the course (4,).

    What was not rated has variance 1, no covariance and deviation 0, so that it adds nothing.
    """
    both = series.seen[:, :, None] & series.seen[:, None, :]
    covariance = np.where(both, _implied(free, series.session), 0.0)
    covariance[:, np.arange(covariance.shape[1]), np.arange(covariance.shape[1])] += ~series.seen
    half = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(covariance)
    X = series.seen[:, :, None] * series.course
    weighted = inverse @ X
    course = np.linalg.solve(np.einsum("nij,nik->jk", X, weighted), np.einsum("nij,ni->j", weighted, series.values))
    deviation = series.seen * (series.values - series.course @ course)
    solved = np.einsum("nij,nj->ni", inverse, deviation)
    deviance = 2 * np.log(np.diagonal(half, axis1=1, axis2=2)).sum() + (deviation * solved).sum()
    gradient = (np.where(both, inverse, 0.0) - solved[:, :, None] * solved[:, None, :]).sum(axis=0)
    return float(deviance), gradient, course


def _maximum_likelihood(series: _Series) -> np.ndarray:
    """Return the free parameters of `_implied` with the highest likelihood, within bounds of what can be simulated."""
    from scipy.optimize import minimize

    count = len(series.session)
    tiny = np.finfo(float).tiny
    spread = [np.log(max(0.6 * _spread(series, part), tiny)) for part in (slice(0, count), slice(count, None))]
    start = np.array([*spread, 0.3, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, -1.5, -1.5])
    reach = np.array([[-3, 2], [-3, 2], *[[-0.6, 0.6]] * 4, [-0.95, 0.95], *[[-4, 2]] * 2, *[[-4, 2]] * 2])
    steps = 1e-5 * np.eye(len(start))

    def objective(free: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            deviance, by_covariance, _ = _deviance(free, series)
        except np.linalg.LinAlgError:  # no stationary series has these coefficients: step back
            return 1e10, np.zeros_like(free)
        slopes = [(_implied(free + h, series.session) - _implied(free - h, series.session)) / 2e-5 for h in steps]
        return deviance, np.array([(by_covariance * slope).sum() for slope in slopes])

    bounds = start[:, None] + reach
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-7})
    if found.nit == 0 or not np.isfinite(found.fun):
        raise ModelError(
            "simulate_bias: the dynamics of symptoms and alliance could not be estimated in this study. "
            "Check both for constant scores and coding errors."
        )
    return found.x


def _spread(series: _Series, columns: slice) -> float:
    """Return the standard deviation of what was rated."""
    return float(series.values[:, columns][series.seen[:, columns]].std())


def _stationary(parameters: SeriesParameters) -> SeriesParameters:
    """Return the parameters with coefficients pulled in until a stationary series has them at every true slope."""
    names = ("autoregression_symptoms", "autoregression_alliance", "prospective", "feedback")
    for shrink in np.linspace(1.0, 0.5, 11):
        pulled = replace(parameters, **{name: float(shrink * getattr(parameters, name)) for name in names})
        try:
            for slope in (*TRUE_SLOPES, pulled.prospective):
                replace(pulled, prospective=slope).innovation_variances()
        except ModelError:
            continue
        return pulled
    raise ModelError(
        "simulate_bias: the estimated dynamics of this study fit no stationary series; the bias of the models cannot "
        "be simulated. Check symptoms and alliance for coding errors."
    )


def simulate_bias(
    data: pd.DataFrame,
    timing: Timing,
    shape: TimeShape = "log",
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    max_gap_days: int | None = None,
    n_simulations: int = 40,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> BiasSimulation:
    """Simulate studies with this study's clients, sessions and gaps, fit the literature's models, and size their bias.

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions`, with `symptoms` and `alliance`.
    timing : Timing
    shape : TimeShape
        The time shape that the models are fitted with.
    alliance : str
    max_gap_days : int, optional
        As in `pair_sessions`.
    n_simulations : int
        Studies per true slope; the Monte Carlo error is in the table.
    seed : int
        Replicate i draws from ``SeedSequence([seed, i])``.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    BiasSimulation

    Raises
    ------
    ModelError
        If `n_simulations` < 2.

    Examples
    --------
    >>> from alliance_analysis.analyses.prospective import choose_timing, pair_sessions
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> timing = choose_timing("after", "before", 7, 7.0)
    >>> data = pair_sessions(simulate_study(1, StudyDesign(n_clients=40, n_sessions=8)).sessions, timing)
    >>> simulate_bias(data, timing, n_simulations=2).table.shape
    (6, 8)
    """
    if n_simulations < 2:
        raise ModelError(f"simulate_bias: n_simulations must be 2 or more, got {n_simulations}.")
    try:
        parameters = estimate_series(data, timing, alliance=alliance)
    except ModelError as error:
        return BiasSimulation(pd.DataFrame(columns=_COLUMNS), None, str(error))
    design = _Design(data, timing, alliance, max_gap_days)
    rows = []
    for done, (i, slope) in enumerate(product(range(n_simulations), TRUE_SLOPES), start=1):
        rng = np.random.default_rng(np.random.SeedSequence([seed, i]))
        rows.append(design.refit(replace(parameters, prospective=slope), shape, rng).assign(true_slope=slope))
        if progress is not None:
            progress(done, n_simulations * len(TRUE_SLOPES))
    return BiasSimulation(_summary(pd.concat(rows, ignore_index=True)), parameters)


class _Design:
    """Who was seen when, and which of the two ratings is there: what every simulated study repeats."""

    def __init__(self, data: pd.DataFrame, timing: Timing, alliance: str, max_gap_days: int | None) -> None:
        self.client = data.groupby(dyad_keys(data)).ngroup().to_numpy()
        self.session = data[v.SESSION].to_numpy()
        self.dates = {v.DATE: data[v.DATE].to_numpy()} if v.DATE in data else {}
        ratings = {v.SYMPTOMS: v.SYMPTOMS, v.ALLIANCE_CLIENT: alliance}
        self.known = {name: data[column].notna().to_numpy() for name, column in ratings.items()}
        self.timing, self.max_gap_days = timing, max_gap_days

    def draw(self, parameters: SeriesParameters, rng: np.random.Generator) -> pd.DataFrame:
        """Return one simulated study as a sessions frame with this study's gaps and missing ratings."""
        shift = 1 - self.timing.lag  # alliance rated before session t is the state after session t - 1
        n_clients, n_sessions = self.client.max() + 1, self.session.max() + shift
        symptoms, alliance = simulate_series(parameters, n_clients, n_sessions, rng)
        at = self.session - 1
        scores = {v.SYMPTOMS: symptoms[self.client, at + shift], v.ALLIANCE_CLIENT: alliance[self.client, at]}
        rated = {name: np.where(self.known[name], values, np.nan) for name, values in scores.items()}
        return pd.DataFrame({v.CLIENT: self.client, v.SESSION: self.session, **self.dates, **rated})

    def refit(self, parameters: SeriesParameters, shape: TimeShape, rng: np.random.Generator) -> pd.DataFrame:
        """Return what each model says about one simulated study: `model estimate conf_low conf_high`."""
        sessions = pair_sessions(self.draw(parameters, rng), self.timing, max_gap_days=self.max_gap_days)
        with warnings.catch_warnings():
            # a variance at zero is part of what happens to these models in simulated studies
            warnings.simplefilter("ignore", FitWarning)
            fits = fit_literature_models(sessions, self.timing, shape, df="normal", names=PREDICTIVE)
        return fits.tidy()[["model", "estimate", "conf_low", "conf_high"]]


_COLUMNS = [
    "model", "true_slope", "mean_estimate", "bias", "mc_error", "rejected_share", "rejected_error_share",
    "n_simulations",
]  # fmt: skip


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over the replicates in which a model could be fitted; `n_simulations` counts those."""
    fitted = rows.dropna(subset=["estimate"])
    rejected = (fitted["conf_low"] > 0) | (fitted["conf_high"] < 0)
    grouped = fitted.assign(rejected_share=rejected.astype(float)).groupby(["model", "true_slope"], sort=False)
    table = grouped.agg(
        mean_estimate=("estimate", "mean"),
        sd=("estimate", "std"),
        rejected_share=("rejected_share", "mean"),
        n_simulations=("estimate", "size"),
    ).reset_index()
    n = table["n_simulations"]
    table["bias"] = table["mean_estimate"] - table["true_slope"]
    table["mc_error"] = table["sd"] / np.sqrt(n)
    # Agresti-Coull: a share of 0 or 1 in a few replicates is not known without error
    share = (table["rejected_share"] * n + 2) / (n + 4)
    table["rejected_error_share"] = np.sqrt(share * (1 - share) / (n + 4))
    order = {name: k for k, name in enumerate(PREDICTIVE)}
    table = table.sort_values(["model", "true_slope"], key=lambda c: c.map(order) if c.name == "model" else -c)
    return table[_COLUMNS].reset_index(drop=True)
