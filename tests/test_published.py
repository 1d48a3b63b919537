"""Verdicts: every allowed word is reachable, and the wrong comparison is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_analysis.errors import DataError
from alliance_analysis.estimands import (
    Estimand,
    agreement_estimand,
    congruence_estimand,
    early_alliance_estimand,
    end_state_estimand,
    prospective_estimand,
)
from alliance_analysis.published import (
    VERDICTS,
    compare_with_truth,
    judge_agreement,
    judge_levels,
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


def test_a_session_by_session_slope_meets_figures_within_clients_of_the_session_before_and_no_early_ones():
    slope = own(-0.10, se=0.03)
    table = judge_replication(slope, prospective_estimand(), load_published("02")).set_index("finding_id")
    within = table[table["level"] == "within_client"]
    assert within["verdict"].to_dict() == {
        "W09": "consistent with signal",
        "W10": "consistent with signal",
        "W11": "no number",
    }
    assert set(table.loc[table["level"] != "within_client", "verdict"]) == {"not comparable"}
    early = load_published(ids=["W10"]).assign(exposure_time="early")
    assert judge_replication(slope, prospective_estimand(), early)["reason"].item() == "time of rating: early"
    turned = judge_replication(slope, prospective_estimand(higher_is_worse=False), load_published(ids=["W10"]))
    assert turned["verdict"].item() == "opposite"


# T01 (between therapists, the better the alliance the better), A10 (between clients, sign only, both raters)
LEVELS = {"own": "between_client", "shared": "between_therapist"}


def slopes(own_slope=-1.0, shared=-3.0, std_error=0.5):
    rows = {"term": ["own", "shared"], "estimate": [own_slope, shared], "std_error": std_error, "df": [150.0, 20.0]}
    return pd.DataFrame(rows)


def level_verdict(shared, **options):
    table = judge_levels(slopes(shared=shared), LEVELS, load_published(ids=["T01"]), **options)
    return table["verdict"].item()


def test_the_end_state_is_about_early_alliance_with_the_start_held_constant():
    estimand = end_state_estimand("between_therapist", "alliance_therapist", higher_is_worse=False)
    assert (estimand.level, estimand.metric, estimand.adjusted_for) == ("between_therapist", "b_raw", "baseline")
    assert (estimand.exposure, estimand.rater, estimand.benefit_sign) == ("alliance_therapist", "therapist", 1)
    assert set(early_alliance_estimand().exposure_time) | {"one session"} == set(estimand.exposure_time)


@pytest.mark.parametrize(
    ("shared", "word"),
    [
        (-3.0, "consistent with signal"),  # fewer symptoms where the therapist's alliance is better
        (3.0, "opposite"),
        (-0.5, "consistent without signal (cannot tell)"),
        (0.5, "consistent without signal (cannot tell)"),
    ],
)
def test_a_slope_between_therapists_is_held_against_the_direction_of_its_level(shared, word):
    assert level_verdict(shared) == word
    assert level_verdict(-shared, higher_is_worse=False) == word


def test_the_slope_is_turned_so_that_positive_is_good_and_its_interval_uses_its_own_df():
    row = judge_levels(slopes(), LEVELS, load_published(ids=["T01"])).iloc[0]
    half = stats.t.ppf(0.975, 20) * 0.5
    assert [row["own"], row["own_low"], row["own_high"]] == pytest.approx([3.0, 3.0 - half, 3.0 + half])
    assert row["reason"] == "direction only: no comparable figure with its precision"


def test_each_slope_meets_only_the_figures_of_its_own_level_in_the_order_of_the_levels():
    table = judge_levels(slopes(), LEVELS, load_published("07"))
    published = load_published("07").set_index("id")["level"]
    expected = [*published.index[published == "between_client"], *published.index[published == "between_therapist"]]
    assert table["finding_id"].tolist() == expected
    assert not table["finding_id"].isin(["T02", "T3a"]).any()  # of studies, and of all levels together
    turned = judge_levels(slopes(), dict(reversed(LEVELS.items())), load_published("07"))
    assert turned["level"].tolist() == sorted(table["level"], reverse=True)


def test_figures_of_other_raters_and_other_ends_are_refused_with_every_difference():
    table = judge_levels(slopes(), LEVELS, load_published("07")).set_index("finding_id")
    assert table.loc["T3c", "reason"] == (
        "exposure: alliance_observer; rater: observer; outcome: sessions_attended; adjusted for: none"
    )
    assert table.loc["A10", "reason"] == "rater: client+therapist"
    assert set(table.loc[["T3c", "A10"], "verdict"]) == {"not comparable"}


def test_a_slope_within_clients_never_meets_a_figure_between_therapists():
    tidy = slopes().assign(term=["x_within", "shared"])
    table = judge_levels(tidy, {"x_within": "within"}, load_published(ids=["T01", "A10"]))
    assert table.empty
    assert "verdict" in table.columns


def test_a_withheld_slope_and_a_simulated_study_have_no_verdict():
    withheld = slopes()
    withheld.loc[1, ["estimate", "std_error", "df"]] = np.nan
    row = judge_levels(withheld, LEVELS, load_published(ids=["T01"])).iloc[0]
    assert (row["verdict"], row["reason"]) == ("not comparable", "the own estimate is withheld")
    row = judge_levels(slopes(), LEVELS, load_published(ids=["T01"]), simulated=True).iloc[0]
    assert row["reason"] == "this study is simulated, and simulated data is never evidence"


def test_no_level_at_all_is_an_empty_table_with_its_columns():
    table = judge_levels(slopes(), {}, load_published("07"))
    assert table.empty
    assert list(table.columns) == list(
        judge_replication(own(-0.2), EARLY_ALLIANCE, load_published(ids=["M01"])).columns
    )


def tidy_of(**rows):
    return pd.DataFrame(
        [{"term": term, "estimate": b, "std_error": se, "df": df} for term, (b, se, df) in rows.items()]
    ).replace({"term": {"between": "correlation between clients", "d": "standardised mean difference (d)"}})


AGREEMENT = {"between": (0.6, 0.05, np.inf), "precision": (0.5, 0.06, np.inf), "d": (-0.4, 0.1, 23.0)}
TRUTH = {"truth_force_within": (0.45, 0.02, 200.0)}


def test_each_figure_on_agreement_stands_beside_the_number_of_its_own_kind():
    published = load_published(ids=["M20", "M22", "A02", "M24"])
    judged = judge_agreement(tidy_of(**AGREEMENT), tidy_of(**TRUTH), published)
    assert judged["finding_id"].tolist() == ["M20", "M22", "A02", "M24"]
    assert judged["own"].tolist()[:3] == pytest.approx(
        [0.4, 0.6, 0.45]
    )  # d is client minus therapist, as in the source
    assert judged["verdict"].tolist() == ["consistent with signal"] * 3 + ["not comparable"]
    assert judged["reason"].iloc[3] == "rater: client+observer; outcome: alliance_observer"


def test_agreement_has_no_good_direction_and_its_signs_stay_as_coded():
    own = {"estimate": -0.3, "std_error": 0.08, "df": np.inf}
    judged = judge_replication(own, agreement_estimand(), load_published(ids=["M22"]))
    assert judged["own"].item() == pytest.approx(-0.3)
    assert judged["verdict"].item() == "opposite"


def test_the_correlation_is_judged_on_fishers_z():
    r, error = 0.6, 0.05
    judged = judge_agreement(tidy_of(**AGREEMENT), tidy_of(**TRUTH), load_published(ids=["M22"]))
    half = 1.959964 * error / (1 - r**2)
    assert judged["own_low"].item() == pytest.approx(np.tanh(np.arctanh(r) - half), rel=1e-6)


def test_with_one_session_each_the_plain_correlation_stands_beside_the_published_one():
    once = AGREEMENT | {"between": (np.nan, np.nan, np.nan)}
    judged = judge_agreement(tidy_of(**once), tidy_of(**TRUTH), load_published(ids=["M22"]))
    assert judged["own"].item() == pytest.approx(0.5)


def test_agreement_of_a_simulated_study_gets_no_verdict():
    published = load_published(ids=["M20", "A02"])
    judged = judge_agreement(tidy_of(**AGREEMENT), tidy_of(**TRUTH), published, simulated=True)
    assert set(judged["verdict"]) == {"not comparable"}


@pytest.mark.parametrize(
    ("level", "finding", "verdict", "reason"),
    [
        ("within", "A06", "consistent with signal", "direction only: no comparable figure with its precision"),
        ("between", "M14", "not comparable", "metric: r"),
        ("between", "A11", "no number", "the source found no association, and prints no figure"),
        ("between", "A05", "no number", "the source prints neither a figure nor a direction"),
        (
            "between",
            "A04",
            "no number",
            "the source found different directions for different outcomes or models, and prints no figure",
        ),
    ],
)
def test_agreement_and_outcome_says_what_a_source_reports(level, finding, verdict, reason):
    own = {"estimate": 14.0, "std_error": 2.0, "df": 200.0}
    judged = judge_replication(own, congruence_estimand(level), load_published(ids=[finding])).iloc[0]
    assert (judged["verdict"], judged["reason"]) == (verdict, reason)


def test_the_direction_of_congruence_turns_with_the_outcome():
    own = {"estimate": 14.0, "std_error": 2.0, "df": 200.0}
    better = congruence_estimand("within", higher_is_worse=False)
    assert judge_replication(own, better, load_published(ids=["A06"]))["verdict"].item() == "opposite"
