"""What can be wrong with a study, as data: where, what and the next step; turned into one message at the end."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from alliance_analysis.errors import DataError

Severity = Literal["stops", "warns", "note"]
STOPS: Severity = "stops"
WARNS: Severity = "warns"
NOTE: Severity = "note"

MAX_EXAMPLES = 5
_LONGEST_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """One thing the user has to mend or to look at.

    Attributes
    ----------
    file : str
        The file in which it stands, as the study file names it.
    place : str
        The column, or ``line 7`` of a study file.
    text : str
        What is wrong, with the value; what is allowed; the next step.
    line : int
        Line in a study file, for sorting; 0 elsewhere.
    severity : {"stops", "warns", "note"}
        The study cannot be loaded as stated; it loads, but a number could be wrong; what was done with the data.
    fix : str
        A piece of study.yml that mends it, as it may be pasted; "" where the data have to be mended.
    """

    file: str
    place: str
    text: str
    line: int = 0
    severity: Severity = STOPS
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text

    def told(self, study_file: str) -> str:
        """Return the problem with its file, which is left out where it is the study file.

        Examples
        --------
        >>> Problem("sessions.csv", "symptoms", "2 cells with code 99 read as missing.").told("study.yml")
        'sessions.csv, symptoms: 2 cells with code 99 read as missing.'
        """
        if self.file == study_file:
            return str(self)
        return f"{self.file}{', ' if self.place else ': '}{self}"


def sort_problems(problems: Iterable[Problem], files: Sequence[str]) -> tuple[Problem, ...]:
    """Return the problems without repeats: files in the order given, then by line, place and text."""
    rank = {file: position for position, file in enumerate(files)}
    return tuple(
        sorted(set(problems), key=lambda one: (rank.get(one.file, len(rank)), one.file, one.line, one.place, one.text))
    )


def stopping(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems that keep a study from being loaded."""
    return tuple(problem for problem in problems if problem.severity == STOPS)


def problems_error(problems: Sequence[Problem]) -> DataError:
    """Return one error that lists every problem under the name of its file; `problems` are sorted.

    Examples
    --------
    >>> print(problems_error([Problem("sessions.csv", "symptoms", "'five' is not a number (row 88).")]))
    sessions.csv has 1 problem.
      symptoms: 'five' is not a number (row 88).
    """
    lines = []
    for file, group in groupby(problems, key=lambda problem: problem.file):
        members = list(group)
        lines.append(f"{file} has {count(len(members), 'problem')}.")
        lines.extend(f"  {problem}" for problem in members)
    return DataError("\n".join(lines))


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def nearest(name: str, candidates: Iterable[str], *, number: int = 3) -> str:
    """Return the end of a sentence that names the most similar candidates, or "" when none is similar."""
    known = {str(candidate).casefold(): str(candidate) for candidate in candidates}
    found = [known[key] for key in difflib.get_close_matches(str(name).casefold(), known, n=number, cutoff=0.6)]
    return f"; nearest: {', '.join(found)}" if found else ""


def show(value: object) -> str:
    """Return a value for a message: short ones as they are, long text or text with spaces only by its length.

    A cell of clinical data may hold free text, which no message may repeat.
    """
    if isinstance(value, float):
        return f"{value:.12g}"
    text = " ".join(str(value).split())
    if len(text) > _LONGEST_SHOWN or text.count(" ") > 1:
        return f"a text of {len(text)} characters"
    return repr(text)


def examples(values: Sequence[object], rows: Sequence[int]) -> str:
    """Return up to five different values, each with the first row in which it stands.

    Examples
    --------
    >>> examples([99.0, 99.0, 7.0], [9, 12, 30])
    '99 (row 9), 7 (row 30)'
    """
    first: dict[str, int] = {}
    for value, row in zip(values, rows, strict=True):
        first.setdefault(show(value), row)
        if len(first) == MAX_EXAMPLES:
            break
    return ", ".join(f"{value} (row {row})" for value, row in first.items())
