"""Finds the columns of a file that hold no scores: ids, session numbers, dates, raters, phases and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_analysis.draft.guess import Guess, span
from alliance_analysis.draft.names import find_patterns, read_words
from alliance_analysis.draft.profile import Profile
from alliance_analysis.draft.values import flag_of, map_phases, map_raters, map_sessions, map_statuses
from alliance_analysis.draft.words import (
    END_WORDS,
    EPISODE,
    NAMES,
    NOT_IDS,
    NUMBER_WORDS,
    OTHER_DATES,
    RATER,
    START_WORDS,
    TOOL_COLUMNS,
    TREATMENT,
    tokens,
)
from alliance_analysis.study.cells import texts
from alliance_analysis.study.vocabulary import (
    CLIENT,
    CONDITION,
    DATE,
    MODALITY,
    PHASE,
    PLANNED_SESSIONS,
    SESSION,
    STATUS,
    THERAPIST,
    THERAPY_END,
)

SEEN_ROWS = 200_000
_MOST_SESSIONS = 400
_FEW = 8
_NEARLY = 0.97
_SHORT_LABEL = 10
_FEW_WORDS = 3
_SERIAL_DAYS = (29_221, 73_050)
COUPLE = ("client", "therapist")
"""What two persons who rate each other are called in a study file, couples included."""


@dataclass(frozen=True)
class Roles:
    """What was found in one file.

    Attributes
    ----------
    columns : dict
        Role -> guess; the value is the column.
    words : dict
        Role -> meaning -> words of the file, where its words are not the package's own.
    raters : dict
        Rater -> word, where a column says who rated.
    clients : int
        Different clients; 0 when no column names them.
    one_row_per_client : bool
        Whether no client has two rows.
    notes : tuple of str
        Sentences on columns that may hold a role and are not used.
    """

    columns: dict[str, Guess] = field(default_factory=dict)
    words: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    raters: dict[str, str] = field(default_factory=dict)
    clients: int = 0
    one_row_per_client: bool = False
    notes: tuple[str, ...] = ()

    def column(self, role: str) -> str | None:
        """Return the file's column of a role."""
        return str(self.columns[role].value) if role in self.columns else None


def name_rating(role: str, name: str) -> int:
    """Say how well a name fits a role, from 0 (not at all) to 4 (it says so).

    Examples
    --------
    >>> name_rating("client", "client_id"), name_rating("client", "code"), name_rating("client", "client_age")
    (4, 2, 0)
    """
    strong, weak = NAMES[role]
    words = tokens(name)
    joined = "".join(words)
    if joined in strong:
        return 4
    if joined in TOOL_COLUMNS and not (role == DATE and joined in strong | weak):
        return 0
    if role in (CLIENT, THERAPIST, SESSION) and any(word in NOT_IDS for word in words):
        return 0
    own = [word for word in words if word not in NUMBER_WORDS and not word.isdigit()]
    if own and all(word in strong for word in own):
        return 4
    if any(word in strong for word in words):
        return 3
    if joined in weak or (own and all(word in weak for word in own)):
        return 2
    return 1 if any(word in weak for word in words) and len(words) <= _FEW_WORDS else 0


def _label_rating(role: str, one: Profile) -> int:
    """Say how well the question behind a column fits a role, where its name says nothing."""
    words = tokens(one.label)
    if not words or len(words) > _SHORT_LABEL or set(words) & NOT_IDS:
        return 0
    return 2 if set(words) & NAMES[role][0] else 0


