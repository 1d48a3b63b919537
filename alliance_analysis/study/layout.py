"""How rows stand for sessions: one row each, one row per rating, or one row per client at a single time point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from alliance_analysis.study.cells import read_numbers, texts
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.definition import SESSION_COLUMNS, Definition, Raters
from alliance_analysis.study.join import dyad_of, key_problems, one_row_per, repeated_keys, unit_keys
from alliance_analysis.study.measure import Measure, tag_items, untag_items
from alliance_analysis.study.notes import Placed, Remark
from alliance_analysis.study.problems import Problem, count, examples, nearest, show
from alliance_analysis.study.readers import Table
from alliance_analysis.study.scoring import ITEM, score_measures
from alliance_analysis.study.tidy import KEYS, Part, read_session_part
from alliance_analysis.study.vocabulary import CLIENT, SESSION

ROLE = "raters:"  # a name that no column of the contract has


def read_session_files(tables: Sequence[Table], definition: Definition) -> tuple[list[Part], list[Problem]]:
    """Read every file of sessions by itself, whatever its rows stand for.

    Returns
    -------
    parts : list of Part
        One line per session each; without the column `session` where that cannot be made.
    problems : list of Problem
        What is wrong with keys and raters; the cells' problems are in the parts.
    """
    parts = [_read(table, definition) for table in tables]
    roles = definition.raters
    if roles is not None and all(part.raters is None for part in parts):
        # who rated cannot be read, which is told elsewhere: the ratings of one session would pass for repeated rows
        problems = [problem for problem in _key_problems(parts, definition) if problem.place != SESSION]
        return [replace(part, frame=part.frame.drop(columns=SESSION, errors="ignore")) for part in parts], problems
    parts = _one_time_point(parts, definition)
    problems = _key_problems(parts, definition)
    if roles is not None:
        problems += _word_problems(parts, definition, roles)
        problems += _nameless(parts, definition, roles)
        problems += _unclear(parts, definition, roles)
        parts = _without_absent(parts, definition)
    return [_one_row_per_session(part, definition) for part in parts], problems


def score_ratings(
    frame: pd.DataFrame, measures: dict[str, Measure]
) -> tuple[pd.DataFrame, dict[str, Measure], list[str]]:
    """Score items as `score_measures` does, also where two raters answer the same columns of a file."""
    scored, present, notes = score_measures(frame, {name: tag_items(measure) for name, measure in measures.items()})
    return scored, {name: untag_items(measure) for name, measure in present.items()}, notes


def _read(table: Table, definition: Definition) -> Part:
    roles = definition.raters
    if roles is None or roles.column not in table.frame:
        return read_session_part(table, definition)
    names = {word: rater for rater, word in roles.words.items()}
    words = texts(table.frame[roles.column])
    raters = pd.Series([names.get(word, "") for word in words], index=table.frame.index, dtype=object)
    part = read_session_part(table, definition, raters)
    part.used[ROLE] = roles.column
    part.remarks.extend(_unread(table, raters, definition))
    return part


def _columns_of(measure: Measure, table: Table) -> list[str]:
    return [column for column in measure.items or (measure.column,) if column is not None and column in table.frame]


def _unread(table: Table, raters: pd.Series, definition: Definition) -> list[Placed]:
    """Remark on values of a measure's column that stand in the rows of somebody whose values are not asked for."""
    readers: dict[str, set[str | None]] = defaultdict(set)
    codes: dict[str, set[float | str]] = defaultdict(lambda: set(definition.missing))
    for measure in definition.measures.values():
        for column in _columns_of(measure, table):
            readers[column].add(measure.rater)
            codes[column].update(measure.missing)
    found = []
    for column, asked in readers.items():
        others = table.frame[column].where(~raters.isin([*asked, ""]))
        values = read_numbers(others, table.rows, tuple(codes[column]), decimal_comma=table.decimal_comma).values
        if number := int(pd.notna(values).sum()):
            found.append(Placed(column, column, Remark("rater", number)))
    return found


