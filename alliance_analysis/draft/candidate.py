"""A block of columns with what is known of it, before it has a name in the study."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from alliance_analysis.draft.blocks import Block
from alliance_analysis.draft.scales import Scale


@dataclass(frozen=True, eq=False)
class Candidate:
    """A block with what is known of it.

    Attributes
    ----------
    block : Block
        The columns.
    frame : DataFrame
        The file.
    by_session : bool
        Whether there is a value per session, not one per client.
    rater : str or None
        Who rated.
    by_rows : bool
        Whether the rows of the file say who rated.
    scale : Scale
        What it measures.
    construct : str
        "alliance", "symptoms" or "other".
    worse : bool or None
        Direction; None when unknown.
    doubts : tuple of str
        Doubts beside those of block and scale.
    """

    block: Block
    frame: pd.DataFrame
    by_session: bool
    rater: str | None
    by_rows: bool
    scale: Scale
    construct: str
    worse: bool | None
    doubts: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The family of questionnaires, or the words of the names."""
        if self.scale.instrument:
            return self.scale.instrument.family
        return self.block.form or " ".join(self.block.meaning.rest) or self.block.columns[0]
