"""The optimiser: what it calls a maximum is one, also where a variance ends at zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed import optimise
from alliance_analysis.mixed.blocks import deviance
from alliance_analysis.mixed.crossproducts import Problem, build_problem
from alliance_analysis.mixed.design import build_design
from alliance_analysis.mixed.formula import parse_formula
from alliance_analysis.mixed.optimise import maximise_likelihood, pack, unpack

SLOPES = "y ~ time + x + (1 + time | client) + (1 | therapist)"


def prepare(formula: str, frame: pd.DataFrame) -> Problem:
    design = build_design(parse_formula(formula), frame)
    return build_problem(design.y, design.X, [b.Z for b in design.random], [b.codes for b in design.random], "REML")


def test_theta_survives_packing(sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    theta = np.arange(4.0)
    np.testing.assert_array_equal(pack(unpack(theta, problem)), theta)


def test_no_perturbed_theta_is_more_likely(sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    best = maximise_likelihood(problem)
    rng = np.random.default_rng(5)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(25):
            other = best.theta + size * rng.standard_normal(len(best.theta))
            assert deviance(problem, unpack(other, problem)).value > best.deviance.value


@pytest.mark.parametrize("start", [0.0, 0.01, 3.0, 20.0])
def test_every_start_leads_to_the_same_maximum(start: float, sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    objective = optimise._Objective(problem)
    from_there = optimise._descend(objective, pack([start * np.eye(len(r)) for r in problem.rotations]))
    theta, _ = optimise._leave_saddles(objective, from_there)
    assert objective.evaluate(theta).value == pytest.approx(maximise_likelihood(problem).deviance.value, abs=1e-8)


def test_hessian_equals_differences_of_the_deviance(sessions: pd.DataFrame) -> None:
    problem = prepare(SLOPES, sessions)
    best = maximise_likelihood(problem)
    step = 1e-3
    for i, unit in enumerate(np.eye(len(best.theta)) * step):
        ends = [deviance(problem, unpack(best.theta + sign * unit, problem)).value for sign in (1, -1)]
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
    turned, _ = optimise._turn_columns(-theta, np.eye(len(theta)), problem)
    np.testing.assert_array_equal(turned, theta)
    assert all((np.diagonal(factor) >= 0).all() for factor in unpack(theta, problem))


def test_stopping_early_is_not_called_converged(sessions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimise, "_descend", lambda objective, start: start)
    monkeypatch.setattr(optimise, "MAX_NEWTON", 0)
    monkeypatch.setattr(optimise, "MAX_RESTARTS", 0)
    stopped = maximise_likelihood(prepare(SLOPES, sessions))
    assert not stopped.converged
    assert stopped.gradient_norm > optimise.GRADIENT
