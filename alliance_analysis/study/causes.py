"""Names the cause of a problem, so that a list of many can be read cause by cause."""

from __future__ import annotations

import re

from alliance_analysis.study.problems import Problem

_CAUSES = (
    ("Values outside the possible range", r" values? outside "),
    (
        "Cells that are not numbers",
        r"not a number|not numbers|are words|infinite|decimal point|not a whole number|not whole numbers",
    ),
    (
        "Words that are not explained",
        r"not one of the allowed words|is no rater|are no raters|raters\.\w+: there is no",
    ),
    ("Dates that cannot be read", r"not a date|not dates|without a date"),
    ("Rows that lack an id", r"without an id|without a number|without a rater|without a therapist"),
    ("Rows that repeat", r"rows repeat|under more than one therapist|more than one value|rows differ|stands under two"),
    ("Columns that are not there", r"there is no column|no such column"),
    ("Measures without information", r"a measure has to vary|no question can use it"),
    ("Jumps", r"the client's course"),
    ("Ceiling and floor", r"(highest|lowest) possible \("),
    ("Forms ticked through", r"same answer to all"),
    ("Copied blocks", r"sessions in a row in which every value"),
    ("Privacy", r"ids look like|may tell who"),
    ("Sessions after the end of therapy", r"after the end of therapy"),
    ("Reversed items", r"with the rest of the battery"),
)
FILES, STUDY_FILE, OTHER = "Files", "The study file", "Other"


def cause_of(problem: Problem) -> str:
    """Return the cause of a problem in a few words.

    Examples
    --------
    >>> cause_of(Problem("s.csv", "symptoms", "4 values outside 0 to 27; first 99 (row 9)."))
    'Values outside the possible range'
    """
    for cause, pattern in _CAUSES:
        if re.search(pattern, problem.text):
            return cause
    if problem.place == "file":
        return FILES
    return STUDY_FILE if problem.line else OTHER
