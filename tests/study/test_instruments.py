"""The list of instruments says no more than what the field knows, and is consistent in itself."""

from __future__ import annotations

import dataclasses

import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.study.instruments import INSTRUMENTS, find_instrument


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("WAI-SR", 1, 5), ("PHQ-9", 0, 27), ("GAD-7", 0, 21), ("BDI-II", 0, 63), ("BAI", 0, 63), ("OQ-45", 0, 180),
     ("CORE-10", 0, 40), ("SWLS", 5, 35), ("ORS", 0, 40), ("SRS", 0, 40), ("BSI", 0, 4), ("HAq-II", 1, 6)],
)  # fmt: skip
def test_score_ranges_are_those_of_the_findings(name: str, low: float, high: float) -> None:
    instrument = find_instrument(name)
    assert instrument.score_range(instrument.score) == (low, high)


def test_the_alliance_inventory_has_the_key_of_hatcher_and_gillaspy() -> None:
    key = find_instrument("WAI-SR").subscales
    assert dict(key) == {"goal": (4, 6, 8, 11), "task": (1, 2, 10, 12), "bond": (3, 5, 7, 9)}
    assert sorted(number for numbers in key.values() for number in numbers) == list(range(1, 13))


def test_what_is_unknown_is_none() -> None:
    assert find_instrument("WAI-SRT").n_items is None
    assert find_instrument("BDI-II").cut_off is None
    assert find_instrument("OQ-45").reverse is None
    assert [name for name, one in INSTRUMENTS.items() if one.recall_days is not None] == ["PHQ-9"]


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_item_numbers_and_limits_lie_inside_the_instrument(name: str) -> None:
    instrument = INSTRUMENTS[name]
    numbers = {*(instrument.reverse or ()), *(number for key in instrument.subscales.values() for number in key)}
    assert numbers <= set(range(1, (instrument.n_items or 0) + 1))
    low, high = instrument.score_range("mean") or (0, 0)
    assert low < high
    if instrument.cut_off is not None:
        low, high = instrument.score_range(instrument.score) or (0, 0)
        assert low < instrument.cut_off < high and instrument.cut_off_note
    assert instrument.source and dataclasses.is_dataclass(instrument)


def test_an_unknown_instrument_gets_the_nearest() -> None:
    with pytest.raises(DataError) as raised:
        find_instrument("CORE10")
    assert str(raised.value) == "instrument 'CORE10' is not known; nearest: CORE-10, CORE-OM."
