"""The likelihood of the panel VAR: equal to a dense one written down again, with an exact gradient."""

import numpy as np
import pytest
from panel_study import COLUMNS, simulate_panel_frame

from alliance_analysis.panel.course import build_course
from alliance_analysis.panel.dynamics import (
    grid_covariance,
    lagged_covariances,
    occasion_covariances,
    stationary_covariance,
)
from alliance_analysis.panel.likelihood import client_scores, evaluate, expected_information
from alliance_analysis.panel.problem import build_problem, pack, replace_values, thin_problem, unpack
from alliance_analysis.panel.series import read_series

A = np.array([[0.3, -0.1], [-0.2, 0.4]])


def make_problem(stationary=True, n_clients=25, **options):
    series = read_series(simulate_panel_frame(n_clients=n_clients, n_sessions=6, **options), COLUMNS)
    course = build_course(series, "log", ("intercept", "time"))
    return build_problem(series.values, series.seen, course.X, course.Z, 2, stationary=stationary), series


def make_theta(problem, seed=0):
    rng = np.random.default_rng(seed)
    factors = tuple(np.tril(0.3 * rng.normal(size=(k, k))) + 0.7 * np.eye(k) for k in problem.sizes)
    return pack(A, factors)


def dense_deviance(problem, series, theta):
    """Write -2 log-likelihood down client by client."""
    a, factors = unpack(theta, problem)
    S, G = (L @ L.T for L in factors[:2])
    V = [stationary_covariance(a, S) if problem.stationary else factors[2] @ factors[2].T]
    for _ in range(problem.n_occasions - 1):
        V.append(a @ V[-1] @ a.T + S)
    T = problem.n_occasions
    full = np.zeros((2 * T, 2 * T))
    for s in range(T):
        for t in range(s, T):
            block = np.linalg.matrix_power(a, t - s) @ V[s]
            full[2 * t : 2 * t + 2, 2 * s : 2 * s + 2] = block
            full[2 * s : 2 * s + 2, 2 * t : 2 * t + 2] = block.T
    full += problem.Z @ G @ problem.Z.T
    parts = []
    for z, seen in zip(series.values, series.seen, strict=True):
        cells = np.flatnonzero(seen)
        parts.append(
            (np.linalg.inv(full[np.ix_(cells, cells)]), problem.X[cells], z[cells], full[np.ix_(cells, cells)])
        )
    beta = np.linalg.solve(sum(X.T @ W @ X for W, X, _, _ in parts), sum(X.T @ W @ z for W, X, z, _ in parts))
    value = sum(np.linalg.slogdet(C)[1] + (z - X @ beta) @ W @ (z - X @ beta) for W, X, z, C in parts)
    return value + series.seen.sum() * np.log(2 * np.pi), beta


@pytest.mark.parametrize("stationary", [True, False])
def test_the_likelihood_is_that_of_dense_matrices(stationary):
    problem, series = make_problem(stationary)
    theta = make_theta(problem)
    value, beta = dense_deviance(problem, series, theta)
    found = evaluate(problem, theta)
    assert found.value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(found.beta, beta, rtol=1e-9)


@pytest.mark.parametrize("stationary", [True, False])
def test_the_gradient_is_exact(stationary):
    problem, _ = make_problem(stationary)
    theta = make_theta(problem)
    steps = 1e-5 * np.eye(len(theta))
    numeric = [(evaluate(problem, theta + u).value - evaluate(problem, theta - u).value) / 2e-5 for u in steps]
    np.testing.assert_allclose(evaluate(problem, theta).gradient, numeric, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("stationary", [True, False])
def test_scores_of_clients_add_up_to_the_gradient_and_those_of_beta_to_zero(stationary):
    problem, series = make_problem(stationary)
    theta = make_theta(problem)
    whole = evaluate(problem, theta)
    group = np.arange(series.n_clients) % 7
    by_theta, by_beta = client_scores(problem, theta, whole.beta, group)
    assert by_theta.shape == (7, problem.n_theta)
    np.testing.assert_allclose(by_theta.sum(axis=0), whole.gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(by_beta.sum(axis=0), 0, atol=1e-8)


def test_the_expected_information_is_the_mean_curvature_of_complete_data():
    problem, series = make_problem(n_clients=400, missing=0.0)
    theta = make_theta(problem)
    a, factors = unpack(theta, problem)
    S = factors[0] @ factors[0].T
    lags = lagged_covariances(a, occasion_covariances(a, S, stationary_covariance(a, S), problem.n_occasions))
    full = grid_covariance(lags) + problem.Z @ factors[1] @ factors[1].T @ problem.Z.T
    drawn = np.random.default_rng(1).normal(size=series.values.shape) @ np.linalg.cholesky(full).T
    problem = replace_values(problem, drawn)
    step = 1e-4 * np.eye(len(theta))
    observed = [(evaluate(problem, theta + u).gradient - evaluate(problem, theta - u).gradient) / 2e-4 for u in step]
    expected = expected_information(problem, theta)
    ratio = np.diagonal(np.array(observed)) / np.diagonal(expected)
    np.testing.assert_allclose(ratio, 1, atol=0.35)
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


def test_parameters_no_stationary_series_has_are_infinitely_unlikely():
    problem, _ = make_problem()
    theta = make_theta(problem)
    theta[0] = 1.2
    assert evaluate(problem, theta).value == np.inf


def test_stationary_covariances_do_not_change_from_session_to_session():
    S = np.array([[1.0, 0.2], [0.2, 0.5]])
    P = stationary_covariance(A, S)
    np.testing.assert_allclose(occasion_covariances(A, S, P, 5), np.tile(P, (5, 1, 1)), rtol=1e-12)
    assert np.linalg.eigvalsh(P)[0] > 0


def test_leaving_clients_out_of_a_problem_is_the_problem_of_the_others():
    problem, series = make_problem()
    theta = make_theta(problem)
    kept = np.arange(series.n_clients) % 3 == 0
    rest = build_problem(series.values[kept], series.seen[kept], problem.X, problem.Z, 2)
    assert evaluate(thin_problem(problem, 3), theta).value == pytest.approx(evaluate(rest, theta).value, rel=1e-12)


def test_clients_in_another_order_and_other_batches_have_the_same_likelihood():
    problem, series = make_problem()
    theta = make_theta(problem)
    order = np.random.default_rng(2).permutation(series.n_clients)
    other = build_problem(series.values[order], series.seen[order], problem.X, problem.Z, 2)
    assert evaluate(other, theta).value == pytest.approx(evaluate(problem, theta).value, rel=1e-12)
