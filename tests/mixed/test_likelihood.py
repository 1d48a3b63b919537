"""The likelihood against the textbook formula on the dense covariance matrix, and its gradient against differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed.crossproducts import Criterion, Path, Problem, build_problem
from alliance_analysis.mixed.design import Design, build_design
from alliance_analysis.mixed.formula import parse_formula
from alliance_analysis.mixed.likelihood import deviance, pack, unpack
from alliance_analysis.mixed.refits import model_rows

FORMULAS = [
    "y ~ time + x + (1 | client)",
    "y ~ time + x + (1 + time | client) + (1 | therapist)",
    "y ~ time + x + (1 + time || client) + (1 + x | therapist)",
    "y ~ 0 + time + (0 + time | client)",
    "y ~ x + (1 + time + x | client) + (0 + time || therapist) + (1 | therapist)",
    "y ~ time + (1 + x | client) + (1 + time | therapist) + (1 | clinic)",
    "y ~ time + (1 | client) + (1 | time)",
]


def prepare(
    formula: str, frame: pd.DataFrame, criterion: Criterion, path: Path | None = None
) -> tuple[Design, Problem]:
    design = build_design(parse_formula(formula), frame.assign(clinic=frame["therapist"] // 3))
    return design, build_problem(model_rows(design), criterion, path=path)


def some_theta(problem: Problem) -> np.ndarray:
    rng = np.random.default_rng(3)
    return pack([np.tril(rng.uniform(0.2, 0.9, r.shape)) for r in problem.rotations])


def dense_deviance(design: Design, problem: Problem, theta: np.ndarray, sigma: float) -> float:
    """-2 log (restricted) likelihood, written out with V on the data's own columns."""
    sigma = sigma * problem.y_scale
    V = np.eye(problem.n)
    for block, rotation, factor in zip(design.random, problem.rotations, unpack(theta, problem), strict=True):
        half = block.Z @ np.linalg.solve(rotation, factor)
        V += half @ half.T * (block.codes[:, None] == block.codes[None, :])
    X, y = design.X, design.y
    ViX = np.linalg.solve(V, X)
    beta = np.linalg.solve(X.T @ ViX, ViX.T @ y)
    r = y - X @ beta
    n, p = X.shape
    value = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r) / sigma**2
    if problem.criterion == "ML":
        return value + n * np.log(2 * np.pi * sigma**2)
    return value + np.linalg.slogdet(X.T @ ViX)[1] + (n - p) * np.log(2 * np.pi * sigma**2)


@pytest.mark.parametrize("path", ["block", None])
@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_deviance_equals_the_dense_formula(
    formula: str, criterion: Criterion, path: Path | None, sessions: pd.DataFrame
) -> None:
    design, problem = prepare(formula, sessions, criterion, path)
    theta = some_theta(problem)
    for sigma in (None, 0.7):
        own = deviance(problem, theta, sigma=sigma)
        assert own.value == pytest.approx(dense_deviance(design, problem, theta, own.sigma), abs=1e-8)


@pytest.mark.parametrize("path", ["block", None])
@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_gradient_equals_differences(
    formula: str, criterion: Criterion, path: Path | None, sessions: pd.DataFrame
) -> None:
    _, problem = prepare(formula, sessions, criterion, path)
    theta = some_theta(problem)
    for sigma in (None, 0.7):
        own = deviance(problem, theta, sigma=sigma)
        for i, unit in enumerate(np.eye(len(theta)) * 1e-5):
            up, down = (deviance(problem, theta + sign * unit, sigma=sigma).value for sign in (1, -1))
            assert own.gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-4)


def test_gradient_in_sigma_equals_differences_and_is_zero_at_the_profiled_value(sessions: pd.DataFrame) -> None:
    _, problem = prepare(FORMULAS[1], sessions, "REML")
    theta = some_theta(problem)
    up, down = (deviance(problem, theta, sigma=0.7 + step).value for step in (1e-6, -1e-6))
    assert deviance(problem, theta, sigma=0.7).sigma_slope == pytest.approx((up - down) / 2e-6, rel=1e-6)
    assert deviance(problem, theta).sigma_slope == pytest.approx(0, abs=1e-8)


def test_theta_survives_packing(sessions: pd.DataFrame) -> None:
    _, problem = prepare(FORMULAS[1], sessions, "REML")
    theta = np.arange(4.0)
    np.testing.assert_array_equal(pack(unpack(theta, problem)), theta)
