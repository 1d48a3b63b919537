"""Holds two runs against each other, input by input and row by row, and says in plain words what is not the same."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alliance_analysis.report.formats import MINUS, MISSING
from alliance_analysis.report.results import to_json

TOLERANCE = 1e-6  # of a standard error; `compare_runs` gives the reasons
_LOOSER = 100  # df and p-values stand on second derivatives: a hundred times the tolerance, of themselves
_DUST = 1e-12  # of floating-point arithmetic
_SHOWN = 70  # characters of a text that a line or a cell shows
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b")  # twelve digits tell two commits or checksums apart

DATA, PARAMETERS, REPORT, HEADLINE, ESTIMATE = "data", "parameters", "report", "headline", "estimate"
VERDICT, NUMBER, CHECK = "verdict", "number", "check"
WORDING, NOTEBOOK, VERSION = "wording", "notebook", "version"
# worst first: what explains the rest, what is missing, what is said, what is counted; the last three are only said
KINDS = (DATA, PARAMETERS, REPORT, HEADLINE, ESTIMATE, VERDICT, NUMBER, CHECK, WORDING, NOTEBOOK, VERSION)
_SAID = (WORDING, NOTEBOOK, VERSION)

_KEY = ("model", "term", "level", "group")
_COUNTS = ("n_sessions", "n_clients", "n_therapists")
_LOCATED = ("estimate", "conf_low", "conf_high", "standardised")
_NUMBERS = (*_LOCATED[:1], "std_error", "statistic", "df", "p_value", *_LOCATED[1:], *_COUNTS)
_WORDS = {
    "std_error": "standard error", "p_value": "p-value", "conf_low": "lower limit", "conf_high": "upper limit",
    "standardised": "standardised estimate", "n_sessions": "number of sessions", "n_clients": "number of clients",
    "n_therapists": "number of therapists", "primary": "primary estimate", "consistent_tau_0": "consistent, tau 0",
    "consistent_tau_05": "consistent, tau 0.05", "consistent_tau_10": "consistent, tau 0.10",
    "small_telescopes": "small telescopes", "own": "own result", "published": "published result",
}  # fmt: skip
_JUDGED = ("verdict", "small_telescopes", "consistent_tau_0", "consistent_tau_05", "consistent_tau_10", "own",
           "published")  # fmt: skip

_COUNTED, _ERRORS, _OF_INTERVAL = "counted", "standard errors", "of the interval"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in two runs.

    Attributes
    ----------
    kind : str
        One of KINDS.
    report : str
        Number of the question; "" for the whole run.
    where, quantity : str
        What is looked at, in words, and which property of it.
    first, second : any
        The two values; None where a run has none.
    apart : str
        How far apart they are, or what it means, in words; may be empty.
    difference, allowed : float or None
        Second minus first, and how large it may be; None for what is no number.
    key : tuple of str
        model, term, level, group of an estimate.
    """

    kind: str
    report: str
    where: str
    quantity: str
    first: Any
    second: Any
    apart: str = ""
    difference: float | None = None
    allowed: float | None = None
    key: tuple[str, ...] = ("", "", "", "")

    @property
    def decides(self) -> bool:
        """Whether it makes the runs different, and is not only to be said."""
        return self.kind not in _SAID

    @property
    def share(self) -> float:
        """The size of the difference over the largest one allowed; infinite for what is no number."""
        if self.difference is None or not self.allowed:
            return math.inf
        return abs(self.difference) / self.allowed

    @property
    def line(self) -> str:
        """The difference as one sentence."""
        return self.say("in the first run", "in the second")

    @property
    def place(self) -> str:
        """Where the difference is, in words."""
        parts = (f"question {self.report}" if self.report else "", _printable(self.where))
        return f"{', '.join(part for part in parts if part)}: {self.quantity}"

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Place, first, second, apart, each fit for a table: short, no control characters."""
        return self.place, *shown_pair(self.first, self.second), self.apart

    def say(self, first_place: str, second_place: str) -> str:
        """Return the difference as one sentence that calls the two runs as given."""
        place, first, second, apart = self.cells
        return f"{place} {first} {first_place}, {second} {second_place}{f' ({apart})' if apart else ''}."


def worst_first(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return differences by kind as in KINDS, the largest first."""
    return tuple(
        sorted(differences, key=lambda d: (KINDS.index(d.kind), -d.share, d.report, d.where, d.key, d.quantity))
    )


def diff_inputs(first: Row, second: Row) -> Iterator[Difference]:
    """Yield what differs in what two runs rest on (the contents of their `run.json`)."""
    one, two = first["inputs"], second["inputs"]
    title = one["study"].get("title"), two["study"].get("title")
    if title[0] != title[1]:
        yield Difference(DATA, "", "study", "title", *title, "not the same study")
    yield from _files(one["files"], two["files"])
    for package in sorted({*one["versions"], *two["versions"]}):
        yield from _unequal(VERSION, "", package, "version", one["versions"].get(package), two["versions"].get(package))
    yield from _unequal(VERSION, "", "alliance-analysis", "commit", one.get("commit"), two.get("commit"))
    for number in sorted({*first["reports"]} & {*second["reports"]}):
        entry, other = first["reports"][number], second["reports"][number]
        yield from _unequal(NOTEBOOK, number, "notebook", "name", entry["notebook"], other["notebook"])
        yield from _unequal(NOTEBOOK, number, entry["notebook"], "SHA-256", entry.get("sha256"), other.get("sha256"))
        for name in sorted({*entry["parameters"], *other["parameters"]}):
            values = entry["parameters"].get(name), other["parameters"].get(name)
            yield from _unequal(PARAMETERS, number, name, "value", *values)


