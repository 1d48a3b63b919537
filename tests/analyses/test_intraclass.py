"""Intraclass correlations and concordance: R's numbers, published ones, their invariances, and what is refused."""

import numpy as np
import pytest
from rated_study import golden

from alliance_analysis.analyses.intraclass import (
    ACCURACY,
    CCC,
    PRECISION,
    mean_of_two,
    mean_squares,
    measure_concordance,
    relate_scores,
)
from alliance_analysis.errors import ModelError

R_FORM = {"ICC(1)": "ICC1", "ICC(A,1)": "ICC2", "ICC(C,1)": "ICC3"}
R_FORM |= {"ICC(1,k)": "ICC1k", "ICC(A,k)": "ICC2k", "ICC(C,k)": "ICC3k"}


def client_means():
    frame = golden("agreement")[1].dropna(subset=["wai_c", "wai_t"])
    return frame.groupby("client")[["wai_c", "wai_t"]].mean().to_numpy()


def scores(n=60, seed=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) + rng.normal(size=(n, 2)) * [0.6, 0.9] + [0.0, 0.4]


@pytest.mark.parametrize("term", list(R_FORM))
def test_every_form_has_psychs_estimate_f_df_p_and_limits(term):
    stored = golden("agreement")[0]["icc_dyad_means"][R_FORM[term]]
    found = mean_squares(client_means())
    row = found.tidy().set_index("term").loc[term]
    ours = row[["estimate", "statistic", "df", "p_value", "conf_low", "conf_high"]].tolist()
    r = [stored[name] for name in ("ICC", "F", "df2", "p", "lower bound", "upper bound")]
    assert ours == pytest.approx(r, rel=1e-8)
    assert found.n - 1 == stored["df1"]


def test_forms_are_those_of_shrout_and_fleiss_1979_table_4():
    """Two of their four judges cannot be taken apart, so their six targets and judges 1 and 2 stand by definition."""
    pair = np.array([[9.0, 2], [6, 1], [8, 4], [7, 1], [10, 5], [6, 2]])
    b = 2 * pair.mean(axis=1).var(ddof=1)
    e = (pair[:, 0] - pair[:, 1]).var(ddof=1) / 2
    r = 6 * pair.mean(axis=0).var(ddof=1)
    w = ((pair[:, 0] - pair[:, 1]) ** 2).sum() / 12
    expected = [(b - w) / (b + w), (b - e) / (b + e + 2 * (r - e) / 6), (b - e) / (b + e)]
    assert mean_squares(pair).single_forms().tolist() == pytest.approx(expected, rel=1e-12)


def test_forms_of_a_mean_follow_from_those_of_one_score_by_spearman_and_brown():
    table = mean_squares(scores()).tidy().set_index("term")
    for one, mean in (("ICC(1)", "ICC(1,k)"), ("ICC(A,1)", "ICC(A,k)"), ("ICC(C,1)", "ICC(C,k)")):
        for name in ("estimate", "conf_low", "conf_high"):
            assert table.loc[mean, name] == pytest.approx(2 * table.loc[one, name] / (1 + table.loc[one, name]))


def test_a_constant_added_to_one_rater_moves_agreement_and_leaves_consistency():
    before, after = (mean_squares(x).tidy().set_index("term") for x in (scores(), np.add(scores(), [0.0, 3.0])))
    columns = ["estimate", "statistic", "p_value", "conf_low", "conf_high"]
    consistent = ["ICC(C,1)", "ICC(C,k)"]
    np.testing.assert_allclose(after.loc[consistent, columns], before.loc[consistent, columns], rtol=1e-10)
    assert (after.loc[["ICC(1)", "ICC(A,1)"], "estimate"] < before.loc[["ICC(1)", "ICC(A,1)"], "estimate"] - 0.3).all()


@pytest.mark.parametrize("change", [lambda x: 10 * x, lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: x + 7])
def test_scale_order_swapped_raters_and_origin_change_nothing(change):
    for measure in (lambda x: mean_squares(x).tidy(), lambda x: measure_concordance(x).tidy()):
        before, after = measure(scores()), measure(change(scores()))
        columns = ["estimate", "std_error", "conf_low", "conf_high"]
        np.testing.assert_allclose(after[columns], before[columns], rtol=1e-9)


def test_concordance_has_the_references_value_error_and_limits():
    stored = golden("agreement")[0]["ccc_dyad_means"]
    found = measure_concordance(client_means())
    table = found.tidy().set_index("term")
    ours = [*table.loc[[CCC, PRECISION, ACCURACY], "estimate"], table.loc[CCC, "std_error"], found.location_shift]
    assert ours == pytest.approx([stored[name] for name in ("ccc", "r", "Cb", "se", "u")], rel=1e-8)
    assert found.scale_shift == pytest.approx(stored["scale_shift"], rel=1e-8)
    assert table.loc[CCC, ["conf_low", "conf_high"]].tolist() == pytest.approx(stored["ci"], rel=1e-8)


def test_concordance_is_precision_times_accuracy_and_twice_the_covariance_over_all_variance():
    x = scores()
    c = np.cov(x.T, bias=True)
    found = relate_scores(x)
    expected = 2 * c[0, 1] / (c[0, 0] + c[1, 1] + (x[:, 0].mean() - x[:, 1].mean()) ** 2)
    assert found.ccc == pytest.approx(expected, rel=1e-12)
    assert found.ccc == pytest.approx(found.correlation * found.accuracy, rel=1e-12)


