"""What two raters' client means say between clients, with errors that let the clients of one therapist be alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from alliance_analysis.analyses import intraclass as ic
from alliance_analysis.analyses.jackknife import jackknife_error, spread_of
from alliance_analysis.errors import ModelError
from alliance_analysis.result import Estimates
from alliance_analysis.study import vocabulary as v

MANY_THERAPISTS = 10  # from here on intervals between clients come from a jackknife over therapists
STANDARDISED = "standardised mean difference (d)"


@dataclass(frozen=True)
class Clustered:
    """Statistics between clients with errors by a jackknife over therapists, on the scale their limits are made on.

    Attributes
    ----------
    terms : tuple of str
    value, error : ndarray, shape (k,)
        On Fisher's z (correlations), the logit (accuracy), or as they are (d); missing where the clients without those
        of one therapist no longer differ.
    df : float
        Therapists minus 1.
    """

    terms: tuple[str, ...]
    value: np.ndarray
    error: np.ndarray
    df: float

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate on each number's own scale; tests only for precision and d: agreement of zero is no hypothesis."""
        made = Estimates(self.terms, self.value, self.error, np.full(len(self.terms), self.df)).tidy(conf_level)
        back = [_BACK.get(term, np.tanh) for term in self.terms]
        columns = {
            name: [turn(value) for turn, value in zip(back, made[name], strict=True)]
            for name in ("estimate", "conf_low", "conf_high")
        }
        slope = [(turn(z + 1e-6) - turn(z - 1e-6)) / 2e-6 for turn, z in zip(back, self.value, strict=True)]
        table = made.assign(**columns, std_error=self.error * np.array(slope))
        table.loc[~table["term"].isin([ic.PRECISION, STANDARDISED]), ["statistic", "p_value"]] = np.nan
        return table


_BACK: Mapping[str, Callable[[float], float]] = {
    **dict.fromkeys(("ICC(1,k)", "ICC(A,k)", "ICC(C,k)"), lambda z: ic.mean_of_two(float(np.tanh(z)))),
    ic.ACCURACY: lambda z: float(expit(z)),
    STANDARDISED: float,
}
_CLUSTERED = (*ic.ICC_TERMS, ic.CCC, ic.PRECISION, ic.ACCURACY, STANDARDISED)


def jackknife_therapists(means: np.ndarray, therapists: np.ndarray) -> Clustered:
    """Leave out one therapist's clients at a time.

    Parameters
    ----------
    means : ndarray, shape (n, 2)
        Both raters' means, one row per client.
    therapists : ndarray of int, shape (n,)
        Codes from 0.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> means = rng.normal(size=(60, 1)) + rng.normal(size=(60, 2))
    >>> jackknife_therapists(means, np.arange(60) % 12).df
    11.0
    """
    count = therapists.max() + 1
    left_out = np.array([_between_statistics(means[therapists != k]) for k in range(count)])
    error = np.array([spread_of(column) for column in left_out.T])
    return Clustered(_CLUSTERED, _between_statistics(means), error, float(count - 1))


def _between_statistics(means: np.ndarray) -> np.ndarray:
    """Return the statistics of `_CLUSTERED` on the scale their limits are made on; missing where there are none."""
    try:
        single = ic.mean_squares(means).single_forms()
    except ModelError:
        single = np.full(3, np.nan)
    try:
        together = ic.relate_scores(means)
        pair, accuracy = [together.ccc, together.correlation], together.accuracy
    except ModelError:
        pair, accuracy = [np.nan, np.nan], np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.array([*np.arctanh([*single, *single, *pair]), np.log(accuracy / (1 - accuracy))])
        found = np.append(found, _standardised(means))
    return np.where(np.isfinite(found), found, np.nan)


def standardise_difference(means: np.ndarray) -> tuple[float, float]:
    """Return second minus first rater's mean in units of the raters' pooled SD, with its jackknife error; means (n, 2).

    Raises
    ------
    ModelError
        When the client means of neither rater vary, or not without one client.

    Examples
    --------
    >>> round(standardise_difference(np.array([[1.0, 2], [2, 4], [3, 3], [4, 6]]))[0], 2)
    0.83
    """
    found, error = _standardised(means), jackknife_error(_standardised, means)
    if np.isnan(error):
        raise ModelError(
            "standardise_difference: the client means of all but one client are the same; standard deviations above 0 "
            "are needed. Report the difference in score points."
        )
    return found, error


def _standardised(means: np.ndarray) -> float:
    deviation = np.sqrt(means.var(axis=0, ddof=1).mean())
    return float((means[:, 1] - means[:, 0]).mean() / deviation) if deviation > 0 else np.nan


def enough_therapists(pairs: pd.DataFrame) -> bool:
    """Say whether the sessions have enough therapists to let clients of one be alike.

    Examples
    --------
    >>> enough_therapists(pd.DataFrame({"therapist": ["a", "b"]}))
    False
    """
    return v.THERAPIST in pairs and pairs[v.THERAPIST].nunique() >= MANY_THERAPISTS
