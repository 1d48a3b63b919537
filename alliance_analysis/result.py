"""The table of estimates that every fit hands out: always the same columns, at full precision, without any rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from alliance_analysis.errors import ModelError

TIDY_COLUMNS = ("term", "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True)
class Estimates:
    """Estimates with their standard errors and degrees of freedom, one entry per term.

    Parameters
    ----------
    terms : tuple of str
    estimate, std_error : numpy.ndarray
        In the outcome's unit per unit of the term.
    df : numpy.ndarray
        Degrees of freedom of Student's t; infinite for the normal distribution, NaN where unknown.

    Examples
    --------
    >>> import numpy as np
    >>> estimates = Estimates(("time",), np.array([-0.5]), np.array([0.25]), np.array([np.inf]))
    >>> estimates.tidy().loc[0, "p_value"].round(4)
    np.float64(0.0455)
    """

    terms: tuple[str, ...]
    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the estimates with tests against zero and intervals.

        Parameters
        ----------
        conf_level : float
            Coverage of the intervals, between 0 and 1 exclusive.

        Returns
        -------
        pandas.DataFrame
            `term estimate std_error statistic df p_value conf_low conf_high`; two-sided p-values, intervals
            estimate -/+ quantile * std_error.

        Raises
        ------
        ModelError
            When `conf_level` is not between 0 and 1.
        """
        check_conf_level(conf_level)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = self.estimate / self.std_error
        reach = t_quantile((1 + conf_level) / 2, self.df) * self.std_error
        columns = (self.terms, self.estimate, self.std_error, statistic, self.df, two_sided_p(statistic, self.df))
        intervals = (self.estimate - reach, self.estimate + reach)
        return pd.DataFrame(dict(zip(TIDY_COLUMNS, (*columns, *intervals), strict=True)))


def blank_withheld(table: pd.DataFrame, withheld: Mapping[str, str]) -> pd.DataFrame:
    """Return a table of estimates without the numbers of withheld terms, which keep their rows.

    Parameters
    ----------
    table : DataFrame
        With `term` and the columns of `tidy`.
    withheld : mapping of term -> reason

    Examples
    --------
    >>> table = Estimates(("a", "b"), np.array([1.0, 2.0]), np.ones(2), np.full(2, np.inf)).tidy()
    >>> blank_withheld(table, {"b": "not identified"})["estimate"].tolist()
    [1.0, nan]
    """
    blank = table.copy()
    blank.loc[blank["term"].isin(list(withheld)), list(TIDY_COLUMNS[1:])] = np.nan
    return blank


def check_conf_level(conf_level: float) -> None:
    """Raise ModelError unless `conf_level` is a number between 0 and 1 exclusive."""
    if isinstance(conf_level, bool) or not isinstance(conf_level, int | float) or not 0 < conf_level < 1:
        raise ModelError(f"conf_level must lie between 0 and 1, got {conf_level!r}. Use for example 0.95.")


def two_sided_p(statistic: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Probability of a value at least as far from zero as `statistic` under Student's t; normal where df is infinite.

    Examples
    --------
    >>> float(two_sided_p(np.array([2.0]), np.array([10.0])).round(4)[0])
    0.0734
    """
    far = -np.abs(statistic)
    return 2 * np.where(np.isinf(df), ndtr(far), stdtr(df, far))


def t_quantile(probability: float, df: np.ndarray) -> np.ndarray:
    """Quantile of Student's t at each df; normal where df is infinite.

    Examples
    --------
    >>> float(t_quantile(0.975, np.array([10.0])).round(4)[0])
    2.2281
    """
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), ndtri(probability), stdtrit(finite, probability))
