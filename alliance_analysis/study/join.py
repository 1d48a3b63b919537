"""Joins the files of a study on their keys, and finds what is wrong with keys while rows still have their numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_analysis.row_codes import repeated, row_codes
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.definition import SESSION_COLUMNS
from alliance_analysis.study.problems import Problem, count, show
from alliance_analysis.study.tidy import KEYS, Part
from alliance_analysis.study.vocabulary import CLIENT, SESSION, THERAPIST, TIME

_HERE = " of the file joined"


def key_problems(part: Part) -> list[Problem]:
    """Return what is wrong with the keys of one file of sessions; `part` is not changed."""
    found: list[Problem] = []
    file = part.table.name
    if part.table.frame.empty:
        found.append(Problem(file, "file", "has no rows below the names of the columns. Save the data again."))
    for name in (CLIENT, SESSION):
        if name not in part.frame:
            found.append(no_column(part, name))
    if {CLIENT, SESSION} <= set(part.frame) and (
        text := repeated_keys(unit_keys(part), part.rows, one_row_per(part, SESSION))
    ):
        found.append(Problem(file, SESSION, text))
    return found


def no_column(part: Part, name: str) -> Problem:
    """Return the problem that a file lacks a key column."""
    columns = [show(column) for column in part.table.frame.columns]
    has = ", ".join([*columns[:8], *(["…"] if len(columns) > 8 else [])])
    text = f"there is no such column; the file has {has}. Add `{name}: its name` under `columns:` in study.yml."
    if name == SESSION:
        row = one_row_per(part, *dyad_of(part))
        text += f" None is needed where every file has one row per {row}: the data are then one time point."
    return Problem(part.table.name, name, text)


def unit_keys(part: Part) -> pd.DataFrame:
    """Return the keys of which no two rows of a file may have the same: with the rater in one row per rating."""
    keys = part.frame[[name for name in KEYS if name in part.frame]]
    return keys if part.raters is None else keys.assign(rater=part.raters)


def one_row_per(part: Part, *words: str) -> str:
    """Return what one row of a file stands for: the words given, and the rater where each row is a rating."""
    *others, last = (*words, *([] if part.raters is None else ["rater"]))
    return f"{', '.join(others)} and {last}" if others else last


def dyad_of(part: Part) -> tuple[str, ...]:
    """Return the words for a dyad: the client, and the therapist where therapists have ids."""
    return tuple(name for name in (CLIENT, THERAPIST) if name in part.frame) or (CLIENT,)


def repeated_keys(keys: pd.DataFrame, rows: np.ndarray, unit: str) -> str:
    """Return what to say about rows with the same keys, or ""; rows with a key missing are told elsewhere."""
    twice = repeated(row_codes(keys[name] for name in keys))
    members = keys[twice]
    empty = (members.isna().any(axis=1) | (members == "").any(axis=1)).to_numpy()
    members, where = members[~empty], rows[twice][~empty]
    if members.empty:
        return ""
    first = members.iloc[0]
    same = (members == first).all(axis=1).to_numpy()
    places = [str(row) for row in where[same][:5]]
    shown = ", ".join(repr(int(value) if isinstance(value, float) else value) for value in first)
    label = f"({', '.join(keys.columns)})" if len(keys.columns) > 1 else keys.columns[0]
    value = f"({shown})" if len(keys.columns) > 1 else shown
    return (
        f"{len(members):,} rows repeat {label}; first {value} in rows {', '.join(places[:-1])} and {places[-1]}. "
        f"Keep one row per {unit}."
    )


def two_therapists(parts: list[Part]) -> str:
    """Return what to say about client ids that stand under several therapists, or ""."""
    where = [part for part in parts if {CLIENT, THERAPIST} <= set(part.frame)]
    pairs = pd.concat([_pairs(part).assign(file=part.table.name) for part in where])
    pairs = pairs[(pairs[CLIENT] != "") & (pairs[THERAPIST] != "")].drop_duplicates([CLIENT, THERAPIST])
    shared = pairs[pairs.duplicated(CLIENT, keep=False)]
    if shared.empty:
        return ""
    ids = shared[CLIENT].drop_duplicates().tolist()
    first = shared[shared[CLIENT] == ids[0]].iloc[:2]
    one, two = first[THERAPIST].tolist()
    here, there = (
        f"row {row}" if len(parts) == 1 else f"row {row} of {file}"
        for row, file in zip(first["row"], first["file"], strict=True)
    )
    return (
        f"{count(len(ids), 'id stands', 'ids stand')} under more than one therapist; first {ids[0]!r} under {one!r} "
        f"({here}) and {two!r} ({there}). "
        "Add `repeated_client_ids: same_person` or `repeated_client_ids: different_people` to study.yml."
    )


def _pairs(part: Part) -> pd.DataFrame:
    """Return the pairs of client and therapist of a file, each with the first row that has it."""
    again = repeated(row_codes([part.frame[CLIENT], part.frame[THERAPIST]]), keep_first=True)
    return part.frame.loc[~again, [CLIENT, THERAPIST]].assign(row=part.rows[~again])


def separate_people(frame: pd.DataFrame, shared: set[str]) -> pd.DataFrame:
    """Return the frame in which ids that stand for several people carry their therapist's id."""
    ids = frame[CLIENT].astype(object)
    own = ids.where(~ids.isin(shared), ids + " (" + frame[THERAPIST].astype(object).astype(str) + ")")
    return with_columns(frame, {CLIENT: own})


