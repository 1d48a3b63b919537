"""Turns numbers into text, the same way on every page: the one place where a number becomes a string."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from alliance_analysis.report.arranged import NO_BREAK

MISSING = "–"
MINUS = "−"
_NOTHING = 1e-12  # below it a number is the dust of floating-point arithmetic
_MOST_PLACES = 4  # decimals a column of small numbers may get


def as_float(value: Any) -> float:
    """Return a number as a float; None, NaN and the missing values of pandas all as NaN."""
    try:
        return float(value)
    except TypeError:
        return math.nan


def format_number(value: float, digits: int = 2) -> str:
    """Return a number with a fixed count of decimals and a true minus sign; what would vanish keeps two digits.

    Parameters
    ----------
    value : float
        Any real number; missing gives a dash.
    digits : int
        Decimals, 0 or more.

    Returns
    -------
    str

    Examples
    --------
    >>> format_number(-1.2345), format_number(0.00042), format_number(1234.5, 1)
    ('−1.23', '0.00042', '1,234.5')
    >>> format_number(float("nan")), format_number(float("inf"))
    ('–', '∞')
    """
    number = as_float(value)
    if math.isnan(number):
        return MISSING
    if math.isinf(number):
        return "∞" if number > 0 else f"{MINUS}∞"
    text = f"{abs(number):,.{digits}f}"
    if abs(number) < _NOTHING:
        return text
    if not text.strip("0.,"):
        text = _small(abs(number))
    return f"{MINUS}{text}" if number < 0 else text


def _small(number: float) -> str:
    if number >= 1e-4:
        return f"{number:.{1 - math.floor(math.log10(number))}f}"
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa} × 10^{MINUS}{abs(int(exponent))}"


def format_fixed(value: float, digits: int = 2) -> str:
    """Return a number with exactly this many decimals, as the cells of one column need it.

    What would be rounded to zero is bounded instead: "< 0.01", below zero "> −0.01"; only zero itself (and less than
    1e-12, the dust of arithmetic) is printed as zero.

    Examples
    --------
    >>> format_fixed(0.0036), format_fixed(-0.0036), format_fixed(-3.2e-33), format_fixed(-0.005001)
    ('< 0.01', '> −0.01', '0.00', '−0.01')
    """
    number = as_float(value)
    if not math.isfinite(number) or abs(number) < _NOTHING or f"{abs(number):.{digits}f}".strip("0."):
        return format_number(number, digits)
    unit = f"{10.0**-digits:.{digits}f}"
    return f"> {MINUS}{unit}" if number < 0 else f"< {unit}"


def column_places(values: Iterable[Any], digits: int = 2) -> int:
    """Return how many decimals all numbers of one column get: `digits`, more where even the largest is small.

    Examples
    --------
    >>> column_places([0.0036, 0.5]), column_places([0.0036, -0.0002]), column_places([1e-9])
    (2, 4, 4)
    """
    largest = max((abs(number) for number in map(as_float, values) if math.isfinite(number)), default=0.0)
    if largest < _NOTHING or largest >= 10.0**-digits:
        return digits
    return max(digits, min(_MOST_PLACES, 1 - math.floor(math.log10(largest))))


def format_counted(n: float, one: str, many: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> format_counted(1, "therapist", "therapists"), format_counted(1200, "session", "sessions")
    ('1 therapist', '1,200 sessions')
    """
    return f"{format_count(n)} {one if n == 1 else many}"


def format_count(value: float) -> str:
    """Return a whole number with thousands separated; missing gives a dash.

    Examples
    --------
    >>> format_count(12345)
    '12,345'
    """
    number = as_float(value)
    return MISSING if math.isnan(number) else f"{int(number):,}".replace("-", MINUS)


def format_p(value: float) -> str:
    """Return a p-value as APA prints it: three decimals, no leading zero, never ".000".

    Examples
    --------
    >>> format_p(0.0002), format_p(0.0234), format_p(0.9999)
    ('< .001', '.023', '> .999')
    """
    if math.isnan(as_float(value)):
        return MISSING
    if value < 0.001:
        return "< .001"
    return "> .999" if value > 0.999 else f"{value:.3f}".lstrip("0")


def format_interval(low: float, high: float, digits: int = 2) -> str:
    """Return an interval in brackets, both limits with the same decimals; a missing one is a dash, both are one dash.

    Examples
    --------
    >>> format_interval(-0.31, 0.104)
    '[−0.31, 0.10]'
    """
    if math.isnan(as_float(low)) and math.isnan(as_float(high)):
        return MISSING
    return f"[{format_fixed(low, digits)}, {format_fixed(high, digits)}]"


def format_percent(share: float, digits: int = 0) -> str:
    """Return a share between 0 and 1 as a percentage.

    Examples
    --------
    >>> format_percent(0.95), format_percent(0.125, 1)
    ('95 %', '12.5 %')
    """
    number = as_float(share)
    return MISSING if math.isnan(number) else f"{format_fixed(100 * number, digits)} %"


def format_seconds(seconds: float) -> str:
    """Return how long something took.

    Examples
    --------
    >>> format_seconds(0.4), format_seconds(23.4), format_seconds(171)
    ('under 1 s', '23 s', '2 min 51 s')
    """
    whole = round(seconds)
    if whole < 1:
        return "under 1 s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def format_value(value: Any) -> str:
    """Return any cell as text: whole numbers without decimals, others with two, truth as yes or no, words as they are.

    Examples
    --------
    >>> format_value(240.0), format_value(0.125), format_value("none"), format_value(None)
    ('240', '0.12', 'none', '–')
    """
    if isinstance(value, str):
        return value
    if type(value).__name__ in ("bool", "bool_"):  # numpy's is no subclass of Python's
        return "yes" if value else "no"
    return format_count(value) if as_float(value).is_integer() else format_fixed(value)


_GUARDED = re.compile(r"\[[^\[\]]*\]|\S+ = [^\s\[]+")  # an interval; a value with its name
_BEFORE_INTERVAL = re.compile(r"(?<=\d) (?=\[)")


def unbroken(sentence: str) -> str:
    """Return a sentence whose intervals, and the numbers before them, no line end parts.

    Examples
    --------
    >>> unbroken("so (r = 0.10 [0.05, 0.15])").replace(NO_BREAK, "~")
    'so (r~=~0.10~[0.05,~0.15])'
    """
    joined = _GUARDED.sub(lambda found: found[0].replace(" ", NO_BREAK), sentence)
    return _BEFORE_INTERVAL.sub(NO_BREAK, joined)
