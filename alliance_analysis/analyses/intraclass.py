"""Agreement of two scores per client: intraclass correlations by their names, and Lin's concordance, in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit, fdtrc, fdtri, ndtri

from alliance_analysis.analyses.jackknife import jackknife_error
from alliance_analysis.errors import ModelError
from alliance_analysis.result import TIDY_COLUMNS, check_conf_level

RATERS = 2
FEWEST = 4  # clients: Fisher's z has the error 1 / sqrt(n - 3)
ICC_TERMS = ("ICC(1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")
CCC, PRECISION, ACCURACY = "CCC", "precision", "accuracy"


@dataclass(frozen=True)
class Intraclass:
    """Mean squares of a table of n clients by 2 raters, and the intraclass correlations they make.

    Attributes
    ----------
    n : int
        Clients, each with both scores.
    between, within, raters, error : float
        Mean squares: between clients (n - 1 df), within clients (n), between raters (1), client by rater (n - 1).
    """

    n: int
    between: float
    within: float
    raters: float
    error: float

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the six forms; `statistic`, `df` (of the denominator) and `p_value` are those of the F test.

        ICC(1), ICC(1,k): raters are not told apart. ICC(A,·): absolute agreement. ICC(C,·): consistency, the raters'
        mean difference left out. (·,1) is about one score, (·,k) about the mean of both. No standard error exists in
        closed form; intervals are those of the F distribution.
        """
        check_conf_level(conf_level)
        rows = [self._one_way(conf_level), self._agreement(conf_level), self._consistency(conf_level)]
        single = [(icc, low, high, f, df2) for icc, low, high, f, df2 in rows]
        mean = [tuple(mean_of_two(x) for x in row[:3]) + row[3:] for row in single]
        table = pd.DataFrame([*single, *mean], columns=["estimate", "conf_low", "conf_high", "statistic", "df"])
        table = table.assign(term=ICC_TERMS, std_error=np.nan)
        table["p_value"] = fdtrc(self.n - 1, table["df"], table["statistic"])
        return table[list(TIDY_COLUMNS)]

    def single_forms(self) -> np.ndarray:
        """Return ICC(1), ICC(A,1) and ICC(C,1) without intervals, (3,)."""
        n, k, b, e = self.n, RATERS, self.between, self.error
        agreement = (b - e) / (b + (k - 1) * e + k * (self.raters - e) / n)
        one_way, consistency = ((f - 1) / (f + k - 1) for f in (b / self.within, b / e))
        return np.array([one_way, agreement, consistency])

    def _one_way(self, conf_level: float) -> tuple[float, ...]:
        return self._from_f(self.between / self.within, self.n, conf_level)

    def _consistency(self, conf_level: float) -> tuple[float, ...]:
        return self._from_f(self.between / self.error, self.n - 1, conf_level)

    def _from_f(self, f: float, df2: float, conf_level: float) -> tuple[float, ...]:
        """Return estimate and limits (F - 1) / (F + k - 1) with their F and denominator df."""
        tail, df1, k = (1 - conf_level) / 2, self.n - 1, RATERS
        low, high = f / fdtri(df1, df2, 1 - tail), f * fdtri(df2, df1, 1 - tail)
        return (*((x - 1) / (x + k - 1) for x in (f, low, high)), f, df2)

    def _agreement(self, conf_level: float) -> tuple[float, ...]:
        """ICC(A,1) with the limits of McGraw & Wong 1996, table 7; the df are those of 0 where it is negative."""
        n, k, b, e, r = self.n, RATERS, self.between, self.error, self.raters
        icc = (b - e) / (b + (k - 1) * e + k * (r - e) / n)
        odds = max(icc, 0.0) / (1 - icc)
        scale_r, scale_e = k * odds / n, 1 + k * odds * (n - 1) / n
        df = (scale_r * r + scale_e * e) ** 2 / (
            (scale_r * r) ** 2 / (k - 1) + (scale_e * e) ** 2 / ((n - 1) * (k - 1))
        )
        tail = (1 - conf_level) / 2
        up, down = fdtri(n - 1, df, 1 - tail), fdtri(df, n - 1, 1 - tail)
        spread = k * r + (k * n - k - n) * e
        low = n * (b - up * e) / (up * spread + n * b)
        high = n * (down * b - e) / (spread + n * down * b)
        return icc, low, high, b / e, n - 1


def mean_of_two(single: float) -> float:
    """Return the intraclass correlation of the mean of two scores from that of one; without bound where that is -1.

    Examples
    --------
    >>> round(mean_of_two(0.5), 3), mean_of_two(-1.2)
    (0.667, -inf)
    """
    return -np.inf if single <= -1 else RATERS * single / (1 + (RATERS - 1) * single)


def mean_squares(scores: np.ndarray) -> Intraclass:
    """Take the analysis of variance of scores (n, 2), rows = clients, columns = raters.

    Raises
    ------
    ModelError
        When scores agree exactly or neither differs between clients: there is no variance to divide.

    References
    ----------
    Shrout & Fleiss 1979, 10.1037/0033-2909.86.2.420; McGraw & Wong 1996, 10.1037/1082-989X.1.1.30.

    Examples
    --------
    >>> scores = np.array([[9.0, 2], [6, 1], [8, 4], [7, 1], [10, 5], [6, 2]])
    >>> mean_squares(scores).tidy().set_index("term")["estimate"].round(3)["ICC(C,1)"]
    np.float64(0.745)
    """
    n, k = scores.shape
    clients, raters, grand = scores.mean(axis=1), scores.mean(axis=0), scores.mean()
    within = ((scores - clients[:, None]) ** 2).sum()
    between_raters = n * ((raters - grand) ** 2).sum()
    error = ((scores - clients[:, None] - raters + grand) ** 2).sum()
    between = k * ((clients - grand) ** 2).sum()
    if error <= 1e-12 * (between + within) or between <= 0:
        raise ModelError(
            f"mean_squares: the {k} scores of {n} clients differ by nothing but a constant, or do not differ between "
            "clients; intraclass correlations need both kinds of difference. Check the two columns."
        )
    return Intraclass(n, between / (n - 1), within / n, between_raters / (k - 1), error / ((n - 1) * (k - 1)))