class _Search:
    """The columns of one file that are still without a role."""

    def __init__(self, frame: pd.DataFrame, profiles: Iterable[Profile]) -> None:
        self.frame = frame.iloc[:SEEN_ROWS]
        self.profiles = {one.name: one for one in profiles if one.filled and not one.row_number}
        self.scores = _scores(self.profiles)
        self.found: dict[str, Guess] = {}
        self.words: dict[str, dict[str, list[str]]] = {}
        self.notes: list[str] = []
        self._codes: dict[str, np.ndarray] = {}

    def codes(self, name: str) -> np.ndarray:
        """Return the values of a column as whole numbers, -1 for an empty cell."""
        if name not in self._codes:
            cells = texts(self.frame[name]).to_numpy(dtype=object)
            codes, found = pd.factorize(cells)
            empty = np.array([not value for value in found], dtype=bool)
            self._codes[name] = np.where(empty[codes], -1, codes) if len(found) else codes
        return self._codes[name]

    def rated(self, role: str, fits: Callable[[Profile], bool]) -> list[tuple[int, Profile]]:
        """Return the columns whose name fits a role, best first, that have no role yet and hold what it needs."""
        taken = {guess.value for guess in self.found.values()}
        rated = [
            (name_rating(role, one.name) or _label_rating(role, one), one)
            for one in self.profiles.values()
            if one.name not in taken and one.name not in self.scores and fits(one)
        ]
        return sorted((one for one in rated if one[0]), key=lambda one: -one[0])

    def distinct(self, *names: str) -> int:
        """Return how many different combinations of values some columns have, rows with an empty cell left out."""
        codes = np.column_stack([self.codes(name) for name in names])
        return len(np.unique(codes[(codes >= 0).all(axis=1)], axis=0))

    def constant_within(self, name: str, group: str) -> bool:
        """Whether a column nearly always has one value per group."""
        groups = self.distinct(group)
        return groups > 0 and self.distinct(group, name) <= groups * 1.1


def _scores(profiles: dict[str, Profile]) -> set[str]:
    """Return the columns whose names say that they belong to a questionnaire."""
    found: set[str] = set()
    for pattern in find_patterns(profiles):
        alias = read_words(pattern.parts).alias
        if (alias and not (alias in ("arm", "core") and len(pattern.columns) == 1)) or len(pattern.columns) > _FEW // 2:
            found.update(pattern.columns.values())
    return found


def find_roles(frame: pd.DataFrame, profiles: Iterable[Profile]) -> Roles:
    """Find the columns of one file that are no scores."""
    search = _Search(frame, profiles)
    _client(search)
    client = str(search.found[CLIENT].value) if CLIENT in search.found else None
    raters = _raters(search)
    _episode(search)
    _session(search, client)
    raters = raters or _two_rows_each(search, client)
    _phase(search)
    _therapist(search, client)
    _dates(search, client)
    _client_level(search, client)
    _others(search)
    clients = search.distinct(client) if client else 0
    filled = int((search.codes(client) >= 0).sum()) if client else 0
    once = bool(client) and clients == filled
    return Roles(search.found, search.words, raters, clients, once, tuple(search.notes))


def _is_id(one: Profile) -> bool:
    return not one.dates and one.distinct > 1 and (not one.numeric or one.whole)


def _client(search: _Search) -> None:
    candidates = search.rated(CLIENT, _is_id)
    candidates = [(rating, one) for rating, one in candidates if name_rating(THERAPIST, one.name) < rating]
    if not candidates:
        return
    # a record number is unique in each row; where another column repeats, that one holds the clients
    best = max(candidates, key=lambda found: (found[0], search.distinct(found[1].name) < len(search.frame)))
    repeated = [found for found in candidates if search.distinct(found[1].name) < len(search.frame)]
    doubt = ""
    if best[0] <= 2 and repeated and search.distinct(best[1].name) == len(search.frame):
        best = repeated[0]
    rating, one = best
    others = [other.name for other_rating, other in candidates if other is not one and other_rating >= min(rating, 2)]
    if rating <= 2:
        said = f"; its question is: {one.label}" if one.label and not name_rating(CLIENT, one.name) else ""
        doubt = f"the name {one.name!r} does not say that it holds clients{said}"
    elif [other for other_rating, other in candidates if other_rating == rating and other is not one]:
        doubt = "several columns may hold the clients"
    rows = search.codes(one.name)
    sizes = np.bincount(rows[rows >= 0])
    sizes = sizes[sizes > 0]
    rows_each = "1 row" if sizes.max() == 1 else f"{span(float(sizes.min()), float(sizes.max()))} rows"
    evidence = f"{len(sizes):,} different values, {rows_each} each"
    search.found[CLIENT] = Guess(one.name, evidence, doubt, tuple(f"client: {name}" for name in others))


