"""Scale scores: reversed items, skipped items, means and sums."""

from __future__ import annotations

import numpy as np
import pytest

from alliance_analysis.study.measure import Measure
from alliance_analysis.study.scoring import gather_scorings, score_items

NAN = np.nan


def scale(score: str, *, reverse: tuple[str, ...] = (), min_answered: float = 0.75) -> Measure:
    return Measure(
        "mood",
        None,
        "Mood",
        0,
        4,
        True,
        None,
        None,
        False,
        score,
        None,
        ("a", "b", "c", "d"),
        reverse,
        min_answered,
        0,
        4,
    )  # type: ignore[arg-type]


ANSWERS = np.array([[0, 1, 2, 3], [4, NAN, 1, 1], [4, NAN, NAN, 2], [NAN] * 4])


def test_means_use_the_answered_items() -> None:
    scores, done = score_items(ANSWERS, scale("mean"))
    np.testing.assert_allclose(scores, [1.5, 2, NAN, NAN])
    assert str(done) == (
        "mood: scored as mean of 4 items; 1 score from incomplete answers by the mean of the answered items; "
        "1 row with fewer than 75% answered got no score."
    )


def test_sums_are_prorated_not_lowered_by_a_skipped_item() -> None:
    scores, done = score_items(ANSWERS, scale("sum"))
    np.testing.assert_allclose(scores, [6, 8, NAN, NAN])
    assert "by the mean of the answered items times the number of items" in str(done)


def test_reversed_items_are_mirrored_in_the_item_range() -> None:
    scores, done = score_items(ANSWERS[:1], scale("sum", reverse=("a", "d")))
    assert scores.tolist() == [4 + 1 + 2 + 1]
    assert str(done) == "mood: scored as sum of 4 items, 2 reversed."


@pytest.mark.parametrize(("share", "kept"), [(0.01, 3), (0.5, 3), (0.75, 2), (1.0, 1)])
def test_the_smallest_share_of_answers_decides(share: float, kept: int) -> None:
    assert int(np.isfinite(score_items(ANSWERS, scale("mean", min_answered=share))[0]).sum()) == kept


def test_the_answers_are_not_changed() -> None:
    before = ANSWERS.copy()
    score_items(ANSWERS, scale("sum", reverse=("a",)))
    np.testing.assert_array_equal(ANSWERS, before)


def test_scales_that_are_scored_alike_share_a_sentence() -> None:
    _, one = score_items(ANSWERS, scale("mean"))
    _, other = score_items(ANSWERS[:1], scale("sum"))
    assert gather_scorings([one, other, one]) == [
        "mood and mood: each scored as mean of 4 items; 2 scores from incomplete answers by the mean of the answered "
        "items; 2 rows with fewer than 75% answered got no score.",
        "mood: scored as sum of 4 items.",
    ]
