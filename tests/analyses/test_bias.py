"""The size of each model's bias: simulated in the study's own scene, with its clients, sessions, gaps and feedback."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.bias import DETRENDED, MODELS, TRUE_SLOPES, fit_scene, set_slope, simulate_bias
from alliance_analysis.analyses.prospective import CLASSIC, FIRST_VALUES, LAGGED_OUTCOME, Timing, pair_sessions
from alliance_analysis.analyses.session_by_session import PANEL_VAR
from alliance_analysis.errors import ModelError
from alliance_analysis.study.simulate import SeriesParameters, StudyDesign, simulate_series, simulate_study

LAGGED = Timing(1, "lagged", "")
pytestmark = pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")


def simulated(parameters, n_clients, n_sessions, seed):
    symptoms, alliance = simulate_series(parameters, n_clients, n_sessions, np.random.default_rng(seed))
    client, session = (index.ravel() for index in np.indices(symptoms.shape))
    scores = {"symptoms": symptoms.ravel(), "alliance_client": alliance.ravel()}
    return pd.DataFrame({"client": client, "session": session + 1, **scores})


@pytest.fixture(scope="module")
def sessions():
    return simulate_study(3, StudyDesign(n_clients=80, n_therapists=12, n_sessions=10)).sessions.astype(
        {"symptoms": float}
    )


@pytest.fixture(scope="module")
def data(sessions):
    return pair_sessions(sessions, LAGGED)


@pytest.mark.parametrize(
    "truth",
    [
        SeriesParameters(),
        SeriesParameters(autoregression_symptoms=0.7, autoregression_alliance=0.6),
        SeriesParameters(trend_symptoms=-0.9, trend_alliance=0.3, trend_sd_symptoms=0.5, trend_sd_alliance=0.3),
    ],
    ids=["no trends", "strong autoregression", "random trends"],
)
def test_the_scene_of_the_simulation_is_the_studys_own(truth):
    scene = fit_scene(pair_sessions(simulated(truth, 400, 12, 1), LAGGED), LAGGED)
    p = scene.fit.parameters
    # the generator's SDs of the deviations are 1; its alliance follows the same session's symptoms
    assert p.transition[1, 0] == pytest.approx(truth.prospective, abs=0.06)
    assert p.transition[1, 1] == pytest.approx(truth.autoregression_symptoms, abs=0.07)
    assert p.transition[0, 1] == pytest.approx(truth.feedback * truth.autoregression_symptoms, abs=0.06)
    assert p.innovation[0, 1] / p.innovation[1, 1] == pytest.approx(truth.feedback, abs=0.06)
    assert p.course[3] == pytest.approx(truth.trend_symptoms, abs=0.12)
    assert np.sqrt(p.client[3, 3]) == pytest.approx(truth.trend_sd_symptoms, abs=0.15)


def test_only_the_slope_changes_and_it_is_in_sds_of_the_deviations(data):
    p = fit_scene(data, LAGGED).fit.parameters
    for slope in TRUE_SLOPES:
        changed = set_slope(p, slope)
        sd = np.sqrt(np.diagonal(changed.deviation_covariance(1)))
        assert changed.transition[1, 0] * sd[0] / sd[1] == pytest.approx(slope, abs=1e-10)
        others = [(0, 0), (0, 1), (1, 1)]
        assert [changed.transition[at] for at in others] == [p.transition[at] for at in others]
        np.testing.assert_array_equal(changed.innovation, p.innovation)
        np.testing.assert_array_equal(changed.client, p.client)


def test_a_slope_no_stationary_series_has_is_refused(data):
    with pytest.raises(ModelError, match=r"a slope of -5.0 fits no stationary series"):
        set_slope(fit_scene(data, LAGGED).fit.parameters, -5.0)


def test_a_study_too_short_gives_a_reason_and_no_table(data):
    bias = simulate_bias(data[data["session"] <= 2], LAGGED, n_simulations=2)
    assert bias.table.empty
    assert bias.parameters is None
    assert "clients have fewer than 3 sessions" in bias.reason


def test_a_client_with_two_therapists_is_two_series(sessions):
    second = sessions["session"] > 5
    moved = sessions.assign(
        therapist=sessions["therapist"].where(~second, "t99"),
        session=sessions["session"].where(~second, sessions["session"] - 5),
    )
    assert simulate_bias(pair_sessions(moved, LAGGED), LAGGED, n_simulations=2).table["n_simulations"].min() >= 1


def test_bias_is_reproducible_whatever_else_was_drawn(data):
    first = simulate_bias(data, LAGGED, n_simulations=2, seed=5)
    np.random.default_rng(1).normal(size=100)
    second = simulate_bias(data, LAGGED, n_simulations=2, seed=5)
    pd.testing.assert_frame_equal(first.table, second.table)
    assert list(first.table["model"].unique()) == list(MODELS)


def test_only_the_models_asked_for_are_fitted_and_progress_is_told(data):
    seen = []
    names = [CLASSIC, DETRENDED]
    bias = simulate_bias(
        data, LAGGED, n_simulations=2, models=names, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert list(bias.table["model"].unique()) == names
    panel = simulate_bias(data, LAGGED, n_simulations=2, models=[PANEL_VAR]).table
    assert panel["model"].tolist() == [PANEL_VAR, PANEL_VAR]


def test_an_alliance_rated_before_the_session_keeps_its_timing(sessions):
    timing = Timing(0, "lagged", "")
    bias = simulate_bias(pair_sessions(sessions, timing), timing, n_simulations=3, models=[CLASSIC, PANEL_VAR])
    panel = bias.table[bias.table["model"] == PANEL_VAR].set_index("true_slope")
    assert panel.loc[0.0, "mean_estimate"] > panel.loc[-0.2, "mean_estimate"] + 0.1


def test_wrong_requests_are_refused(data):
    with pytest.raises(ModelError) as caught:
        simulate_bias(data, LAGGED, n_simulations=1)
    assert str(caught.value) == "simulate_bias: n_simulations must be 2 or more, got 1."
    with pytest.raises(ModelError, match=r"simulate_bias: models must be some of centred alliance, .*, got ols"):
        simulate_bias(data, LAGGED, models=["ols"])


@pytest.mark.slow
def test_sizes_of_the_bias_are_those_known_and_the_panel_var_has_none():
    """METHODS 0.1: N = 150, T = 8, no trends, feedback -.2; the rows of the literature and the panel VAR's."""
    data = pair_sessions(simulated(SeriesParameters(), 150, 8, 1), LAGGED)
    table = simulate_bias(data, LAGGED, "none", n_simulations=40).table.set_index(["model", "true_slope"])
    assert table.loc[(PANEL_VAR, -0.2), "bias"] == pytest.approx(
        0, abs=0.02 + 3 * table.loc[(PANEL_VAR, -0.2), "mc_error"]
    )
    assert table.loc[(LAGGED_OUTCOME, -0.2), "mean_estimate"] == pytest.approx(-0.10, abs=0.05)
    assert table.loc[(FIRST_VALUES, -0.2), "mean_estimate"] == pytest.approx(-0.16, abs=0.04)
    assert table.loc[(LAGGED_OUTCOME, 0.0), "rejected_share"] > 0.5
    assert table.loc[(PANEL_VAR, 0.0), "rejected_share"] < 0.2
    assert table.loc[(DETRENDED, -0.2), "bias"] > 0.1  # what taking each client's line out costs at 8 sessions