def _raters(search: _Search) -> dict[str, str]:
    for one in search.profiles.values():
        if one.distinct > _FEW or one.dates or one.name in search.scores:
            continue
        rating = name_rating(RATER, one.name)
        mapped = map_raters(one, letters=rating >= 3)
        if len(mapped) >= 2 or (len(mapped) == 1 and rating >= 4 and one.distinct == 1):
            others = [value for value in one.values if value not in mapped.values()]
            doubt = f"{len(others)} of its words stand for nobody known" if others else ""
            shown = ", ".join(f"{word!r}" for word in mapped.values())
            search.found[RATER] = Guess(one.name, f"its words {shown} say who rated", doubt)
            return mapped
    return {}


def _two_rows_each(search: _Search, client: str | None) -> dict[str, str]:
    """Find a column of two words in a file in which each client has two rows, one with each word: two persons rate."""
    if client is None or SESSION in search.found:
        return {}
    ids = search.codes(client)
    if not np.all(np.bincount(ids[ids >= 0]) == len(COUPLE)):
        return {}
    for one in search.profiles.values():
        if one.words and one.distinct == len(COUPLE) and search.distinct(client, one.name) == one.filled == one.rows:
            mapped = dict(zip(COUPLE, _in_order(search, one), strict=True))
            shown = " and ".join(f"{word!r}" for word in mapped.values())
            doubt = f"each client has two rows, {shown}: taken for two persons who rate, the first for the client"
            search.found[RATER] = Guess(one.name, "two words, each once per client", doubt)
            return mapped
    return {}


def _session(search: _Search, client: str | None) -> None:
    candidates = []
    for rating, one in search.rated(SESSION, lambda one: not one.dates and 1 <= one.distinct <= _MOST_SESSIONS):
        if max(name_rating(CLIENT, one.name), name_rating(THERAPIST, one.name)) > rating:
            continue
        mapped = {} if one.whole and one.low >= 0 else map_sessions(one)
        if not (one.whole and one.low >= 0) and not mapped:
            continue
        uniqueness = _uniqueness(search, client, one.name)
        if uniqueness is not None and one.distinct == one.filled > 1 and search.distinct(str(client)) < one.filled:
            continue  # a running number of the rows
        candidates.append((rating >= 3, round(uniqueness or 0, 1), rating, one, mapped))
    if not candidates and client:
        candidates = _unnamed_sessions(search, client)
    if not candidates:
        return
    _, uniqueness, rating, one, mapped = max(candidates, key=lambda found: found[:3])
    if client and uniqueness < 0.5 and rating < 3:
        return
    evidence = (
        f"whole numbers {span(one.low, one.high)}" if not mapped else f"{one.distinct} words with numbers in them"
    )
    doubt = "" if rating >= 2 else f"the name {one.name!r} does not say so; its numbers count up within each client"
    if client and uniqueness < _NEARLY and not doubt:
        doubt = "the same number stands several times within a client: does each centre give ids of its own?"
    if client and uniqueness < _NEARLY:
        evidence += f", {uniqueness:.0%} of the rows have a number of their own within the client"
    elif client:
        evidence += ", each once per client"
    search.found[SESSION] = Guess(
        one.name, evidence, doubt, tuple(f"session: {found[3].name}" for found in candidates if found[3] is not one)
    )
    if mapped:
        search.words[SESSION] = mapped


