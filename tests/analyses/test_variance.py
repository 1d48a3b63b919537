"""Shares of variance by level: those of the analysis of variance, with intervals, a test, and reasons in place of numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_analysis.analyses.variance import TERMS, compare_therapist_variance, fit_variance_shares
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.prepare import add_time
from alliance_analysis.result import TIDY_COLUMNS

ZERO = "the therapist variance is estimated at zero; these data cannot tell it from zero"


def balanced(sds=(1.5, 2.0, 1.0), n_therapists=20, n_clients=6, n_sessions=5, seed=4):
    rng = np.random.default_rng(seed)
    t, c, s = (a.ravel() for a in np.indices((n_therapists, n_clients, n_sessions)))
    y = sds[0] * rng.normal(size=n_therapists)[t] + sds[1] * rng.normal(size=(n_therapists, n_clients))[t, c]
    frame = pd.DataFrame({"therapist": t, "client": t * n_clients + c, "session": s + 1})
    return add_time(frame.assign(symptoms=30 + y + sds[2] * rng.normal(size=t.size) - 2 * s))


def flat():
    """No difference at all between therapists' means."""
    frame = balanced((0.0, 1.0, 1.0), n_therapists=12)
    frame["symptoms"] -= frame.groupby("therapist")["symptoms"].transform("mean")
    return frame


@pytest.fixture(scope="module")
def shares():
    return fit_variance_shares(balanced(), "symptoms", "linear", n_bootstrap=200)


def test_shares_of_balanced_data_are_those_of_the_analysis_of_variance(shares):
    frame = balanced()
    y = frame["symptoms"] - np.polyval(np.polyfit(frame["time"], frame["symptoms"], 1), frame["time"])
    client = y.groupby([frame["therapist"], frame["client"]]).mean()
    within = ((y - y.groupby(frame["client"]).transform("mean")) ** 2).sum() / (len(y) - len(client) - 1)
    among = 5 * client.groupby(level="therapist").var().mean()
    between = 30 * client.groupby(level="therapist").mean().var()
    parts = np.array([(between - among) / 30, (among - within) / 5, within])
    table = shares.tidy()
    assert table["term"].tolist() == list(TERMS)
    assert table["estimate"].tolist() == pytest.approx((parts / parts.sum()).tolist(), rel=1e-5)


def test_the_average_course_is_taken_out_as_asked():
    frame = balanced()
    level = fit_variance_shares(frame, "symptoms", "none", n_bootstrap=5).tidy().set_index("term")["estimate"]
    line = fit_variance_shares(frame, "symptoms", "linear", n_bootstrap=5).tidy().set_index("term")["estimate"]
    assert level["share_within"] > 2 * line["share_within"]


def test_intervals_are_those_of_the_bootstrap_hold_the_estimate_and_can_be_made_again(shares):
    table, again = shares.tidy(), fit_variance_shares(balanced(), "symptoms", "linear", n_bootstrap=200).tidy()
    pd.testing.assert_frame_equal(table, again)
    drawn = shares.bootstrap.draws[:, [shares.bootstrap.names.index(term) for term in TERMS]]
    limits = np.quantile(drawn, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(shares.tidy(0.90)[["conf_low", "conf_high"]].T, limits, rtol=1e-12)
    assert table["estimate"].between(table["conf_low"], table["conf_high"]).all()
    assert table[["statistic", "df", "p_value"]].isna().all(axis=None)
    assert list(table.columns) == list(TIDY_COLUMNS)
    assert shares.glance()["se_method"].item() == "parametric bootstrap, 200 draws, percentile intervals"


def test_the_test_of_the_therapist_variance_is_a_likelihood_ratio_with_half_the_p_value(shares):
    frame = balanced()
    row = compare_therapist_variance([shares], 0.90).iloc[0]
    large, small = (
        fit_mixed(f"symptoms ~ time + (1 | client){more}", frame, df="normal") for more in (" + (1 | therapist)", "")
    )
    chisq = 2 * (large.log_lik - small.log_lik)
    assert row["chisq"] == pytest.approx(chisq, abs=1e-6)
    assert row["p_mixture"] == pytest.approx(stats.chi2.sf(chisq, 1) / 2, rel=1e-6)
    assert row["std_dev"] == pytest.approx(large.variance_components().set_index("group")["std_dev"]["therapist"])
    interval = large.profile(["sd_(Intercept)|therapist"], conf_level=0.90)[["conf_low", "conf_high"]].iloc[0]
    assert [row["std_dev_low"], row["std_dev_high"]] == pytest.approx(interval.tolist(), rel=1e-6)
    assert row["std_dev_low"] < row["std_dev"] < row["std_dev_high"]
    assert (row["n_therapists"], row["note"]) == (20, "")


def test_a_therapist_variance_at_zero_is_withheld_and_not_called_nothing():
    shares = fit_variance_shares(flat(), "symptoms", n_bootstrap=5)
    table = shares.tidy().set_index("term")
    assert shares.withheld == {"share_therapist": ZERO}
    assert table.loc["share_therapist"].isna().all()
    assert table.loc[["share_client", "share_within"], "estimate"].sum() == pytest.approx(1)
    row = compare_therapist_variance([shares]).iloc[0]
    assert row[["std_dev", "std_dev_low", "std_dev_high"]].isna().all()
    assert (row["p_mixture"], row["note"]) == (1.0, ZERO)


def test_what_cannot_be_divided_has_its_reason_in_every_row():
    shares = fit_variance_shares(balanced(n_therapists=1), "symptoms", n_bootstrap=5)
    reason = "therapist: it has 1 level in the 30 rows used; one is too few. Drop '(… | therapist)'"
    assert shares.withheld == dict.fromkeys(TERMS, reason)
    assert shares.tidy().set_index("term").isna().all(axis=None)
    assert shares.formula == ""
    assert compare_therapist_variance([shares])[["measure", "note"]].to_numpy().tolist() == [["symptoms", reason]]


def test_several_measures_stand_in_their_order_and_none_is_an_empty_table(shares):
    table = compare_therapist_variance([shares, shares])
    assert table["measure"].tolist() == ["symptoms", "symptoms"]
    assert list(compare_therapist_variance([]).columns) == list(table.columns)


def test_shares_say_that_their_intervals_are_drawn_and_nothing_of_df():
    glance = fit_variance_shares(flat(), "symptoms", "linear", n_bootstrap=5).glance()
    assert glance["se_method"].tolist() == ["parametric bootstrap, 5 draws, percentile intervals"]
    assert not [name for name in glance if name.startswith("df_")]
