"""The table of estimates: columns, tests and intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alliance_analysis.errors import ModelError
from alliance_analysis.result import TIDY_COLUMNS, Estimates, t_quantile, two_sided_p

ESTIMATES = Estimates(("a", "b"), np.array([1.0, -3.0]), np.array([0.5, 1.0]), np.array([7.5, np.inf]))


def test_columns_never_depend_on_an_option() -> None:
    assert tuple(ESTIMATES.tidy().columns) == TIDY_COLUMNS
    assert tuple(ESTIMATES.tidy(conf_level=0.5).columns) == TIDY_COLUMNS


def test_tests_and_intervals_are_those_of_student_and_normal() -> None:
    table = ESTIMATES.tidy(conf_level=0.9)
    np.testing.assert_allclose(table["statistic"], [2.0, -3.0])
    np.testing.assert_allclose(table["p_value"], [2 * stats.t.sf(2, 7.5), 2 * stats.norm.sf(3)], rtol=1e-12)
    reach = np.array([stats.t.ppf(0.95, 7.5) * 0.5, stats.norm.ppf(0.95)])
    np.testing.assert_allclose(table["conf_low"], ESTIMATES.estimate - reach, rtol=1e-12)
    np.testing.assert_allclose(table["conf_high"], ESTIMATES.estimate + reach, rtol=1e-12)


@pytest.mark.parametrize("df", [0.5, 1.0, 2.3, 47.3, 1e4, 1e9])
def test_t_quantile_and_p_value_agree_with_scipy_over_all_df(df: float) -> None:
    assert t_quantile(0.975, np.array([df]))[0] == pytest.approx(stats.t.ppf(0.975, df), rel=1e-8)
    for statistic in (0.0, 0.1, 2.0, 30.0):
        own = two_sided_p(np.array([statistic]), np.array([df]))[0]
        assert own == pytest.approx(2 * stats.t.sf(statistic, df), rel=1e-8, abs=1e-300)


def test_unknown_df_give_missing_tests_but_keep_the_estimate() -> None:
    table = Estimates(("a",), np.array([1.0]), np.array([0.5]), np.array([np.nan])).tidy()
    assert table.loc[0, "estimate"] == 1.0
    assert table[["p_value", "conf_low", "conf_high"]].isna().all(axis=None)


def test_zero_standard_error_gives_infinite_statistic_without_a_warning() -> None:
    table = Estimates(("a",), np.array([1.0]), np.array([0.0]), np.array([np.inf])).tidy()
    assert table.loc[0, "statistic"] == np.inf
    assert table.loc[0, "p_value"] == 0.0


@pytest.mark.parametrize("conf_level", [0, 1, -0.5, 95, "0.95", True, float("nan")])
def test_conf_level_outside_its_range_is_refused(conf_level: object) -> None:
    with pytest.raises(ModelError) as caught:
        ESTIMATES.tidy(conf_level)  # type: ignore[arg-type]
    assert str(caught.value) == f"conf_level must lie between 0 and 1, got {conf_level!r}. Use for example 0.95."


def test_estimates_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'terms'"):
        ESTIMATES.terms = ("c",)  # type: ignore[misc]
