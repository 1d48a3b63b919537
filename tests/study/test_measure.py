"""When the means of two measures may be compared: the response scale, the items, and what is only taken for granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from small_study import STUDY, Writer

from alliance_analysis.errors import DataError
from alliance_analysis.study.measure import Measure, ScaleMatch, build_measure, compare_scales
from alliance_analysis.study.studyfile import load_study

Message = Callable[..., str]
GRANTED = "It is taken for granted that Alliance client and Alliance therapist are ratings of the same items."


def measure(name: str, instrument: str | None = None, **stated: Any) -> Measure:
    keys = ("label", "reverse", "range", "score", "higher_is_worse", "collected", "recall_days", "rater")
    given = dict.fromkeys(keys) | {"column": name, "items": (), "min_answered": 0.75, "centred": False}
    return build_measure(name, instrument, given | {"shared_items": None} | stated)[0]


def items(number: int) -> tuple[str, ...]:
    return tuple(f"w{position}" for position in range(number))


def match(client: tuple[Any, ...], therapist: tuple[Any, ...]) -> ScaleMatch:
    """Compare two ratings given as (instrument, what the study file states)."""
    one, other = ((*pair, {})[:2] for pair in (client, therapist))
    return compare_scales(
        measure("alliance_client", one[0], **one[1]), measure("alliance_therapist", other[0], **other[1])
    )


CLAIMS = {
    "one instrument": (("WAI-SR",), ("WAI-SR",), True),
    "one instrument that the package does not know": (
        ("X-9", {"range": (1, 8)}),
        ("X-9", {"range": (1, 8)}),
        True,
    ),
    "equally many items of one family": (
        ("WAI-SR", {"items": items(12), "reverse": ()}),
        ("WAI-SRT", {"items": items(12), "reverse": ()}),
        True,
    ),
    "stated by the one": (("WAI-SR", {"shared_items": True}), ("WAI-SRT",), True),
    "stated by the other": (("WAI-SR",), ("WAI-SRT", {"shared_items": True}), True),
    "stated of two instruments": (
        ("WAI-SR", {"range": (1, 6), "shared_items": True}),
        ("HAq-II",),
        True,
    ),
    "ready-made scores of a family": (("WAI-SR",), ("WAI-SRT",), None),
    "one scored from items, the other not": (
        ("WAI-SR",),
        ("WAI-SRT", {"items": items(12), "reverse": ()}),
        None,
    ),
    "no instruments": ((None, {"range": (1, 4)}), (None, {"range": (1, 4)}), None),
    "no instruments, equally many items": (
        (None, {"range": (1, 4), "items": items(3)}),
        (None, {"range": (1, 4), "items": items(3)}),
        None,
    ),
    "one instrument not named": (("WAI-SR",), (None, {"range": (1, 5)}), None),
}


@pytest.mark.parametrize(("client", "therapist", "same_items"), CLAIMS.values(), ids=CLAIMS.keys())
def test_a_difference_of_means_may_be_claimed(
    client: tuple[Any, ...], therapist: tuple[Any, ...], same_items: bool | None
) -> None:
    expected = ScaleMatch(True, same_items, "", GRANTED if same_items is None else "")
    assert match(client, therapist) == expected
    assert match(therapist, client) == expected


OTHER_ITEMS = (
    "Alliance client and Alliance therapist are not made of the same items: their means can differ for that alone."
)
REFUSALS = {
    "two ranges": (
        ("WAI-SR",),
        ("HAq-II",),
        "Alliance client can run from 1 to 5 and Alliance therapist from 1 to 6: their means can differ for that alone.",
        False,
        False,
    ),
    "a sum and a mean of one instrument": (
        ("WAI-SR", {"score": "sum"}),
        ("WAI-SR",),
        "Alliance client can run from 12 to 60 and Alliance therapist from 1 to 5: their means can differ for that "
        "alone.",
        False,
        True,
    ),
    "two families on one range": (
        ("WAI-SR", {"range": (1, 6)}),
        ("HAq-II",),
        OTHER_ITEMS,
        True,
        False,
    ),
    "two numbers of items": (
        ("WAI-SR", {"items": items(12), "reverse": ()}),
        ("WAI-SRT", {"items": items(10), "reverse": (), "shared_items": True}),
        OTHER_ITEMS,
        True,
        False,
    ),
    "more items than the instrument has": (
        ("WAI-SR",),
        ("WAI-SRT", {"items": items(10), "reverse": ()}),
        OTHER_ITEMS,
        True,
        False,
    ),
    "stated": (("WAI-SR", {"shared_items": False}), ("WAI-SR",), OTHER_ITEMS, True, False),
    "centred": (
        ("WAI-SR", {"centred": True}),
        ("WAI-SR", {"centred": True}),
        "Alliance client and Alliance therapist are centred: the means have no common zero.",
        False,
        True,
    ),
    "one centred": (
        ("WAI-SR", {"range": (1, 5), "centred": True}),
        ("WAI-SR",),
        "Alliance client is centred: the means have no common zero.",
        False,
        True,
    ),
    "no known range": (
        (None, {"range": "none"}),
        (None, {"range": (1, 4)}),
        "The lowest and highest possible values of Alliance client are not known.",
        False,
        None,
    ),
}


@pytest.mark.parametrize(
    ("client", "therapist", "reason", "same_range", "same_items"), REFUSALS.values(), ids=REFUSALS.keys()
)
def test_no_difference_of_means_is_claimed(
    client: tuple[Any, ...], therapist: tuple[Any, ...], reason: str, same_range: bool, same_items: bool | None
) -> None:
    assert match(client, therapist) == ScaleMatch(same_range, same_items, reason, "")


def test_two_parts_of_one_instrument_have_other_items() -> None:
    goal, bond = measure("alliance_client_goal", "WAI-SR"), measure("alliance_therapist_bond", "WAI-SR")
    assert compare_scales(goal, bond).same_items is False
    assert compare_scales(goal, measure("alliance_therapist", "WAI-SR")).same_items is False
    assert compare_scales(goal, measure("alliance_therapist_goal", "WAI-SR")).same_items is True


def test_sums_of_a_part_with_an_unknown_number_of_items_are_on_one_scale_if_their_items_are() -> None:
    known = measure("alliance_client_goal", "WAI-SR", score="sum")
    unknown = measure("alliance_therapist_goal", "WAI-SRT", score="sum")
    assert (unknown.low, compare_scales(known, unknown)) == (
        None,
        ScaleMatch(
            True,
            None,
            "",
            "It is taken for granted that Alliance client goal and Alliance therapist goal are ratings of the same "
            "items.",
        ),
    )


def test_a_study_compares_its_measures_by_name(write: Writer) -> None:
    study = load_study(
        write(STUDY + "  alliance_therapist: {instrument: WAI-SRT, column: symptoms, range: null, collected: after}\n")
    )
    assert study.compare_scales("alliance_client", "alliance_therapist").reason == (
        "The lowest and highest possible values of Alliance therapist are not known."
    )
    with pytest.raises(DataError) as raised:
        study.compare_scales("alliance_client", "alliance_theraapist")
    assert str(raised.value) == (
        "alliance_theraapist: the study has no such measure; nearest: alliance_therapist, alliance_client. "
        "Add it under `measures:` in study.yml."
    )


def test_the_example_study_takes_the_same_items_for_granted() -> None:
    assert load_study("example").compare_scales("alliance_client", "alliance_therapist") == ScaleMatch(
        True, None, "", GRANTED
    )


def test_the_note_on_raters_follows_the_same_rule(write: Writer) -> None:
    study = STUDY + "  alliance_therapist: {instrument: HAq-II, column: haq, collected: after, range: [1, 5]}\n"
    sessions = "client,session,alliance_client,symptoms,haq\nc1,1,3,7,3\nc1,2,4,8,5\n"
    assert load_study(write(study, sessions)).notes == (
        f"{OTHER_ITEMS} No report claims a mean difference between these raters.",
    )
    shared = study.replace("[1, 5]", "[1, 5], shared_items: true")
    assert load_study(write(shared, sessions)).notes == ()
