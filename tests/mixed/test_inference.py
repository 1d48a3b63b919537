"""Satterthwaite's df against its definition, differentiated from scratch, and against cases with a known answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.likelihood import deviance


def deviance_and_covariance(fit: MixedFit, parameters: np.ndarray) -> tuple[float, np.ndarray]:
    """lmerTest's two functions of (theta, sigma), on internal columns."""
    problem = fit.problem
    at = deviance(problem, parameters[:-1], sigma=parameters[-1])
    p, T = problem.p, problem.coefficients
    covariance = T @ np.linalg.inv(at.D[:p, :p]) @ T.T * (parameters[-1] * problem.y_scale) ** 2
    return at.value, covariance


def df_from_differences(fit: MixedFit, weights: np.ndarray) -> float:
    at = np.append(fit.solution.theta, fit.solution.deviance.sigma)
    k, h = len(at), 1e-3
    units = np.eye(k) * h
    hessian = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            corners = [
                si * sj * deviance_and_covariance(fit, at + si * units[i] + sj * units[j])[0]
                for si in (1, -1)
                for sj in (1, -1)
            ]
            hessian[i, j] = sum(corners) / (4 * h * h)
    ends = [(deviance_and_covariance(fit, at + unit)[1], deviance_and_covariance(fit, at - unit)[1]) for unit in units]
    gradient = np.array([weights @ (up - down) @ weights / (2 * h) for up, down in ends])
    variance = weights @ fit.fixed_covariance @ weights
    return 2 * variance**2 / (gradient @ (2 * np.linalg.inv(hessian)) @ gradient)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_df_equal_the_definition_differentiated_from_scratch(criterion: str, sessions: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ time + x + (1 + time | client) + (1 | therapist)", sessions, criterion=criterion)
    for i, unit in enumerate(np.eye(3)):
        assert fit.estimates.df[i] == pytest.approx(df_from_differences(fit, unit), rel=1e-3)


def test_balanced_groups_have_the_df_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(4)
    client = np.repeat(np.arange(12), 5)
    arm = (client % 2).astype(float)
    y = 2.0 * rng.standard_normal(12)[client] + arm + rng.standard_normal(60)
    frame = pd.DataFrame({"client": client, "arm": arm, "x": np.tile(np.arange(5.0), 12), "y": y})
    fit = fit_mixed("y ~ arm + x + (1 | client)", frame)
    # Between clients: 12 means, 2 coefficients. Within: 60 - 12 - 1.
    np.testing.assert_allclose(fit.estimates.df, [fit.estimates.df[0], 10, 47], rtol=1e-6)


def test_contrast_of_one_term_is_that_term(sessions: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ time + x + (1 + time | client)", sessions)
    own, row = fit.contrast({"x": 1}), fit.tidy().iloc[[2]].reset_index(drop=True)
    pd.testing.assert_frame_equal(own.drop(columns="term"), row.drop(columns="term"), rtol=1e-10)


def test_df_do_not_depend_on_the_origin_of_time_at_the_boundary(simulate_sessions: Callable) -> None:
    frame = simulate_sessions(6, 6, 8, sd=(0.0, 2.0, 0.0), seed=11)
    formula = "y ~ time + x + (1 + time | client)"
    with pytest.warns(UserWarning, match="singular fit"):
        fit = fit_mixed(formula, frame)
    with pytest.warns(UserWarning, match="singular fit"):
        moved = fit_mixed(formula, frame.assign(time=frame["time"] - 4))
    np.testing.assert_allclose(moved.estimates.df[1:], fit.estimates.df[1:], rtol=1e-4)
