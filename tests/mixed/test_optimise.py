"""The optimiser: what it calls a maximum is one, also where a variance ends at zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed import optimise
from alliance_analysis.mixed.crossproducts import Problem, build_problem
from alliance_analysis.mixed.descent import Descent, Objective
from alliance_analysis.mixed.design import build_design
from alliance_analysis.mixed.formula import parse_formula
from alliance_analysis.mixed.likelihood import deviance, pack, unpack
from alliance_analysis.mixed.optimise import maximise_likelihood, refit
from alliance_analysis.mixed.refits import model_rows

SLOPES = "y ~ time + x + (1 + time | client) + (1 | therapist)"


def prepare(formula: str, frame: pd.DataFrame) -> Problem:
    design = build_design(parse_formula(formula), frame)
    return build_problem(model_rows(design), "REML")


def stand_still(
    objective: Objective, start: np.ndarray, metric: np.ndarray | None = None, *, enough: float = 0.0
) -> Descent:
    return Descent(objective.evaluate(start), np.eye(len(start)), False)


def test_no_perturbed_theta_is_more_likely(sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    best = maximise_likelihood(problem)
    rng = np.random.default_rng(5)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(25):
            other = best.theta + size * rng.standard_normal(len(best.theta))
            assert deviance(problem, other).value > best.deviance.value


@pytest.mark.parametrize("start", [0.0, 0.01, 3.0, 20.0])
def test_every_start_leads_to_the_same_maximum(start: float, sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    from_there = maximise_likelihood(problem, pack([start * np.eye(len(r)) for r in problem.rotations]))
    assert from_there.converged
    assert from_there.deviance.value == pytest.approx(maximise_likelihood(problem).deviance.value, abs=1e-8)


def test_hessian_equals_differences_of_the_deviance(sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    best = maximise_likelihood(problem)
    step = 1e-3
    for i, unit in enumerate(np.eye(len(best.theta)) * step):
        ends = [deviance(problem, best.theta + sign * unit).value for sign in (1, -1)]
        second = (sum(ends) - 2 * best.deviance.value) / step**2
        assert best.hessian[i, i] == pytest.approx(second, rel=1e-3)


def test_a_variance_of_zero_is_found_exactly_with_zero_gradient(simulate_sessions: Callable) -> None:
    frame = simulate_sessions(6, 8, 6, sd=(0.0, 2.0, 0.0), seed=2)
    shifted = frame.assign(y=frame["y"] - frame.groupby("therapist")["y"].transform("mean"))
    best = maximise_likelihood(prepare("y ~ time + (1 | client) + (1 | therapist)", shifted))
    assert best.converged
    assert best.gradient_norm < 1e-8
    assert abs(best.factors[1][0, 0]) < 1e-8


def test_diagonals_are_never_negative(sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    theta = maximise_likelihood(problem).theta
    from_below = maximise_likelihood(problem, -theta)
    np.testing.assert_allclose(from_below.theta, theta, atol=1e-8)
    assert all((np.diagonal(factor) >= 0).all() for factor in unpack(from_below.theta, problem))


def test_a_refit_from_the_maximum_costs_few_evaluations_and_stays_there(sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    best = maximise_likelihood(problem)
    again = refit(problem, best.theta + 0.01, best.hessian)
    assert again.converged
    assert again.evaluations <= 8
    assert again.deviance.value == pytest.approx(best.deviance.value, abs=1e-8)


def test_stopping_early_is_not_called_converged(sessions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimise, "descend", stand_still)
    monkeypatch.setattr(optimise, "MAX_NEWTON", 0)
    monkeypatch.setattr(optimise, "MAX_RESTARTS", 0)
    stopped = maximise_likelihood(prepare(SLOPES, sessions))
    assert not stopped.converged
    assert stopped.gradient_norm > optimise.GRADIENT
