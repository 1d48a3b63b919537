"""Likelihood-ratio tests between two fits, and every reason why two likelihoods must not be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.bootstrap import check_request, draw_outcomes
from alliance_analysis.mixed.design import Design, RandomBlock
from alliance_analysis.mixed.fitted import MixedFit
from alliance_analysis.mixed.optimise import refit
from alliance_analysis.mixed.profile import Source
from alliance_analysis.mixed.redraw import prepare_redraw, redraw
from alliance_analysis.mixed.residuals import Structure

SPAN = 1e-8  # share of a column's length outside the other model's columns that counts as none
COLUMNS = (
    "model",
    "n_obs",
    "n_parameters",
    "log_lik",
    "aic",
    "bic",
    "chisq",
    "df",
    "p_value",
    "p_mixture",
    "p_bootstrap",
    "note",
)


def compare_fits(first: MixedFit, second: MixedFit, *, bootstrap: int = 0, seed: int = 1) -> pd.DataFrame:
    """Test the smaller of two nested mixed models against the larger by the likelihood ratio.

    For terms that come and go together, and for variances. Fixed terms need fits by ML; variances may be tested between
    REML fits with the same fixed terms.

    Parameters
    ----------
    first, second : MixedFit
        In any order; one must be a special case of the other.
    bootstrap : int
        Number of outcomes to draw from the smaller model and fit by both, for a test without chi-square; 0 for none.
    seed : int
        The i-th outcome depends on the seed and i alone.

    Returns
    -------
    pandas.DataFrame
        Two rows, the smaller model first: `model n_obs n_parameters log_lik aic bic chisq df p_value p_mixture
        p_bootstrap note`.
        `p_value` refers to chi-square with `df` degrees of freedom. When one variance (with its covariances) is tested,
        zero is at the edge of what it can be: then `p_value` is too large and `p_mixture` is the one to report.
        It is missing when no variance is tested, or several at once. `p_bootstrap` = (1 + replicates with at least this
        chisq) / (1 + replicates), missing without `bootstrap`. `note` says which test this is.

    Raises
    ------
    ModelError
        Different rows, outcomes or criteria; a fit that did not converge; REML fits with different fixed terms; models
        of which neither is a special case of the other, or that have as many parameters.

    Notes
    -----
    chisq = 2 (l_2 - l_1). One variance of m new parameters at its boundary: the mixture (chi2_{m-1} + chi2_m) / 2.
    Validated against R (tests/golden, lrt_within and lrt_therapist).

    References
    ----------
    Stram & Lee (1994), doi:10.2307/2533455. Self & Liang (1987), doi:10.1080/01621459.1987.10478472.

    Examples
    --------
    >>> from alliance_analysis.mixed.fit import fit_mixed
    >>> frame = pd.DataFrame({"client": np.repeat(range(8), 5), "time": np.tile(range(5), 8)})
    >>> frame["y"] = frame["client"] % 4 - 0.5 * frame["time"] + np.sin(np.arange(40))
    >>> fits = [fit_mixed(f"y ~ {terms} + (1 | client)", frame, criterion="ML") for terms in ("1", "time")]
    >>> compare_fits(*fits)["df"].tolist()
    [nan, 1.0]
    """
    for fit in (first, second):
        if not isinstance(fit, MixedFit):
            raise ModelError(f"compare_fits: two fits of fit_mixed are compared, got {type(fit).__name__}.")
    small, large = sorted((first, second), key=lambda fit: fit.n_parameters)
    _check_same_data(small, large)
    _check_criteria(small, large)
    if small.n_parameters == large.n_parameters:
        raise ModelError(
            f"compare_fits: both models have {small.n_parameters} parameters; one must have more. "
            "Compare their AIC instead (glance)."
        )
    _check_nested(small, large)
    chisq = max(2 * (large.log_lik - small.log_lik), 0.0)
    df = large.n_parameters - small.n_parameters
    note, mixture = _describe_test(small, large, chisq, df)
    simulated = _bootstrap_test(small, large, chisq, bootstrap, seed) if bootstrap else np.nan
    tests = [
        (np.nan, np.nan, np.nan, np.nan, np.nan, ""),
        (chisq, float(df), float(chdtrc(df, chisq)), mixture, simulated, note),
    ]
    rows = [_describe_model(fit) + test for fit, test in zip((small, large), tests, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _describe_model(fit: MixedFit) -> tuple:
    glance = fit.glance().iloc[0]
    return fit.formula, fit.problem.n, fit.n_parameters, fit.log_lik, glance["aic"], glance["bic"]


def _check_same_data(small: MixedFit, large: MixedFit) -> None:
    one, other = small.design, large.design
    if one.response != other.response:
        raise ModelError(
            f"compare_fits: the outcomes differ ('{one.response}' and '{other.response}'); one outcome is allowed."
        )
    if not np.array_equal(one.rows, other.rows):
        raise ModelError(
            f"compare_fits: the fits use different rows ({len(one.rows)} and {len(other.rows)}, "
            f"{len(np.intersect1d(one.rows, other.rows))} in common). "
            "Drop rows with a missing value in either model's columns first, then fit both."
        )
    if not np.array_equal(one.y, other.y):
        raise ModelError(f"compare_fits: the values of '{one.response}' differ. Fit both models to the same data.")


def _check_criteria(small: MixedFit, large: MixedFit) -> None:
    if small.criterion != large.criterion:
        raise ModelError("compare_fits: one fit is by REML, the other by ML. Fit both with the same criterion.")
    for fit in (small, large):
        if not fit.converged:
            raise ModelError(f"compare_fits: '{fit.formula}' did not converge. Simplify its random terms.")
    if small.criterion == "REML" and not _same_columns(small.design, large.design):
        raise ModelError(
            "compare_fits: the fixed terms differ, and REML likelihoods of different fixed terms cannot be compared. "
            "Fit both with criterion='ML'."
        )


def _same_columns(one: Design, other: Design) -> bool:
    if set(one.terms) != set(other.terms):
        return False
    order = [other.terms.index(term) for term in one.terms]
    return bool(np.allclose(one.X, other.X[:, order], rtol=1e-12, atol=0))


def _check_nested(small: MixedFit, large: MixedFit) -> None:
    outside = [
        term
        for term, column in zip(small.design.terms, small.design.X.T, strict=True)
        if not _in_span(column, large.design.X)
    ]
    if outside:
        raise _not_nested(f"the fixed term {outside[0]} of the smaller one is not in the larger")
    for block in small.design.random:
        if not any(_is_part(block, other) for other in large.design.random):
            raise _not_nested(f"({' + '.join(block.names)} | {block.group}) of the smaller one is not in the larger")
    _check_structures(small, large)


def _check_structures(small: MixedFit, large: MixedFit) -> None:
    """Every residual structure is the independent case of itself, so one may come on top of others."""
    more = [part for part in _structures(small) if part not in _structures(large)]
    if more:
        raise _not_nested(f"the residual structure {more[0]!r} of the smaller one is not in the larger")


def _structures(fit: MixedFit) -> tuple[Structure, ...]:
    return fit.attributes.structures if fit.attributes else ()


def _not_nested(reason: str) -> ModelError:
    return ModelError(f"compare_fits: the models are not nested: {reason}. Compare their AIC instead (glance).")


def _in_span(column: np.ndarray, columns: np.ndarray) -> bool:
    scaled = columns / np.sqrt(np.mean(columns**2, axis=0))
    rest = column - scaled @ np.linalg.lstsq(scaled, column, rcond=None)[0]
    return bool(np.linalg.norm(rest) <= SPAN * np.linalg.norm(column))


def _is_part(block: RandomBlock, other: RandomBlock) -> bool:
    """Whether a random term is one of the other with some variances and covariances at zero."""
    same_groups = (
        block.n_levels == other.n_levels == len(np.unique(block.codes.astype(np.int64) * other.n_levels + other.codes))
    )
    return same_groups and all(_in_span(column, other.Z) for column in block.Z.T)


def _describe_test(small: MixedFit, large: MixedFit, chisq: float, df: int) -> tuple[str, float]:
    """Say in a sentence which test this is, and give the mixture's p where it is known."""
    variances = sum(block.Z.shape[1] for block in large.design.random)
    variances -= sum(block.Z.shape[1] for block in small.design.random)
    if _structures(large) != _structures(small) and large.attributes and large.attributes.model.serial == "real":
        return "a serial correlation of at least 0: p_value is conservative", np.nan
    if variances == 0:
        return "", np.nan
    if variances > 1:
        return f"{variances} variances at once: their mixture is unknown, p_value is conservative", np.nan
    if small.singular:
        return "the smaller model is singular: no mixture is known, p_value is conservative", np.nan
    lower = float(chdtrc(df - 1, chisq)) if df > 1 else float(chisq <= 0)
    mixture = (lower + float(chdtrc(df, chisq))) / 2
    return f"one variance: p_mixture from the mean of chi-square {df - 1} and {df}", mixture


def _bootstrap_test(small: MixedFit, large: MixedFit, chisq: float, n: int, seed: int) -> float:
    """Share of outcomes drawn from the smaller model whose likelihood ratio is at least this large."""
    check_request(n, seed)
    source = Source(small.design, small.problem, small.solution, small.attributes)
    prepared = [prepare_redraw(fit.problem, fit.design) for fit in (small, large)]
    beyond = counted = 0
    for outcome in draw_outcomes(source, n, seed):
        ends = [
            refit(redraw(columns, outcome), fit.solution.theta, fit.solution.hessian)
            for fit, columns in zip((small, large), prepared, strict=True)
        ]
        if all(end.converged for end in ends):
            counted += 1
            beyond += ends[0].deviance.value - ends[1].deviance.value >= chisq
    return (1 + beyond) / (1 + counted)
