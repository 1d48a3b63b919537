"""Reading the ratings of a panel: gaps and missing ratings kept, and messages for what cannot be used."""

import numpy as np
import pandas as pd
import pytest
from panel_study import COLUMNS, simulate_panel_frame

from alliance_analysis.errors import ModelError
from alliance_analysis.panel.course import build_course
from alliance_analysis.panel.series import read_series


@pytest.fixture
def frame():
    return simulate_panel_frame(n_clients=20, n_sessions=6)


def test_every_rating_stands_in_its_clients_session(frame):
    series = read_series(frame, COLUMNS)
    assert series.seen.sum() == frame[COLUMNS].notna().sum().sum()
    for i, row in frame.iterrows():
        for k, name in enumerate(COLUMNS):
            cell = series.cells[i, k]
            assert (cell >= 0) == (row[name] == row[name])
            if cell >= 0:
                assert series.values[series.client[i], cell] == row[name]
                assert series.own_session()[cell // 2, k] == row["session"]


def test_a_session_without_any_rating_and_a_client_without_ratings_are_left_out(frame):
    more = pd.DataFrame({"client": [500, 501], "session": [1, 2], "symptoms": np.nan, "alliance_client": np.nan})
    series = read_series(pd.concat([frame, more], ignore_index=True), COLUMNS)
    assert series.n_clients == 20
    assert series.client[-2:].tolist() == [-1, -1]


def test_a_series_rated_before_the_session_moves_one_back_and_keeps_its_own_course(frame):
    series = read_series(frame, COLUMNS, shift={"alliance_client": -1})
    assert series.first == 0
    np.testing.assert_array_equal(series.own_session()[0], [1, 0])
    course = build_course(series, "log", ("intercept", "time"))
    assert course.X.shape == (2 * series.n_occasions, 4)


def test_the_pooled_within_client_sd_is_the_one_of_prepare(frame):
    from alliance_analysis.prepare import within_sd

    np.testing.assert_allclose(read_series(frame, COLUMNS).within_sd(), [within_sd(frame, name) for name in COLUMNS])


def test_a_dyad_is_the_unit_where_there_are_therapists(frame):
    frame = frame.assign(therapist=np.where(frame["session"] > 3, "t1", "t2"))
    series = read_series(frame, COLUMNS, by=None)
    assert series.n_clients > 20
    assert series.n_persons == 20
    assert read_series(frame, COLUMNS, by="client").n_clients == 20


def message(frame, columns=COLUMNS, **options):
    with pytest.raises(ModelError) as caught:
        read_series(frame, columns, **options)
    return str(caught.value)


def test_unknown_columns_name_the_nearest(frame):
    assert message(frame, ["alliance_clients", "symptoms"]) == (
        "fit_panel_var: no column 'alliance_clients' in the data; did you mean alliance_client?"
    )
    assert message(frame, cluster="zzz").startswith(
        "fit_panel_var: no column 'zzz' in the data; it has client, session"
    )


def test_one_series_or_the_same_twice_is_refused(frame):
    assert message(frame, ["symptoms"]).startswith("fit_panel_var: columns must name two or more different series")
    assert message(frame, ["symptoms", "symptoms"]).startswith("fit_panel_var: columns must name two or more different")


def test_repeated_sessions_are_counted(frame):
    assert message(pd.concat([frame, frame.head(3)])) == (
        "fit_panel_var: 3 rows repeat (client, session); a series has one rating per session. Keep one row per session."
    )


def test_infinite_and_worded_ratings_are_refused(frame):
    assert message(frame.assign(symptoms=np.inf)) == (
        "fit_panel_var: symptoms: holds infinite values; ratings are finite. Set them to missing."
    )
    assert message(frame.assign(symptoms="low")).startswith("fit_panel_var: symptoms: must hold numbers, got")


def test_missing_ids_and_fractional_sessions_are_refused(frame):
    lost = frame.assign(therapist=np.where(frame["session"] == 1, None, "t1"))
    assert message(lost).startswith("fit_panel_var: therapist: ")
    assert message(frame.assign(session=frame["session"] + 0.5)).startswith("fit_panel_var: session must hold whole")


def test_a_session_number_that_is_no_session_number_is_refused(frame):
    typo = frame.assign(session=frame["session"].where(frame.index != 5, 20240105))
    assert message(typo) == (
        "fit_panel_var: session runs from 1 to 20240105; a panel VAR spans at most 400 sessions. "
        "Check session for dates and typing errors."
    )


def test_constant_ratings_are_refused(frame):
    usual = frame.groupby("client")["symptoms"].transform("mean")
    for constant in (3.0, usual):
        assert message(frame.assign(symptoms=constant)) == (
            "fit_panel_var: symptoms does not vary within clients; a within-client model needs ratings that change. "
            "Check the column for constant scores."
        )


def test_two_names_for_one_series_are_refused(frame):
    twin = frame.assign(twin=5 - 2 * frame["symptoms"])
    assert message(twin, ["symptoms", "twin"]) == (
        "fit_panel_var: symptoms and twin are one series within clients (r = -1.0000); series of a panel VAR must "
        "differ. Leave one out."
    )
    level = frame.assign(twin=frame["symptoms"] + 100 * frame["client"])
    assert "are one series within clients (r = 1.0000)" in message(level, ["symptoms", "twin"])


def test_too_few_clients_or_sessions_are_refused(frame):
    assert message(frame[frame["client"] < 7]) == (
        "fit_panel_var: 7 clients; 10 or more are needed. Leave this model out."
    )
    assert "clients have fewer than 3 sessions" in message(frame[frame["session"] < 3])
    assert message(frame.assign(symptoms=np.nan, alliance_client=np.nan)).startswith(
        "fit_panel_var: alliance_client, symptoms hold no rating"
    )


def test_a_client_with_two_therapists_cannot_be_one_cluster(frame):
    moved = frame.assign(therapist=np.where((frame["client"] == 3) & (frame["session"] > 3), "t2", "t1"))
    assert message(moved, by="client", cluster="therapist").startswith(
        "fit_panel_var: 1 clients have more than one therapist;"
    )


def course_message(frame, shape, random=("intercept", "time")):
    with pytest.raises(ModelError) as caught:
        build_course(read_series(frame, COLUMNS), shape, random)
    return str(caught.value)


def test_unknown_shapes_and_random_parts_are_refused(frame):
    assert course_message(frame, "cubic") == (
        "fit_panel_var: time_shape must be one of linear, log, quadratic, factor, none, got 'cubic'."
    )
    assert course_message(frame, "log", ("time",)).startswith('fit_panel_var: random must be ("intercept",) or')


def test_a_log_shaped_course_starts_at_session_one(frame):
    assert course_message(frame.assign(session=frame["session"] - 1), "log") == (
        "fit_panel_var: session 0 has no log(session); a log-shaped course starts at session 1. "
        'Leave earlier sessions out or use time_shape="linear".'
    )


def test_columns_of_the_course_are_orthonormal_over_what_was_rated_and_turn_back(frame):
    series = read_series(frame, COLUMNS)
    course = build_course(series, "quadratic", ("intercept", "time"))
    weights = series.seen.sum(axis=0)[:, None] / np.repeat(series.seen.reshape(20, -1, 2).sum(axis=(0, 1)), 3)
    np.testing.assert_allclose(course.X.T @ (weights * course.X), np.eye(6), atol=1e-10)
    raw = course.X @ np.linalg.inv(course.to_terms)
    np.testing.assert_allclose(raw[::2, :3], np.column_stack([np.arange(6) ** k for k in range(3)]), atol=1e-9)


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        ({"typo": -1}, "fit_panel_var: shift names 'typo', which is no series; they are alliance_client, symptoms."),
        ({"symptoms": 0.5}, "fit_panel_var: shift of symptoms must be a whole number of sessions, got 0.5."),
    ],
)
def test_a_shift_that_names_no_series_or_no_whole_number_is_refused(shift, message):
    frame = pd.DataFrame({"client": [1, 1], "session": [1, 2], "alliance_client": [1.0, 2.0], "symptoms": [3.0, 1.0]})
    with pytest.raises(ModelError) as caught:
        read_series(frame, ["alliance_client", "symptoms"], None, None, shift)
    assert str(caught.value) == message
