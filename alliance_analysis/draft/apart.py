"""Keeps columns apart that have one name in several files and are the answers to different questionnaires."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from alliance_analysis.draft.blocks import Block
from alliance_analysis.draft.content import Content, content_of
from alliance_analysis.draft.guess import Ask
from alliance_analysis.draft.stack import Stack
from alliance_analysis.draft.words import fold


def keep_apart(contents: Sequence[Content], ask: Ask) -> list[Content]:
    """Put the name of its file before the columns of a table that clash with those of another table of sessions.

    Parameters
    ----------
    contents : sequence of Content
        Tables with sessions.
    ask : callable
        Puts a question to the user.
    """
    clashing = [
        one for one in contents if any(_clash(one.blocks, other.blocks) for other in contents if _are_apart(one, other))
    ]
    prefixes = _prefixes([one.source.title for one in clashing])
    renamed = {id(one): _with_prefix(one, prefix, ask) for one, prefix in zip(clashing, prefixes, strict=True)}
    return [renamed.get(id(one), one) for one in contents]


def _are_apart(one: Content, other: Content) -> bool:
    """Whether two tables are not those of two raters who answer the same items."""
    return one is not other and not all(piece.rater for piece in (*one.pieces, *other.pieces))


def _clash(blocks: Sequence[Block], others: Sequence[Block]) -> bool:
    """Whether one name stands for two things: items, a score of nobody knows what, or ratings of two people."""
    theirs = {column: other for other in others for column in other.held}
    return any(
        block.items or _is_bare_score(block) or block.meaning.raters != theirs[column].meaning.raters
        for block in blocks
        for column in block.held
        if column in theirs
    )


def _is_bare_score(block: Block) -> bool:
    """Whether a name says score or total and not of what."""
    return bool(block.meaning.score) and block.meaning.alias is None and not block.meaning.rest


def _prefixes(titles: Sequence[str]) -> list[str]:
    """Return for each title as many of its first words as tell it from the others.

    Examples
    --------
    >>> _prefixes(["WAI-SR, client", "WAI-SRT, therapist", "PHQ9", "PHQ9"])
    ['wai_sr_', 'wai_srt_', 'phq9_', 'phq9_2_']
    """
    words = [re.findall(r"[^\W_]+", fold(title)) or ["file"] for title in titles]
    found: list[str] = []
    for at, own in enumerate(words):
        others = [one for other, one in enumerate(words) if other != at]
        length = next((n for n in range(1, len(own)) if all(one[:n] != own[:n] for one in others)), len(own))
        prefix, number = f"{'_'.join(own[:length])}_", 2
        while prefix in found:
            prefix, number = f"{'_'.join(own)}_{number}_", number + 1
        found.append(prefix)
    return found


def _with_prefix(content: Content, prefix: str, ask: Ask) -> Content:
    """Return a table as the loader reads it with a prefix: keys keep their names."""
    source = content.source
    own = {str(guess.value) for guess in source.roles.columns.values()}
    names = {str(name): f"{prefix}{name}" for name in source.table.frame if str(name) not in own}
    table = replace(
        source.table,
        frame=source.table.frame.rename(columns=names),
        labels={names.get(name, name): label for name, label in source.table.labels.items()},
        value_labels={names.get(name, name): labels for name, labels in source.table.value_labels.items()},
    )
    profiles = tuple(replace(one, name=names.get(one.name, one.name)) for one in source.profiles)
    whole = replace(source, table=table, profiles=profiles)
    said = (*source.notes, "other files have columns of the same names: its own are read with a prefix")
    pieces = tuple(replace(one, source=replace(one.source, prefix=prefix, notes=said)) for one in content.pieces)
    return content_of(Stack(whole, pieces), ask)
