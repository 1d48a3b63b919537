"""Takes column names apart: which questionnaire, who rated, when, which part, and which numbers count something."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from alliance_analysis.draft.aliases import ALIASES, NOT_KNOWN_FORMS, has_parts
from alliance_analysis.draft.words import (
    FOLLOW_UP,
    INTAKE,
    ITEM_MARKS,
    PHASE_WORDS,
    POST,
    RATER_WORDS,
    SCORE_WORDS,
    SESSION_MARKS,
    SUBSCALE_WORDS,
    TIME_UNITS,
    tokens,
)

SLOT = "#"
_DIGITS = re.compile(r"[0-9]+")
_FEWEST_IN_STEP = 2
_ENDS = (INTAKE, POST, FOLLOW_UP)


@dataclass(frozen=True)
class Pattern:
    """Columns whose names differ in numbers only.

    Attributes
    ----------
    parts : tuple of str
        Words of the names; ``#`` where a number counts something.
    columns : dict
        The numbers, one for each ``#`` -> the column.
    runs : tuple of int
        Which of the runs of digits in a name each ``#`` is, from 0.
    """

    parts: tuple[str, ...]
    columns: dict[tuple[int, ...], str]
    runs: tuple[int, ...]

    @property
    def stem(self) -> tuple[str, ...]:
        """The words without the counting numbers."""
        return tuple(part for part in self.parts if part != SLOT)

    def mark(self, slot: int) -> str:
        """Return the word directly before a counting number, "" when there is none."""
        position = [at for at, part in enumerate(self.parts) if part == SLOT][slot]
        before = self.parts[position - 1] if position else ""
        return "" if before == SLOT else before

    def unit(self, slot: int) -> str:
        """Return the unit of time written together with a counting number, "" when there is none."""
        column = next(iter(self.columns.values()))
        number = list(_DIGITS.finditer(column))[self.runs[slot]]
        after = tokens(column[number.end() :])[:1] if column[number.end() :][:1].isalpha() else ()
        return after[0] if after and after[0] in TIME_UNITS else ""

    def values(self, slot: int) -> list[int]:
        """Return the different numbers at one place, sorted."""
        return sorted({numbers[slot] for numbers in self.columns})


def name_with_session(column: str, run: int) -> str:
    """Return a column's name with one of its numbers replaced by the placeholder of the study file.

    Examples
    --------
    >>> name_with_session("WAI_s03_1", 0)
    'WAI_s{session}_1'
    """
    found = list(_DIGITS.finditer(column))[run]
    return f"{column[: found.start()]}{{session}}{column[found.end() :]}"


def find_patterns(columns: Iterable[str]) -> list[Pattern]:
    """Group columns whose names differ in numbers only; what is the same in all of a group belongs to its words."""
    groups: dict[tuple[str, ...], list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for column in columns:
        words = _split(tokens(column))
        numbers = tuple(word for word in words if word.isdigit())
        if len(numbers) != len(_DIGITS.findall(column)) or any(len(number) > 9 for number in numbers):
            words, numbers = (column,), ()  # digits of other scripts cannot be put back into a name
        groups[tuple(SLOT if word.isdigit() else word for word in words)].append((numbers, column))
    return [pattern for parts, members in groups.items() for pattern in _patterns(parts, members)]


def _patterns(parts: tuple[str, ...], members: list[tuple[tuple[str, ...], str]]) -> list[Pattern]:
    """Split the members of a group by the numbers that belong to a questionnaire's name, and drop constant numbers."""
    places = [at for at, part in enumerate(parts) if part == SLOT]
    named = [
        slot
        for slot, place in enumerate(places)
        if _is_of_name(parts, place, {numbers[slot] for numbers, _ in members}, last=place == len(parts) - 1)
    ]
    split: dict[tuple[str, ...], list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for numbers, column in members:
        split[tuple(numbers[slot] for slot in named)].append((numbers, column))
    return [_pattern(parts, places, group) for group in split.values()]


def _is_of_name(parts: tuple[str, ...], place: int, values: set[str], *, last: bool) -> bool:
    for start in range(place):
        before = parts[start:place]
        if SLOT in before:
            continue
        joined = "".join(before)
        known = all(joined + value in ALIASES or joined + value in NOT_KNOWN_FORMS for value in values)
        if known and (not last or len(values) == 1):
            return True
    return False


def _pattern(parts: tuple[str, ...], places: list[int], members: list[tuple[tuple[str, ...], str]]) -> Pattern:
    varying = [slot for slot in range(len(places)) if len({int(numbers[slot]) for numbers, _ in members}) > 1]
    counting = [
        slot for at, slot in enumerate(varying) if not any(_in_step(members, slot, one) for one in varying[:at])
    ]
    words = list(parts)
    for slot, place in enumerate(places):
        if slot not in counting:
            words[place] = members[0][0][slot] if slot not in varying else ""
    words, varying = [word for word in words if word], counting
    columns = {tuple(int(numbers[slot]) for slot in varying): column for numbers, column in members}
    if len(columns) < len(members):  # wai_1 and wai_01 in one file: nothing is counted here
        return Pattern(tuple(words), {(at,): column for at, (_, column) in enumerate(members, start=1)}, ())
    return Pattern(tuple(words), columns, tuple(varying))


def _in_step(members: Sequence[tuple[tuple[str, ...], str]], slot: int, other: int) -> bool:
    """Whether two numbers of the names go together, as in ``w1_item_1`` and ``w2_item_2``: they count one thing."""
    pairs = {(int(numbers[slot]), int(numbers[other])) for numbers, _ in members}
    return len(pairs) == len({one for one, _ in pairs}) == len({one for _, one in pairs}) > _FEWEST_IN_STEP


def _split(words: Sequence[str]) -> tuple[str, ...]:
    """Take apart words that are written together: ``waic`` is a questionnaire and a rater."""
    return tuple(part for word in _mend(words) for part in _unglue(word))


def _mend(words: Sequence[str]) -> list[str]:
    """Put together what capitals split wrongly: the words of ``WAItotal`` are not wa and itotal."""
    mended: list[str] = []
    for word in words:
        whole = f"{mended[-1]}{word}" if mended else ""
        alone = not mended or mended[-1] in ALIASES or word in ALIASES or word.isdigit() or mended[-1].isdigit()
        if not alone and len(_unglue(whole)) > 1 and len(_unglue(mended[-1])) == len(_unglue(word)) == 1:
            mended[-1] = whole
        else:
            mended.append(word)
    return mended


_GLUED = {
    *(word for words in RATER_WORDS.values() for word in words),
    *(word for phase in _ENDS for word in PHASE_WORDS[phase]),
    *SCORE_WORDS, *SESSION_MARKS, *ITEM_MARKS,
    *(word for words in SUBSCALE_WORDS.values() for word in words),
}  # fmt: skip
_GLUABLE = sorted((alias for alias in ALIASES if len(alias) >= 3), key=len, reverse=True)


def _unglue(word: str) -> tuple[str, ...]:
    if word in ALIASES or word in _GLUED or word.isdigit() or not word.isascii():
        return (word,)
    for alias in _GLUABLE:
        if word.startswith(alias) and word[len(alias) :] in _GLUED:
            return alias, word[len(alias) :]
        if word.endswith(alias) and word[: -len(alias)] in _GLUED:
            return word[: -len(alias)], alias
    return (word,)


@dataclass(frozen=True)
class Meaning:
    """What the words of a name say.

    Attributes
    ----------
    alias : str or None
        Folded name of a questionnaire.
    raters : frozenset of str
        Who may have rated, by words that say so; a single letter counts as a hint only.
    clear_rater : bool
        Whether a whole word says who rated.
    phase : str
        "intake", "post", "follow_up" or "".
    part : str
        "goal", "task", "bond" or "".
    score : frozenset of str
        Words such as total or mean.
    marks : frozenset of str
        Words that may count sessions.
    rest : tuple of str
        Words nothing is known of.
    """

    alias: str | None = None
    raters: frozenset[str] = frozenset()
    clear_rater: bool = False
    phase: str = ""
    part: str = ""
    score: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()
    rest: tuple[str, ...] = field(default=())


def read_words(parts: Sequence[str]) -> Meaning:
    """Say what the words of a pattern mean.

    Examples
    --------
    >>> read_words(("wai", "c", "bond", "mean")).alias
    'wai'
    """
    alias, others = _take_alias(tuple(parts))
    meaning = Meaning(alias=alias)
    for at, word in enumerate(others):
        if word == SLOT:
            continue
        meaning = _add(meaning, word, before_slot=at + 1 < len(others) and others[at + 1] == SLOT)
    return meaning


def _add(meaning: Meaning, word: str, *, before_slot: bool) -> Meaning:
    raters = frozenset(who for who, words in RATER_WORDS.items() if word in words)
    phase = next((phase for phase in _ENDS if word in PHASE_WORDS[phase]), "")
    part = next((part for part, words in SUBSCALE_WORDS.items() if word in words and has_parts(meaning.alias)), "")
    known = False
    if raters and not meaning.clear_rater:
        meaning = replace(meaning, raters=raters, clear_rater=len(word) > 2)
        known = True
    if phase and not before_slot:
        meaning, known = replace(meaning, phase=phase), True
    if part:
        meaning, known = replace(meaning, part=part), True
    if word in SCORE_WORDS:
        meaning, known = replace(meaning, score=meaning.score | {word}), True
    if word in SESSION_MARKS:
        # without a number behind it a word counts nothing: the t of WAIT_goal is the therapist
        marks = meaning.marks | {word} if before_slot else meaning.marks
        meaning, known = replace(meaning, marks=marks), True
    if known or word in ITEM_MARKS or raters:
        return meaning
    return replace(meaning, rest=(*meaning.rest, word))


def _take_alias(parts: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Find the longest name of a questionnaire in the words; a single letter before a number is none of it."""
    for length in range(min(5, len(parts)), 0, -1):
        for start in range(len(parts) - length + 1):
            taken = parts[start : start + length]
            after = parts[start + length] if start + length < len(parts) else ""
            if SLOT in taken or (length > 1 and len(taken[-1]) == 1 and taken[-1].isalpha() and after == SLOT):
                continue
            joined = "".join(taken)
            if joined in NOT_KNOWN_FORMS:
                return None, parts
            if joined in ALIASES:
                return joined, parts[:start] + parts[start + length :]
    return None, parts
