"""Tests of fixed effects that allow for few clients or therapists: one question, Satterthwaite's or Kenward-Roger's."""

from __future__ import annotations

import numpy as np
from scipy.special import fdtrc

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.independent import fits_in_blocks
from alliance_analysis.mixed.inference import DfMethod, Satterthwaite, satterthwaite
from alliance_analysis.mixed.kenward_roger import KenwardRoger, kenward_roger
from alliance_analysis.mixed.marginal import relative_covariances
from alliance_analysis.mixed.optimise import Solution
from alliance_analysis.mixed.refits import dense_batches

SmallSample = Satterthwaite | KenwardRoger
EQUAL_DF = 1e-8  # lmerTest's tolerance below which the dfs of the parts of a joint test count as one


def prepare_tests(
    method: DfMethod,
    design: Design,
    problem: Problem,
    solution: Solution,
    covariances: tuple[np.ndarray, ...],
    sigma: float,
) -> SmallSample | None:
    """Prepare the tests of a fit: what any contrast needs, computed once; None for the normal distribution.

    Raises ModelError for Kenward-Roger with more clients of one therapist than dense matrices can hold.

    Parameters
    ----------
    method : {"satterthwaite", "kenward-roger", "normal"}
    design, problem, solution
        What was fitted, and the maximum.
    covariances : tuple of (q_k, q_k) arrays
        Of the random terms, in the outcome's unit squared; `sigma` the residual standard deviation.
    """
    if method == "normal":
        return None
    if method == "satterthwaite":
        return satterthwaite(problem, solution)
    if not fits_in_blocks(design):
        raise ModelError(
            "df: Kenward–Roger needs matrices over all clients of a therapist at once, and here are too many of them. "
            "Use 'satterthwaite': with so many clients the two agree."
        )
    relative = relative_covariances(problem, covariances, sigma)
    return kenward_roger(problem, dense_batches(problem, design), relative, sigma)


def covariance_for_tests(small_sample: SmallSample | None, fixed_covariance: np.ndarray) -> np.ndarray:
    """Covariance (p, p) that tests and intervals use: Kenward and Roger's adjusted one, else the usual one."""
    return small_sample.adjusted_covariance if isinstance(small_sample, KenwardRoger) else fixed_covariance


def choose_contrasts(terms: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """Select the rows (l, p) of the identity that belong to terms, or to all columns of a factor.

    Raises
    ------
    ModelError
        For no name, and for one that is neither a term nor a factor of the model.
    """
    if not wanted:
        raise ModelError("test: name at least one term of the model, for example 'time'.")
    rows: list[int] = []
    for name in wanted:
        found = [i for i, term in enumerate(terms) if _belongs(term, name)]
        if not found:
            raise ModelError(f"test: '{name}' is not a term of the model; its terms are {', '.join(terms)}.")
        rows += found
    return np.eye(len(terms))[list(dict.fromkeys(rows))]


def _belongs(term: str, name: str) -> bool:
    """Whether a column such as `arm[b]:time` is of the term `arm:time`; `arm` alone is not."""
    columns, asked = term.split(":"), name.split(":")
    if len(columns) != len(asked):
        return False
    return all(any(c == a or c.startswith(f"{a}[") for c in columns) for a in asked)


def joint_test(
    small_sample: SmallSample | None, contrasts: np.ndarray, estimate: np.ndarray, covariance: np.ndarray
) -> tuple[float, float, float]:
    """Test `contrasts` (l, p) of full row rank against zero at once: F, denominator df, p-value.

    References
    ----------
    Kuznetsova, Brockhoff & Christensen (2017), doi:10.18637/jss.v082.i13.
    """
    if isinstance(small_sample, KenwardRoger):
        statistic, df = small_sample.joint_test(contrasts, estimate)
    else:
        statistic, df = _sum_of_squares(small_sample, contrasts, estimate, covariance)
    p_value = fdtrc(len(contrasts), min(df, 1e12), statistic)
    return statistic, df, float(p_value)


def _sum_of_squares(
    small_sample: Satterthwaite | None, contrasts: np.ndarray, estimate: np.ndarray, covariance: np.ndarray
) -> tuple[float, float]:
    """Turn the contrasts into uncorrelated ones, each with its own df, and match the mean of their F."""
    values, vectors = np.linalg.eigh(contrasts @ covariance @ contrasts.T)
    turned = vectors.T @ contrasts
    statistic = float(np.mean((turned @ estimate) ** 2 / values))
    if small_sample is None:
        return statistic, np.inf
    return statistic, _joint_df(np.array([small_sample.df(row) for row in turned]))


def _joint_df(each: np.ndarray) -> float:
    if np.ptp(each) < EQUAL_DF:
        return float(each.mean())
    if (each <= 2).any():
        return 2.0
    with np.errstate(invalid="ignore"):
        mean = float(np.where(np.isinf(each), 1.0, each / (each - 2)).sum())
    return 2 * mean / (mean - len(each))
