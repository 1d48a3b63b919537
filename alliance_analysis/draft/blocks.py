"""Puts columns together that belong together: the items of a questionnaire, and its scores session by session."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alliance_analysis.draft.aliases import ALIASES, find_in_text, form_of
from alliance_analysis.draft.guess import names, span
from alliance_analysis.draft.names import Meaning, Pattern, find_patterns, name_with_session, read_words
from alliance_analysis.draft.profile import Profile
from alliance_analysis.draft.words import CLEAR_SESSION_MARKS, ITEM_MARKS, RATER_WORDS, SESSION_MARKS, tokens
from alliance_analysis.study.instruments import INSTRUMENTS

_LABEL_WORDS = 8
_FEWEST_PARCELS = 3


@dataclass(frozen=True)
class Block:
    """Columns that make one measure.

    Attributes
    ----------
    columns : tuple of str
        As the study file names them: with ``{session}`` where there is one column per session.
    held : tuple of str
        All columns of the file it stands for.
    meaning : Meaning
        What the words of the names say.
    form : str or None
        The questionnaire, by names or labels.
    sessions : tuple of int
        Session numbers in the names; () when the names hold none.
    low, high : float
        Lowest and highest number in the columns.
    whole : bool
        Whether all numbers are whole.
    filled : int
        Cells that are not empty.
    profiles : tuple of Profile
        The columns, described.
    evidence, doubt : str
        What the grouping rests on, and what speaks against it.
    """

    columns: tuple[str, ...]
    held: tuple[str, ...]
    meaning: Meaning
    form: str | None
    sessions: tuple[int, ...]
    low: float
    high: float
    whole: bool
    filled: int
    profiles: tuple[Profile, ...]
    evidence: str
    doubt: str = ""

    @property
    def items(self) -> bool:
        """Whether these are several items, not one score."""
        return len(self.columns) > 1


@dataclass(frozen=True)
class Setting:
    """What is known of a file when its columns are put together.

    Attributes
    ----------
    one_row_per_client : bool
        Whether names may count sessions.
    title : str
        Name of the file or sheet without its ending; it may name the questionnaire or who rated.
    """

    one_row_per_client: bool
    title: str


def find_blocks(profiles: Iterable[Profile], setting: Setting) -> list[Block]:
    """Put the columns of scores of one file together.

    Parameters
    ----------
    profiles : iterable of Profile
        Columns without another role.
    setting : Setting
        What is known of the file.
    """
    described = {one.name: one for one in profiles if one.numeric or not one.filled}
    blocks = _labelled(described)
    taken = {column for block in blocks for column in block.held}
    patterns = find_patterns(name for name in described if name not in taken)
    paired = _pairs(patterns)
    for pattern in patterns:
        meaning = _settle_rater(_settle_units(read_words(pattern.parts), pattern), pattern, paired)
        for part in _without_strangers(pattern, described):
            blocks.extend(_blocks_of(part, meaning, described, setting))
    return [_with_title(block, setting.title) for block in blocks if block.filled]


def _without_strangers(pattern: Pattern, described: dict[str, Profile]) -> list[Pattern]:
    """Take columns that are empty altogether out of patterns without counting numbers."""
    if pattern.runs or len(pattern.columns) == 1:
        return [pattern]
    return [replace(pattern, columns={(): column}) for column in pattern.columns.values() if described[column].filled]


def _pairs(patterns: Sequence[Pattern]) -> set[tuple[str, ...]]:
    """Return the words of patterns that stand twice, once for each of two raters."""
    groups: dict[tuple[object, ...], list[tuple[Pattern, Meaning]]] = defaultdict(list)
    for pattern in patterns:
        meaning = read_words(pattern.parts)
        if meaning.raters:
            key = (meaning.alias, meaning.phase, meaning.part, meaning.score, meaning.rest, len(pattern.runs))
            groups[key].append((pattern, meaning))
    return {
        pattern.parts
        for members in groups.values()
        for pattern, meaning in members
        if any(meaning.raters.isdisjoint(other.raters) for _, other in members)
    }


def _settle_units(meaning: Meaning, pattern: Pattern) -> Meaning:
    """Read a letter written together with a number as its unit of time: the m of ``bdi_2m`` is no mean."""
    units = {unit for slot in range(len(pattern.runs)) if (unit := pattern.unit(slot))}
    return replace(meaning, score=meaning.score - units, marks=meaning.marks | units) if units else meaning


def _settle_rater(meaning: Meaning, pattern: Pattern, paired: set[tuple[str, ...]]) -> Meaning:
    """Forget a single letter that may count sessions as well as name a rater, unless its counterpart is there too."""
    if meaning.clear_rater or pattern.parts in paired or not meaning.raters:
        return meaning
    return replace(meaning, raters=frozenset()) if meaning.marks else meaning


def _blocks_of(pattern: Pattern, meaning: Meaning, described: dict[str, Profile], setting: Setting) -> list[Block]:
    slots = len(pattern.runs)
    if slots == 0:
        return [_block(pattern, [(column,)], (), meaning, described, "") for column in pattern.columns.values()]
    roles = [_slot_role(pattern, slot, meaning, described, setting) for slot in range(slots)]
    if slots == 1:
        return _one_slot(pattern, roles[0], meaning, described)
    session = _session_slot(pattern, roles, meaning, setting)
    item = _item_slot(pattern, session, meaning)
    blocks = []
    outer = [slot for slot in range(slots) if slot not in (session, item)]
    split: dict[tuple[int, ...], dict[tuple[int, ...], str]] = defaultdict(dict)
    for numbers, column in pattern.columns.items():
        split[tuple(numbers[slot] for slot in outer)][numbers] = column
    for key, columns in split.items():
        inner = replace(pattern, columns=columns)
        words = replace(meaning, rest=(*meaning.rest, *map(str, key)))
        blocks.extend(_grid(inner, session, item, words, described))
    return blocks


def _one_slot(pattern: Pattern, role: tuple[str, str], meaning: Meaning, described: dict[str, Profile]) -> list[Block]:
    kind, doubt = role
    ordered = [pattern.columns[numbers] for numbers in sorted(pattern.columns)]
    runs = _runs(pattern) if not meaning.alias else [ordered]
    if kind == "session":
        return _grid(pattern, 0, None, meaning, described, doubt)
    if kind == "single":
        return [_block(pattern, [(column,)], (), meaning, described, doubt) for column in ordered]
    return [_block(pattern, [(column,) for column in run], (), meaning, described, doubt) for run in runs]


def _runs(pattern: Pattern) -> list[list[str]]:
    """Split columns whose numbers do not follow each other: v101 to v112 and v201 to v209 are two batteries."""
    runs: list[list[str]] = []
    last = None
    for (number,), column in sorted(pattern.columns.items()):
        if last is None or number != last + 1:
            runs.append([])
        runs[-1].append(column)
        last = number
    return runs


def _labelled(described: dict[str, Profile]) -> list[Block]:
    """Put columns together whose names say nothing and whose labels name a questionnaire."""
    silent = {
        column: pattern
        for pattern in find_patterns(described)
        if read_words(pattern.parts).alias is None
        for column in pattern.columns.values()
    }
    groups: dict[tuple[str, frozenset[str], str, bool], list[str]] = defaultdict(list)
    for name, one in described.items():
        form = find_in_text(one.label) if one.label and name in silent else None
        if form:
            score = bool(read_words(tokens(one.label)[:_LABEL_WORDS]).score)
            groups[form, _rater_in_label(one.label), read_words(silent[name].stem).phase, score].append(name)
    blocks = []
    for (form, rater, phase, _), columns in groups.items():
        meaning = Meaning(raters=rater, clear_rater=bool(rater), phase=phase)
        pattern = Pattern((form,), {(at,): column for at, column in enumerate(columns, start=1)}, ())
        blocks.append(_block(pattern, [(column,) for column in columns], (), meaning, described, ""))
    return blocks


def _grid(
    pattern: Pattern,
    session: int | None,
    item: int | None,
    meaning: Meaning,
    described: dict[str, Profile],
    doubt: str = "",
) -> list[Block]:
    """Make the blocks of names that count sessions, items, or both."""
    by_item: dict[int, dict[int, str]] = defaultdict(dict)
    for numbers, column in sorted(pattern.columns.items()):
        by_item[numbers[item] if item is not None else 0][numbers[session] if session is not None else 0] = column
    columns = [tuple(by_item[number].values()) for number in sorted(by_item)]
    sessions = tuple(sorted({number for each in by_item.values() for number in each})) if session is not None else ()
    if session is None:
        return [_block(pattern, columns, (), meaning, described, doubt)]
    run = pattern.runs[session]
    placed = [tuple(dict.fromkeys(name_with_session(column, run) for column in each)) for each in columns]
    if any(len(each) > 1 for each in placed):
        doubt = "the columns of the sessions are not spelt alike; rename them in the file"
    meaning = replace(meaning, marks=frozenset())
    block = _block(pattern, columns, sessions, meaning, described, doubt)
    return [replace(block, columns=tuple(each[0] for each in placed))]


def _session_slot(pattern: Pattern, roles: list[tuple[str, str]], meaning: Meaning, setting: Setting) -> int | None:
    """Choose the number that counts sessions among several, in a file with one row per client."""
    if not setting.one_row_per_client:
        return None
    marked = [slot for slot in range(len(roles)) if pattern.mark(slot) in CLEAR_SESSION_MARKS]
    raters = {word for who in meaning.raters for word in RATER_WORDS[who]}
    weak = [slot for slot in range(len(roles)) if pattern.mark(slot) in SESSION_MARKS - ITEM_MARKS - raters]
    if marked or weak:
        return (marked or weak)[0]
    sizes = form_of(meaning.alias).sizes if meaning.alias else ()
    items = [slot for slot in range(len(roles)) if len(pattern.values(slot)) in sizes]
    others = [slot for slot in range(len(roles)) if slot not in items]
    full = len(pattern.columns) >= 0.8 * np.prod([len(pattern.values(slot)) for slot in range(len(roles))])
    if len(items) == 1 and len(others) == 1 and full:
        return others[0]
    return None


def _item_slot(pattern: Pattern, session: int | None, meaning: Meaning) -> int | None:
    slots = [slot for slot in range(len(pattern.runs)) if slot != session]
    sizes = form_of(meaning.alias).sizes if meaning.alias else ()
    marked = [slot for slot in slots if pattern.mark(slot) in ITEM_MARKS]
    sized = [slot for slot in slots if len(pattern.values(slot)) in sizes]
    # the last number of a name counts items where nothing else is known: Q12_1, Q12_2
    return next(iter(sized or marked[-1:] or slots[-1:]), None)


def _slot_role(
    pattern: Pattern, slot: int, meaning: Meaning, described: dict[str, Profile], setting: Setting
) -> tuple[str, str]:
    """Say what one counting number counts: "item", "session" or "single" (nothing), with a doubt."""
    columns = [described[column] for column in pattern.columns.values()]
    numbers = pattern.values(slot)
    mark = pattern.mark(slot)
    sizes = form_of(meaning.alias).sizes if meaning.alias else ()
    fits = len(numbers) in sizes and numbers[0] <= 1
    score_like = _look_like_scores(columns, meaning)
    if not setting.one_row_per_client:
        parcels = len(numbers) >= _FEWEST_PARCELS and any(one.low < 0 for one in columns if one.filled)
        return ("single", "") if score_like and not fits and not parcels else ("item", "")
    unit = pattern.unit(slot)
    if unit and (meaning.alias or score_like):
        return (
            "session",
            f"its numbers are time ({numbers[0]}{unit}, {numbers[1]}{unit}), not sessions that follow each other",
        )
    if mark in ITEM_MARKS and mark not in SESSION_MARKS and not score_like:
        return "item", ""
    if mark in CLEAR_SESSION_MARKS:
        return "session", ""
    if score_like:
        return "session", "" if mark in SESSION_MARKS or meaning.alias else "its numbers are taken for sessions"
    if fits:
        doubt = f"{mark}1, {mark}2 … may also be sessions" if mark in SESSION_MARKS and not meaning.raters else ""
        return "item", doubt
    if mark in SESSION_MARKS and not (meaning.raters and not meaning.marks):
        return "session", ""
    if _thins_out(columns):
        return "session", "its numbers are taken for sessions, because fewer and fewer clients have a value"
    return "item", ""


def _look_like_scores(columns: Sequence[Profile], meaning: Meaning) -> bool:
    """Whether values are too fine or too high to be answers to single items."""
    known = INSTRUMENTS.get(form_of(meaning.alias).name) if meaning.alias else None
    fine = sum(not one.whole for one in columns if one.filled)
    if meaning.score:
        return True
    highest = 7.0 if meaning.alias and ALIASES[meaning.alias].startswith("WAI") else known.item_high if known else None
    usual = [float(np.average(one.numbers, weights=one.weights)) for one in columns if len(one.numbers)]
    above = highest is not None and bool(usual) and float(np.median(usual)) > highest
    visual = known is not None and known.item_high == 10  # a line of ten centimetres is read to the millimetre
    return above or (fine > len(columns) / 2 and not visual)


def _thins_out(columns: Sequence[Profile]) -> bool:
    filled = [one.filled for one in columns]
    falls = sum(later <= earlier for earlier, later in itertools.pairwise(filled))
    return len(filled) > 2 and filled[0] > 0 and filled[-1] < 0.8 * filled[0] and falls >= 0.8 * (len(filled) - 1)


def _block(
    pattern: Pattern,
    columns: Sequence[tuple[str, ...]],
    sessions: tuple[int, ...],
    meaning: Meaning,
    described: dict[str, Profile],
    doubt: str,
) -> Block:
    held = tuple(column for each in columns for column in each)
    profiles = tuple(described[column] for column in held)
    seen = [one for one in profiles if len(one.numbers)]
    low = min((one.low for one in seen), default=float("nan"))
    high = max((one.high for one in seen), default=float("nan"))
    whole = all(one.whole for one in seen)
    evidence = names(held)
    if len(columns) > 1:
        evidence += f": {len(columns)} items"
    if sessions:
        evidence += f", sessions {span(sessions[0], sessions[-1])} in the names"
    if seen:
        evidence += f", values {span(low, high)}"
    form = ALIASES[meaning.alias] if meaning.alias else _form_in_labels(profiles)
    if not meaning.alias and form:
        evidence += f"; the labels name {form}"
    filled = sum(one.filled for one in profiles)
    return Block(
        tuple(each[0] for each in columns), held, meaning, form, sessions, low, high, whole, filled, profiles, evidence,
        doubt,
    )  # fmt: skip


def _form_in_labels(profiles: Sequence[Profile]) -> str | None:
    found = {form for one in profiles if one.label and (form := find_in_text(one.label))}
    return found.pop() if len(found) == 1 else None


def _with_title(block: Block, title: str) -> Block:
    """Take from the name of the file or sheet what the names of the columns leave open."""
    said = read_words(tokens(title))
    meaning, form, evidence = block.meaning, block.form, block.evidence
    if not meaning.raters and said.clear_rater:
        meaning = replace(meaning, raters=said.raters, clear_rater=True)
    if form is None and said.alias and (block.items or len(meaning.rest) == 0):
        known = form_of(said.alias)
        if not block.items or len(block.columns) in known.sizes:
            form, evidence = known.name, f"{evidence}; the file is called {title}"
    if block.meaning.raters == frozenset() and not meaning.raters:
        labelled = {rater for one in block.profiles if one.label for rater in _rater_in_label(one.label)}
        if len(labelled) == 1:
            meaning = replace(meaning, raters=frozenset(labelled), clear_rater=True)
    return replace(block, meaning=meaning, form=form, evidence=evidence)


def _rater_in_label(label: str) -> frozenset[str]:
    """Return who rated when a short label says so; the text of a question mentions therapists all the time."""
    words = tokens(label)
    said = read_words(words) if len(words) <= 6 else Meaning()
    return said.raters if said.clear_rater else frozenset()
