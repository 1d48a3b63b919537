"""The difference of two ratings as a predictor: what it shows, what it would show if only one rating mattered."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_analysis.analyses.congruence import COLUMNS, Centre, refuse_names
from alliance_analysis.analyses.least_squares import fit_least_squares
from alliance_analysis.analyses.two_raters import TwoRaters
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.study import vocabulary as v

_SCORES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "difference (second minus first)": lambda x, y: y - x,
    "absolute difference": lambda x, y: np.abs(y - x),
    "squared difference": lambda x, y: (y - x) ** 2,
}
# special cases of the full surface, each with the columns that make it
_X, _Y, _D, _DD, _SUM = "x", "y", "difference", "squared_difference", "total"
_FAMILY: Mapping[str, tuple[str, ...]] = {
    "no rating": (),
    "first rating only": (_X,),
    "second rating only": (_Y,),
    "both ratings": (_X, _Y),
    "first rating, curved": (_X, "x_squared"),
    "second rating, curved": (_Y, "y_squared"),
    "both ratings and their product": (_X, _Y, "x_by_y"),
    "squared difference": (_DD,),
    "squared difference, shifted": (_D, _DD),
    "squared difference and level": (_SUM, _DD),
    "squared difference, shifted, and level": (_X, _Y, _DD),
    "full surface": COLUMNS,
}


def show_discrepancy_scores(data: pd.DataFrame, outcome: str, first: str, second: str) -> pd.DataFrame:
    """Correlate difference scores with an outcome, and say what they would show if one rating alone mattered.

    The usual mistake. An outcome that goes with the client's rating goes with any difference score that goes with the
    client's rating: the expected correlation is the product of the two.

    Parameters
    ----------
    data : DataFrame
        One row per client.
    outcome, first, second : str
        Columns.

    Returns
    -------
    DataFrame
        `score r conf_low conf_high expected_first_only expected_second_only`; limits on Fisher's z.

    References
    ----------
    Cronbach & Furby 1970, 10.1037/h0029382; Edwards 2001, 10.1177/109442810143005.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> frame = pd.DataFrame(rng.normal(size=(500, 2)), columns=["c", "t"])
    >>> frame["y"] = -frame["c"]
    >>> scores = show_discrepancy_scores(frame, "y", "c", "t")
    >>> scores.loc[0, ["r", "expected_first_only"]].astype(float).round(2).tolist()
    [0.71, 0.71]
    """
    known = data.dropna(subset=[outcome, first, second])
    columns = ["score", "r", "conf_low", "conf_high", "expected_first_only", "expected_second_only"]
    if len(known) < 5 or (known[[outcome, first, second]].nunique() < 2).any():
        return pd.DataFrame(columns=columns)
    z, x, y = (known[name].to_numpy(float) for name in (outcome, first, second))
    rows = []
    for name, score in _SCORES.items():
        values = score(x, y)
        if values.std() < 1e-12:
            continue
        r = _correlation(values, z)
        half = ndtri(0.975) / np.sqrt(len(z) - 3)
        low, high = np.tanh(np.arctanh(np.clip(r, -0.999999, 0.999999)) + np.array([-half, half]))
        alone = [_correlation(z, rating) * _correlation(rating, values) for rating in (x, y)]
        rows.append((name, r, low, high, *alone))
    return pd.DataFrame(rows, columns=columns)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def difference_reliability(
    reliability_first: float,
    reliability_second: float,
    correlation: float,
    sd_first: float = 1.0,
    sd_second: float = 1.0,
) -> float:
    """Return the reliability of a difference score from that of its parts.

    Notes
    -----
    r_DD = (s_x^2 r_xx + s_y^2 r_yy - 2 s_x s_y r_xy) / (s_x^2 + s_y^2 - 2 s_x s_y r_xy); the more two ratings go
    together, the less of their difference is anything but error.

    Raises
    ------
    ModelError
        When the numbers do not go together: the ratings' shared variance is more than their true variance.

    Examples
    --------
    >>> round(difference_reliability(0.9, 0.9, 0.8), 2)
    0.5
    """
    shared = 2 * sd_first * sd_second * correlation
    total = sd_first**2 + sd_second**2 - shared
    true = sd_first**2 * reliability_first + sd_second**2 * reliability_second - shared
    if total <= 0 or not 0 <= true <= total:
        raise ModelError(
            f"difference_reliability: reliabilities {reliability_first} and {reliability_second} cannot go with a "
            f"correlation of {correlation}; the difference needs a true variance of 0 or more. Correct them."
        )
    return float(true / total)


def describe_difference(
    raters: TwoRaters | None,
    sessions: Sequence[int] = (1, 3, 5, 10),
    names: tuple[str, str] = (v.CLIENT, v.THERAPIST),
) -> pd.DataFrame:
    """Say how reliably the mean difference over a number of sessions tells clients apart.

    Parameters
    ----------
    raters : TwoRaters or None
        From `fit_agreement`; None gives an empty table.
    sessions : sequence of int
    names : (str, str)
        The raters.

    Returns
    -------
    DataFrame
        `sessions <first> <second> difference`: reliabilities (0 to 1) of each rater's mean, and of the mean difference.
    """
    columns = ["sessions", *names, "difference"]
    if raters is None or not raters.fit.converged or raters.fit.singular:
        return pd.DataFrame(columns=columns)
    between, within = raters.covariances()
    rows = []
    for k in sessions:
        weights = (np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([-1.0, 1.0]))
        rows.append((k, *(float(w @ between @ w / (w @ between @ w + w @ within @ w / k)) for w in weights)))
    return pd.DataFrame(rows, columns=columns)


def compare_surface_models(
    data: pd.DataFrame,
    outcome: str,
    first: str,
    second: str,
    *,
    beside: Sequence[str] = (),
    random: str = "",
    centre: Centre = "pooled",
) -> pd.DataFrame:
    """Compare the surface with its simpler relatives by AICc: is disagreement needed to describe the outcome?

    Parameters
    ----------
    data, outcome, first, second, beside, random, centre
        As for `fit_congruence`; every model is fitted by maximum likelihood to the same rows.

    Returns
    -------
    DataFrame
        `model parameters log_lik aicc difference weight disagreement`, best first; `weight`: Akaike's; `disagreement`:
        whether the outcome may curve along disagreement without curving along agreement (a product alone may not). A
        model that did not converge has no number and stands last.

    References
    ----------
    Schönbrodt 2016 (RSA); Burnham & Anderson 2002.
    """
    refuse_names("compare_surface_models", (outcome, *beside), (*COLUMNS, _D, _DD, _SUM))
    known = data.dropna(subset=[name for name in (outcome, first, second, *beside) if name in data])
    x, y = (known[name].to_numpy(float) for name in (first, second))
    middle = float(np.concatenate([x, y]).mean()) if centre == "pooled" and len(known) else 0.0
    x, y = x - middle, y - middle
    extra = dict(zip(COLUMNS, (x, y, x * x, x * y, y * y), strict=True))
    known = known.assign(**extra, **{_D: x - y, _DD: (x - y) ** 2, _SUM: x + y})
    rows = [_family_row(name, terms, known, outcome, tuple(beside), random) for name, terms in _FAMILY.items()]
    table = pd.DataFrame(rows, columns=["model", "parameters", "log_lik", "aicc", "disagreement"])
    table = table.sort_values("aicc", kind="stable", ignore_index=True)
    difference = table["aicc"] - table["aicc"].min()
    weight = np.exp(-difference / 2)
    table = table.assign(difference=difference, weight=weight / weight.sum())
    return table[["model", "parameters", "log_lik", "aicc", "difference", "weight", "disagreement"]]


def _family_row(
    name: str, terms: tuple[str, ...], data: pd.DataFrame, outcome: str, beside: tuple[str, ...], random: str
) -> tuple[str, float, float, float, bool]:
    disagreement = _DD in terms or terms == COLUMNS  # a product curves agreement as much, the other way
    try:
        if random:
            fixed = " + ".join([*beside, *terms]) or "1"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FitWarning)  # a likelihood is one at the boundary too
                fit = fit_mixed(f"{outcome} ~ {fixed} + {random}", data, criterion="ML", df="normal")
            converged, k, log_lik, n = fit.converged, fit.n_parameters, fit.log_lik, fit.problem.n
        else:
            line = fit_least_squares(outcome, (*beside, *terms), data)
            converged, k, log_lik, n = True, line.n_parameters, line.log_lik, line.n_obs
    except ModelError:
        return name, np.nan, np.nan, np.nan, disagreement
    if not converged or n <= k + 1:
        return name, np.nan, np.nan, np.nan, disagreement
    return name, k, log_lik, -2 * log_lik + 2 * k * n / (n - k - 1), disagreement
