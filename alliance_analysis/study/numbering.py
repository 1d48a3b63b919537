"""Gives every row its session number: by the words of the file, by dates, by the order of rows, or by its phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from alliance_analysis.study.cells import read_dates, texts
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.definition import Definition
from alliance_analysis.study.problems import Problem, count, show
from alliance_analysis.study.readers import Table
from alliance_analysis.study.vocabulary import CLIENT, DATE, INTAKE, PHASE, PHASES, SESSION, THERAPIST

TREATMENT, *AFTER = PHASES


def translate(table: Table, definition: Definition, role: str) -> Table:
    """Return the table with the words of a column replaced by what the study file says they stand for."""
    column, words = definition.columns.get(role, role), definition.shape.words.get(role, {})
    if not words or column not in table.frame:
        return table
    written = texts(table.frame[column])
    return replace(table, frame=with_columns(table.frame, {column: _replaced(written, words)}))


def _replaced(written: pd.Series, words: Mapping[str, str]) -> pd.Series:
    """Return texts with the known words replaced; where none occurs, mapping would make numbers of the column."""
    known = written.isin(list(words))
    return written.where(~known, written.map(words)) if known.any() else written


def split_phases(table: Table, definition: Definition, own: str, shared: str) -> Table:
    """Return the table with the phase in a column of its own, where the column of the sessions names phases too.

    Parameters
    ----------
    table : Table
        A file of sessions.
    definition : Definition
        What its words stand for.
    own : str
        Name of the new column.
    shared : str
        The column with both.
    """
    if shared not in table.frame:
        return table
    written = texts(table.frame[shared])
    phases, sessions = definition.shape.words.get(PHASE, {}), definition.shape.words.get(SESSION, {})
    phase = _replaced(written, phases).where(written.isin(list(phases)), "")
    phase = phase.where(~written.isin(list(sessions)), TREATMENT)
    phase = phase.where((phase != "") | ~written.str.fullmatch(r"\d+"), TREATMENT)
    number = written.where(~written.isin(list(phases)) | written.isin(list(sessions)), "")
    return replace(table, frame=with_columns(table.frame, {shared: number, own: phase}))


def number_sessions(tables: Sequence[Table], definition: Definition) -> tuple[list[Table], list[Problem]]:
    """Number the sessions of every dyad, where the study file says how, and the occasions before and after treatment.

    Sessions by date: each date of a dyad is one session, over all files. With an interval, the number is 1 plus the
    intervals since the first date, rounded, so that a pause leaves numbers out. Intake is session 0; occasions of post
    and follow-up without a number go on after the last session.

    Parameters
    ----------
    tables : sequence of Table
        Files of sessions.
    definition : Definition
        The study file.

    Returns
    -------
    tables : list of Table
    problems : list of Problem
    """
    session, phase = (definition.columns.get(role, role) for role in (SESSION, PHASE))
    source = definition.shape.numbered_from
    problems: list[Problem] = []
    done = list(tables)
    if not done:
        return done, problems
    if source and any(session in table.frame for table in tables):
        where = next(table for table in tables if session in table.frame)
        text = f"has session numbers in {show(session)}, and `session_numbers:` makes others. Delete one of the two."
        return done, [Problem(where.name, SESSION, text)]
    if source == "date":
        done, problems = _by_date(done, definition, session, phase)
    elif source == "rows":
        done, problems = _by_row(done, definition, session, phase)
    if problems:
        return done, problems
    return [_by_phase(table, definition, session, phase) for table in done], problems


def _dyad(table: Table, definition: Definition, *, with_therapist: bool) -> pd.Series:
    """Return one number per row that says which dyad it belongs to; -1 where an id is missing."""
    roles = (CLIENT, THERAPIST) if with_therapist else (CLIENT,)
    columns = [texts(table.frame[definition.columns.get(role, role)]) for role in roles]
    return columns[0].str.cat(columns[1:], sep="\x00")


def _has(table: Table, definition: Definition, role: str) -> bool:
    return definition.columns.get(role, role) in table.frame


def _in_treatment(table: Table, phase: str) -> np.ndarray:
    if phase not in table.frame:
        return np.ones(len(table.frame), dtype=bool)
    return texts(table.frame[phase]).isin(["", TREATMENT]).to_numpy()


def _by_date(
    tables: list[Table], definition: Definition, session: str, phase: str
) -> tuple[list[Table], list[Problem]]:
    problems = [
        Problem(table.name, role, "is needed to number the sessions by date. Name its column under `columns:`.")
        for table in tables
        for role in (CLIENT, DATE)
        if not _has(table, definition, role)
    ]
    if problems:
        return tables, problems
    with_therapist = all(_has(table, definition, THERAPIST) for table in tables)
    keys, marks = [], []
    for table in tables:
        dates = pd.Series(read_dates(table.frame[definition.columns.get(DATE, DATE)], table.rows).values)
        treated = _in_treatment(table, phase)
        empty = dates.isna().to_numpy() & treated
        if empty.any():
            text = f"{count(int(empty.sum()), 'row')} without a date; first row {table.rows[empty][0]}. "
            text += "A session without a date has no number. Fill it in, or delete the row."
            problems.append(Problem(table.name, DATE, text))
        frame = pd.DataFrame(
            {"dyad": _dyad(table, definition, with_therapist=with_therapist).to_numpy(), "date": dates}
        )
        keys.append(frame)
        marks.append(treated & ~empty)
    numbers = _date_numbers(pd.concat([one[mark] for one, mark in zip(keys, marks, strict=True)]), definition)
    if (text := _collisions(numbers, definition)) and not problems:
        problems.append(Problem(tables[0].name, DATE, text))
    done = []
    for table, frame, mark in zip(tables, keys, marks, strict=True):
        found = frame.merge(numbers, on=["dyad", "date"], how="left")["number"].to_numpy()
        done.append(replace(table, frame=with_columns(table.frame, {session: np.where(mark, found, np.nan)})))
    days = definition.shape.interval_days
    note = f"{done[0].name}: sessions numbered by date{f', one number per {days} days' if days else ''}."
    done[0] = replace(done[0], notes=(*done[0].notes, note))
    return done, problems


def _date_numbers(keys: pd.DataFrame, definition: Definition) -> pd.DataFrame:
    """Return the number of every date of every dyad."""
    days = keys.drop_duplicates().sort_values(["dyad", "date"], ignore_index=True)
    interval = definition.shape.interval_days
    if interval is None:
        return days.assign(number=days.groupby("dyad").cumcount() + 1.0)
    since = (days["date"] - days.groupby("dyad")["date"].transform("min")).dt.days
    # halves go up: Python's own rounding would send 3.5 intervals to 4 and 4.5 to 4
    return days.assign(number=1.0 + np.floor(since / interval + 0.5))


def _collisions(numbers: pd.DataFrame, definition: Definition) -> str:
    twice = int(numbers.duplicated(["dyad", "number"]).sum())
    if not twice:
        return ""
    text = f"{count(twice, 'date')} so close to another that both get the same number with "
    text += f"{definition.shape.interval_days} days from session to session. "
    return text + "Write a smaller `interval_days`, or delete it."


def _by_row(tables: list[Table], definition: Definition, session: str, phase: str) -> tuple[list[Table], list[Problem]]:
    if len(tables) > 1:
        text = "the order of rows says nothing where sessions stand in several files. Add session numbers or dates."
        return tables, [Problem(tables[1].name, SESSION, text)]
    (table,) = tables
    if not _has(table, definition, CLIENT):
        return tables, [
            Problem(table.name, CLIENT, "is needed to number the sessions. Name its column under `columns:`.")
        ]
    groups = _dyad(table, definition, with_therapist=_has(table, definition, THERAPIST))
    if definition.raters is not None and definition.raters.column in table.frame:
        groups = groups.str.cat(texts(table.frame[definition.raters.column]), sep="\x00")
    treated = _in_treatment(table, phase)
    numbers = groups[treated].groupby(groups[treated]).cumcount() + 1.0
    note = f"{table.name}: the rows of a client are taken for its sessions in their order."
    frame = with_columns(table.frame, {session: numbers.reindex(groups.index).to_numpy()})
    return [replace(table, frame=frame, notes=(*table.notes, note))], []


def _by_phase(table: Table, definition: Definition, session: str, phase: str) -> Table:
    """Number intake 0 and let post and follow-up go on after the last session, where they have no number."""
    if phase not in table.frame or (CLIENT not in definition.columns and CLIENT not in table.frame):
        return table
    words = texts(table.frame[phase])
    if not words.isin([INTAKE, *AFTER]).any() or not _has(table, definition, CLIENT):
        return table
    written = texts(table.frame[session]) if session in table.frame else pd.Series("", index=table.frame.index)
    numbers = pd.to_numeric(written, errors="coerce")
    open_rows = written == ""
    values = written.astype(object).where(~open_rows, None)
    values[open_rows & (words == INTAKE)] = 0
    dyads = _dyad(table, definition, with_therapist=_has(table, definition, THERAPIST))
    last = numbers.groupby(dyads).transform("max").fillna(0)
    waiting = open_rows & words.isin(AFTER)
    order = words[waiting].map({name: at for at, name in enumerate(AFTER)}).sort_values(kind="stable").index
    place = dyads[order].groupby(dyads[order]).cumcount() + 1
    values[order] = (last[order] + place).astype(int)
    frame = with_columns(table.frame, {session: values, phase: words.replace(INTAKE, TREATMENT)})
    done = int((open_rows & words.isin([INTAKE, *AFTER])).sum())
    note = f"{table.name}: {count(done, 'occasion')} before or after treatment numbered by phase (intake 0)."
    return replace(table, frame=frame, notes=(*table.notes, *([note] if done else [])))
