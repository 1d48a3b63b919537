"""Looks at files: reads each, splits what a survey tool keeps in one file, and finds what its columns are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_analysis.draft.guess import Guess, names
from alliance_analysis.draft.headers import find_header_row
from alliance_analysis.draft.profile import Profile, describe_table
from alliance_analysis.draft.roles import Roles, find_roles
from alliance_analysis.draft.values import map_sessions
from alliance_analysis.errors import DataError
from alliance_analysis.study.cells import texts
from alliance_analysis.study.readers import Table, list_sheets, peek_rows, read_table
from alliance_analysis.study.vocabulary import CLIENT, SESSION

EVENT, REPEAT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
FORM_ENDS = "_complete"
_FEWEST_ROWS, _FEWEST_COLUMNS = 2, 2


@dataclass(frozen=True, eq=False)
class Source:
    """One table the study may be made of.

    Attributes
    ----------
    file : str
        The file, as the study file will name it.
    table : Table
        Its cells.
    profiles : tuple of Profile
        Its columns, described.
    roles : Roles
        Its columns that are no scores.
    sheet : str or None
        Sheet of a workbook, where it has several.
    header_row : int, tuple of int or None
        Row of the names, where it is not the first.
    rows : dict
        Column -> words: only these rows of the file.
    prefix : str
        What its columns have before their names to be told from those of other files.
    notes : tuple of str
        What was found out on the way.
    """

    file: str
    table: Table
    profiles: tuple[Profile, ...]
    roles: Roles
    sheet: str | None = None
    header_row: int | tuple[int, ...] | None = None
    rows: dict[str, list[str]] = field(default_factory=dict)
    prefix: str = ""
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name of the sheet, or of the file without folder and ending."""
        return self.sheet or Path(self.file).stem

    @property
    def called(self) -> str:
        """How a sentence names it."""
        where = f" (sheet {self.sheet})" if self.sheet else ""
        which = ", ".join(names(words) or "empty" for words in self.rows.values())
        return f"{self.file}{where}{f' [{which}]' if which else ''}"


def look_at(path: Path, file: str) -> list[Source]:
    """Look at one file.

    Parameters
    ----------
    path : Path
        The file.
    file : str
        How the study file will name it.

    Returns
    -------
    list of Source
        One; several for a workbook with several sheets of data, or for a file that holds several forms.

    Raises
    ------
    DataError
        When the file cannot be read.
    """
    sheets = list_sheets(path)
    if len(sheets) < 2:
        return _views(_source(path, file, None))
    found, notes = [], []
    for sheet in sheets:
        try:
            source = _source(path, file, sheet)
        except DataError as error:
            notes.append(f"sheet {sheet} is left out: {error}")
            continue
        if len(source.table.frame) < _FEWEST_ROWS or source.table.frame.shape[1] < _FEWEST_COLUMNS:
            notes.append(f"sheet {sheet} is left out: it holds no table of answers")
        else:
            found.extend(_views(source))
    if not found:
        raise DataError(f"{file}: no sheet holds a table with a row of names ({'; '.join(notes)}).")
    return [replace(found[0], notes=(*found[0].notes, *notes)), *found[1:]]


def _source(path: Path, file: str, sheet: str | None) -> Source:
    rows = find_header_row(peek_rows(path, sheet))
    table = read_table(path, file, sheet=sheet, header_row=rows)
    if table.kind in ("qualtrics", "surveymonkey") and rows != (1,):
        rows, table = (1,), read_table(path, file, sheet=sheet)
    profiles = describe_table(table)
    notes = tuple(f"the names stand in row {' and '.join(map(str, rows))}" for _ in [0] if rows != (1,))
    header_row = None if rows == (1,) else rows[0] if len(rows) == 1 else rows
    return Source(file, table, profiles, find_roles(table.frame, profiles), sheet, header_row, notes=notes)


def _views(source: Source) -> list[Source]:
    """Split a REDCap export: a repeating form, the sessions and each other event are tables of their own."""
    frame = source.table.frame
    if EVENT not in frame and REPEAT not in frame:
        return [source]
    words = {name: texts(frame[name]) for name in (EVENT, REPEAT, INSTANCE) if name in frame}
    views: list[Source] = []
    plain = np.ones(len(frame), dtype=bool)
    if REPEAT in words:
        for form in _filled(words[REPEAT]):
            chosen = (words[REPEAT] == form).to_numpy()
            views.append(_view(source, chosen, {REPEAT: [form]}, session=INSTANCE))
            plain &= ~chosen
    rest: dict[str, list[str]] = {REPEAT: [""]} if REPEAT in words and not plain.all() else {}
    if EVENT in words and plain.any():
        views.extend(_events(source, words[EVENT], plain, rest))
    elif plain.any():
        views.append(_view(source, plain, rest))
    return views


def _events(source: Source, events: pd.Series, plain: np.ndarray, rest: dict[str, list[str]]) -> list[Source]:
    seen = events[plain]
    profile = next(one for one in source.profiles if one.name == EVENT)
    numbered = {
        number: [word for word in words if word in set(seen)] for number, words in map_sessions(profile).items()
    }
    sessions = {number: words for number, words in numbered.items() if words}
    views: list[Source] = []
    used: set[str] = set()
    if len(sessions) > 1:
        used = {word for words in sessions.values() for word in words}
        chosen = plain & events.isin(used).to_numpy()
        view = _view(source, chosen, {EVENT: sorted(used, key=list(_filled(seen)).index), **rest}, session=EVENT)
        views.append(replace(view, roles=replace(view.roles, words={**view.roles.words, SESSION: sessions})))
    for event in _filled(seen):
        if event not in used:
            views.append(_view(source, plain & (events == event).to_numpy(), {EVENT: [event], **rest}))
    return views


def _filled(column: pd.Series) -> list[str]:
    return [str(word) for word in pd.unique(column) if word]


def _view(source: Source, chosen: np.ndarray, rows: dict[str, list[str]], session: str | None = None) -> Source:
    """Return some rows of a file as a table of its own, with the columns these rows fill."""
    part = source.table.frame.loc[chosen].reset_index(drop=True)
    own = [name for name in part if not str(name).startswith("redcap_") and not str(name).endswith(FORM_ENDS)]
    kept = [name for name in own if (texts(part[name]) != "").any()]
    kept += [session] if session else []
    table = replace(source.table, frame=part[kept], rows=source.table.rows[chosen])
    profiles = describe_table(table)
    roles = find_roles(part[kept], profiles)
    if session:
        number = Guess(session, "the tool counts its sessions here")
        roles = replace(roles, columns={**roles.columns, SESSION: number})
    record = str(own[0]) if own and own[0] in kept else ""
    if record and roles.column(CLIENT) in (None, record):
        # the first column of such an export is the record, whatever it is called
        guess = Guess(record, "the first column of the export is its record")
        values = texts(part[record])
        roles = replace(
            roles, columns={**roles.columns, CLIENT: guess}, clients=values.nunique(),
            one_row_per_client=values.is_unique,
        )  # fmt: skip
    return replace(source, table=table, profiles=profiles, roles=roles, rows=rows)
