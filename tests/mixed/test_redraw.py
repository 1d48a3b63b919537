"""An outcome put in by `redraw` gives the problem that is built from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.likelihood import deviance
from alliance_analysis.mixed.redraw import prepare_redraw, redraw
from alliance_analysis.mixed.refits import replace_outcome
from alliance_analysis.mixed.residuals import AR1


@pytest.mark.parametrize(
    ("formula", "residual", "on_columns"),
    [
        ("y ~ time + x + (1 | therapist) + (1 + time | client)", None, True),
        ("y ~ 0 + time + x + (1 + time || client)", None, True),
        ("y ~ time + (1 | therapist) + (1 | item)", None, False),
        ("y ~ time + (1 | client)", AR1("time", "client"), False),
    ],
)
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_redrawn_problem_is_the_rebuilt_one(
    arms: pd.DataFrame, formula: str, residual: AR1 | None, on_columns: bool, shift: float
) -> None:
    fit = fit_mixed(formula, arms.sample(frac=1, random_state=3), residual=residual)
    prepared = prepare_redraw(fit.problem, fit.design)
    assert bool(prepared.columns) is on_columns
    y = shift * (not formula.startswith("y ~ 0")) + np.random.default_rng(2).standard_normal(len(arms)) * 7
    own, rebuilt = redraw(prepared, y), replace_outcome(fit.problem, fit.design, y)
    np.testing.assert_allclose(own.UU, rebuilt.UU, atol=1e-8)
    assert own.y_scale == pytest.approx(rebuilt.y_scale, rel=1e-10)
    at, expected = (deviance(problem, fit.solution.theta) for problem in (own, rebuilt))
    assert at.value == pytest.approx(expected.value, rel=1e-10)
    np.testing.assert_allclose(at.gradient, expected.gradient, atol=1e-7)
    coefficients = [
        problem.offset + problem.coefficients @ found.beta * problem.y_scale
        for problem, found in ((own, at), (rebuilt, expected))
    ]
    np.testing.assert_allclose(*coefficients, rtol=1e-8)
    assert deviance(fit.problem, fit.solution.theta).value == pytest.approx(-2 * fit.log_lik, rel=1e-12)
