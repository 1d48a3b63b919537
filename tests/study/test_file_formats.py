"""Every format a clinic or a survey tool exports is read into the same cells."""

import datetime
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.study.cells import read_dates, read_numbers, texts
from alliance_analysis.study.readers import list_sheets, read_table, text


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "client": ["007", "b-2", "Ä3"],
            "score": [1.5, np.nan, 3.0],
            "date": pd.to_datetime(["2024-01-31", "2024-02-29", "2024-12-01"]),
        }
    )


def same(table, frame):
    assert list(table.frame) == list(frame)
    assert texts(table.frame["client"]).tolist() == frame["client"].tolist()
    numbers = read_numbers(table.frame["score"], table.rows, decimal_comma=table.decimal_comma)
    np.testing.assert_array_equal(numbers.values, frame["score"])
    assert read_dates(table.frame["date"], table.rows).values.tolist() == frame["date"].to_numpy("M8[us]").tolist()
    assert table.rows.tolist() == [2, 3, 4]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text(tmp_path, frame, separator, encoding):
    decimal = "." if separator == "," else ","
    frame.to_csv(tmp_path / "x.csv", sep=separator, decimal=decimal, index=False, encoding=encoding)
    same(read_table(tmp_path / "x.csv"), frame)


def test_the_line_with_which_excel_names_the_separator(tmp_path):
    (tmp_path / "x.csv").write_text("sep=;\nclient;score\n1;2,5\n", encoding="utf-8")
    table = read_table(tmp_path / "x.csv")
    assert table.frame.to_dict("list") == {"client": ["1"], "score": ["2,5"]}
    assert table.rows.tolist() == [3]


def test_excel(tmp_path, frame):
    frame.to_excel(tmp_path / "x.xlsx", index=False)
    same(read_table(tmp_path / "x.xlsx"), frame)


@pytest.mark.parametrize("name", ["x.sav", "x.zsav", "x.dta"])
def test_spss_and_stata(tmp_path, frame, name):
    if name == "x.dta":
        pyreadstat.write_dta(frame, str(tmp_path / name))
    else:
        pyreadstat.write_sav(frame, str(tmp_path / name), row_compress=name == "x.zsav")
    same(read_table(tmp_path / name), frame)


def test_labels_stay_beside_codes_and_user_missing_codes_become_missing(tmp_path):
    cells = pd.DataFrame({"id": [1.0, 2, 3], "wai_1": [1.0, 9, 99], "sex": [1.0, 2, 1]})
    pyreadstat.write_sav(
        cells,
        str(tmp_path / "x.sav"),
        column_labels=["", "WAI-SR item 1", ""],
        variable_value_labels={"sex": {1: "female", 2: "male"}},
        missing_ranges={"wai_1": [9, 99]},
    )
    table = read_table(tmp_path / "x.sav")
    assert table.labels == {"wai_1": "WAI-SR item 1"}
    assert table.value_labels == {"sex": {1: "female", 2: "male"}}
    assert table.kind == "spss"
    assert table.frame["sex"].tolist() == [1, 2, 1]
    assert table.frame["wai_1"].isna().tolist() == [False, True, True]
    assert table.notes == ("x.sav: 2 cells of 1 column with 9, 99 read as missing, as the file says.",)


def test_parquet(tmp_path, frame):
    frame.to_parquet(tmp_path / "x.parquet")
    same(read_table(tmp_path / "x.parquet"), frame)


