"""Single columns: what counts as a number, an id, a day or nothing."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.study.cells import read_dates, read_ids, read_numbers, read_whole, read_words, texts


def rows(column: pd.Series) -> np.ndarray:
    return np.arange(len(column)) + 2


def test_ids_are_text_however_the_file_types_them() -> None:
    assert texts(pd.Series([7.0, 8.5, np.nan])).tolist() == ["7", "8.5", ""]
    assert texts(pd.Series([" 007 ", "NA", None])).tolist() == ["007", "", ""]
    assert texts(pd.Series([7, "x", None, True], dtype=object)).tolist() == ["7", "x", "", "True"]
    assert read_ids(pd.Series([1, 2]), np.array([2, 3])).values.tolist() == ["1", "2"]


@pytest.mark.parametrize("text", ["1", "+1", "-1.5", ".5", "2.", "1e3", "1E-3"])
def test_numbers_in_every_common_spelling_are_read(text: str) -> None:
    column = pd.Series([text])
    read = read_numbers(column, rows(column))
    assert (read.values.tolist(), read.complaints) == ([float(text)], ())


@pytest.mark.parametrize("text", ["1,5", "1.2.3", "1 000", "0x10", "1_0", "--1", "1e", "½", "True", "=1+1"])
def test_anything_else_is_reported_and_not_guessed(text: str) -> None:
    column = pd.Series([text])
    read = read_numbers(column, rows(column))
    assert np.isnan(read.values).all()
    assert read.complaints == (
        f"{text!r} is not a number (row 2). Correct it, or add it under `missing:` in study.yml if it means missing.",
    )


def test_decimal_points_among_decimal_commas_are_reported() -> None:
    column = pd.Series(["1,5", "1.234", "2"])
    read = read_numbers(column, rows(column), decimal_comma=True)
    np.testing.assert_array_equal(read.values, [1.5, np.nan, 2])
    assert read.complaints == (
        "'1.234' (row 3) has a decimal point, the other cells of this column a comma. Write them alike.",
    )


def test_several_decimal_points_are_counted_and_a_code_for_missing_may_have_one() -> None:
    column = pd.Series(["1,5", "1.5", "n.d.", "2.5", "9.9"])
    read = read_numbers(column, rows(column), ("n.d.", "9.9"), decimal_comma=True)
    assert read.complaints == (
        "2 cells have a decimal point, the other cells of this column a comma; first '1.5' (row 3), '2.5' (row 5). "
        "Write them alike.",
    )


def test_excel_dates_in_a_number_column_are_reported() -> None:
    column = pd.Series([datetime(2024, 5, 1), 2.5], dtype=object)
    read = read_numbers(column, rows(column))
    assert read.complaints == (
        "'2024-05-01T00:00:00' is not a number (row 2). "
        "Correct it, or add it under `missing:` in study.yml if it means missing.",
    )


def test_codes_for_missing_match_numbers_and_texts() -> None:
    column = pd.Series(["99", "99.0", "k.A.", "9"])
    read = read_numbers(column, rows(column), missing=(99.0, "k.A."))
    np.testing.assert_array_equal(read.values, [np.nan, np.nan, np.nan, 9])
    assert [str(note) for note in read.notes] == ["3 cells with codes 99, 'k.A.' read as missing"]


def test_whole_numbers_may_be_written_as_decimals() -> None:
    column = pd.Series(["1.0", "0", "12"])
    read = read_whole(column, rows(column), required=True)
    assert (read.values.tolist(), read.complaints) == ([1, 0, 12], ())


def test_words_are_kept_and_codes_are_none() -> None:
    column = pd.Series(["online", " room", "99", ""])
    read = read_words(column, rows(column), (99.0,))
    assert read.values.tolist() == ["online", "room", None, None]


@pytest.mark.parametrize(
    "text",
    ["2024-3-7", "2024/03/07", "2024/3/7 10:05:00 AM GMT+2", "07.03.2024 09:30", "7.3.2024", "2024-03-07 09:30:00 UTC"],
)
def test_the_same_day_in_the_ways_of_survey_tools(text: str) -> None:
    read = read_dates(pd.Series([text]), np.array([2]))
    assert (pd.Timestamp(read.values[0]), read.complaints) == (pd.Timestamp(2024, 3, 7), ())


@pytest.mark.parametrize("text", ["2024-03/07", "2024/13/01", "07.03.24", "7.3.2024 noon", "20240307", "45358"])
def test_what_may_be_another_day_or_none_is_told(text: str) -> None:
    read = read_dates(pd.Series([text]), np.array([2]))
    assert pd.isna(read.values[0]) and len(read.complaints) == 1


def test_dates_lose_their_time() -> None:
    column = pd.Series([datetime(2024, 5, 1, 9, 30), "2024-05-02", "2024-05-03T10:00:00+02:00", None], dtype=object)
    read = read_dates(column, rows(column))
    assert pd.Series(read.values).dt.strftime("%d").tolist()[:3] == ["01", "02", "03"]
    assert pd.isna(read.values[3]) and read.complaints == ()
