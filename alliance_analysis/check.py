"""From a fit to a table of checks: each with its value, its limit, why it matters and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.mixed.fit import MixedFit
from alliance_analysis.study import vocabulary as v

GREEN, AMBER, RED = "green", "amber", "red"
COLUMNS = ["check", "value", "limit", "status", "why", "what_to_do"]


@dataclass(frozen=True)
class _Rule:
    """What is checked, where the limit lies, why it matters and what to do beyond it."""

    check: str
    limit: Any
    why: str
    what_to_do: str
    worse: str = AMBER

    def row(self, value: object, fine: bool) -> dict[str, object]:
        return {
            "check": self.check,
            "value": value,
            "limit": self.limit,
            "status": GREEN if fine else self.worse,
            "why": self.why,
            "what_to_do": "" if fine else self.what_to_do,
        }


_CONVERGED = _Rule(
    "converged",
    True,
    "estimates of a model that did not converge are not the model's estimates",
    "report nothing from it; simplify the random part",
    RED,
)
_REGULAR = _Rule(
    "every variance above zero",
    True,
    "at a level whose variance is estimated at zero, standard errors and tests are not to be trusted",
    "report the lower levels only, and the model without that variance beside them",
)
_THERAPISTS = _Rule(
    "number of therapists",
    10,
    "clients of one therapist are alike; with few therapists, or without therapist ids, how much is hardly known",
    "do not interpret differences between therapists; read intervals of clients as too narrow",
)
_CLIENTS = _Rule(
    "number of clients",
    30,
    "what differs between few clients is known only roughly",
    "do not interpret differences between clients; read the interval, not the estimate",
)
_ROWS_USED = _Rule(
    "share of sessions not used, beyond each client's first",
    0.20,
    "a session is used only where every value of the model is there",
    "see the flow of rows; compare with an analysis that keeps incomplete sessions",
)
_CLIENTS_USED = _Rule(
    "share of clients not used",
    0.20,
    "clients without an early rating or an end state are seldom like the others",
    "say who is missing; see the flow of clients",
)
_AUTOCORRELATION = _Rule(
    "residual correlation of consecutive sessions, beyond what independent ones have in this model",
    0.10,
    "sessions close in time are more alike than the model says; standard errors are too small",
    "fit the model with an AR(1) residual, or the prospective panel model",
)
_SKEWNESS = _Rule(
    "skewness of the residuals",
    1.0,
    "strongly skewed residuals make intervals uneven",
    "look at floor and ceiling; compare with a bootstrap",
)
_SPREAD = _Rule(
    "residual spread, early against late sessions (ratio)",
    1.5,
    "unequal spread gives sessions the wrong weight",
    "compare with a model with unequal residual variances",
)
_VARIATION = _Rule(
    "clients whose {} never varies",
    0.10,
    "a client whose rating never varies says nothing about a within-client association",
    "say how many clients the within-client estimate rests on",
)
_MISSING = _Rule(
    "{}: missing values",
    0.20,
    "missing scores are seldom missing at random",
    "say who is missing; compare with an analysis for missing data",
)
_EXTREME = _Rule(
    "{}: scores at the floor or ceiling",
    0.15,
    "change beyond the end of the scale is not seen; slopes are too small",
    "read slopes as lower bounds; use a measure with a wider range",
)


def check_fit(fit: MixedFit, data: pd.DataFrame, *, exposure: str | None = None) -> pd.DataFrame:
    """Check a mixed model of sessions nested in clients.

    Parameters
    ----------
    fit : MixedFit
        A model that did not converge, or was refused, gets the one red row that says why.
    data : DataFrame
        The frame that was fitted; needs `client` and `session`.
    exposure : str, optional
        A session-level predictor: the share of clients in whom it never varies is checked too.

    Returns
    -------
    DataFrame
        `check value limit status why what_to_do`; status "green", "amber" (read with care) or "red" (do not use).

    Examples
    --------
    >>> from alliance_analysis.mixed.fit import fit_mixed
    >>> from alliance_analysis.study.simulate import simulate_study
    >>> data = simulate_study(1).sessions.astype({"symptoms": float})
    >>> check_fit(fit_mixed("symptoms ~ session + (1 | client)", data), data)["status"].iloc[0]
    'green'
    """
    glance = fit.glance().iloc[0]
    if not glance["converged"]:
        reasons = ", ".join(dict.fromkeys(fit.withheld.values()))
        return pd.DataFrame([_CONVERGED.row(False, False) | ({"why": reasons} if reasons else {})], columns=COLUMNS)
    residuals = pd.DataFrame(
        {
            v.CLIENT: data[v.CLIENT].to_numpy()[fit.rows],
            v.SESSION: data[v.SESSION].to_numpy()[fit.rows],
            "residual": fit.residuals(),
        }
    )
    rows = [
        *_fit_rows(glance),
        *_group_rows(glance),
        _lost_row(glance),
        _autocorrelation_row(residuals, fit),
        _shape_row(residuals),
        _spread_row(residuals),
    ]
    if exposure is not None:
        rows.append(_variation_row(data.iloc[fit.rows], exposure))
    return pd.DataFrame(rows, columns=COLUMNS)


def check_measures(described: pd.DataFrame) -> pd.DataFrame:
    """Check the measures of `describe_measures`: floor, ceiling, missing values.

    Examples
    --------
    >>> described = pd.DataFrame({"measure": ["x"], "missing_share": [0.5], "floor_share": 0.0, "ceiling_share": [0.3]})
    >>> check_measures(described)["status"].tolist()
    ['amber', 'amber']
    """
    extreme = described[["floor_share", "ceiling_share"]].max(axis=1)
    rows = []
    for name, missing, share in zip(described["measure"], described["missing_share"], extreme, strict=True):
        rows.append(_about(_MISSING, name).row(missing, missing <= _MISSING.limit))
        if not np.isnan(share):
            rows.append(_about(_EXTREME, name).row(share, share <= _EXTREME.limit))
    return pd.DataFrame(rows, columns=COLUMNS)


def check_early_alliance(glance: pd.DataFrame, flow: pd.DataFrame) -> pd.DataFrame:
    """Check the correlation of early alliance and end state (`glance()` and `flow` of `fit_early_alliance`).

    Examples
    --------
    >>> glance = pd.DataFrame([{"n_client": 196, "n_therapist": 24}])
    >>> check_early_alliance(glance, pd.DataFrame({"clients": [240, 196]}))["status"].tolist()
    ['green', 'green', 'green']
    """
    row = glance.iloc[0]
    lost = 1 - flow["clients"].iloc[-1] / flow["clients"].iloc[0]
    rows = [
        _CLIENTS.row(int(row["n_client"]), row["n_client"] >= _CLIENTS.limit),
        _THERAPISTS.row(row["n_therapist"], row["n_therapist"] >= _THERAPISTS.limit),
        _CLIENTS_USED.row(lost, lost <= _CLIENTS_USED.limit),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def combine_checks(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return several tables of checks as one, red first, then amber; each check names what it is about.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        What was checked to its table; "" for a table whose checks say it themselves.

    Examples
    --------
    >>> green = pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"check": "converged", "status": "green"}])
    >>> combine_checks({"session model": green})["check"].tolist()
    ['session model: converged']
    """
    order = {RED: 0, AMBER: 1, GREEN: 2}
    named = [table.assign(check=[f"{n}: {c}" if n else c for c in table["check"]]) for n, table in tables.items()]
    table = pd.concat(named, ignore_index=True)
    return table.sort_values("status", key=lambda s: s.map(order), kind="stable", ignore_index=True)


