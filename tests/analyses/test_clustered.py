"""The jackknife over therapists: what it leaves out, on which scale, and where it says nothing."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses import intraclass as ic
from alliance_analysis.analyses.clustered import (
    STANDARDISED,
    enough_therapists,
    jackknife_therapists,
    standardise_difference,
)
from alliance_analysis.analyses.jackknife import spread_of
from alliance_analysis.errors import ModelError


def client_means(n=60, k=12, therapist_sd=0.4, seed=1):
    rng = np.random.default_rng(seed)
    therapists = np.arange(n) % k
    level = rng.normal(size=(n, 1)) + therapist_sd * rng.normal(size=(k, 2))[therapists]
    return level + 0.6 * rng.normal(size=(n, 2)) + [0.0, 0.3], therapists


def test_estimates_are_those_of_the_closed_forms():
    means, therapists = client_means()
    own = jackknife_therapists(means, therapists).tidy().set_index("term")["estimate"]
    squares, together = ic.mean_squares(means).tidy(), ic.measure_concordance(means).tidy()
    assert own[list(ic.ICC_TERMS)].tolist() == pytest.approx(squares["estimate"].tolist())
    assert own[[ic.CCC, ic.PRECISION, ic.ACCURACY]].tolist() == pytest.approx(together["estimate"].tolist())
    assert own[STANDARDISED] == pytest.approx(standardise_difference(means)[0])


def test_the_error_is_that_of_leaving_out_one_therapists_clients_on_fishers_z():
    means, therapists = client_means()
    z = [np.arctanh(np.corrcoef(means[therapists != k].T)[0, 1]) for k in range(12)]
    row = jackknife_therapists(means, therapists).tidy().set_index("term").loc[ic.PRECISION]
    r = np.corrcoef(means.T)[0, 1]
    reach = 2.200985160082949 * spread_of(np.array(z))  # Student's t, 11 df
    assert row[["conf_low", "conf_high"]].tolist() == pytest.approx(
        np.tanh([np.arctanh(r) - reach, np.arctanh(r) + reach]).tolist()
    )
    assert row["std_error"] == pytest.approx(spread_of(np.array(z)) * (1 - r**2), rel=1e-6)
    assert row["df"] == 11.0


def test_test_and_interval_agree_and_agreement_itself_has_no_test():
    means, therapists = client_means()
    table = jackknife_therapists(means, therapists).tidy().set_index("term")
    tested = table.loc[[ic.PRECISION, STANDARDISED]]
    assert ((tested["p_value"] < 0.05) == ((tested["conf_low"] > 0) | (tested["conf_high"] < 0))).all()
    assert table.drop(index=[ic.PRECISION, STANDARDISED])["p_value"].isna().all()


def test_numbering_of_therapists_order_and_scale_change_nothing():
    means, therapists = client_means()
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    before = jackknife_therapists(means, therapists).tidy()[columns]
    order = np.random.default_rng(2).permutation(len(means))
    for after in (
        jackknife_therapists(means[order], therapists[order]),
        jackknife_therapists(means, 11 - therapists),
        jackknife_therapists(10 * means, therapists),
    ):
        np.testing.assert_allclose(after.tidy()[columns], before, rtol=1e-6)


def test_without_one_therapist_who_has_all_the_variation_there_is_no_error():
    means, therapists = client_means()
    means = np.where((therapists == 3)[:, None], means, [5.0, 4.0])
    found = jackknife_therapists(means, therapists)
    assert np.isnan(found.error).all()
    table = found.tidy().set_index("term")
    assert table[["std_error", "conf_low", "conf_high", "p_value"]].isna().all(axis=None)
    assert np.isfinite(table.loc[ic.PRECISION, "estimate"])


def test_raters_in_perfect_contradiction_have_no_number_instead_of_a_crash():
    means, therapists = client_means()
    table = jackknife_therapists(np.column_stack([means[:, 0], 7 - means[:, 0]]), therapists).tidy().set_index("term")
    assert table.loc[[ic.CCC, ic.PRECISION, ic.ACCURACY], "estimate"].isna().all()


def test_the_standardised_difference_is_in_pooled_standard_deviations():
    means, _ = client_means()
    d, error = standardise_difference(means)
    assert d == pytest.approx((means[:, 1] - means[:, 0]).mean() / np.sqrt(means.var(axis=0, ddof=1).mean()))
    assert standardise_difference(means[:, ::-1])[0] == pytest.approx(-d)
    assert standardise_difference(np.add(means, [0.0, 1.0]))[0] > d
    assert standardise_difference(100 * means) == pytest.approx((d, error))


@pytest.mark.parametrize("rows", [np.full((6, 2), 3.0), np.vstack([np.full((5, 2), 5.0), [4.0, 3.0]])])
def test_means_that_do_not_vary_have_no_standardised_difference(rows):
    with pytest.raises(ModelError) as error:
        standardise_difference(rows)
    assert str(error.value) == (
        "standardise_difference: the client means of all but one client are the same; standard deviations above 0 are "
        "needed. Report the difference in score points."
    )


@pytest.mark.parametrize(
    ("frame", "enough"),
    [({"client": range(10)}, False), ({"therapist": range(9)}, False), ({"therapist": range(10)}, True)],
)
def test_ten_therapists_are_enough(frame, enough):
    assert enough_therapists(pd.DataFrame(frame)) is enough


@pytest.mark.slow
def test_the_interval_of_consistency_holds_the_truth_where_clients_of_a_therapist_are_alike():
    rng, n, truth, covered, naive = np.random.default_rng(3), 400, (0.5 + 0.5) / (0.5 + 0.5 + 0.5), 0, 0
    for _ in range(n):
        therapists = np.arange(120) % 20
        level = np.sqrt(0.5) * rng.normal(size=(120, 1)) + np.sqrt(0.5) * rng.normal(size=(20, 1))[therapists]
        means = level + np.sqrt(0.5) * rng.normal(size=(120, 2))
        row = jackknife_therapists(means, therapists).tidy().set_index("term").loc["ICC(C,1)"]
        plain = ic.mean_squares(means).tidy().set_index("term").loc["ICC(C,1)"]
        covered += row["conf_low"] <= truth <= row["conf_high"]
        naive += plain["conf_low"] <= truth <= plain["conf_high"]
    assert covered / n == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / n))
    assert naive < covered
