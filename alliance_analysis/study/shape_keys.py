"""Reads the keys of a study file that say how its rows stand for sessions: numbers, words, episodes, wide columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from alliance_analysis.study.entries import MOST_SESSIONS
from alliance_analysis.study.keys import Keys
from alliance_analysis.study.problems import show
from alliance_analysis.study.vocabulary import INTAKE, PHASE, PHASES, SESSION, STATUS, STATUSES

PHASE_WORDS = (INTAKE, *PHASES)
NUMBERED_FROM = ("date", "rows")
EPISODES = ("separate", "first")


@dataclass(frozen=True)
class Shape:
    """How rows and columns stand for sessions.

    Attributes
    ----------
    numbered_from : str or None
        "date" or "rows": where session numbers come from when no column holds them.
    interval_days : int or None
        Days from one planned session to the next; a longer gap then leaves numbers out.
    words : dict
        "session", "phase" or "status" -> word of the file -> what it stands for.
    episodes : str or None
        "separate" or "first": what becomes of clients with several episodes.
    wide : dict
        What stands in place of ``{session}`` in the names of columns -> session number.
    """

    numbered_from: str | None = None
    interval_days: int | None = None
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    episodes: str | None = None
    wide: dict[str, int] = field(default_factory=dict)


def read_shape(keys: Keys) -> Shape:
    """Read the keys ``session_numbers``, ``words``, ``episodes`` and ``wide``."""
    numbers = ("session_numbers",)
    keys.only(numbers, ("from", "interval_days"))
    source = keys.choice((*numbers, "from"), NUMBERED_FROM)
    interval = keys.number((*numbers, "interval_days"), None, low=1, whole=True)
    if keys.has(numbers) and source is None and (*numbers, "from") not in keys.told:
        keys.wrong(numbers, "does not say where session numbers come from. Add `from: date` or `from: rows`.")
    if interval is not None and source == "rows":
        keys.wrong((*numbers, "interval_days"), "needs dates. Write `from: date`, or delete it.")
    keys.only(("words",), (SESSION, PHASE, STATUS))
    words = {
        SESSION: _words(keys, SESSION, None),
        PHASE: _words(keys, PHASE, PHASE_WORDS),
        STATUS: _words(keys, STATUS, STATUSES),
    }
    return Shape(
        source,
        None if interval is None else int(interval),
        {role: found for role, found in words.items() if found},
        keys.choice(("episodes",), EPISODES),
        _wide(keys),
    )


def _words(keys: Keys, role: str, allowed: tuple[str, ...] | None) -> dict[str, str]:
    """Return word -> meaning; a word that stands for two things is told."""
    path = ("words", role)
    if allowed is not None:
        keys.only(path, allowed)
    meanings: dict[str, str] = {}
    for meaning in keys.mapping(path):
        if allowed is None and not _is_session(meaning):
            keys.wrong((*path, meaning), "is not a session number; write whole numbers, 0 for the intake.")
            continue
        for word in keys.texts((*path, meaning)):
            if word in meanings and meanings[word] != meaning:
                keys.wrong((*path, meaning), f"and {meanings[word]} both have the word {show(word)}. Keep it once.")
            meanings.setdefault(word, meaning)
    return meanings


def _is_session(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= MOST_SESSIONS


def _wide(keys: Keys) -> dict[str, int]:
    keys.only(("wide",), ("sessions",))
    path = ("wide", "sessions")
    found: dict[str, int] = {}
    for mark in keys.mapping(path):
        number = keys.number((*path, mark), None, low=0, high=MOST_SESSIONS, whole=True)
        if number is not None:
            found[mark] = int(number)
    return found
