"""Brings one file of a study into a typed frame under the contract's names, row numbers of the file kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from alliance_analysis.study.cells import Column, read_dates, read_ids, read_numbers, read_whole, read_words, texts
from alliance_analysis.study.definition import CLIENT_COLUMNS, SESSION_COLUMNS, Definition
from alliance_analysis.study.measure import Measure, tag_items
from alliance_analysis.study.notes import Placed
from alliance_analysis.study.problems import Problem, count, examples, show
from alliance_analysis.study.readers import Table
from alliance_analysis.study.scoring import ITEM
from alliance_analysis.study.vocabulary import (
    BASELINE,
    CLIENT,
    DATE,
    FOLLOW_UP,
    PHASE,
    PHASES,
    PLANNED_SESSIONS,
    POST,
    SESSION,
    STATUS,
    STATUSES,
    THERAPIST,
    THERAPY_END,
    TIME,
)

KEYS = (CLIENT, THERAPIST, SESSION)


@dataclass
class Part:
    """One file with typed columns under the contract's names, still in the order and numbering of the file.

    Attributes
    ----------
    table : Table
        The file as written.
    rows : ndarray of int
        Row in the user's file of each line.
    frame : DataFrame
        Typed columns.
    used : dict
        Column of `frame` -> column of the file.
    problems, notes : list
        What is wrong with the file, and what reading it did.
    remarks : list of Placed
        What reading its columns did, not yet gathered.
    raters : Series or None
        Who rated each line ("" where that is not known); None in a file without a column that says so.
    """

    table: Table
    rows: np.ndarray
    frame: pd.DataFrame
    used: dict[str, str]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: list[Placed] = field(default_factory=list)
    raters: pd.Series | None = None

    def place(self, name: str) -> str:
        """Return the contract name, with the file's own column where it differs."""
        column = self.used.get(name, name)
        if name.startswith(ITEM):
            rater = name.removeprefix(ITEM).removesuffix(column).removesuffix(":")
            return f"{column} of the {rater}" if rater else column
        return name if column == name else f"{name} (column {show(column)})"

    def wrong(self, name: str, text: str) -> None:
        """Add a problem of one column."""
        self.problems.append(Problem(self.table.name, self.place(name), text))


@dataclass
class _Reading(Part):
    """A part whose columns are still being read; they become a frame at the end, which is not copied."""

    values: dict[str, pd.Series] = field(default_factory=dict)

    def keep(self, name: str, column: str, read: Column) -> None:
        """Take a column that was read, with what is wrong with it and what reading it did."""
        self.used[name] = column
        self.values[name] = pd.Series(read.values, index=self.table.frame.index, copy=False)
        for complaint in read.complaints:
            self.wrong(name, complaint)
        shown = column if name.startswith(ITEM) else name
        self.remarks.extend(Placed(shown, self.place(name), remark) for remark in read.notes)

    def finished(self) -> Part:
        """Return the part with its frame."""
        frame = pd.DataFrame(self.values, index=self.table.frame.index, copy=False)
        return Part(self.table, self.rows, frame, self.used, self.problems, self.notes, self.remarks, self.raters)


def column_in(table: Table, definition: Definition, name: str) -> str | None:
    """Return the file's column for a contract name: as mapped, else (for keys and unmapped names) the name itself."""
    mapped = definition.columns.get(name, name)
    if mapped in table.frame:
        return mapped
    return name if name in KEYS and name in table.frame else None


def read_session_part(table: Table, definition: Definition, raters: pd.Series | None = None) -> Part:
    """Read one file of sessions: keys, date, modality, phase and every measure or item it holds.

    With `raters`, who rated each row, a measure is read from the rows of its rater and missing in the others.
    """
    part = _new_part(table, raters)
    for name in SESSION_COLUMNS:
        if (column := column_in(table, definition, name)) is not None:
            _add(part, name, column, definition)
    for name, column in definition.columns.items():
        # what belongs to the client may stand in the sessions, repeated in each row, when the study file names it
        if name not in SESSION_COLUMNS and column in table.frame:
            _add_client_column(part, name, column, definition)
    for measure in definition.measures.values():
        _add_measure(part, measure, definition)
    return part.finished()


def _new_part(table: Table, raters: pd.Series | None = None) -> _Reading:
    return _Reading(
        table, table.rows, pd.DataFrame(index=table.frame.index), {}, notes=list(table.notes), raters=raters
    )


def _add_client_column(part: _Reading, name: str, column: str, definition: Definition) -> None:
    if name == THERAPIST:  # may be empty for a client who was never seen
        part.keep(name, column, read_words(part.table.frame[column], part.rows, ()))
    elif name in CLIENT_COLUMNS:
        _add(part, name, column, definition)
    else:
        _add_covariate(part, name, column, definition)


