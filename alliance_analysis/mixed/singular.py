"""Says what a singular or unfinished fit forbids to report, and why."""

from __future__ import annotations

import numpy as np

from alliance_analysis.mixed.design import Design
from alliance_analysis.mixed.formula import INTERCEPT
from alliance_analysis.mixed.optimise import SINGULAR, Solution


def singular_groups(design: Design, solution: Solution) -> tuple[str, ...]:
    """Grouping factors with a variance at zero or with linearly dependent random effects (lme4's isSingular)."""
    singular = dict.fromkeys(
        block.group
        for block, factor in zip(design.random, solution.factors, strict=True)
        if np.diagonal(factor).min() < SINGULAR
    )
    return tuple(singular)


def withheld_terms(design: Design, solution: Solution, levels: dict[str, str]) -> dict[str, str]:
    """Find the terms no report may show: all of them without convergence, else those of a level whose variance is zero.

    Parameters
    ----------
    design, solution
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
    at_zero = [group for group, name in _zero_variances(design, solution) if name == INTERCEPT]
    reason = "the {} variance is estimated at zero (singular fit)"
    return {term: reason.format(level) for term, level in levels.items() if level in at_zero}


def fit_warning(design: Design, solution: Solution) -> str:
    """One sentence per property of the fit that limits what may be reported from it; "" when there is none."""
    if not solution.converged:
        reason = f"the fit did not converge (gradient {solution.gradient_norm:.1e})"
        return f"{reason}; nothing may be reported from it. Simplify the random terms."
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
