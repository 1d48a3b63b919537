"""Typed access to the keys of a study file: each wrong one becomes a problem with its line, and reading goes on."""

from __future__ import annotations

import math
from typing import Any

from alliance_analysis.study.problems import Problem, nearest, show
from alliance_analysis.study.yamlfile import KeyPath, YamlFile


class Keys:
    """Typed access to the keys of a study file that collects a problem for each wrong one."""

    def __init__(self, file: YamlFile) -> None:
        self.file = file
        self.problems = list(file.problems)
        self.notes: list[str] = []
        self._told: set[KeyPath] = set()

    @property
    def told(self) -> frozenset[KeyPath]:
        """Keys that something has been said of, also under a misspelt name: nothing more is to be said of them."""
        return frozenset(self._told)

    def wrong(self, path: KeyPath, text: str) -> None:
        """Add a problem at the line of the nearest key that is written in the file."""
        known = path
        while known and known not in self.file.lines:
            known = known[:-1]
        line = self.file.lines.get(known, 1)
        self._told.add(path)
        self.problems.append(Problem(self.file.file, f"line {line}", f"{'.'.join(path)} {text}", line))

    def raw(self, path: KeyPath) -> Any:
        """Return the value of a key as YAML reads it, or None."""
        found: Any = self.file.values
        for key in path:
            if isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict):
                found = found.get(key)
            else:
                return None
        return found

    def has(self, path: KeyPath) -> bool:
        """Say whether a key is written, whatever its value."""
        holder = self.raw(path[:-1]) if path[:-1] else self.file.values
        return isinstance(holder, dict) and path[-1] in holder

    def only(self, path: KeyPath, allowed: tuple[str, ...]) -> None:
        """Report every key that is not allowed here, with the nearest allowed one."""
        found = self.raw(path) if path else self.file.values
        if found is None:
            return
        if not isinstance(found, dict):
            self.wrong(path, f"must be a list of `key: value` lines, got {show(found)}.")
            return
        for key in found:
            if key not in allowed:
                hint = nearest(key, allowed) or f"; allowed are {', '.join(allowed)}"
                self._told.update((*path, meant) for meant in allowed if nearest(key, [meant]))
                self.wrong((*path, key), f"is not a key{hint}.")

    def mapping(self, path: KeyPath) -> dict[str, Any]:
        """Return the keys below this one."""
        found = self.raw(path)
        if found is None or isinstance(found, dict):
            return found or {}
        self.wrong(path, f"must be a list of `key: value` lines, got {show(found)}.")
        return {}

    def text(self, path: KeyPath) -> str | None:
        """Return a text exactly as written, or None: a column called ``No`` is not the value false."""
        found = self.raw(path)
        if isinstance(found, dict | list):
            self.wrong(path, "must be one word or a quoted text.")
            return None
        written = self.file.texts.get(path, "").strip()
        # an empty value and an explicit null both mean "not stated"; YAML's words for false stay the text they are
        return written if found is not None and written else None

    def texts(self, path: KeyPath) -> tuple[str, ...]:
        """Return a list of texts as written; one text counts as a list of one."""
        found = self.raw(path)
        if found is None:
            return ()
        if not isinstance(found, list):
            one = self.text(path)
            return (one,) if one else ()
        written = [self._text_at((*path, str(position))) for position in range(len(found))]
        return tuple(text for text in written if text)

    def _text_at(self, path: KeyPath) -> str | None:
        if path in self.file.texts:
            return self.file.texts[path].strip() or None
        self.wrong(path, "must be one word or a quoted text.")
        return None

    def flag(self, path: KeyPath, default: bool | None) -> bool | None:
        """Return true or false."""
        found = self.raw(path)
        if found is None or isinstance(found, bool):
            return default if found is None else found
        self.wrong(path, f"must be true or false, got {show(found)}.")
        return default

    def choice(self, path: KeyPath, allowed: tuple[str, ...]) -> str | None:
        """Return one of the allowed words, or None."""
        found = self.text(path)
        if found is None or found in allowed:
            return found
        self.wrong(path, f"must be {' or '.join(allowed)}, got {show(found)}.")
        return None

    def number(
        self, path: KeyPath, default: float | None, *, low: float, high: float = math.inf, whole: bool = False
    ) -> float | None:
        """Return a number between two limits."""
        found = self.raw(path)
        if found is None:
            return default
        good = is_number(found) and low <= found <= high and not (whole and found != int(found))
        if good:
            return float(found)
        limit = f"of {low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
        self.wrong(path, f"must be a {'whole ' if whole else ''}number {limit}, got {show(found)}.")
        return default


def is_number(value: object) -> bool:
    """Say whether a YAML value is a finite number (true and false are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
