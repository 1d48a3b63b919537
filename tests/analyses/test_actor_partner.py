"""Actor and partner: nlme's numbers, Fieller's interval, invariances, refusals."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, golden, rated, renamed, shuffled
from scipy import stats

from alliance_analysis.analyses.actor_partner import fieller, fit_apim
from alliance_analysis.result import TIDY_COLUMNS

OWN = list(TIDY_COLUMNS[1:])
R_NAMES = {"client": "client", "therapist": "therap", "client:time": "client:time", "therapist:time": "therap:time"}
R_NAMES |= {"client:actor": "client:act", "client:partner": "client:par"}
R_NAMES |= {"therapist:actor": "therap:act", "therapist:partner": "therap:par"}
EFFECTS = ["client:actor", "client:partner", "therapist:actor", "therapist:partner"]


@pytest.fixture(scope="module")
def against_nlme():
    stored, frame = golden("apim_longitudinal")
    return stored, fit_apim(frame.drop(columns="therapist"), "wai_c", "wai_t")


def table_of(frame):
    return fit_apim(frame).tidy().set_index("term")


def test_estimates_and_errors_are_nlmes(against_nlme):
    stored, found = against_nlme
    r = stored["two_intercept_reml"]
    assert found.fit.log_lik >= r["logLik"] - 1e-6
    errors = dict(zip(r["vcov_fixed"]["rows"], np.sqrt(np.diag(r["vcov_fixed"]["values"])), strict=True))
    own = found.tidy().set_index("term")
    assert set(own.index) == set(R_NAMES)
    for term, name in R_NAMES.items():
        assert own.loc[term, "estimate"] == pytest.approx(r["coef"][name]["Value"], abs=1e-3 * errors[name])
        assert own.loc[term, "std_error"] == pytest.approx(errors[name], rel=1e-3)


def test_variances_and_the_same_session_correlation_are_nlmes(against_nlme):
    stored, found = against_nlme
    r = stored["two_intercept_reml"]
    table = found.variance_components().set_index(["group", "term", "term2"])
    between = np.array(r["random"]["dyad"]["values"])
    assert table.loc[("dyad", "client", ""), "estimate"] == pytest.approx(between[0, 0], rel=1e-3)
    assert table.loc[("dyad", "therapist", ""), "estimate"] == pytest.approx(between[1, 1], rel=1e-3)
    assert table.loc[("dyad", "client", "therapist"), "estimate"] == pytest.approx(between[0, 1], rel=1e-3)
    assert table.loc[("residual", "client", ""), "estimate"] == pytest.approx(r["sigma"] ** 2, rel=1e-3)
    assert table.loc[("residual", "client", "therapist"), "std_dev"] == pytest.approx(r["corStruct"], rel=1e-3)
    second = (r["sigma"] * r["varStruct_sd_ratio"]["therapist"]) ** 2
    assert table.loc[("residual", "therapist", ""), "estimate"] == pytest.approx(second, rel=1e-3)


def test_the_test_of_distinguishability_is_nlmes(against_nlme):
    stored, found = against_nlme
    r, row = stored["lrt_distinguishability_ap"], found.distinguishability().iloc[-1]
    assert [row["chisq"], row["p_value"]] == pytest.approx([r["chisq"], r["p"]], rel=1e-3)
    assert row["df"] == r["df"]
    likelihoods = [stored[name]["logLik"] for name in ("equal_actor_partner_ml", "two_intercept_ml")]
    assert found.distinguishability()["log_lik"].tolist() == pytest.approx(likelihoods, abs=1e-5)


def test_fiellers_limits_are_the_ratios_that_a_t_test_does_not_reject():
    covariance = np.array([[0.04, 0.01], [0.01, 0.05]])
    for limit in fieller(1.0, 2.0, covariance, 2.0):
        weights = np.array([1.0, -limit])
        assert abs(1.0 - 2.0 * limit) == pytest.approx(2.0 * np.sqrt(weights @ covariance @ weights))


def test_a_ratio_has_no_limits_where_the_denominator_may_be_zero():
    assert np.isnan(fieller(1.0, 0.3, np.diag([0.04, 0.04]), 1.96)).all()
    low, high = fieller(0.0, 2.0, np.diag([0.04, 0.04]), 1.96)
    assert low == pytest.approx(-high)


def test_the_pattern_is_partner_over_actor_with_the_fewer_df_of_the_two():
    found = fit_apim(rated(60, 8, seed=7))
    own = found.tidy().set_index("term")
    for level in (0.8, 0.95):
        table = found.patterns(level).set_index("rater")
        for role in table.index[table["note"] == ""]:
            assert table.loc[role, "k"] == pytest.approx(
                own.loc[f"{role}:partner", "estimate"] / own.loc[f"{role}:actor", "estimate"]
            )
            terms = [f"{role}:partner", f"{role}:actor"]
            places = [found.fit.estimates.terms.index(term) for term in terms]
            quantile = stats.t.ppf((1 + level) / 2, own.loc[terms, "df"].min())
            covariance = found.fit.fixed_covariance[np.ix_(places, places)]
            expected = fieller(*own.loc[terms, "estimate"], covariance, quantile)
            assert table.loc[role, ["conf_low", "conf_high"]].tolist() == pytest.approx(list(expected))


def test_a_pattern_is_withheld_exactly_where_the_actor_effect_is_not_told_from_zero():
    for seed in range(6):
        found = fit_apim(rated(30, 5, seed=seed))
        own, table = found.tidy().set_index("term"), found.patterns().set_index("rater")
        for role in ("client", "therapist"):
            told = own.loc[f"{role}:actor", "p_value"] < 0.05
            note = "withheld: the actor effect is not clearly different from zero, so the ratio has no bounds"
            near = (
                abs(own.loc[f"{role}:actor", "p_value"] - 0.05) < 0.005
            )  # the ratio takes the fewer df of two effects
            assert near or (table.loc[role, "note"] == "") == told
            assert table.loc[role, "note"] in ("", note)


@pytest.mark.parametrize(
    "change", [shuffled, renamed, lambda f: f.assign(**{c: 10 * f[c] + 3 for c in (CLIENT, THERAPIST)})]
)
def test_order_ids_and_a_common_scale_leave_the_effects(change):
    before, after = table_of(rated(seed=4)), table_of(change(rated(seed=4)))
    np.testing.assert_allclose(after.loc[EFFECTS, OWN], before.loc[EFFECTS, OWN], rtol=1e-4)


def test_a_constant_on_one_rater_moves_only_its_intercept():
    frame = rated(seed=4)
    before, after = table_of(frame), table_of(frame.assign(**{THERAPIST: frame[THERAPIST] + 2}))
    assert after.loc["therapist", "estimate"] == pytest.approx(before.loc["therapist", "estimate"] + 2)
    rest = before.index.drop("therapist")
    np.testing.assert_allclose(after.loc[rest, "estimate"], before.loc[rest, "estimate"], rtol=1e-4)


def test_swapped_raters_swap_the_roles():
    frame = rated(seed=4)
    swap = {"client": "therapist", "therapist": "client"}
    before, after = table_of(frame)["estimate"], fit_apim(frame, THERAPIST, CLIENT).tidy().set_index("term")["estimate"]
    for term in before.index:
        role, _, effect = term.partition(":")
        assert after[f"{swap[role]}:{effect}".rstrip(":")] == pytest.approx(before[term], rel=1e-4, abs=1e-6)


def test_only_consecutive_sessions_are_paired():
    frame = rated(30, 6, seed=4)
    found = fit_apim(frame[frame["session"] != 3])
    assert found.glance().loc[0, ["n_obs", "n_client"]].tolist() == [30 * 3, 30]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.assign(**{CLIENT: 4.0}), "alliance_client is the same in all 240 sessions that both rated"),
        (
            lambda f: f[f["session"] == 1],
            "0 pairs of consecutive sessions of 0 clients have both ratings twice; at least 30 of 10 clients are needed",
        ),
        (
            lambda f: f.assign(**{CLIENT: np.nan}),
            "0 pairs of consecutive sessions of 0 clients have both ratings twice; at least 30 of 10 clients are needed",
        ),
        (
            lambda f: f[f["client"].isin(["c00", "c01"])],
            "10 pairs of consecutive sessions of 2 clients have both ratings twice; at least 30 of 10 clients are needed",
        ),
        (
            lambda f: f.assign(**{THERAPIST: f[CLIENT]}),
            "client:partner: it is a combination of client:actor; the effects cannot be told apart. Drop one",
        ),
    ],
)
def test_data_that_carry_no_effects_give_no_number_and_the_reason(change, reason):
    found = fit_apim(change(rated()))
    assert found.withheld == dict.fromkeys(EFFECTS, reason)
    assert found.tidy()[OWN].isna().all(axis=None)
    assert found.patterns()[["k", "conf_low", "conf_high"]].isna().all(axis=None)
    assert found.patterns()["note"].tolist() == [reason] * 2
    assert found.distinguishability().empty
    assert found.variance_components().empty


def test_dyads_without_one_rater_are_left_out():
    frame = rated(20, 6)
    frame.loc[frame["client"].isin(["c00", "c01"]), CLIENT] = np.nan
    rest = frame[~frame["client"].isin(["c00", "c01"])]
    pd.testing.assert_frame_equal(fit_apim(frame).tidy(), fit_apim(rest).tidy())
