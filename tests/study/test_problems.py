"""Problems sort by file and line, and no message repeats free text."""

from __future__ import annotations

import pytest

from alliance_analysis.study.problems import Problem, count, nearest, problems_error, show, sort_problems


def test_problems_are_sorted_by_file_then_line_then_place_and_told_once() -> None:
    found = [
        Problem("b.csv", "symptoms", "x."),
        Problem("study.yml", "line 12", "x.", 12),
        Problem("study.yml", "line 3", "x.", 3),
        Problem("b.csv", "alliance_client", "x."),
        Problem("b.csv", "symptoms", "x."),
    ]
    assert str(problems_error(sort_problems(found, ["study.yml", "b.csv"]))) == (
        "study.yml has 2 problems.\n  line 3: x.\n  line 12: x.\nb.csv has 2 problems.\n  alliance_client: x.\n  "
        "symptoms: x."
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (99.0, "99"),
        (0.1, "0.1"),
        ("five", "'five'"),
        ("</script>", "'</script>'"),
        ("two\nlines", "'two lines'"),
        ("she said so", "a text of 11 characters"),
        ("x" * 21, "a text of 21 characters"),
    ],
)
def test_values_are_shown_short_or_not_at_all(value: object, shown: str) -> None:
    assert show(value) == shown


def test_counts_agree_with_their_noun() -> None:
    assert [count(1, "row"), count(1200, "row"), count(2, "id stands", "ids stand")] == [
        "1 row",
        "1,200 rows",
        "2 ids stand",
    ]


def test_nearest_names_keep_their_spelling_and_may_be_none() -> None:
    assert nearest("phq9", ["PHQ-9", "GAD-7"]) == "; nearest: PHQ-9"
    assert nearest("zzz", ["PHQ-9", "GAD-7"]) == ""