def book(path, sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, lines in sheets.items():
        sheet = made.create_sheet(title)
        for line in lines:
            sheet.append(line)
    made.save(path)


def test_a_sheet_is_chosen_and_two_rows_of_names_are_joined(tmp_path):
    lines = [["Clinic"], ["", "WAI", None, "PHQ"], ["ID", 1, 2, 1], [7, 5, 4, 0]]
    book(tmp_path / "x.xlsx", {"Notes": [["a"]], "Data": lines})
    assert list_sheets(tmp_path / "x.xlsx") == ("Notes", "Data")
    table = read_table(tmp_path / "x.xlsx", sheet="Data", header_row=(2, 3))
    assert table.frame.to_dict("list") == {"ID": [7], "WAI_1": [5], "WAI_2": [4], "PHQ_1": [0]}
    assert table.rows.tolist() == [4]
    with pytest.raises(DataError) as raised:
        read_table(tmp_path / "x.xlsx", sheet="Dat")
    assert str(raised.value) == "x.xlsx: there is no sheet 'Dat'; nearest: Data. Correct it under `sheet:`."


def test_qualtrics(tmp_path):
    (tmp_path / "x.csv").write_text(
        'ResponseId,Q1_1,Q1_2\nResponse ID,"We agree, mostly","Second\nquestion"\n'
        '"{""ImportId"":""_recordId""}","{""ImportId"":""QID1_1""}","{""ImportId"":""QID1_2""}"\nR_1,5,4\n',
        encoding="utf-8",
    )
    table = read_table(tmp_path / "x.csv")
    assert table.kind == "qualtrics"
    assert table.frame.to_dict("list") == {"ResponseId": ["R_1"], "Q1_1": ["5"], "Q1_2": ["4"]}
    assert table.labels == {"ResponseId": "Response ID", "Q1_1": "We agree, mostly", "Q1_2": "Second question"}
    assert table.rows.tolist() == [4]


def test_surveymonkey(tmp_path):
    (tmp_path / "x.csv").write_text(
        "Respondent ID,Collector ID,Code,How are you?,\n,,Open-Ended Response,Mood,Sleep\n1,2,c1,4,5\n",
        encoding="utf-8",
    )
    table = read_table(tmp_path / "x.csv")
    assert table.kind == "surveymonkey"
    assert list(table.frame) == ["Respondent ID", "Collector ID", "Code", "How are you?_Mood", "How are you?_Sleep"]
    assert len(table.frame) == 1


def test_a_large_text_file_gives_the_same_cells_as_a_small_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    made = pd.DataFrame({"client": rng.integers(0, 50, 999), "score": rng.normal(size=999).round(3), "empty": ""})
    made.to_csv(tmp_path / "x.csv", index=False)
    small = read_table(tmp_path / "x.csv")
    monkeypatch.setattr(text, "LARGE", 0)
    monkeypatch.setattr(text, "PIECE", 100)
    large = read_table(tmp_path / "x.csv")
    monkeypatch.setattr(text, "MOST_CATEGORIES", 70)
    larger = read_table(tmp_path / "x.csv")
    assert large.frame.dtypes.astype(str).tolist() == ["category"] * 3
    assert larger.frame.dtypes.astype(str).tolist() == ["category", "str", "category"]
    for other in (large, larger):
        assert other.rows.tolist() == small.rows.tolist()
        for name in small.frame:
            assert texts(other.frame[name]).tolist() == texts(small.frame[name]).tolist()


def test_slashes_are_read_where_the_column_shows_their_order(tmp_path):
    rows = np.array([2, 3])
    day = read_dates(pd.Series(["03/04/2024", "25/12/2024"]), rows)
    month = read_dates(pd.Series(["03/04/2024", "12/25/2024 10:30"]), rows)
    assert pd.to_datetime(day.values).strftime("%Y-%m-%d").tolist() == ["2024-04-03", "2024-12-25"]
    assert pd.to_datetime(month.values).strftime("%Y-%m-%d").tolist() == ["2024-03-04", "2024-12-25"]
    assert [str(note) for note in day.notes] == ["2 dates with slashes read with the day first, as the column shows"]
    open_order = read_dates(pd.Series(["03/04/2024", "05/04/2024"]), rows)
    assert open_order.complaints[0].startswith("2 cells are dates whose order nothing in the column shows")
    mixed = read_dates(pd.Series(["13/04/2024", "04/13/2024"]), rows)
    assert mixed.complaints[0].startswith("2 cells are dates whose order differs within the column")


def bomb(path, member, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(member, content)


def test_a_workbook_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path):
    bomb(tmp_path / "x.xlsx", "xl/worksheets/sheet1.xml", b"0" * 200_000_000)
    with pytest.raises(DataError, match=r"x.xlsx: unpacks to 200 MB, .* times its size. Save the sheet as csv."):
        read_table(tmp_path / "x.xlsx")


def test_a_workbook_that_defines_words_of_its_own_is_refused(tmp_path):
    bomb(tmp_path / "x.xlsx", "xl/workbook.xml", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(DataError) as raised:
        read_table(tmp_path / "x.xlsx")
    assert str(raised.value) == "x.xlsx: holds definitions that no spreadsheet program writes. Save it again in Excel."


def test_a_sheet_whose_last_cell_is_far_away_is_refused_before_it_fills_memory(tmp_path):
    made = openpyxl.Workbook()
    made.active["A1"], made.active["A2"], made.active["XFD1048576"] = "client", 1, 2
    made.save(tmp_path / "x.xlsx")
    table = None
    try:
        table = read_table(tmp_path / "x.xlsx")
    except DataError as error:
        assert "x.xlsx: " in str(error)
    assert table is None


def test_ten_thousand_columns(tmp_path):
    names = [f"v{place}" for place in range(10_000)]
    lines = [",".join(names), *(",".join("1" for _ in names) for _ in range(3))]
    (tmp_path / "x.csv").write_text("\n".join(lines), encoding="utf-8")
    table = read_table(tmp_path / "x.csv")
    assert table.frame.shape == (3, 10_000)


def test_dates_of_excel_and_of_python_are_days():
    cells = pd.Series([datetime.datetime(2024, 1, 31, 10, 0), datetime.date(2024, 2, 1), None], dtype=object)
    values = read_dates(cells, np.array([2, 3, 4])).values
    assert pd.to_datetime(values[:2]).strftime("%Y-%m-%d").tolist() == ["2024-01-31", "2024-02-01"]


def test_row_names_of_r_and_pandas_are_no_missing_name(tmp_path):
    (tmp_path / "x.csv").write_text('"","id","phq"\n"1","a",3\n"2","b",4\n', encoding="utf-8")
    table = read_table(tmp_path / "x.csv", "x.csv")
    assert list(table.frame) == ["row_names", "id", "phq"]
    assert table.notes == (
        "x.csv: the first column has no name; R and pandas write row names so: read as 'row_names'.",
    )
