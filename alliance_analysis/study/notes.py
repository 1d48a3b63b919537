"""Gathers what reading did cause by cause, so that the same note on twelve items is one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from alliance_analysis.study.problems import count

Cause = Literal["answer", "code", "comma", "date", "slash", "rater"]
_MAX_NAMES = 5
_NUMBERED = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True)
class Remark:
    """What reading one column did.

    Attributes
    ----------
    cause : {"answer", "code", "comma", "date", "slash", "rater"}
        An answer in words, a code for missing, a decimal comma, a date written day.month.year or with slashes, a value
        in the row of another rater.
    number : int
        Cells.
    codes : tuple of str
        The codes that were met; of dates with slashes, what stands first.

    Examples
    --------
    >>> str(Remark("code", 2, ("99",)))
    '2 cells with code 99 read as missing'
    """

    cause: Cause
    number: int
    codes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.cause == "answer":
            return f"{count(self.number, 'answer')} in words read as numbers"
        if self.cause == "comma":
            return f"{count(self.number, 'decimal comma')} read as decimal points"
        if self.cause == "date":
            return f"{count(self.number, 'date')} read as day.month.year"
        if self.cause == "slash":
            return f"{count(self.number, 'date')} with slashes read with the {self.codes[0]} first, as the column shows"
        if self.cause == "rater":
            return f"{count(self.number, 'value')} in rows of another rater not read"
        codes = f"code{'s' if len(self.codes) > 1 else ''} {', '.join(self.codes)}"
        return f"{count(self.number, 'cell')} with {codes} read as missing"


@dataclass(frozen=True)
class Placed:
    """A remark with its column: the name, and the place as a message says it."""

    name: str
    place: str
    remark: Remark


def gather(file: str, remarks: Sequence[Placed]) -> list[str]:
    """Return one sentence per cause: the columns, and how many cells of all of them.

    Examples
    --------
    >>> gather("s.csv", [Placed(name, name, Remark("comma", 3)) for name in ("wai1", "wai2")])
    ['s.csv, wai1 and wai2: 6 decimal commas read as decimal points.']
    """
    sentences = []
    for cause in dict.fromkeys(one.remark.cause for one in remarks):
        same = [one for one in remarks if one.remark.cause == cause]
        codes = tuple(dict.fromkeys(code for one in same for code in one.remark.codes))
        whole = Remark(cause, sum(one.remark.number for one in same), codes)
        where = same[0].place if len(same) == 1 else name_columns(list(dict.fromkeys(one.name for one in same)))
        sentences.append(f"{file}, {where}: {whole}.")
    return sentences


def name_columns(names: Sequence[str]) -> str:
    """Return columns as a list: numbered runs of three or more in short, long lists cut.

    Examples
    --------
    >>> name_columns(["wai1", "wai2", "wai3", "symptoms"])
    'wai1 to wai3 and symptoms'
    >>> name_columns(list("abcdefg"))
    'a, b, c, d, e, …'
    """
    shown = [part for run in _runs(names) for part in (run if len(run) < 3 else [f"{run[0]} to {run[-1]}"])]
    if len(shown) > _MAX_NAMES:
        return f"{', '.join(shown[:_MAX_NAMES])}, …"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _runs(names: Sequence[str]) -> list[list[str]]:
    """Split names where the stem changes or the number does not go on by one."""
    stems = [_NUMBERED.fullmatch(name) for name in names]
    keys = [
        (match.group(1), int(match.group(2)) - position) if match else (name, None)
        for position, (name, match) in enumerate(zip(names, stems, strict=True))
    ]
    pairs = zip(keys, names, strict=True)
    return [[name for _, name in members] for _, members in groupby(pairs, key=lambda pair: pair[0])]
