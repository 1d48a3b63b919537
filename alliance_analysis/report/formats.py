"""Turns numbers into text, the same way on every page: the one place where a number becomes a string."""

from __future__ import annotations

import math
from typing import Any

MISSING = "–"
MINUS = "−"


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
    if number != 0 and not text.strip("0.,"):
        text = _small(abs(number))
    return f"{MINUS}{text}" if number < 0 else text


def _small(number: float) -> str:
    if number >= 1e-4:
        return f"{number:.{1 - math.floor(math.log10(number))}f}"
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa} × 10^{MINUS}{abs(int(exponent))}"


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
    """Return an interval in brackets; a missing limit is a dash, an interval without limits is one dash.

    Examples
    --------
    >>> format_interval(-0.31, 0.104)
    '[−0.31, 0.10]'
    """
    if math.isnan(as_float(low)) and math.isnan(as_float(high)):
        return MISSING
    return f"[{format_number(low, digits)}, {format_number(high, digits)}]"


def format_percent(share: float, digits: int = 0) -> str:
    """Return a share between 0 and 1 as a percentage.

    Examples
    --------
    >>> format_percent(0.95), format_percent(0.125, 1)
    ('95 %', '12.5 %')
    """
    number = as_float(share)
    return MISSING if math.isnan(number) else f"{format_number(100 * number, digits)} %"


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
    return format_count(value) if as_float(value).is_integer() else format_number(value)
