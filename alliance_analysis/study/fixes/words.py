"""Guesses what the words of a column mean that has a fixed set of words, such as the phase or the status."""

from __future__ import annotations

import re

from alliance_analysis.study.cells import texts
from alliance_analysis.study.definition import Definition
from alliance_analysis.study.fixes.codes import NO_ANSWER
from alliance_analysis.study.problems import nearest, show
from alliance_analysis.study.shape_keys import PHASE_WORDS
from alliance_analysis.study.snippet import snippet, together
from alliance_analysis.study.tidy import Part
from alliance_analysis.study.vocabulary import INTAKE, PHASE, PHASES, STATUS, STATUSES

TREATMENT, POST, FOLLOW_UP = PHASES
COMPLETED, DROPOUT, REFERRED, ONGOING = STATUSES
MOST_WORDS = 12  # a column with more words is no phase and no status, and may hold names

_MEANINGS = {
    PHASE: {
        FOLLOW_UP: r"fu|fu\d+|follow.*|kat|kat\d*|katamnese.*|nachbefragung|seguimiento",
        INTAKE: r"t0|pre|prae|prä|baseline|intake|aufnahme|anmeldung|vor.*|eingang|admission|screening",
        POST: r"t2|post.*|end|ende|abschluss|entlassung|discharge|termination|nach.*",
        TREATMENT: r"t1|treat.*|therap.*|tx|behandlung.*|session.*|sitzung.*|during|mid|verlauf.*|acute",
    },
    STATUS: {
        DROPOUT: r"drop.*|abbruch.*|abgebrochen|left|quit|discontinued|withdrawn|unplanned",
        REFERRED: r"refer.*|transfer.*|überwiesen.*|verlegt.*|weiter.*|verwiesen",
        ONGOING: r"on.?going|active|aktiv|current.*|läuft.*|laufend.*|in.?(treatment|therapy|behandlung)|open|offen",
        COMPLETED: r"compl.*|regul.*|finish.*|beendet|abgeschlossen|done|planned|planmäßig|end|ended",
    },
}
_ALLOWED = {PHASE: PHASE_WORDS, STATUS: STATUSES}


def word_fix(part: Part, role: str, definition: Definition) -> str:
    """Return the block of words of a column, each under the meaning it seems to have; "" where nothing can be said.

    Parameters
    ----------
    part : Part
        The file.
    role : {"phase", "status"}
    definition : Definition
        The study file, with words it explains already.
    """
    if role not in _MEANINGS or role not in part.used:
        return ""
    allowed = _ALLOWED[role]
    written = texts(part.table.frame[part.used[role]])
    unknown = sorted(word for word in set(written) - {"", *allowed})
    if not unknown or len(unknown) > MOST_WORDS or any(show(word) != repr(word) for word in unknown):
        return ""
    explained = definition.shape.words.get(role, {})
    meanings = {word: _meaning(role, word) for word in unknown}
    pieces = []
    for meaning in allowed:
        told = [word for word, what in explained.items() if what == meaning]
        words = [word for word, what in meanings.items() if (what or allowed[0]) == meaning]
        if words:
            unsure = "" if all(meanings[word] for word in words) else f"a guess; or {', '.join(allowed[1:])}"
            pieces.append(snippet(("words", role, meaning), [*told, *words], unsure))
    return together(pieces)


def is_usual_word(word: str) -> bool:
    """Say whether a word is one that clinics use for a phase, a status or a missing answer, so that it names nobody."""
    plain = word.casefold().strip()
    return plain in NO_ANSWER or any(re.fullmatch(one, plain) for each in _MEANINGS.values() for one in each.values())


def _meaning(role: str, word: str) -> str:
    """Return what a word means, or "" when it is like none that is known."""
    plain = word.casefold().strip()
    for meaning, pattern in _MEANINGS[role].items():
        if re.fullmatch(pattern, plain):
            return meaning
    close = nearest(plain, _ALLOWED[role], number=1)
    return close.removeprefix("; nearest: ")
