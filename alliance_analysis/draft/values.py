"""Says what the words in the cells of a column stand for: raters, phases, statuses and session numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from alliance_analysis.draft.profile import Profile
from alliance_analysis.draft.words import (
    CLEAR_RATERS,
    FOLLOW_UP,
    INTAKE,
    NO,
    PHASE_WORDS,
    POST,
    RATER_WORDS,
    SESSION_MARKS,
    STATUS_WORDS,
    TREATMENT,
    YES,
    fold,
    tokens,
)

_NUMBERED = re.compile(r"([^\W\d_]*)[\s_.\-]*0*([0-9]{1,3})(?:[\s_.\-]*arm[\s_.\-]*[0-9]+)?")
_DROPOUT_NAMES = STATUS_WORDS["dropout"]


def _word_of(one: Profile, value: str) -> str:
    """Return what a value says: its label where the file has one."""
    return one.value_labels.get(value, value)


def _look_up(text: str, table: Mapping[str, frozenset[str]]) -> str | None:
    words = [word for word in tokens(text) if not word.isdigit()]
    joined = "".join(words)
    for meaning, known in table.items():
        if joined in known:
            return meaning
    found = {meaning for meaning, known in table.items() if any(word in known for word in words)}
    return found.pop() if len(found) == 1 else None


def map_raters(one: Profile, *, letters: bool) -> dict[str, str]:
    """Return rater -> word; single letters and codes count only in a column whose name says that it holds raters."""
    table = RATER_WORDS if letters else CLEAR_RATERS
    found: dict[str, str] = {}
    for value in one.values:
        rater = _look_up(_word_of(one, value), table)
        if rater:
            found.setdefault(rater, value)
    return found


def map_phases(one: Profile) -> dict[str, list[str]]:
    """Return phase -> words of the column, in the order of a therapy."""
    found: dict[str, list[str]] = {}
    for value in one.values:
        text = fold(_word_of(one, value))
        phase = _phase_of(text)
        if phase:
            found.setdefault(phase, []).append(value)
    return {phase: found[phase] for phase in (INTAKE, TREATMENT, POST, FOLLOW_UP) if phase in found}


def _phase_of(text: str) -> str | None:
    if "follow" in text or (text.startswith(("kat", "fu")) and _look_up(text, PHASE_WORDS) in (None, FOLLOW_UP)):
        return FOLLOW_UP if "follow" in text or re.fullmatch(r"(katamnese|kat|fup?)[\s_.-]*\d*.*", text) else None
    return _look_up(re.sub(r"[\s_.\-]*arm[\s_.\-]*\d+$", "", text), PHASE_WORDS)


def map_statuses(one: Profile) -> dict[str, list[str]]:
    """Return status -> words of the column; 0 and 1, no and yes are read where the name says drop-out or completer."""
    found: dict[str, list[str]] = {}
    for value in one.values:
        status = _status_of(_word_of(one, value))
        if status:
            found.setdefault(status, []).append(value)
    flags = {flag: value for value in one.values if (flag := flag_of(value))}
    if found or len(flags) < len(one.values):
        return found if len(found) >= 2 or _is_named(found, one) else {}
    words = set(tokens(one.name))
    yes, no = ("dropout", "completed") if words & _DROPOUT_NAMES else ("completed", "dropout")
    if not words & (_DROPOUT_NAMES | STATUS_WORDS["completed"]):
        return {}
    return {status: [flags[number]] for status, number in ((no, "0"), (yes, "1")) if number in flags}


def flag_of(value: str) -> str:
    """Return "0" or "1" for a cell that says no or yes, "" for any other."""
    word = fold(value).removesuffix(".0")
    return word if word in ("0", "1") else "1" if word in YES else "0" if word in NO else ""


def _is_named(found: dict[str, list[str]], one: Profile) -> bool:
    return bool(found) and sum(map(len, found.values())) == len(one.values)


def _status_of(text: str) -> str | None:
    plain = " ".join(tokens(text))
    if "drop" in plain or "not complete" in plain or "non complete" in plain:
        return "dropout"
    return _look_up(text, STATUS_WORDS)


def map_sessions(one: Profile) -> dict[str, list[str]]:
    """Return session number -> words, when nearly every word of a column is a mark of sessions with a number.

    Examples
    --------
    >>> import pandas as pd
    >>> from alliance_analysis.draft.profile import describe_column
    >>> map_sessions(describe_column("Zeitpunkt", pd.Series(["Sitzung 1", "Sitzung 2"])))
    {'1': ['Sitzung 1'], '2': ['Sitzung 2']}
    """
    found: dict[str, list[str]] = {}
    for value in one.values:
        match = _NUMBERED.fullmatch(fold(_word_of(one, value)))
        if match and (not match[1] or match[1] in SESSION_MARKS):
            found.setdefault(str(int(match[2])), []).append(value)
    if sum(map(len, found.values())) < max(2, 0.5 * len(one.values)):
        return {}
    return {number: found[number] for number in sorted(found, key=int)}
