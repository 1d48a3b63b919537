"""Session by session: timing, pairing, time shapes, and the mixed models of the literature."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.prospective import (
    CLASSIC,
    FIRST_VALUES,
    LAGGED_OUTCOME,
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
    short_gap_days,
)
from alliance_analysis.errors import ModelError
from alliance_analysis.prepare import within_sd
from alliance_analysis.study.simulate import SeriesParameters, StudyDesign, simulate_series, simulate_study

LAGGED = Timing(1, "lagged", "")
# with earlier symptoms in the model the client variance is often estimated at zero: part of what is shown
pytestmark = pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")


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
        "questionnaire looks back 14 days, for some pairs behind the alliance rating they are paired with."
    )


def test_the_short_gap_counts_only_consecutive_sessions():
    frame = pd.DataFrame(
        {
            "client": ["a"] * 4,
            "session": [1, 2, 3, 7],
            "date": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15", "2024-04-01"]),
        }
    )
    assert short_gap_days(frame) == 7
    assert short_gap_days(frame.drop(columns="date")) is None
    assert short_gap_days(frame.assign(date=pd.NaT)) is None


def test_pairs_that_lie_closer_than_the_questionnaire_looks_back_are_not_called_prospective():
    days = np.cumsum([0, 7, 7, 5, 7, 5, 7, 7])
    frame = pd.DataFrame({"client": "a", "session": np.arange(1, 9), "date": pd.Timestamp("2024-01-01")})
    frame["date"] += pd.to_timedelta(days, unit="D")
    assert choose_timing("after", "before", 7, short_gap_days(frame)).word == "lagged"
    assert choose_timing("after", "before", 14, float("nan")).word == "lagged"


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


def test_follow_up_occasions_are_no_sessions(sessions):
    later = sessions.head(20).assign(session=90, phase="follow_up", symptoms=0.0).drop_duplicates("client")
    both = pd.concat([sessions.assign(phase="treatment"), later])
    pd.testing.assert_frame_equal(pair_sessions(both, LAGGED).drop(columns="phase"), pair_sessions(sessions, LAGGED))


def test_a_model_that_the_data_cannot_carry_is_refused_and_the_others_stand(data):
    frame = data.assign(symptoms_first=20.0)
    fits = fit_literature_models(frame, LAGGED)
    row = fits.tidy().set_index("model").loc[FIRST_VALUES]
    assert row["note"].startswith("symptoms_first")
    assert row[["estimate", "std_error", "standardised"]].isna().all()
    assert fits.tidy()["estimate"].notna().sum() == 3
    assert fits.fits[FIRST_VALUES].converged is False


def test_alliance_before_and_symptoms_after_makes_the_same_session_the_classic_model(sessions):
    timing = choose_timing("before", "after", 1, 7.0)
    fits = fit_literature_models(pair_sessions(sessions, timing), timing)
    notes = fits.tidy().set_index("model")["note"]
    assert notes[CLASSIC] == ""
    assert "this pairing is the model 'centred alliance'" in notes[SAME_SESSION]


def test_three_sessions_offer_no_curve(sessions):
    shapes = compare_time_shapes(pair_sessions(sessions[sessions["session"] <= 4], LAGGED))
    assert "quadratic" not in set(shapes["shape"])


def test_labels_give_the_level_of_each_term(data):
    fits = fit_literature_models(data, LAGGED)
    labels = fits.labels(CLASSIC)
    assert labels["levels"] == {"alliance_client_within_lag1": "within", "alliance_client_between": "between"}
    assert labels["standardised"]["alliance_client_within_lag1"] == pytest.approx(
        fits.tidy().set_index("model").loc[CLASSIC, "standardised"]
    )


def simulated(parameters, n_clients, n_sessions, seed):
    symptoms, alliance = simulate_series(parameters, n_clients, n_sessions, np.random.default_rng(seed))
    client, session = (index.ravel() for index in np.indices(symptoms.shape))
    scores = {"symptoms": symptoms.ravel(), "alliance_client": alliance.ravel()}
    return pd.DataFrame({"client": client, "session": session + 1, **scores})


def test_no_time_term_makes_two_changing_series_look_related():
    unrelated = SeriesParameters(prospective=0, feedback=0, trend_symptoms=-0.9, trend_alliance=0.9)
    table = compare_models_by_shape(pair_sessions(simulated(unrelated, 100, 10, 1), LAGGED), LAGGED)
    slopes = table.set_index(["model", "time_shape"])["standardised"]
    assert abs(slopes[CLASSIC, "log"]) < 0.08
    assert slopes[CLASSIC, "none"] < -0.20


def test_rows_lost_are_counted_step_by_step(data):
    rows = compare_rows(data, LAGGED)
    assert rows["sessions"].is_monotonic_decreasing
    assert rows["lost_sessions"].sum() == rows["sessions"].iloc[0] - rows["sessions"].iloc[-1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::alliance_analysis.errors.FitWarning")
def test_the_published_size_of_the_bias_is_found_again():
    """METHODS 0.1: N = 150, T = 5, true slope -.20: centred alliance with earlier symptoms gives about -.04."""
    truth = SeriesParameters()
    estimates = []
    for seed in range(60):
        frame = simulated(truth, 150, 5, seed)
        fits = fit_literature_models(
            pair_sessions(frame, LAGGED), LAGGED, "none", df="normal", names=(LAGGED_OUTCOME, FIRST_VALUES)
        )
        estimates.append(fits.tidy()["estimate"].to_numpy())
    centred, first_values = np.mean(estimates, axis=0)
    assert centred == pytest.approx(-0.04, abs=0.03)
    assert first_values == pytest.approx(-0.16, abs=0.03)
