"""Limits of agreement with repeated ratings: R's numbers, the MOVER interval by hand, invariances, coverage."""

import numpy as np
import pandas as pd
import pytest
from rated_study import golden
from scipy import stats

from alliance_analysis.analyses.limits import TERMS, independent_limits, measure_limits

BIAS, SPREAD, LOWER, UPPER = TERMS


def differences():
    frame = golden("agreement")[1].dropna(subset=["wai_c", "wai_t"])
    return (frame["wai_t"] - frame["wai_c"]).to_numpy(), pd.factorize(frame["client"])[0]


def drawn(rng, between, within, n=30, most=12):
    sizes = rng.integers(1, most + 1, n)
    clients = np.repeat(np.arange(n), sizes)
    gaps = 0.3 + np.sqrt(between) * rng.normal(size=n)[clients] + np.sqrt(within) * rng.normal(size=len(clients))
    return gaps, clients


def test_limits_of_independent_sessions_are_rs():
    stored = golden("agreement")[0]["bland_altman_naive"]
    assert independent_limits(differences()[0]) == pytest.approx(tuple(stored["loa"]), rel=1e-8)


def test_limits_where_true_values_vary_are_rs():
    stored = golden("agreement")[0]["bland_altman_repeated_anova"]
    found = measure_limits(*differences())
    ours = [found.bias, found.variance_between, found.within, found.size]
    assert ours == pytest.approx([stored[name] for name in ("bias", "var_between", "var_within", "n0")], rel=1e-8)
    estimate = found.tidy().set_index("term")["estimate"]
    assert estimate[[SPREAD, LOWER, UPPER]].tolist() == pytest.approx([stored["sd_total"], *stored["loa"]], rel=1e-8)


def test_the_intervals_are_movers_written_out():
    gaps, clients = drawn(np.random.default_rng(1), 0.6, 0.4)
    found = measure_limits(gaps, clients)
    n, total, n0 = found.n_clients, found.n_sessions, found.size
    parts = ((found.between / n0, found.between_df), ((1 - 1 / n0) * found.within, total - n))
    down = np.sqrt(sum((s * (1 - df / stats.chi2.ppf(0.975, df))) ** 2 for s, df in parts))
    up = np.sqrt(sum((s * (df / stats.chi2.ppf(0.025, df) - 1)) ** 2 for s, df in parts))
    low, high = found.variance - down, found.variance + up
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(found.bias_variance)
    table = found.tidy().set_index("term")
    assert table.loc[SPREAD, ["conf_low", "conf_high"]].tolist() == pytest.approx(np.sqrt([low, high]).tolist())
    sd = np.sqrt(found.variance)
    below = found.bias - 1.96 * sd - np.hypot(half, 1.96 * (np.sqrt(high) - sd))
    above = found.bias - 1.96 * sd + np.hypot(half, 1.96 * (sd - np.sqrt(low)))
    assert table.loc[LOWER, ["conf_low", "conf_high"]].tolist() == pytest.approx([below, above])


def test_unequal_numbers_of_sessions_cost_the_mean_square_between_clients_its_df():
    """Its variance over samples is that of a multiple of chi-square with the df said, not with clients - 1."""
    rng = np.random.default_rng(9)
    clients = np.repeat(np.arange(12), [1, 1, 2, 2, 3, 3, 4, 4, 5, 20, 20, 30])
    gaps = rng.normal(size=(4000, 12))[:, clients] + 0.5 * rng.normal(size=(4000, len(clients)))
    found = [measure_limits(row, clients) for row in gaps]
    squares = np.array([f.between for f in found])
    df = np.median([f.between_df for f in found])
    assert df == pytest.approx(2 * squares.mean() ** 2 / squares.var(), rel=0.1)
    assert df < 7
    assert measure_limits(gaps[0][:24], np.repeat(np.arange(12), 2)).between_df == pytest.approx(11)


