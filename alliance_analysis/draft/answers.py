"""Reads answers that a survey tool wrote as words: which number each stands for, and how one knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from alliance_analysis.draft.blocks import Block, Setting, find_blocks
from alliance_analysis.draft.guess import Ask, Question, names
from alliance_analysis.draft.look import Source
from alliance_analysis.draft.profile import Answers, Profile, describe_column
from alliance_analysis.draft.scales import forms
from alliance_analysis.draft.words import ANSWER_ORDERS, tokens
from alliance_analysis.study.answers import MOST_ANSWERS, numbers_in_words
from alliance_analysis.study.cells import distinct

_FEWEST = 3
_CODE = re.compile(r"[A-Za-z]{1,3}\d{1,2}")


def with_numbers(source: Source, ask: Ask) -> Source:
    """Return a source in which the words of batteries of answers are numbers.

    The number stands in the word (``0 - never``), or the words are put in the order they have in everyday language
    where a questionnaire has as many steps, or the user is asked for their order. Where none of these is possible the
    words are numbered as they come, and marked as open.

    Parameters
    ----------
    source : Source
        One table.
    ask : callable
        Puts a question to the user.
    """
    taken = {str(guess.value) for guess in source.roles.columns.values()}
    free = [one for one in source.profiles if one.name not in taken and not one.dates and not one.row_number]
    wordy = {one.name: one for one in free if one.words and 1 < one.distinct <= MOST_ANSWERS}
    if not wordy:
        return source
    coded = [_coded(one) if one.name in wordy else one for one in free]
    found: dict[str, Answers] = {}
    for block in find_blocks(coded, Setting(source.roles.one_row_per_client, source.title)):
        own = [wordy[name] for name in block.held if name in wordy]
        words = list(dict.fromkeys(word for one in own for word in one.values))
        if own and _are_answers(block, words):
            found |= dict.fromkeys((one.name for one in own), _answers(block, words, ask))
    if not found:
        return source
    frame = source.table.frame.copy(deep=False)
    for name, answers in found.items():
        each, numbers = distinct(frame[name]), {word: f"{number}" for word, number in answers.numbers}
        frame[name] = pd.Series(each.spread(each.texts.replace(numbers)), index=frame.index)
    profiles = tuple(
        replace(describe_column(one.name, frame[one.name], one.label), answers=found[one.name])
        if one.name in found
        else one
        for one in source.profiles
    )
    return replace(source, table=replace(source.table, frame=frame), profiles=profiles)


def _coded(one: Profile) -> Profile:
    return replace(one, numeric=True, numbers=np.arange(1.0, one.distinct + 1), weights=np.ones(one.distinct))


def _are_answers(block: Block, words: Sequence[str]) -> bool:
    """Whether a few words stand in several columns that belong together; yes and no alone are no scale."""
    known = block.items and block.form is not None
    battery = len(block.columns) >= _FEWEST and len(words) >= _FEWEST
    return len(words) <= MOST_ANSWERS and (known or battery)


def _answers(block: Block, words: Sequence[str], ask: Ask) -> Answers:
    said = numbers_in_words(words)
    if said:
        codes = all(_CODE.fullmatch(word) for word in words)
        return Answers(tuple(sorted(said.items(), key=lambda one: one[1])), "code" if codes else "said")
    steps = _steps(block, len(words))
    order = everyday_order(words)
    if order and (steps or block.form is None):
        return _numbered(order, steps[0] if steps else 1, "order")
    how = "open"
    if steps:
        order, how = _ask_order(block, words, ask)
    return _numbered(order or list(words), steps[0] if steps else 1, how)


def _numbered(words: Sequence[str], first: int, how: str) -> Answers:
    return Answers(tuple((word, first + at) for at, word in enumerate(words)), how)


def _steps(block: Block, number: int) -> tuple[int, int] | None:
    """Return the lowest and the highest answer of a form with as many answers as there are words."""
    known = [one for one in forms(block, None) if one.item_low is not None and one.item_high is not None]
    fitting = [one for one in known if one.item_high - one.item_low + 1 == number]  # type: ignore[operator]
    best = min(fitting, key=lambda one: one.n_items != len(block.columns), default=None)
    return None if best is None else (int(best.item_low or 0), int(best.item_high or 0))


def everyday_order(words: Sequence[str]) -> list[str]:
    """Return words of frequency, amount or agreement from the least on; empty where one of them is none of these.

    Examples
    --------
    >>> everyday_order(["Often", "never", "Sometimes"]), everyday_order(["never", "Monday"])
    (['never', 'Sometimes', 'Often'], [])
    """
    for order in ANSWER_ORDERS:
        ranks = {word: order.get(" ".join(tokens(word))) for word in words}
        if None not in ranks.values() and len(set(ranks.values())) == len(words):
            return sorted(words, key=lambda word: ranks[word] or 0)
    return []


def _ask_order(block: Block, words: Sequence[str], ask: Ask) -> tuple[list[str], str]:
    """Ask for one word after the other, from the lowest; "open" with what was said where an answer is left out."""
    left, order = list(words), list[str]()
    while len(left) > 1:
        which = "Which comes next?" if order else "Which is the lowest score?"
        text = f"{names(block.held)} ({block.form}) hold words. {which}"
        answer = ask(Question(text, tuple(left), left[0]))
        if answer is None:
            return [*order, *left], "open"
        order.append(answer)
        left.remove(answer)
    return [*order, *left], "told"
