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
    prefixes: dict[str, Content] = {}
    for one in contents:
        if any(_clash(one.blocks, other.blocks) for other in contents if _are_apart(one, other)):
            prefix, number = _plain(one.source.title), 2
            while prefix in prefixes:
                prefix, number = f"{_plain(one.source.title)}{number}_", number + 1
            prefixes[prefix] = one
    renamed = {id(one): _with_prefix(one, prefix, ask) for prefix, one in prefixes.items()}
    return [renamed.get(id(one), one) for one in contents]


def _are_apart(one: Content, other: Content) -> bool:
    """Whether two tables are not those of two raters who answer the same items."""
    return one is not other and not all(piece.rater for piece in (*one.pieces, *other.pieces))


def _clash(blocks: Sequence[Block], others: Sequence[Block]) -> bool:
    theirs = {column for block in others for column in block.held}
    return any(not theirs.isdisjoint(block.held) for block in blocks if block.items or _is_bare_score(block))


def _is_bare_score(block: Block) -> bool:
    """Whether a name says score or total and not of what."""
    return bool(block.meaning.score) and block.meaning.alias is None and not block.meaning.rest


def _plain(title: str) -> str:
    plain = re.sub(r"[\W_]+", "_", fold(title)).strip("_")
    return f"{plain or 'file'}_"


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
