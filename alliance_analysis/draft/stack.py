"""Finds files and sheets with the same columns: one for each rater, or parts of one table below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from alliance_analysis.draft.aliases import ALIASES
from alliance_analysis.draft.guess import Guess, names
from alliance_analysis.draft.look import Source
from alliance_analysis.draft.names import find_patterns, read_words
from alliance_analysis.draft.profile import describe_table
from alliance_analysis.draft.roles import find_roles
from alliance_analysis.draft.words import INTAKE, RATER, SESSION_MARKS, tokens
from alliance_analysis.study.cells import texts
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.problems import count
from alliance_analysis.study.vocabulary import CLIENT, DATE, SESSION, THERAPIST

_ALIKE = 0.9
_MOST_SESSIONS = 200
_FEW_TWICE = 0.02


@dataclass(frozen=True, eq=False)
class Piece:
    """A file or sheet of one table.

    Attributes
    ----------
    source : Source
        The file or sheet.
    rater : str or None
        Who filled it in, where each rater has one.
    session : int or None
        Session of its rows, where each session has one.
    """

    source: Source
    rater: str | None = None
    session: int | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """One table of the study with the files or sheets it is made of.

    Attributes
    ----------
    whole : Source
        All rows; the file itself where there is one.
    pieces : tuple of Piece
        The files or sheets.
    """

    whole: Source
    pieces: tuple[Piece, ...]


def stack(sources: Sequence[Source]) -> tuple[list[Stack], list[str]]:
    """Put files or sheets with the same columns together.

    Parameters
    ----------
    sources : sequence of Source
        What was found in the files.

    Returns
    -------
    tuple of (list of Stack, list of str)
        The tables; sentences on what was put together, and on what is set aside.
    """
    groups: list[list[Source]] = []
    for source in sources:
        group = next((one for one in groups if _same_columns(one[0], source)), None)
        if group is None or source.rows or group[0].rows:
            groups.append([source])
        else:
            group.append(source)
    stacks: list[Stack] = []
    notes: list[str] = []
    for group in groups:
        found, said = _settle(group)
        stacks += found
        notes += said
    return stacks, notes


def _same_columns(one: Source, other: Source) -> bool:
    first, second = set(map(str, one.table.frame)), set(map(str, other.table.frame))
    return len(first & second) >= _ALIKE * len(first | second) and not _other_questionnaires(one.title, other.title)


def _other_questionnaires(one: str, other: str) -> bool:
    """Whether two titles name questionnaires that are not forms of one."""
    aliases = [read_words(tokens(title)).alias for title in (one, other)]
    families = [ALIASES[alias].split("-")[0] for alias in aliases if alias]
    return len(set(families)) > 1


def _settle(group: list[Source]) -> tuple[list[Stack], list[str]]:
    if len(group) == 1:
        return [Stack(group[0], (Piece(group[0]),))], []
    raters = [_rater_of_title(one) for one in group]
    if all(raters) and len(set(raters)) == len(group):
        return [Stack(one, (Piece(one, rater=rater),)) for one, rater in zip(group, raters, strict=True)], []
    if all(SESSION in one.roles.columns or DATE in one.roles.columns for one in group):
        return _below(group) if any(CLIENT in one.roles.columns for one in group) else _one_each(group)
    numbers = _sessions_of_titles(group)
    placed = [one for one, number in zip(group, numbers, strict=True) if number is not None]
    if len(placed) < 2:
        first, *others = group
        return [Stack(first, (Piece(first),))], [_set_aside(one, first) for one in others]
    pieces = tuple(Piece(one, session=number) for one, number in zip(group, numbers, strict=True) if number is not None)
    aside = [_set_aside(one, placed[0]) for one in group if one not in placed]
    return [Stack(_together(pieces), pieces)], aside


def _one_each(group: list[Source]) -> tuple[list[Stack], list[str]]:
    """Take the first of files that number sessions and name no clients: each seems to hold one client."""
    first, *others = group
    text = (
        f"DOUBT: {first.called} and {count(len(others), 'other')} have the same columns and none that says whose rows "
    )
    text += "they are: one for each client, as it seems. Only the first is used here; put all below each other in one "
    text += f"table with a column `{CLIENT}`, and draft that"
    return [Stack(first, (Piece(first),))], [text]


def _rater_of_title(source: Source) -> str | None:
    said = read_words(tokens(source.title))
    return next(iter(said.raters)) if said.clear_rater and len(said.raters) == 1 else None


def _set_aside(source: Source, first: Source) -> str:
    text = f"DOUBT: {source.called} has the columns of {first.called} and is not used: put both below each other, "
    return text + "in one table with a column for what tells them apart (session, clinic, year)"


def _sessions_of_titles(group: Sequence[Source]) -> list[int | None]:
    """Return the session each title names: T1, Session 02, intake; None where it names none, or one of another's."""
    found: dict[str, int] = {}
    for pattern in find_patterns({one.title for one in group}):
        words = read_words(pattern.parts)
        if len(pattern.runs) == 1 and (pattern.mark(0) in SESSION_MARKS or not pattern.stem):
            if max(pattern.values(0)) <= _MOST_SESSIONS:
                found |= {title: numbers[0] for numbers, title in pattern.columns.items()}
        elif not pattern.runs and words.phase == INTAKE:
            found |= dict.fromkeys(pattern.columns.values(), 0)
    numbers = [found.get(one.title) for one in group]
    return [number if numbers.count(number) == 1 else None for number in numbers]


