"""Tells the whole of a questionnaire from its single items and parts where a file gives each a name of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from alliance_analysis.draft.blocks import Block
from alliance_analysis.draft.guess import names, span
from alliance_analysis.draft.scales import forms
from alliance_analysis.study.cells import texts

_SEEN_ROWS = 20_000
_ENOUGH = 10
_ROUNDING = 0.051
_NEARLY = 0.95
_FEWEST_ITEMS = 3


def order_siblings(blocks: Iterable[Block], frame: pd.DataFrame) -> tuple[list[Block], list[str]]:
    """Put single columns of one questionnaire together as its items, or keep its whole and set its parts aside.

    A column that is the sum or the mean of the others is the whole; else the one whose name has no further word is.

    Parameters
    ----------
    blocks : iterable of Block
        Columns of one file.
    frame : DataFrame
        The file.

    Returns
    -------
    tuple of (list of Block, list of str)
        The blocks in their order; a sentence on each questionnaire of which columns were set aside.
    """
    kept = list(blocks)
    notes: list[str] = []
    for members in _groups(kept):
        whole, certain = _whole(members, frame)
        parts = [one for one in members if one is not whole]
        if _are_items(parts):
            kept[kept.index(parts[0])] = _battery(parts)
            gone = [*parts[1:], *([whole] if whole else [])]
            if whole:
                notes.append(
                    f"{names(whole.held)}: left out, because its items are scored; `column:` would take it as it is"
                )
        elif whole:
            gone = parts
            held = names([column for one in parts for column in one.held])
            called = names(whole.held)
            notes.append(
                f"{held}: parts of {whole.form}, of which {called} is the whole; not used"
                if certain
                else f"DOUBT: {held}: taken for parts or other scores of {whole.form} beside {called}; not used"
            )
        else:
            gone = []
        kept = [one for one in kept if not any(one is other for other in gone)]
    return kept, notes


def _groups(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return scores of one questionnaire, rater and occasion whose items do not stand in the file as such."""
    groups: dict[tuple[object, ...], list[Block]] = defaultdict(list)
    scored = {(one.form, one.meaning.raters, one.meaning.phase) for one in blocks if one.items}
    for one in blocks:
        key = (one.form, one.meaning.raters, one.meaning.phase)
        if one.form and not one.items and not one.meaning.part and key not in scored:
            groups[(*key, one.sessions)].append(one)
    return [members for members in groups.values() if len(members) > 1]


def _whole(members: Sequence[Block], frame: pd.DataFrame) -> tuple[Block | None, bool]:
    """Return the whole of some scores and whether the values say so; None where nothing does."""
    if len(members) > 2 and len({len(one.held) for one in members}) == 1:
        values = np.column_stack([_values(one, frame) for one in members])
        values = values[np.isfinite(values).all(axis=1)]
        for at, one in enumerate(members) if len(values) >= _ENOUGH else ():
            others = np.delete(values, at, axis=1)
            tolerance = _ROUNDING * others.shape[1]
            for made in (others.sum(axis=1), others.mean(axis=1)):
                if np.ptp(made) > tolerance and np.mean(np.abs(values[:, at] - made) <= tolerance) >= _NEARLY:
                    return one, True
    plain = [one for one in members if not one.meaning.rest]
    return (plain[0], False) if len(plain) == 1 else (None, False)


def _values(block: Block, frame: pd.DataFrame) -> np.ndarray:
    cells = [texts(frame[column].iloc[:_SEEN_ROWS]).str.replace(",", ".", regex=False) for column in block.held]
    return np.concatenate([pd.to_numeric(one, errors="coerce").to_numpy(dtype=float) for one in cells])


def _are_items(parts: Sequence[Block]) -> bool:
    """Whether there are as many columns as the questionnaire has items, each within the answers to one."""
    low, high = min(one.low for one in parts), max(one.high for one in parts)
    return len(parts) >= _FEWEST_ITEMS and any(
        known.n_items == len(parts)
        and known.item_low is not None
        and known.item_high is not None
        and known.item_low <= low
        and high <= known.item_high
        for known in forms(parts[0], None)
    )


def _battery(parts: Sequence[Block]) -> Block:
    low, high = min(one.low for one in parts), max(one.high for one in parts)
    held = tuple(column for one in parts for column in one.held)
    first = parts[0]
    return replace(
        first,
        columns=tuple(column for one in parts for column in one.columns),
        held=held,
        meaning=replace(first.meaning, score=frozenset(), rest=()),
        low=low,
        high=high,
        whole=all(one.whole for one in parts),
        filled=sum(one.filled for one in parts),
        profiles=tuple(profile for one in parts for profile in one.profiles),
        evidence=f"{names(held)}: {len(parts)} columns, values {span(low, high)}",
        doubt=next((one.doubt for one in parts if one.doubt), ""),
    )