@dataclass(frozen=True)
class Concordance:
    """Lin's concordance correlation of two scores per client, and what makes it: precision times accuracy.

    Attributes
    ----------
    n : int
    correlation : float
        Precision: how close the points lie to *a* straight line.
    accuracy : float
        C_b: how close that line is to the identity line; 1 when means and standard deviations agree.
    location_shift, scale_shift : float
        Difference of means over the geometric mean of the SDs; ratio of the SDs, first over second.
    accuracy_error : float
        Standard error of `accuracy`, by the jackknife over clients.
    """

    n: int
    correlation: float
    accuracy: float
    location_shift: float
    scale_shift: float
    accuracy_error: float

    @property
    def ccc(self) -> float:
        """The concordance correlation."""
        return self.correlation * self.accuracy

    @property
    def std_error(self) -> float:
        """Asymptotic standard error of the concordance correlation (Lin 1989, as corrected in 2000)."""
        r, p, c, u = self.correlation, self.ccc, self.accuracy, self.location_shift  # Lin writes p / r for c
        first = (1 - r**2) * c**2 * (1 - p**2)
        second = 2 * p**2 * c * (1 - p) * u**2
        return float(np.sqrt((first + second - p**2 * c**2 * u**4 / 2) / (self.n - 2)))

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate `CCC`, `precision` and `accuracy`; correlations have limits made on Fisher's z.

        `accuracy` has limits made on the logit, from a jackknife over clients. No test: zero is no hypothesis here.
        """
        check_conf_level(conf_level)
        z = ndtri((1 + conf_level) / 2)
        p, r, accuracy = self.ccc, self.correlation, self.accuracy
        half = z * self.std_error / (1 - p**2)
        wide = z / np.sqrt(self.n - 3)
        rows = [
            (CCC, p, self.std_error, *np.tanh(np.arctanh(p) + np.array([-half, half]))),
            (PRECISION, r, (1 - r**2) / np.sqrt(self.n - 3), *np.tanh(np.arctanh(r) + np.array([-wide, wide]))),
            (ACCURACY, accuracy, self.accuracy_error, *_logit_limits(accuracy, self.accuracy_error, z)),
        ]
        table = pd.DataFrame(rows, columns=["term", "estimate", "std_error", "conf_low", "conf_high"])
        return table.reindex(columns=list(TIDY_COLUMNS)).assign(df=np.inf)


def measure_concordance(scores: np.ndarray) -> Concordance:
    """Compute Lin's concordance correlation of scores (n, 2), first and second rater.

    Raises
    ------
    ModelError
        When there are fewer than 4 clients, a rater's scores never vary, or the two go together perfectly.

    References
    ----------
    Lin 1989, 10.2307/2532051 (and Biometrics 2000, 56, 324-325).

    Examples
    --------
    >>> measure_concordance(np.array([[1.0, 2], [2, 3], [3, 3], [4, 6], [5, 5]])).tidy()["estimate"].round(2).tolist()
    [0.75, 0.87, 0.87]
    """
    return replace(relate_scores(scores), accuracy_error=jackknife_error(_accuracy, scores))


def relate_scores(scores: np.ndarray) -> Concordance:
    """Compute precision and accuracy of scores (n, 2), without the error of the accuracy.

    Raises
    ------
    ModelError
        As `measure_concordance`.

    Examples
    --------
    >>> round(relate_scores(np.array([[1.0, 2], [2, 3], [3, 3], [4, 6], [5, 5]])).ccc, 2)
    0.75
    """
    n = len(scores)
    if n < FEWEST:
        raise ModelError(f"measure_concordance: {n} clients; at least {FEWEST} are needed. Use data with more of them.")
    deviations = scores.std(axis=0)
    if deviations.min() == 0:
        raise ModelError(
            f"measure_concordance: the scores of rater {int(deviations.argmin()) + 1} are the same for all {n} "
            "clients; a correlation needs scores that vary. Check the column."
        )
    correlation = float(np.corrcoef(scores.T)[0, 1])
    if not abs(correlation) < 1 - 1e-12:
        raise ModelError(
            f"measure_concordance: the correlation is {correlation:.3g}; a number between -1 and 1 is needed. "
            "Check whether one column was computed from the other."
        )
    shift = float((scores[:, 0] - scores[:, 1]).mean() / np.sqrt(deviations.prod()))
    return Concordance(n, correlation, _accuracy(scores), shift, float(deviations[0] / deviations[1]), np.nan)


def _accuracy(scores: np.ndarray) -> float:
    """C_b = 2 s s' / (s^2 + s'^2 + d^2), d the difference of means; missing where all scores are the same."""
    first, second = scores.std(axis=0)
    whole = first**2 + second**2 + (scores[:, 0].mean() - scores[:, 1].mean()) ** 2
    return float(2 * first * second / whole) if whole > 0 else np.nan


def _logit_limits(share: float, error: float, z: float) -> tuple[float, float]:
    if not (share < 1 - 1e-12 and error > 0):
        return np.nan, np.nan  # the logit has no place for 1
    half = z * error / (share * (1 - share))
    odds = np.log(share / (1 - share))
    return float(expit(odds - half)), float(expit(odds + half))
