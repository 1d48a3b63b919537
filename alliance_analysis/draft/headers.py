"""Finds the row or rows that hold the names of the columns: below a title, or in two rows that belong together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?%?|\d{4}-\d{2}-\d{2}.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*")
_MOST_ABOVE = 10
_FEWEST_BELOW = 3
_MOSTLY = 0.5


def find_header_row(rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Return the rows of the names, counted from 1.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first rows of a table.

    Examples
    --------
    >>> find_header_row([["Our clinic, 2024"], [], ["ID", "Nr", "PHQ"], ["7", "1", "12"], ["7", "2", "10"]])
    (3,)
    >>> find_header_row([["ID", "WAI", "", "PHQ"], ["", "1", "2", "sum"], ["7", "4", "5", "12"], ["8", "4", "5", "9"]])
    (1, 2)
    >>> find_header_row([["id", "w1"], ["Client", "I like my client"], ["7", "4"], ["8", "5"], ["9", "1"]])
    (1, 2)
    >>> find_header_row([["", "ID", "PHQ"], ["1", "7", "12"], ["2", "7", "10"]])
    (1,)
    """
    filled = [[bool(cell.strip()) for cell in row] for row in rows]
    counts = [sum(row) for row in filled]
    if not counts:
        return (1,)
    usual = sorted(counts[1:] or counts)[len(counts[1:] or counts) // 2]
    wide = max(2, 0.6 * usual)
    first = next((at for at, number in enumerate(counts[:_MOST_ABOVE]) if number >= wide), 0)
    # a title stands alone: names of groups above the names of columns fill several cells
    while first > 0 and counts[first - 1] > 1:
        first -= 1
    if first + 2 < len(rows) and (_continues(rows, first) or _explains(rows, first)):
        return first + 1, first + 2
    return (first + 1,)


def _continues(rows: Sequence[Sequence[str]], first: int) -> bool:
    """Say whether the next row goes on with the names: it names what the first row leaves empty."""
    width = max(map(len, rows))
    upper, lower, *below = ([*row, *[""] * (width - len(row))] for row in rows[first:])
    gaps = [place for place in range(width) if not upper[place].strip() and lower[place].strip()]
    named = [place for place in range(width) if upper[place].strip()]
    if not gaps or len(named) < 1 or any(_NUMBER.fullmatch(upper[place].strip()) for place in named):
        return False
    if gaps == [0] and _is_row(lower, below, named):
        return False
    body = [[row[place] for row in below if row[place].strip()] for place in gaps]
    # names below a group may be numbers of items, 1 2 3, which the cells below do not repeat
    words = [place for place in gaps if not _NUMBER.fullmatch(lower[place].strip())]
    counting = [lower[place].strip() for place in gaps if place not in words]
    numbers = [int(one) for one in counting] if all(one.isdigit() for one in counting) else []
    rising = bool(numbers) and all(later in (earlier + 1, 1, 2) for earlier, later in pairwise(numbers))
    return any(body) and (len(words) == len(gaps) or rising)


def _explains(rows: Sequence[Sequence[str]], first: int) -> bool:
    """Say whether the next row holds labels: words under every name, above cells that are mostly numbers."""
    width = max(map(len, rows))
    upper, lower, *below = ([*row, *[""] * (width - len(row))] for row in rows[first:])
    named = [place for place in range(width) if upper[place].strip()]
    if len(below) < _FEWEST_BELOW or not all(re.search(r"[^\W\d]", lower[place]) for place in named):
        return False
    filled = [place for place in named if any(row[place].strip() for row in below)]
    numeric = [
        place for place in filled if all(_NUMBER.fullmatch(row[place].strip()) for row in below if row[place].strip())
    ]
    return len(numeric) > _MOSTLY * len(named)


def _is_row(lower: Sequence[str], below: Sequence[Sequence[str]], named: Sequence[int]) -> bool:
    """Say whether a row below names is one of data: R and pandas leave the name of the first column empty."""
    return any(
        _NUMBER.fullmatch(lower[place].strip()) or any(row[place].strip() == lower[place].strip() for row in below)
        for place in named
        if lower[place].strip()
    )
