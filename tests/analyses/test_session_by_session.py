"""The primary answer within clients: which rows, which direction, which metric, and what is said where it cannot be given."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.prospective import Timing, pair_sessions
from alliance_analysis.analyses.session_by_session import (
    PANEL_VAR,
    PROSPECTIVE,
    REVERSE,
    compare_prospective_by_shape,
    fit_prospective,
)
from alliance_analysis.panel.fit import fit_panel_var
from alliance_analysis.study.simulate import StudyDesign, simulate_study

LAGGED = Timing(1, "lagged", "")
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*covariance is estimated at the boundary:alliance_analysis.errors.FitWarning"
)


@pytest.fixture(scope="module")
def sessions():
    return simulate_study(3, StudyDesign(n_clients=90, n_therapists=22, n_sessions=10)).sessions


@pytest.fixture(scope="module")
def found(sessions):
    return fit_prospective(sessions, LAGGED)


def test_the_first_row_is_the_question_and_the_second_its_reverse(found):
    table = found.tidy()
    assert table["direction"].tolist() == [PROSPECTIVE, REVERSE]
    assert table["term"].tolist() == ["alliance_client -> symptoms", "symptoms -> alliance_client"]
    raw = found.fit.tidy().set_index("term")["estimate"]
    assert table["estimate"].tolist() == [raw[found.term], raw[found.reverse]]
    assert table["n_clients"].eq(90).all()
    assert table["note"].eq("").all()


def test_both_metrics_are_named_and_scaled(found):
    table = found.tidy().set_index("direction")
    for name, metric in (("standardised", "observed"), ("in_deviations", "deviations")):
        scaled = found.fit.standardised().set_index(["metric", "term"]).loc[metric]
        assert table.loc[PROSPECTIVE, name] == scaled.loc[found.term, "estimate"]
        assert table.loc[PROSPECTIVE, f"{name}_low"] == scaled.loc[found.term, "conf_low"]
    wider = found.tidy(0.99).set_index("direction")
    assert wider.loc[PROSPECTIVE, "standardised_low"] < table.loc[PROSPECTIVE, "standardised_low"]


def test_labels_are_what_a_report_records(found):
    labels = found.labels()
    assert labels["model"] == PANEL_VAR
    assert labels["primary"] == "alliance_client -> symptoms"
    assert set(labels["levels"]) == set(found.fit.terms)
    assert set(labels["levels"].values()) == {"within"}
    observed = found.fit.standardised().query("metric == 'observed'").set_index("term")["estimate"]
    assert labels["standardised"] == observed.to_dict()


def test_standard_errors_are_clustered_where_there_are_many_therapists(found):
    assert found.fit.glance()["se_method"].iloc[0] == "clustered by therapist"


def test_paired_sessions_and_raw_sessions_give_the_same_fit(sessions, found):
    paired = fit_prospective(pair_sessions(sessions, LAGGED), LAGGED)
    pd.testing.assert_frame_equal(paired.tidy(), found.tidy())


def test_intake_and_follow_up_are_no_sessions(sessions, found):
    first = sessions.drop_duplicates(["client", "therapist"])
    more = [
        sessions.assign(phase="treatment"),
        first.assign(session=0, phase="treatment"),
        first.assign(session=40, phase="follow_up"),
    ]
    again = fit_prospective(pd.concat(more, ignore_index=True), LAGGED)
    pd.testing.assert_frame_equal(again.tidy(), found.tidy())


def test_an_alliance_rated_before_the_session_is_the_state_after_the_session_before(sessions, found):
    """Moving every alliance rating to the next session's form and saying so changes nothing about the dynamics."""
    ids = ["client", "therapist", "session"]
    moved = sessions[[*ids, "alliance_client"]].assign(session=sessions["session"] + 1)
    before = sessions[[*ids, "symptoms"]].merge(moved, on=ids, how="outer")
    same = fit_prospective(before, Timing(0, "lagged", ""), time_shape="factor")
    reference = fit_prospective(sessions, LAGGED, time_shape="factor")
    np.testing.assert_allclose(same.tidy()["estimate"], reference.tidy()["estimate"], rtol=1e-3)
    np.testing.assert_allclose(same.tidy()["std_error"], reference.tidy()["std_error"], rtol=1e-3)


def test_all_shapes_stand_side_by_side_and_the_chosen_comes_with_and_without_slopes(sessions, found):
    table = compare_prospective_by_shape(sessions, LAGGED, "linear")
    models = table.drop_duplicates(["time_shape", "random_slopes"])[["time_shape", "random_slopes", "chosen"]]
    assert models.to_numpy().tolist() == [
        ["linear", True, True],
        ["linear", False, False],
        ["log", True, False],
        ["factor", True, False],
        ["none", False, False],
    ]
    log = table[(table["time_shape"] == "log") & (table["direction"] == PROSPECTIVE)].iloc[0]
    assert log["standardised"] == pytest.approx(found.tidy()["standardised"].iloc[0], rel=1e-6)
    assert table["aic"].notna().all()


def test_what_these_data_cannot_carry_is_refused_with_its_reason_and_no_number(sessions):
    short = fit_prospective(sessions[sessions["session"] <= 2], LAGGED)
    table = short.tidy()
    assert table[["estimate", "std_error", "standardised", "in_deviations"]].isna().all().all()
    assert "clients have fewer than 3 sessions" in table["note"].iloc[0]
    assert short.withheld.keys() == {"alliance_client -> symptoms"}
    assert short.labels()["standardised"] == {}
    compared = compare_prospective_by_shape(sessions[sessions["session"] <= 2], LAGGED)
    assert compared["standardised"].isna().all()


def test_the_fit_is_the_panel_var_of_the_two_series(sessions, found):
    direct = fit_panel_var(sessions, ["alliance_client", "symptoms"], cluster="therapist")
    pd.testing.assert_frame_equal(direct.tidy(), found.fit.tidy())
