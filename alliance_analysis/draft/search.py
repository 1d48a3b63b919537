"""The columns of one file that are still without a role, and how well their names and values fit one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from alliance_analysis.draft.guess import Guess
from alliance_analysis.draft.names import find_patterns, read_words
from alliance_analysis.draft.profile import Profile
from alliance_analysis.draft.words import (
    EPISODE,
    NAMES,
    NOT_IDS,
    NUMBER_WORDS,
    RATER,
    TOOL_COLUMNS,
    tokens,
)
from alliance_analysis.study.cells import texts
from alliance_analysis.study.vocabulary import (
    CLIENT,
    DATE,
    SESSION,
    THERAPIST,
)

SEEN_ROWS = 200_000
_SHORT_LABEL = 10
_FEW_WORDS = 3
_MOST_UNCOUNTED = 4


def name_rating(role: str, name: str) -> int:
    """Say how well a name fits a role, from 0 (not at all) to 4 (it says so).

    Examples
    --------
    >>> name_rating("client", "client_id"), name_rating("client", "code"), name_rating("client", "client_age")
    (4, 2, 0)
    """
    strong, weak = NAMES[role]
    words = tokens(name)
    joined = "".join(words)
    if joined in strong:
        return 4
    if joined in TOOL_COLUMNS and not (role == DATE and joined in strong | weak):
        return 0
    if role in (CLIENT, THERAPIST, SESSION) and any(word in NOT_IDS for word in words):
        return 0
    own = [word for word in words if word not in NUMBER_WORDS and not word.isdigit()]
    if own and all(word in strong for word in own):
        return 4
    if any(word in strong for word in words):
        return 3
    if joined in weak or (own and all(word in weak for word in own)):
        return 2
    return 1 if any(word in weak for word in words) and len(words) <= _FEW_WORDS else 0


def label_rating(role: str, one: Profile) -> int:
    """Say how well the question behind a column fits a role, where its name says nothing."""
    words = tokens(one.label)
    if not words or len(words) > _SHORT_LABEL or set(words) & NOT_IDS:
        return 0
    return 2 if set(words) & NAMES[role][0] else 0


class Search:
    """The columns of one file that are still without a role."""

    def __init__(self, frame: pd.DataFrame, profiles: Iterable[Profile]) -> None:
        self.frame = frame.iloc[:SEEN_ROWS]
        self.profiles = {one.name: one for one in profiles if one.filled and not one.row_number}
        self.scores = _scores(self.profiles)
        self.found: dict[str, Guess] = {}
        self.words: dict[str, dict[str, list[str]]] = {}
        self.notes: list[str] = []
        self._codes: dict[str, np.ndarray] = {}

    def codes(self, name: str) -> np.ndarray:
        """Return the values of a column as whole numbers, -1 for an empty cell."""
        if name not in self._codes:
            cells = texts(self.frame[name]).to_numpy(dtype=object)
            codes, found = pd.factorize(cells)
            empty = np.array([not value for value in found], dtype=bool)
            self._codes[name] = np.where(empty[codes], -1, codes) if len(found) else codes
        return self._codes[name]

    def rated(self, role: str, fits: Callable[[Profile], bool]) -> list[tuple[int, Profile]]:
        """Return the columns whose name fits a role, best first, that have no role yet and hold what it needs."""
        taken = {guess.value for guess in self.found.values()}
        rated = [
            (name_rating(role, one.name) or label_rating(role, one), one)
            for one in self.profiles.values()
            if one.name not in taken and one.name not in self.scores and fits(one)
        ]
        return sorted((one for one in rated if one[0]), key=lambda one: -one[0])

    def distinct(self, *names: str) -> int:
        """Return how many different combinations of values some columns have, rows with an empty cell left out."""
        codes = np.column_stack([self.codes(name) for name in names])
        return len(np.unique(codes[(codes >= 0).all(axis=1)], axis=0))

    def constant_within(self, name: str, group: str) -> bool:
        """Whether a column nearly always has one value per group."""
        groups = self.distinct(group)
        return groups > 0 and self.distinct(group, name) <= groups * 1.1


def _scores(profiles: dict[str, Profile]) -> set[str]:
    """Return the columns whose names say that they belong to a questionnaire."""
    found: set[str] = set()
    for pattern in find_patterns(profiles):
        alias = read_words(pattern.parts).alias
        a_word = alias in ("arm", "core") and len(pattern.columns) == 1
        if (alias and not a_word) or len(pattern.columns) > _MOST_UNCOUNTED:
            found.update(pattern.columns.values())
    return found


def share_unique(search: Search, client: str | None, name: str) -> float | None:
    """Return the share of rows whose number stands once within client, rater and episode; None without a client."""
    if client is None:
        return None
    keys = [client, name, *(str(search.found[role].value) for role in (RATER, EPISODE) if role in search.found)]
    filled = np.all([search.codes(key) >= 0 for key in keys], axis=0).sum()
    return float(search.distinct(*keys) / filled) if filled else 0.0


def in_order(search: Search, one: Profile) -> list[str]:
    """Return the words of a column in the order in which the file has them first."""
    return [str(word) for word in pd.unique(texts(search.frame[one.name])) if word]
