"""Takes out of a message what stands in the cells of a file, so that a page shows rows and files, never a client."""

from __future__ import annotations

import re
from collections.abc import Set

from alliance_analysis.study.fixes.words import is_usual_word
from alliance_analysis.study.instruments import INSTRUMENTS
from alliance_analysis.study.shape_keys import PHASE_WORDS
from alliance_analysis.study.validate import Checked
from alliance_analysis.study.vocabulary import COLLECTED, RATERS, STATUSES

_QUOTED = re.compile(r"(?<!\w)'((?:[^'\\\n]|\\.)*)'(?!\w)|(?<!\w)\"((?:[^\"\\\n]|\\.)*)\"(?!\w)")
_CELL = r"(?:…|a text of \d+ characters|-?\d[\d.,]*(?:e[+-]?\d+)?|-?inf|∞)"
_STEPS = (
    (re.compile(rf"first {_CELL} under {_CELL} \((row [^)]*)\) and {_CELL} \((row [^)]*)\)"), r"first in \1 and \2"),
    (re.compile(rf"first (?:\((?:{_CELL}(?:, )?)+\)|{_CELL}) in rows"), "first in rows"),
    (re.compile(rf"{_CELL} \((rows? [^)]*)\)"), r"\1"),
    (re.compile(r"\b(row \d+)(?:, \1\b)+"), r"\1"),
    (re.compile(r" \(…(?:, …)*\)"), ""),
    (re.compile(r"If \S+ means missing"), "If they mean missing"),
    (re.compile(r" at (?:/|[A-Za-z]:\\)[^;]*?(?=[;.] )"), ""),
    (re.compile(rf"^{_CELL} is "), "a cell is "),
)
_NEAREST = re.compile(r"; nearest: ([^;]*?)(?=\.(?: |$)|\)|$)")
SAID_BY_FIXES = ("same_person", "different_people", "separate", "first", "date", "rows", "mean", "sum", "true", "false")
_TOKEN = re.compile(r"[^\s,{}\[\]\"'#:]+")
_NUMBER = re.compile(r"-?\d{1,3}(\.\d+)?|([789])\2*|-?9+")


def safe_words(checked: Checked) -> frozenset[str]:
    """Return the words a page may repeat: names of columns, what study.yml says, and the package's own words."""
    parts = [*checked.parts, *([checked.client_part] if checked.client_part else [])]
    columns = {str(column) for part in parts for column in part.table.frame}
    written = checked.definition.path.read_text(encoding="utf-8-sig")
    own = {
        *SAID_BY_FIXES,
        *PHASE_WORDS,
        *STATUSES,
        *COLLECTED,
        *RATERS,
        *checked.definition.measures,
        *checked.files,
        *INSTRUMENTS,
    }
    quoted = {one or other for one, other in re.findall(r'"([^"\n]*)"|\'([^\'\n]*)\'', written)}
    return frozenset(columns | own | quoted | set(_TOKEN.findall(written)))


def without_cells(text: str, safe: Set[str]) -> str:
    """Return a message without values of single cells; row numbers and counts stay.

    Examples
    --------
    >>> without_cells("2 rows repeat (client, session); first ('c07', 4) in rows 31 and 32.", set())
    '2 rows repeat (client, session); first in rows 31 and 32.'
    >>> without_cells("'five' is not a number (row 88).", set())
    'a cell is not a number (row 88).'
    >>> without_cells("4 values outside 1 to 5; first 99 (row 9), 7 (row 30). Correct them.", set())
    '4 values outside 1 to 5; first row 9, row 30. Correct them.'
    >>> without_cells("24 cells are words, not numbers ('never', 'often', …). Say which.", set())
    '24 cells are words, not numbers. Say which.'
    """
    text = _QUOTED.sub(lambda found: found[0] if (found[1] or found[2] or "") in safe else "…", text)
    text = _NEAREST.sub(lambda found: found[0] if set(found[1].split(", ")) <= safe else "", text)
    for pattern, instead in _STEPS:
        text = pattern.sub(instead, text)
    return text


def fix_without_cells(fix: str, safe: Set[str]) -> str:
    """Return a piece of study.yml, or "" when it would repeat words of the file that may be anybody's.

    Examples
    --------
    >>> fix_without_cells("missing: [99]", set())
    'missing: [99]'
    >>> fix_without_cells("words:\\n  status:\\n    completed: [Huber]", {"completed"})
    ''
    """
    for line in fix.splitlines():
        _, _, value = line.partition("#")[0].partition(":")
        listed = [one.strip().strip('"') for one in value.strip().strip("[]").split(",")]
        if any(one and one not in safe and not _NUMBER.fullmatch(one) and not is_usual_word(one) for one in listed):
            return ""
    return fix
