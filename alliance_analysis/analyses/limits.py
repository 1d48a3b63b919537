"""Limits of agreement of two raters where a client is rated repeatedly and the true value varies between sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import chdtri, stdtrit

from alliance_analysis.result import TIDY_COLUMNS, check_conf_level

BIAS, SPREAD, LOWER, UPPER = "mean difference", "SD of differences", "lower limit", "upper limit"
TERMS = (BIAS, SPREAD, LOWER, UPPER)
_REACH = 1.96  # Bland & Altman's, as every published limit of agreement


@dataclass(frozen=True)
class AgreementLimits:
    """The analysis of variance of differences between two raters, and the limits that hold 95 % of them.

    Attributes
    ----------
    bias : float
        Mean difference, second minus first rater; each session counts once.
    bias_variance : float
        Its sampling variance: sessions of one client are alike.
    between, within : float
        Mean squares between clients (n_clients - 1 df) and within clients (n_sessions - n_clients df).
    size : float
        n0, the effective number of sessions per client in the expectation of `between`.
    n_clients, n_sessions : int
    between_df : float
        Of `between` as a multiple of chi-square: clients minus 1 where all have as many sessions, else fewer
        (Satterthwaite).
    bias_df : float
        Of `bias_variance`; clients minus 1 where not stated.
    """

    bias: float
    bias_variance: float
    between: float
    within: float
    size: float
    n_clients: int
    n_sessions: int
    between_df: float
    bias_df: float = 0.0

    @property
    def variance_between(self) -> float:
        """Variance of the clients' usual differences; zero where the mean squares would make it negative."""
        return max(0.0, (self.between - self.within) / self.size) if self.repeated else self.between

    @property
    def repeated(self) -> bool:
        """Whether any client has two sessions: only then the variance within clients is known."""
        return self.n_sessions > self.n_clients

    @property
    def variance(self) -> float:
        """Variance of a single session's difference: between plus within clients."""
        return self.variance_between + self.within

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the mean difference, the SD of single differences and both limits, each with its interval.

        Notes
        -----
        Limits are bias -/+ 1.96 SD. Intervals by MOVER (Zou 2013): those of the mean (Student's t over clients) and of
        the two variances (chi-square) are combined, so the interval of a limit is not symmetric. With equal numbers of
        sessions they are Zou's; unequal ones cost the mean square between clients degrees of freedom.
        """
        check_conf_level(conf_level)
        sd, (var_low, var_high) = np.sqrt(self.variance), self._variance_limits(conf_level)
        df = self.bias_df or self.n_clients - 1.0
        half = stdtrit(df, (1 + conf_level) / 2) * np.sqrt(self.bias_variance)
        down, up = _REACH * (sd - np.sqrt(var_low)), _REACH * (np.sqrt(var_high) - sd)
        lower, upper = self.bias - _REACH * sd, self.bias + _REACH * sd
        rows = [
            (BIAS, self.bias, np.sqrt(self.bias_variance), self.bias - half, self.bias + half),
            (SPREAD, sd, np.nan, np.sqrt(var_low), np.sqrt(var_high)),
            (LOWER, lower, np.nan, lower - np.hypot(half, up), lower + np.hypot(half, down)),
            (UPPER, upper, np.nan, upper - np.hypot(half, down), upper + np.hypot(half, up)),
        ]
        table = pd.DataFrame(rows, columns=["term", "estimate", "std_error", "conf_low", "conf_high"])
        return table.reindex(columns=list(TIDY_COLUMNS)).assign(df=[df, *[np.nan] * 3])

    def _variance_limits(self, conf_level: float) -> tuple[float, float]:
        """MOVER limits of variance = between / n0 + (1 - 1 / n0) within, each part with its chi-square limits."""
        tail = (1 - conf_level) / 2
        within_df = self.n_sessions - self.n_clients
        parts = [(self.between / self.size, self.between_df), ((1 - 1 / self.size) * self.within, within_df)]
        if not self.repeated:
            parts = [(self.between, self.between_df)]
        elif self.between < self.within:  # no variance between clients is left: one mean square
            parts = [(self.within, within_df)]
        down = np.sqrt(sum((value * (1 - df / chdtri(df, tail))) ** 2 for value, df in parts))
        up = np.sqrt(sum((value * (df / chdtri(df, 1 - tail) - 1)) ** 2 for value, df in parts))
        return max(self.variance - down, 0.0), self.variance + up


def measure_limits(differences: np.ndarray, clients: np.ndarray) -> AgreementLimits:
    """Take the analysis of variance of differences (n,) by client codes (n,).

    With one session per client it is the classic analysis of Bland and Altman; sessions treated as independent give
    limits that are too narrow where clients differ in how far the raters are apart.

    References
    ----------
    Bland & Altman 2007, 10.1080/10543400701329422; Zou 2013, 10.1177/0962280211402548.

    Examples
    --------
    >>> limits = measure_limits(np.array([0.1, 0.3, -0.5, -0.3, 0.8, 0.6]), np.array([0, 0, 1, 1, 2, 2]))
    >>> limits.tidy()["estimate"].round(2).tolist()
    [0.17, 0.56, -0.93, 1.26]
    """
    sizes = np.bincount(clients).astype(float)
    n, total = len(sizes), len(differences)
    means = np.bincount(clients, differences) / sizes
    bias = float(differences.mean())
    within = float(((differences - means[clients]) ** 2).sum() / (total - n)) if total > n else 0.0
    between = float((sizes * (means - bias) ** 2).sum() / (n - 1))
    size = float((total**2 - (sizes**2).sum()) / ((n - 1) * total))
    found = AgreementLimits(bias, 0.0, between, within, size, n, total, n - 1.0)
    variance = found.variance_between * (sizes**2).sum() / total**2 + within / total
    return replace(found, bias_variance=float(variance), between_df=_between_df(found, sizes))


def _between_df(found: AgreementLimits, sizes: np.ndarray) -> float:
    """df = tr(AD)^2 / tr(ADAD): the mean square is ybar' A ybar / (n - 1), client means ybar with variances D."""
    if not found.repeated or found.variance == 0:
        return len(sizes) - 1.0
    total, of_means = sizes.sum(), found.variance_between + found.within / sizes
    product = (np.diag(sizes) - np.outer(sizes, sizes) / total) * of_means
    return float(np.trace(product) ** 2 / (product * product.T).sum())


def independent_limits(differences: np.ndarray) -> tuple[float, float]:
    """Return the limits that take all sessions for independent: the usual mistake, shown beside the right ones."""
    reach = _REACH * float(differences.std(ddof=1))
    return float(differences.mean()) - reach, float(differences.mean()) + reach
