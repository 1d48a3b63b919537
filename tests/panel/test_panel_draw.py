"""Simulating from a fit: the study's own sessions and gaps, and moments that are the parameters'."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from panel_study import COLUMNS, simulate_panel_frame

from alliance_analysis.panel.draw import draw_ratings, simulate_panel
from alliance_analysis.panel.fit import fit_panel_var

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*covariance is estimated at the boundary:alliance_analysis.errors.FitWarning"
)


@pytest.fixture(scope="module")
def frame():
    return simulate_panel_frame(n_clients=400, n_sessions=6).assign(therapist=lambda f: f["client"] % 30)


@pytest.fixture(scope="module")
def fit(frame):
    return fit_panel_var(frame, COLUMNS, by="client", cluster="therapist")


def test_gaps_missing_ratings_and_therapists_are_the_studys_own(frame, fit):
    drawn = simulate_panel(fit, np.random.default_rng(1))
    known = frame.dropna(subset=COLUMNS, how="all").reset_index(drop=True)
    assert list(drawn) == ["client", "therapist", "session", *COLUMNS]
    pd.testing.assert_series_equal(drawn["session"], known["session"])
    pd.testing.assert_frame_equal(drawn[COLUMNS].isna(), known[COLUMNS].isna())
    same = pd.Series(pd.factorize(known["client"])[0])
    assert (drawn["client"] == same).all()


def test_a_seed_gives_the_same_study(fit):
    first, second, other = (simulate_panel(fit, np.random.default_rng(seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_drawn_ratings_have_the_means_and_covariances_of_the_parameters(fit):
    rng = np.random.default_rng(1)
    complete = replace(
        fit.series,
        client=np.arange(400),
        cells=np.tile(np.arange(2) + 8, (400, 1)),  # both series at the fifth session
    )
    drawn = np.concatenate([draw_ratings(complete, fit.course, fit.parameters, rng) for _ in range(60)])
    at = np.array([8, 9])
    Z = (fit.course.Z @ np.linalg.inv(fit.course.to_random))[at]
    wanted = fit.parameters.deviation_covariance(6) + Z @ fit.parameters.client @ Z.T
    np.testing.assert_allclose(np.cov(drawn.T), wanted, rtol=0.05, atol=0.02)
    mean = (fit.course.X @ np.linalg.solve(fit.course.to_terms, fit.parameters.course))[at]
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.05)


def test_another_truth_is_found_again(frame, fit):
    changed = fit.parameters.transition.copy()
    changed[1, 0] = -0.5
    truth = replace(fit.parameters, transition=changed)
    found = [
        fit_panel_var(simulate_panel(fit, np.random.default_rng(seed), truth), COLUMNS, by="client").tidy().loc[2]
        for seed in range(6)
    ]
    estimates = np.array([row["estimate"] for row in found])
    assert estimates.mean() == pytest.approx(-0.5, abs=3 * found[0]["std_error"] / np.sqrt(6))
