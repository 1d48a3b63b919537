"""Numbers become text in one way."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.formats import (
    column_places,
    format_count,
    format_counted,
    format_fixed,
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
        (-3.2e-33, 2, "0.00"),
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
    ("value", "digits", "text"),
    [
        (0.0036, 2, "< 0.01"),
        (-0.0036, 2, "> −0.01"),
        (0.005001, 2, "0.01"),
        (-1e-13, 2, "0.00"),
        (0, 2, "0.00"),
        (-0.0, 2, "0.00"),
        (0.3, 0, "< 1"),
        (12.346, 2, "12.35"),
        (np.nan, 2, "–"),
        (-np.inf, 2, "−∞"),
    ],
)
def test_cell_of_a_column_has_its_decimals_and_what_would_vanish_is_bounded(value, digits, text):
    assert format_fixed(value, digits) == text


@pytest.mark.parametrize(
    ("values", "digits", "places"),
    [
        ([0.0036, 1.5], 2, 2),
        ([0.0036, 0.00001], 2, 4),
        ([-0.012, None], 1, 3),
        ([1e-9], 2, 4),
        ([0.0, 1e-20], 2, 2),
        ([], 2, 2),
    ],
)
def test_only_a_column_of_nothing_but_small_numbers_gets_more_decimals(values, digits, places):
    assert column_places(values, digits) == places


def test_a_count_agrees_with_its_noun():
    counted = [format_counted(n, "therapist", "therapists") for n in (0, 1, 1200)]
    assert counted == ["0 therapists", "1 therapist", "1,200 therapists"]


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
    assert format_interval(-0.31, 0.0036) == "[−0.31, < 0.01]"


def test_counts_percentages_and_other_values():
    assert (format_count(12345), format_count(-3), format_count(np.nan)) == ("12,345", "−3", "–")
    assert (format_percent(0.5), format_percent(np.nan)) == ("50 %", "–")
    assert (format_percent(0.0007), format_percent(0.0)) == ("< 1 %", "0 %")
    values = [3.0, 0.25, "a", np.nan, np.True_, False]
    assert [format_value(value) for value in values] == ["3", "0.25", "a", "–", "yes", "no"]
