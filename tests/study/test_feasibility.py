"""Which questions a study can answer, and the sentence that says why not."""

from __future__ import annotations

import pandas as pd
import pytest
from small_study import STUDY, Writer

from alliance_analysis.study.feasibility import count_pairs
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
        "12 of 12 clients have 3 or more sessions with alliance_client and symptoms; in 12 of them both vary; "
        "36 pairs of consecutive sessions from 12 clients.",
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
        "12 of 12 clients have 3 or more sessions with alliance_therapist and symptoms; in 12 of them both vary; "
        "36 pairs of consecutive sessions from 12 clients.",
    ]


PAIRS = "At least 30 pairs of consecutive sessions with both, from at least 10 clients."
HAVE = "12 of 12 clients have 3 or more sessions with alliance_client and symptoms"


def test_forms_at_every_second_session_have_no_session_before(write: Writer, good_frame: pd.DataFrame) -> None:
    sparse = good_frame.assign(session=2 * good_frame["session"] - 1)
    assert answer(write, sparse) == [
        False,
        f"{HAVE}, but no two consecutive sessions (such as 1 and 2) of a client have both.",
        PAIRS,
    ]


def test_too_few_pairs_are_counted(write: Writer, good_frame: pd.DataFrame) -> None:
    late = good_frame.assign(session=good_frame["session"].replace({3: 5, 4: 7}))
    assert answer(write, late) == [
        False,
        f"{HAVE}, but there are only 12 pairs of consecutive sessions from 12 clients; "
        "at least 30 from 10 clients are needed.",
        PAIRS,
    ]


def test_pairs_of_a_few_clients_are_not_enough(write: Writer, good_frame: pd.DataFrame) -> None:
    few = good_frame["client"] < "c09"
    spaced = good_frame.assign(session=good_frame["session"].where(few, 2 * good_frame["session"]))
    more = pd.concat([spaced, spaced[few].assign(session=spaced["session"] + 4)])
    assert answer(write, more)[1] == (
        f"{HAVE}, but there are only 63 pairs of consecutive sessions from 9 clients; "
        "at least 30 from 10 clients are needed."
    )


def test_occasions_after_treatment_are_no_sessions(write: Writer, good_frame: pd.DataFrame) -> None:
    phases = good_frame.assign(phase=good_frame["session"].map({1: "treatment", 2: "treatment"}).fillna("follow_up"))
    assert answer(write, phases)[1] == (
        "0 of 12 clients have 3 or more sessions with alliance_client and symptoms, and in 0 of them both vary; "
        "at least 10 are needed."
    )


def test_two_dates_too_far_apart_make_no_pair(write: Writer, good_frame: pd.DataFrame) -> None:
    dated = good_frame.assign(date=[f"2024-{session:02d}-01" for session in good_frame["session"]])
    assert answer(write, dated, STUDY + "report: {max_gap_days: 7}\n")[:2] == [
        False,
        f"{HAVE}, but no two consecutive sessions (such as 1 and 2) of a client have both.",
    ]
    assert answer(write, dated, STUDY + "report: {max_gap_days: 31}\n")[0]


def test_a_pair_is_the_session_before_with_the_same_therapist() -> None:
    frame = pd.DataFrame(
        {
            "client": ["a"] * 6 + ["b"] * 2,
            "therapist": ["t"] * 4 + ["u"] * 2 + ["t"] * 2,
            "session": [0, 1, 2, 4, 5, 6, 1, 2],
            "alliance_client": [3, 3, 3, 3, 3, 3, None, 3],
            "symptoms": [9.0] * 8,
        }
    )
    # the intake is no session, 4 has no 3, 5 has another therapist, b's session 1 has no alliance
    assert count_pairs(frame, "alliance_client", same_session=False).to_dict() == {"a": 2}
    assert count_pairs(frame, "alliance_client", same_session=True).to_dict() == {"a": 2, "b": 1}


def test_alliance_before_and_symptoms_after_pair_within_the_session(write: Writer, good_frame: pd.DataFrame) -> None:
    study = STUDY.replace("collected: after", "collected: x").replace("collected: before", "collected: after")
    gone = good_frame.assign(alliance_client=good_frame["alliance_client"].where(good_frame["session"] > 1))
    assert answer(write, gone, study.replace("collected: x", "collected: before"))[1].endswith(
        "36 pairs of consecutive sessions from 12 clients."
    )
    assert answer(write, gone)[1].endswith("; at least 30 from 10 clients are needed.")


LEVELS = (
    "Therapist ids, with 5 or more therapists who see 2 or more clients, and an alliance rating and symptoms at 3 or more "
    "sessions of 10 or more clients."
)


def levels_answer(write: Writer, frame: pd.DataFrame, study: str = STUDY) -> list[object]:
    table = load_study(write(study, frame.to_csv(index=False))).feasibility().set_index("question")
    return table.loc["07", ["answerable", "reason", "needs"]].tolist()


def in_sixes(good_frame: pd.DataFrame) -> pd.DataFrame:
    """The twelve clients with six therapists, two clients each."""
    return good_frame.assign(therapist="t" + (good_frame["client"].str[1:].astype(int) % 6).astype(str))


SIX = "12 clients with 3 or more sessions that have both alliance_client and symptoms, of 6 therapists, 6 of whom see 2 or more such clients."


def test_levels_can_be_told_apart_with_enough_therapists(write: Writer, good_frame: pd.DataFrame) -> None:
    assert levels_answer(write, in_sixes(good_frame)) == [True, SIX, ""]


