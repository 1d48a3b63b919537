"""A guess: what is written, on what it rests, what speaks against it, and what may stand there instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

SOME = 4


@dataclass(frozen=True)
class Guess:
    """One value of the study file.

    Attributes
    ----------
    value : object
        What is written.
    evidence : str
        On what it rests.
    doubt : str
        What may be wrong with it; "" when nothing is.
    instead : tuple of str
        Lines of the study file that may stand there instead.
    """

    value: object
    evidence: str
    doubt: str = ""
    instead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What the files do not say.

    Attributes
    ----------
    text : str
        The question, with what was seen.
    choices : tuple of str
        What may be answered.
    likely : str
        The guess; taken when nobody is asked.
    """

    text: str
    choices: tuple[str, ...]
    likely: str


Ask = Callable[[Question], str | None]
"""Puts a question; None when nobody answers and the guess is taken."""


def take_guess(question: Question) -> str | None:
    """Ask nobody."""
    return None


def names(columns: Sequence[str]) -> str:
    """Return names for a sentence: few as they are, many by the first and the last.

    Examples
    --------
    >>> names(["a", "b"]), names([f"wai_{n}" for n in range(1, 13)])
    ('a, b', 'wai_1 to wai_12')
    """
    if len(columns) <= SOME:
        return ", ".join(columns)
    return f"{columns[0]} to {columns[-1]}"


def span(low: float, high: float) -> str:
    """Return a range of numbers for a sentence."""
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
