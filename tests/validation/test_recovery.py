"""The recovery test of the primary estimate: little bias and few false positives at 5, 8 and 15 sessions (METHODS 0.1)."""

import numpy as np
import pytest

from alliance_analysis.validation import recovery  # the table of the validation page comes from the same function

N_RUNS = 20  # per cell; the page has more
BIAS, FALSE_POSITIVES = 0.02, (0.03, 0.07)
WITH_TRENDS = [cell for cell in recovery.CELLS if cell.trends]


@pytest.fixture(scope="module")
def table():
    return recovery.recover_panel_var(N_RUNS, seed=1_000, cells=tuple(WITH_TRENDS))


@pytest.mark.slow
def test_every_run_can_be_used(table):
    assert table["n_failed"].sum() <= 0.02 * table["n_runs"].sum()


@pytest.mark.slow
def test_the_slope_is_found_with_and_without_feedback_at_every_length(table):
    assert (table["bias"].abs() <= BIAS + 3 * table["mc_error"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("test", ["wald_share", "likelihood_ratio_share"])
def test_false_positives_are_at_their_nominal_rate(table, test):
    none = table[table["true_slope"] == 0]
    share, error = none[test].mean(), np.sqrt(0.05 * 0.95 / (none["n_runs"] - none["n_failed"]).sum())
    assert FALSE_POSITIVES[0] - 3 * error <= share <= FALSE_POSITIVES[1] + 3 * error
    assert (none[test] <= FALSE_POSITIVES[1] + 3 * none["share_error"]).all()


@pytest.mark.slow
def test_standard_errors_are_the_spread_of_the_estimates(table):
    ratio = table["mean_std_error"].sum() / table["sd_estimate"].sum()
    assert ratio == pytest.approx(1, abs=3 / np.sqrt(2 * N_RUNS * len(table)))


def test_one_study_of_each_kind_can_be_run():
    cells = [cell for cell in recovery.CELLS if cell.n_sessions == 5 and cell.feedback and cell.true_slope]
    table = recovery.recover_panel_var(2, seed=1, cells=tuple(cells))
    assert table["time_shape"].tolist() == ["log", "log", "none"]
    assert table["mean_estimate"].between(-0.5, 0.1).all()
    assert (table["bias"] == table["mean_estimate"] - table["true_slope"]).all()
