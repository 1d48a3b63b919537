"""Functions of a fit's parameters (a correlation, a share, a ratio) with standard errors by the delta method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.bootstrap import Replicate, Statistic, read_parameters
from alliance_analysis.mixed.inference import satterthwaite
from alliance_analysis.mixed.profile import Source
from alliance_analysis.result import Estimates

Scale = Literal["identity", "fisher", "log", "logit"]
STEP = 1e-4  # of a standard error, or of a relative factor: central differences are then exact to about 1e-8


@dataclass(frozen=True)
class Derived:
    """Functions of the parameters of one fit.

    Attributes
    ----------
    names : tuple of str
    estimate : numpy.ndarray, shape (k,)
    covariance : numpy.ndarray, shape (k, k)
        By the delta method, from the observed information: fixed effects and variance parameters together.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray

    def tidy(
        self,
        conf_level: float = 0.95,
        scales: Mapping[str, Scale] | None = None,
        df: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Tabulate: `term estimate std_error statistic df p_value conf_low conf_high`; normal where no df is given.

        Parameters
        ----------
        conf_level : float
        scales : mapping of name to {"identity", "fisher", "log", "logit"}, optional
            Where an interval is made before it is turned back: "fisher" for correlations, "log" for variances and
            ratios, "logit" for shares. Estimate and standard error stay on the number's own scale; the test is made on
            the scale of the interval, so that the two agree, and is missing on "log" and "logit", which hold no zero.
        df : mapping of name to float, optional
            Degrees of freedom of Student's t, where few therapists or clients stand behind a number.

        Raises
        ------
        ModelError
            On a scale that is not one of the four.
        """
        error = np.sqrt(np.diagonal(self.covariance))
        freedom = np.array([(df or {}).get(name, np.inf) for name in self.names])
        table = Estimates(self.names, self.estimate, error, freedom).tidy(conf_level)
        for place, name in enumerate(self.names):
            scale = (scales or {}).get(name, "identity")
            if scale not in get_args(Scale):
                raise ModelError(f"scales: {name} has {scale!r}; allowed are {', '.join(get_args(Scale))}. Correct it.")
            if scale != "identity":
                table.loc[place, _MADE_THERE] = _row_on(
                    scale, self.estimate[place], error[place], freedom[place], conf_level
                )
        return table


Transform = Callable[[Any], Any]
# to the scale, back, and its slope
_TRANSFORMS: Mapping[str, tuple[Transform, Transform, Transform]] = {
    "fisher": (np.arctanh, np.tanh, lambda x: 1 / (1 - x * x)),
    "log": (np.log, np.exp, lambda x: 1 / x),
    "logit": (lambda x: np.log(x / (1 - x)), lambda z: 1 / (1 + np.exp(-z)), lambda x: 1 / (x * (1 - x))),
}
_MADE_THERE = ["statistic", "p_value", "conf_low", "conf_high"]


def _row_on(scale: Scale, estimate: float, error: float, df: float, conf_level: float) -> list[float]:
    """Return test and limits made on another scale, limits turned back; missing where it does not hold the estimate."""
    forward, back, slope = _TRANSFORMS[scale]
    with np.errstate(all="ignore"):
        made = Estimates(("",), forward(np.array([estimate])), np.array([error * slope(estimate)]), np.array([df]))
        row = made.tidy(conf_level).iloc[0]
        limits = [float(back(row["conf_low"])), float(back(row["conf_high"]))]
    test = [float(row["statistic"]), float(row["p_value"])] if scale == "fisher" else [np.nan, np.nan]
    return [*test, *limits]


def derive_from_fit(source: Source, statistic: Statistic) -> Derived:
    """Evaluate functions of the parameters at a fit, with their covariance.

    Parameters
    ----------
    source : Source
        A converged fit.
    statistic : callable
        From a `Replicate` (terms, beta, covariances, sigma, residual) to a mapping of names to numbers.

    Notes
    -----
    Var f = J V J', V block-diagonal: the fixed effects' covariance, and 2 H^-1 of the deviance profiled over them. The
    likelihood's own cross-derivatives between the two have expectation zero.
    """
    problem, solution = source.problem, source.solution
    spread = satterthwaite(problem, solution)
    beta = problem.offset + problem.coefficients @ solution.deviance.beta * problem.y_scale
    best = np.concatenate([beta, solution.theta, [solution.deviance.sigma]])
    p = len(beta)
    covariance = np.zeros((len(best), len(best)))
    covariance[:p, :p], covariance[p:, p:] = spread.fixed_covariance, spread.parameters
    found = statistic(_replicate_at(source, best))
    slopes = [(_values(statistic, source, up) - _values(statistic, source, down)) / width
              for up, down, width in _steps(best, np.sqrt(np.diagonal(spread.fixed_covariance)))]  # fmt: skip
    jacobian = np.array(slopes).T
    return Derived(tuple(found), np.array(list(found.values()), dtype=float), jacobian @ covariance @ jacobian.T)


def _steps(best: np.ndarray, errors: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Yield the points to both sides of every parameter, and their distance."""
    sizes = np.ones(len(best))
    sizes[: len(errors)] = errors
    for place, size in enumerate(STEP * sizes):
        step = np.zeros(len(best))
        step[place] = size
        yield best + step, best - step, 2 * size


def _values(statistic: Statistic, source: Source, parameters: np.ndarray) -> np.ndarray:
    return np.array(list(statistic(_replicate_at(source, parameters)).values()), dtype=float)


def _replicate_at(source: Source, parameters: np.ndarray) -> Replicate:
    """Return the fit as it would be at other parameters: beta on the data's columns, theta, internal sigma."""
    p = len(source.design.terms)
    return read_parameters(source, source.problem, parameters[:p], parameters[p:-1], float(parameters[-1]))
