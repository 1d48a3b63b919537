"""Answers in words are read as the numbers the study file says, and nothing else is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small_study import Writer

from alliance_analysis.errors import DataError
from alliance_analysis.study.answers import numbers_in_words
from alliance_analysis.study.examine import examine_study
from alliance_analysis.study.studyfile import load_study

ITEMS = [f"p{number}" for number in range(1, 10)]
WORDS = ("never", "rarely", "often", "no, always")
STUDY = f"""\
study: {{title: Clinic}}
data: sessions.csv
missing: [99]
measures:
  symptoms: {{instrument: PHQ-9, items: [{", ".join(ITEMS)}], collected: before, ANSWERS}}
"""
ANSWERS = 'answers: {0: never, 1: rarely, 2: [often, Often], 3: "no, always"}'


def study(answers: str = ANSWERS) -> str:
    return STUDY.replace(", ANSWERS", f", {answers}" if answers else "")


def sessions(words: Sequence[str] = WORDS, change: Callable[[int, int], str | None] = lambda row, item: None) -> str:
    lines = ["client;session;" + ";".join(ITEMS)]
    for row in range(24):
        cells = [change(row, item) or words[(row + item * (row % 3)) % 4] for item in range(9)]
        lines.append(f"c{row // 4};{row % 4 + 1};" + ";".join(cells))
    return "\n".join(lines) + "\n"


def test_words_and_numbers_load_the_same(write: Writer) -> None:
    written = load_study(write(study(""), sessions([str(number) for number in range(4)])))
    said = load_study(write(study(), sessions(change=lambda row, item: "Often" if row == 2 and item == 0 else None)))
    np.testing.assert_array_equal(said.sessions["symptoms"].iloc[3:], written.sessions["symptoms"].iloc[3:])
    assert "sessions.csv, p1 to p9: 216 answers in words read as numbers." in said.notes


def test_a_code_for_missing_and_a_number_may_stand_among_the_words(write: Writer) -> None:
    change = lambda row, item: {0: "99", 1: "3"}.get(row) if item == 0 else None  # noqa: E731
    found = load_study(write(study(), sessions(change=change)))
    assert "sessions.csv, p1: 1 cell with code 99 read as missing." in found.notes
    plain = load_study(write(study(), sessions(change=lambda row, item: WORDS[3] if (row, item) == (1, 0) else None)))
    np.testing.assert_array_equal(found.sessions["symptoms"].iloc[1:], plain.sessions["symptoms"].iloc[1:])


def test_a_word_without_a_number_is_told_with_its_row(write: Writer) -> None:
    with pytest.raises(DataError) as error:
        load_study(write(study(), sessions(change=lambda row, item: "mostly" if (row, item) == (4, 2) else None)))
    assert str(error.value).splitlines()[-1].strip() == (
        "p3: 'mostly' is not a number (row 6). Correct it, or add it with its number under `answers:`; under "
        "`missing:` if it means missing."
    )


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ("answers: {never: 0}", "answers.never is not a number; write the number first, for example `0: never`."),
        ("answers: {0: never, 1: never}", "answers.1 and 0 both have the word 'never'. Keep it once."),
        ("answers: [never]", "answers must be a list of `key: value` lines"),
    ],
)
def test_a_mistake_in_the_key_has_its_line(write: Writer, answers: str, sentence: str) -> None:
    with pytest.raises(DataError) as error:
        load_study(write(study(answers), sessions()))
    first, *others = str(error.value).splitlines()[1:]
    assert first.strip().startswith(f"line 5: measures.symptoms.{sentence}") and others == []


def test_a_check_asks_once_for_the_numbers_and_never_takes_the_words_for_missing(write: Writer) -> None:
    (problem,) = examine_study(write(study(""), sessions())).stops
    assert (problem.place, problem.fix) == ("p1 to p9", "")
    assert problem.text.startswith("216 cells are words, not numbers ('never', 'no, always', 'often', 'rarely'). Say")


def test_numbers_inside_the_words_are_offered_as_lines_that_mend_it(write: Writer) -> None:
    words = ["0 - never", "1", "2", "always (3)"]
    (problem,) = examine_study(write(study(""), sessions(words))).stops
    answers = yaml.safe_load(problem.fix)["measures"]["symptoms"]["answers"]
    assert answers == {0: "0 - never", 3: "always (3)"}
    mended = load_study(write(study(f"answers: {json.dumps(answers)}"), sessions(words)))
    plain = load_study(write(study(""), sessions([str(number) for number in range(4)])))
    np.testing.assert_array_equal(mended.sessions["symptoms"], plain.sessions["symptoms"])


marks = st.sampled_from([" - ", " = ", ": ", " ", ". "])


@given(st.lists(st.integers(0, 100), min_size=2, max_size=11, unique=True), marks, st.booleans())
def test_numbers_are_found_before_and_behind_a_word(numbers: list[int], mark: str, before: bool) -> None:
    words = [f"{number}{mark}word" if before else f"word{mark}{number}" for number in numbers]
    assert numbers_in_words(words) == dict(zip(words, numbers, strict=True))


@pytest.mark.parametrize(
    "words", [["never", "1"], ["1 never", "1 often"], ["2 or 3 times", "1 time"], ["1-2 days", "3"]]
)
def test_words_that_do_not_say_one_number_each_say_nothing(words: list[str]) -> None:
    assert numbers_in_words(words) == {}
