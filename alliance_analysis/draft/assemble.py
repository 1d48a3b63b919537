"""Puts a study together from the tables found: which hold sessions, which clients, and how they are joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from alliance_analysis.draft.aliases import find_in_text
from alliance_analysis.draft.apart import keep_apart
from alliance_analysis.draft.content import Content, content_of
from alliance_analysis.draft.guess import Ask, Guess, Question, names
from alliance_analysis.draft.look import Source
from alliance_analysis.draft.measures import Candidate, DraftMeasure, find_candidates, name_measures
from alliance_analysis.draft.names import find_patterns, name_with_session, read_words
from alliance_analysis.draft.profile import Profile
from alliance_analysis.draft.roles import find_roles
from alliance_analysis.draft.settings import find_settings
from alliance_analysis.draft.stack import stack
from alliance_analysis.draft.words import RATER, fold, tokens, word_set
from alliance_analysis.study.cells import texts
from alliance_analysis.study.vocabulary import (
    CLIENT,
    CONDITION,
    DATE,
    PHASE,
    PLANNED_SESSIONS,
    SESSION,
    STATUS,
    THERAPIST,
    THERAPY_END,
)

PERSONAL = word_set(
    "name names vorname nachname surname firstname lastname fullname email mail phone telefon telephone "
    "address adresse birth birthday birthdate geburtsdatum geburt dob ssn initials nom prenom nombre "
    "apellido "
)
"""Words in the names of columns that may identify persons."""
CLIENT_ROLES = (STATUS, CONDITION, THERAPY_END, PLANNED_SESSIONS, THERAPIST)
_FEW = 12
_FEWEST_IDS = 5
_MOST_IDS = 4
_OVERLAP = 0.5
NOBODY = "none of these"


@dataclass(frozen=True)
class Entry:
    """One file of the study.

    Attributes
    ----------
    source : Source
        The table.
    columns : dict
        Keys as this file names them, where they differ from the others'.
    evidence : str
        Why it stands where it stands.
    rater : str or None
        Who filled in the whole file, where each rater has one with the same columns.
    session : int or None
        Session of the whole file, where each session has one with the same columns.
    """

    source: Source
    evidence: str
    columns: dict[str, str] = field(default_factory=dict)
    rater: str | None = None
    session: int | None = None


@dataclass(frozen=True)
class Draft:
    """A study file before it is written.

    Attributes
    ----------
    data : tuple of Entry
        Files with sessions.
    clients : Entry or None
        The file with one row per client.
    columns : dict
        Role -> guess.
    raters : dict
        Rater -> word; empty when the rows do not say who rated.
    words : dict
        Role -> meaning -> words.
    settings : dict
        Other keys of the study file -> guess: session numbers, episodes, ids that repeat.
    measures : tuple of DraftMeasure
        The measures.
    covariates : dict
        Name -> column of what may be used as a covariate.
    notes : tuple of str
        Sentences on what is left out or needs the reader.
    """

    data: tuple[Entry, ...]
    clients: Entry | None
    columns: dict[str, Guess]
    raters: dict[str, str]
    words: dict[str, dict[str, list[str]]]
    settings: dict[str, Guess]
    measures: tuple[DraftMeasure, ...]
    covariates: dict[str, str]
    notes: tuple[str, ...]


def assemble(sources: Sequence[Source], ask: Ask) -> Draft:
    """Make a draft of the tables that were found.

    Parameters
    ----------
    sources : sequence of Source
        The tables; at least one.
    ask : callable
        Puts a question to the user; `take_guess` asks nobody.
    """
    sources = [_with_client(source, sources, ask) for source in sources]
    stacks, stacking = stack(sources)
    contents = [content_of(one, ask) for one in stacks]
    timed = keep_apart([one for one in contents if one.has_sessions], ask)
    untimed = [one for one in contents if not one.has_sessions]
    if not timed:
        best = max(untimed, key=lambda one: len(one.blocks))
        timed, untimed = [best], [one for one in untimed if one is not best]
    timed = sorted(timed, key=lambda one: (-len(one.source.roles.columns), -len(one.source.table.frame)))
    long, once = [one.source for one in timed], [one.source for one in untimed]
    of_clients = max(untimed, key=lambda one: _fits(one.source, long[0]), default=None)
    clients = of_clients.source if of_clients else None
    columns, notes = _columns(long, clients)
    notes += stacking
    data = tuple(
        replace(_entry(piece.source, columns), rater=piece.rater, session=piece.session)
        for one in timed
        for piece in one.pieces
    )
    used = [*timed, *([of_clients] if of_clients else [])]
    candidates = [one for content in used for one in _candidates(content, by_rows=RATER in columns)]
    measures, dropped, leftover = name_measures(candidates, ask)
    words = {role: meanings for one in used for role, meanings in one.source.roles.words.items() if role in columns}
    settings = find_settings(long, columns, timed[0].blocks, ask)
    notes += [note for one in used for note in one.notes]
    notes += [*dropped, *_second_files(once, clients, long[0]), *_personal(one.source for one in used)]
    covariates = _covariates(used, columns, leftover, taken={one.name for one in measures if one.active})
    measures = [one for one in measures if one.active or one.keys.get("column") not in covariates.values()]
    leftover = [name for name in leftover if name not in {one.keys.get("column") for one in measures}]
    unused = [name for name in leftover if name not in covariates.values()]
    if unused:
        notes.append(f"{names(unused)}: numbers nothing is known of; not used")
    raters = next((one.roles.raters for one in long if one.roles.raters and RATER in columns), {})
    return Draft(
        data, _entry(clients, columns, (CLIENT, THERAPIST)) if clients else None, columns, raters, words, settings,
        tuple(measures), covariates, tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _with_client(source: Source, sources: Sequence[Source], ask: Ask) -> Source:
    """Find the clients of a file whose names do not say where they are: by the ids of another file, or by asking."""
    if CLIENT in source.roles.columns:
        return source
    shared = [guess for other in sources if other is not source if (guess := _shared_ids(source, other))]
    taken = {guess.value for guess in source.roles.columns.values()}
    if turned := _turned(source):
        return replace(source, roles=replace(source.roles, notes=(*source.roles.notes, turned)))
    ids = [one for one in source.profiles if one.name not in taken | _batteries(source) and _could_be_id(one)]
    guess = shared[0] if shared else None if ids else _row_ids(source)
    if guess is None and ids:
        likely = min(ids, key=lambda one: (one.distinct == one.filled and len(ids) > 1, one.numeric and not one.whole))
        question = Question(
            f"Which column of {source.called} says which client a row belongs to?",
            (*tuple(one.name for one in ids[:_FEW]), NOBODY), likely.name,
        )  # fmt: skip
        answer = ask(question)
        doubt = "" if answer else "no name says which column holds the clients"
        if answer != NOBODY:
            others = tuple(f"client: {one.name}" for one in ids[:_FEW] if one is not likely)
            guess = Guess(
                answer or likely.name, f"{likely.distinct:,} different values", doubt, () if answer else others
            )
    if guess is None:
        return source
    again, known = find_roles(source.table.frame, source.profiles, guess), source.roles
    columns = {role: one for role, one in again.columns.items() if one.value not in taken} | known.columns
    return replace(source, roles=replace(again, columns=columns, words=again.words | known.words))


def _turned(source: Source) -> str:
    """Return what to say of a table whose rows are items, as the words of one column name them; "" for others."""
    for one in source.profiles:
        named = [value for value in one.values if find_in_text(value)]
        if one.words and one.distinct == one.filled and len(named) > _OVERLAP * len(one.values):
            text = (
                f"DOUBT: the rows of {source.called} seem to be items, by the words of {one.name!r}: turn the table so "
            )
            return text + "that each row is a session or a client, and each column an item"
    return ""


def _batteries(source: Source) -> set[str]:
    """Return columns counted by their names, more of them than a file has columns of ids."""
    patterns = find_patterns(one.name for one in source.profiles if not one.row_number)
    return {name for one in patterns if len(one.columns) > _MOST_IDS for name in one.columns.values()}


def _could_be_id(one: Profile) -> bool:
    if one.dates or one.row_number or read_words(tokens(one.name)).alias:
        return False
    return (one.words and one.distinct >= _FEWEST_IDS) or (one.whole and one.distinct > _FEW)


def _row_ids(source: Source) -> Guess | None:
    """Take the names of the rows for ids in a file that has nothing else, as R writes one row per client."""
    for one in source.profiles:
        if one.row_number:
            return Guess(one.name, "a name for each row", "no column holds client ids: each row is taken for a client")
    return None


def _shared_ids(source: Source, other: Source) -> Guess | None:
    column = other.roles.column(CLIENT)
    if column is None:
        return None
    ids = set(texts(other.table.frame[column])) - {""}
    taken = {guess.value for guess in source.roles.columns.values()}
    for one in source.profiles:
        free = one.distinct > 2 and one.name not in taken
        values = set(texts(source.table.frame[one.name])) - {""} if free else set()
        if len(values) > 2 and len(values & ids) >= 0.8 * len(values):
            return Guess(one.name, f"its values are the client ids of {other.called}")
    return None


def _candidates(content: Content, *, by_rows: bool) -> list[Candidate]:
    roles = content.source.roles
    raters, column = (roles.raters, roles.column(RATER)) if by_rows else ({}, None)
    return find_candidates(
        content.blocks, content.source.table.frame, raters, column, one_row_per_client=roles.one_row_per_client
    )


def _columns(long: Sequence[Source], clients: Source | None) -> tuple[dict[str, Guess], list[str]]:
    """Return the study's columns: those of the first file of sessions, completed by the others."""
    columns: dict[str, Guess] = {}
    notes: list[str] = []
    for source in long:
        for role, guess in source.roles.columns.items():
            columns.setdefault(role, guess)
    for role in CLIENT_ROLES if clients else ():
        if role in clients.roles.columns and role not in columns:  # type: ignore[union-attr]
            columns[role] = clients.roles.columns[role]  # type: ignore[union-attr]
    if clients and CLIENT not in columns and CLIENT in clients.roles.columns:
        columns[CLIENT] = clients.roles.columns[CLIENT]
    dates = _wide_dates(long[0])
    if dates:
        columns[DATE] = dates
    if clients and CLIENT in columns and CLIENT in clients.roles.columns:
        notes += _strangers(long[0], clients)
    order = (CLIENT, THERAPIST, SESSION, DATE)
    found: dict[str, Guess] = {}
    for role in (*order, *(one for one in columns if one not in order)):
        # two files may use one name for two things: the first role has it
        if role in columns and (role == PHASE or columns[role].value not in {one.value for one in found.values()}):
            found[role] = columns[role]
    return found, notes


