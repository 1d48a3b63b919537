"""Answers that a survey tool writes as words: which number each stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from alliance_analysis.study.keys import Keys
from alliance_analysis.study.problems import show
from alliance_analysis.study.yamlfile import KeyPath

MOST_ANSWERS = 11
"""Steps of the longest scale of answers in use, 0 to 10; a column with more words holds no answers to one question."""

_KEY = re.compile(r"[+-]?\d+(\.\d+)?")
_PLAIN = re.compile(r"-?\d{1,3}")
_BEFORE = re.compile(r"[(\[]?(-?\d{1,3})[)\]]?\s*[-–—=:.,]?\s*[^\W\d][^\d]*")
_BEHIND = re.compile(r"[^\W\d][^\d]*?\s*[-–—=:,]?\s*[(\[]?(-?\d{1,3})[)\]]?")


def read_answers(keys: Keys, path: KeyPath) -> tuple[tuple[str, float], ...]:
    """Read which number the words of a measure stand for: ``{0: never, 1: [rarely, seldom]}``.

    Returns
    -------
    tuple of (word, number)
        Empty when the study file says nothing.
    """
    found: dict[str, float] = {}
    for number in keys.mapping(path):
        if not _KEY.fullmatch(number):
            keys.wrong((*path, number), "is not a number; write the number first, for example `0: never`.")
            continue
        for word in keys.texts((*path, number)):
            if word in found:
                text = f"and {found[word]:g} both have the word {show(word)}. Keep it once."
                keys.wrong((*path, number), text)
            found.setdefault(word, float(number))
    return tuple(found.items())


def numbers_in_words(words: Iterable[str]) -> dict[str, int]:
    """Return the number each word says itself; empty where a word says none or two say the same.

    Parameters
    ----------
    words : iterable of str
        The different words of some columns; bare numbers among them stand for themselves.

    Examples
    --------
    >>> numbers_in_words(["0 - never", "1", "2", "3 - always"])
    {'0 - never': 0, '1': 1, '2': 2, '3 - always': 3}
    >>> numbers_in_words(["never (0)", "sometimes"])
    {}
    """
    found: dict[str, int] = {}
    for word in words:
        match = _BEFORE.fullmatch(word) or _BEHIND.fullmatch(word)
        number = word if _PLAIN.fullmatch(word) else match[1] if match else None
        if number is None:
            return {}
        found[word] = int(number)
    return found if len(set(found.values())) == len(found) else {}
