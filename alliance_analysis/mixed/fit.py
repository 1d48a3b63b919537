"""The front door of the mixed models: a formula and a frame in, one frozen fit out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.attributes import check_apart, read_attributes
from alliance_analysis.mixed.crossproducts import Criterion, Problem, build_problem
from alliance_analysis.mixed.design import Design, build_design, term_levels
from alliance_analysis.mixed.fitted import MixedFit
from alliance_analysis.mixed.formula import parse_formula
from alliance_analysis.mixed.guard import check_identified
from alliance_analysis.mixed.inference import DfMethod, fixed_covariance
from alliance_analysis.mixed.optimise import Solution, maximise_likelihood
from alliance_analysis.mixed.refits import model_rows
from alliance_analysis.mixed.residuals import Structure, read_structures, with_columns
from alliance_analysis.mixed.singular import fit_warning, singular_groups, withheld_terms
from alliance_analysis.mixed.small_sample import covariance_for_tests, prepare_tests
from alliance_analysis.mixed.whitening import build_precision
from alliance_analysis.result import Estimates

NO_RESIDUAL = 1e-6  # residual standard deviation relative to that of the outcome given the fixed terms


def fit_mixed(
    formula: str,
    data: pd.DataFrame,
    *,
    criterion: Criterion = "REML",
    df: DfMethod = "satterthwaite",
    residual: Structure | Sequence[Structure] | None = None,
) -> MixedFit:
    """Fit a linear mixed model with nested or crossed groups and random slopes, by REML or ML.

    For outcomes that are roughly continuous, measured repeatedly within clients, clients within therapists. Compare
    models with different fixed terms under `criterion="ML"`; report estimates from REML.

    Parameters
    ----------
    formula : str
        As in lme4: "symptoms ~ time + (1 + time | client) + (1 | therapist)". `(1 | therapist/client)` stands for
        `(1 | therapist) + (1 | therapist:client)`; `||` gives every column a variance of its own and no correlations.
        Functions: C, I, bs, center, exp, log, poly, scale, sqrt.
    data : pandas.DataFrame
        One row per observation; not changed. Rows with a missing value are left out and counted.
    criterion : {"REML", "ML"}
    df : {"satterthwaite", "kenward-roger", "normal"}
        How tests and intervals of the fixed effects are made. "kenward-roger" (REML only) also widens the standard
        errors for few clients or therapists; "normal" ignores small samples.
    residual : AR1, ByGroup, SameSession, Unstructured, a list of them, or None
        How residuals go together; None: independent, of equal variance. With a structure the formula may do without a
        random term.

    Returns
    -------
    MixedFit

    Raises
    ------
    ModelError
        When an argument is not allowed, or the data cannot identify the model; the message names the cause.

    Warns
    -----
    FitWarning
        When the fit is singular, did not converge, or has variance parameters that the data cannot tell apart.

    Notes
    -----
    y = X beta + Z b + e, b ~ N(0, G), e ~ N(0, sigma^2 R). The likelihood is exact: level by level where the groups are
    nested, else block by block of connected groups (docs/engine.md). Validated against lme4, lmerTest and nlme
    (tests/golden) and statsmodels. df under a residual structure have no oracle: glance() says so in `df_basis`.

    References
    ----------
    Bates, Mächler, Bolker & Walker (2015), doi:10.18637/jss.v067.i01.

    Examples
    --------
    >>> import numpy as np
    >>> frame = pd.DataFrame({"client": np.repeat(range(8), 5), "time": np.tile(range(5), 8)})
    >>> frame["y"] = frame["client"] % 4 - 0.5 * frame["time"] + np.sin(np.arange(40))
    >>> fit_mixed("y ~ time + (1 | client)", frame).tidy()["term"].tolist()
    ['(Intercept)', 'time']
    """
    structures = read_structures(residual)
    _check_options(criterion, df, structures)
    parsed = parse_formula(formula, random_required=not structures)
    design = build_design(with_columns(parsed, structures), data)
    attributes = read_attributes(structures, data.iloc[design.rows]) if structures else None
    if attributes:
        check_apart(attributes, design.random)
    check_identified(design)
    precision = build_precision(attributes) if attributes else None
    problem = build_problem(model_rows(design), criterion, precision)
    try:
        solution = maximise_likelihood(problem)
        _check_residual(design.response, solution)
        fit = replace(_assemble(formula, df, design, problem, solution), attributes=attributes)
    except np.linalg.LinAlgError as error:
        raise ModelError(
            f"{design.response}: no maximum of the likelihood can be found ({error}); a variance runs to zero or a "
            "correlation to one. Simplify the random terms or the residual structure."
        ) from error
    message = fit_warning(design, problem, solution)
    if message:
        warnings.warn(message, FitWarning, stacklevel=2)
    return fit


def _check_options(criterion: str, df: str, structures: tuple[Structure, ...]) -> None:
    if criterion not in get_args(Criterion):
        raise ModelError(f"criterion must be 'REML' or 'ML', got {criterion!r}.")
    if df not in get_args(DfMethod):
        raise ModelError(f"df must be 'satterthwaite', 'kenward-roger' or 'normal', got {df!r}.")
    if df == "kenward-roger" and criterion != "REML":
        raise ModelError("df: Kenward–Roger needs REML, got criterion 'ML'. Use 'satterthwaite' under ML.")
    if df == "kenward-roger" and structures:
        name = type(structures[0]).__name__
        raise ModelError(
            f"df: Kenward–Roger under {name} has not been checked against another program. Use 'satterthwaite'."
        )


def _check_residual(response: str, solution: Solution) -> None:
    if solution.deviance.sigma < NO_RESIDUAL:
        raise ModelError(
            f"{response}: fixed and random terms reproduce the outcome exactly, the residual variance is zero. "
            "Drop a random slope, or check how the outcome was made."
        )


def _assemble(formula: str, df: DfMethod, design: Design, problem: Problem, solution: Solution) -> MixedFit:
    sigma = solution.deviance.sigma * problem.y_scale
    covariance = fixed_covariance(problem, solution)
    loose = [np.linalg.solve(r, factor) * sigma for r, factor in zip(problem.rotations, solution.factors, strict=True)]
    covariances = tuple(half @ half.T for half in loose)
    small_sample = prepare_tests(df, design, problem, solution, covariances, float(sigma))
    variances = np.diagonal(covariance_for_tests(small_sample, covariance))
    if not (variances > 0).all():
        raise np.linalg.LinAlgError("covariance of the fixed effects not positive")
    p = problem.p
    estimates = Estimates(
        design.terms,
        problem.offset + problem.coefficients @ solution.deviance.beta * problem.y_scale,
        np.sqrt(variances),
        np.array([small_sample.df(unit) for unit in np.eye(p)]) if small_sample else np.full(p, np.inf),
    )
    levels = term_levels(design)
    return MixedFit(
        formula=formula,
        criterion=problem.criterion,
        df_method=df,
        design=design,
        problem=problem,
        solution=solution,
        small_sample=small_sample,
        estimates=estimates,
        fixed_covariance=covariance,
        covariances=covariances,
        sigma=float(sigma),
        log_lik=-solution.deviance.value / 2,
        singular_level=singular_groups(design, solution),
        term_levels=levels,
        withheld=withheld_terms(design, problem, solution, levels),
    )
