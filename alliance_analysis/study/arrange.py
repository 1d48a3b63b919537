"""Brings the files of a study into one shape, one row per session, before their cells are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alliance_analysis.study.cells import texts
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.definition import CONTRACT_COLUMNS, SESSION_COLUMNS, Definition
from alliance_analysis.study.entries import Entry
from alliance_analysis.study.episodes import settle_episodes
from alliance_analysis.study.numbering import number_sessions, split_phases, translate
from alliance_analysis.study.problems import Problem, count, nearest, show
from alliance_analysis.study.readers import Table
from alliance_analysis.study.vocabulary import EPISODE, PHASE, SESSION, STATUS
from alliance_analysis.study.wide import PLACEHOLDER, lengthen, spread_of

OWN_PHASE = "phase of the session"


@dataclass(frozen=True)
class Arranged:
    """The files of a study in one shape.

    Attributes
    ----------
    tables : list of Table
        Files of sessions, one row per session or rating.
    clients : Table or None
        File with one row per client.
    definition : Definition
        The study file, with the columns as they are called now.
    problems : list of Problem
        What kept a file from being brought into shape.
    """

    tables: list[Table]
    clients: Table | None
    definition: Definition
    problems: list[Problem]


def own_names(table: Table, entry: Entry, definition: Definition) -> tuple[Table, list[Problem]]:
    """Return the table with its keys under the study's names, where the study file says what they are called here."""
    names: dict[str, str] = {}
    problems = []
    for role, column in entry.columns.items():
        shared = definition.columns.get(role, role)
        if column not in table.frame:
            hint = nearest(column, map(str, table.frame))
            problems.append(Problem(table.name, role, f"there is no column {show(column)}{hint}. Correct the name."))
        elif shared != column and shared in table.frame:
            text = (
                f"is {show(column)} by the study file, but the file has {show(shared)} too. Rename or delete that one."
            )
            problems.append(Problem(table.name, role, text))
        else:
            names[column] = shared
    return replace(table, frame=table.frame.rename(columns=names)) if names else table, problems


def with_prefix(table: Table, entry: Entry, definition: Definition) -> tuple[Table, list[Problem]]:
    """Return the table with the study file's prefix before the names of all columns that are no keys."""
    if not entry.prefix:
        return table, []
    kept = {*definition.columns.values(), *(role for role in CONTRACT_COLUMNS if role not in definition.columns)}
    kept |= {definition.raters.column} if definition.raters else set()
    names = {str(name): f"{entry.prefix}{name}" for name in table.frame if str(name) not in kept}
    twice = [name for name in table.frame if str(name) in names.values()]
    if twice:
        text = f"with the prefix {show(entry.prefix)} two columns are called {show(twice[0])}. Choose another prefix."
        return table, [Problem(table.name, "prefix", text)]
    return replace(table, frame=table.frame.rename(columns=names)), []


def in_session(table: Table, session: int, definition: Definition) -> tuple[Table, list[Problem]]:
    """Return the table with one session number in all its rows, where a session has a file or sheet of its own."""
    column = definition.columns.get(SESSION, SESSION)
    if column in table.frame:
        text = f"is {session} by the study file, but the file has the column {show(column)}. Delete one of the two."
        return table, [Problem(table.name, SESSION, text)]
    return replace(table, frame=with_columns(table.frame, {column: str(session)})), []


def keep_rows(table: Table, entry: Entry) -> tuple[Table, list[Problem]]:
    """Return the rows the study file asks for, with their numbers in the file."""
    kept = np.ones(len(table.frame), dtype=bool)
    for column, words in entry.rows.items():
        if column not in table.frame:
            text = (
                f"there is no column {show(column)}{nearest(column, map(str, table.frame))}. Correct it under `rows:`."
            )
            return table, [Problem(table.name, "rows", text)]
        written = texts(table.frame[column])
        absent = [word for word in words if not (written == word).any()]
        if absent:
            text = (
                f"no cell of {show(column)} is {show(absent[0])}{nearest(absent[0], set(written))}. Correct the word."
            )
            return table, [Problem(table.name, "rows", text)]
        kept &= written.isin(words).to_numpy()
    if not entry.rows:
        return table, []
    chosen = f"{count(int(kept.sum()), 'row')} of {len(kept):,} read, by {', '.join(entry.rows)}"
    frame = table.frame[kept].reset_index(drop=True)
    return replace(table, frame=frame, rows=table.rows[kept], notes=(*table.notes, f"{table.name}: {chosen}.")), []


def arrange(tables: Sequence[Table], clients: Table | None, definition: Definition) -> Arranged:
    """Bring the files into one shape.

    Parameters
    ----------
    tables : sequence of Table
        Files of sessions.
    clients : Table or None
        File with one row per client.
    definition : Definition
        The study file.
    """
    problems: list[Problem] = []
    done: list[Table] = []
    definition, shared = _phase_apart(definition)
    for table in tables:
        long, found = _long(table, clients, definition)
        problems += found
        long = split_phases(long, definition, OWN_PHASE, shared) if shared else translate(long, definition, PHASE)
        done.append(translate(translate(long, definition, SESSION), definition, STATUS))
    if clients is not None:
        clients = translate(_without_sessions(clients, definition), definition, STATUS)
    done, clients, found = settle_episodes(done, clients, definition)
    problems += found
    done, found = number_sessions(done, definition)
    return Arranged(done, clients, definition, problems + found)


def _phase_apart(definition: Definition) -> tuple[Definition, str]:
    """Return the study file with a column of its own for the phase, and the column that holds sessions and phases."""
    phase, session = (definition.columns.get(role) for role in (PHASE, SESSION))
    if phase is None or phase != session:
        return definition, ""
    return replace(definition, columns={**definition.columns, PHASE: OWN_PHASE}), phase


def _patterns(definition: Definition) -> list[str]:
    measures = definition.measures.values()
    named = [*definition.columns.values(), *(name for one in measures for name in (*one.items, one.column) if name)]
    return [name for name in dict.fromkeys(named) if PLACEHOLDER in name]


def _long(table: Table, clients: Table | None, definition: Definition) -> tuple[Table, list[Problem]]:
    kept = None
    if clients is not None and clients.sha256 == table.sha256 and len(clients.frame) == len(table.frame):
        # the file of sessions is the file of clients too: what belongs to the client is read there
        kept = {definition.columns.get(role, role) for role in (*SESSION_COLUMNS, EPISODE)}
    session = definition.columns.get(SESSION, SESSION)
    return lengthen(table, _patterns(definition), definition.shape.wide, session, kept)


def _without_sessions(clients: Table, definition: Definition) -> Table:
    """Leave the columns of single sessions out of the file of clients."""
    columns = [str(column) for column in clients.frame]
    spreads = [spread_of(pattern, columns, definition.shape.wide) for pattern in _patterns(definition)]
    taken = {column for spread in spreads for column in spread.columns.values()}
    return replace(clients, frame=clients.frame.drop(columns=list(taken))) if taken else clients
