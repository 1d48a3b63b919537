"""Collects what a notebook recorded, for machines: `results.json` and a csv per table."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MIME = "application/vnd.alliance.report+json"
SCHEMA = "alliance-results/1"
TABLES_SCHEMA = "alliance-tables/1"
ANSWERED, CAUTION, WITHHELD = "answered", "caution", "withheld"
NOT_ANSWERABLE, FAILED = "not_answerable", "failed"
HEADLINE_STATUSES = (ANSWERED, CAUTION, WITHHELD)
_MISSING_TYPES = ("NAType", "NaTType")  # of pandas, which a worker process never needs to import
KINDS = ("headline", "estimates", "withheld", "verdicts", "checks")
TABLES, METHODS = "tables", "methods"  # recorded like a kind, but no part of `results.json`
# what a spreadsheet takes for the start of a formula, as typed in the West and in East Asia
_STARTS_FORMULA = tuple("=+-@\t\n＝＋－＠")
_LONGEST_SLUG = 60


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


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as csv: snake_case columns, numbers in full, no text that a spreadsheet would run as a formula.

    Missing cells are empty, an infinite number is "inf".

    Examples
    --------
    >>> import pandas as pd
    >>> csv_text(pd.DataFrame({"Score, mean": [-0.1, float("inf")], "b": ["=1+1", None]}))
    "score_mean,b\\n-0.1,'=1+1\\ninf,\\n"
    """
    return frame.set_axis(_snake_names(frame.columns), axis=1).map(_as_text).to_csv(index=False, lineterminator="\n")


def _snake_names(columns: Iterable[Any]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name = first = re.sub(r"\W+", "_", str(column)).strip("_").lower() or "column"
        while name in names:
            name = f"{first}_{1 + int(name.removeprefix(first).strip('_') or 1)}"
        names.append(name)
    return names


def _as_text(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # a lone one would end the row, and is not quoted
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def slug(caption: str) -> str:
    """Return a caption as part of a file name: ASCII letters and digits, up to 60 characters, whole words.

    Examples
    --------
    >>> slug("Sessions, clients and therapists: what is left after each requirement."), slug("Ü“?")
    ('sessions-clients-and-therapists-what-is-left-after-each', 'u')
    """
    plain_letters = unicodedata.normalize("NFKD", caption).encode("ascii", "ignore").decode("ascii").lower()
    words = re.findall(r"[a-z0-9]+", plain_letters)
    name = "-".join(words) or "table"
    if len(name) <= _LONGEST_SLUG:
        return name
    return name[: _LONGEST_SLUG + 1].rpartition("-")[0] or name[:_LONGEST_SLUG]


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
    contents = list(_recorded(outputs))
    return {kind: [row for content in contents for row in plain(content.get(kind, []))] for kind in KINDS}


def collect_tables(outputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tables that the outputs of a notebook show, as recorded, in the order of the notebook."""
    return [plain(table) for content in _recorded(outputs) for table in content.get(TABLES, [])]


def collect_methods(outputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how the recorded models were fitted, in the order of the notebook."""
    return [plain(entry) for content in _recorded(outputs) for entry in content.get(METHODS, [])]


def _recorded(outputs: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for output in outputs:
        content = output.get("data", {}).get(MIME)
        if isinstance(content, Mapping):
            yield content


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
