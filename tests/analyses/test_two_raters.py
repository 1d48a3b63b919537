"""The joint model of two raters: lavaan's numbers, concordance by definition, invariances, refusals, coverage."""

import numpy as np
import pandas as pd
import pytest
from rated_study import CLIENT, THERAPIST, ceiling, golden, rated, renamed, shuffled

from alliance_analysis.analyses.two_raters import (
    BETWEEN_CCC,
    BETWEEN_R,
    SESSION_CCC,
    TERMS,
    WITHIN_CCC,
    WITHIN_R,
    fit_two_raters,
)
from alliance_analysis.errors import ModelError
from alliance_analysis.study.simulate import EXAMPLE_SERIES, StudyDesign, simulate_study

COLUMNS = ["estimate", "std_error", "conf_low", "conf_high"]


def fitted(frame):
    return fit_two_raters(frame, CLIENT, THERAPIST)


def moments(at):
    """Means and (co)variances under lavaan's names."""
    between, first, ratio = at.covariances[0], at.sigma**2, at.residual["sd_ratio[second]"]
    return {
        "wai_c~~wai_c|1": first,
        "wai_t~~wai_t|1": first * ratio**2,
        "wai_c~~wai_t|1": first * ratio * at.residual["correlation"],
        "wai_c~~wai_c|2": between[0, 0],
        "wai_t~~wai_t|2": between[1, 1],
        "wai_c~~wai_t|2": between[0, 1],
        "wai_c~1|2": at.beta[0],
        "wai_t~1|2": at.beta[1],
    }


@pytest.fixture(scope="module")
def against_lavaan():
    stored, frame = golden("agreement")
    pairs = frame.dropna(subset=["wai_c", "wai_t"]).drop(columns="therapist")
    return stored["twolevel_ml"], fit_two_raters(pairs, "wai_c", "wai_t")


def test_the_likelihood_is_lavaans(against_lavaan):
    stored, found = against_lavaan
    assert found.fit.log_lik >= stored["fit"]["logl"] - 1e-4
    assert found.fit.log_lik == pytest.approx(stored["fit"]["logl"], abs=1e-4)


def test_all_means_variances_and_covariances_have_lavaans_estimates_and_standard_errors(against_lavaan):
    stored, found = against_lavaan
    ours = found.fit.derive(moments).tidy().set_index("term")
    rows = {f"{r['lhs']}{r['op']}{r['rhs']}|{r['level']}": r for r in stored["estimates"] if r["se"] > 0}
    assert set(ours.index) == set(rows)
    for name, r in rows.items():
        assert ours.loc[name, "estimate"] == pytest.approx(r["est"], abs=1e-3 * r["se"]), name
        assert ours.loc[name, "std_error"] == pytest.approx(r["se"], rel=1e-3), name


def test_the_correlations_are_lavaans_standardised_covariances(against_lavaan):
    stored, found = against_lavaan
    own = found.tidy().set_index("term")["estimate"]
    cov = {r["level"]: r["std.all"] for r in stored["estimates"] if (r["lhs"], r["rhs"]) == ("wai_c", "wai_t")}
    assert [own[WITHIN_R], own[BETWEEN_R]] == pytest.approx([cov[1], cov[2]], abs=1e-5)


def test_concordances_are_covariances_over_all_that_separates_the_raters():
    found = fitted(rated().drop(columns="therapist"))
    (g11, g12), (_, g22) = found.covariances()[0]
    (s11, s12), (_, s22) = found.covariances()[1]
    d = np.diff(found.fit.tidy()["estimate"])[0]
    own = found.tidy().set_index("term")["estimate"]
    assert own[WITHIN_CCC] == pytest.approx(2 * s12 / (s11 + s22), rel=1e-6)
    assert own[BETWEEN_CCC] == pytest.approx(2 * g12 / (g11 + g22 + d**2), rel=1e-6)
    total = g11 + g22 + s11 + s22 + d**2
    assert own[SESSION_CCC] == pytest.approx(2 * (g12 + s12) / total, rel=1e-6)


def test_with_therapists_the_correlation_between_clients_is_of_both_matrices_together():
    found = fitted(rated(80, 6, 16, seed=5))
    assert len(found.fit.covariances) == 2
    (g11, g12), (_, g22) = sum(found.fit.covariances, np.zeros((2, 2)))
    own = found.tidy().set_index("term")["estimate"]
    assert own[BETWEEN_R] == pytest.approx(g12 / np.sqrt(g11 * g22), rel=1e-6)


def test_a_therapist_variance_at_zero_leaves_the_estimate_and_error_of_the_model_without_therapists():
    frame = rated(60, 6, 12, seed=1)
    levels = frame.groupby("client")[[CLIENT, THERAPIST]].transform("mean")
    per_therapist = levels.groupby(frame["therapist"]).transform("mean")
    frame[[CLIENT, THERAPIST]] -= per_therapist - levels.mean()
    found, plain = fitted(frame), fitted(frame.drop(columns="therapist"))
    assert found.fit.singular_level == ("therapist",)
    assert found.withheld == {}
    ours, theirs = (part.tidy().set_index("term")[["estimate", "std_error"]] for part in (found, plain))
    np.testing.assert_allclose(ours, theirs, rtol=2e-3)