def _unnamed_sessions(search: _Search, client: str) -> list[tuple[bool, float, int, Profile, dict[str, list[str]]]]:
    """Find a column of numbers that counts up in each client and starts at 0 or 1 in most."""
    found: list[tuple[bool, float, int, Profile, dict[str, list[str]]]] = []
    taken = {guess.value for guess in search.found.values()}
    clients = search.codes(client)
    if len(np.unique(clients[clients >= 0])) == int((clients >= 0).sum()):
        return []
    for one in search.profiles.values():
        if not one.whole or one.low not in (0, 1) or one.name in taken | search.scores or one.distinct < 3:
            continue
        numbers = pd.to_numeric(search.frame[one.name], errors="coerce")
        steps = numbers.groupby(clients).diff().dropna()
        starts = numbers[clients >= 0].groupby(clients[clients >= 0]).min()
        if (
            len(steps)
            and float((starts <= 1).mean()) > 0.5
            and float((steps > 0).mean()) > _NEARLY
            and (_uniqueness(search, client, one.name) or 0) > _NEARLY
        ):
            found.append((False, 1.0, 0, one, {}))
    return found[:1]


def _uniqueness(search: _Search, client: str | None, name: str) -> float | None:
    """Return the share of rows whose number stands once within client, rater and episode; None without a client."""
    if client is None:
        return None
    keys = [client, name, *(str(search.found[role].value) for role in (RATER, EPISODE) if role in search.found)]
    filled = np.all([search.codes(key) >= 0 for key in keys], axis=0).sum()
    return float(search.distinct(*keys) / filled) if filled else 0.0


def _phase(search: _Search) -> None:
    for one in search.profiles.values():
        if one.name in search.scores or (one.numeric and not one.value_labels) or one.distinct > 3 * _FEW:
            continue
        if one.name in {guess.value for role, guess in search.found.items() if role != SESSION}:
            continue
        mapped = map_phases(one)
        rating = name_rating(PHASE, one.name)
        if set(mapped) == {TREATMENT}:
            continue
        if len(mapped) >= 2 or (mapped and rating >= 4):
            known = [word for words in mapped.values() for word in words]
            search.found[PHASE] = Guess(one.name, f"its words {', '.join(map(repr, known[:4]))} name phases")
            search.words[PHASE] = mapped
            _occasions(search, one, [value for value in _in_order(search, one) if value not in known])
            return


def _in_order(search: _Search, one: Profile) -> list[str]:
    """Return the words of a column in the order in which the file has them first."""
    return [str(word) for word in pd.unique(texts(search.frame[one.name])) if word]


def _occasions(search: _Search, one: Profile, strange: list[str]) -> None:
    """Take words beside intake, post and follow-up for occasions during treatment, where nothing else numbers these."""
    if not strange or SESSION in search.found or len(strange) > _FEW:
        return
    doubt = f"{', '.join(map(repr, strange))} taken for occasions during treatment, numbered as they come in the file"
    search.found[SESSION] = Guess(one.name, "it names occasions, not only phases", doubt)
    search.words[SESSION] = {str(number): [word] for number, word in enumerate(strange, start=1)}


def _therapist(search: _Search, client: str | None) -> None:
    for rating, one in search.rated(THERAPIST, _is_id):
        if rating < 2 or (client and search.distinct(one.name) > search.distinct(client)):
            continue
        if client and not search.constant_within(one.name, client) and rating < 4:
            continue
        shared = f", {search.distinct(client, one.name):,} pairs with clients" if client else ""
        doubt = "" if rating >= 3 else f"the name {one.name!r} does not say that it holds therapists"
        search.found[THERAPIST] = Guess(one.name, f"{search.distinct(one.name):,} different values{shared}", doubt)
        return


