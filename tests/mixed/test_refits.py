"""Problems made from a fitted one: another outcome, a restricted coefficient, another criterion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed.crossproducts import build_problem
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.likelihood import deviance
from alliance_analysis.mixed.optimise import refit
from alliance_analysis.mixed.refits import (
    covariances_at,
    dense_batches,
    fix_coefficient,
    model_rows,
    replace_outcome,
    use_criterion,
)

SLOPES = "y ~ time + x + (1 + time | client) + (1 | therapist)"


@pytest.fixture(scope="module", params=["nested", "block"])
def frame(request: pytest.FixtureRequest, sessions: pd.DataFrame) -> pd.DataFrame:
    """Nested groups, or a client who changes therapist."""
    moves = (sessions["client"] == 0) & (sessions["time"] > 4) & (request.param == "block")
    return sessions.assign(therapist=sessions["therapist"].mask(moves, 5))


@pytest.fixture(scope="module")
def fit(frame: pd.DataFrame) -> MixedFit:
    return fit_mixed(SLOPES, frame, criterion="ML")


def test_both_paths_are_taken(sessions: pd.DataFrame) -> None:
    assert fit_mixed(SLOPES, sessions).problem.path == "nested"
    moves = (sessions["client"] == 0) & (sessions["time"] > 4)
    other = fit_mixed(SLOPES, sessions.assign(therapist=sessions["therapist"].mask(moves, 5)))
    assert other.glance().loc[0, "path"] == "block"


def test_another_outcome_gives_the_fit_made_from_scratch(fit: MixedFit, frame: pd.DataFrame) -> None:
    y = np.random.default_rng(1).standard_normal(len(frame)) + 3 * fit.fitted() + 1_000
    problem = replace_outcome(fit.problem, fit.design, y)
    found = refit(problem, fit.solution.theta, fit.solution.hessian)
    again = fit_mixed(fit.formula, frame.assign(y=y), criterion="ML")
    assert found.converged
    assert found.deviance.value == pytest.approx(-2 * again.log_lik, abs=1e-6)
    beta = problem.offset + problem.coefficients @ found.deviance.beta * problem.y_scale
    np.testing.assert_allclose(beta, again.estimates.estimate, atol=1e-3)


def test_a_restricted_coefficient_is_the_model_with_that_offset(fit: MixedFit, frame: pd.DataFrame) -> None:
    value = fit.estimates.estimate[2] + 0.1
    problem = fix_coefficient(fit.problem, np.array([0.0, 0.0, 1.0]), value)
    found = refit(problem, fit.solution.theta, fit.solution.hessian)
    formula = fit.formula.replace(" + x", "")
    again = fit_mixed(formula, frame.assign(y=frame["y"] - value * frame["x"]), criterion="ML")
    assert found.deviance.value == pytest.approx(-2 * again.log_lik, abs=1e-6)
    beta = problem.offset + problem.coefficients @ found.deviance.beta * problem.y_scale
    np.testing.assert_allclose(beta, [*again.estimates.estimate, value], atol=1e-4)


def test_a_restriction_to_the_estimate_costs_nothing(fit: MixedFit) -> None:
    weights = np.array([1.0, -2.0, 3.0])
    problem = fix_coefficient(fit.problem, weights, float(weights @ fit.estimates.estimate))
    own = deviance(problem, fit.solution.theta)
    assert own.value == pytest.approx(fit.solution.deviance.value, abs=1e-8)
    beta = problem.offset + problem.coefficients @ own.beta * problem.y_scale
    np.testing.assert_allclose(beta, fit.estimates.estimate, rtol=1e-8)


def test_the_criterion_alone_can_change(fit: MixedFit, frame: pd.DataFrame) -> None:
    other = fit_mixed(fit.formula, frame, criterion="REML")
    value = deviance(use_criterion(fit.problem, "REML"), other.solution.theta).value
    assert value == pytest.approx(-2 * other.log_lik, abs=1e-9)


def test_covariances_are_those_of_the_fit(fit: MixedFit) -> None:
    own = covariances_at(fit.problem, fit.solution.theta, fit.solution.deviance.sigma)
    for one, other in zip(own, fit.covariances, strict=True):
        np.testing.assert_allclose(one, other)


def test_dense_batches_are_those_of_the_block_path(fit: MixedFit) -> None:
    expected = build_problem(model_rows(fit.design), "ML", path="block").batches
    for own, other in zip(dense_batches(fit.problem, fit.design), expected, strict=True):
        np.testing.assert_array_equal(own.ZZ, other.ZZ)
        np.testing.assert_array_equal(own.ZU, other.ZU)