def _files(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    """A file with the same content under another name is the same data."""
    for name in sorted({*first, *second}):
        one, two = first.get(name), second.get(name)
        if one is None and two in first.values():
            continue
        if two is None and one in second.values():
            renamed = next(other for other, content in sorted(second.items()) if content == one)
            yield Difference(NOTEBOOK, "", "data file", "name", name, renamed, "the same content")
            continue
        yield from _unequal(DATA, "", name, "SHA-256", one, two, "not the same data")


def _unequal(kind: str, report: str, where: str, quantity: str, *values: Any) -> Iterator[Difference]:
    first, second, *apart = values
    if first != second:
        yield Difference(kind, report, where, quantity, first, second, *apart)


def diff_results(number: str, first: Row, second: Row, tolerance: float) -> Iterator[Difference]:
    """Yield what differs in two `results.json` of a question, numbers within the tolerance included.

    Whether a number exceeds what is allowed says its `share` (above 1); counts and texts are equal or not.
    """
    yield from _unequal(HEADLINE, number, "report", "status", first["status"], second["status"])
    yield from _unequal(WORDING, number, "report", "reason", first.get("reason"), second.get("reason"))
    for key, one, two in _paired(first["headlines"], second["headlines"], ("part",)):
        yield from _headline(number, key[0] or "headline", one, two)
    yield from _estimates(number, first, second, tolerance)
    for key, one, two in _paired(first["verdicts"], second["verdicts"], ("finding_id", "level", "metric")):
        where = f"finding {', '.join(part for part in key if part)}"
        for name in _JUDGED if one and two else _JUDGED[:1]:
            values = (one or {}).get(name), (two or {}).get(name)
            yield from _same(VERDICT, number, where, name, values, tolerance)
    for key, one, two in _paired(first["checks"], second["checks"], ("check",)):
        where = f"check “{key[0]}”"
        status = (one or {}).get("status"), (two or {}).get("status")
        yield from _unequal(CHECK, number, where, "status", *status)
        if one and two:
            yield from _same(CHECK, number, where, "value", (one.get("value"), two.get("value")), tolerance)


def _headline(number: str, where: str, one: Row | None, two: Row | None) -> Iterator[Difference]:
    names = (("sentence", HEADLINE), ("status", HEADLINE), ("reason", WORDING))
    for name, kind in names if one and two else names[:1]:
        yield from _unequal(kind, number, where, name, (one or {}).get(name), (two or {}).get(name))


def _estimates(number: str, first: Row, second: Row, tolerance: float) -> Iterator[Difference]:
    reasons = [{_withheld(row): row.get("reason") for row in side["withheld"]} for side in (first, second)]
    seen = set()
    for key, one, two in _paired(first["estimates"], second["estimates"], _KEY):
        where = _name(key)
        if one and two:
            yield from _numbers(number, where, key, one, two, tolerance)
            continue
        short = (key[0], key[1], key[3])
        seen.add(short)
        value, other = (
            row.get("estimate") if row else f"withheld: {why[short]}" if short in why else "no such estimate"
            for row, why in zip((one, two), reasons, strict=True)
        )
        yield Difference(ESTIMATE, number, where, "estimate", value, other, "in one run only", key=key)
    for short in sorted({*reasons[0], *reasons[1]} - seen):
        key = (short[0], short[1], "", short[2])
        both = short in reasons[0] and short in reasons[1]
        values = [why.get(short, "not withheld") for why in reasons]
        yield from _unequal(WORDING if both else ESTIMATE, number, _name(key), "reason for withholding", *values)


def _withheld(row: Row) -> tuple[str, str, str]:
    return str(row.get("model") or ""), str(row.get("term") or ""), str(row.get("group") or "")


def _name(key: Sequence[str]) -> str:
    model, term, level, group = key[:4]
    return f"{model}{f', {group}' if group else ''}: {term}{f' ({level})' if level else ''}"


def _numbers(
    report: str, where: str, key: tuple[str, ...], one: Row, two: Row, tolerance: float
) -> Iterator[Difference]:
    yield from _unequal(ESTIMATE, report, where, _WORDS["primary"], one.get("primary"), two.get("primary"))
    for quantity in _NUMBERS:
        values = _finite(one.get(quantity)), _finite(two.get(quantity))
        unit, words, share = _yardstick(quantity, one, two)
        yield from _distance((NUMBER, report, where, _WORDS.get(quantity, quantity)), values, (unit, words),
                             tolerance * share, key)  # fmt: skip


def _yardstick(quantity: str, one: Row, two: Row) -> tuple[float, str, float]:
    """Return the unit in which a number may differ (0: the number itself), its name, and a factor of the tolerance."""
    if quantity in _COUNTS:
        return 1.0, _COUNTED, 0.0
    if quantity in ("df", "p_value"):
        return 0.0, "", _LOOSER
    if quantity == "statistic":  # estimate over standard error, each of which may differ by the tolerance
        return 1.0 + max(abs(_finite(row.get("statistic")) or 0.0) for row in (one, two)), "", 1.0
    if quantity not in _LOCATED:
        return 0.0, "", 1.0
    unit, words = min(_error(one), _error(two))
    if quantity == "standardised":
        raw, own = _finite(one.get("estimate")), _finite(one.get("standardised"))
        unit = unit * abs(own / raw) if raw and own else 0.0
    return unit, words, 1.0


def _error(row: Row) -> tuple[float, str]:
    """Return the standard error of a row; without one, a quarter of its interval, and 0 where it has neither."""
    error, low, high = (_finite(row.get(name)) for name in ("std_error", "conf_low", "conf_high"))
    if error:
        return abs(error), _ERRORS
    if low is not None and high is not None and low != high:
        return abs(high - low) / 4, _OF_INTERVAL
    return 0.0, ""


def _same(
    kind: str, report: str, where: str, name: str, values: tuple[Any, Any], tolerance: float
) -> Iterator[Difference]:
    """Compare what may be a text, a count or a number."""
    place = (kind, report, where, _WORDS.get(name, name))
    if all(isinstance(value, float | int) and not isinstance(value, bool) for value in values):
        counted = all(isinstance(value, int) for value in values)
        yardstick = (1.0, _COUNTED) if counted else (0.0, "")
        yield from _distance(place, values, yardstick, 0.0 if counted else _LOOSER * tolerance)
    else:
        yield from _unequal(*place, *values)


def _distance(
    place: tuple[str, str, str, str],
    values: tuple[float | None, float | None],
    yardstick: tuple[float, str],
    tolerance: float,
    key: tuple[str, ...] = ("", "", "", ""),
) -> Iterator[Difference]:
    first, second = values
    if first == second:
        return
    if first is None or second is None:
        yield Difference(*place, first, second, "in one run only", key=key)
        return
    size = max(abs(first), abs(second))
    unit, words = yardstick
    allowed = max(tolerance * (unit or size), _DUST * max(1.0, size)) if tolerance else 0.0
    gap = second - first
    yield Difference(*place, first, second, _apart(abs(gap), size, unit, words), gap, allowed, key)


def _apart(gap: float, size: float, unit: float, words: str) -> str:
    if words == _COUNTED:
        return f"{gap:,.0f}"
    if words == _OF_INTERVAL:
        return f"{25 * gap / unit:.2g} % of the interval"
    return f"{gap / unit:.2g} {words}" if words else f"{100 * gap / size:.2g} %"


def _finite(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and math.isfinite(value) else None


def _paired(
    first: Sequence[Row], second: Sequence[Row], names: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], Row | None, Row | None]]:
    """Yield (key, row, row) of every key of two tables, whatever their order; None where one has no such row."""
    one, two = _keyed(first, names), _keyed(second, names)
    for key, copy in sorted({*one, *two}):
        yield key, one.get((key, copy)), two.get((key, copy))


