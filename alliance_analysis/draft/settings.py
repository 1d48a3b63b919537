"""Decides on the keys of a study beside its columns and measures: session numbers, episodes, ids that repeat."""

from __future__ import annotations

from collections.abc import Sequence

from alliance_analysis.draft.blocks import Block
from alliance_analysis.draft.guess import Ask, Guess, Question
from alliance_analysis.draft.look import Source
from alliance_analysis.draft.words import RATER, TREATMENT
from alliance_analysis.study.cells import texts
from alliance_analysis.study.problems import count
from alliance_analysis.study.vocabulary import CLIENT, DATE, EPISODE, PHASE, SESSION, THERAPIST

_SEPARATE, _FIRST = "separate", "first"
_SAME, _DIFFERENT = "same_person", "different_people"
_MANY = 0.2


def find_settings(
    sources: Sequence[Source], columns: dict[str, Guess], blocks: Sequence[Block], ask: Ask
) -> dict[str, Guess]:
    """Return key of the study file -> guess.

    Parameters
    ----------
    sources : sequence of Source
        Files of sessions, the first of them the one that numbers sessions.
    columns : dict
        Role -> guess.
    blocks : sequence of Block
        Columns of the first file, put together.
    ask : callable
        Puts a question to the user.
    """
    found = {
        "session_numbers": _numbers(sources[0], columns, blocks),
        "episodes": next(filter(None, (_episodes(source, ask) for source in sources)), None),
        "repeated_client_ids": next(filter(None, (_repeated(source, ask) for source in sources)), None),
    }
    return {key: guess for key, guess in found.items() if guess}


def _numbers(source: Source, columns: dict[str, Guess], blocks: Sequence[Block]) -> Guess | None:
    phases = source.roles.words.get(PHASE, {})
    if PHASE in columns and TREATMENT not in phases:
        return None  # intake, post and follow-up number themselves
    if SESSION in columns or any(block.sessions for block in blocks) or source.roles.one_row_per_client:
        return None
    if source.roles.raters and _once_per_rater(source):
        return None
    if DATE in columns:
        evidence = "no column holds session numbers; each date of a client is taken for one session"
        return Guess({"from": "date"}, evidence, "", ("session_numbers: {from: date, interval_days: 7}",))
    doubt = "no column holds session numbers or dates; the rows of a client are taken for its sessions in their order"
    return Guess({"from": "rows"}, "the order of the rows", doubt) if source.roles.clients else None


def _once_per_rater(source: Source) -> bool:
    """Whether no person rated a client twice: the data have one time point."""
    keys = [name for role in (CLIENT, RATER) if (name := source.roles.column(role))]
    return CLIENT in source.roles.columns and not source.table.frame[keys].apply(texts).duplicated().any()


def _episodes(source: Source, ask: Ask) -> Guess | None:
    """Say what becomes of clients with several episodes."""
    client, episode = source.roles.column(CLIENT), source.roles.column(EPISODE)
    if client is None or episode is None:
        return None
    pairs = source.table.frame[[client, episode]].apply(texts).drop_duplicates()
    number = int((pairs[(pairs != "").all(axis=1)][client].value_counts() > 1).sum())
    if not number:
        return None
    clients = count(number, "client has", "clients have")
    answer = ask(Question(f"{clients} several episodes. What is done with them?", (_SEPARATE, _FIRST), _SEPARATE))
    doubt = "" if answer else "each episode is taken for a person of its own"
    other = _FIRST if answer in (None, _SEPARATE) else _SEPARATE
    return Guess(answer or _SEPARATE, f"{clients} several episodes", doubt, (f"episodes: {other}",))


def _repeated(source: Source, ask: Ask) -> Guess | None:
    """Say whether client ids that stand under several therapists are one person each; an episode is a person here."""
    roles = (CLIENT, EPISODE, THERAPIST, SESSION, RATER)
    names = {role: name for role in roles if (name := source.roles.column(role))}
    if CLIENT not in names or THERAPIST not in names:
        return None
    keys = source.table.frame[list(dict.fromkeys(names.values()))].apply(texts)
    keys = keys[(keys[[names[CLIENT], names[THERAPIST]]] != "").all(axis=1)]
    person = keys[names[CLIENT]].str.cat(keys[names[EPISODE]], sep="/") if EPISODE in names else keys[names[CLIENT]]
    keys = keys.assign(**{names[CLIENT]: person})
    several = keys.drop_duplicates([names[CLIENT], names[THERAPIST]])[names[CLIENT]].value_counts()
    number = int((several > 1).sum())
    if not number:
        return None
    of_them = keys[keys[names[CLIENT]].isin(several.index[several > 1])]
    by_session = [names[role] for role in (CLIENT, SESSION, RATER) if role in names]
    clash = SESSION in names and bool(of_them.duplicated(by_session).mean() > _MANY)
    likely = _DIFFERENT if clash else _SAME
    numbers = "their session numbers stand twice" if clash else "their session numbers go on"
    why = numbers if SESSION in names else "no more is known"
    clients = count(number, "client id stands", "client ids stand")
    answer = ask(
        Question(f"{clients} under several therapists. Are they the same person each?", (_SAME, _DIFFERENT), likely)
    )
    doubt = "" if answer else f"{count(number, 'id')} taken for {likely.replace('_', ' ')}, because {why}"
    other = _SAME if (answer or likely) == _DIFFERENT else _DIFFERENT
    return Guess(
        answer or likely, f"{clients} under several therapists; {why}", doubt, (f"repeated_client_ids: {other}",)
    )