def _dates(search: _Search, client: str | None) -> None:
    dated = [one for one in search.profiles.values() if one.dates and one.name not in search.scores]
    usable = []
    for one in dated:
        words = set(tokens(one.name))
        if words & OTHER_DATES or (
            words & START_WORDS and "date" in "".join(words) and not name_rating(DATE, one.name)
        ):
            continue
        if (
            words & END_WORDS
            and name_rating(DATE, one.name) < 4
            and client
            and search.constant_within(one.name, client)
        ):
            search.found.setdefault(THERAPY_END, Guess(one.name, "dates, one per client, and its name says the end"))
            continue
        usable.append(one)
    if not usable:
        _unread_dates(search)
        return
    varying = [one for one in usable if client is None or not search.constant_within(one.name, client)]
    one = max(varying or usable, key=lambda found: name_rating(DATE, found.name))
    others = [other.name for other in varying if other is not one]
    doubt = "several columns hold dates" if others else ""
    if not varying and len(usable) and client and search.distinct(client) < len(search.frame):
        return  # the same date in all rows of a client is no date of a session
    search.found[DATE] = Guess(one.name, "all its cells are dates", doubt, tuple(f"date: {name}" for name in others))


def _unread_dates(search: _Search) -> None:
    """Say of a column whose name says dates why none were read."""
    taken = {guess.value for guess in search.found.values()}
    for one in search.profiles.values():
        if one.dates or one.name in taken | search.scores or name_rating(DATE, one.name) < 4:
            continue
        if one.whole and one.low >= _SERIAL_DAYS[0] and one.high <= _SERIAL_DAYS[1]:
            why = "numbers, as spreadsheets count days: give the column the format of a date and save the file again"
        elif one.words:
            why = "cells that are not read as dates: write all of them as 2024-03-31 or 31.03.2024"
        else:
            continue
        search.notes.append(f"DOUBT: {one.name}: its name says dates, but it holds {why}")


def _client_level(search: _Search, client: str | None) -> None:
    rated = [one for _, one in search.rated(STATUS, lambda one: 1 < one.distinct <= _FEW and not one.dates)]
    taken = {guess.value for guess in search.found.values()}
    # words for completed and drop-out say what they are under any name
    worded = [one for one in search.profiles.values() if (one.words or one.value_labels) and 1 < one.distinct <= _FEW]
    for one in [*rated, *(one for one in worded if one not in rated and one.name not in taken | search.scores)]:
        mapped = map_statuses(one)
        strange = [value for value in one.values if not any(value in words for words in mapped.values())]
        if one in rated and one.words and strange:
            shown = ", ".join(map(repr, strange[:4]))
            search.notes.append(
                f"DOUBT: {one.name}: it may say how treatment ended, but {shown} may mean completed, dropout, referred "
                f"or ongoing: say which under `words: {{status: ...}}`, and add `status: {one.name}` under "
                "`columns:`"
            )
            continue
        if mapped and (one in rated or {"dropout", "completed"} <= set(mapped)):
            doubt = ""
            if not one.value_labels and all(map(flag_of, one.values)):
                read = " and ".join(f"{word} for {status}" for status, words in mapped.items() for word in words)
                doubt = f"{read}: taken from the name; clients still in treatment need a word of their own"
            shown = "; ".join(f"{status} = {', '.join(words)}" for status, words in mapped.items())
            search.found[STATUS] = Guess(one.name, shown, doubt)
            search.words[STATUS] = mapped
            break
    for rating, one in search.rated(CONDITION, lambda one: 1 < one.distinct <= _FEW and not one.dates):
        if rating >= 3 and (client is None or search.constant_within(one.name, client)):
            search.found[CONDITION] = Guess(one.name, f"{one.distinct} different values, one per client")
            break
    for _, one in search.rated(PLANNED_SESSIONS, lambda one: one.whole and one.low > 0):
        search.found[PLANNED_SESSIONS] = Guess(one.name, f"whole numbers {span(one.low, one.high)}")
        break


def _others(search: _Search) -> None:
    for rating, one in search.rated(MODALITY, lambda one: 1 < one.distinct <= _FEW and one.words):
        if rating >= 3:
            search.found[MODALITY] = Guess(one.name, f"{one.distinct} different words")
            break


def _episode(search: _Search) -> None:
    for rating, one in search.rated(EPISODE, lambda one: one.whole and one.distinct <= 2 * _FEW):
        if rating >= 3:
            search.found[EPISODE] = Guess(one.name, f"whole numbers {span(one.low, one.high)}")
            break
