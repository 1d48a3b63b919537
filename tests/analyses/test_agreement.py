"""Agreement as a whole: R's numbers, levels, what is withheld and why, and no number from data that carry none."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, ceiling, golden, rated, renamed, shuffled
from scipy import stats

from alliance_analysis.analyses import intraclass as ic
from alliance_analysis.analyses import limits as la
from alliance_analysis.analyses import two_raters as tr
from alliance_analysis.analyses.agreement import BEYOND_COURSE, KAPPA, REPEATED_R, correlate_repeated, fit_agreement
from alliance_analysis.analyses.clustered import STANDARDISED
from alliance_analysis.errors import ModelError
from alliance_analysis.result import TIDY_COLUMNS

NUMBERS = ["estimate", "std_error", "conf_low", "conf_high"]
WITHIN = (REPEATED_R, BEYOND_COURSE, tr.WITHIN_R, tr.BETWEEN_R, tr.WITHIN_CCC, tr.BETWEEN_CCC, tr.SESSION_CCC)


class Scales:
    """What a study knows of the two scales."""

    def __init__(self, same_range, reason):
        self.same_range, self.reason = same_range, reason


def table_of(frame, **options):
    return fit_agreement(frame, **options).tidy().set_index("term")


def without_therapists(**options):
    return rated(**options).drop(columns="therapist")


@pytest.fixture(scope="module")
def against_r():
    stored, frame = golden("agreement")
    return stored, fit_agreement(frame.drop(columns="therapist"), "wai_c", "wai_t")


def test_the_repeated_measures_correlation_has_rs_r_df_p_and_interval(against_r):
    stored, found = against_r
    row, r = found.tidy().set_index("term").loc[REPEATED_R], stored["rmcorr"]
    assert row[["estimate", "df", "p_value"]].tolist() == pytest.approx([r["r"], r["df"], r["p"]], rel=1e-8)
    assert row[["conf_low", "conf_high"]].tolist() == pytest.approx(r["ci_fisher"], rel=1e-8)


def test_what_mixes_levels_has_rs_values_and_says_what_is_wrong_with_it(against_r):
    stored, found = against_r
    pooled = found.pooled.set_index("number")
    r = [stored["corr_raw_pooled"], stored["corr_dyad_means"], stored["bland_altman_naive"]["bias"]]
    assert pooled["estimate"].tolist() == pytest.approx(r, rel=1e-8)
    assert pooled.iloc[2][["conf_low", "conf_high"]].tolist() == pytest.approx(
        stored["bland_altman_naive"]["loa"], rel=1e-8
    )
    assert pooled["why_not"].tolist() == [
        "mixes what is between clients with what is within them; sessions of one client are not independent",
        "means of few sessions carry part of what is within clients; see the correlation between clients",
        "limits of agreement that take sessions of one client for independent",
    ]


def test_intraclass_concordance_and_limits_are_rs_in_the_table_too(against_r):
    stored, found = against_r
    own = found.tidy().set_index("term")["estimate"]
    assert own["ICC(A,1)"] == pytest.approx(stored["icc_dyad_means"]["ICC2"]["ICC"], rel=1e-8)
    assert own[ic.CCC] == pytest.approx(stored["ccc_dyad_means"]["ccc"], rel=1e-8)
    assert own[la.LOWER] == pytest.approx(stored["bland_altman_repeated_anova"]["loa"][0], rel=1e-8)


def test_the_limits_from_a_mixed_model_are_lme4s():
    from alliance_analysis.mixed.fit import fit_mixed

    stored, frame = golden("agreement")
    r = stored["bland_altman_repeated_reml"]
    pairs = frame.dropna(subset=["wai_c", "wai_t"])
    fit = fit_mixed("gap ~ 1 + (1 | client)", pairs.assign(gap=pairs["wai_t"] - pairs["wai_c"]))
    bias, error = fit.tidy().loc[0, ["estimate", "std_error"]]
    between, within = float(fit.covariances[0][0, 0]), fit.sigma**2
    assert bias == pytest.approx(r["bias"], abs=1e-4 * r["se_bias"])
    assert error == pytest.approx(r["se_bias"], rel=1e-4)
    assert [between, within] == pytest.approx([r["var_between"], r["var_within"]], rel=1e-3)
    assert bias + 1.96 * np.sqrt(between + within) == pytest.approx(r["loa"][1], rel=1e-4)


def test_the_repeated_measures_test_is_the_f_test_of_the_analysis_of_covariance():
    frame = rated(12, 4, seed=3)
    x, y, clients = frame[CLIENT].to_numpy(), frame[THERAPIST].to_numpy(), pd.factorize(frame["client"])[0]
    r, df = correlate_repeated(x, y, clients)
    row = table_of(frame).loc[REPEATED_R]
    assert row["p_value"] == pytest.approx(stats.f.sf(r**2 * df / (1 - r**2), 1, df), rel=1e-9)
    assert [row["estimate"], row["df"]] == [r, df] == [r, 48 - 12 - 1]


def test_every_term_stands_at_its_level_whatever_the_data():
    for frame in (rated(), rated(3, 2), rated()[lambda f: f["session"] == 1]):
        table = fit_agreement(frame).tidy()
        assert list(table.columns) == [*TIDY_COLUMNS, "level"]
        assert dict(zip(table["term"], table["level"], strict=True)) == fit_agreement(frame).levels
    by_level = table.groupby("level")["term"].agg(set)
    assert by_level["within"] == {REPEATED_R, tr.WITHIN_R, BEYOND_COURSE, tr.WITHIN_CCC}
    assert by_level["total"] == {*la.TERMS, tr.SESSION_CCC, KAPPA}


def test_a_number_is_missing_exactly_where_a_reason_stands():
    for frame in (rated(), ceiling(rated()), rated(6, 3, 6), rated()[lambda f: f["session"] == 1], rated(4, 6)):
        found = fit_agreement(frame)
        table = found.tidy().set_index("term")
        assert set(table.index[table["estimate"].isna()]) == set(found.withheld)
        shown = table.drop(index=list(found.withheld))
        assert np.isfinite(shown[["estimate", "conf_low", "conf_high"]].astype(float)).all(axis=None)
        assert (shown["conf_low"] <= shown["estimate"]).all()
        assert (shown["estimate"] <= shown["conf_high"]).all()


def test_tests_and_intervals_agree():
    for seed in range(8):
        table = table_of(rated(25, 3, 25 if seed % 2 else 3, seed, together=0.15)).dropna(subset=["p_value"])
        excluded = (table["conf_low"] > 0) | (table["conf_high"] < 0)
        clear = (table["p_value"] - 0.05).abs() > 0.003  # rmcorr: Student's t beside Fisher's z
        assert ((table["p_value"] < 0.05) == excluded)[clear].all()


@pytest.mark.parametrize(
    "change", [shuffled, renamed, lambda f: f.assign(**{c: f[c] + 2 for c in (CLIENT, THERAPIST)})]
)
def test_order_ids_and_a_common_constant_change_nothing(change):
    before, after = table_of(rated(seed=4)), table_of(change(rated(seed=4)))
    np.testing.assert_allclose(after[NUMBERS].astype(float), before[NUMBERS].astype(float), rtol=1e-4)


def test_a_constant_on_one_rater_moves_the_mean_difference_and_the_limits_by_it():
    frame = rated(seed=4)
    before, after = table_of(frame), table_of(frame.assign(**{THERAPIST: frame[THERAPIST] + 0.7}))
    moved = [la.BIAS, la.LOWER, la.UPPER]
    np.testing.assert_allclose(after.loc[moved, "estimate"], before.loc[moved, "estimate"] + 0.7)
    same = ["ICC(C,1)", "ICC(C,k)", ic.PRECISION, la.SPREAD, REPEATED_R, tr.WITHIN_R, tr.BETWEEN_R, tr.WITHIN_CCC]
    np.testing.assert_allclose(after.loc[same, "estimate"], before.loc[same, "estimate"], rtol=1e-5)


def test_a_scale_on_both_scales_what_is_in_points_and_nothing_else():
    frame = rated(seed=4)
    before, after = table_of(frame), table_of(frame.assign(**{c: 10 * frame[c] for c in (CLIENT, THERAPIST)}))
    for name in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(after.loc[list(la.TERMS), name], 10 * before.loc[list(la.TERMS), name], rtol=1e-8)
        rest = before.index.difference([*la.TERMS, KAPPA])
        np.testing.assert_allclose(after.loc[rest, name].astype(float), before.loc[rest, name].astype(float), rtol=1e-4)


def test_swapped_raters_mirror_differences_and_leave_agreement():
    frame = rated(seed=4)
    before, after = table_of(frame), fit_agreement(frame, THERAPIST, CLIENT).tidy().set_index("term")
    assert after.loc[la.LOWER, "estimate"] == pytest.approx(-before.loc[la.UPPER, "estimate"])
    assert after.loc[[la.BIAS, STANDARDISED], "estimate"].tolist() == pytest.approx(
        (-before.loc[[la.BIAS, STANDARDISED], "estimate"]).tolist()
    )
    same = [*ic.ICC_TERMS, ic.CCC, REPEATED_R, tr.WITHIN_R, tr.BETWEEN_R, tr.SESSION_CCC]
    np.testing.assert_allclose(after.loc[same, "estimate"], before.loc[same, "estimate"], rtol=1e-5)


def test_the_average_course_is_taken_out_of_both_ratings():
    frame = rated(60, 8, together=0.0, seed=2)
    rising = frame.assign(**{c: frame[c] + 0.5 * frame["session"] for c in (CLIENT, THERAPIST)})
    table = table_of(rising)
    assert table.loc[tr.WITHIN_R, "estimate"] > 0.8
    assert abs(table.loc[BEYOND_COURSE, "estimate"]) < 0.15


def test_with_ten_therapists_what_is_between_clients_has_their_jackknife_and_df():
    found = fit_agreement(rated(60, 4, 12))
    table = found.tidy().set_index("term")
    between = [*ic.ICC_TERMS, ic.CCC, ic.PRECISION, ic.ACCURACY, STANDARDISED, la.BIAS]
    assert (table.loc[between, "df"] == 11).all()
    assert found.glance().loc[0, "se_method"] == "between clients a jackknife over therapists"


def test_with_fewer_therapists_clients_are_taken_for_independent_and_it_is_said():
    found = fit_agreement(rated(60, 4, 9))
    table = found.tidy().set_index("term")
    assert found.clustered is None
    assert table.loc[[STANDARDISED, la.BIAS, "ICC(1)", "ICC(C,1)"], "df"].tolist() == [59, 59, 60, 59]
    assert found.glance().loc[0, "se_method"] == "clients taken for independent"


def test_the_jackknifed_mean_difference_leaves_out_one_therapists_sessions():
    frame = rated(60, 4, 12)
    gap = frame[THERAPIST] - frame[CLIENT]
    left_out = np.array([gap[frame["therapist"] != name].mean() for name in frame["therapist"].unique()])
    error = np.sqrt(11 / 12 * ((left_out - left_out.mean()) ** 2).sum())
    assert table_of(frame).loc[la.BIAS, "std_error"] == pytest.approx(error)


def test_rows_of_one_rater_alone_are_counted_within_treatment():
    frame = rated(20, 4).assign(phase="treatment")
    frame.loc[[0, 1], THERAPIST] = np.nan
    frame.loc[2, [CLIENT, THERAPIST]] = np.nan
    later = frame.tail(3).assign(phase="follow_up", session=9, **{THERAPIST: np.nan})
    row = fit_agreement(pd.concat([frame, later], ignore_index=True)).glance().loc[0]
    assert row[["n_obs", "n_dropped", "n_client"]].tolist() == [77, 2, 20]


def test_a_rater_missing_for_some_clients_leaves_them_out():
    frame = rated(20, 4)
    frame.loc[frame["client"].isin(["c00", "c01"]), CLIENT] = np.nan
    rest = frame[~frame["client"].isin(["c00", "c01"])]
    pd.testing.assert_frame_equal(fit_agreement(frame).tidy(), fit_agreement(rest).tidy())
    assert fit_agreement(frame).n_clients == 18


@pytest.mark.parametrize("n_therapists", [1, 12])
def test_studies_with_one_session_per_client_say_nothing_about_sessions(n_therapists):
    found = fit_agreement(rated(40, 1, n_therapists))
    reason = "no client has two sessions that both rated, so nothing can be said about sessions within a client"
    assert {term: found.withheld[term] for term in WITHIN} == dict.fromkeys(WITHIN, reason)
    table = found.tidy().set_index("term")
    assert np.isfinite(table.loc[[*ic.ICC_TERMS, *la.TERMS, STANDARDISED], "estimate"].astype(float)).all()


def test_one_therapist_is_no_level():
    found = fit_agreement(rated(40, 6, 1))
    assert found.n_therapists == 1
    pd.testing.assert_frame_equal(found.tidy(), fit_agreement(without_therapists(n_therapists=1)).tidy())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda f: f[f["client"].isin(["c00", "c01"])],
            "2 clients have sessions that both rated; at least 5 are needed",
        ),
        (lambda f: f.assign(**{CLIENT: np.nan}), "0 clients have sessions that both rated; at least 5 are needed"),
        (
            lambda f: f.assign(**{THERAPIST: f[CLIENT]}),
            "alliance_client and alliance_therapist hold the same numbers in all 240 sessions",
        ),
        (
            lambda f: f.assign(**{THERAPIST: f[CLIENT] - 0.5}),
            "alliance_therapist is alliance_client plus the same number in all 240 sessions",
        ),
        (
            lambda f: f.assign(therapist=f["therapist"].where(f["client"] != "c01")),
            "6 of 240 sessions that both rated have no therapist id",
        ),
    ],
)
def test_data_that_carry_nothing_give_no_number_and_the_reason(change, reason):
    found = fit_agreement(change(rated()))
    assert found.withheld == dict.fromkeys(found.levels, reason)
    assert found.tidy()[list(TIDY_COLUMNS[1:])].isna().all(axis=None)


def test_a_constant_rater_leaves_only_the_limits():
    found = fit_agreement(rated().assign(**{THERAPIST: 4.0}))
    reason = "alliance_therapist is the same in all 240 sessions"
    assert found.withheld == {term: reason for term in found.levels if term not in la.TERMS}


@pytest.mark.parametrize(("factor", "shown"), [(2.0, "ICC(C,1)"), (-1.0, "ICC(C,1)")])
def test_ratings_computed_from_each_other_have_no_correlation(factor, shown):
    frame = rated()
    found = fit_agreement(frame.assign(**{THERAPIST: factor * frame[CLIENT]}))
    message = f"the correlation is {np.sign(factor):.0f}; a number between -1 and 1 is needed"
    for term in (ic.CCC, ic.PRECISION, ic.ACCURACY, REPEATED_R):
        assert found.withheld[term] == message
    assert {tr.WITHIN_R, tr.BETWEEN_R} <= set(found.withheld)
    assert (shown in found.withheld) == (factor < 0)  # below -1 there is no Fisher's z


def test_ceiling_ratings_have_numbers_only_where_they_vary():
    found = fit_agreement(ceiling(rated()))
    reason = "the variance between clients is estimated at zero, or the raters' levels go together perfectly"
    assert {tr.BETWEEN_R, tr.BETWEEN_CCC} <= {term for term, why in found.withheld.items() if why == reason}
    assert abs(found.tidy().set_index("term").loc[KAPPA, "estimate"]) < 0.3


def test_variation_in_one_therapists_clients_alone_is_no_basis_for_an_interval():
    frame = rated(40, 6, 12)
    mine = frame["therapist"] == "t03"
    found = fit_agreement(frame.assign(**{name: frame[name].where(mine, 5.0) for name in (CLIENT, THERAPIST)}))
    alone = "without the clients of one therapist it cannot be computed, so its precision cannot be told"
    assert {found.withheld[term] for term in (*ic.ICC_TERMS, ic.CCC, ic.PRECISION, ic.ACCURACY, STANDARDISED)} == {
        alone
    }


def test_scales_that_differ_withhold_what_compares_means():
    reason = "the raters answer different items"
    found = fit_agreement(rated(), scales=Scales(True, f"{reason}."))
    means = {*la.TERMS, ic.CCC, ic.ACCURACY, "ICC(1)", "ICC(1,k)", "ICC(A,1)", "ICC(A,k)", STANDARDISED, KAPPA}
    assert {term for term, why in found.withheld.items() if why == reason} >= means - {KAPPA}
    assert {"ICC(C,1)", ic.PRECISION, tr.WITHIN_CCC} & set(found.withheld) == set()
    other = fit_agreement(rated(), scales=Scales(False, f"{reason}."))
    assert {"ICC(C,1)", "ICC(C,k)", tr.WITHIN_CCC} <= set(other.withheld)
    assert other.tidy().set_index("term").loc[ic.PRECISION, "df"] == 11  # still the jackknife over therapists


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.repeat([1.0, 2.0, 3.0], 4),
            "correlate_repeated: a rating never varies within a client, or too few sessions repeat (8 df); ratings that vary "
            "and 3 df are needed. Compare client means only.",
        ),
        (
            2 * np.arange(12.0) ** 2 + 1,
            "correlate_repeated: the correlation is 1; a number between -1 and 1 is needed. Check whether one column was "
            "computed from the other.",
        ),
    ],
)
def test_repeated_measures_need_variation_within_clients_that_is_not_all_shared(x, message):
    with pytest.raises(ModelError) as error:
        correlate_repeated(x, np.arange(12.0) ** 2, np.repeat(np.arange(3), 4))
    assert str(error.value) == message
