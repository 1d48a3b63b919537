"""Verdicts: every allowed word is reachable, and the wrong comparison is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_analysis.errors import DataError
from alliance_analysis.published import (
    VERDICTS,
    Estimand,
    compare_with_truth,
    early_alliance_estimand,
    judge_replication,
    load_published,
)

EARLY_ALLIANCE = early_alliance_estimand()


def own(r, se=0.07, df=np.inf):
    return {"estimate": r, "std_error": se, "df": df}


def verdict(row, ids=("M01",), **options):
    return judge_replication(row, EARLY_ALLIANCE, load_published(ids=ids), **options)["verdict"].item()


@pytest.mark.parametrize(
    ("row", "options", "word"),
    [
        (own(-0.25), {}, "consistent with signal"),
        (own(-0.10), {}, "consistent without signal (cannot tell)"),
        (own(-0.02, se=0.02), {}, "weaker"),
        (own(-0.70), {}, "stronger"),
        (own(0.30), {}, "opposite"),
        (own(-0.01, se=0.02), {"sesoi": 0.10}, "practically none"),
        (own(-0.25), {"simulated": True}, "not comparable"),
    ],
)
def test_every_verdict_on_a_meta_analytic_mean(row, options, word):
    assert word in VERDICTS
    assert verdict(row, **options) == word


def test_another_outcome_is_not_comparable():
    rows = judge_replication(own(-0.25), EARLY_ALLIANCE, load_published(ids=["D02", "D03"]))
    assert set(rows["verdict"]) == {"not comparable"}
    assert rows["reason"].str.contains("outcome: ").all()


def test_a_figure_without_a_direction_gives_no_number():
    unsigned = load_published(ids=["M01"]).assign(benefit_sign=np.nan)
    row = judge_replication(own(0.40), EARLY_ALLIANCE, unsigned).iloc[0]
    assert row["verdict"] == "no number"
    assert pd.isna(row["expected_low"])


def test_turning_scores_and_their_direction_turns_nothing():
    turned = early_alliance_estimand(higher_is_worse=False)
    assert (
        judge_replication(own(0.25), turned, load_published(ids=["M01"]))["verdict"].item() == "consistent with signal"
    )


@pytest.mark.parametrize(
    "row", [own(np.nan), own(-1.0), own(np.inf), own(-0.2, se=0.0), own(-0.2, se=np.nan), own(-0.2, df=0.0)]
)
def test_an_own_estimate_that_is_no_number_is_refused(row):
    with pytest.raises(
        DataError, match=r"^judge_replication: the own estimate is .* Report the estimate as withheld\.$"
    ):
        judge_replication(row, EARLY_ALLIANCE, load_published(ids=["M01"]))


def test_a_withheld_estimate_is_not_comparable():
    row = judge_replication(own(np.nan, se=np.nan, df=np.nan), EARLY_ALLIANCE, load_published(ids=["M01"])).iloc[0]
    assert (row["verdict"], row["reason"]) == ("not comparable", "the own estimate is withheld")


def test_a_design_row_gives_no_number():
    finding = load_published(ids=["M01"]).assign(
        estimate=np.nan, conf_low=np.nan, conf_high=np.nan, benefit_sign=np.nan
    )
    assert judge_replication(own(-0.2), EARLY_ALLIANCE, finding)["verdict"].item() == "no number"


def test_a_sign_without_a_coefficient_is_judged_by_direction_only():
    within = Estimand(
        "within", "beta_within", "alliance_client", "client", ("symptoms",), ("session t",), "unknown", -1
    )
    published = load_published(ids=["W10"])
    negative = judge_replication(own(-0.2, 0.05), within, published)
    positive = judge_replication(own(0.2, 0.05), within, published)
    unclear = judge_replication(own(0.01, 0.05), within, published)
    assert negative["reason"].item() == "direction only: no comparable figure with its precision"
    assert [t["verdict"].item() for t in (negative, positive, unclear)] == [
        "consistent with signal",
        "opposite",
        "consistent without signal (cannot tell)",
    ]


def test_a_between_client_figure_is_no_yardstick_for_a_within_slope():
    within = Estimand(
        "within", "beta_within", "alliance_client", "client", ("symptoms",), ("session t",), "lagged_outcome", -1
    )
    row = judge_replication(own(-0.2), within, load_published(ids=["M01"])).iloc[0]
    assert row["verdict"] == "not comparable"
    assert row["reason"] == "level: between_client; outcome: treatment_outcome; metric: r"
    assert pd.isna(row["own"])


def test_a_gate_names_everything_that_differs():
    row = judge_replication(own(-0.2), EARLY_ALLIANCE, load_published(ids=["T1c"])).iloc[0]
    assert row["reason"] == "exposure: alliance_observer; rater: observer; adjusted for: baseline"


def test_a_departure_is_said_only_where_every_between_study_sd_agrees():
    row = judge_replication(own(-0.12, se=0.03), EARLY_ALLIANCE, load_published(ids=["M01"])).iloc[0]
    assert not row["consistent_tau_0"]
    assert row["consistent_tau_10"]
    assert row["verdict"] == "consistent with signal"


def test_the_expected_interval_is_the_prediction_interval_of_the_mean():
    row = judge_replication(own(-0.25), EARLY_ALLIANCE, load_published(ids=["M01"])).iloc[0]
    se = (np.arctanh(0.299) - np.arctanh(0.256)) / (2 * stats.norm.ppf(0.975))
    half = stats.t.ppf(0.975, 293) * np.sqrt(se**2 + 0.10**2 + 0.07**2)
    np.testing.assert_allclose(
        [row["expected_low"], row["expected_high"]], np.tanh(np.arctanh(0.278) + np.array([-half, half])), rtol=1e-12
    )


def test_a_printed_standard_error_of_r_is_taken_on_fishers_z():
    row = load_published(ids=["M30"])
    judged = judge_replication(own(-0.183, se=0.0001), EARLY_ALLIANCE, row).iloc[0]
    half = stats.t.ppf(0.975, 18) * np.hypot(0.044, 0.10)
    assert judged["expected_low"] == pytest.approx(np.tanh(np.arctanh(0.183) - half), abs=1e-6)


def test_small_telescopes_and_bayes_factor_of_a_single_study():
    single = load_published(ids=["M01"]).assign(k_studies=np.nan, estimate=0.40, conf_low=0.20, conf_high=0.57)
    near_zero = judge_replication(own(-0.01, se=0.03), EARLY_ALLIANCE, single).iloc[0]
    same = judge_replication(own(-0.40, se=0.03), EARLY_ALLIANCE, single).iloc[0]
    assert near_zero["small_telescopes"]
    assert not same["small_telescopes"]
    assert near_zero["bayes_factor"] < 1 < same["bayes_factor"]


def test_own_values_are_turned_so_that_positive_is_good():
    row = judge_replication(own(-0.25), EARLY_ALLIANCE, load_published(ids=["M01"])).iloc[0]
    assert 0 < row["own_low"] < row["own"] < row["own_high"]


def test_unknown_finding_is_named():
    with pytest.raises(DataError) as caught:
        load_published(ids=["X99"])
    assert str(caught.value) == "published_findings.csv: no row 'X99'. `alliance list --findings` shows the ids."


def test_findings_of_one_question():
    table = load_published("02")
    assert len(table) == 27
    assert set(table["question"]) == {"02"}


def test_truth_is_compared_where_it_is_known():
    tidy = pd.DataFrame({"term": ["a", "b"], "estimate": [1.0, 2.0], "conf_low": [0.5, 1.9], "conf_high": [1.5, 2.1]})
    assert compare_with_truth(tidy, {"a": 1.2, "b": 3.0})["inside"].tolist() == [True, False]
    assert compare_with_truth(tidy, {}).empty
