"""The jackknife over clients against closed forms."""

import numpy as np
import pytest

from alliance_analysis.analyses.jackknife import jackknife_error, spread_of


def test_the_error_of_a_mean_is_its_closed_form():
    x = np.random.default_rng(1).normal(size=25)
    assert jackknife_error(np.mean, x) == pytest.approx(x.std(ddof=1) / 5, rel=1e-12)


def test_the_error_of_a_ratio_is_close_to_the_delta_methods():
    rows = np.random.default_rng(2).normal([10, 5], size=(400, 2))
    top, bottom = rows.mean(axis=0)
    delta = (rows[:, 0] - top / bottom * rows[:, 1]).std(ddof=1) / bottom / 20
    assert jackknife_error(lambda r: r[:, 0].mean() / r[:, 1].mean(), rows) == pytest.approx(delta, rel=0.02)


def test_order_and_a_constant_change_nothing_and_a_scale_scales():
    left_out = np.random.default_rng(3).normal(size=12)
    whole = spread_of(left_out)
    assert spread_of(left_out[::-1] + 5) == pytest.approx(whole, rel=1e-12)
    assert spread_of(10 * left_out) == pytest.approx(10 * whole, rel=1e-12)


def test_one_missing_statistic_leaves_the_error_missing():
    assert np.isnan(spread_of(np.array([1.0, np.nan, 2.0])))
