"""Scores keep what scores must keep, instrument by instrument, and scoring copies no answers."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alliance_analysis.study.instruments import INSTRUMENTS
from alliance_analysis.study.measure import Measure, build_measure
from alliance_analysis.study.scoring import score_columns, score_items

SCORED = [name for name, one in INSTRUMENTS.items() if one.n_items and one.item_high is not None]
KEYS = (
    "label", "column", "range", "score", "higher_is_worse", "collected", "recall_days", "rater", "shared_items",
)  # fmt: skip


def measure_of(name, reverse=None):
    instrument = INSTRUMENTS[name]
    items = tuple(f"i{number}" for number in range(1, instrument.n_items + 1))
    known = instrument.reverse if reverse is None else reverse
    stated = dict.fromkeys(KEYS) | {"items": items, "min_answered": 0.75, "centred": False}
    stated["reverse"] = tuple(f"i{number}" for number in known or ())
    measure, complaints, _ = build_measure("scale", name, stated)
    assert complaints == []
    return measure


@pytest.mark.parametrize("name", SCORED)
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_invariances(name, data):
    instrument, measure = INSTRUMENTS[name], measure_of(name)
    answer = st.one_of(st.integers(int(instrument.item_low), int(instrument.item_high)).map(float), st.just(np.nan))
    answers = data.draw(arrays.arrays(float, (6, instrument.n_items), elements=answer))
    scores, scoring = score_items(answers, measure)
    known = scores[~np.isnan(scores)]
    low, high = instrument.score_range(measure.score)
    assert np.all((known >= low - 1e-9) & (known <= high + 1e-9))
    order = data.draw(st.permutations(range(6)))
    np.testing.assert_array_equal(score_items(answers[order], measure)[0], scores[order])
    everything = tuple(range(1, instrument.n_items + 1))
    turned = instrument.item_low + instrument.item_high - answers
    flipped = tuple(number for number in everything if number not in (instrument.reverse or ()))
    np.testing.assert_allclose(score_items(turned, measure_of(name, flipped))[0], scores)
    answered = (~np.isnan(answers)).sum(axis=1)
    enough = answered >= np.ceil(0.75 * instrument.n_items - 1e-9)
    assert np.array_equal(~np.isnan(scores), enough)
    assert scoring.prorated == int((enough & (answered < instrument.n_items)).sum())


@pytest.mark.parametrize(
    ("name", "answers", "score"),
    [
        ("WAI-SR", [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2], 33 / 12),
        ("PHQ-9", [0, 1, 2, 3, 0, 1, 2, 3, 1], 13),
        ("GAD-7", [3, 3, 3, 0, 0, 1, 1], 11),
        ("SWLS", [7, 6, 5, 4, 3], 25),
        ("ORS", [10, 2.5, 7, 3.1], 22.6),
        # reversed: 4, 8, 11, 16, 19 become 7 minus the answer
        ("HAq-II", [6, 6, 6, 1, 6, 6, 6, 1, 6, 6, 1, 6, 6, 6, 6, 1, 6, 6, 1], 6),
        ("HAq-II", [1] * 19, (14 * 1 + 5 * 6) / 19),
        ("BDI-II", [1] * 20 + [3], 23),
    ],
)
def test_scores_computed_by_hand(name, answers, score):
    assert score_items(np.array([answers], dtype=float), measure_of(name))[0][0] == pytest.approx(score)


def test_a_hundred_items_are_scored_without_copying_them():
    rows, items = 50_000, tuple(f"i{number}" for number in range(100))
    columns = [np.full(rows, float(number % 5)) for number in range(100)]
    measure = Measure(
        "scale", None, "Scale", 0, 4, True, None, None, False, "mean", None, items, items[::3], item_low=0, item_high=4
    )
    tracemalloc.start()
    scores, _ = score_columns(columns, measure)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.08 * sum(column.nbytes for column in columns)
    wanted = np.mean([4 - number % 5 if number % 3 == 0 else number % 5 for number in range(100)])
    np.testing.assert_allclose(scores, wanted)
