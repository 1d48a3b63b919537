"""Finds ids that give away who somebody is: names, addresses, dates of birth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import pandas as pd

from alliance_analysis.study.notes import name_columns
from alliance_analysis.study.problems import NOTE, WARNS, Problem
from alliance_analysis.study.tidy import Part
from alliance_analysis.study.vocabulary import CLIENT, THERAPIST

FEWEST_IDS = 3
HALF = 0.5
"""Of the ids: single ids may look like a name or a date by chance, every second one does not."""
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.\w+")
_LETTERS = re.compile(r"[^\W\d_]+(?:[ ,.'’-]+[^\W\d_]+)*\.?")
_CJK = re.compile(r"[\u3400-\u9fff\uac00-\ud7af]{2,4}")
_DATES = (
    (re.compile(r"\D{0,5}?(\d{4})-?(\d\d)-?(\d\d)\D{0,5}"), (0, 1, 2)),
    (re.compile(r"\D{0,5}?(\d\d?)[./-](\d\d?)[./-](\d{4})\D{0,5}"), (2, 1, 0)),
    (re.compile(r"\D{0,5}?(\d\d)(\d\d)(\d{4})\D{0,5}"), (2, 1, 0)),
)
_OLDEST = 1900
_YOUNGEST_AGE = 4  # nobody younger fills in a questionnaire; later dates are dates of sessions
_IDENTIFYING = {
    "surname", "firstname", "lastname", "vorname", "nachname", "familienname", "nombre", "prenom",
    "birth", "birthdate", "birthday", "dob", "geburtsdatum", "geburtstag", "geb", "gebdatum", "geboren",
    "email", "mail", "telefon", "phone", "telephone", "handy", "mobile", "adresse", "address", "street", "strasse",
    "straße", "iban", "ssn", "svnr", "ahv", "versichertennummer", "ipaddress", "recipientemail",
}  # fmt: skip

_WHOSE = {
    "name", "names", "full", "first", "last", "family", "given", "patient", "patienten", "pat", "client", "klient",
    "klienten", "participant", "proband", "subject", "person", "user", "therapist", "therapeut", "des", "der", "of",
    "the", "und", "and",
}  # fmt: skip


def find_telling_ids(part: Part, today: date) -> list[Problem]:
    """Return a doubt per column of ids that look like names, addresses or dates of birth.

    Parameters
    ----------
    part : Part
        A file.
    today : date
        Tells dates of birth from dates of sessions.
    """
    found = []
    for role in (CLIENT, THERAPIST):
        if role not in part.frame:
            continue
        ids = [str(one) for one in pd.unique(part.frame[role].dropna()) if one]
        what, number = _kind(ids, today.year - _YOUNGEST_AGE)
        if what:
            text = f"{number:,} of {len(ids):,} ids look like {what}. Whoever gets the file can tell who they are. "
            text += "Replace them by random codes, and keep the key elsewhere; no report shows ids."
            found.append(Problem(part.table.name, part.place(role), text, severity=WARNS))
    return found


def find_telling_columns(part: Part) -> list[Problem]:
    """Return a note when columns nobody reads seem to hold names, addresses or dates of birth."""
    unread = [str(column) for column in part.table.frame if column not in part.used.values()]
    telling = [column for column in unread if _is_telling(column)]
    if not telling:
        return []
    text = f"{name_columns(telling)} may tell who somebody is. Not read here; delete before you share the file."
    return [Problem(part.table.name, "privacy", text, severity=NOTE)]


def _is_telling(column: str) -> bool:
    parts = {part.casefold() for part in re.split(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])", column) if part}
    # the name of an event or an instrument is nobody's
    named = bool(parts & {"name", "names"}) and parts <= _WHOSE
    return named or bool((parts | {re.sub(r"[\W_\d]+", "", column).casefold()}) & _IDENTIFYING)


def _kind(ids: Sequence[str], last_year: int) -> tuple[str, int]:
    """Return what at least half of the ids look like, and how many."""
    if len(ids) < FEWEST_IDS:
        return "", 0
    kinds = (
        ("mail addresses", [bool(_MAIL.fullmatch(one)) for one in ids]),
        ("dates of birth", [_is_birth_date(one, last_year) for one in ids]),
        ("names", [_is_name(one) for one in ids]),
    )
    for what, matches in kinds:
        if sum(matches) >= max(FEWEST_IDS, HALF * len(ids)):
            return what, sum(matches)
    return "", 0


def _is_name(text: str) -> bool:
    """Say whether a text is written like a name: letters alone, the first one large, the others not."""
    if _CJK.fullmatch(text):
        return True
    if len(text) < 3 or not _LETTERS.fullmatch(text):
        return False
    words = re.findall(r"[^\W\d_]+", text)
    uncased = text.upper() == text.lower()
    written = all(word[:1].isupper() and word[1:].islower() for word in words if len(word) > 2)
    several = len(words) > 1 and any(len(word) > 2 for word in words)
    return (several and (uncased or text[:1].isupper() or "," in text)) or (not uncased and written)


def _is_birth_date(text: str, last_year: int) -> bool:
    for pattern, (year, month, day) in _DATES:
        if found := pattern.fullmatch(text):
            parts = [int(part) for part in found.groups()]
            if _OLDEST <= parts[year] <= last_year and 1 <= parts[month] <= 12 and 1 <= parts[day] <= 31:
                return True
    return False