def read_client_part(table: Table, definition: Definition, measures: dict[str, Measure]) -> Part:
    """Read the file of clients: contract columns, its measures, and covariates that do not identify anybody.

    Parameters
    ----------
    table : Table
        One row per client.
    definition : Definition
        The study file.
    measures : dict
        Those of its measures that are read here, not from the sessions.
    """
    part = _new_part(table)
    for name in CLIENT_COLUMNS:
        if (column := column_in(table, definition, name)) is not None:
            _add_client_column(part, name, column, definition)
    for measure in measures.values():
        _add_measure(part, measure, definition)
    # the answers of a session are no covariates of the client, wherever a file repeats them
    others = (one for name, one in definition.measures.items() if name not in measures)
    taken = {*part.used.values(), *(column for one in others for column in one.items)}
    taken |= set(definition.clients.rows) if definition.clients else set()
    names = {column: name for name, column in definition.columns.items()}
    for column in table.frame.columns:
        # a column with the name of a score of the sessions would be taken for it
        if column not in taken and names.get(column, column) not in (*SESSION_COLUMNS, TIME, *definition.measures):
            _add_covariate(part, names.get(column, column), column, definition)
    return part.finished()


def _add(part: _Reading, name: str, column: str, definition: Definition) -> None:
    cells, rows, comma = part.table.frame[column], part.rows, part.table.decimal_comma
    if name in (CLIENT, THERAPIST):
        read = read_ids(cells, rows)
    elif name in (SESSION, PLANNED_SESSIONS):
        read = read_whole(cells, rows, required=name == SESSION, decimal_comma=comma)
    elif name in (DATE, THERAPY_END):
        read = read_dates(cells, rows)
    else:
        allowed = {PHASE: PHASES, STATUS: STATUSES}.get(name, ())
        read = read_words(cells, rows, definition.missing, allowed)
    part.keep(name, column, read)


def _add_measure(part: _Reading, measure: Measure, definition: Definition) -> None:
    columns: dict[str, str | None] = {measure.name: measure.column}
    if measure.items:
        columns = {ITEM + tag: item for tag, item in zip(tag_items(measure).items, measure.items, strict=True)}
    low, high = (measure.item_low, measure.item_high) if measure.items else (measure.low, measure.high)
    for name, column in columns.items():
        if column is None or column not in part.table.frame:
            continue
        if name not in part.values:
            cells = part.table.frame[column]
            own = cells if part.raters is None else cells.where(part.raters == measure.rater)
            missing, comma = (*definition.missing, *measure.missing), part.table.decimal_comma
            read = read_numbers(own, part.rows, missing, dict(measure.answers), decimal_comma=comma)
            told = definition.is_told(("measures", measure.name, "answers"))
            part.keep(name, column, replace(read, complaints=()) if told else read)
        if complaint := range_complaint(part.values[name].to_numpy(), part.rows, low, high):
            part.wrong(name, complaint)


def range_complaint(values: np.ndarray, rows: np.ndarray, low: float | None, high: float | None) -> str:
    """Return what to say about values outside the possible range, or "".

    Examples
    --------
    >>> print(range_complaint(np.array([1.0, 7.0]), np.array([2, 3]), 1, 5))
    1 value outside 1 to 5; first 7 (row 3). Correct it. If 7 means missing, add it under `missing:` in study.yml.
    """
    if low is None or high is None:
        return ""
    slack = 1e-9 * max(1.0, abs(low), abs(high))  # a mean of items may miss the limit by a rounding error
    outside = (values < low - slack) | (values > high + slack)
    if not outside.any():
        return ""
    wrong = values[outside].tolist()
    return (
        f"{count(len(wrong), 'value')} outside {low:g} to {high:g}; first {examples(wrong, rows[outside].tolist())}. "
        f"Correct {'it' if len(wrong) == 1 else 'them'}. "
        f"If {wrong[0]:.12g} means missing, add it under `missing:` in study.yml."
    )


def _add_covariate(part: _Reading, name: str, column: str, definition: Definition) -> None:
    """Keep a further column of the clients file when it is a number or a category.

    A text that differs from client to client may be a name, an address or a note: it is left out and counted.
    """
    cells = part.table.frame[column]
    base = _base_measure(name, definition)
    numbers = read_numbers(cells, part.rows, definition.missing, decimal_comma=part.table.decimal_comma)
    if base is not None:
        part.keep(name, column, numbers)
        if complaint := range_complaint(numbers.values, part.rows, base.low, base.high):
            part.wrong(name, complaint)
    elif not numbers.complaints and not np.isnan(numbers.values).all():
        part.keep(name, column, numbers)
    elif column in definition.columns.values() or _is_category(cells):
        part.keep(name, column, read_words(cells, part.rows, definition.missing))


def _base_measure(name: str, definition: Definition) -> Measure | None:
    for suffix in (BASELINE, POST, FOLLOW_UP):
        if name.endswith(suffix) and name.removesuffix(suffix) in definition.measures:
            return definition.measures[name.removesuffix(suffix)]
    return None


def _is_category(cells: pd.Series) -> bool:
    written = texts(cells)
    written = written[written != ""]
    return not written.empty and written.nunique() <= min(20, len(written) / 2)
