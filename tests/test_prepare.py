"""Prepared columns: definitions, exact lags, invariances, and refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_analysis.errors import DataError
from alliance_analysis.prepare import (
    add_detrended,
    add_first,
    add_lag,
    add_time,
    add_within_between,
    grand_mean,
    stack_raters,
    within_sd,
)


@pytest.fixture
def sessions():
    rng = np.random.default_rng(3)
    client = np.repeat([f"c{k}" for k in range(12)], 6)
    frame = pd.DataFrame(
        {
            "client": client,
            "therapist": np.repeat([f"t{k // 4}" for k in range(12)], 6),
            "session": np.tile(np.arange(1, 7), 12),
            "x": rng.normal(size=72),
            "y": rng.normal(size=72),
        }
    )
    frame.loc[rng.random(72) < 0.15, "x"] = np.nan
    return frame.drop(index=[3, 20, 21]).reset_index(drop=True)


def test_within_part_has_mean_zero_in_every_client(sessions):
    split = add_within_between(sessions, "x")
    assert split.groupby("client")["x_within"].mean().abs().max() < 1e-12


def test_parts_and_grand_mean_give_the_raw_column_back_at_two_and_three_levels(sessions):
    two = add_within_between(sessions, "x")
    levels = ("client", "therapist")
    three = add_within_between(sessions, "x", levels)
    parts = three[["x_within", "x_between_client", "x_between_therapist"]].sum(axis=1, skipna=False)
    np.testing.assert_allclose(two["x_within"] + two["x_between"] + grand_mean(sessions, "x"), sessions["x"])
    np.testing.assert_allclose(parts + grand_mean(sessions, "x", levels), sessions["x"])


def test_between_parts_are_means_of_means_not_of_rows(sessions):
    three = add_within_between(sessions, "x", ("client", "therapist"))
    one_per_client = three.groupby("client").first()
    assert one_per_client.groupby("therapist")["x_between_client"].mean().abs().max() < 1e-12
    assert abs(one_per_client.groupby("therapist")["x_between_therapist"].first().mean()) < 1e-12


def test_rows_restrict_what_the_means_are_computed_on(sessions):
    early = sessions["session"] <= 3
    split = add_within_between(sessions, "x", rows=early)
    kept = split[early]
    assert kept.groupby("client")["x_within"].mean().abs().max() < 1e-12


def test_a_client_with_two_therapists_is_two_dyads():
    frame = pd.DataFrame(
        {"client": ["a"] * 4, "therapist": ["t1", "t1", "t2", "t2"], "session": [1, 2, 1, 2], "x": [1.0, 3, 5, 9]}
    )
    assert add_within_between(frame, "x")["x_within"].tolist() == [-1, 1, -2, 2]
    assert add_lag(frame, ["x"])["x_lag1"].dropna().tolist() == [1, 5]
    assert add_first(frame, ["x"])["x_first"].tolist() == [1, 1, 5, 5]


def test_a_lag_over_a_missed_session_is_missing():
    frame = pd.DataFrame({"client": ["a"] * 4, "session": [1, 2, 4, 5], "x": [10, 20, 40, 50]})
    np.testing.assert_array_equal(add_lag(frame, ["x"])["x_lag1"], [np.nan, 10, np.nan, 40])
    np.testing.assert_array_equal(add_lag(frame, ["x"], steps=2)["x_lag2"], [np.nan, np.nan, 20, np.nan])


def test_a_lag_over_too_many_days_is_missing():
    frame = pd.DataFrame(
        {
            "client": ["a"] * 3,
            "session": [1, 2, 3],
            "date": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-03-01"]),
            "x": [1.0, 2.0, 3.0],
        }
    )
    np.testing.assert_array_equal(add_lag(frame, ["x"], max_gap_days=28)["x_lag1"], [np.nan, 1.0, np.nan])


def test_a_gap_that_is_unknown_or_backwards_is_not_within_the_limit():
    frame = pd.DataFrame(
        {
            "client": ["a"] * 4,
            "session": [1, 2, 3, 4],
            "date": pd.to_datetime(["2024-01-01", None, "2024-06-01", "2024-01-05"]),
            "x": [1.0, 2.0, 3.0, 4.0],
        }
    )
    assert add_lag(frame, ["x"], max_gap_days=28)["x_lag1"].isna().all()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.permutations(list(range(12))))
def test_row_order_changes_no_prepared_value(order):
    frame = pd.DataFrame(
        {
            "client": np.repeat(["a", "b", "c"], 4),
            "session": np.tile([1, 2, 4, 5], 3),
            "x": np.arange(12.0) ** 2,
        }
    )

    def prepare(data):
        data = add_detrended(add_first(add_lag(add_within_between(add_time(data), "x"), ["x"]), ["x"]), ["x"])
        return data.sort_values(["client", "session"]).reset_index(drop=True)

    pd.testing.assert_frame_equal(prepare(frame), prepare(frame.iloc[order]), check_exact=False, rtol=1e-12)


def test_the_input_is_never_changed(sessions):
    before = sessions.copy(deep=True)
    add_detrended(add_first(add_lag(add_within_between(add_time(sessions), "x"), ["x"]), ["x"]), ["x"])
    pd.testing.assert_frame_equal(sessions, before)


def test_detrended_is_the_residual_of_a_straight_line_and_missing_below_three_values():
    frame = add_time(pd.DataFrame({"client": list("aaaabb"), "session": [1, 2, 3, 5, 1, 2], "x": [1.0, 4, 2, 8, 1, 2]}))
    line = np.polynomial.Polynomial.fit([0, 1, 2, 4], [1, 4, 2, 8], 1)
    expected = [*(np.array([1.0, 4, 2, 8]) - line(np.array([0, 1, 2, 4]))), np.nan, np.nan]
    np.testing.assert_allclose(add_detrended(frame, ["x"])["x_detrended"], expected, atol=1e-12)


def test_log_time_is_missing_at_intake():
    np.testing.assert_array_equal(add_time(pd.DataFrame({"session": [0, 1]}))["log_time"], [np.nan, 0.0])


def test_within_sd_pools_over_clients_with_their_degrees_of_freedom():
    frame = pd.DataFrame({"client": list("aab"), "x": [1.0, 3.0, 7.0]})
    assert within_sd(frame, "x") == pytest.approx(np.sqrt(2))
    assert np.isnan(within_sd(frame.iloc[[0, 2]], "x"))


def test_stacking_repeats_everything_else():
    frame = pd.DataFrame(
        {"client": ["a", "b"], "alliance_client": [4.0, 5.0], "alliance_therapist": [3.0, np.nan], "z": [1, 2]}
    )
    stacked = stack_raters(frame)
    assert stacked["rater"].tolist() == ["client", "client", "therapist", "therapist"]
    assert stacked["z"].tolist() == [1, 2, 1, 2]
    np.testing.assert_array_equal(stacked["rating_other"], [3.0, np.nan, 4.0, 5.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda f: add_within_between(f, "q"),
            "no column 'q' in the data; it has client, therapist, session, x, y.",
        ),
        (
            lambda f: add_within_between(f, "x", ("therapist",)),
            "levels must be ('client',) or ('client', 'therapist'), got ('therapist',).",
        ),
        (
            lambda f: add_within_between(f, "client"),
            "client: must hold numbers, got str. Validate the file with `alliance check`.",
        ),
        (
            lambda f: add_lag(f, ["x"], steps=0),
            "add_lag: steps must be 1 or more, got 0. Use steps=1 for the session before.",
        ),
        (
            lambda f: add_lag(pd.concat([f, f.head(2)]), ["x"]),
            "add_lag: 2 rows repeat (client, therapist, session); a lag needs one row per session. "
            "Keep one row per session.",
        ),
        (
            lambda f: add_lag(f, ["x"], max_gap_days=7),
            "no column 'date' in the data; it has client, therapist, session, x, y.",
        ),
    ],
)
def test_bad_input_is_named(sessions, call, message):
    with pytest.raises(DataError) as caught:
        call(sessions)
    assert str(caught.value) == message
