"""Finds the day of each session among the columns that hold dates, and says of dates that were not read why."""

from __future__ import annotations

from alliance_analysis.draft.guess import Guess
from alliance_analysis.draft.search import Search, name_rating
from alliance_analysis.draft.words import (
    END_WORDS,
    OTHER_DATES,
    START_WORDS,
    tokens,
)
from alliance_analysis.study.vocabulary import (
    DATE,
    THERAPY_END,
)

_SERIAL_DAYS = (29_221, 73_050)
"""Days since 1900 as spreadsheets count them, from 1980 to 2099."""


def find_dates(search: Search, client: str | None) -> None:
    """Find the column with the day of each session, and one with the end of therapy."""
    dated = [one for one in search.profiles.values() if one.dates and one.name not in search.scores]
    usable = []
    for one in dated:
        words = set(tokens(one.name))
        if words & OTHER_DATES or (
            words & START_WORDS and "date" in "".join(words) and not name_rating(DATE, one.name)
        ):
            continue
        if (
            words & END_WORDS
            and name_rating(DATE, one.name) < 4
            and client
            and search.constant_within(one.name, client)
        ):
            search.found.setdefault(THERAPY_END, Guess(one.name, "dates, one per client, and its name says the end"))
            continue
        usable.append(one)
    if not usable:
        _unread_dates(search)
        return
    varying = [one for one in usable if client is None or not search.constant_within(one.name, client)]
    one = max(varying or usable, key=lambda found: name_rating(DATE, found.name))
    others = [other.name for other in varying if other is not one]
    doubt = "several columns hold dates" if others else ""
    if not varying and len(usable) and client and search.distinct(client) < len(search.frame):
        return  # the same date in all rows of a client is no date of a session
    search.found[DATE] = Guess(one.name, "all its cells are dates", doubt, tuple(f"date: {name}" for name in others))


def _unread_dates(search: Search) -> None:
    """Say of a column whose name says dates why none were read."""
    taken = {guess.value for guess in search.found.values()}
    for one in search.profiles.values():
        if one.dates or one.name in taken | search.scores or name_rating(DATE, one.name) < 4:
            continue
        if one.whole and one.low >= _SERIAL_DAYS[0] and one.high <= _SERIAL_DAYS[1]:
            why = "numbers, as spreadsheets count days: give the column the format of a date and save the file again"
        elif one.words:
            why = "cells that are not read as dates: write all of them as 2024-03-31 or 31.03.2024"
        else:
            continue
        search.notes.append(f"DOUBT: {one.name}: its name says dates, but it holds {why}")
