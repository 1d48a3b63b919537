"""Finds out why rows repeat: copies, or a column that tells them apart, such as the one that says who rated."""

from __future__ import annotations

import re

from alliance_analysis.study.cells import texts
from alliance_analysis.study.problems import show
from alliance_analysis.study.snippet import snippet, together
from alliance_analysis.study.tidy import KEYS, Part
from alliance_analysis.study.vocabulary import RATERS

MOST_WORDS = 6  # raters, occasions or forms are few; a column with more words is an id or a score
_RATER = {
    "client": r"c|cl|client.*|pat|patient.*|pt|klient.*|self|selbst.*|k|p",
    "therapist": r"t|th|ther.*|clinician.*|counsel.*|behandler.*|provider.*",
    "observer": r"o|obs.*|beobacht.*|rater.*|external|extern",
}


def repeat_fix(part: Part) -> tuple[str, str]:
    """Return why the keys of a file repeat, as a sentence, and the piece of study.yml that mends it; "" if unknown.

    Parameters
    ----------
    part : Part
        A file of sessions in which keys repeat.
    """
    keys = [key for key in KEYS if key in part.frame]
    if len(part.frame) != len(part.table.frame):
        return "", ""
    cells = part.table.frame
    again = part.frame.duplicated(keys, keep=False)
    if cells[again.to_numpy()].duplicated().sum() == part.frame[keys][again].duplicated().sum():
        return "They are copies, the same in every column.", ""
    for column in cells:
        if column in part.used.values():
            continue
        words = texts(cells[column]).set_axis(part.frame.index)
        some = sorted(set(words) - {""})
        if not 2 <= len(some) <= MOST_WORDS or any(show(word) != repr(word) for word in some):
            continue
        if part.frame[keys].assign(word=words).duplicated().any():
            continue
        return f"The column {show(column)} tells them apart.", _raters(str(column), some)
    return "", ""


def _raters(column: str, words: list[str]) -> str:
    """Return the block of raters when at least two words of a column stand for different raters."""
    found = {rater: word for rater in RATERS for word in words if re.fullmatch(_RATER[rater], word.casefold().strip())}
    if len(found) < 2 or len(set(found.values())) < len(found):
        return ""
    pieces = [snippet(("raters", "column"), column)]
    return together([*pieces, *(snippet(("raters", rater), word) for rater, word in found.items())])
