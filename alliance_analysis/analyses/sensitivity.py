"""How much the literature's slopes depend on what the model takes for random: therapists, slopes of time, residuals."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import (
    CLASSIC,
    FIRST_VALUES,
    RefusedFit,
    TimeShape,
    Timing,
    fit_or_refuse,
    literature_formulas,
)
from alliance_analysis.errors import FitWarning
from alliance_analysis.mixed.fit import MixedFit
from alliance_analysis.mixed.residuals import AR1, ByGroup, Structure
from alliance_analysis.prepare import within_sd
from alliance_analysis.study import vocabulary as v

PERIOD = "period"  # early or late sessions, halved at the median session number
PERFECT = 0.9999  # correlation of random effects that counts as one
_INTERCEPT = f"(1 | {v.CLIENT})"
_SLOPE = f"(1 + {v.TIME} | {v.CLIENT})"
_THERAPIST = f"(1 | {v.THERAPIST})"
_COMPETE = "earlier symptoms as a predictor and an AR(1) residual explain the same thing; not fitted"


@dataclass(frozen=True)
class _Variant:
    """One way to say what is random."""

    name: str
    random: str
    residual: Structure | None = None
    needs_therapist: bool = False


def compare_random_structures(
    data: pd.DataFrame,
    timing: Timing,
    shape: TimeShape = "log",
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """Refit the literature's models with therapists, random slopes of time, AR(1) and unequal residual variances.

    None of these mends the bias of centring beside a lagged outcome; they show how far the answer hangs on the part of
    the model that is seldom reported.

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions`.
    timing : Timing
    shape : TimeShape
    alliance, outcome : str
    conf_level : float

    Returns
    -------
    DataFrame
        `model random_structure standardised conf_low conf_high n_sessions n_clients aic note`; AIC compares the
        structures of one model (REML, the same fixed terms), on the same rows.
    """
    late = np.where(data[v.SESSION] > data[v.SESSION].median(), "late", "early")
    halved = data.assign(**{PERIOD: late})
    formulas = literature_formulas(timing, shape, alliance, outcome)
    exposures = {CLASSIC: timing.exposure(alliance, v.WITHIN), FIRST_VALUES: timing.exposure(alliance)}
    rows = []
    for model, exposure in exposures.items():
        for variant in _variants(v.THERAPIST in data):
            fit = _fit(formulas[model], variant, halved, exposure, model)
            rows.append(_row(fit, halved, exposure, outcome, conf_level) | _label(model, variant))
    columns = ["model", "random_structure", "standardised", "conf_low", "conf_high", "n_sessions", "n_clients", "aic"]
    return pd.DataFrame(rows)[[*columns, "note"]]


def _variants(with_therapists: bool) -> list[_Variant]:
    keys = [v.CLIENT, v.THERAPIST] if with_therapists else [v.CLIENT]
    offered = [
        _Variant("clients", _INTERCEPT),
        _Variant("clients and therapists", f"{_INTERCEPT} + {_THERAPIST}", needs_therapist=True),
        _Variant("clients, therapists, slopes of time", f"{_SLOPE} + {_THERAPIST}", needs_therapist=True),
        _Variant("clients and slopes of time", _SLOPE),
        _Variant("clients, AR(1) residual", _INTERCEPT, AR1(time=v.SESSION, by=keys)),
        _Variant("clients, unequal variance early and late", _INTERCEPT, ByGroup(PERIOD)),
    ]
    return [variant for variant in offered if with_therapists or not variant.needs_therapist]


def _fit(formula: str, variant: _Variant, data: pd.DataFrame, exposure: str, model: str) -> MixedFit | RefusedFit:
    if isinstance(variant.residual, AR1) and model == FIRST_VALUES:
        return RefusedFit(exposure, _COMPETE)
    random = formula.replace(f"(1 | {v.CLIENT})", variant.random)
    with warnings.catch_warnings():
        # a variance at zero is said in the note
        warnings.simplefilter("ignore", FitWarning)
        return fit_or_refuse(random, data, "satterthwaite", exposure, variant.residual)


def _label(model: str, variant: _Variant) -> dict[str, object]:
    return {"model": model, "random_structure": variant.name}


def _row(
    fit: MixedFit | RefusedFit, data: pd.DataFrame, exposure: str, outcome: str, conf_level: float
) -> dict[str, object]:
    if isinstance(fit, RefusedFit):
        return {"note": fit.reason, **dict.fromkeys(("standardised", "conf_low", "conf_high", "aic"), np.nan)}
    glance = fit.glance().iloc[0]
    used = data.iloc[fit.rows]
    scale = within_sd(used, exposure) / within_sd(used, outcome)
    estimate = fit.tidy(conf_level).set_index("term").loc[exposure, ["estimate", "conf_low", "conf_high"]] * scale
    told = exposure not in fit.withheld
    return {
        "standardised": estimate["estimate"] if told else np.nan,
        "conf_low": estimate["conf_low"] if told else np.nan,
        "conf_high": estimate["conf_high"] if told else np.nan,
        "n_sessions": int(glance["n_obs"]),
        "n_clients": int(glance["n_client"]),
        "aic": float(glance["aic"]) if fit.converged else np.nan,
        "note": fit.withheld.get(exposure, _boundary(fit)),
    }


def _boundary(fit: MixedFit) -> str:
    """Say at which level a variance is zero or random effects are perfectly correlated; "" for a regular fit."""
    table = fit.variance_components()
    correlations = table[table["term2"] != ""].set_index("group")["std_dev"].abs()
    tied = set(correlations.index[correlations > PERFECT])
    parts = [
        f"{level} intercepts and slopes perfectly correlated" if level in tied else f"{level} variance at zero"
        for level in fit.singular_level
    ]
    return ", ".join(parts)