def test_the_error_of_concordance_is_lins_as_written():
    found = relate_scores(scores())
    r, p, u = found.correlation, found.ccc, found.location_shift
    inside = (1 - r**2) * p**2 * (1 - p**2) / r**2 + 2 * p**3 * (1 - p) * u**2 / r - p**4 * u**4 / (2 * r**2)
    assert found.std_error == pytest.approx(np.sqrt(inside / (found.n - 2)), rel=1e-12)


def test_a_correlation_of_exactly_zero_is_a_number_like_any_other():
    pair = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])
    table = measure_concordance(pair).tidy().set_index("term")
    assert table.loc[CCC, "estimate"] == 0.0
    assert table.loc[CCC, "std_error"] == pytest.approx(1 / np.sqrt(2))  # (1 - r^2) / (n - 2) with equal moments
    assert np.isfinite(table.loc[CCC, ["conf_low", "conf_high"]].astype(float)).all()


def test_accuracy_of_one_has_no_limits_instead_of_limits_without_width():
    first = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    table = measure_concordance(np.column_stack([first, first[[1, 0, 3, 4, 2]]])).tidy().set_index("term")
    assert table.loc[ACCURACY, "estimate"] == pytest.approx(1.0)
    assert table.loc[ACCURACY, ["conf_low", "conf_high"]].isna().all()


def test_raters_who_contradict_each_other_have_a_mean_without_a_lower_bound():
    x = np.linspace(-1, 1, 12)[:, None] * [1.0, -1.0] + np.random.default_rng(0).normal(size=(12, 2)) * 0.05
    table = mean_squares(x).tidy().set_index("term")
    assert table.loc["ICC(A,1)", "estimate"] < -1
    assert table.loc["ICC(A,k)", ["estimate", "conf_low"]].tolist() == [-np.inf, -np.inf]
    for name in table.index:
        assert table.loc[name, "conf_low"] <= table.loc[name, "estimate"] <= table.loc[name, "conf_high"]


def test_limits_hold_the_estimate_and_widen_with_the_level():
    for pair in (scores(8, 1), scores(8, 1) * [1.0, -1.0]):
        narrow, wide = (mean_squares(pair).tidy(level) for level in (0.5, 0.99))
        assert (wide["conf_low"] <= narrow["conf_low"]).all()
        assert (narrow["conf_high"] <= wide["conf_high"]).all()
        assert narrow["estimate"].between(narrow["conf_low"], narrow["conf_high"]).all()


def test_the_f_test_and_the_interval_of_consistency_agree_where_the_limit_is_zero():
    """One-sided 2.5 %: the lower limit is zero exactly where p is .025."""
    for seed in range(30):
        table = mean_squares(np.random.default_rng(seed).normal(size=(20, 2))).tidy().set_index("term")
        for term in ("ICC(1)", "ICC(C,1)"):
            assert (table.loc[term, "conf_low"] > 0) == (table.loc[term, "p_value"] < 0.025)


def test_mean_of_two_has_no_value_from_minus_one_downwards():
    assert [mean_of_two(x) for x in (0.0, 0.5, 1.0, -1.0, -3.0)] == [0.0, pytest.approx(2 / 3), 1.0, -np.inf, -np.inf]
    assert np.isnan(mean_of_two(np.nan))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (
            np.column_stack([np.arange(6.0), np.arange(6.0) + 1]),
            "mean_squares: the 2 scores of 6 clients differ by nothing but a constant, or do not differ between clients; "
            "intraclass correlations need both kinds of difference. Check the two columns.",
        ),
        (
            np.tile([1.0, 2.0], (6, 1)),
            "mean_squares: the 2 scores of 6 clients differ by nothing but a constant, or do not differ between clients; "
            "intraclass correlations need both kinds of difference. Check the two columns.",
        ),
    ],
)
def test_scores_without_variance_are_refused(pair, message):
    with pytest.raises(ModelError) as error:
        mean_squares(pair)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (
            np.arange(6.0).reshape(3, 2),
            "measure_concordance: 3 clients; at least 4 are needed. Use data with more of them.",
        ),
        (
            np.column_stack([np.arange(5.0), np.full(5, 4.0)]),
            "measure_concordance: the scores of rater 2 are the same for all 5 clients; a correlation needs scores that "
            "vary. Check the column.",
        ),
        (
            np.column_stack([np.arange(5.0), 3 - 2 * np.arange(5.0)]),
            "measure_concordance: the correlation is -1; a number between -1 and 1 is needed. Check whether one column "
            "was computed from the other.",
        ),
    ],
)
def test_concordance_refuses_what_has_no_correlation(pair, message):
    with pytest.raises(ModelError) as error:
        measure_concordance(pair)
    assert str(error.value) == message


@pytest.mark.slow
def test_mcgraw_and_wongs_limits_of_absolute_agreement_hold_the_truth_when_raters_are_drawn_too():
    rng = np.random.default_rng(11)
    n, covered, truth = 1000, 0, 0.6 / (0.6 + 0.1 + 0.3)
    for _ in range(n):
        x = (
            np.sqrt(0.6) * rng.normal(size=(40, 1))
            + np.sqrt(0.1) * rng.normal(size=2)
            + np.sqrt(0.3) * rng.normal(size=(40, 2))
        )
        row = mean_squares(x).tidy().iloc[1]
        covered += row["conf_low"] <= truth <= row["conf_high"]
    assert covered / n == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / n))


@pytest.mark.slow
def test_lins_error_is_the_spread_of_the_concordance_over_samples():
    rng = np.random.default_rng(12)
    factor = np.linalg.cholesky([[1.0, 0.65], [0.65, 1.69]])
    found = [relate_scores(rng.normal(size=(60, 2)) @ factor.T + [0, 0.5]) for _ in range(3000)]
    assert np.mean([f.std_error for f in found]) == pytest.approx(np.std([f.ccc for f in found]), rel=0.06)