def _ids(source: Source) -> set[str]:
    column = source.roles.column(CLIENT)
    return set(texts(source.table.frame[column])) - {""} if column else set()


def _shared_share(sessions: Source, clients: Source) -> float:
    """Return the share of the clients of the sessions that a file names; 1 where the sessions name none."""
    ids = _ids(sessions)
    return len(ids & _ids(clients)) / len(ids) if ids else 1.0


def _strangers(sessions: Source, clients: Source) -> list[str]:
    ids, known = _ids(sessions), _ids(clients)
    if ids and len(ids & known) < _OVERLAP * len(ids):
        text = (
            f"DOUBT: only {len(ids & known):,} of {len(ids):,} clients of {sessions.called} stand in {clients.called}"
        )
        return [text + "; are their ids written alike?"]
    return []


def _wide_dates(source: Source) -> Guess | None:
    dated = [one.name for one in source.profiles if one.dates]
    for pattern in find_patterns(dated):
        if len(pattern.runs) == 1 and source.roles.one_row_per_client and len(pattern.columns) > 1:
            column = pattern.columns[min(pattern.columns)]
            return Guess(name_with_session(column, pattern.runs[0]), f"{names(dated)}: dates, one column per session")
    return None


def _entry(source: Source, columns: dict[str, Guess], keys: Sequence[str] = (CLIENT, THERAPIST, SESSION)) -> Entry:
    own = {
        role: str(guess.value)
        for role, guess in source.roles.columns.items()
        if role in keys and role in columns and columns[role].value != guess.value
    }
    rows = len(source.table.frame)
    each = "one row per client" if source.roles.one_row_per_client else f"{source.roles.clients:,} clients"
    return Entry(source, f"{rows:,} rows, {each}", own)


