"""The likelihood against the textbook formula on the dense covariance matrix, and its gradient against differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed import blocks
from alliance_analysis.mixed.blocks import deviance
from alliance_analysis.mixed.crossproducts import Criterion, Problem, build_problem
from alliance_analysis.mixed.design import Design, build_design
from alliance_analysis.mixed.formula import parse_formula

FORMULAS = [
    "y ~ time + x + (1 | client)",
    "y ~ time + x + (1 + time | client) + (1 | therapist)",
    "y ~ time + x + (1 + time || client) + (1 + x | therapist)",
    "y ~ 0 + time + (0 + time | client)",
    "y ~ time + (1 | client) + (1 | time)",
]


def prepare(formula: str, frame: pd.DataFrame, criterion: Criterion) -> tuple[Design, Problem]:
    design = build_design(parse_formula(formula), frame)
    Z, codes = [b.Z for b in design.random], [b.codes for b in design.random]
    return design, build_problem(design.y, design.X, Z, codes, criterion)


def some_factors(problem: Problem) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    return tuple(np.tril(rng.uniform(0.2, 0.9, r.shape)) for r in problem.rotations)


def dense_deviance(design: Design, problem: Problem, factors: tuple[np.ndarray, ...], sigma: float) -> float:
    """-2 log (restricted) likelihood, written out with V on the data's own columns."""
    sigma = sigma * problem.y_scale
    V = np.eye(problem.n)
    for block, rotation, factor in zip(design.random, problem.rotations, factors, strict=True):
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


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_deviance_equals_the_dense_formula(formula: str, criterion: Criterion, sessions: pd.DataFrame) -> None:
    design, problem = prepare(formula, sessions, criterion)
    factors = some_factors(problem)
    for sigma in (None, 0.7):
        own = deviance(problem, factors, sigma)
        assert own.value == pytest.approx(dense_deviance(design, problem, factors, own.sigma), abs=1e-8)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_gradient_equals_differences(formula: str, criterion: Criterion, sessions: pd.DataFrame) -> None:
    _, problem = prepare(formula, sessions, criterion)
    factors = some_factors(problem)
    for sigma in (None, 0.7):
        own = deviance(problem, factors, sigma)
        for k, factor in enumerate(factors):
            for a, b in np.ndindex(factor.shape):
                ends = []
                for step in (1e-5, -1e-5):
                    moved = factor.copy()
                    moved[a, b] += step
                    ends.append(deviance(problem, (*factors[:k], moved, *factors[k + 1 :]), sigma).value)
                assert own.slopes[k][a, b] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-4)


def test_gradient_in_sigma_equals_differences_and_is_zero_at_the_profiled_value(sessions: pd.DataFrame) -> None:
    _, problem = prepare(FORMULAS[1], sessions, "REML")
    factors = some_factors(problem)
    up, down = (deviance(problem, factors, 0.7 + step).value for step in (1e-6, -1e-6))
    assert deviance(problem, factors, 0.7).sigma_slope == pytest.approx((up - down) / 2e-6, rel=1e-6)
    assert deviance(problem, factors).sigma_slope == pytest.approx(0, abs=1e-8)


def test_slopes_of_the_cross_products_equal_differences(sessions: pd.DataFrame) -> None:
    _, problem = prepare(FORMULAS[1], sessions, "REML")
    factors = some_factors(problem)
    own = blocks.reduce_blocks(problem, factors)
    moved = factors[0].copy()
    moved[1, 0] += 1e-6
    ahead = blocks.reduce_blocks(problem, (moved, factors[1]))
    np.testing.assert_allclose(own.D_slope[0][1, 0], (ahead.D - own.D) / 1e-6, rtol=1e-4, atol=1e-3)
