"""Reads a study and finds every problem at once, so that the user mends her files once, not one message at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.study.arrange import arrange, in_session, keep_rows, own_names, with_prefix
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.datasets import read_dataset
from alliance_analysis.study.definition import REPEATED, SESSION_COLUMNS, Definition, read_definition
from alliance_analysis.study.entries import Entry
from alliance_analysis.study.join import (
    client_columns,
    finish_clients,
    finish_sessions,
    join_parts,
    no_column,
    repeated_keys,
    separate_people,
    shared_ids,
    two_therapists,
)
from alliance_analysis.study.layout import read_session_files, score_ratings
from alliance_analysis.study.levels import Levels, is_client_level, split_levels
from alliance_analysis.study.measure import Measure, compare_scales, family
from alliance_analysis.study.notes import gather
from alliance_analysis.study.problems import Problem, count, nearest, show, sort_problems, stopping
from alliance_analysis.study.readers import Table, read_table
from alliance_analysis.study.scoring import inherit
from alliance_analysis.study.tidy import KEYS, Part, read_client_part
from alliance_analysis.study.vocabulary import ALLIANCE, CLIENT, SESSION, SYMPTOMS, THERAPIST

DATASET = "dataset:"
SAME_PERSON, DIFFERENT_PEOPLE = REPEATED


@dataclass(frozen=True)
class Checked:
    """A study after reading: its frames, what was done, and what is wrong.

    Attributes
    ----------
    definition : Definition
        What the study file says.
    sessions, clients : DataFrame
        Tidy frames; empty when a problem kept them from being made.
    measures : dict
        Measures that are in one of the frames.
    notes : tuple of str
        What reading did, one sentence each.
    files : dict
        File name -> SHA-256.
    rows_read : int
        Rows of all files of sessions.
    problems : tuple of Problem
        Everything that is wrong, sorted.
    parts : tuple of Part
        The files of sessions; without their rows where nothing was wrong with them.
    client_part : Part or None
        The same of the file of clients.
    """

    definition: Definition
    sessions: pd.DataFrame
    clients: pd.DataFrame
    measures: dict[str, Measure]
    notes: tuple[str, ...]
    files: dict[str, str]
    rows_read: int
    problems: tuple[Problem, ...]
    parts: tuple[Part, ...] = ()
    client_part: Part | None = None


def check_study(path: Path | str) -> tuple[Problem, ...]:
    """Return everything in a study file and its data that stops it, sorted; an empty tuple when nothing does.

    Parameters
    ----------
    path : path
        The study file.

    Raises
    ------
    DataError
        When the study file itself cannot be read.
    """
    return stopping(read_checked(Path(path)).problems)


@dataclass
class _Log:
    """Collects what is wrong and what was done while a study is read."""

    problems: list[Problem]
    notes: list[str]


Look = Callable[[Sequence[Part], Part | None, Definition, bool], list[Problem]]


def read_checked(path: Path, *, look: Look | None = None) -> Checked:
    """Read a study file and its data as far as they can be read, and collect everything that is wrong.

    Parameters
    ----------
    path : Path
        The study file.
    look : callable, optional
        Looks at the single files while they have the rows the user sees: files of sessions, file of clients, study
        file, and whether anything stops the study already; returns further problems. The files are let go after it,
        for millions of rows would take their memory twice.

    Raises
    ------
    DataError
        When the study file itself cannot be read.
    """
    definition, problems, notes = read_definition(path)
    log = _Log(problems, notes)
    tables = [table for entry in definition.data if (table := _table(definition, entry, log))]
    client_table = _table(definition, definition.clients, log) if definition.clients else None
    everything = [*tables, *([client_table] if client_table else [])]
    read = len(everything) == len(definition.data) + bool(definition.clients)
    rows_read = sum(len(table.frame) for table in tables)
    arranged = arrange(tables, client_table, definition)
    definition, tables, client_table = arranged.definition, arranged.tables, arranged.clients
    log.problems += arranged.problems
    if read and not arranged.problems:
        log.problems += _unknown_columns(definition, [*tables, *([client_table] if client_table else [])])
    levels = split_levels(definition, tables, client_table)
    parts, clients = _parts(definition, tables, client_table, levels, log)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    files |= {name: sha for table in everything for name, sha in table.sha256.items()}
    names = [path.name, *(table.name for table in everything)]
    wrong = bool(log.problems)
    seen = look(parts, clients, definition, bool(stopping(log.problems))) if look else []
    if not (look and wrong):  # the cells as written are needed no more
        parts = [_without_cells(part) for part in parts]
        del everything, tables, arranged
    sessions, client_frame, measures = _frames(definition, parts, clients, levels, log)
    return Checked(
        definition,
        sessions,
        client_frame,
        measures,
        tuple(log.notes),
        files,
        rows_read,
        sort_problems([*log.problems, *seen], names),
        tuple(parts) if look and wrong else tuple(map(_without_rows, parts)),
        clients,
    )


def _without_cells(part: Part) -> Part:
    return replace(part, table=replace(part.table, frame=part.table.frame.iloc[:0].copy()))


def _without_rows(part: Part) -> Part:
    return replace(part, frame=part.frame.iloc[:0].copy(), rows=part.rows[:0])


def _table(definition: Definition, entry: Entry, log: _Log) -> Table | None:
    name = entry.file
    try:
        if name.startswith(DATASET):
            return read_dataset(name.removeprefix(DATASET))
        # notes and reports name the file; a path of this machine has no place in them
        shown = Path(name).name if Path(name).is_absolute() else name
        table = read_table(definition.path.parent / name, shown, sheet=entry.sheet, header_row=entry.header_row)
    except DataError as error:
        log.problems.append(Problem(name, "file", str(error).removeprefix(f"{name}: ")))
        return None
    table = replace(table, name=_called(entry, shown, definition))
    table, problems = keep_rows(table, entry)
    table, more = own_names(table, entry, definition)
    table, clashes = with_prefix(table, entry, definition)
    log.problems += [*problems, *more, *clashes]
    if entry.rater and definition.raters:
        table = replace(
            table, frame=with_columns(table.frame, {definition.raters.column: definition.raters.words[entry.rater]})
        )
    if entry.session is not None:
        table, problems = in_session(table, entry.session, definition)
        log.problems += problems
    return table


def _called(entry: Entry, shown: str, definition: Definition) -> str:
    """Return how messages name a file: with its sheet or rows where the study takes several parts of one file."""
    parts = [one for one in (*definition.data, definition.clients) if one is not None and one.file == entry.file]
    if len(parts) < 2:
        return shown
    which = [entry.sheet or "", *(word for words in entry.rows.values() for word in words[:1])]
    return f"{shown} ({', '.join(filter(None, which))})" if any(which) else shown


def _unknown_columns(definition: Definition, tables: list[Table]) -> list[Problem]:
    known = list(dict.fromkeys(str(column) for table in tables for column in table.frame))
    files = " and ".join(table.name for table in tables)

    def unknown(path: tuple[str, ...], column: str, fix: str) -> Problem:
        text = f"{'.'.join(path)}: there is no column {show(column)} in {files}{nearest(column, known)}. {fix}"
        return definition.problem(path, text)

    found = [
        unknown(("columns", name), column, "Correct the name.")
        for name, column in definition.columns.items()
        if column not in known
    ]
    if definition.raters and definition.raters.column and definition.raters.column not in known:
        found.append(unknown(("raters", "column"), definition.raters.column, "Correct the name."))
    for measure in definition.measures.values():
        path = ("measures", measure.name)
        if {(*path, "column"), (*path, "items")} & definition.told:
            continue
        found += [unknown((*path, "items"), item, "Correct the name.") for item in measure.items if item not in known]
        if measure.column is not None and measure.column not in known:
            own = (*path, "column") in definition.lines
            fix = "Correct the name." if own else "Name the column under `column:`."
            found.append(unknown((*path, "column") if own else path, measure.column, fix))
    return found


def _parts(
    definition: Definition, tables: list[Table], client_table: Table | None, levels: Levels, log: _Log
) -> tuple[list[Part], Part | None]:
    """Read every file by itself, while its rows still have the numbers the user sees."""
    parts, problems = read_session_files(tables, replace(definition, measures=levels.sessions))
    log.problems += problems
    clients = read_client_part(client_table, definition, levels.clients) if client_table else None
    if clients and CLIENT not in clients.frame:
        log.problems.append(no_column(clients, CLIENT))
    for part in [*parts, *([clients] if clients else [])]:
        log.problems += part.problems
        log.notes += [*part.notes, *gather(part.table.name, part.remarks), *_ignored(part)]
    return parts, clients


def _ignored(part: Part) -> list[str]:
    others = [str(column) for column in part.table.frame if column not in part.used.values()]
    if not others:
        return []
    names = ", ".join(others[:10]) + (", …" if len(others) > 10 else "")
    return [f"{part.table.name}: {count(len(others), 'column')} not used and not kept ({names})."]


def _frames(
    definition: Definition, parts: list[Part], clients: Part | None, levels: Levels, log: _Log
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Measure]]:
    """Join, score and finish the two frames; where keys are wrong only what can still be checked is checked."""
    nothing = pd.DataFrame(), pd.DataFrame(), dict[str, Measure]()
    if not parts or not all({CLIENT, SESSION} <= set(part.frame) for part in parts):
        return nothing
    _settle_repeated_ids(definition, parts, clients, log)
    # a join on repeated keys would multiply rows
    if len(parts) > 1 and any(problem.place.split()[0] in KEYS for problem in log.problems):
        return nothing
    joined, problems, notes = join_parts(parts)
    log.problems += problems
    log.notes += notes
    file = parts[0].table.name
    sessions, measures = _scored(file, joined, levels.sessions, definition, log)
    log.problems += _timing(definition, sessions, measures)
    _rater_scales(definition, measures, log)
    client_frame, client_measures = _client_frame(definition, sessions, parts, clients, levels, log)
    log.problems += _without_therapist(sessions, client_frame, clients)
    log.problems += _scattered(definition, {*measures, *client_measures}, log.problems)
    if stopping(log.problems):
        return nothing
    keep = [*SESSION_COLUMNS, *(name for name in measures if not is_client_level(name))]
    file_of_clients = clients.table.name if clients else None
    columns = {str(name): sessions[name] for name in sessions if name in keep}
    del joined, sessions, parts
    finished = finish_sessions(columns, client_frame)
    client_frame, notes = finish_clients(client_frame, finished, file_of_clients)
    log.notes += notes
    return finished, client_frame, measures | client_measures


def _without_therapist(sessions: pd.DataFrame, client_frame: pd.DataFrame, clients: Part | None) -> list[Problem]:
    if clients is None or THERAPIST in sessions or THERAPIST not in client_frame:
        return []
    known = client_frame.loc[client_frame[THERAPIST].notna(), CLIENT]
    lacking = sessions.loc[~sessions[CLIENT].isin(known), CLIENT].nunique()
    if not lacking:
        return []
    text = f"{count(lacking, 'client')} with sessions without a therapist in this file. "
    text += "Fill them in, or delete the column."
    return [Problem(clients.table.name, clients.place(THERAPIST), text)]


def _scored(
    file: str, frame: pd.DataFrame, own: dict[str, Measure], definition: Definition, log: _Log
) -> tuple[pd.DataFrame, dict[str, Measure]]:
    measures, session_level = definition.measures, SESSION in frame
    scored, present, notes = score_ratings(frame, own)
    present |= inherit(measures, list(scored))
    log.notes += notes
    # a subscale that the package computes by itself is nothing the user can mend
    stated = [name for name in present if name in measures or present[name].column]
    told = [name for name in stated if _is_told(present[name], definition, log.problems)]
    for name, text in _without_information(scored[[name for name in stated if name not in told]]):
        if _needs_values(name) and (session_level or scored[name].isna().all()):
            text += "; a measure has to vary. Correct the column, or delete the measure from study.yml."
            log.problems.append(Problem(file, name, text))
        else:
            log.notes.append(f"{file}, {name}: {text}; no question can use it.")
    return scored, present


def _client_frame(
    definition: Definition,
    sessions: pd.DataFrame,
    parts: list[Part],
    clients: Part | None,
    levels: Levels,
    log: _Log,
) -> tuple[pd.DataFrame, dict[str, Measure]]:
    """Return what is known of each client, from the clients file and from columns repeated in the sessions."""
    once = [*definition.columns, *filter(is_client_level, levels.sessions)]
    repeated = [name for name in once if name in sessions and name not in SESSION_COLUMNS]
    moved, problems = client_columns(sessions, repeated, parts[0].table.name)
    log.problems += problems
    if clients is None or CLIENT not in clients.frame:
        return moved, {}
    scored, measures = _scored(clients.table.name, clients.frame, levels.clients, definition, log)
    if not set(scored[CLIENT]) & set(sessions[CLIENT]) and not sessions.empty:
        text = "none of these ids stands among the sessions. Check which column holds the ids in each file."
        log.problems.append(Problem(clients.table.name, clients.place(CLIENT), text))
    new = [CLIENT, *(name for name in repeated if name not in scored)]
    # one-to-one unless ids repeat, and repeated ids have been reported
    return scored.merge(moved[new], on=CLIENT, how="left" if len(new) == 1 else "outer"), measures


def _settle_repeated_ids(definition: Definition, parts: list[Part], clients: Part | None, log: _Log) -> None:
    """Apply `repeated_client_ids` before the files are joined; ask for it when it is needed and not given."""
    shared = set().union(*(shared_ids(part.frame) for part in parts)) if parts else set()
    with_both = [part for part in parts if THERAPIST in part.frame]
    text = two_therapists(with_both) if with_both else ""
    if definition.repeated_client_ids is None and text:
        log.problems.append(Problem(with_both[0].table.name, CLIENT, text))
    elif definition.repeated_client_ids == SAME_PERSON and text:
        log.notes.append(
            f"{count(len(shared), 'client')} had more than one therapist; each pair counts as a dyad of its own."
        )
    elif definition.repeated_client_ids == DIFFERENT_PEOPLE and text:
        log.notes.append(
            f"{count(len(shared), 'client id')} stood under more than one therapist and became one id per therapist."
        )
        for part in [*parts, *([clients] if clients else [])]:
            if CLIENT not in part.frame:
                continue  # told elsewhere
            if THERAPIST in part.frame:
                part.frame = separate_people(part.frame, shared)
            elif number := int(part.frame[CLIENT].isin(shared).sum()):
                text = f"{count(number, 'row')} with an id that several people share. Add the column therapist here."
                log.problems.append(Problem(part.table.name, CLIENT, text))
    if clients and CLIENT in clients.frame and (text := repeated_keys(clients.frame[[CLIENT]], clients.rows, "client")):
        log.problems.append(Problem(clients.table.name, CLIENT, text))


def _needs_values(name: str) -> bool:
    """Alliance and symptoms are what the questions are about; a study may go on without any other measure."""
    return name == SYMPTOMS or name.startswith(ALLIANCE)


def _is_told(measure: Measure, definition: Definition, problems: list[Problem]) -> bool:
    """Whether something is said of a measure's own cells or of how they are read, from which the rest may follow."""
    if definition.is_told(("measures", measure.name, "answers")):
        return True
    items = {*measure.items, *(f"{item} of the {measure.rater}" for item in measure.items)}
    return any(problem.place in items or problem.place.split()[0] == measure.name for problem in problems)


