"""Writes a draft as a study file that a person reads: every guess with its evidence, its doubt and the alternatives."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from alliance_analysis.draft.assemble import Draft, Entry
from alliance_analysis.draft.guess import Guess, names
from alliance_analysis.draft.words import RATER
from alliance_analysis.study.vocabulary import CLIENT

WIDTH = 110
DOUBT = "DOUBT: "
_NO_MEASURE = "no questionnaire was recognised; describe at least one measure, of the alliance or of symptoms"
_NO_CLIENT = "no column was found that says which client a row belongs to; name it under columns:"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./()-]+)*")
_NOT_TEXT = frozenset(["y", "n", "yes", "no", "true", "false", "on", "off", "null", "nan", "inf"])


def scalar(value: object) -> str:
    """Return a value as YAML on one line.

    Examples
    --------
    >>> scalar("WAI (client)"), scalar("no"), scalar("a: b"), scalar(None), scalar(True)
    ('WAI (client)', '"no"', '"a: b"', 'null', 'true')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if float(value).is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(scalar(one) for one in value) + "]"
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.casefold() not in _NOT_TEXT else json.dumps(text, ensure_ascii=False)


def comment(text: str, indent: str = "") -> list[str]:
    """Return a text as lines of comment; what could end a line in it does not."""
    plain = "".join(one if one.isprintable() else " " for one in " ".join(text.split()))
    return textwrap.wrap(
        plain, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def study_text(draft: Draft, title: str, day: str) -> str:
    """Return the study file of a draft.

    Parameters
    ----------
    draft : Draft
        What was found.
    title : str
        Title of the study.
    day : str
        Date of today.
    """
    return "\n".join(
        [*_head(draft, title, day), *_files(draft), *_columns(draft), *_measures(draft), *_notes(draft), ""]
    )


def doubts(draft: Draft) -> list[str]:
    """Return all doubts of a draft, each with what it is about."""
    found = [f"{role}: {guess.doubt}" for role, guess in draft.columns.items() if guess.doubt]
    if CLIENT not in draft.columns:
        found.insert(0, f"{CLIENT}: {_NO_CLIENT}")
    found += [f"{key}: {guess.doubt}" for key, guess in draft.settings.items() if guess.doubt]
    by_text: dict[str, list[str]] = {}
    for one in draft.measures:
        for text in (*one.doubts, *filter(None, [one.waits])) if one.active or one.waits else ():
            by_text.setdefault(text, []).append(one.name)
    found += [f"{names(measures)}: {text}" for text, measures in by_text.items()]
    if not any(one.active or one.waits for one in draft.measures):
        found.append(f"measures: {_NO_MEASURE}")
    found += [note.removeprefix(DOUBT) for note in draft.notes if note.startswith(DOUBT)]
    return found


def _head(draft: Draft, title: str, day: str) -> Iterator[str]:
    number = len(doubts(draft))
    files = ", ".join(dict.fromkeys(entry.source.file for entry in _entries(draft)))
    yield from comment(f"Drafted by `alliance new` on {day} from {files}. Each guess says on what it rests.")
    if number:
        yield from comment(
            f"{number} of them want your eyes: look for DOUBT. Then run: alliance check, with this file."
        )
    yield "study:"
    yield f"  title: {scalar(title)}"
    yield "  # source: where the data come from, for the reports"


def _entries(draft: Draft) -> list[Entry]:
    return [*draft.data, *([draft.clients] if draft.clients else [])]


def _files(draft: Draft) -> Iterator[str]:
    yield ""
    for entry in draft.data:
        yield from comment(f"{entry.source.called}: {entry.evidence}")
        for note in entry.source.notes:
            yield from comment(note)
    if len(draft.data) == 1:
        yield from _wrapped("data: ", _entry(draft.data[0]))
    else:
        yield "data:"
        for entry in draft.data:
            yield from _wrapped("  - ", _entry(entry))
    if draft.clients:
        yield from comment(f"{draft.clients.source.called}: {draft.clients.evidence}")
        yield from _wrapped("clients: ", _entry(draft.clients))


def _entry(entry: Entry) -> object:
    source = entry.source
    keys: dict[str, object] = {"file": source.file}
    if source.sheet:
        keys["sheet"] = source.sheet
    if source.header_row is not None:
        keys["header_row"] = source.header_row
    if source.rows:
        keys["rows"] = source.rows
    if source.prefix:
        keys["prefix"] = source.prefix
    if entry.rater:
        keys["rater"] = entry.rater
    if entry.session is not None:
        keys["session"] = entry.session
    if entry.columns:
        keys["columns"] = entry.columns
    return source.file if len(keys) == 1 else keys


def _columns(draft: Draft) -> Iterator[str]:
    yield ""
    roles = {role: guess for role, guess in draft.columns.items() if role != RATER}
    if roles:
        yield "columns:"
    for role, guess in roles.items():
        yield from _guess(f"  {role}: {scalar(guess.value)}", guess, "  ")
    if draft.covariates:
        yield from comment("one value per client; take the # away to use it as a covariate", "  ")
        yield from (f"  # {name}: {scalar(column)}" for name, column in draft.covariates.items())
    if CLIENT not in roles:
        yield from comment(DOUBT + _NO_CLIENT)
    if RATER in draft.columns:
        guess = draft.columns[RATER]
        yield from _guess(f"raters: {scalar({'column': guess.value, **draft.raters})}", guess, "")
    for key, guess in draft.settings.items():
        yield from _guess(f"{key}: {scalar(guess.value)}", guess, "")
    words = _words(draft)
    if words:
        yield from comment("what the words of the files stand for")
        yield "words:"
        for role, meanings in words.items():
            yield from _wrapped(f"  {role}: ", meanings)


def _words(draft: Draft) -> dict[str, dict[object, list[str]]]:
    """Return the words of the files, without those that are the package's own."""
    found: dict[str, dict[object, list[str]]] = {
        role: {int(key) if key.isdigit() else key: words for key, words in meanings.items() if words != [key]}
        for role, meanings in draft.words.items()
    }
    return {role: meanings for role, meanings in found.items() if meanings}


def _guess(line: str, guess: Guess, indent: str) -> Iterator[str]:
    yield from comment(guess.evidence, indent)
    if guess.doubt:
        yield from comment(DOUBT + guess.doubt, indent)
    for other in guess.instead:
        yield from comment(f"or  {other}", indent)
    yield line


def _measures(draft: Draft) -> Iterator[str]:
    yield ""
    if any("collected" in one.keys for one in draft.measures):
        yield from comment(
            "collected: before or after the session is the field's habit (alliance after, symptoms before), not "
            "seen in the files. It decides which lag a model takes: correct it where your clinic does otherwise."
        )
    shown = [one for one in draft.measures if one.active or one.waits]
    if not shown:
        yield from comment(DOUBT + _NO_MEASURE)
    yield "measures:"
    for one in shown:
        yield from comment(one.evidence, "  ")
        for doubt in one.doubts:
            yield from comment(DOUBT + doubt, "  ")
        for other in one.instead:
            yield from comment(f"or  {other}", "  ")
        if one.waits:
            yield from comment(f"{DOUBT}{one.waits}, then take the # away", "  ")
            yield from (f"  # {line[2:]}" for line in _measure(one.name, one.keys))
        else:
            yield from _measure(one.name, one.keys)
    others = [one for one in draft.measures if one not in shown]
    if others:
        yield from comment(
            "Nothing says what the next columns measure. To use one, take its # away, write its range, and add "
            "higher_is_worse: true or false.", "  ",
        )  # fmt: skip
    for one in others:
        yield from comment(one.evidence, "  ")
        keys = {key: value for key, value in one.keys.items() if key not in ("higher_is_worse", "label")}
        yield from (f"  # {line[2:]}" for line in _measure(one.name, keys))


def _measure(name: str, keys: Mapping[str, object]) -> Iterator[str]:
    line = f"  {name}: {scalar(keys)}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"  {name}:"
    for key, value in keys.items():
        yield from _wrapped(f"    {key}: ", value)


def _wrapped(lead: str, value: object) -> Iterator[str]:
    """Return a key with its value; a long value goes on in further lines, where YAML's flow style may break."""
    indent = " " * (len(lead) - len(lead.lstrip()) + 2)
    line = lead
    for piece in _pieces(value):
        if len(line) + len(piece.rstrip()) > WIDTH and line.strip() != lead.strip():
            yield line.rstrip()
            line = indent
        line += piece
    yield line.rstrip()


def _pieces(value: object, after: str = "") -> Iterator[str]:
    """Return a value in pieces, between which a line may end."""
    if not isinstance(value, Mapping | list | tuple) or not value:
        yield scalar(value) + after
        return
    opening, closing = ("{", "}") if isinstance(value, Mapping) else ("[", "]")
    members: list[tuple[str, object]]
    if isinstance(value, Mapping):
        members = [(f"{scalar(key)}: ", one) for key, one in value.items()]
    else:
        members = [("", one) for one in value]
    for at, (key, one) in enumerate(members):
        first, *rest = _pieces(one, closing + after if at == len(members) - 1 else ", ")
        yield (opening if at == 0 else "") + key + first
        yield from rest


def _notes(draft: Draft) -> Iterator[str]:
    if draft.notes:
        yield ""
    for note in draft.notes:
        yield from comment(note)
