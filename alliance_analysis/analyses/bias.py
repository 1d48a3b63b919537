"""How wrong each model would be in this study: simulated with its own clients, sessions, gaps, trends and feedback."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import (
    PREDICTIVE,
    TIME_TERMS,
    TimeShape,
    Timing,
    fit_literature_models,
    fit_or_refuse,
    pair_sessions,
)
from alliance_analysis.analyses.session_by_session import PANEL_VAR
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.panel.draw import draw_ratings
from alliance_analysis.panel.fit import fit_panel_var, refit_panel_var
from alliance_analysis.panel.fitted import PanelVarFit, name_lag
from alliance_analysis.panel.parameters import PanelParameters
from alliance_analysis.prepare import add_detrended, add_lag, dyad_keys
from alliance_analysis.study import vocabulary as v

TRUE_SLOPES = (0.0, -0.20)  # nothing, and about the largest printed (W03 of the published findings)
DETRENDED = "detrended alliance, earlier symptoms"
MODELS = (*PREDICTIVE, DETRENDED, PANEL_VAR)


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
    parameters : PanelParameters or None
        What the simulation took from the study; None where it could not be simulated.
    reason : str
        Why not; the table is then empty.
    """

    table: pd.DataFrame
    parameters: PanelParameters | None
    reason: str = ""


@dataclass(frozen=True)
class Scene:
    """A study as the panel VAR sees it: who was rated when, and what made the ratings.

    Attributes
    ----------
    fit : PanelVarFit
        Of alliance (first) and symptoms (second).
    frame : DataFrame
        Ids, sessions and dates of the rows that every simulated study repeats.
    timing : Timing
    shape : TimeShape
    max_gap_days : int or None
    """

    fit: PanelVarFit
    frame: pd.DataFrame
    timing: Timing
    shape: TimeShape
    max_gap_days: int | None


def fit_scene(
    data: pd.DataFrame,
    timing: Timing,
    shape: TimeShape = "log",
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    max_gap_days: int | None = None,
) -> Scene:
    """Fit the panel VAR that sets the scene: levels, trends, after-effects and feedback as in this study.

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions`.
    timing, shape, alliance, max_gap_days
        As for `simulate_bias`.

    Returns
    -------
    Scene

    Raises
    ------
    ModelError
        If the panel VAR cannot be fitted, or nothing may be reported from it.
    """
    cluster = v.THERAPIST if v.THERAPIST in data else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # a scene may have variances at zero
        fit = fit_panel_var(
            data,
            [alliance, v.SYMPTOMS],
            time_shape=shape,
            cluster=cluster,
            shift={} if timing.lag else {alliance: -1},
        )
    if fit.withheld:
        reason = next(iter(fit.withheld.values()))
        raise ModelError(f"simulate_bias: no scene to simulate: {reason}. Check symptoms and alliance.")
    kept = [*dyad_keys(data), v.SESSION, *([v.DATE] if v.DATE in data else [])]
    return Scene(fit, data[kept].reset_index(drop=True), timing, shape, max_gap_days)


def set_slope(parameters: PanelParameters, slope: float) -> PanelParameters:
    """Return the parameters with another prospective slope, in standard deviations of the deviations.

    All else is kept: levels, trends, the other coefficients and the covariance of what is new in each session; the
    deviations' own SDs follow from these and the slope.

    Parameters
    ----------
    parameters : PanelParameters
        Alliance first, symptoms second.
    slope : float

    Raises
    ------
    ModelError
        If no stationary series has this slope beside the other coefficients.
    """
    A = parameters.transition.copy()
    for _ in range(200):
        at = replace(parameters, transition=A.copy(), start=None)
        if at.largest_eigenvalue >= 1:
            raise ModelError(
                f"simulate_bias: a slope of {slope} fits no stationary series in this study; the bias of the models "
                "cannot be simulated. Check symptoms and alliance for coding errors."
            )
        sd = np.sqrt(np.diagonal(at.deviation_covariance(1)))
        wanted = slope * sd[1] / sd[0]
        if abs(A[1, 0] - wanted) <= 1e-12 * sd[1] / sd[0]:
            return at
        A[1, 0] = wanted
    raise ModelError(f"simulate_bias: no series with a slope of {slope} was found. Leave the simulation out.")


