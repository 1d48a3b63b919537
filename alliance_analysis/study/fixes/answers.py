"""Says of a battery whose answers are words what is missing in the study file, and what it says itself."""

from __future__ import annotations

import numpy as np

from alliance_analysis.study.answers import MOST_ANSWERS, numbers_in_words
from alliance_analysis.study.battery import Battery
from alliance_analysis.study.problems import count, show
from alliance_analysis.study.snippet import snippet, together

_MOSTLY = 0.5
_SHOWN = 4
_LONGEST = 40


def are_words(battery: Battery) -> bool:
    """Whether answers are words, not codes among numbers: most of them are, or each word says its number itself."""
    words = battery.words
    filled = words.sum() + int(np.isfinite(battery.answers).sum())
    mostly = words.sum() > _MOSTLY * filled or bool(numbers_in_words(words.index))
    return 1 < len(words) <= MOST_ANSWERS and mostly


def answers_fix(battery: Battery) -> tuple[str, str]:
    """Return what to say of answers that are words, and the lines that read them where the words hold their numbers."""
    words = battery.words
    shown = ", ".join(_quote(word) for word in sorted(words.index)[:_SHOWN])
    more = ", …" if len(words) > _SHOWN else ""
    cells = count(int(words.sum()), "cell is a word", "cells are words")
    text = f"{cells}, not numbers ({shown}{more}). Say in the measure which number each stands for, for example "
    text += "`answers: {0: never, 1: sometimes}`."
    numbers = numbers_in_words(words.index)
    path = ("measures", battery.measure.name, "answers")
    fix = [snippet((*path, str(number)), word) for word, number in sorted(numbers.items(), key=lambda one: one[1])]
    return text, together(fix)


def _quote(word: str) -> str:
    """Return an answer as it stands: many cells hold it, so that it tells of nobody."""
    return f"'{word}'" if word.isprintable() and len(word) <= _LONGEST else show(word)
