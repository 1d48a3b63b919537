"""Says what a singular or unfinished fit forbids to report, and why."""

from __future__ import annotations

import numpy as np

from alliance_analysis.mixed.covariance import CovarianceModel
from alliance_analysis.mixed.crossproducts import Problem
from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.formula import INTERCEPT
from alliance_analysis.mixed.optimise import SINGULAR, Solution

FLAT = 3e-6  # share of the largest curvature below which the likelihood does not change; rounding alone gives 1e-6
UNINFORMED = 1e-3  # curvature of the deviance below which a standard error would exceed 40 relative units
NO_CORRELATION = 0.02  # at the usual gap; a serial correlation near zero has no curvature there, and does no harm


def confounded_parameters(design: Design, problem: Problem, solution: Solution) -> tuple[str, ...]:
    """Name the groups and residual structures whose parameters may change together without changing the likelihood.

    Notes
    -----
    The Hessian has an eigenvalue of zero exactly where a direction of the variance parameters is not identified. At a
    variance of zero it may have one in a model that is: singular fits are judged by `singular_groups` instead.
    """
    if not solution.converged or singular_groups(design, solution) or not len(solution.theta):
        return ()
    model = problem.residual.model if problem.residual else CovarianceModel()
    keep = np.ones(len(solution.theta), dtype=bool)
    if model.serial == "real" or (model.serial and model.gap > 1):
        keep[-1] = abs(model.rho(solution.theta)) ** model.gap > NO_CORRELATION
    scale = np.maximum(np.abs(solution.theta), 1.0)[keep]
    values, vectors = np.linalg.eigh(solution.hessian[np.ix_(keep, keep)] * np.outer(scale, scale))
    if not len(values) or abs(values[0]) > max(UNINFORMED, FLAT * values[-1]):
        return ()
    owners = np.array(_owners(design, model))[keep]
    return tuple(dict.fromkeys(owners[np.abs(vectors[:, 0]) > 0.1].tolist()))


def _owners(design: Design, model: CovarianceModel) -> list[str]:
    """To which group or structure every entry of theta belongs."""
    factors = [block.group for block in design.random for _ in range(len(block.names) * (len(block.names) + 1) // 2)]
    groups = ["ByGroup"] * sum(n - 1 for n in model.n_levels) + ["SameSession"] * (2 * model.two_raters)
    rest = model.size - len(groups)
    return factors + groups + ["AR1" if model.serial else "Unstructured"] * rest


def _say_confounded(names: tuple[str, ...]) -> str:
    return f"the data cannot tell apart the variance parameters of {' and '.join(names)}"


def singular_groups(design: Design, solution: Solution) -> tuple[str, ...]:
    """Grouping factors with a variance at zero or with linearly dependent random effects (lme4's isSingular)."""
    singular = dict.fromkeys(
        block.group
        for block, factor in zip(design.random, solution.factors, strict=True)
        if np.diagonal(factor).min() < SINGULAR
    )
    return tuple(singular)


def withheld_terms(design: Design, problem: Problem, solution: Solution, levels: dict[str, str]) -> dict[str, str]:
    """Find the terms no report may show: all when nothing can be trusted, else those of a level whose variance is zero.

    Parameters
    ----------
    design, problem, solution
        What was fitted, and where the optimiser stopped.
    levels : dict
        Term -> grouping factor, as `term_levels` gives it.

    Returns
    -------
    dict
        Term -> reason.
    """
    if not solution.converged:
        return dict.fromkeys(design.terms, f"the fit did not converge (gradient {solution.gradient_norm:.1e})")
    confounded = confounded_parameters(design, problem, solution)
    if confounded:
        return dict.fromkeys(design.terms, _say_confounded(confounded))
    at_zero = [group for group, name in _zero_variances(design, solution) if name == INTERCEPT]
    reason = "the {} variance is estimated at zero (singular fit)"
    return {term: reason.format(level) for term, level in levels.items() if level in at_zero}


def fit_warning(design: Design, problem: Problem, solution: Solution) -> str:
    """One sentence per property of the fit that limits what may be reported from it; "" when there is none."""
    if not solution.converged:
        reason = f"the fit did not converge (gradient {solution.gradient_norm:.1e})"
        return f"{reason}; nothing may be reported from it. Simplify the random terms."
    confounded = confounded_parameters(design, problem, solution)
    if confounded:
        return f"{_say_confounded(confounded)}; nothing may be reported from this fit. Drop one of them."
    zeros = _zero_variances(design, solution)
    messages = []
    for group in singular_groups(design, solution):
        at_zero = [name for where, name in zeros if where == group]
        what = f"the {group} variance" if INTERCEPT in at_zero else f"the {group} variance of {', '.join(at_zero)}"
        dependent = f"random effects of {group} depend linearly on each other"
        state = f"{what} is estimated at zero" if at_zero else dependent
        messages.append(f"{state} (singular fit); standard errors of {group}-level terms are not to be trusted.")
    return " ".join(messages)


def _zero_variances(design: Design, solution: Solution) -> list[tuple[str, str]]:
    """(group, random term) of every variance at zero, on the scale where each random column has mean square 1."""
    return [
        (block.group, name)
        for block, factor in zip(design.random, solution.factors, strict=True)
        for name, row in zip(block.names, factor, strict=True)
        if np.sqrt(row @ row) < SINGULAR
    ]
