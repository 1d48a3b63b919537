"""Collects what a notebook recorded into `results.json`, the machine's copy of a report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MIME = "application/vnd.alliance.report+json"
SCHEMA = "alliance-results/1"
ANSWERED, CAUTION, WITHHELD = "answered", "caution", "withheld"
NOT_ANSWERABLE, FAILED = "not_answerable", "failed"
HEADLINE_STATUSES = (ANSWERED, CAUTION, WITHHELD)
_MISSING_TYPES = ("NAType", "NaTType")  # of pandas, which a worker process never needs to import
KINDS = ("headline", "estimates", "withheld", "verdicts", "checks")


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: missing and infinite become null, numpy scalars become Python's.

    Examples
    --------
    >>> plain({"a": float("nan"), "b": float("inf"), "c": (1, "x")})
    {'a': None, 'b': None, 'c': [1, 'x']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if type(value).__name__ in _MISSING_TYPES else str(value)


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain dictionaries."""
    return [plain(row) for row in frame.to_dict(orient="records")]


def to_json(value: Any) -> str:
    """Return canonical JSON: keys sorted, two spaces, UTF-8 text, one newline at the end."""
    return json.dumps(plain(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def collect(outputs: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return what the outputs of a notebook recorded, by kind, in the order of the notebook.

    Parameters
    ----------
    outputs : iterable of nbformat outputs

    Returns
    -------
    dict
        Keys `headline, estimates, withheld, verdicts, checks`, each a list of plain rows.
    """
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for output in outputs:
        content = output.get("data", {}).get(MIME)
        if not isinstance(content, Mapping):
            continue
        for kind in KINDS:
            found[kind].extend(plain(content.get(kind, [])))
    return found


def overall_status(headlines: Iterable[Mapping[str, Any]]) -> str:
    """Return the status of a report: withheld when every part is, caution when any part is not answered.

    Examples
    --------
    >>> overall_status([{"status": "withheld"}, {"status": "answered"}])
    'caution'
    """
    statuses = {headline["status"] for headline in headlines}
    if statuses == {WITHHELD}:
        return WITHHELD
    return ANSWERED if statuses <= {ANSWERED} else CAUTION
