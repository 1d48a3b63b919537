"""Problems are named by their cause."""

from __future__ import annotations

import pytest

from alliance_analysis.study.causes import cause_of
from alliance_analysis.study.problems import Problem


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (Problem("s.csv", "symptoms", "'five' is not a number (row 3)."), "Cells that are not numbers"),
        (Problem("s.csv", "client", "1 id stands under more than one therapist; first"), "Rows that repeat"),
        (Problem("s.csv", "file", "there is no such file beside the study file."), "Files"),
        (Problem("study.yml", "line 3", "colums is not a key.", 3), "The study file"),
        (Problem("s.csv", "therapist", "stands in another file too."), "Other"),
    ],
)
def test_a_problem_has_the_cause_it_is_about(problem: Problem, cause: str) -> None:
    assert cause_of(problem) == cause