def _about(rule: _Rule, name: str) -> _Rule:
    return replace(rule, check=rule.check.format(name))


def _fit_rows(glance: pd.Series) -> list[dict[str, object]]:
    regular = not glance["singular"]
    return [_CONVERGED.row(bool(glance["converged"]), bool(glance["converged"])), _REGULAR.row(regular, regular)]


def _group_rows(glance: pd.Series) -> list[dict[str, object]]:
    counts = {"n_client": _CLIENTS, "n_therapist": _THERAPISTS}
    return [rule.row(int(glance[n]), glance[n] >= rule.limit) for n, rule in counts.items() if n in glance]


def _lost_row(glance: pd.Series) -> dict[str, object]:
    # a client's first session has no session before in any study: only what is lost beyond that counts
    possible = glance["n_obs"] + glance["n_dropped"] - glance["n_client"]
    share = max(0.0, 1 - glance["n_obs"] / possible) if possible > 0 else 1.0
    return _ROWS_USED.row(share, share <= _ROWS_USED.limit)


def _autocorrelation_row(residuals: pd.DataFrame, fit: MixedFit) -> dict[str, object]:
    """Correlate the residuals of consecutive sessions of a client (a gap is no pair)."""
    before = residuals.assign(**{v.SESSION: residuals[v.SESSION] + 1})
    pairs = residuals.merge(before, on=[v.CLIENT, v.SESSION], suffixes=("", "_before"))
    if len(pairs) < 3:
        return _AUTOCORRELATION.row(np.nan, False)
    counts = residuals.groupby(v.CLIENT).size()
    r = float(pairs["residual"].corr(pairs["residual_before"]))
    excess = r - _independent_correlation(fit, counts[counts > 1])
    return _AUTOCORRELATION.row(excess, excess <= _AUTOCORRELATION.limit)


def _independent_correlation(fit: MixedFit, counts: pd.Series) -> float:
    """Return the correlation that residuals of independent sessions have, since each client's level is estimated.

    With T sessions, level variance tau2, residual variance s2 and shrinkage k = tau2 / (tau2 + s2 / T), a residual is
    (1 - k) u + e_t - k mean(e): its covariance with another is (1 - k)^2 tau2 - (2k - k^2) s2 / T.
    """
    table = fit.variance_components()
    tau2 = table.loc[(table["term"] == "(Intercept)") & (table["term2"] == ""), "estimate"].sum()
    s2 = fit.sigma**2
    k = tau2 / (tau2 + s2 / counts)
    shared = (1 - k) ** 2 * tau2 - (2 * k - k**2) * s2 / counts
    return float((shared * (counts - 1)).sum() / ((shared + s2) * (counts - 1)).sum())


def _shape_row(residuals: pd.DataFrame) -> dict[str, object]:
    centred = residuals["residual"] - residuals["residual"].mean()
    skewness = float((centred**3).mean() / (centred**2).mean() ** 1.5)
    return _SKEWNESS.row(skewness, abs(skewness) <= _SKEWNESS.limit)


def _spread_row(residuals: pd.DataFrame) -> dict[str, object]:
    late = residuals[v.SESSION] > residuals[v.SESSION].median()
    spread = residuals.groupby(late)["residual"].std()
    ratio = float(spread.max() / spread.min()) if len(spread) == 2 else float("nan")
    return _SPREAD.row(ratio, ratio <= _SPREAD.limit)


def _variation_row(used: pd.DataFrame, exposure: str) -> dict[str, object]:
    ratings = used.groupby(v.CLIENT)[exposure]
    several = ratings.count() > 1  # a client with one session could not vary
    share = float((ratings.nunique() == 1)[several].mean()) if several.any() else 1.0
    return _about(_VARIATION, exposure).row(share, share <= _VARIATION.limit)
