"""Ordinary least squares with one row per client, for studies without the groups a mixed model needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.result import Estimates


@dataclass(frozen=True)
class LeastSquares:
    """A regression by ordinary least squares, rows independent.

    Attributes
    ----------
    formula : str
        As a mixed model would write it, without random terms.
    estimates : Estimates
    fixed_covariance : ndarray, shape (p, p)
    log_lik : float
        Of maximum likelihood (residual variance divided by n).
    r2 : float
    n_obs, n_dropped : int
    """

    formula: str
    estimates: Estimates
    fixed_covariance: np.ndarray
    log_lik: float
    r2: float
    n_obs: int
    n_dropped: int
    _y: np.ndarray = field(repr=False)
    _X: np.ndarray = field(repr=False)

    converged = True
    singular = False
    withheld: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_parameters(self) -> int:
        """Coefficients and the residual variance."""
        return len(self.estimates.terms) + 1

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the coefficients: the columns of every fit."""
        return self.estimates.tidy(conf_level)

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row; its rows are clients."""
        row = {"n_client": self.n_obs, "n_dropped": self.n_dropped, "log_lik": self.log_lik, "r2": self.r2}
        return pd.DataFrame([row | {"converged": True, "criterion": "least squares"}])

    def contrast(self, weights: Mapping[str, float], conf_level: float = 0.95) -> pd.DataFrame:
        """Estimate a weighted sum of coefficients; one row, the columns of `tidy`."""
        vector = np.array([float(weights.get(term, 0.0)) for term in self.estimates.terms])
        name = " ".join(f"{weight:+g}*{term}" for term, weight in weights.items())
        error = np.sqrt(vector @ self.fixed_covariance @ vector)
        estimate = vector @ self.estimates.estimate
        return Estimates((name,), np.array([estimate]), np.array([error]), self.estimates.df[:1]).tidy(conf_level)

    def resample(self, statistic: Callable[[np.ndarray], np.ndarray], n: int, seed: int) -> np.ndarray:
        """Draw clients with replacement, fit again, and return the statistic of the coefficients, (n, k).

        Replicate i draws from `SeedSequence([seed, i])`.
        """
        rows = len(self._y)
        draws = []
        for i in range(n):
            rng = np.random.default_rng(np.random.SeedSequence([seed, i]))
            chosen = rng.integers(0, rows, rows)
            draws.append(statistic(np.linalg.lstsq(self._X[chosen], self._y[chosen], rcond=None)[0]))
        return np.array(draws)


def fit_least_squares(outcome: str, terms: tuple[str, ...], data: pd.DataFrame) -> LeastSquares:
    """Regress an outcome on numeric columns and an intercept.

    Raises
    ------
    ModelError
        When fewer rows than coefficients + 2 are complete, columns are linearly dependent, the outcome is constant, or
        the terms reproduce it exactly.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": [0.0, 1, 2, 3, 4], "y": [1.0, 3, 5, 7, 9.5]})
    >>> fit_least_squares("y", ("x",), frame).tidy()["estimate"].round(2).tolist()
    [0.9, 2.1]
    """
    complete = data.dropna(subset=[outcome, *terms])
    n, p = len(complete), len(terms) + 1
    if n < p + 2:
        raise ModelError(
            f"{outcome}: {n} complete rows for {p} coefficients; at least {p + 2} are needed. Use fewer terms."
        )
    X = np.column_stack([np.ones(n), complete[list(terms)].to_numpy(float)])
    y = complete[outcome].to_numpy(float)
    scale = np.abs(X).max(axis=0)
    if np.linalg.matrix_rank(X / np.where(scale > 0, scale, 1.0)) < p:
        raise ModelError(f"{outcome}: {', '.join(terms)} are linearly dependent in these {n} rows. Drop one of them.")
    inverse = np.linalg.inv(X.T @ X)
    beta = inverse @ X.T @ y
    residual = y - X @ beta
    rss, total = float(residual @ residual), float(((y - y.mean()) ** 2).sum())
    if rss <= 1e-20 * float(y @ y):
        what = "is constant" if np.ptp(y) == 0 else "is reproduced exactly by the terms"
        raise ModelError(f"{outcome}: it {what} in these {n} rows; no error is left to judge by. Check the columns.")
    covariance = inverse * rss / (n - p)
    estimates = Estimates(("(Intercept)", *terms), beta, np.sqrt(np.diagonal(covariance)), np.full(p, float(n - p)))
    return LeastSquares(
        formula=f"{outcome} ~ {' + '.join(terms)}",
        estimates=estimates,
        fixed_covariance=covariance,
        log_lik=-n / 2 * (np.log(2 * np.pi * rss / n) + 1),
        r2=1 - rss / total if total > 0 else np.nan,
        n_obs=n,
        n_dropped=len(data) - n,
        _y=y,
        _X=X,
    )