def test_with_one_session_per_client_it_is_the_classic_analysis():
    gaps = np.random.default_rng(2).normal(size=20)
    table = measure_limits(gaps, np.arange(20)).tidy().set_index("term")
    assert table.loc[[LOWER, UPPER], "estimate"].tolist() == pytest.approx(list(independent_limits(gaps)))
    test = stats.ttest_1samp(gaps, 0).confidence_interval()
    assert table.loc[BIAS, ["conf_low", "conf_high"]].tolist() == pytest.approx([test.low, test.high])
    chi = gaps.std(ddof=1) * np.sqrt(19 / stats.chi2.ppf([0.975, 0.025], 19))
    assert table.loc[SPREAD, ["conf_low", "conf_high"]].tolist() == pytest.approx(chi.tolist())


def test_mean_squares_that_make_a_negative_variance_leave_that_within_alone():
    gaps = np.array([1.0, -1.0, 0.9, -1.1, 1.2, -1.0, 1.0, -0.9])
    found = measure_limits(gaps, np.repeat(np.arange(4), 2))
    assert found.between < found.within
    assert found.variance_between == 0.0
    assert found.variance == found.within
    row = found.tidy().set_index("term").loc[SPREAD]
    expected = np.sqrt(found.within * 4 / stats.chi2.ppf([0.975, 0.025], 4))
    assert row[["conf_low", "conf_high"]].tolist() == pytest.approx(expected.tolist())


def test_the_error_of_the_mean_difference_is_that_of_a_mean_of_clusters():
    gaps, clients = drawn(np.random.default_rng(3), 0.6, 0.4)
    found, sizes = measure_limits(gaps, clients), np.bincount(clients)
    whole = found.variance_between * np.equal.outer(clients, clients) + found.within * np.eye(len(gaps))
    assert found.bias_variance == pytest.approx(whole.sum() / len(gaps) ** 2, rel=1e-12)
    assert sizes.min() != sizes.max()


def test_a_constant_moves_the_mean_and_both_limits_and_nothing_else():
    gaps, clients = drawn(np.random.default_rng(4), 0.6, 0.4)
    before, after = (measure_limits(x, clients).tidy().set_index("term") for x in (gaps, gaps + 2))
    columns = ["estimate", "conf_low", "conf_high"]
    np.testing.assert_allclose(after.loc[[BIAS, LOWER, UPPER], columns], before.loc[[BIAS, LOWER, UPPER], columns] + 2)
    np.testing.assert_allclose(after.loc[SPREAD, columns].astype(float), before.loc[SPREAD, columns].astype(float))


def test_a_scale_scales_everything_and_order_and_numbering_change_nothing():
    gaps, clients = drawn(np.random.default_rng(5), 0.6, 0.4)
    before = measure_limits(gaps, clients).tidy()
    columns = ["estimate", "conf_low", "conf_high"]
    np.testing.assert_allclose(measure_limits(10 * gaps, clients).tidy()[columns], 10 * before[columns])
    order = np.random.default_rng(6).permutation(len(gaps))
    again = measure_limits(gaps[order], (clients.max() - clients)[order]).tidy()
    np.testing.assert_allclose(again[columns], before[columns], rtol=1e-10)


def test_swapped_raters_mirror_the_limits():
    gaps, clients = drawn(np.random.default_rng(7), 0.6, 0.4)
    before, after = (measure_limits(sign * gaps, clients).tidy().set_index("term") for sign in (1, -1))
    assert after.loc[LOWER, "conf_low"] == pytest.approx(-before.loc[UPPER, "conf_high"])
    assert after.loc[UPPER, "conf_low"] == pytest.approx(-before.loc[LOWER, "conf_high"])
    assert after.loc[SPREAD, "estimate"] == pytest.approx(before.loc[SPREAD, "estimate"])


@pytest.mark.slow
@pytest.mark.parametrize(("between", "within"), [(0.6, 0.4), (0.1, 0.9), (0.0, 1.0)])
def test_intervals_hold_the_truth_with_unequal_numbers_of_sessions(between, within):
    rng = np.random.default_rng(8)
    n, sd = 1500, np.sqrt(between + within)
    truth = np.array([0.3, sd, 0.3 - 1.96 * sd, 0.3 + 1.96 * sd])
    covered = np.zeros(4)
    for _ in range(n):
        table = measure_limits(*drawn(rng, between, within)).tidy()
        covered += (table["conf_low"].to_numpy() <= truth) & (truth <= table["conf_high"].to_numpy())
    assert covered / n == pytest.approx(0.95, abs=0.025)  # MOVER is approximate; Monte Carlo error .006
