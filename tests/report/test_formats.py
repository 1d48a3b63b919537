"""Numbers become text in one way."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.formats import (
    format_count,
    format_interval,
    format_number,
    format_p,
    format_percent,
    format_value,
)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1.005, 2, "1.00"),
        (-0.314, 2, "−0.31"),
        (1234.5678, 1, "1,234.6"),
        (0, 2, "0.00"),
        (0.0042, 2, "0.0042"),
        (-0.00031, 2, "−0.00031"),
        (3.2e-7, 2, "3.2 × 10^−7"),
        (0.3, 0, "0.30"),
        (np.float64("inf"), 2, "∞"),
        (-np.inf, 2, "−∞"),
        (np.nan, 2, "–"),
        (None, 2, "–"),
        (pd.NA, 2, "–"),
    ],
)
def test_number_has_fixed_decimals_a_true_minus_and_never_vanishes(value, digits, text):
    assert format_number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0009, "< .001"), (0.001, ".001"), (0.0234, ".023"), (0.5, ".500"), (1.0, "> .999"), (np.nan, "–")],
)
def test_p_value_follows_apa(value, text):
    assert format_p(value) == text


def test_interval_is_in_brackets_and_a_missing_limit_is_a_dash():
    assert format_interval(-0.314, 0.2) == "[−0.31, 0.20]"
    assert format_interval(-np.inf, 0.2, digits=1) == "[−∞, 0.2]"
    assert format_interval(np.nan, 0.2) == "[–, 0.20]"
    assert format_interval(np.nan, np.nan) == "–"


def test_counts_percentages_and_other_values():
    assert (format_count(12345), format_count(-3), format_count(np.nan)) == ("12,345", "−3", "–")
    assert (format_percent(0.5), format_percent(np.nan)) == ("50 %", "–")
    values = [3.0, 0.25, "a", np.nan, np.True_, False]
    assert [format_value(value) for value in values] == ["3", "0.25", "a", "–", "yes", "no"]