def test_levels_need_therapist_ids(write: Writer, good_frame: pd.DataFrame) -> None:
    assert levels_answer(write, good_frame.drop(columns="therapist")) == [
        False,
        "The sessions have no therapist ids.",
        LEVELS,
    ]


def test_three_therapists_are_too_few_to_tell_levels_apart(write: Writer, good_frame: pd.DataFrame) -> None:
    assert levels_answer(write, good_frame) == [
        False,
        "There are 12 clients with 3 or more sessions that have both alliance_client and symptoms, of 3 therapists, 3 of "
        "whom see 2 or more such clients; at least 5 such therapists are needed.",
        LEVELS,
    ]


def test_one_client_per_therapist_tells_no_levels_apart(write: Writer, good_frame: pd.DataFrame) -> None:
    own = good_frame.assign(therapist="t" + good_frame["client"])
    assert levels_answer(write, own)[:2] == [
        False,
        "There are 12 clients with 3 or more sessions that have both alliance_client and symptoms, of 12 therapists, 0 of "
        "whom see 2 or more such clients; at least 5 such therapists are needed.",
    ]


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        ("alliance_client", "The sessions have no alliance ratings."),
        ("symptoms", "The sessions have no symptoms."),
    ],
)
def test_levels_need_both_measures(write: Writer, good_frame: pd.DataFrame, drop: str, reason: str) -> None:
    study = "\n".join(line for line in STUDY.splitlines() if not line.strip().startswith(drop)) + "\n"
    assert levels_answer(write, in_sixes(good_frame).drop(columns=drop), study) == [False, reason, LEVELS]


def test_a_client_counts_for_levels_only_with_both_ratings_at_three_sessions(
    write: Writer, good_frame: pd.DataFrame
) -> None:
    frame = in_sixes(good_frame)
    frame["symptoms"] = frame["symptoms"].where((frame["client"] > "c01") | (frame["session"] < 3))
    assert levels_answer(write, frame)[1].startswith(
        "There are 10 clients with 3 or more sessions that have both alliance_client and symptoms, of 6 therapists, 4 of "
    )


def test_an_intake_and_a_follow_up_do_not_make_a_third_session(write: Writer, good_frame: pd.DataFrame) -> None:
    frame = in_sixes(good_frame)
    from_intake = frame.assign(session=frame["session"].map({1: 0, 2: 1, 3: 2, 4: 99}))
    occasions = from_intake.assign(phase=from_intake["session"].map({99: "follow_up"}).fillna("treatment"))
    assert levels_answer(write, frame)[0]
    assert levels_answer(write, occasions)[1].startswith("There are 0 clients with 3 or more sessions")


def rater_answer(write: Writer, frame: pd.DataFrame, question: str, study: str = STUDY) -> list[object]:
    table = load_study(write(study, frame.to_csv(index=False))).feasibility().set_index("question")
    return table.loc[question, ["answerable", "reason"]].tolist()


TWO_RATERS = STUDY + "  alliance_therapist: {column: alliance_therapist, range: [1, 5], collected: after}\n"


def two_raters(frame: pd.DataFrame, n: int = 30) -> pd.DataFrame:
    """The good study, three times over, with a therapist's rating."""
    copies = [frame.assign(client=frame["client"] + f"x{k}") for k in range(3)]
    whole = pd.concat(copies, ignore_index=True)
    keep = whole["client"].isin(whole["client"].unique()[:n])
    return whole[keep].assign(alliance_therapist=whole["alliance_client"].clip(1, 4.5))


def test_agreement_needs_both_raters(write: Writer, good_frame: pd.DataFrame) -> None:
    for question in ("03", "10"):
        assert rater_answer(write, good_frame, question) == [
            False,
            "The sessions have no alliance ratings by the therapist.",
        ]


def test_agreement_counts_what_both_rated(write: Writer, good_frame: pd.DataFrame) -> None:
    frame = two_raters(good_frame)
    sessions = frame["client"].nunique() * 4
    assert rater_answer(write, frame, "03", TWO_RATERS) == [
        True,
        f"Both rated {sessions} sessions of 30 clients; 30 of them have two or more.",
    ]
    few = two_raters(good_frame, 6)
    assert rater_answer(write, few, "03", TWO_RATERS)[1] == (
        "Both rated 24 sessions of 6 clients; at least 10 clients are needed."
    )


def test_agreement_and_outcome_needs_later_symptoms(write: Writer, good_frame: pd.DataFrame) -> None:
    frame = two_raters(good_frame)
    assert rater_answer(write, frame, "10", TWO_RATERS) == [
        True,
        "Both rated 120 sessions of 30 clients; 90 pairs of consecutive sessions from 30 clients have symptoms too.",
    ]
    few = two_raters(good_frame, 12)
    assert rater_answer(write, few, "10", TWO_RATERS)[1].endswith("at least 30 pairs from 20 clients are needed.")
    once = frame[frame["session"] == 1]
    assert rater_answer(write, once, "10", TWO_RATERS) == [
        False,
        "Every client has one session, so no outcome comes after a rating.",
    ]
    assert rater_answer(write, once, "03", TWO_RATERS) == [
        True,
        "Both rated 30 sessions of 30 clients; none has two, so nothing can be said within clients.",
    ]


def test_agreement_and_outcome_needs_symptoms(write: Writer, good_frame: pd.DataFrame) -> None:
    frame = two_raters(good_frame)
    without = TWO_RATERS.replace("symptoms:", "wellbeing:")
    renamed = frame.rename(columns={"symptoms": "wellbeing"})
    assert rater_answer(write, renamed, "10", without) == [False, "The sessions have no symptoms."]
