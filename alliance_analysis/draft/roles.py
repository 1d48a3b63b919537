"""Finds the columns of a file that hold no scores: ids, session numbers, dates, raters, phases and the like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_analysis.draft.days import find_dates
from alliance_analysis.draft.guess import Guess, span
from alliance_analysis.draft.profile import Profile
from alliance_analysis.draft.search import Search, in_order, name_rating
from alliance_analysis.draft.sessions import find_episode, find_phase, find_session
from alliance_analysis.draft.values import flag_of, map_raters, map_statuses
from alliance_analysis.draft.words import (
    RATER,
)
from alliance_analysis.study.vocabulary import (
    CLIENT,
    CONDITION,
    MODALITY,
    PLANNED_SESSIONS,
    SESSION,
    STATUS,
    THERAPIST,
)

_FEW = 8
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


def find_roles(frame: pd.DataFrame, profiles: Iterable[Profile], client_guess: Guess | None = None) -> Roles:
    """Find the columns of one file that are no scores.

    Parameters
    ----------
    frame : DataFrame
        The file.
    profiles : iterable of Profile
        Its columns, described.
    client_guess : Guess, optional
        The column of the clients, where something else than its name says so.
    """
    search = Search(frame, profiles)
    if client_guess is None:
        _client(search)
    else:
        search.found[CLIENT] = client_guess
    client = str(search.found[CLIENT].value) if CLIENT in search.found else None
    raters = _raters(search)
    find_episode(search)
    find_session(search, client)
    raters = raters or _two_rows_each(search, client)
    find_phase(search)
    _therapist(search, client)
    find_dates(search, client)
    _client_level(search, client)
    _others(search)
    clients = search.distinct(client) if client else 0
    filled = int((search.codes(client) >= 0).sum()) if client else 0
    once = bool(client) and clients == filled
    return Roles(search.found, search.words, raters, clients, once, tuple(search.notes))


def _is_id(one: Profile) -> bool:
    return not one.dates and one.distinct > 1 and (not one.numeric or one.whole)


def _client(search: Search) -> None:
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


def _raters(search: Search) -> dict[str, str]:
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


def _two_rows_each(search: Search, client: str | None) -> dict[str, str]:
    """Find a column of two words in a file in which each client has two rows, one with each word: two persons rate."""
    if client is None or SESSION in search.found:
        return {}
    ids = search.codes(client)
    if not np.all(np.bincount(ids[ids >= 0]) == len(COUPLE)):
        return {}
    for one in search.profiles.values():
        if one.words and one.distinct == len(COUPLE) and search.distinct(client, one.name) == one.filled == one.rows:
            mapped = dict(zip(COUPLE, in_order(search, one), strict=True))
            shown = " and ".join(f"{word!r}" for word in mapped.values())
            doubt = f"each client has two rows, {shown}: taken for two persons who rate, the first for the client"
            search.found[RATER] = Guess(one.name, "two words, each once per client", doubt)
            return mapped
    return {}


def _therapist(search: Search, client: str | None) -> None:
    for rating, one in search.rated(THERAPIST, _is_id):
        if rating < 2 or (client and search.distinct(one.name) > search.distinct(client)):
            continue
        if client and not search.constant_within(one.name, client) and rating < 4:
            continue
        shared = f", {search.distinct(client, one.name):,} pairs with clients" if client else ""
        doubt = "" if rating >= 3 else f"the name {one.name!r} does not say that it holds therapists"
        search.found[THERAPIST] = Guess(one.name, f"{search.distinct(one.name):,} different values{shared}", doubt)
        return


def _client_level(search: Search, client: str | None) -> None:
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


def _others(search: Search) -> None:
    for rating, one in search.rated(MODALITY, lambda one: 1 < one.distinct <= _FEW and one.words):
        if rating >= 3:
            search.found[MODALITY] = Guess(one.name, f"{one.distinct} different words")
            break
