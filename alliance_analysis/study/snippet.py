"""Writes a piece of study.yml, from its first key on, so that it can be pasted there or shown in a message."""

from __future__ import annotations

import re
from collections.abc import Sequence

from alliance_analysis.study.yamlfile import KeyPath

Scalar = str | float
Value = Scalar | Sequence[Scalar]

_PLAIN = re.compile(r"[^\W\d][\w.-]*(?: [\w.]+)*")
_WHOLE = re.compile(r"-?[0-9]+")
_TAKEN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"}


def snippet(path: KeyPath, value: Value, comment: str = "") -> str:
    """Return the lines that set one key.

    Parameters
    ----------
    path : tuple of str
        Keys from the first level on.
    value : text, number, or a list of them
    comment : str, optional
        Stands behind the value.

    Examples
    --------
    >>> print(snippet(("measures", "symptoms", "missing"), [99, "k.A."], "per measure"))
    measures:
      symptoms:
        missing: [99, k.A.]  # per measure
    """
    lines = [f"{'  ' * depth}{key if _WHOLE.fullmatch(key) else _scalar(key)}:" for depth, key in enumerate(path)]
    lines[-1] += f" {_value(value)}{f'  # {comment}' if comment else ''}"
    return "\n".join(lines)


def together(snippets: Sequence[str]) -> str:
    """Return several pieces that begin with the same keys as one, each key once.

    Examples
    --------
    >>> print(together([snippet(("words", "phase", "post"), ["T2"]), snippet(("words", "phase", "treatment"), ["T1"])]))
    words:
      phase:
        post: [T2]
        treatment: [T1]
    """
    lines: list[str] = []
    for piece in snippets:
        path: list[str] = []
        for line in piece.splitlines():
            depth = (len(line) - len(line.lstrip())) // 2
            path[depth:] = [line]
            if line not in lines or not line.endswith(":"):
                lines.append(line)
    return "\n".join(lines)


def _value(value: Value) -> str:
    if isinstance(value, str | float | int):
        return _scalar(value)
    return f"[{', '.join(_scalar(one) for one in value)}]"


def _scalar(value: Scalar) -> str:
    if not isinstance(value, str):
        return f"{value:.12g}"
    plain = _PLAIN.fullmatch(value) and value.casefold() not in _TAKEN
    return value if plain else f'"{"".join(_written(one) for one in value)}"'


def _written(character: str) -> str:
    """Return a character as it stands in double quotes; what cannot be printed is no YAML as it is."""
    if character in '\\"':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