def shared_ids(frame: pd.DataFrame) -> set[str]:
    """Return the client ids that stand under more than one therapist."""
    if THERAPIST not in frame:
        return set()
    again = repeated(row_codes([frame[CLIENT], frame[THERAPIST]]), keep_first=True)
    pairs = frame.loc[~again, [CLIENT, THERAPIST]]
    return set(pairs.loc[pairs.duplicated(CLIENT, keep=False), CLIENT])


def join_parts(parts: list[Part]) -> tuple[pd.DataFrame, list[Problem], list[str]]:
    """Join the files of sessions on the keys they share; rows that only one file has are kept and counted.

    A column that stands in several files is filled from all of them; two values for one session are a problem.

    Returns
    -------
    frame, problems, notes
    """
    joined, problems, notes = parts[0].frame, list[Problem](), list[str]()
    for at, part in enumerate(parts[1:], start=1):
        keys = [key for key in KEYS if key in joined and key in part.frame]
        if THERAPIST not in keys and (text := _ambiguous(joined, part.frame, keys)):
            problems.append(Problem(part.table.name, THERAPIST, text))
        twice = sorted((set(joined) & set(part.frame)) - set(keys))
        joined = joined.merge(part.frame, on=keys, how="outer", indicator="_side", suffixes=("", _HERE))
        alone = joined.pop("_side")
        for name in twice:
            here = joined.pop(name + _HERE)
            joined[name], number = _filled(joined[name], here)
            if number:
                text = f"{count(number, 'session')} with another value in {_names(parts[:at])}. Keep it in one file; "
                text += "where it is two things, give this file a `prefix:`."
                problems.append(Problem(part.table.name, part.place(name), text))
        notes.append(
            f"{part.table.name}: joined on {', '.join(keys)}; {count(int((alone == 'both').sum()), 'row')} in both, "
            f"{int((alone == 'left_only').sum()):,} only in the other files, "
            f"{int((alone == 'right_only').sum()):,} only in this one."
        )
    if len(parts) > 1 and THERAPIST in joined and (number := int(joined[THERAPIST].isna().sum())):
        text = f"{count(number, 'session')} without a therapist after joining the files. Add the column to each file."
        problems.append(Problem(parts[0].table.name, THERAPIST, text))
    return joined, problems, notes


def _filled(before: pd.Series, here: pd.Series) -> tuple[pd.Series, int]:
    """Return a column completed by that of another file, and how many rows have two different values."""
    if isinstance(before.dtype, pd.CategoricalDtype) or isinstance(here.dtype, pd.CategoricalDtype):
        before, here = before.astype(object), here.astype(object)
    differs = before.notna() & here.notna() & (before != here)
    return before.where(before.notna(), here), int(differs.sum())


def _names(parts: list[Part]) -> str:
    return " or ".join(dict.fromkeys(part.table.name for part in parts))