def _without_information(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the measures whose values are all missing or all alike, with how many there are."""
    found = []
    for name in frame if len(frame) else ():
        values = frame[name].dropna()
        if values.empty:
            found.append((name, f"all {count(len(frame), 'value')} are missing"))
        elif len(values) > 1 and values.nunique() == 1:
            found.append((name, f"all {count(len(values), 'value')} are {values.iloc[0]:.12g}"))
    return found


def _timing(definition: Definition, sessions: pd.DataFrame, measures: dict[str, Measure]) -> list[Problem]:
    """Ask for `collected` where a lag can be asked of the data, because the lag's direction depends on it."""
    numbers = sessions.groupby(CLIENT, sort=False)[SESSION]
    if not (numbers.max() > numbers.min()).any():
        return []
    fix = "is missing; whether the form is filled in before or after the session decides which session predicts which."
    return [
        definition.problem(
            ("measures", name),
            f"measures.{name}.collected {fix} Add `collected: before` or `collected: after`.",
        )
        for name, measure in measures.items()
        if measure.collected is None
        and name in definition.measures
        and name in (*ALLIANCE, SYMPTOMS)
        and ("measures", name, "collected") not in definition.told
    ]


def _rater_scales(definition: Definition, measures: dict[str, Measure], log: _Log) -> None:
    present = [measures[name] for name in ALLIANCE if name in measures]
    for one, other in combinations(present, 2):
        match = compare_scales(one, other)
        if not match.reason:
            continue
        two_scales = (one.low, one.high, one.centred) != (other.low, other.high, other.centred)
        bounded = None not in (one.low, one.high, other.low, other.high)
        if two_scales and bounded and family(one) == family(other) is not None:
            text = (
                f"measures.{other.name}: {other.unit} and {one.unit} of {one.name} are one family of instruments on "
                "two scales. Score both alike, or correct `range:` or `score:`."
            )
            log.problems.append(definition.problem(("measures", other.name), text))
        elif two_scales:
            log.notes.append(
                f"{one.name} ({one.unit}) and {other.name} ({other.unit}) are on different scales: no report claims a "
                "mean difference between these raters."
            )
        else:
            log.notes.append(f"{match.reason} No report claims a mean difference between these raters.")


def _scattered(definition: Definition, found: set[str], told: list[Problem]) -> list[Problem]:
    """Find measures whose columns exist, but not in one file of one kind."""
    if told:
        return []
    text = "measures.{0}: its items stand partly in the sessions and partly in the clients file. Put them into one."
    return [
        definition.problem(("measures", name), text.format(name)) for name in definition.measures if name not in found
    ]
