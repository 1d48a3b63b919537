"""What a study.yml says, read key by key into frozen values; every wrong key becomes a problem with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alliance_analysis.study.answers import read_answers
from alliance_analysis.study.entries import Entry, read_entries
from alliance_analysis.study.feasibility import QUESTIONS
from alliance_analysis.study.instrument_keys import read_instruments
from alliance_analysis.study.instruments import Instrument
from alliance_analysis.study.keys import Keys, is_number
from alliance_analysis.study.measure import Measure, build_measure
from alliance_analysis.study.problems import Problem, nearest, show
from alliance_analysis.study.shape_keys import Shape, read_shape
from alliance_analysis.study.vocabulary import (
    ALLIANCE,
    BETWEEN,
    CLIENT,
    COLLECTED,
    CONDITION,
    DATE,
    DETRENDED,
    EPISODE,
    FIRST,
    MODALITY,
    PHASE,
    PLANNED_SESSIONS,
    RATERS,
    SESSION,
    STATUS,
    SUBSCALES,
    THERAPIST,
    THERAPY_END,
    TIME,
    WITHIN,
)
from alliance_analysis.study.yamlfile import KeyPath, read_yaml

TOP_KEYS = (
    "study", "data", "clients", "missing", "columns", "raters", "session_numbers", "words", "episodes",
    "wide", "repeated_client_ids", "instruments", "measures", "plan", "report",
)  # fmt: skip
STUDY_KEYS = ("title", "source", "simulated", "ethics")
MEASURE_KEYS = (
    "instrument", "label", "column", "items", "reverse", "min_answered", "range", "score", "higher_is_worse",
    "collected", "recall_days", "centred", "rater", "shared_items", "missing", "answers",
)  # fmt: skip
PLAN_KEYS = ("primary", "sesoi", "hypotheses")
REPORT_KEYS = ("min_cell", "max_gap_days")
FILE_RATER = "rater of the file"
"""A column that no file has: it is made where the study file says who filled in a whole file."""
REPEATED = ("same_person", "different_people")
SCORES = ("mean", "sum")

SESSION_COLUMNS = (CLIENT, THERAPIST, SESSION, DATE, MODALITY, PHASE)
CLIENT_COLUMNS = (CLIENT, THERAPIST, CONDITION, STATUS, PLANNED_SESSIONS, THERAPY_END)
CONTRACT_COLUMNS = tuple(dict.fromkeys((*SESSION_COLUMNS, *CLIENT_COLUMNS, EPISODE)))

_CAUSES = {"range": ("instrument",), "higher_is_worse": ("instrument",), "reverse": ("instrument", "items", "range")}
"""What else, when it is wrong, makes a key seem to be missing: one mistake is told once."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DERIVED = re.compile(rf"({WITHIN}|{BETWEEN}|{BETWEEN}_\w+|_lag\d+|{FIRST}|{DETRENDED})$")


@dataclass(frozen=True)
class Raters:
    """Who rated, in files with one row per rating.

    Attributes
    ----------
    column : str
        The file's column that says who rated; "" when the study file names it wrongly, which has been told.
    words : dict
        "client", "therapist" or "observer" -> the word that stands for it in that column.
    """

    column: str
    words: dict[str, str]


