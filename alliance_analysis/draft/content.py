"""What a table of the study holds: its files, and its columns put together."""

from __future__ import annotations

from dataclasses import dataclass

from alliance_analysis.draft.answers import with_numbers
from alliance_analysis.draft.blocks import Block, Setting, find_blocks
from alliance_analysis.draft.guess import Ask
from alliance_analysis.draft.look import Source
from alliance_analysis.draft.siblings import order_siblings
from alliance_analysis.draft.stack import Piece, Stack
from alliance_analysis.study.vocabulary import CLIENT


@dataclass(frozen=True, eq=False)
class Content:
    """One table of the study.

    Attributes
    ----------
    source : Source
        All rows.
    pieces : tuple of Piece
        The files or sheets it is made of.
    blocks : tuple of Block
        Its columns of scores, put together.
    notes : tuple of str
        Sentences on columns set aside.
    """

    source: Source
    pieces: tuple[Piece, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]

    @property
    def has_sessions(self) -> bool:
        """Whether clients have several rows, or columns for several sessions."""
        roles = self.source.roles
        return (CLIENT in roles.columns and not roles.one_row_per_client) or any(one.sessions for one in self.blocks)


def content_of(stack: Stack, ask: Ask) -> Content:
    """Put the columns of a table together.

    Parameters
    ----------
    stack : Stack
        The table.
    ask : callable
        Puts a question to the user.
    """
    source = with_numbers(stack.whole, ask)
    taken = {str(guess.value) for guess in source.roles.columns.values()}
    free = [one for one in source.profiles if one.name not in taken and not one.dates and not one.row_number]
    found = find_blocks(free, Setting(source.roles.one_row_per_client, source.title))
    blocks, notes = order_siblings(found, source.table.frame)
    return Content(source, stack.pieces, tuple(blocks), (*source.roles.notes, *notes))
