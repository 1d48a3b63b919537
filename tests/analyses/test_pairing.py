"""Rows for questions about both ratings and an outcome: neighbours, centring, early means."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, rated, shuffled

from alliance_analysis.analyses.pairing import client_congruence, earlier_ratings, pair_congruence
from alliance_analysis.analyses.prospective import Timing

LAGGED, SAME = Timing(1, "lagged", ""), Timing(0, "lagged", "")


def small():
    frame = rated(6, 6, 3, seed=2)
    frame.loc[frame["session"] == 3, THERAPIST] = np.nan
    return frame


def test_deviations_are_from_means_over_sessions_that_both_rated():
    data = pair_congruence(small(), SAME)
    both = data[data[THERAPIST].notna()]
    for name in (CLIENT, THERAPIST):
        assert data.loc[data["session"] == 3, f"{name}_within"].isna().all()
        np.testing.assert_allclose(both.groupby("client")[f"{name}_within"].mean(), 0, atol=1e-12)
        own = both.groupby("client")[name].transform("mean")
        np.testing.assert_allclose(both[f"{name}_within"], both[name] - own)


def test_between_parts_are_centred_on_one_value_so_that_equal_means_stay_equal():
    data = pair_congruence(small(), SAME)
    both = data[data[THERAPIST].notna()]
    means = both.groupby("client")[[CLIENT, THERAPIST]].transform("mean")
    gap = both[f"{CLIENT}_between"] - both[f"{THERAPIST}_between"]
    np.testing.assert_allclose(gap, means[CLIENT] - means[THERAPIST])
    level = data.drop_duplicates("client")[[f"{CLIENT}_between", f"{THERAPIST}_between"]].to_numpy().mean()
    assert level == pytest.approx(0, abs=1e-12)


def test_a_lag_is_exactly_one_session_and_takes_ratings_and_outcome_along():
    data = pair_congruence(small(), LAGGED)
    first, second = earlier_ratings(LAGGED)
    assert (first, second) == (f"{CLIENT}_within_lag1", f"{THERAPIST}_within_lag1")
    rows = data[data["client"] == "c01"].set_index("session")
    assert rows.loc[2, first] == rows.loc[1, f"{CLIENT}_within"]
    assert rows.loc[2, "symptoms_lag1"] == rows.loc[1, "symptoms"]
    assert np.isnan(rows.loc[4, first])  # session 3 has only one rating
    assert np.isnan(rows.loc[1, first])


def test_the_same_session_pairs_what_was_rated_before_it():
    data = pair_congruence(small(), SAME)
    assert earlier_ratings(SAME) == (f"{CLIENT}_within", f"{THERAPIST}_within")
    assert f"{CLIENT}_within_lag1" not in data
    assert "symptoms_lag1" in data


def test_neighbours_too_far_apart_in_days_are_none():
    frame = small().assign(date=pd.Timestamp("2026-01-01") + pd.to_timedelta(7 * small()["session"], unit="D"))
    frame.loc[frame["session"] >= 5, "date"] += pd.Timedelta(days=40)
    data = pair_congruence(frame, LAGGED, max_gap_days=14)
    assert data.loc[data["session"] == 5, "symptoms_lag1"].isna().all()
    assert data.loc[data["session"] == 6, "symptoms_lag1"].notna().all()


def test_intake_and_follow_up_are_no_sessions_of_treatment():
    frame = pd.concat(
        [small().assign(phase="treatment"), small().head(2).assign(session=[0, 9], phase=["treatment", "follow_up"])]
    )
    assert len(pair_congruence(frame, LAGGED)) == len(small())


def test_order_of_rows_and_a_common_constant_leave_the_deviations():
    key = ["client", "session"]
    first = [f"{CLIENT}_within_lag1", f"{THERAPIST}_within_lag1", f"{CLIENT}_between"]
    before = pair_congruence(small(), LAGGED).set_index(key)[first].sort_index()
    for frame in (shuffled(small()), small().assign(**{c: small()[c] + 3 for c in (CLIENT, THERAPIST)})):
        after = pair_congruence(frame, LAGGED).set_index(key)[first].sort_index()
        np.testing.assert_allclose(after, before, atol=1e-12)


def test_a_rater_missing_everywhere_leaves_no_deviation():
    data = pair_congruence(small().assign(**{CLIENT: np.nan}), LAGGED)
    assert data[[f"{CLIENT}_within", f"{THERAPIST}_within"]].isna().all(axis=None)


def test_early_means_are_of_sessions_that_both_rated():
    table, end = client_congruence(small())
    early = small()[small()["session"].isin([4, 5])]  # session 3 has one rating only
    own = table.set_index("client")
    np.testing.assert_allclose(own[CLIENT].sort_index(), early.groupby("client")[CLIENT].mean())
    np.testing.assert_allclose(own[THERAPIST].sort_index(), early.groupby("client")[THERAPIST].mean())
    np.testing.assert_allclose(own["change"], own["end_state"] - own["start"])
    assert isinstance(end, str)
    assert end


def test_there_is_one_row_per_client_with_and_without_therapists():
    table = client_congruence(small())[0]
    assert table["client"].is_unique
    assert "therapist" in table
    assert "therapist" not in client_congruence(small().drop(columns="therapist"))[0]