def test_what_is_between_clients_has_as_many_df_as_therapists_or_clients_allow():
    frame = rated(60, 6, 12, seed=1)
    for data, df in ((frame, 11.0), (frame.drop(columns="therapist"), 59.0)):
        table = fitted(data).tidy().set_index("term")["df"]
        assert table["correlation between clients"] == table["concordance of single sessions"] == df
        assert np.isinf(table["correlation within clients"])


@pytest.mark.parametrize(
    "change", [shuffled, renamed, lambda f: f.assign(**{c: 10 * f[c] for c in (CLIENT, THERAPIST)})]
)
def test_order_ids_and_a_common_scale_change_nothing(change):
    before, after = (fitted(f).tidy()[COLUMNS] for f in (rated(seed=4), change(rated(seed=4))))
    np.testing.assert_allclose(after, before, rtol=1e-4)


def test_swapped_raters_change_nothing():
    before = fit_two_raters(rated(seed=4), CLIENT, THERAPIST).tidy()[COLUMNS]
    np.testing.assert_allclose(fit_two_raters(rated(seed=4), THERAPIST, CLIENT).tidy()[COLUMNS], before, rtol=1e-4)


def test_a_constant_on_one_rater_leaves_correlations_and_lowers_concordance_between():
    before, after = (fitted(rated(seed=4, bias=bias)).tidy().set_index("term") for bias in (0.0, -1.0))
    same = [WITHIN_R, BETWEEN_R, WITHIN_CCC]
    np.testing.assert_allclose(after.loc[same, COLUMNS], before.loc[same, COLUMNS], rtol=1e-4)
    assert (
        after.loc[[BETWEEN_CCC, SESSION_CCC], "estimate"] < before.loc[[BETWEEN_CCC, SESSION_CCC], "estimate"]
    ).all()


def test_the_test_of_a_correlation_and_its_interval_agree_and_concordances_have_no_test():
    for seed in range(6):
        table = fitted(rated(25, 3, 3, seed, together=0.2)).tidy().set_index("term").dropna(subset=["conf_low"])
        for term in table.index.intersection([WITHIN_R, BETWEEN_R]):
            row = table.loc[term]
            assert (row["p_value"] < 0.05) == (not row["conf_low"] <= 0 <= row["conf_high"])
        assert table.loc[table.index.intersection([WITHIN_CCC, BETWEEN_CCC, SESSION_CCC]), "p_value"].isna().all()


def test_no_variance_between_clients_withholds_what_is_between_them():
    found = fitted(ceiling(rated()))
    reason = "the variance between clients is estimated at zero, or the raters' levels go together perfectly"
    assert found.withheld == {BETWEEN_R: reason, BETWEEN_CCC: reason}
    assert found.tidy().set_index("term").loc[[BETWEEN_R, BETWEEN_CCC]].isna().all(axis=None)
    assert found.tidy()["term"].tolist() == list(TERMS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f[f["session"] == 1],
            "fit_two_raters: none of the 40 clients has two sessions that both raters rated; without, what is within "
            "clients cannot be told from what is between them. Use `mean_squares` for one rating each.",
        ),
        (
            lambda f: f.assign(**{CLIENT: 4.0}),
            "fit_two_raters: alliance_client never varies; a correlation needs scores that vary. Check the column, or "
            "compare means only.",
        ),
        (
            lambda f: f.assign(**{THERAPIST: f.groupby("client")[THERAPIST].transform("mean")}),
            "fit_two_raters: alliance_therapist never varies within a client; a correlation needs scores that vary. Check "
            "the column, or compare means only.",
        ),
    ],
)
def test_data_without_the_variation_it_needs_are_refused(change, message):
    with pytest.raises(ModelError) as error:
        fitted(change(rated()))
    assert str(error.value) == message


@pytest.mark.slow
def test_the_interval_of_the_correlation_between_clients_holds_the_populations_with_therapists():
    design, truth, n = StudyDesign(n_clients=160, n_therapists=24, n_sessions=8), 0.61, 80
    rows = []
    for seed in range(n):
        sessions = simulate_study(500 + seed, design, EXAMPLE_SERIES).sessions.dropna(subset=[CLIENT, THERAPIST])
        rows.append(fitted(sessions).tidy().set_index("term").loc[BETWEEN_R])
    table = pd.DataFrame(rows)
    covered = ((table["conf_low"] <= truth) & (truth <= table["conf_high"])).mean()
    assert table["estimate"].mean() == pytest.approx(truth, abs=0.03)
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / n))
