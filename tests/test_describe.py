"""Counts, missing values, variance shares and reliability."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.describe import (
    describe_caseloads,
    describe_measures,
    describe_missing,
    describe_reliability,
    describe_sample,
    describe_variance,
)
from alliance_analysis.study.simulate import simulate_study


@pytest.fixture(scope="module")
def sessions():
    return simulate_study(1).sessions.astype({"symptoms": float})


def balanced(n_therapists=40, n_clients=10, n_sessions=8, sds=(1.0, 2.0, 1.5), seed=4):
    rng = np.random.default_rng(seed)
    t, c, s = (a.ravel() for a in np.indices((n_therapists, n_clients, n_sessions)))
    values = (
        sds[0] * rng.normal(size=n_therapists)[t]
        + sds[1] * rng.normal(size=(n_therapists, n_clients))[t, c]
        + sds[2] * rng.normal(size=t.size)
    )
    return pd.DataFrame({"therapist": t, "client": t * n_clients + c, "session": s + 1, "x": values})


def test_the_sample_counts_persons_not_rows():
    frame = pd.DataFrame({"client": list("aaab"), "therapist": ["t", "t", "t", "u"], "session": [1, 2, 3, 1]})
    table = describe_sample(frame).set_index("level")
    assert table["n"].to_dict() == {"sessions": 4, "clients": 2, "therapists": 2}
    assert table.loc["clients", ["median", "minimum", "maximum"]].tolist() == [2, 1, 3]
    assert list(describe_sample(frame.drop(columns="therapist"))["level"]) == ["sessions", "clients"]


def test_measures_show_floor_ceiling_and_missing():
    table = describe_measures(pd.DataFrame({"x": [1, 1, 5, 3, np.nan]}), ["x"], {"x": (1, 5)}).iloc[0]
    assert (table["n"], table["missing_share"], table["floor_share"], table["ceiling_share"]) == (4, 0.2, 0.5, 0.25)


def test_without_a_range_floor_and_ceiling_are_blank():
    table = describe_measures(pd.DataFrame({"x": [1.0, 2.0]}), ["x"])
    assert table[["floor_share", "ceiling_share"]].isna().all(axis=None)


def test_sessions_that_few_clients_reached_are_left_out():
    frame = pd.DataFrame({"client": list("abcdea"), "session": [1, 1, 1, 1, 1, 9], "x": [1.0] * 6})
    assert describe_missing(frame, ["x"], min_cell=5)["session"].tolist() == [1]


def test_variance_shares_of_balanced_data_are_those_of_the_analysis_of_variance():
    frame = balanced()
    found = describe_variance(frame, ["x"]).set_index("level")["variance"]
    client = frame.groupby(["therapist", "client"])["x"].mean()
    therapist = client.groupby(level="therapist").mean()
    ms_within = frame.groupby("client")["x"].var().mean()
    ms_client = 8 * client.groupby(level="therapist").var().mean()
    ms_therapist = 80 * therapist.var()
    assert found["within clients"] == pytest.approx(ms_within, rel=1e-5)
    assert found["between clients"] == pytest.approx((ms_client - ms_within) / 8, rel=1e-4)
    assert found["between therapists"] == pytest.approx((ms_therapist - ms_client) / 80, rel=1e-4)


def test_shares_add_up_to_one(sessions):
    shares = describe_variance(sessions, ["alliance_client", "symptoms"])
    assert shares.groupby("measure")["share"].sum().to_numpy() == pytest.approx([1, 1])


def test_a_variance_at_zero_is_withheld():
    frame = balanced(n_therapists=8, n_clients=6, sds=(0.0, 1.0, 1.0), seed=2)
    row = describe_variance(frame, ["x"]).set_index("level").loc["between therapists"]
    assert row["note"] == "withheld: estimated at zero, these data cannot tell it from zero"
    assert row[["variance", "share"]].isna().all()


def test_no_reliability_is_made_from_a_client_variance_at_zero():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"client": np.repeat(np.arange(20), 4), "session": np.tile(np.arange(4), 20)})
    frame["x"] = rng.normal(size=80)
    frame["x"] -= frame.groupby("client")["x"].transform("mean")
    row = describe_reliability(frame, ["x"]).iloc[0]
    assert row[["one_rating", "mean_of_ratings"]].isna().all()


def test_reliability_of_a_mean_follows_spearman_and_brown(sessions):
    row = describe_reliability(sessions, ["alliance_client"]).iloc[0]
    k, icc = row["ratings_per_client"], row["one_rating"]
    assert row["mean_of_ratings"] == pytest.approx(k * icc / (1 + (k - 1) * icc))


def test_alpha_of_parts_is_told_apart_between_and_within(sessions):
    row = describe_reliability(sessions, ["alliance_client", "symptoms"]).set_index("measure")
    parts = sessions[[f"alliance_client_{p}" for p in ("goal", "task", "bond")]].dropna()
    within = parts - parts.groupby(sessions["client"]).transform("mean")
    covariance = np.cov(within.T)
    alpha = 1.5 * (1 - np.trace(covariance) / covariance.sum())
    assert row.loc["alliance_client", "alpha_within"] == pytest.approx(alpha, rel=1e-10)
    assert row.loc["alliance_client", "alpha_between"] > row.loc["alliance_client", "alpha_within"]
    assert np.isnan(row.loc["symptoms", "alpha_within"])


def test_one_client_per_therapist_leaves_the_therapists_share_with_the_clients():
    frame = balanced(n_therapists=30, n_clients=1)
    table = describe_variance(frame, ["x"])
    assert table["level"].tolist() == ["between clients", "within clients"]
    assert set(table["note"]) == {
        "one client per therapist: what lies between therapists is in the share between clients"
    }


def test_few_therapists_are_said_to_be_few():
    assert "only 5 therapists: their share is known only roughly" in set(describe_variance(balanced(5), ["x"])["note"])


def test_what_cannot_be_divided_says_why_and_describing_nothing_is_an_empty_table():
    once = balanced(n_sessions=1)
    table = describe_variance(once, ["x"])
    assert table["share"].isna().all()
    assert "client" in table["note"].item()
    assert np.isnan(describe_reliability(once, ["x"])["mean_of_ratings"].item())
    assert describe_variance(once, []).empty
    assert describe_reliability(once, []).empty
    assert describe_measures(once, []).empty


def test_caseloads_are_counts_and_quartiles_of_clients_not_of_sessions():
    # four therapists with 1, 2, 3 and 6 clients; the clients of the first have many sessions
    therapist = np.repeat(list("abcd"), [1, 2, 3, 6])
    clients = pd.DataFrame({"therapist": therapist, "client": np.arange(12)})
    frame = clients.loc[np.repeat(clients.index, np.where(therapist == "a", 9, 2))]
    table = describe_caseloads(frame)
    assert list(table.columns) == ["quantity", "value"]
    assert table.set_index("quantity")["value"].to_dict() == {
        "therapists": 4,
        "clients": 12,
        "clients who saw more than one therapist": 0,
        "therapists with two or more clients": 3,
        "clients per therapist, lower quartile": 1.75,
        "clients per therapist, median": 2.5,
        "clients per therapist, upper quartile": 3.75,
    }


def test_a_client_of_two_therapists_is_one_client_in_both_caseloads():
    frame = pd.DataFrame({"client": ["a", "a", "b", "b"], "therapist": ["t", "u", "t", None]})
    values = describe_caseloads(frame).set_index("quantity")["value"]
    assert values["clients"] == 2
    assert values["clients who saw more than one therapist"] == 1
    assert values["therapists with two or more clients"] == 1
    assert values["clients per therapist, upper quartile"] == 1.75


def test_no_quartile_of_caseloads_names_a_therapist(sessions):
    table = describe_caseloads(sessions)
    assert [type(value) for value in table["value"]] == 4 * [int] + 3 * [float]  # counts stay whole numbers
    assert not set(table["quantity"]) & set(sessions["therapist"])
