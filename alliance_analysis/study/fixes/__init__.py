"""Gives every problem the piece of study.yml that mends it, and says once what many columns have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alliance_analysis.study.battery import Battery, batteries
from alliance_analysis.study.definition import Definition
from alliance_analysis.study.fixes.answers import answers_fix, are_words
from alliance_analysis.study.fixes.codes import code_fix, missing_codes, scale_fix
from alliance_analysis.study.fixes.keys import key_fix
from alliance_analysis.study.fixes.repeats import repeat_fix
from alliance_analysis.study.fixes.words import word_fix
from alliance_analysis.study.notes import name_columns
from alliance_analysis.study.problems import Problem
from alliance_analysis.study.snippet import Scalar
from alliance_analysis.study.tidy import Part, range_complaint
from alliance_analysis.study.vocabulary import SESSION

_OUTSIDE = (" value outside ", " values outside ")
_NO_NUMBERS = (" is not a number (row ", " cells are not numbers; ")


def add_fixes(problems: Sequence[Problem], definition: Definition, parts: Sequence[Part]) -> list[Problem]:
    """Return the problems with their fixes; values outside the scale in several items of a battery become one problem.

    Parameters
    ----------
    problems : sequence of Problem
        What stops a study.
    definition : Definition
        The study file.
    parts : sequence of Part
        Its files.

    Returns
    -------
    list of Problem
    """
    found_in = [battery for part in parts for battery in batteries(part, definition.measures)]
    codes = [missing_codes(battery) for battery in found_in]
    everywhere = list(dict.fromkeys(code for each in codes for code in each))
    found: list[Problem] = []
    left = list(problems)
    for battery, own in zip(found_in, codes, strict=True):
        told, left = _told_of(battery, left)
        found += [_with_cells_fix(one, battery, own, definition, everywhere) for one in _merged(told, battery)]
    return found + [_with_fix(one, definition, parts) for one in left]


def _told_of(battery: Battery, problems: Sequence[Problem]) -> tuple[list[Problem], list[Problem]]:
    """Split problems into those about values or words of these cells, and all others."""
    places = {battery.part.place(name) for name in battery.names}
    told = [
        one
        for one in problems
        if one.file == battery.part.table.name
        and one.place in places
        and any(mark in one.text for mark in (*_OUTSIDE, *_NO_NUMBERS))
    ]
    return told, [one for one in problems if one not in told]


def _merged(told: list[Problem], battery: Battery) -> list[Problem]:
    """Return one problem for values outside the scale, and one for words, in several columns of one battery."""
    words = [one for one in told if any(mark in one.text for mark in _NO_NUMBERS)]
    if words and are_words(battery):
        text, fix = answers_fix(battery)
        places = [column for column in battery.columns if any(one.place == column for one in words)]
        where = name_columns(places) if places else words[0].place
        told = [replace(words[0], place=where, text=text, fix=fix), *(one for one in told if one not in words)]
    outside = [one for one in told if any(mark in one.text for mark in _OUTSIDE)]
    # rows that were ratings have become sessions, whose numbers are those of the first rating only
    if len(outside) < 2 or battery.limits is None or len(battery.part.rows) != len(battery.part.table.rows):
        return told
    places = [column for column in battery.columns if any(one.place == column for one in outside)]
    rows = np.repeat(battery.part.rows, len(battery.names))
    text = range_complaint(battery.answers.ravel(), rows, *battery.limits)
    whole = replace(outside[0], place=name_columns(places), text=text)
    return [whole, *(one for one in told if one not in outside)]


def _with_cells_fix(
    problem: Problem, battery: Battery, codes: Sequence[Scalar], definition: Definition, everywhere: Sequence[Scalar]
) -> Problem:
    if any(mark in problem.text for mark in _OUTSIDE):
        text, fix = scale_fix(battery)
        if fix:
            return replace(problem, text=f"{problem.text.partition('. ')[0]}. {text}Correct what is wrong.", fix=fix)
    if problem.fix or not codes:
        return problem
    return replace(problem, fix=code_fix(battery, codes, definition, everywhere))


def _with_fix(problem: Problem, definition: Definition, parts: Sequence[Part]) -> Problem:
    if problem.fix:
        return problem
    part = next((one for one in parts if one.table.name == problem.file), None)
    fix = ""
    if part is not None and "not one of the allowed words" in problem.text:
        fix = word_fix(part, problem.place.partition(" ")[0], definition)
    elif part is not None and problem.place == SESSION and " rows repeat " in problem.text:
        why, fix = repeat_fix(part)
        problem = replace(problem, text=f"{problem.text} {why}".rstrip())
    return replace(problem, fix=fix or key_fix(problem, definition, parts))