def _keyed(rows: Sequence[Row], names: Sequence[str]) -> dict[tuple[tuple[str, ...], int], Row]:
    found: dict[tuple[tuple[str, ...], int], Row] = {}
    for row in sorted(rows, key=to_json):
        key = tuple(str(row.get(name) or "") for name in names)
        copy = 0
        while (key, copy) in found:  # a key that is not unique: row by row
            copy += 1
        found[key, copy] = row
    return found


def shown_pair(first: Any, second: Any) -> tuple[str, str]:
    """Return two unequal values as text short enough to read, with as many digits as tell them apart.

    Examples
    --------
    >>> shown_pair(-0.1000001, -0.1000002)
    ('−0.1000001', '−0.1000002')
    >>> shown_pair(None, 12)
    ('–', '12')
    """
    for digits in (4, 7, 10, 17):
        one, two = _text(first, digits), _text(second, digits)
        if one != two:
            break
    start = 0
    if isinstance(first, str) and isinstance(second, str) and max(len(one), len(two)) > _SHOWN:
        alike = next(
            (k for k, pair in enumerate(zip(one, two, strict=False)) if len({*pair}) > 1), min(len(one), len(two))
        )
        start = max(0, one.rfind(" ", 0, max(0, alike - _SHOWN // 3)) + 1)
    return _cut(one, start), _cut(two, start)


def _text(value: Any, digits: int) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.{digits}g}".replace("-", MINUS) if isinstance(value, float) else f"{value}"
    text = _printable(str(value))
    return _HASH.sub(r"\1…", text)


def _printable(text: str) -> str:
    """Return a text without the control characters that could steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cut(text: str, start: int) -> str:
    shown = ("… " if start else "") + text[start:]
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 2] + " …"
