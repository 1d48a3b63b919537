"""Checks of a mixed model of sessions nested in clients: fit, residuals, influence, collinearity, reliability."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_analysis.check import rules
from alliance_analysis.check.rules import COLUMNS
from alliance_analysis.errors import DataError
from alliance_analysis.mixed.fit import MixedFit
from alliance_analysis.mixed.formula import INTERCEPT
from alliance_analysis.prepare import dyad_keys
from alliance_analysis.study import vocabulary as v

CENTRED = (v.WITHIN, v.DETRENDED)  # parts of a rating without the client's level: their mean measures nothing
FEWEST_EFFECTS = 10  # groups; the skewness of fewer says nothing


def check_fit(fit: MixedFit, data: pd.DataFrame, *, exposure: str | None = None) -> pd.DataFrame:
    """Check a mixed model of sessions nested in clients.

    Parameters
    ----------
    fit : MixedFit
        A model that did not converge, or was refused, gets the one red row that says why.
    data : DataFrame
        The frame that was fitted; needs `client` and `session`.
    exposure : str, optional
        A session-level predictor: its variation within clients, the reliability of its mean and the influence of
        single clients and therapists on its slope are checked; else the influence on any slope.

    Returns
    -------
    DataFrame
        `check value limit status why what_to_do`; status "green", "amber" (read with care) or "red" (do not use).

    Raises
    ------
    DataError
        When `data` cannot be the frame that was fitted.

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
        return pd.DataFrame(
            [rules.CONVERGED.row(False, False) | ({"why": reasons} if reasons else {})], columns=COLUMNS
        )
    _check_frame(fit, data, exposure)
    used = data.iloc[fit.rows]
    residuals = used[[*dyad_keys(used), v.SESSION]].assign(residual=fit.residuals(kind="normalized"))
    rows = [
        *_fit_rows(glance),
        *_group_rows(glance, used[v.CLIENT].nunique()),
        _lost_row(glance, used[v.CLIENT].nunique()),
        _autocorrelation_row(residuals, fit),
        *_shape_rows(residuals["residual"]),
        *_effect_rows(fit),
        _spread_row(residuals),
        *_collinearity_rows(fit),
        *_influence_rows(fit, exposure),
    ]
    if exposure is not None:
        rows += [_variation_row(used, exposure), *_reliability_rows(used, exposure)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _check_frame(fit: MixedFit, data: pd.DataFrame, exposure: str | None) -> None:
    needed = [v.CLIENT, v.SESSION, *([exposure] if exposure is not None else [])]
    absent = [name for name in needed if name not in data]
    if absent:
        raise DataError(
            f"check_fit: no column {absent[0]!r} in the data; {', '.join(needed)} are needed. Give the fitted frame."
        )
    if len(data) <= fit.rows.max():
        raise DataError(
            f"check_fit: data has {len(data)} rows and the fit used row {fit.rows.max() + 1}. Give the fitted frame."
        )
    response = fit.design.response
    if response in data and not np.array_equal(data[response].to_numpy(dtype=float)[fit.rows], fit.design.y):
        raise DataError(
            f"check_fit: {response} is not what was fitted; the rows are others or in another order. "
            "Give the fitted frame."
        )


def _fit_rows(glance: pd.Series) -> list[dict[str, object]]:
    regular = not glance["singular"]
    return [
        rules.CONVERGED.row(bool(glance["converged"]), bool(glance["converged"])),
        rules.REGULAR.row(regular, regular),
    ]


def _group_rows(glance: pd.Series, n_clients: int) -> list[dict[str, object]]:
    counts = {rules.CLIENTS: n_clients}
    if f"n_{v.THERAPIST}" in glance:
        counts[rules.THERAPISTS] = int(glance[f"n_{v.THERAPIST}"])
    return [rule.row(n, n >= rule.limit) for rule, n in counts.items()]


def _lost_row(glance: pd.Series, n_clients: int) -> dict[str, object]:
    # a client's first session has no session before in any study: only what is lost beyond that counts
    possible = glance["n_obs"] + glance["n_dropped"] - n_clients
    share = max(0.0, 1 - glance["n_obs"] / possible) if possible > 0 else 1.0
    return rules.ROWS_USED.row(share, share <= rules.ROWS_USED.limit)


def _autocorrelation_row(residuals: pd.DataFrame, fit: MixedFit) -> dict[str, object]:
    """Correlate the residuals of consecutive sessions of a client with one therapist (a gap is no pair)."""
    dyad = dyad_keys(residuals)
    before = residuals.assign(**{v.SESSION: residuals[v.SESSION] + 1})
    pairs = residuals.merge(before, on=[*dyad, v.SESSION], suffixes=("", "_before"))
    if len(pairs) < 3:
        return rules.NO_PAIRS.row(np.nan, False)
    counts = residuals.groupby(dyad).size()
    r = float(pairs["residual"].corr(pairs["residual_before"]))
    excess = r - _independent_correlation(fit, counts[counts > 1])
    return rules.AUTOCORRELATION.row(excess, excess <= rules.AUTOCORRELATION.limit)


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


def _shape_rows(residuals: pd.Series) -> list[dict[str, object]]:
    skewness = _skewness(residuals)
    far = float((np.abs(residuals / residuals.std()) > 3).mean())
    return [
        rules.SKEWNESS.row(skewness, abs(skewness) <= rules.SKEWNESS.limit),
        rules.TAILS.row(far, far <= rules.TAILS.limit),
    ]


def _skewness(values: pd.Series) -> float:
    centred = values - values.mean()
    return float((centred**3).mean() / (centred**2).mean() ** 1.5)


def _effect_rows(fit: MixedFit) -> list[dict[str, object]]:
    """Skewness of the predicted effects of every level that is not estimated at zero."""
    rows = []
    for (group, term), effects in fit.random_effects().groupby(["group", "term"], sort=False)["estimate"]:
        if group in fit.singular_level or len(effects) < FEWEST_EFFECTS:
            continue
        rule = rules.EFFECTS.about(f"{group} {term}" if term != INTERCEPT else group)
        skewness = _skewness(effects)
        rows.append(rule.row(skewness, abs(skewness) <= rule.limit))
    return rows


def _collinearity_rows(fit: MixedFit) -> list[dict[str, object]]:
    factors = inflation_factors(fit.design.X, fit.design.terms)
    if factors.empty:
        return []
    worst = float(factors.max())
    where = f" ({factors.idxmax()})" if worst > rules.COLLINEARITY.limit else ""
    return [rules.COLLINEARITY.about(where).row(worst, worst <= rules.COLLINEARITY.limit)]


def inflation_factors(X: np.ndarray, terms: tuple[str, ...]) -> pd.Series:
    """Return the variance inflation factor of each predictor: 1 / (1 - R^2) given the others.

    The intercept has none; curves and products (`I(time ** 2)`, `a:b`) depend on the origin of their parts and are left
    out.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    terms : tuple of str
        Column names.

    Examples
    --------
    >>> inflation_factors(np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]]), ("(Intercept)", "a", "b")).to_dict()
    {'a': 1.0, 'b': 1.0}
    """
    keep = [k for k, term in enumerate(terms) if ":" not in term and "(" not in term]
    if len(keep) < 2:
        return pd.Series(dtype=float)
    inverse = np.linalg.inv(np.corrcoef(X[:, keep].T))
    return pd.Series(np.diagonal(inverse), index=[terms[k] for k in keep])


def _influence_rows(fit: MixedFit, exposure: str | None) -> list[dict[str, object]]:
    """How far the estimate in question (or else any) moves when one client, or one therapist, is left out."""
    table = fit.tidy().set_index("term")
    asked = [term for term in table.index if exposure is not None and term.startswith(exposure)]
    terms = asked[:1] or [term for term in table.index if term != INTERCEPT and term not in fit.withheld]
    rows = []
    for group, rule in ((v.CLIENT, rules.INFLUENCE), (v.THERAPIST, rules.THERAPIST_INFLUENCE)):
        # clients may stand as therapist:client
        own = next((name for name in fit.design.groups if name.split(":")[-1] == group), None)
        if own is None or not terms:
            continue
        changes = fit.influence(group=own)[[f"change_{term}" for term in terms]].abs().to_numpy()
        largest = np.nanmax(changes, axis=0) / table.loc[terms, "std_error"].to_numpy()
        worst = int(largest.argmax())
        rows.append(rule.about(terms[worst]).row(float(largest[worst]), largest[worst] <= rule.limit))
    return rows


def _spread_row(residuals: pd.DataFrame) -> dict[str, object]:
    late = residuals[v.SESSION] > residuals[v.SESSION].median()
    spread = residuals.groupby(late)["residual"].std()
    ratio = float(spread.max() / spread.min()) if len(spread) == 2 else float("nan")
    return rules.SPREAD.row(ratio, ratio <= rules.SPREAD.limit)


def _variation_row(used: pd.DataFrame, exposure: str) -> dict[str, object]:
    ratings = used.groupby(v.CLIENT)[exposure]
    several = ratings.count() > 1  # a client with one session could not vary
    share = float((ratings.nunique() == 1)[several].mean()) if several.any() else 1.0
    return rules.VARIATION.about(exposure).row(share, share <= rules.VARIATION.limit)


def _reliability_rows(used: pd.DataFrame, exposure: str) -> list[dict[str, object]]:
    """Reliability of a client's mean, ICC(1, k) = 1 - MSW / MSB; centred parts have no mean to rely on."""
    ratings = used.dropna(subset=[exposure]).groupby(v.CLIENT)[exposure]
    counts, means = ratings.count(), ratings.mean()
    n, groups = int(counts.sum()), len(counts)
    if n <= groups or groups < 2 or any(part in exposure for part in CENTRED):
        return []
    grand = float((means * counts).sum() / n)
    between = float((counts * (means - grand) ** 2).sum() / (groups - 1))
    within = float(((used[exposure] - used.groupby(v.CLIENT)[exposure].transform("mean")) ** 2).sum() / (n - groups))
    reliability = max(0.0, 1 - within / between) if between > 0 else 0.0
    rule = rules.RELIABILITY.about(exposure)
    return [rule.row(reliability, reliability >= rule.limit)]
