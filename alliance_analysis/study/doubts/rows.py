"""Says where something stands in the user's own file, by row numbers alone."""

from __future__ import annotations

from collections.abc import Iterable

from alliance_analysis.study.problems import MAX_EXAMPLES


def name_rows(rows: Iterable[int]) -> str:
    """Return the first rows of a finding.

    Examples
    --------
    >>> name_rows([7]), name_rows([7, 9, 30]), name_rows(range(2, 20))
    ('row 7', 'rows 7, 9 and 30', 'first rows 2, 3, 4, 5 and 6')
    """
    places = [str(int(row)) for row in rows]
    shown = places[:MAX_EXAMPLES]
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    first = "first " if len(places) > len(shown) else ""
    return f"{first}row{'s' if len(shown) > 1 else ''} {listed}"
