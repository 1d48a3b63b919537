"""Truth and bias: five models of R, what constants and units do to the forces, refusals, recovery."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, ceiling, golden, rated, renamed, shuffled

from alliance_analysis.analyses.truth_bias import (
    BIAS,
    BIAS_BY_TIME,
    BIAS_FORCE,
    FORCE_BETWEEN,
    FORCE_BY_TIME,
    FORCE_WITHIN,
    fit_truth_and_bias,
)
from alliance_analysis.study.simulate import (
    EXAMPLE_SERIES,
    StudyDesign,
    simulate_population_agreement,
    simulate_study,
)

NUMBERS = ["estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high"]
MODELS = {
    "tracking_random_slope": {"between": False},
    "temporal_and_between": {"random_slope": False},
    "moderated_by_time": {"between": False, "random_slope": False, "by_time": True},
    "three_level": {"random_slope": False},
    "tracking_ar1": {"between": False, "random_slope": False, "serial": True},
}
R_NAMES = {BIAS: "(Intercept)", FORCE_WITHIN: "truth_w", FORCE_BETWEEN: "truth_b", BIAS_BY_TIME: "time_c"}
R_NAMES |= {FORCE_BY_TIME: "truth_w:time_c"}


class Scales:
    same_range, reason = True, "the raters answer different items."


def fit_golden(model, **options):
    stored, frame = golden("truth_bias")
    frame = frame if model == "three_level" else frame.drop(columns="therapist")
    return stored[model], fit_truth_and_bias(frame, "wai_t", "wai_c", **MODELS[model], **options)


def table_of(frame, **options):
    """The model's own numbers, also of terms that a report would withhold from so small a study."""
    found = fit_truth_and_bias(frame, **{"random_slope": False, "df": "satterthwaite"} | options)
    table = found.fit.tidy().assign(term=[BIAS, FORCE_WITHIN, FORCE_BETWEEN]).set_index("term")
    assert np.isfinite(table["estimate"]).all()
    return table


@pytest.mark.parametrize("model", list(MODELS))
def test_forces_and_their_errors_are_rs(model):
    stored, found = fit_golden(model, **({} if model == "tracking_ar1" else {"df": "satterthwaite"}))
    share = 1e-3 if model == "tracking_ar1" else 1e-4
    assert found.fit.log_lik >= stored["logLik"] - 1e-6
    own = found.tidy().set_index("term")
    errors = np.sqrt(np.diag(stored["vcov_fixed"]["values"]))
    r = {name: (stored["fixef"][name] if "fixef" in stored else stored["coef"][name]["Value"], error)
         for name, error in zip(stored["vcov_fixed"]["rows"], errors, strict=True)}  # fmt: skip
    assert {R_NAMES[term] for term in own.index} == set(r)
    for term in own.index:
        value, error = r[R_NAMES[term]]
        assert own.loc[term, "estimate"] == pytest.approx(value, abs=share * error)
        assert own.loc[term, "std_error"] == pytest.approx(error, rel=share)
        if "satterthwaite" in stored:
            assert own.loc[term, "df"] == pytest.approx(stored["satterthwaite"][R_NAMES[term]]["df"], rel=1e-3)


@pytest.mark.parametrize("model", [name for name in MODELS if name != "tracking_ar1"])
def test_the_default_df_and_errors_are_kenward_and_rogers(model):
    stored, found = fit_golden(model)
    own = found.tidy().set_index("term")
    for term in own.index:
        r = stored["kenward_roger"][R_NAMES[term]]
        assert own.loc[term, "std_error"] == pytest.approx(r["Std. Error"], rel=1e-4)
        assert own.loc[term, "df"] == pytest.approx(r["df"], rel=1e-2)


def test_variances_are_rs_under_the_names_of_the_forces():
    stored, found = fit_golden("tracking_random_slope")
    table = found.variance_components()
    r = {(row["var1"], row["var2"]): row["vcov"] for row in stored["varcorr"]}
    own = {(row.term, row.term2): row.estimate for row in table.itertuples()}
    assert own[BIAS, ""] == pytest.approx(r["(Intercept)", None], rel=1e-3)
    assert own[FORCE_WITHIN, ""] == pytest.approx(r["truth_w", None], rel=1e-3)
    covariance = next(value for (one, two), value in own.items() if {one, two} == {BIAS, FORCE_WITHIN})
    assert covariance == pytest.approx(r["(Intercept)", "truth_w"], rel=1e-3)


