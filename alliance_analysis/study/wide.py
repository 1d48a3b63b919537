"""Turns a table with one row per client and a column per session into one row per session."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from alliance_analysis.study.cells import texts
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.problems import Problem, count, show
from alliance_analysis.study.readers import Table

PLACEHOLDER = "{session}"
_MOST_DIGITS = 6


@dataclass(frozen=True)
class Spread:
    """Columns of a table that one name with a placeholder stands for.

    Attributes
    ----------
    pattern : str
        The name with the placeholder.
    columns : dict
        Session number -> column.
    clash : str
        What to say of two columns that stand for the same session; "" when there are none.
    """

    pattern: str
    columns: dict[int, str]
    clash: str = ""


def spread_of(pattern: str, columns: Iterable[str], marks: dict[str, int]) -> Spread:
    """Return the columns a name with the placeholder stands for.

    Parameters
    ----------
    pattern : str
        Name with ``{session}``.
    columns : iterable of str
        Columns of a table.
    marks : dict
        Words that may stand in its place -> session number; digits always may, with leading zeros.

    Examples
    --------
    >>> spread_of("PHQ_T{session}", ["PHQ_T01", "PHQ_T10", "PHQ_Total"], {}).columns
    {1: 'PHQ_T01', 10: 'PHQ_T10'}
    """
    before, _, after = pattern.partition(PLACEHOLDER)
    words = "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True))
    place = rf"(\d{{1,{_MOST_DIGITS}}}{'|' + words if words else ''})"
    name = re.compile(re.escape(before) + place + re.escape(after), re.ASCII)
    found: dict[int, str] = {}
    clash = ""
    for column in columns:
        if match := name.fullmatch(column):
            number = marks[match[1]] if match[1] in marks else int(match[1])
            if number in found:
                clash = f"{show(found[number])} and {show(column)} both stand for session {number}. Rename one of them."
            found.setdefault(number, column)
    return Spread(pattern, dict(sorted(found.items())), clash)


def lengthen(
    table: Table, patterns: Iterable[str], marks: dict[str, int], session: str, kept: set[str] | None
) -> tuple[Table, list[Problem]]:
    """Return a table with one row per session; a session without any value in its columns is left out.

    Parameters
    ----------
    table : Table
        One row per client.
    patterns : iterable of str
        Names with the placeholder; those without a column in this table are passed over.
    marks : dict
        Words that may stand in place of ``{session}`` -> session number.
    session : str
        Name of the new column with the session number.
    kept : set of str or None
        Other columns to keep, repeated in each session; None: all.

    Returns
    -------
    table : Table
        The same table when no pattern has a column in it. A column is called by its pattern.
    problems : list of Problem
    """
    columns = [str(column) for column in table.frame]
    spreads = [spread for pattern in dict.fromkeys(patterns) if (spread := spread_of(pattern, columns, marks)).columns]
    problems = [Problem(table.name, show(spread.pattern), spread.clash) for spread in spreads if spread.clash]
    if not spreads or problems:
        return table, problems
    if session in table.frame:
        text = f"{show(session)} is a column of its own, and {show(spreads[0].pattern)} stands for one column per "
        problems.append(Problem(table.name, session, text + "session. Give the sessions in one of the two ways."))
        return table, problems
    return _stack(table, spreads, session, kept), problems


def _stack(table: Table, spreads: list[Spread], session: str, kept: set[str] | None) -> Table:
    numbers = sorted({number for spread in spreads for number in spread.columns})
    taken = {column for spread in spreads for column in spread.columns.values()}
    others = [name for name in table.frame if name not in taken and (kept is None or name in kept)]
    filled = {
        column: (texts(table.frame[column]) != "").to_numpy()
        for spread in spreads
        for column in spread.columns.values()
    }
    pieces, rows = [], []
    for number in numbers:
        columns = {spread.pattern: spread.columns[number] for spread in spreads if number in spread.columns}
        chosen = np.logical_or.reduce([filled[column] for column in columns.values()])
        piece = table.frame.loc[chosen, [*others, *columns.values()]]
        piece = piece.rename(columns={column: pattern for pattern, column in columns.items()})
        pieces.append(with_columns(piece, {session: number}))
        rows.append(table.rows[chosen])
    frame = pd.concat(pieces, ignore_index=True)
    order = np.lexsort((frame[session].to_numpy(), np.concatenate(rows)))
    without = len(table.frame) - len(np.unique(np.concatenate(rows)))
    note = f"{table.name}: {count(len(table.frame), 'row')} with one column per session read as "
    note += f"{count(len(frame), 'session')}"
    note += f"; {count(without, 'row')} without any session." if without else "."
    return replace(
        table,
        frame=frame.iloc[order].reset_index(drop=True),
        rows=np.concatenate(rows)[order],
        notes=(*table.notes, note),
    )