def _fits(clients: Source, sessions: Source) -> tuple[bool, int, int]:
    """Rank a file that may hold the clients: its ids are those of the sessions, and it says much of many."""
    rows, width = clients.table.frame.shape
    return bool(_shared_share(sessions, clients) >= _OVERLAP), width, rows


def _second_files(once: Sequence[Source], clients: Source | None, sessions: Source) -> list[str]:
    found = []
    for one in once:
        if clients is None or one is clients:
            continue
        if _shared_share(sessions, one) < _OVERLAP:
            found.append(f"{one.called}: it names none or few clients of the sessions; not used")
            continue
        found.append(
            f"DOUBT: {one.called} has one row per client as {clients.called} has, and a study takes one such file: "
            "join them into one to use it"
        )
    return found


def _personal(used: Iterable[Source]) -> list[str]:
    return [
        f"{source.called}: the column {one.name!r} may identify persons; it is not used: delete it from the file"
        for source in used
        for one in source.profiles
        if set(tokens(one.name)) & PERSONAL
        and one.filled
        and not one.row_number
        and not (set(tokens(one.name)) & {"file", "event"})
    ]


def _covariates(
    used: Sequence[Content], columns: dict[str, Guess], leftover: Sequence[str], taken: set[str]
) -> dict[str, str]:
    """Return columns with one value per client that are no scores: age, sex, diagnosis."""
    roles = {str(guess.value) for guess in columns.values()}
    found: dict[str, str] = {}
    for content in used:
        source = content.source
        client = source.roles.column(CLIENT)
        own = {str(guess.value) for guess in source.roles.columns.values()}
        held = {name for block in content.blocks for name in block.held} - set(leftover)
        for one in source.profiles:
            personal = set(tokens(one.name)) & PERSONAL
            plain = one.numeric or 1 < one.distinct <= _FEW
            if (
                one.name in roles | own | held
                or personal
                or one.row_number
                or one.dates
                or not plain
                or one.distinct < 2
                or client is None
            ):
                continue
            if not source.roles.one_row_per_client and not _one_per_client(source.table.frame, client, one.name):
                continue
            name = _plain_name(one.name)
            if name and name not in taken and name not in found:
                found[name] = one.name
    return found


def _one_per_client(frame: pd.DataFrame, client: str, column: str) -> bool:
    sample = frame[[client, column]].iloc[:50_000].apply(texts)
    sample = sample[sample[column] != ""]
    return bool(np.all(sample.groupby(client)[column].nunique() <= 1))


def _plain_name(column: str) -> str:
    plain = "_".join(tokens(column)).encode("ascii", "ignore").decode()
    ends = ("within", "between", "first", "detrended")
    return "" if not plain or not plain[0].isalpha() or plain.endswith(ends) or fold(plain) == "time" else plain
