"""A forest strip for the index: own and published estimate on one small axis, with the numbers as its text."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from alliance_analysis.report.formats import format_interval, format_number

WIDTH, HEIGHT, MARGIN = 260, 40, 8
_BLUE, _GREY = "#0072b2", "#5b6470"  # as in the figures of the reports
_NEEDED = ("own", "own_low", "own_high", "published", "published_low", "published_high")


def comparable_row(verdicts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the first verdict with both estimates and their intervals; None where nothing compares by number.

    Examples
    --------
    >>> comparable_row([{"own": 0.2, "published": None}]) is None
    True
    """
    return next((row for row in verdicts if all(row.get(name) is not None for name in _NEEDED)), None)


def count_verdicts(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Return how often each verdict word was reached, in words; "" without verdicts.

    Examples
    --------
    >>> count_verdicts([{"verdict": "weaker"}, {"verdict": "no number"}, {"verdict": "weaker"}])
    'weaker (2), no number (1)'
    """
    counted: dict[str, int] = {}
    for row in verdicts:
        counted[str(row["verdict"])] = counted.get(str(row["verdict"]), 0) + 1
    return ", ".join(f"{word} ({n})" for word, n in counted.items())


def forest_strip(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a verdict row as a small picture: zero, the own interval above, the published one below.

    Parameters
    ----------
    row : mapping
        Of `comparable_row`.

    Returns
    -------
    dict
        `source` (a data address) and `alt` (the numbers).

    Examples
    --------
    >>> row = dict(zip(_NEEDED, (0.2, 0.1, 0.3, 0.28, 0.26, 0.3)), metric="r")
    >>> forest_strip(row)["alt"]
    'Own r 0.20 [0.10, 0.30], published 0.28 [0.26, 0.30].'
    """
    values = [float(row[name]) for name in _NEEDED]
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return round(MARGIN + (value - low) / span * (WIDTH - 2 * MARGIN), 1)

    own, own_low, own_high, published, published_low, published_high = map(place, values)
    zero = place(0.0)
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<path d="M{zero} 2V{HEIGHT - 2}" stroke="{_GREY}" stroke-dasharray="2 2"/>'
        f'<path d="M{own_low} 13H{own_high}" stroke="{_BLUE}" stroke-width="2"/>'
        f'<circle cx="{own}" cy="13" r="4" fill="{_BLUE}"/>'
        f'<path d="M{published_low} 28H{published_high}" stroke="{_GREY}" stroke-width="2"/>'
        f'<path d="M{published - 4} 24h8v8h-8z" fill="{_GREY}"/></svg>'
    )
    coded = base64.b64encode(picture.encode("ascii")).decode("ascii")
    said = f"Own {row['metric']} {format_number(values[0])} {format_interval(values[1], values[2])}, published "
    said += f"{format_number(values[3])} {format_interval(values[4], values[5])}."
    return {"source": f"data:image/svg+xml;base64,{coded}", "alt": said}