def simulate_bias(
    data: pd.DataFrame,
    timing: Timing,
    shape: TimeShape = "log",
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    max_gap_days: int | None = None,
    n_simulations: int = 40,
    seed: int = 1,
    models: Sequence[str] = MODELS,
    progress: Callable[[int, int], None] | None = None,
) -> BiasSimulation:
    """Simulate studies in this study's scene, fit the literature's models and the panel VAR, and size their bias.

    The scene is the panel VAR fitted to this study, with its clients, sessions, gaps and missing ratings; only the
    prospective slope is set, to 0 and to -.20.

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions`, with `symptoms` and `alliance`.
    timing : Timing
    shape : TimeShape
        The time shape of the scene and of the models.
    alliance : str
    max_gap_days : int, optional
        As in `pair_sessions`.
    n_simulations : int
        Studies per true slope; the Monte Carlo error is in the table.
    seed : int
        Replicate i draws from ``SeedSequence([seed, i])``.
    models : sequence of str
        Some of `MODELS`; the panel VAR takes most of the time.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    BiasSimulation

    Raises
    ------
    ModelError
        If `n_simulations` < 2, or for an unknown model.

    Examples
    --------
    >>> from alliance_analysis.analyses.prospective import choose_timing, pair_sessions
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> timing = choose_timing("after", "before", 7, 7.0)
    >>> data = pair_sessions(simulate_study(1, StudyDesign(n_clients=40, n_sessions=8)).sessions, timing)
    >>> simulate_bias(data, timing, n_simulations=2).table.shape
    (10, 8)
    """
    if n_simulations < 2:
        raise ModelError(f"simulate_bias: n_simulations must be 2 or more, got {n_simulations}.")
    unknown = sorted(set(models) - set(MODELS))
    if unknown or not models:
        got = ", ".join(unknown) or "none"
        raise ModelError(f"simulate_bias: models must be some of {', '.join(MODELS)}, got {got}.")
    try:
        scene = fit_scene(data, timing, shape, alliance=alliance, max_gap_days=max_gap_days)
        truths = {slope: set_slope(scene.fit.parameters, slope) for slope in TRUE_SLOPES}
    except ModelError as error:
        return BiasSimulation(
            pd.DataFrame(columns=_COLUMNS), None, str(error).removeprefix("simulate_bias: ").capitalize()
        )
    rows = []
    for done, (i, slope) in enumerate(product(range(n_simulations), TRUE_SLOPES), start=1):
        rng = np.random.default_rng(np.random.SeedSequence([seed, i]))
        rows.append(_refit(scene, truths[slope], models, rng).assign(true_slope=slope))
        if progress is not None:
            progress(done, n_simulations * len(TRUE_SLOPES))
    return BiasSimulation(_summary(pd.concat(rows, ignore_index=True)), scene.fit.parameters)


def _refit(scene: Scene, truth: PanelParameters, models: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return what each model says about one simulated study: `model estimate conf_low conf_high`, in deviation SDs."""
    ratings = draw_ratings(scene.fit.series, scene.fit.course, truth, rng)
    sd = np.sqrt(np.diagonal(truth.deviation_covariance(1)))
    with warnings.catch_warnings():
        # a variance at zero is part of what happens to these models in simulated studies
        warnings.simplefilter("ignore", FitWarning)
        mixed = _refit_mixed(scene, ratings, models)
        panel = [_refit_panel(scene, truth, ratings)] if PANEL_VAR in models else []
    table = pd.DataFrame([*mixed, *panel], columns=["model", "estimate", "conf_low", "conf_high"])
    numbers = ["estimate", "conf_low", "conf_high"]
    return table.assign(**{name: table[name].astype(float) * sd[0] / sd[1] for name in numbers})


def _refit_mixed(scene: Scene, ratings: np.ndarray, models: Sequence[str]) -> list[tuple[str, float, float, float]]:
    names = [name for name in PREDICTIVE if name in models]
    if not names and DETRENDED not in models:
        return []
    drawn = scene.frame.assign(**{v.ALLIANCE_CLIENT: ratings[:, 0], v.SYMPTOMS: ratings[:, 1]})
    paired = pair_sessions(drawn, scene.timing, max_gap_days=scene.max_gap_days)
    fits = fit_literature_models(paired, scene.timing, scene.shape, df="normal", names=names) if names else None
    rows = [] if fits is None else fits.tidy()[["model", "estimate", "conf_low", "conf_high"]].to_numpy().tolist()
    if DETRENDED in models:
        rows.append(_refit_detrended(scene, paired))
    return [tuple(row) for row in rows]


def _refit_detrended(scene: Scene, paired: pd.DataFrame) -> tuple[str, float, float, float]:
    """Fit the earlier alliance as residuals of each client's own line over (log) sessions: a loss, not a safe check."""
    time = TIME_TERMS[scene.shape]
    data = add_detrended(paired, [v.ALLIANCE_CLIENT], v.LOG_TIME if time == v.LOG_TIME else v.TIME)
    exposure = f"{v.ALLIANCE_CLIENT}{v.DETRENDED}"
    if scene.timing.lag:
        data, exposure = add_lag(data, [exposure]), f"{exposure}{v.LAG}1"
    terms = [*([time] if time else []), f"{v.SYMPTOMS}{v.LAG}1", exposure, f"{v.ALLIANCE_CLIENT}{v.BETWEEN}"]
    fit = fit_or_refuse(f"{v.SYMPTOMS} ~ {' + '.join(terms)} + (1 | {v.CLIENT})", data, "normal", exposure)
    row = fit.tidy().set_index("term").loc[exposure]
    if not fit.converged or exposure in fit.withheld:
        return DETRENDED, np.nan, np.nan, np.nan
    return DETRENDED, row["estimate"], row["conf_low"], row["conf_high"]


def _refit_panel(scene: Scene, truth: PanelParameters, ratings: np.ndarray) -> tuple[str, float, float, float]:
    start = scene.fit.solution.theta.copy()
    start[:4] = (truth.transition * np.outer(1 / scene.fit.scale, scene.fit.scale)).ravel()
    fit = refit_panel_var(scene.fit, ratings, start)
    row = fit.tidy().set_index("term").loc[name_lag(*fit.series.columns)]
    if fit.withheld:
        return PANEL_VAR, np.nan, np.nan, np.nan
    return PANEL_VAR, row["estimate"], row["conf_low"], row["conf_high"]


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
    order = {name: k for k, name in enumerate(MODELS)}
    table = table.sort_values(["model", "true_slope"], key=lambda c: c.map(order) if c.name == "model" else -c)
    return table[_COLUMNS].reset_index(drop=True)
