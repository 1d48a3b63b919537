"""Coverage with few therapists: the table can be made again, counts every data set, and the intervals hold what they say."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import FitWarning
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.validation.coverage import COLUMNS, FORMULA, TRUTH, SmallStudy, simulate_coverage

N_FEW = 6
STORED = Path(__file__).parents[2] / "docs" / "simulations" / "coverage.csv"


def drawn(i, icc=0.15, seed=1):
    return SmallStudy(icc).draw(np.random.default_rng(np.random.SeedSequence([seed, i])))


def refitted(data, df="kenward-roger"):
    with warnings.catch_warnings():
        # a therapist variance at zero counts as any other
        warnings.simplefilter("ignore", FitWarning)
        return fit_mixed(FORMULA, data, df=df)


def test_the_same_seed_gives_the_same_table_and_another_one_another():
    first, second = (simulate_coverage(0.04, n_datasets=N_FEW, df="normal") for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert list(first.columns) == COLUMNS
    assert first["term"].tolist() == list(TRUTH)
    other = simulate_coverage(0.04, n_datasets=N_FEW, df="satterthwaite", seed=2)
    assert not other["median_df"].isin(simulate_coverage(0.04, n_datasets=N_FEW, df="satterthwaite")["median_df"]).any()


def test_coverage_is_the_share_of_intervals_that_hold_the_truth_over_all_data_sets():
    seen = []
    table = simulate_coverage(0.04, n_datasets=N_FEW, progress=lambda *done: seen.append(done)).set_index("term")
    fits = [refitted(drawn(i, icc=0.04)) for i in range(N_FEW)]
    for term, truth in TRUTH.items():
        rows = pd.DataFrame([fit.tidy().set_index("term").loc[term] for fit in fits])
        held = ((rows["conf_low"] <= truth) & (truth <= rows["conf_high"])).mean()
        assert table.loc[term, "covered"] == held
        assert table.loc[term, "median_df"] == rows["df"].median()
        assert table.loc[term, "mc_error"] == pytest.approx(np.sqrt(held * (1 - held) / N_FEW))
    assert set(table["n_singular"]) == {sum(fit.singular for fit in fits)}
    assert 0 < table["n_singular"].iloc[0] < N_FEW  # both kinds are among these six
    assert seen == [(i, N_FEW) for i in range(1, N_FEW + 1)]


def test_a_small_study_has_ten_therapists_and_the_variances_that_it_says():
    data = drawn(0)
    assert data["therapist"].nunique() == 10
    assert data.groupby("therapist")["client"].nunique().between(3, 9).all()
    assert data.groupby("client").size().max() <= 8
    large = SmallStudy(0.15, n_therapists=900, n_sessions=4).draw(np.random.default_rng(1))
    shares = refitted(large, df="normal").icc()
    assert shares["therapist"] == pytest.approx(0.15, abs=0.03)
    assert shares["client"] == pytest.approx(0.40, abs=0.03)
    table = refitted(large, df="normal").tidy().set_index("term")
    assert all(
        abs(table.loc[term, "estimate"] - truth) < 4 * table.loc[term, "std_error"] for term, truth in TRUTH.items()
    )


@pytest.mark.slow  # a minute per row on one core
@pytest.mark.parametrize(("icc", "lowest", "highest"), [(0.15, 0.93, 0.97), (0.04, 0.93, 1.0)])
def test_kenward_roger_intervals_hold_the_truth_as_often_as_they_say(icc, lowest, highest):
    table = simulate_coverage(icc, n_datasets=1000)
    assert table["covered"].between(lowest, highest).all(), table.to_string()
    stored = pd.read_csv(STORED).query("therapist_icc == @icc").reset_index(drop=True)
    # another machine's last digits may turn a few of 1,000 intervals
    pd.testing.assert_frame_equal(table, stored, rtol=0.02, atol=0.005)


@pytest.mark.slow
def test_normal_intervals_would_be_too_short_for_what_lies_between_therapists():
    table = simulate_coverage(0.15, n_datasets=300, df="normal").set_index("term")["covered"]
    assert table["between_therapist"] < 0.93 < table["within"]
