"""Which questions a study can answer, and the sentence that says why not."""

from __future__ import annotations

import pandas as pd
import pytest
from small_study import STUDY, Writer

from alliance_analysis.study.studyfile import load_study


def answer(write: Writer, frame: pd.DataFrame, study: str = STUDY) -> list[object]:
    table = load_study(write(study, frame.to_csv(index=False))).feasibility()
    assert list(table) == ["question", "slug", "title", "kind", "answerable", "reason", "needs"]
    assert table.loc[0, ["question", "answerable", "needs"]].tolist() == ["01", True, ""]
    return table.loc[1, ["answerable", "reason", "needs"]].tolist()


MORE = "At least 10 clients with 3 or more sessions that have both, varying within them."
BOTH = "An alliance rating (alliance_client, alliance_therapist, alliance_observer) and symptoms, session by session."


def test_enough_clients_with_enough_sessions(write: Writer, good_frame: pd.DataFrame) -> None:
    assert answer(write, good_frame) == [
        True,
        "12 of 12 clients have 3 or more sessions with alliance_client and symptoms; in 12 of them both vary.",
        "",
    ]


def test_too_few_sessions(write: Writer, good_frame: pd.DataFrame) -> None:
    assert answer(write, good_frame[good_frame["session"] < 3]) == [
        False,
        "0 of 12 clients have 3 or more sessions with alliance_client and symptoms, and in 0 of them both vary; "
        "at least 10 are needed.",
        MORE,
    ]


def test_one_client(write: Writer, good_frame: pd.DataFrame) -> None:
    assert answer(write, good_frame[good_frame["client"] == "c00"]) == [
        False,
        "1 of 1 clients have 3 or more sessions with alliance_client and symptoms, and in 1 of them both vary; "
        "at least 10 are needed.",
        MORE,
    ]


def test_ratings_that_never_vary_within_a_client(write: Writer, good_frame: pd.DataFrame) -> None:
    flat = good_frame.assign(alliance_client=good_frame.groupby("client")["alliance_client"].transform("first"))
    assert answer(write, flat)[:2] == [
        False,
        "12 of 12 clients have 3 or more sessions with alliance_client and symptoms, and in 0 of them both vary; "
        "at least 10 are needed.",
    ]


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        (["alliance_client"], "The sessions have no alliance ratings."),
        (["symptoms"], "The sessions have no symptoms."),
        (["alliance_client", "symptoms"], "The sessions have no alliance ratings and no symptoms."),
    ],
)
def test_what_is_lacking_is_named(write: Writer, good_frame: pd.DataFrame, drop: list[str], reason: str) -> None:
    lines = [line for line in STUDY.splitlines() if not any(line.strip().startswith(name) for name in drop)]
    assert answer(write, good_frame.drop(columns=drop), "\n".join(lines) + "\n") == [False, reason, BOTH]


def test_the_clients_rating_is_preferred_and_another_one_will_do(write: Writer, good_frame: pd.DataFrame) -> None:
    study = STUDY.replace("alliance_client: {instrument: WAI-SR", "alliance_therapist: {instrument: WAI-SRT")
    renamed = good_frame.rename(columns={"alliance_client": "alliance_therapist"})
    assert answer(write, renamed, study)[:2] == [
        True,
        "12 of 12 clients have 3 or more sessions with alliance_therapist and symptoms; in 12 of them both vary.",
    ]
