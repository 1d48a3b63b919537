"""Whatever bytes a file holds, it is read into a correct frame or refused in one sentence."""

import io

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.exceptions import IllegalCharacterError

from alliance_analysis.errors import DataError
from alliance_analysis.study.cells import distinct, read_dates, read_ids, read_numbers, read_whole, read_words, texts
from alliance_analysis.study.readers import read_table

QUIET = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
WORDS = st.one_of(
    st.sampled_from(
        ["", "NA", "007", "1e5", "3,5", "3.5", "-9", "=1+1", "عميل", "客户", "é", '"', "a,b", "9" * 25, "inf"]
    ),
    st.text(max_size=6),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=True).map(repr),
)


def attempt(path):
    """Read a file; return its table, or None when it was refused as it should be."""
    try:
        table = read_table(path)
    except DataError as error:
        assert str(error).startswith(f"{path.name}: ")
        assert len(str(error)) < 1000
        return None
    assert len(table.rows) == len(table.frame)
    assert table.frame.columns.is_unique
    return table


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
@QUIET
@given(content=st.binary(max_size=400))
def test_random_bytes(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    attempt(path)


@pytest.mark.parametrize("suffix", [".sav", ".dta"])
@settings(QUIET, max_examples=5)
@given(content=st.binary(max_size=300), magic=st.booleans())
def test_random_bytes_of_statistics_programs(tmp_path, suffix, content, magic):
    path = tmp_path / f"x{suffix}"
    start = b"$FL2@(#)" if suffix == ".sav" else b"<stata_dta><header><release>118</release>"
    path.write_bytes((start if magic else b"") + content)
    assert attempt(path) is None


def valid(kind):
    frame = pd.DataFrame({"client": ["a", "b"], "score": [1.0, 2.5]})
    if kind == "csv":
        return frame.to_csv(index=False).encode()
    buffer = io.BytesIO()
    (frame.to_excel if kind == "xlsx" else frame.to_parquet)(buffer, index=False)
    return buffer.getvalue()


VALID = {kind: valid(kind) for kind in ("csv", "xlsx", "parquet")}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
@QUIET
@given(data=st.data())
def test_damaged_files(tmp_path, kind, data):
    content = bytearray(VALID[kind])
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content
    path = tmp_path / f"x.{kind}"
    path.write_bytes(bytes(content))
    attempt(path)


@QUIET
@given(
    header=st.lists(WORDS, min_size=1, max_size=5), rows=st.lists(st.lists(WORDS, min_size=1, max_size=5), max_size=6)
)
def test_cells_of_a_csv_file_come_back_as_they_were(tmp_path, header, rows):
    frame = pd.DataFrame([(row * 5)[: len(header)] for row in rows], columns=range(len(header)), dtype=object)
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8", newline="", errors="replace") as file:
        frame.to_csv(file, index=False, header=header)
    table = attempt(path)
    if table is None:
        return
    for name in table.frame:
        read_numbers(table.frame[name], table.rows)
        assert len(texts(table.frame[name])) == len(table.rows)


@QUIET
@given(cells=st.lists(st.one_of(WORDS, st.integers(), st.floats(), st.none(), st.booleans(), st.dates()), max_size=12))
def test_cells_of_a_sheet(tmp_path, cells):
    book = openpyxl.Workbook()
    book.active.append(["client", "value"])
    for cell in cells:
        try:
            book.active.append(["c", cell])
        except (ValueError, IllegalCharacterError):  # what a sheet cannot hold, and openpyxl does not write
            continue
    book.save(tmp_path / "x.xlsx")
    attempt(tmp_path / "x.xlsx")


@QUIET
@given(cells=st.lists(WORDS, min_size=1, max_size=30))
def test_a_column_of_categories_is_read_as_its_texts_are(cells):
    plain, rows = pd.Series(cells, dtype=object), np.arange(len(cells)) + 2
    same = plain.astype("category")
    missing = (-9.0, "NA")
    for read in (
        lambda column: read_ids(column, rows),
        lambda column: read_numbers(column, rows, missing, decimal_comma=True),
        lambda column: read_whole(column, rows, required=True),
        lambda column: read_words(column, rows, missing),
        lambda column: read_dates(column, rows),
    ):
        one, other = read(plain), read(same)
        assert one.complaints == other.complaints
        assert one.notes == other.notes
        assert pd.Series(np.asarray(one.values)).equals(pd.Series(np.asarray(other.values)))
    assert texts(plain).tolist() == texts(same).tolist()


@QUIET
@given(numbers=st.lists(st.one_of(st.none(), st.floats(allow_infinity=True), st.integers(-(2**53), 2**53)), min_size=1))
def test_numbers_of_a_typed_column_are_read_as_written(numbers):
    column = pd.Series(numbers, dtype=float)
    read = read_numbers(column, np.arange(len(column)) + 2)
    finite = column.where(np.isfinite(column))
    np.testing.assert_array_equal(read.values, finite)


@QUIET
@given(ids=st.lists(st.one_of(st.integers(0, 10**30), st.text(min_size=1, max_size=5)), min_size=1, max_size=20))
def test_ids_are_never_rounded(ids):
    column = pd.Series(ids, dtype=object)
    read = read_ids(column, np.arange(len(ids)) + 2)
    written = [str(one).strip() for one in ids]
    assert [value for value, text in zip(read.values, written, strict=True) if value and value != text] == []
    assert distinct(column).texts.is_unique or len(set(written)) < len(ids)
