"""Finds for a message about a key of study.yml, or about a column that is not found, the piece of the file to paste."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from alliance_analysis.study.battery import batteries
from alliance_analysis.study.definition import Definition
from alliance_analysis.study.doubts.reversed import items_against
from alliance_analysis.study.problems import Problem, nearest
from alliance_analysis.study.snippet import snippet, together
from alliance_analysis.study.tidy import Part
from alliance_analysis.study.vocabulary import ALLIANCE, CLIENT, DATE, SESSION, THERAPIST
from alliance_analysis.study.yamlfile import KeyPath

_EITHER = re.compile(r"Add `([a-z_]+): ([a-z_]+)` or `\1: ([a-z_]+)`")
_NOT_ALLOWED = re.compile(r"(\S+) must be ([a-z_ ]+), got '(.*)'\.")
_UNKNOWN_INSTRUMENT = re.compile(r"measures\.(\w+)\.instrument .* is not known; nearest: ([^,.]+)")
_NO_RANGE = re.compile(r"measures\.(\w+)\.range is missing")
_NO_REVERSE = re.compile(r"measures\.(\w+)\.reverse is missing")
_NO_FILE = re.compile(r"there is no such file .*; nearest: ([^,]+?\.\w+)[.,]")
_USUAL = {
    CLIENT: ("client", "patient", "pat", "klient", "subject", "participant", "proband", "vpn", "case", "id", "code"),
    SESSION: ("session", "sitzung", "visit", "termin", "wave", "week", "woche", "occasion", "zeitpunkt", "nr", "time"),
    DATE: ("date", "datum", "day", "tag"),
}
"""How clinics call the columns every study needs; only a hint, which the user confirms."""


def key_fix(problem: Problem, definition: Definition, parts: Sequence[Part]) -> str:
    """Return the piece of study.yml that mends a problem, or "" when none is known."""
    if "there is no such column" in problem.text and problem.place in (CLIENT, SESSION):
        return _no_key_column(problem, definition, parts)
    if "there is no column" in problem.text and problem.file == definition.path.name:
        return _unknown_column(problem.text, definition, parts)
    if found := _EITHER.search(problem.text):
        return _either(problem, *found.groups())
    if found := _NOT_ALLOWED.match(problem.text):
        return _misspelt(*found.groups())
    if found := _UNKNOWN_INSTRUMENT.match(problem.text):
        return snippet(("measures", found[1], "instrument"), found[2])
    if found := _NO_RANGE.match(problem.text):
        return _seen_range(found[1], definition, parts)
    if found := _NO_REVERSE.match(problem.text):
        return _likely_reversed(found[1], definition, parts)
    if (found := _NO_FILE.search(problem.text)) and not parts and len(definition.data) < 2:
        key = "clients" if definition.clients and definition.clients.file == problem.file else "data"
        return snippet((key,), found[1])
    return ""


def _either(problem: Problem, key: str, one: str, other: str) -> str:
    path: KeyPath = (key,)
    if problem.text.startswith("measures.") and problem.text.split()[0].endswith(f".{key}"):
        path = tuple(problem.text.split()[0].split("."))
        if path[1].startswith(ALLIANCE):  # most forms on the alliance are filled in when the session is over
            one, other = other, one
    return snippet(path, one, f"or {other}")


def _misspelt(where: str, allowed: str, got: str) -> str:
    hint = nearest(got, allowed.split(" or "), number=1)
    return snippet(tuple(where.split(".")), hint.removeprefix("; nearest: ")) if hint else ""


def _columns(parts: Sequence[Part]) -> list[str]:
    return list(dict.fromkeys(str(column) for part in parts for column in part.table.frame))


def _closest(column: str, known: Sequence[str]) -> str:
    return nearest(column, known, number=1).removeprefix("; nearest: ")


def _unknown_column(text: str, definition: Definition, parts: Sequence[Part]) -> str:
    path = tuple(text.partition(": ")[0].split("."))
    known = _columns(parts)
    if path[0] == "columns" and len(path) == 2:
        close = _closest(definition.columns.get(path[1], ""), known)
        return snippet(path, close) if close else ""
    measure = definition.measures.get(path[1]) if path[0] == "measures" else None
    if measure is None:
        return ""
    if path[-1] == "items":
        items = [item if item in known else _closest(item, known) for item in measure.items]
        return snippet(path, items) if all(items) and len(set(items)) == len(items) else ""
    close = _closest(measure.column or "", known)
    return snippet(("measures", path[1], "column"), close) if close else ""


def _no_key_column(problem: Problem, definition: Definition, parts: Sequence[Part]) -> str:
    """Return the column that is probably meant; sessions may be numbered by their dates instead."""
    part = next((one for one in parts if one.table.name == problem.file), None)
    if part is None:
        return ""
    taken = {*part.used.values(), *(item for one in definition.measures.values() for item in one.items)}
    free = [str(column) for column in part.table.frame if str(column) not in taken]
    meant = _usual(free, problem.place)
    if meant:
        return snippet(("columns", problem.place), meant, "if this column holds them")
    if problem.place != SESSION or CLIENT not in part.frame:
        return ""
    if DATE in part.frame:
        return snippet(("session_numbers", "from"), "date")
    if date := _usual(free, DATE):
        return together([snippet(("columns", DATE), date), snippet(("session_numbers", "from"), "date")])
    return snippet(("session_numbers", "from"), "rows", "if the rows of a client stand in the order of its sessions")


def _usual(columns: Sequence[str], role: str) -> str:
    """Return the column whose name has one of the usual words, the more telling words first."""
    words = {column: set(re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column))) for column in columns}
    folded = {column: {word.casefold() for word in each} for column, each in words.items()}
    others = set(_USUAL[SESSION] if role == CLIENT else _USUAL[CLIENT][:-2]) | {THERAPIST, "ther", "therapeut"}
    return next(
        (column for usual in _USUAL[role] for column in columns if usual in folded[column]
         and not folded[column] & (others - {usual})), "",
    )  # fmt: skip


def _seen_range(name: str, definition: Definition, parts: Sequence[Part]) -> str:
    """Return the range the answers have, for the user to widen to what the form allows."""
    own = {name: definition.measures[name]}
    values = [battery.answers.ravel() for part in parts for battery in batteries(part, own)]
    given = np.concatenate(values) if values else np.array([])
    given = given[~np.isnan(given)]
    if not given.size:
        return ""
    low, high = math.floor(given.min()), math.ceil(given.max())
    return snippet(("measures", name, "range"), [low, high], "as the data go; write what the form allows")


def _likely_reversed(name: str, definition: Definition, parts: Sequence[Part]) -> str:
    """Return the items that run against the rest of the battery, for the user to compare with the form."""
    own = [one for part in parts for one in batteries(part, {name: definition.measures[name]})]
    columns = list(dict.fromkeys(column for battery in own for column in items_against(battery)))
    why = "by their correlations; check against the form" if columns else "or the items that are worded the other way"
    return snippet(("measures", name, "reverse"), columns, why)
