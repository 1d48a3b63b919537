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
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.study import vocabulary as v
from alliance_analysis.study.simulate import SeriesParameters, simulate_series

TRUE_SLOPES = (0.0, -0.20)  # no effect, and about the largest printed (W03 of the published findings)
_LARGEST = 0.8  # an estimated coefficient beyond this is noise of a small study; the simulation stays inside it


@dataclass(frozen=True)
class BiasSimulation:
    """What each model says about simulated studies of this study's shape.

    Attributes
    ----------
    table : DataFrame
        `model true_slope mean_estimate bias mc_error rejected_share rejected_error_share
        n_simulations`: effects in
        within-client standard deviations; `rejected_share` = share of 95 % intervals without 0 (at a true slope of 0:
        false positives).
    parameters : SeriesParameters
        What the simulation took from the study.
    """

    table: pd.DataFrame
    parameters: SeriesParameters


def estimate_series(
    data: pd.DataFrame, timing: Timing, *, alliance: str = v.ALLIANCE_CLIENT, outcome: str = v.SYMPTOMS
) -> SeriesParameters:
    """Estimate what the bias simulation needs to know about a study, from plain models of each series.

    Trends, stable parts and their correlation come from growth models of each series; the dynamics from raw-lag models
    with first values, the least biased of the literature. The estimates set the scene of a simulation; they are no
    findings.

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
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # a variance at zero is a value to simulate with, not a finding
        growth = {name: _growth(data, name) for name in (outcome, alliance)}
        scale = {name: part["residual_sd"] for name, part in growth.items()}
        dynamics = _dynamics(data, timing, alliance, outcome, scale[alliance] / scale[outcome])
    return _stationary(
        SeriesParameters(
            **dynamics,
            stable_sd_symptoms=growth[outcome]["stable_sd"] / scale[outcome],
            stable_sd_alliance=growth[alliance]["stable_sd"] / scale[alliance],
            stable_correlation=_mean_correlation(data, alliance, outcome),
            trend_symptoms=growth[outcome]["trend"] / scale[outcome],
            trend_alliance=growth[alliance]["trend"] / scale[alliance],
            trend_sd_symptoms=growth[outcome]["trend_sd"] / scale[outcome],
            trend_sd_alliance=growth[alliance]["trend_sd"] / scale[alliance],
        )
    )


def _growth(data: pd.DataFrame, column: str) -> dict[str, float]:
    """Return the log-shaped trend of one series and the standard deviations around it."""
    fit = fit_mixed(f"{column} ~ {v.LOG_TIME} + (1 + {v.LOG_TIME} || {v.CLIENT})", data, df="normal")
    table = fit.variance_components()
    sd = {(row.group, row.term): row.std_dev for row in table.itertuples() if pd.isna(row.term2) or not row.term2}
    by_term = {term: value for (group, term), value in sd.items() if group != "residual"}
    return {
        "trend": _estimate(fit, v.LOG_TIME),
        "stable_sd": by_term.get("(Intercept)", 0.0),
        "trend_sd": by_term.get(v.LOG_TIME, 0.0),
        "residual_sd": float(fit.glance()["sigma"].iloc[0]),
    }


def _estimate(fit: MixedFit, term: str) -> float:
    table = fit.tidy()
    return float(table.loc[table["term"] == term, "estimate"].iloc[0])


def _dynamics(data: pd.DataFrame, timing: Timing, alliance: str, outcome: str, ratio: float) -> dict[str, float]:
    """Return autoregressions and cross-effects; `ratio` = SD(alliance) / SD(symptoms) within clients."""
    earlier = data if timing.lag else _shift_alliance(data, alliance)
    own, before = f"{alliance}{v.LAG}1", f"{outcome}{v.LAG}1"
    firsts = f"{v.LOG_TIME} + {outcome}{v.FIRST} + {alliance}{v.FIRST} + (1 | {v.CLIENT})"
    to_symptoms = fit_mixed(f"{outcome} ~ {before} + {own} + {firsts}", earlier, df="normal")
    to_alliance = fit_mixed(f"{alliance} ~ {own} + {outcome} + {firsts}", earlier, df="normal")
    return {
        "autoregression_symptoms": _estimate(to_symptoms, before),
        "prospective": _estimate(to_symptoms, own) * ratio,
        "autoregression_alliance": _estimate(to_alliance, own),
        "feedback": _estimate(to_alliance, outcome) / ratio,
    }


def _shift_alliance(data: pd.DataFrame, alliance: str) -> pd.DataFrame:
    """Return the frame in which the alliance rated before session t + 1 stands at t, its earlier value as `_lag1`."""
    grouped = data.sort_values(v.SESSION).groupby(v.CLIENT)[alliance]
    return data.assign(**{f"{alliance}{v.LAG}1": data[alliance], alliance: grouped.shift(-1)})


def _mean_correlation(data: pd.DataFrame, alliance: str, outcome: str) -> float:
    means = data.groupby(v.CLIENT)[[alliance, outcome]].mean().dropna()
    return float(np.clip(means.corr().iloc[0, 1], -0.9, 0.9))


def _stationary(parameters: SeriesParameters) -> SeriesParameters:
    """Return the parameters with coefficients pulled in until a stationary series has them."""
    names = ("autoregression_symptoms", "autoregression_alliance", "prospective", "feedback")
    values = {name: float(np.clip(getattr(parameters, name), -_LARGEST, _LARGEST)) for name in names}
    for shrink in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):
        pulled = replace(parameters, **{name: shrink * value for name, value in values.items()})
        try:
            for effect in TRUE_SLOPES:
                replace(pulled, prospective=effect).innovation_variances()
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
        If `n_simulations` < 2 or no stationary series fits the study's dynamics.

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
    parameters = estimate_series(data, timing, alliance=alliance)
    design = _Design(data, timing, alliance)
    rows = []
    for done, (i, effect) in enumerate(product(range(n_simulations), TRUE_SLOPES), start=1):
        rng = np.random.default_rng(np.random.SeedSequence([seed, i]))
        rows.append(
            _refit(design.draw(replace(parameters, prospective=effect), rng), timing, shape).assign(true_slope=effect)
        )
        if progress is not None:
            progress(done, n_simulations * len(TRUE_SLOPES))
    return BiasSimulation(_summary(pd.concat(rows), n_simulations), parameters)


class _Design:
    """Who was seen when, and which of the two ratings is there: what every simulated study repeats."""

    def __init__(self, data: pd.DataFrame, timing: Timing, alliance: str) -> None:
        self.client, _ = pd.factorize(data[v.CLIENT])
        self.session = data[v.SESSION].to_numpy()
        self.known = {
            v.SYMPTOMS: data[v.SYMPTOMS].notna().to_numpy(),
            v.ALLIANCE_CLIENT: data[alliance].notna().to_numpy(),
        }
        self.shift = 1 - timing.lag  # alliance rated before session t is the state after session t - 1

    def draw(self, parameters: SeriesParameters, rng: np.random.Generator) -> pd.DataFrame:
        """Return one simulated study as a sessions frame with this study's gaps and missing ratings."""
        n_clients, n_sessions = self.client.max() + 1, self.session.max() + self.shift
        symptoms, alliance = simulate_series(parameters, n_clients, n_sessions, rng)
        at = self.session - 1
        scores = {
            v.SYMPTOMS: symptoms[self.client, at + self.shift],
            v.ALLIANCE_CLIENT: alliance[self.client, at],
        }
        rated = {name: np.where(self.known[name], values, np.nan) for name, values in scores.items()}
        return pd.DataFrame({v.CLIENT: self.client, v.SESSION: self.session, **rated})


