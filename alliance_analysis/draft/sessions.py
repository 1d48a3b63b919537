"""Finds which column counts sessions, which names phases, and which tells the episodes of a client apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_analysis.draft.guess import Guess, span
from alliance_analysis.draft.profile import Profile
from alliance_analysis.draft.search import Search, in_order, name_rating, share_unique
from alliance_analysis.draft.values import map_phases, map_sessions
from alliance_analysis.draft.words import (
    EPISODE,
    TREATMENT,
)
from alliance_analysis.study.vocabulary import (
    CLIENT,
    PHASE,
    SESSION,
    THERAPIST,
)

_MOST_SESSIONS = 400
_FEW = 8
_NEARLY = 0.97


def find_episode(search: Search) -> None:
    """Find a column that tells the treatments of a client apart."""
    for rating, one in search.rated(EPISODE, lambda one: one.whole and one.distinct <= 2 * _FEW):
        if rating >= 3:
            search.found[EPISODE] = Guess(one.name, f"whole numbers {span(one.low, one.high)}")
            break


def find_session(search: Search, client: str | None) -> None:
    """Find the column that numbers the sessions: by its name, or because it counts up within each client."""
    candidates = []
    for rating, one in search.rated(SESSION, lambda one: not one.dates and 1 <= one.distinct <= _MOST_SESSIONS):
        if max(name_rating(CLIENT, one.name), name_rating(THERAPIST, one.name)) > rating:
            continue
        mapped = {} if one.whole and one.low >= 0 else map_sessions(one)
        if not (one.whole and one.low >= 0) and not mapped:
            continue
        uniqueness = share_unique(search, client, one.name)
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


def _unnamed_sessions(search: Search, client: str) -> list[tuple[bool, float, int, Profile, dict[str, list[str]]]]:
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
            and (share_unique(search, client, one.name) or 0) > _NEARLY
        ):
            found.append((False, 1.0, 0, one, {}))
    return found[:1]


def find_phase(search: Search) -> None:
    """Find a column whose words name intake, treatment, post and follow-up."""
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
            _occasions(search, one, [value for value in in_order(search, one) if value not in known])
            return


def _occasions(search: Search, one: Profile, strange: list[str]) -> None:
    """Take words beside intake, post and follow-up for occasions during treatment, where nothing else numbers these."""
    if not strange or SESSION in search.found or len(strange) > _FEW:
        return
    doubt = f"{', '.join(map(repr, strange))} taken for occasions during treatment, numbered as they come in the file"
    search.found[SESSION] = Guess(one.name, "it names occasions, not only phases", doubt)
    search.words[SESSION] = {str(number): [word] for number, word in enumerate(strange, start=1)}
