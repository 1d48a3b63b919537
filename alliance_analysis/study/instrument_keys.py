"""Reads the questionnaires a study describes itself, so that they are used like the known ones."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal, cast

from alliance_analysis.study.instruments import INSTRUMENTS, Instrument
from alliance_analysis.study.keys import Keys, is_number
from alliance_analysis.study.problems import show
from alliance_analysis.study.yamlfile import KeyPath

INSTRUMENT_KEYS = (
    "title", "items", "range", "score", "reverse", "subscales", "higher_is_worse", "recall_days", "cut_off",
    "reliable_change", "source",
)  # fmt: skip
MOST_ITEMS = 1000


def read_instruments(keys: Keys) -> dict[str, Instrument]:
    """Return the questionnaires under ``instruments:``, name -> instrument."""
    found: dict[str, Instrument] = {}
    taken = {name.casefold(): name for name in INSTRUMENTS}
    for name in keys.mapping(("instruments",)):
        path = ("instruments", name)
        if name.casefold() in taken:
            known = taken[name.casefold()]
            keys.wrong(
                path, f"is the name of a known instrument ({known}). Give yours another name, such as {name}-own."
            )
            continue
        keys.only(path, INSTRUMENT_KEYS)
        instrument = _instrument(keys, path, name)
        if instrument is not None:
            found[name] = instrument
            taken[name.casefold()] = name
    return found


def _instrument(keys: Keys, path: KeyPath, name: str) -> Instrument | None:
    limits = _limits(keys, (*path, "range"))
    worse = keys.flag((*path, "higher_is_worse"), None)
    number = keys.number((*path, "items"), None, low=1, high=MOST_ITEMS, whole=True)
    if worse is None and (*path, "higher_is_worse") not in keys.told:
        keys.wrong((*path, "higher_is_worse"), "is missing; write true or false. The direction is never guessed.")
    if limits is None or worse is None:
        return None
    items = None if number is None else int(number)
    recall = keys.number((*path, "recall_days"), None, low=0, whole=True)
    score = keys.choice((*path, "score"), ("mean", "sum")) or "mean"
    low, high = (limit * (items or 1) if score == "sum" else limit for limit in limits)
    cut_off = keys.number((*path, "cut_off"), None, low=low, high=high) if items or score == "mean" else None
    change = keys.number((*path, "reliable_change"), None, low=0)
    return Instrument(
        name,
        keys.text((*path, "title")) or name,
        name,
        items,
        limits[0],
        limits[1],
        worse,
        cast("Literal['mean', 'sum']", score),
        reverse=_numbers(keys, (*path, "reverse"), items) if keys.has((*path, "reverse")) else None,
        subscales=_subscales(keys, (*path, "subscales"), items),
        recall_days=None if recall is None else int(recall),
        cut_off=cut_off,
        cut_off_note="" if cut_off is None else f"cut-off {cut_off:g}",
        reliable_change=change,
        source=keys.text((*path, "source")) or "as the study file states",
    )


def _limits(keys: Keys, path: KeyPath) -> tuple[float, float] | None:
    found: Any = keys.raw(path)
    if isinstance(found, list) and len(found) == 2 and all(map(is_number, found)) and found[0] < found[1]:
        return float(found[0]), float(found[1])
    shown = f", got {show(found)}" if found is not None else ""
    keys.wrong(path, f"must be the lowest and the highest answer to one item, such as [1, 5]{shown}.")
    return None


def _numbers(keys: Keys, path: KeyPath, items: int | None) -> tuple[int, ...]:
    """Return numbers of items, counted from 1."""
    found = keys.raw(path)
    numbers = found if isinstance(found, list) else [found]
    good = [one for one in numbers if isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= (items or one)]
    wrong = [one for one in numbers if one not in good]
    if wrong:
        most = f" to {items}" if items else ""
        keys.wrong(path, f"must be numbers of items, counted from 1{most}, got {show(wrong[0])}.")
    return tuple(good)


def _subscales(keys: Keys, path: KeyPath, items: int | None) -> MappingProxyType[str, tuple[int, ...]]:
    names = keys.mapping(path)
    return MappingProxyType({name: _numbers(keys, (*path, name), items) for name in names})