def _refit(sessions: pd.DataFrame, timing: Timing, shape: TimeShape) -> pd.DataFrame:
    with warnings.catch_warnings():
        # a variance at zero is part of what happens to these models in simulated studies
        warnings.simplefilter("ignore", FitWarning)
        fits = fit_literature_models(pair_sessions(sessions, timing), timing, shape, df="normal", names=PREDICTIVE)
    return fits.tidy()[["model", "estimate", "conf_low", "conf_high"]]


def _summary(rows: pd.DataFrame, n: int) -> pd.DataFrame:
    rows = rows.assign(rejected_share=(rows["conf_low"] > 0) | (rows["conf_high"] < 0))
    table = rows.groupby(["model", "true_slope"], sort=False).agg(
        mean_estimate=("estimate", "mean"), sd=("estimate", "std"), rejected_share=("rejected_share", "mean")
    )
    table = table.reset_index()
    table["bias"] = table["mean_estimate"] - table["true_slope"]
    table["mc_error"] = table.pop("sd") / np.sqrt(n)
    # Agresti-Coull: a share of 0 or 1 in a few replicates is not known without error
    share = (table["rejected_share"] * n + 2) / (n + 4)
    table["rejected_error_share"] = np.sqrt(share * (1 - share) / (n + 4))
    columns = ["model", "true_slope", "mean_estimate", "bias", "mc_error", "rejected_share", "rejected_error_share"]
    return table[columns].assign(n_simulations=n)