def test_the_spread_over_clients_is_in_words_and_holds_the_estimates():
    table = fit_golden("tracking_random_slope")[1].spread().set_index("quantity")
    stored = golden("truth_bias")[0]["tracking_random_slope"]["varcorr"]
    words = ["SD of the bias over clients", "SD of the tracking over clients", "correlation of bias and tracking"]
    assert list(table.index) == words
    assert table.loc[words[:2], "estimate"].tolist() == pytest.approx([row["sdcor"] for row in stored[:2]], rel=1e-3)
    inside = table["estimate"].between(table["conf_low"].fillna(-np.inf), table["conf_high"].fillna(np.inf))
    assert inside.all()


def test_a_constant_on_the_judge_moves_only_the_bias_and_one_on_both_nothing():
    frame = rated(seed=4)
    before = table_of(frame)
    judge = table_of(frame.assign(**{THERAPIST: frame[THERAPIST] + 2}))
    assert judge.loc[BIAS, "estimate"] == pytest.approx(before.loc[BIAS, "estimate"] + 2, rel=1e-6)
    forces = [FORCE_WITHIN, FORCE_BETWEEN]
    np.testing.assert_allclose(
        judge.loc[forces, NUMBERS].astype(float), before.loc[forces, NUMBERS].astype(float), rtol=1e-5
    )
    both = table_of(frame.assign(**{c: frame[c] + 2 for c in (CLIENT, THERAPIST)}))
    np.testing.assert_allclose(both[NUMBERS], before[NUMBERS], rtol=1e-5)


def test_a_scale_on_both_scales_the_bias_and_leaves_the_forces():
    frame = rated(seed=4)
    before, after = table_of(frame), table_of(frame.assign(**{c: 10 * frame[c] for c in (CLIENT, THERAPIST)}))
    expected = before[["estimate", "std_error"]].mul(
        pd.Series({BIAS: 10.0, FORCE_WITHIN: 1.0, FORCE_BETWEEN: 1.0}), axis=0
    )
    np.testing.assert_allclose(after[["estimate", "std_error"]], expected, rtol=1e-5)


@pytest.mark.parametrize("change", [shuffled, renamed])
def test_order_and_ids_change_nothing(change):
    np.testing.assert_allclose(table_of(change(rated(seed=4)))[NUMBERS], table_of(rated(seed=4))[NUMBERS], rtol=1e-4)


def test_swapped_raters_have_another_force_and_the_opposite_bias():
    frame = rated(80, seed=4, bias=-0.4)
    one, other = table_of(frame), table_of(frame, judge=CLIENT, truth=THERAPIST)
    assert other.loc[BIAS, "estimate"] == pytest.approx(-one.loc[BIAS, "estimate"], abs=0.02)
    assert 0 < other.loc[FORCE_WITHIN, "estimate"] < 1


def test_the_bias_of_a_judge_who_says_the_truth_plus_a_constant_and_noise_is_the_constant():
    frame = rated(30, 6, seed=6)
    noise = 0.05 * np.random.default_rng(1).standard_normal(len(frame))
    table = table_of(frame.assign(**{THERAPIST: frame[CLIENT] + 0.6 + noise}).drop(columns="therapist"))
    assert table.loc[BIAS, "estimate"] == pytest.approx(0.6, abs=0.03)
    assert table.loc[[FORCE_WITHIN, FORCE_BETWEEN], "estimate"].tolist() == pytest.approx([1, 1], abs=0.05)


def test_the_previous_judgement_is_the_one_exactly_a_session_before():
    frame = rated(30, 6, 6, seed=6)
    found = fit_truth_and_bias(frame[frame["session"] != 3], random_slope=False, bias_force=True, df="satterthwaite")
    assert BIAS_FORCE in found.terms
    assert found.glance().loc[0, "n_obs"] == 30 * 3  # sessions 2, 5 and 6


def test_levels_name_what_each_force_is_about():
    found = fit_truth_and_bias(rated(), by_time=True, bias_force=True, random_slope=False, df="satterthwaite")
    assert found.levels == {
        BIAS: "between",
        FORCE_WITHIN: "within",
        FORCE_BETWEEN: "between",
        BIAS_FORCE: "within",
        BIAS_BY_TIME: "within",
        FORCE_BY_TIME: "within",
    }