def _key_problems(parts: list[Part], definition: Definition) -> list[Problem]:
    known = {str(column) for part in parts for column in part.table.frame}
    # a mapped column that no file has is told once, at its line of the study file
    told = {name for name, column in definition.columns.items() if column not in known}
    told |= {CLIENT, SESSION} if ("columns",) in definition.told else set()
    return [
        problem for part in parts for problem in key_problems(part) if problem.place not in told or CLIENT in part.frame
    ]


def _one_time_point(parts: list[Part], definition: Definition) -> list[Part]:
    """Return the parts with session 1 everywhere where no file has sessions and everybody stands in each once."""
    stated = SESSION in definition.columns or ("columns",) in definition.told
    if stated or any(SESSION in part.frame for part in parts) or not all(_stands_once(part) for part in parts):
        return parts
    note = "{0}: no column with the session and one row per {1}; all is read as one time point (session 1)."
    return [
        replace(
            part,
            frame=with_columns(part.frame, {SESSION: 1.0}),
            notes=[*part.notes, note.format(part.table.name, one_row_per(part, *dyad_of(part)))],
        )
        for part in parts
    ]


def _stands_once(part: Part) -> bool:
    return CLIENT in part.frame and len(part.frame) > 0 and not repeated_keys(unit_keys(part), part.rows, CLIENT)


def _word_problems(parts: list[Part], definition: Definition, roles: Raters) -> list[Problem]:
    """Find rows that do not say who rated, words that stand for nobody, and words that no row has."""
    place = f"raters (column {show(roles.column)})"
    rated = [part for part in parts if part.raters is not None]
    words = {part.table.name: texts(part.table.frame[roles.column]) for part in rated}
    found = []
    for part in rated:
        empty = (words[part.table.name] == "").to_numpy()
        if empty.any():
            text = f"{count(int(empty.sum()), 'row')} without a rater; first row "
            text += f"{part.rows[empty][0]}. Fill it in, or delete the row."
            found.append(Problem(part.table.name, place, text))
    if any(path[0] == "raters" for path in definition.told):
        return found  # words seem wrong only because a key of the study file is
    written = {word for each in words.values() for word in each if word}
    strange = written - set(roles.words.values())
    meant = set()
    for rater, word in roles.words.items():
        if written and word not in written:
            hint = nearest(word, strange, number=1)
            meant.add(hint.removeprefix("; nearest: "))
            text = f"raters.{rater}: there is no {show(word)} in the column {show(roles.column)} of "
            text += f"{' and '.join(words)}{hint}. Correct the word, or delete it."
            found.append(definition.problem(("raters", rater), text))
    for part in rated:
        if text := _strange_words(words[part.table.name], part, strange - meant, roles):
            found.append(Problem(part.table.name, place, text))
    return found


def _strange_words(words: pd.Series, part: Part, strange: set[str], roles: Raters) -> str:
    wrong = words.isin(strange)
    if not wrong.any():
        return ""
    first = examples(words[wrong].tolist(), part.rows[wrong.to_numpy()].tolist())
    number = int(wrong.sum())
    what = f"{first} is no rater" if number == 1 else f"{number:,} cells are no raters; first {first}"
    allowed = ", ".join(show(word) for word in roles.words.values())
    return f"{what}; allowed are {allowed}. Correct it, or add it under `raters:` in study.yml."


def _nameless(parts: list[Part], definition: Definition, roles: Raters) -> list[Problem]:
    """Find measures of a rater for whom the study file has no word."""
    told = {path[1] for path in definition.told if path[0] == "raters" and len(path) > 1}
    text = "measures.{0}: is read from the rows of the {1}, for whom `raters:` has no word. Add `{1}: the word` there."
    return [
        definition.problem(("measures", measure.name), text.format(measure.name, measure.rater))
        for part in parts
        if part.raters is not None
        for measure in definition.measures.values()
        if measure.rater not in {*roles.words, *told} and _columns_of(measure, part.table)
    ]


