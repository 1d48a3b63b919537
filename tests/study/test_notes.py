"""Twelve items read alike are one note; lists of columns are short and say when they are cut."""

from __future__ import annotations

import pytest

from alliance_analysis.study.notes import Placed, Remark, gather, name_columns


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["wai1"], "wai1"),
        (["wai1", "wai2"], "wai1 and wai2"),
        ([f"wai{number}" for number in range(1, 13)], "wai1 to wai12"),
        (["wai1", "wai2", "wai4", "wai5", "wai6"], "wai1, wai2 and wai4 to wai6"),
        (["a1", "b2", "c3"], "a1, b2 and c3"),
        (["a", "b", "c", "d", "e"], "a, b, c, d and e"),
        (["a", "b", "c", "d", "e", "f"], "a, b, c, d, e, …"),
    ],
)
def test_columns_are_named_shortly(names: list[str], said: str) -> None:
    assert name_columns(names) == said


def test_notes_are_gathered_by_cause_and_not_by_column() -> None:
    remarks = [
        *(Placed(f"wai{number}", f"wai{number}", Remark("code", 2, ("99",))) for number in range(1, 13)),
        Placed("phq", "phq", Remark("code", 9, ("-9", "99"))),
        Placed("date", "date (column 'Datum')", Remark("date", 1)),
    ]
    assert gather("s.csv", remarks) == [
        "s.csv, wai1 to wai12 and phq: 33 cells with codes 99, -9 read as missing.",
        "s.csv, date (column 'Datum'): 1 date read as day.month.year.",
    ]


def test_items_of_two_raters_are_one_column_of_the_file() -> None:
    remarks = [
        *(Placed("wai1", f"wai1 of the {rater}", Remark("comma", 2)) for rater in ("client", "therapist")),
        Placed("phq", "phq", Remark("rater", 3)),
    ]
    assert gather("s.csv", remarks) == [
        "s.csv, wai1: 4 decimal commas read as decimal points.",
        "s.csv, phq: 3 values in rows of another rater not read.",
    ]
