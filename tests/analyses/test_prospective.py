"""Session by session: timing, pairing, time shapes, and the size of each model's bias."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.bias import estimate_series, simulate_bias
from alliance_analysis.analyses.prospective import (
    CLASSIC,
    FIRST_VALUES,
    LAGGED_OUTCOME,
    PREDICTIVE,
    SAME_SESSION,
    Timing,
    best_shape,
    choose_timing,
    compare_models_by_shape,
    compare_rows,
    compare_time_shapes,
    fit_literature_models,
    literature_formulas,
    pair_sessions,
    usual_gap_days,
)
from alliance_analysis.errors import ModelError
from alliance_analysis.prepare import within_sd
from alliance_analysis.study.simulate import SeriesParameters, StudyDesign, simulate_series, simulate_study

LAGGED = Timing(1, "lagged", "")


@pytest.fixture(scope="module")
def sessions():
    return simulate_study(3, StudyDesign(n_clients=80, n_therapists=12, n_sessions=10)).sessions.astype(
        {"symptoms": float}
    )


@pytest.fixture(scope="module")
def data(sessions):
    return pair_sessions(sessions, LAGGED)


@pytest.mark.parametrize(
    ("alliance", "symptoms", "recall", "gap", "lag", "word"),
    [
        ("after", "before", 7, 7.0, 1, "prospective"),
        ("after", "before", 14, 7.0, 1, "lagged"),
        ("after", "after", 7, 7.0, 1, "prospective"),
        ("before", "before", 7, 14.0, 1, "prospective"),
        ("before", "after", 7, 7.0, 0, "lagged"),
        ("after", "before", None, 7.0, 1, "lagged"),
        ("after", "before", 7, None, 1, "lagged"),
    ],
)
def test_the_lag_follows_from_when_forms_are_filled_in(alliance, symptoms, recall, gap, lag, word):
    timing = choose_timing(alliance, symptoms, recall, gap)
    assert (timing.lag, timing.word) == (lag, word)


def test_prospective_is_not_said_where_the_questionnaire_looks_back_too_far():
    assert choose_timing("after", "before", 14, 7.0).paragraph == (
        "Symptoms are paired with the alliance rating of the session before. This is called lagged: the symptom "
        "questionnaire looks back 14 days, behind the alliance rating it is paired with."
    )


def test_usual_gap_counts_only_consecutive_sessions():
    frame = pd.DataFrame(
        {
            "client": ["a"] * 4,
            "session": [1, 2, 3, 7],
            "date": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15", "2024-04-01"]),
        }
    )
    assert usual_gap_days(frame) == 7
    assert usual_gap_days(frame.drop(columns="date")) is None


def test_pairing_uses_the_session_before_and_leaves_intake_out(sessions):
    intake = sessions.head(1).assign(session=0)
    data = pair_sessions(pd.concat([intake, sessions]), LAGGED)
    assert data["session"].min() == 1
    one = data[data["client"] == data["client"].iloc[0]].set_index("session")
    for session in one.index[1:]:
        expected = one["alliance_client"].get(session - 1, np.nan)
        np.testing.assert_equal(one.loc[session, "alliance_client_lag1"], expected)


def test_alliance_before_and_symptoms_after_are_paired_within_the_session(sessions):
    timing = choose_timing("before", "after", 1, 7.0)
    formula = literature_formulas(timing, "linear")[FIRST_VALUES]
    assert formula == (
        "symptoms ~ time + symptoms_lag1 + alliance_client + symptoms_first + alliance_client_first + (1 | client)"
    )


def test_an_unknown_time_shape_is_refused():
    with pytest.raises(ModelError) as caught:
        literature_formulas(LAGGED, "cubic")
    assert str(caught.value) == "time shape must be one of linear, log, quadratic, factor, none, got 'cubic'."


def test_the_time_shape_is_chosen_on_symptoms_alone(data):
    shapes = compare_time_shapes(data)
    assert best_shape(shapes) == "log"  # the generator's course is log-shaped
    without_alliance = compare_time_shapes(data.drop(columns=data.filter(like="alliance").columns))
    pd.testing.assert_frame_equal(shapes, without_alliance)


def test_rows_of_each_model_are_counted_and_standardised_on_its_own_rows(data):
    fits = fit_literature_models(data, LAGGED)
    table = fits.tidy().set_index("model")
    used = data.dropna(subset=["symptoms", "symptoms_lag1", "alliance_client_lag1", "symptoms_first"])
    ratio = within_sd(used, "alliance_client_lag1") / within_sd(used, "symptoms")
    assert table.loc[FIRST_VALUES, "n_sessions"] == len(used)
    assert table.loc[FIRST_VALUES, "standardised"] == pytest.approx(table.loc[FIRST_VALUES, "estimate"] * ratio)
    assert table.loc[SAME_SESSION, "n_sessions"] > table.loc[FIRST_VALUES, "n_sessions"]


def test_labels_give_the_level_of_each_term(data):
    fits = fit_literature_models(data, LAGGED)
    labels = fits.labels(CLASSIC)
    assert labels["levels"] == {"alliance_client_within_lag1": "within", "alliance_client_between": "between"}
    assert labels["standardised"]["alliance_client_within_lag1"] == pytest.approx(
        fits.tidy().set_index("model").loc[CLASSIC, "standardised"]
    )


def test_no_time_term_makes_two_changing_series_look_related(data):
    table = compare_models_by_shape(data, LAGGED).set_index(["model", "time_shape"])["standardised"]
    assert table[CLASSIC, "none"] < table[CLASSIC, "log"] - 0.05


def test_rows_lost_are_counted_step_by_step(data):
    rows = compare_rows(data, LAGGED)
    assert rows["sessions"].is_monotonic_decreasing
    assert rows["lost_sessions"].sum() == rows["sessions"].iloc[0] - rows["sessions"].iloc[-1]


def test_estimated_parameters_come_near_the_truth_they_were_simulated_from():
    truth = SeriesParameters(trend_symptoms=-0.8, trend_alliance=0.2, stable_sd_symptoms=1.5)
    symptoms, alliance = simulate_series(truth, 400, 15, np.random.default_rng(5))
    client, session = np.indices(symptoms.shape)
    frame = pd.DataFrame(
        {
            "client": client.ravel(),
            "session": session.ravel() + 1,
            "symptoms": symptoms.ravel(),
            "alliance_client": alliance.ravel(),
        }
    )
    found = estimate_series(pair_sessions(frame, LAGGED), LAGGED)
    assert found.feedback == pytest.approx(truth.feedback, abs=0.06)
    assert found.autoregression_symptoms == pytest.approx(truth.autoregression_symptoms, abs=0.10)
    assert found.stable_sd_symptoms == pytest.approx(
        truth.stable_sd_symptoms, abs=0.3
    )  # takes some autocorrelation for stable
    assert found.trend_symptoms == pytest.approx(truth.trend_symptoms, abs=0.15)


def test_bias_is_reproducible_whatever_else_was_drawn(data):
    first = simulate_bias(data, LAGGED, n_simulations=2, seed=5)
    np.random.default_rng(1).normal(size=100)
    second = simulate_bias(data, LAGGED, n_simulations=2, seed=5)
    pd.testing.assert_frame_equal(first.table, second.table)
    assert list(first.table["model"].unique()) == list(PREDICTIVE)


def test_simulated_studies_have_this_studys_gaps_and_missing_ratings(data):
    seen = []
    simulate_bias(data, LAGGED, n_simulations=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_too_few_simulations_are_refused(data):
    with pytest.raises(ModelError) as caught:
        simulate_bias(data, LAGGED, n_simulations=1)
    assert str(caught.value) == "simulate_bias: n_simulations must be 2 or more, got 1."


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_the_published_size_of_the_bias_is_found_again():
    """METHODS 0.1: N = 150, T = 5, true slope -.20: centred alliance with earlier symptoms gives about -.04."""
    truth = SeriesParameters()
    estimates = []
    for seed in range(60):
        symptoms, alliance = simulate_series(truth, 150, 5, np.random.default_rng(seed))
        client, session = np.indices(symptoms.shape)
        frame = pd.DataFrame(
            {
                "client": client.ravel(),
                "session": session.ravel() + 1,
                "symptoms": symptoms.ravel(),
                "alliance_client": alliance.ravel(),
            }
        )
        fits = fit_literature_models(
            pair_sessions(frame, LAGGED), LAGGED, "none", df="normal", names=(LAGGED_OUTCOME, FIRST_VALUES)
        )
        estimates.append(fits.tidy()["estimate"].to_numpy())
    centred, first_values = np.mean(estimates, axis=0)
    assert centred == pytest.approx(-0.04, abs=0.03)
    assert first_values == pytest.approx(-0.16, abs=0.03)