def _ambiguous(joined: pd.DataFrame, frame: pd.DataFrame, keys: list[str]) -> str:
    """Rows without a therapist cannot be joined where one session number stands under two of them."""
    pairs = max((joined[keys], frame[keys]), key=lambda each: int(each.duplicated().sum()))
    number = int(pairs.duplicated().sum())
    if not number:
        return ""
    unit = count(number, "session number of one client stands", "session numbers of one client stand")
    return f"{unit} under two therapists, and one of the files has no therapist. Add the column to each file."


def finish_sessions(sessions: dict[str, pd.Series], clients: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions sorted by their keys, with time = session - 1, the contract's columns first.

    A therapist that stands only in the clients file is taken from there.

    Parameters
    ----------
    sessions : dict of str to Series
        Columns; they are taken out one after the other, so that millions of sessions need not stand in memory twice.
    clients : DataFrame
        One row per client.
    """
    if THERAPIST in clients and THERAPIST not in sessions:
        by_client = clients.dropna(subset=[THERAPIST]).set_index(CLIENT)[THERAPIST]
        sessions[THERAPIST] = sessions[CLIENT].astype(object).map(by_client).astype(object)
    numbers = sessions.pop(SESSION).astype(np.int64)
    sessions[SESSION], sessions[TIME] = numbers, numbers - 1
    order = [name for name in dict.fromkeys([*KEYS, TIME, *SESSION_COLUMNS, *sessions]) if name in sessions]
    places = _sorted_places([sessions[name] for name in KEYS if name in sessions])
    done = {}
    for name in order:
        column = sessions.pop(name)
        column = column if places is None else column.iloc[places]
        done[name] = _as_text(column).reset_index(drop=True)
    return pd.DataFrame(done, copy=False)


def _sorted_places(keys: list[pd.Series]) -> np.ndarray | None:
    """Return the order of the rows by their keys; None when they are in it."""
    total = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        codes, found = pd.factorize(key)
        total *= max(len(found), 1)
        total += np.argsort(np.argsort(np.asarray(found)))[codes]
    if np.all(total[1:] >= total[:-1]):
        return None
    return np.argsort(total, kind="stable")


def _as_text(column: pd.Series) -> pd.Series:
    texts = column.dtype == object or isinstance(column.dtype, pd.CategoricalDtype)
    return column.astype("str") if texts else column


def finish_clients(frame: pd.DataFrame, sessions: pd.DataFrame, file: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per client of either frame, sorted, and sentences on clients that stand in one of them only.

    Parameters
    ----------
    frame : DataFrame
        Rows of the clients file; only `client` when there is none.
    sessions : DataFrame
        Finished sessions.
    file : str or None
        Name of the clients file.
    """
    ids = pd.DataFrame({CLIENT: sessions[CLIENT].unique()})
    known = as_text(frame.drop(columns=THERAPIST, errors="ignore"))
    both = ids.merge(known, on=CLIENT, how="outer", indicator="_side")
    sides = both.pop("_side").value_counts()
    notes = []
    if file and sides["left_only"]:
        alone = count(int(sides["left_only"]), "client")
        notes.append(f"{file}: {alone} with sessions not in this file; their values are missing.")
    if file and sides["right_only"]:
        notes.append(
            f"{file}: {count(int(sides['right_only']), 'client')} without any session; kept among the clients."
        )
    return both.sort_values(CLIENT, ignore_index=True), notes


def client_columns(sessions: pd.DataFrame, names: list[str], file: str) -> tuple[pd.DataFrame, list[Problem]]:
    """Return columns that belong to the client but stand in the sessions, one row per client; they must not change.

    Parameters
    ----------
    sessions : DataFrame
        Joined sessions with a column for each of `names`.
    names : list of str
        Columns to move.
    file : str
        Name of the file, for problems.
    """
    problems = []
    for name in names:
        changing = int((sessions.groupby(CLIENT)[name].nunique() > 1).sum())
        if changing:
            text = f"{count(changing, 'client has', 'clients have')} more than one value; it belongs to the client, "
            text += "not to the session. Correct it, or put what changes from session to session under `measures:`."
            problems.append(Problem(file, name, text))
    return sessions.groupby(CLIENT, as_index=False)[names].first() if names else sessions[
        [CLIENT]
    ].drop_duplicates(), problems


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text columns of the type `str`, empty cells missing."""
    return with_columns(frame, {name: _as_text(frame[name]) for name in frame})