def _unclear(parts: list[Part], definition: Definition, roles: Raters) -> list[Problem]:
    """Find columns that two raters share in a file that does not say who rated."""
    found = []
    for part in parts:
        readers: dict[str, dict[str | None, str]] = defaultdict(dict)
        for measure in definition.measures.values() if part.raters is None else ():
            for column in _columns_of(measure, part.table):
                readers[column].setdefault(measure.rater, measure.name)
        for column, names in readers.items():
            if len(names) > 1:
                text = f"is the column of {' and '.join(names.values())}, and this file has no column "
                text += f"{show(roles.column)} that says who rated. Add that column to the file."
                found.append(Problem(part.table.name, show(column), text))
    return found


def _without_absent(parts: list[Part], definition: Definition) -> list[Part]:
    """Leave out of each file the measures of raters who have no row in it.

    A rater without a row anywhere is told as one problem, not measure by measure. A measure stays, as empty as it is,
    where no file has both its columns and rows of its rater.
    """
    measures = [tag_items(one) for one in definition.measures.values()]
    rated = [part for part in parts if part.raters is not None]
    present = {rater for part in rated for rater in _raters_in(part)}
    held = {one.name for part in rated for one in measures if one.rater in _raters_in(part) and _names(one, part)}
    kept = []
    for part in parts:
        absent = [one for one in measures if part.raters is not None and one.rater not in _raters_in(part)]
        told = [one for one in absent if one.rater not in present or one.name in held]
        kept.append(replace(part, frame=part.frame.drop(columns=[name for one in told for name in _names(one, part)])))
    return kept


def _raters_in(part: Part) -> set[str]:
    return set() if part.raters is None else set(part.raters)


def _names(measure: Measure, part: Part) -> list[str]:
    """Return the columns of a typed frame that hold a measure or its items."""
    return [name for name in (measure.name, *(ITEM + item for item in measure.items)) if name in part.frame]


def _one_row_per_session(part: Part, definition: Definition) -> Part:
    """Bring the ratings of one session into one line: a measure has a value in the row of its rater only."""
    if definition.raters is None or part.raters is None or not {CLIENT, SESSION} <= set(part.frame):
        return part
    keys = [key for key in KEYS if key in part.frame]
    groups = part.frame.groupby(keys, sort=False, dropna=False).first()
    sessions = with_columns(groups.reset_index(drop=True), dict(groups.index.to_frame(index=False)))
    lacking = [
        f"{number:,} without the {rater}'s"
        for rater in definition.raters.words
        if rater in _raters_in(part)
        and (number := len(sessions) - len(part.frame.loc[part.raters == rater, keys].drop_duplicates()))
    ]
    note = f"{part.table.name}: {count(len(part.frame), 'rating')} read as {count(len(sessions), 'session')}"
    return replace(
        part,
        frame=sessions[list(part.frame)],
        rows=part.rows[~part.frame.duplicated(keys).to_numpy()],
        raters=None,
        problems=[*part.problems, *_disagreements(part, keys, definition)],
        notes=[*part.notes, f"{note}{'; ' if lacking else ''}{', '.join(lacking)}."],
    )


def _disagreements(part: Part, keys: list[str], definition: Definition) -> list[Problem]:
    """Find what belongs to the session or the client and yet differs between the ratings of one session."""
    found = []
    for name in part.frame:
        if name in keys or name in definition.measures or name.startswith(ITEM):
            continue
        filled = part.frame[part.frame[name].notna().to_numpy()]
        differs = filled.groupby(keys)[name].transform("nunique") > 1
        if not differs.any():
            continue
        wrong = filled[differs]
        first = wrong[(wrong[keys] == wrong[keys].iloc[0]).all(axis=1)]
        shown = [value.date().isoformat() if isinstance(value, pd.Timestamp) else value for value in first[name]]
        fix = "" if name in SESSION_COLUMNS else ", or put what differs between the raters under `measures:`"
        text = f"{count(len(wrong[keys].drop_duplicates()), 'session')} whose rows differ; first "
        text += f"{examples(shown, part.rows[first.index].tolist())}. Write them alike{fix}."
        found.append(Problem(part.table.name, part.place(name), text))
    return found