def _below(group: list[Source]) -> tuple[list[Stack], list[str]]:
    """Put files that number their own sessions below each other, unless they number the same ones."""
    pieces = tuple(map(Piece, group))
    whole = _together(pieces)
    roles = whole.roles
    when = roles.column(SESSION) or roles.column(DATE)
    keys = [roles.column(CLIENT), roles.column(THERAPIST), when, roles.column(RATER)]
    frame = whole.table.frame[[key for key in keys if key]].apply(texts)
    first, *others = group
    if frame.duplicated().mean() > _FEW_TWICE:
        return [Stack(first, pieces[:1])], [_set_aside(one, first) for one in others]
    shown = ", ".join(one.called for one in group)
    notes = [f"{shown}: the same columns, read below each other"]
    client = roles.column(CLIENT)
    if client and (number := _shared(group, client)):
        notes.append(f"DOUBT: {count(number, 'client')} in several of {shown}: taken for the same persons")
    return [Stack(whole, pieces)], notes


def _shared(group: Sequence[Source], client: str) -> int:
    ids = pd.concat([pd.Series(texts(one.table.frame[client]).unique()) for one in group if client in one.table.frame])
    return int((ids[ids != ""].value_counts() > 1).sum())


def _together(pieces: Sequence[Piece]) -> Source:
    """Return all rows as one table, in which they are recognised together."""
    first = pieces[0].source
    frames = [
        piece.source.table.frame
        if piece.session is None
        else with_columns(piece.source.table.frame, {SESSION: piece.session})
        for piece in pieces
    ]
    frame = pd.concat(frames, ignore_index=True)
    rows = np.concatenate([piece.source.table.rows for piece in pieces])
    table = replace(first.table, frame=frame, rows=rows)
    profiles = describe_table(table)
    roles = find_roles(frame, profiles)
    client = first.roles.columns.get(CLIENT)
    if CLIENT not in roles.columns and client:
        ids = texts(frame[str(client.value)])
        roles = replace(
            roles, columns={**roles.columns, CLIENT: client}, clients=int(ids[ids != ""].nunique()),
            one_row_per_client=bool(ids[ids != ""].is_unique),
        )  # fmt: skip
    titles = [piece.source.title for piece in pieces if piece.session is not None]
    if titles:
        counted = Guess(SESSION, f"the titles {names(titles)} number them")
        roles = replace(roles, columns={**roles.columns, SESSION: counted})
    return replace(first, table=table, profiles=profiles, roles=roles)
