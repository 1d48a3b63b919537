"""One file of a study as the study file names it: which sheet, which rows, and what its keys are called there."""

from __future__ import annotations

from dataclasses import dataclass, field

from alliance_analysis.study.keys import Keys
from alliance_analysis.study.problems import show
from alliance_analysis.study.vocabulary import CLIENT, DATE, RATERS, SESSION, THERAPIST
from alliance_analysis.study.yamlfile import KeyPath

ENTRY_KEYS = ("file", "sheet", "header_row", "rows", "columns", "rater", "session", "prefix")
MOST_SESSIONS = 100_000
OWN_NAMES = (CLIENT, THERAPIST, SESSION, DATE)
"""Columns that a file may call otherwise than the others."""


@dataclass(frozen=True)
class Entry:
    """One file of a study.

    Attributes
    ----------
    file : str
        Path beside the study file, or ``dataset:NAME``.
    sheet : str or None
        Sheet of a workbook; None: the first.
    header_row : tuple of int
        Rows that hold the names, counted from 1; their words are joined by "_". Rows above are left out.
    rows : dict
        Column -> words: only rows where each column holds one of its words are read; "" stands for an empty cell.
    columns : dict
        Contract name -> this file's column, where it differs from the study's.
    rater : str or None
        Who filled in every row of this file, where each rater has a file with the same columns.
    session : int or None
        Session of every row of this file, where each session has a file or a sheet with the same columns.
    prefix : str
        Put before the names of the columns, those of keys apart, where other files have columns of the same names.
    """

    file: str
    sheet: str | None = None
    header_row: tuple[int, ...] = (1,)
    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    rater: str | None = None
    session: int | None = None
    prefix: str = ""


def read_entries(keys: Keys, path: KeyPath) -> tuple[Entry, ...]:
    """Read the files under a key: one name, one mapping, or a list of either."""
    found = keys.raw(path)
    if isinstance(found, dict):
        entry = _entry(keys, path)
        return (entry,) if entry else ()
    if isinstance(found, list):
        entries = [
            _entry(keys, (*path, str(at))) if isinstance(one, dict) else _named(keys, (*path, str(at)))
            for at, one in enumerate(found)
        ]
        return tuple(entry for entry in entries if entry)
    name = keys.text(path)
    return (Entry(name),) if name else ()


def _named(keys: Keys, path: KeyPath) -> Entry | None:
    if path in keys.file.texts:
        name = keys.file.texts[path].strip()
        return Entry(name) if name else None
    keys.wrong(path, "must be the name of a file, or a mapping with the key `file`.")
    return None


def _entry(keys: Keys, path: KeyPath) -> Entry | None:
    keys.only(path, ENTRY_KEYS)
    file = keys.text((*path, "file"))
    if file is None:
        if (*path, "file") not in keys.told:
            keys.wrong((*path, "file"), "is missing; name the file, for example `file: sessions.csv`.")
        return None
    rows = {name: words for name in keys.mapping((*path, "rows")) if (words := _words(keys, (*path, "rows", name)))}
    columns = {name: keys.text((*path, "columns", name)) for name in keys.mapping((*path, "columns"))}
    for name in columns:
        if name not in OWN_NAMES:
            keys.wrong((*path, "columns", name), f"is not a key of a file; allowed are {', '.join(OWN_NAMES)}.")
    own = {name: column for name, column in columns.items() if name in OWN_NAMES and column}
    rater = keys.choice((*path, "rater"), RATERS)
    session = keys.number((*path, "session"), None, low=0, high=MOST_SESSIONS, whole=True)
    return Entry(
        file, keys.text((*path, "sheet")), _header_row(keys, (*path, "header_row")), rows, own, rater,
        None if session is None else int(session), keys.text((*path, "prefix")) or "",
    )  # fmt: skip


def _words(keys: Keys, path: KeyPath) -> tuple[str, ...]:
    """Return the words of a column; here an empty text is one of them."""
    found = keys.raw(path)
    places = [(*path, str(at)) for at in range(len(found))] if isinstance(found, list) else [path]
    words = tuple(keys.file.texts[place].strip() for place in places if place in keys.file.texts)
    if not words or len(words) < len(places):
        keys.wrong(path, 'must be a word or a list of words; "" stands for an empty cell.')
    return words


def _header_row(keys: Keys, path: KeyPath) -> tuple[int, ...]:
    found = keys.raw(path)
    if found is None:
        return (1,)
    rows = found if isinstance(found, list) else [found]
    whole = all(isinstance(row, int) and not isinstance(row, bool) and 1 <= row <= 1000 for row in rows)
    if not rows or not whole or list(rows) != sorted(set(rows)):
        keys.wrong(path, f"must be the number of a row, or several in order such as [1, 2], got {show(found)}.")
        return (1,)
    return tuple(rows)