@dataclass(frozen=True)
class Definition:
    """A study file, read.

    Attributes
    ----------
    path : Path
        The study file.
    title, source, ethics : str
        As stated; "" when not.
    simulated : bool
        Whether the data are simulated.
    data : tuple of Entry
        Files beside the study file, or one ``dataset:NAME``.
    clients : Entry or None
        File with one row per client.
    missing : tuple of (float or str)
        Codes that stand for a missing value.
    columns : dict
        Contract name -> the file's column.
    shape : Shape
        How rows and columns stand for sessions.
    raters : Raters or None
        Who rated, where the files have one row per rating; None: one row per session.
    repeated_client_ids : str or None
        "same_person" or "different_people".
    instruments : dict
        Name -> questionnaire that the study describes itself.
    measures : dict
        Name -> Measure.
    plan : dict
        ``primary``, ``sesoi``, ``hypotheses`` as stated.
    min_cell : int
        Smallest group a table shows.
    max_gap_days : int or None
        Longest gap between two sessions that still counts as the next one.
    lines : dict
        Key path -> line of the study file.
    told : frozenset
        Key paths that a problem of the study file is already about, also those meant by a misspelt key.
    """

    path: Path
    title: str
    source: str
    ethics: str
    simulated: bool
    data: tuple[Entry, ...]
    clients: Entry | None
    missing: tuple[float | str, ...]
    columns: dict[str, str]
    shape: Shape
    raters: Raters | None
    repeated_client_ids: str | None
    instruments: dict[str, Instrument]
    measures: dict[str, Measure]
    plan: dict[str, Any]
    min_cell: int
    max_gap_days: int | None
    lines: dict[KeyPath, int]
    told: frozenset[KeyPath] = frozenset()

    def problem(self, path: KeyPath, text: str) -> Problem:
        """Return a problem at the line of the nearest key that is written in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        line = self.lines.get(path, 1)
        return Problem(self.path.name, f"line {line}", text, line)

    def is_told(self, path: KeyPath) -> bool:
        """Say whether a problem of the study file is already about a key or something below it."""
        return any(told[: len(path)] == path for told in self.told)


def read_definition(path: Path) -> tuple[Definition, list[Problem], list[str]]:
    """Read a study file; return what it says, what is wrong with it, and sentences worth noting.

    Raises
    ------
    DataError
        When the file cannot be read as YAML at all.
    """
    keys = Keys(read_yaml(path))
    keys.only((), TOP_KEYS)
    keys.only(("study",), STUDY_KEYS)
    keys.only(("plan",), PLAN_KEYS)
    keys.only(("report",), REPORT_KEYS)
    gap = keys.number(("report", "max_gap_days"), None, low=1, whole=True)
    data = _data_files(keys)
    own = read_instruments(keys)
    raters = _raters(keys) or _raters_of_files(data)
    definition = Definition(
        path=path,
        title=keys.text(("study", "title")) or path.stem,
        source=keys.text(("study", "source")) or "",
        ethics=keys.text(("study", "ethics")) or "",
        simulated=bool(keys.flag(("study", "simulated"), False)),
        data=data,
        clients=_clients_file(keys),
        missing=_missing_codes(keys, ("missing",)),
        columns=_columns(keys),
        shape=read_shape(keys),
        raters=raters,
        repeated_client_ids=keys.choice(("repeated_client_ids",), REPEATED),
        instruments=own,
        measures=_measures(keys, raters, own),
        plan=_plan(keys),
        min_cell=int(keys.number(("report", "min_cell"), 5, low=1, whole=True) or 5),
        max_gap_days=None if gap is None else int(gap),
        lines=keys.file.lines,
        told=keys.told,  # last: complete only now
    )
    return definition, keys.problems, keys.notes


def _data_files(keys: Keys) -> tuple[Entry, ...]:
    entries = read_entries(keys, ("data",))
    if not entries and not any(path[0] == "data" for path in keys.told):
        keys.wrong(("data",), "is missing; name the file with the sessions, for example `data: sessions.csv`.")
    for at, entry in enumerate(entries):
        if entry in entries[:at]:
            keys.wrong(("data",), f"names {show(entry.file)} twice. Keep it once.")
        if entry.file.startswith("dataset:") and len(entries) > 1:
            keys.wrong(("data",), f"can not join {show(entry.file)} with other files. Name it alone.")
    return tuple(entry for at, entry in enumerate(entries) if entry not in entries[:at])


def _clients_file(keys: Keys) -> Entry | None:
    entries = read_entries(keys, ("clients",))
    if len(entries) > 1:
        keys.wrong(("clients",), "names several files. Join them into one file with one row per client.")
    return entries[0] if entries else None


def _missing_codes(keys: Keys, path: KeyPath) -> tuple[float | str, ...]:
    found = keys.raw(path)
    codes = found if isinstance(found, list) else [] if found is None else [found]
    read: list[float | str] = []
    for position, code in enumerate(codes):
        place = (*path, str(position)) if isinstance(found, list) else path
        if isinstance(code, dict | list):
            keys.wrong(place, "must be a number or a text.")
        elif is_number(code):
            read.append(float(code))
        elif code is not None:
            read.append(keys.file.texts[place].strip())
    return tuple(read)


def _columns(keys: Keys) -> dict[str, str]:
    columns: dict[str, str] = {}
    stated = keys.raw(("measures",))
    measures = stated if isinstance(stated, dict) else {}
    for name in keys.mapping(("columns",)):
        path = ("columns", name)
        if name in measures:
            keys.wrong(path, f"is a measure. Name its column under measures.{name}.column.")
        elif hint := _misspelt(name):
            keys.wrong(path, f"is not a name the package knows{hint}.")
        elif name not in CONTRACT_COLUMNS and (reason := _bad_name(name)):
            keys.wrong(path, reason)
        elif column := keys.text(path):
            columns[name] = column
    taken: dict[str, str] = {}
    for name, column in columns.items():
        if column in taken and {name, taken[column]} != {SESSION, PHASE}:  # one column may name sessions and phases
            keys.wrong(
                ("columns", name), f"and {taken[column]} both name the column {show(column)}. Give each its own."
            )
        taken.setdefault(column, name)
    return columns


def _raters(keys: Keys) -> Raters | None:
    """Return who rated; an empty column where the study file means to say it but does not."""
    path = ("raters",)
    keys.only(path, ("column", *RATERS))
    if not keys.has(path) or path in keys.told:
        return Raters("", {}) if path in keys.told else None
    column = keys.text((*path, "column"))
    words = {rater: word for rater in RATERS if (word := keys.text((*path, rater)))}
    if column is None and (*path, "column") not in keys.told:
        text = "is missing; name the column that says who rated, for example `column: Role`."
        keys.wrong((*path, "column"), text)
    if not words and not keys.told & {(*path, rater) for rater in RATERS}:
        text = "names nobody who rated; allowed are {}. Add for each the word in that column, such as `client: Client`."
        keys.wrong(path, text.format(", ".join(RATERS)))
    first: dict[str, str] = {}
    for rater, word in words.items():
        if word in first:
            keys.wrong((*path, rater), f"and {first[word]} are both {show(word)}. Give each its own word.")
        first.setdefault(word, rater)
    return Raters(column or "", words)


def _raters_of_files(data: tuple[Entry, ...]) -> Raters | None:
    """Return who rated where each rater has a file of its own."""
    found = dict.fromkeys(entry.rater for entry in data if entry.rater)
    return Raters(FILE_RATER, {rater: rater for rater in found if rater}) if found else None


def _misspelt(name: str) -> str:
    if name in CONTRACT_COLUMNS:
        return ""
    close = nearest(name, CONTRACT_COLUMNS, number=1)
    # a covariate may well resemble a key word a little (`condition_2`); only near-identity is taken for a slip
    word = close.removeprefix("; nearest: ")
    return close if word and abs(len(word) - len(name)) <= 1 and len(set(word) ^ set(name)) <= 2 else ""


def _bad_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        return "can not be a name; allowed are letters, digits and _, a letter first. Rename it."
    if name == TIME or _DERIVED.search(name):
        return "is a name the package uses for a derived column. Rename it."
    return ""


def _plan(keys: Keys) -> dict[str, Any]:
    plan: dict[str, Any] = {}
    if primary := keys.text(("plan", "primary")):
        numbers = [question.number for question in QUESTIONS]
        plan["primary"] = primary.zfill(2)
        if plan["primary"] not in numbers:
            keys.wrong(
                ("plan", "primary"), f"must be the number of a question ({', '.join(numbers)}), got {show(primary)}."
            )
    if sesoi := keys.mapping(("plan", "sesoi")):
        sizes = {level: keys.number(("plan", "sesoi", level), None, low=0) for level in sesoi}
        plan["sesoi"] = {level: size for level, size in sizes.items() if size is not None}
    if hypotheses := keys.text(("plan", "hypotheses")):
        plan["hypotheses"] = hypotheses
    return plan


def _measures(keys: Keys, raters: Raters | None, own: dict[str, Instrument]) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for name in keys.mapping(("measures",)):
        path = ("measures", name)
        reason = "is a column of its own, not a measure. Rename it." if name in CONTRACT_COLUMNS else _bad_name(name)
        if reason:
            keys.wrong(path, reason)
            continue
        keys.only(path, MEASURE_KEYS)
        measures[name] = _measure(keys, name, raters, own)
    for name, measure in measures.items():
        # a subscale is filled in together with its scale
        scale = measures.get(name.rpartition("_")[0])
        if measure.collected is None and scale is not None and name.rpartition("_")[2] in SUBSCALES:
            measures[name] = replace(measure, collected=scale.collected)
    return measures


def _rater(keys: Keys, name: str, raters: Raters | None) -> str | None:
    """Return who fills in a measure; None where the files have one row per session and it does not matter."""
    path = ("measures", name, "rater")
    stated = keys.choice(path, RATERS)
    if raters is None:
        if stated:
            text = (
                "needs the column that says who rated. Add `raters: {column: …, client: …, therapist: …}` to study.yml."
            )
            keys.wrong(path, text)
        return None
    ratings = zip(RATERS, ALLIANCE, strict=True)
    named = next((who for who, rating in ratings if f"{name}_".startswith(f"{rating}_")), None)
    if stated and named and stated != named:
        keys.wrong(path, f"is {stated}, but the name says {named}. Delete `rater:`, or rename the measure.")
    return named or stated or RATERS[0]


def _measure(keys: Keys, name: str, raters: Raters | None, own: dict[str, Instrument]) -> Measure:
    path = ("measures", name)
    instrument = keys.text((*path, "instrument"))
    recall = keys.number((*path, "recall_days"), None, low=0, whole=True)
    items = _items(keys, path)
    measure, complaints, notes = build_measure(
        name,
        instrument,
        {
            "label": keys.text((*path, "label")),
            "column": None if items else keys.text((*path, "column")) or name,
            "items": items,
            "reverse": _reverse(keys, path, items),
            "min_answered": keys.number((*path, "min_answered"), 0.75, low=0.01, high=1),
            "range": _range(keys, (*path, "range")),
            "score": keys.choice((*path, "score"), SCORES),
            "higher_is_worse": keys.flag((*path, "higher_is_worse"), None),
            "collected": keys.choice((*path, "collected"), COLLECTED),
            "recall_days": None if recall is None else int(recall),
            "centred": bool(keys.flag((*path, "centred"), False)),
            "rater": _rater(keys, name, raters),
            "shared_items": keys.flag((*path, "shared_items"), None),
            "missing": _missing_codes(keys, (*path, "missing")),
            "answers": read_answers(keys, (*path, "answers")),
        },
        own,
    )
    for key, text in complaints:
        if not keys.told & {(*path, cause) for cause in (key, *_CAUSES.get(key, ()))}:
            keys.wrong((*path, key), text)
    keys.notes.extend(notes)
    return measure


def _items(keys: Keys, path: KeyPath) -> tuple[str, ...]:
    items = keys.texts((*path, "items"))
    if items and keys.has((*path, "column")):
        keys.wrong((*path, "items"), "and column are both given. Keep `items` to have them scored, or `column`.")
    for item in sorted({item for item in items if items.count(item) > 1}):
        keys.wrong((*path, "items"), f"names {show(item)} more than once. Keep it once.")
    return items


def _reverse(keys: Keys, path: KeyPath, items: tuple[str, ...]) -> tuple[str, ...] | None:
    if not keys.has((*path, "reverse")):
        return None
    reverse = keys.texts((*path, "reverse"))
    for item in reverse:
        if item not in items:
            hint = nearest(item, items) or ". Name columns that stand under `items`"
            keys.wrong((*path, "reverse"), f"names {show(item)}, which is not one of the items{hint}.")
    return tuple(item for item in reverse if item in items)


def _range(keys: Keys, path: KeyPath) -> tuple[float, float] | str | None:
    """Return the two limits, "none" for an explicit null, or None when the key is not there."""
    if not keys.has(path):
        return None
    found = keys.raw(path)
    if found is None:
        return "none"
    if isinstance(found, list) and len(found) == 2 and all(is_number(limit) for limit in found) and found[0] < found[1]:
        return float(found[0]), float(found[1])
    keys.wrong(path, f"must be [lowest, highest] or null, got {show(found)}.")
    return "none"