def test_different_scales_withhold_the_bias_alone():
    found = fit_truth_and_bias(rated(seed=2), random_slope=False, df="satterthwaite", scales=Scales())
    assert found.withheld[BIAS] == "the raters answer different items"
    assert FORCE_WITHIN not in found.withheld
    table = found.tidy().set_index("term")[NUMBERS]
    assert table.loc[BIAS].isna().all()
    assert table.loc[FORCE_WITHIN].notna().all()


def test_sessions_of_one_rater_alone_count_as_dropped_within_treatment():
    frame = rated(20, 4).assign(phase="treatment")
    frame.loc[[0, 1], THERAPIST] = np.nan
    later = frame.tail(3).assign(phase="follow_up", session=9, **{THERAPIST: np.nan})
    row = fit_truth_and_bias(pd.concat([frame, later], ignore_index=True), random_slope=False).glance().loc[0]
    assert row[["n_obs", "n_dropped", "n_client"]].tolist() == [78, 2, 20]


EXACT = (
    "judgement: the fixed terms reproduce the outcome exactly; nothing is left for the random terms. Check whether a "
    "predictor was computed from the outcome"
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda f: f[f["client"].isin(["c00", "c01"])],
            "2 clients have sessions that both rated; at least 5 are needed",
        ),
        (lambda f: f.assign(**{CLIENT: np.nan}), "0 clients have sessions that both rated; at least 5 are needed"),
        (lambda f: f.assign(**{CLIENT: 4.0}), "alliance_client is the same in all 240 sessions"),
        (lambda f: f.assign(**{THERAPIST: 4.0}), "alliance_therapist is the same in all 240 sessions"),
        (
            lambda f: f.assign(**{THERAPIST: f[CLIENT]}),
            "alliance_therapist and alliance_client hold the same numbers in all 240 sessions",
        ),
        (
            lambda f: f.assign(**{CLIENT: f.groupby("client")[CLIENT].transform("mean")}),
            "alliance_client does not vary within any client, so how closely alliance_therapist follows it cannot be told",
        ),
        (lambda f: f.assign(**{THERAPIST: f[CLIENT] + 1}), EXACT),
    ],
)
def test_data_that_carry_no_forces_give_no_number_and_the_reason(change, reason):
    found = fit_truth_and_bias(change(rated()))
    assert found.withheld == {BIAS: reason, FORCE_WITHIN: reason}
    assert found.tidy()[NUMBERS].isna().all(axis=None)
    assert found.spread().empty
    assert found.formula == ""


def test_ceiling_ratings_show_how_little_they_say():
    table = fit_truth_and_bias(ceiling(rated())).tidy().set_index("term")
    row = table.loc[FORCE_WITHIN]
    assert row["conf_low"] < 0 < row["conf_high"]


@pytest.mark.slow
def test_the_forces_of_a_simulated_study_are_recovered():
    design, n = StudyDesign(n_clients=160, n_therapists=24, n_sessions=8), 60
    truth = simulate_population_agreement(design, EXAMPLE_SERIES, n_clients=20_000)
    found = pd.concat(
        [table_of(simulate_study(100 + i, design, EXAMPLE_SERIES).sessions).assign(run=i) for i in range(n)]
    )
    names = {BIAS: "directional_bias", FORCE_WITHIN: "truth_force_within", FORCE_BETWEEN: "truth_force_between"}
    for term, name in names.items():
        rows = found.loc[term]
        spread = rows["estimate"].std() / np.sqrt(n)
        assert rows["estimate"].mean() == pytest.approx(truth[name], abs=4 * spread + 0.005)  # the truth is rounded
        covered = ((rows["conf_low"] <= truth[name]) & (truth[name] <= rows["conf_high"])).mean()
        assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / n), term


def test_one_session_per_client_has_bias_and_force_between_clients_alone():
    frame = rated(40, 1, 1)
    found = fit_truth_and_bias(frame)
    assert found.withheld == {
        FORCE_WITHIN: "no client has two sessions that both rated, so how alliance_therapist follows cannot be told"
    }
    table = found.tidy().set_index("term")
    slope, _ = np.polyfit(frame[CLIENT] - frame[CLIENT].mean(), frame[THERAPIST] - frame[CLIENT].mean(), 1)
    gap = frame[THERAPIST] - frame[CLIENT]
    assert table.loc[FORCE_BETWEEN, "estimate"] == pytest.approx(slope)
    assert table.loc[BIAS, "estimate"] == pytest.approx(gap.mean())
    assert table.loc[FORCE_WITHIN, NUMBERS].isna().all()
