"""Every key of study.yml is checked, in its line, with the nearest allowed word."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.study.definition import read_definition

HEAD = "data: sessions.csv\n"


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "study.yml"
    path.write_text(text, encoding="utf-8")
    return [str(problem) for problem in read_definition(path)[1]]


CASES = {
    "no data": (
        "study: {title: x}\n",
        "line 1: data is missing; name the file with the sessions, for example `data: sessions.csv`.",
    ),
    "file twice": ("data: [a.csv, a.csv]\n", "line 1: data names 'a.csv' twice. Keep it once."),
    "dataset joined": (
        "data: [a.csv, 'dataset:x']\n",
        "line 1: data can not join 'dataset:x' with other files. Name it alone.",
    ),
    "unknown key": (HEAD + "measure: {}\n", "line 2: measure is not a key; nearest: measures."),
    "nothing near": (
        HEAD + "report: {zzz: 1}\n",
        "line 2: report.zzz is not a key; allowed are min_cell, max_gap_days.",
    ),
    "not a mapping": (HEAD + "study: yes\n", "line 2: study must be a list of `key: value` lines, got 'True'."),
    "flag": (HEAD + "study: {simulated: 1}\n", "line 2: study.simulated must be true or false, got '1'."),
    "choice": (
        HEAD + "repeated_client_ids: same\n",
        "line 2: repeated_client_ids must be same_person or different_people, got 'same'.",
    ),
    "number": (
        HEAD + "report:\n  min_cell: 0\n",
        "line 3: report.min_cell must be a whole number of 1 or more, got '0'.",
    ),
    "share": (
        HEAD + "measures:\n  hope: {range: [0, 1], higher_is_worse: no, min_answered: 1.5}\n",
        "line 3: measures.hope.min_answered must be a number from 0.01 to 1, got 1.5.",
    ),
    "range": (
        HEAD + "measures:\n  hope: {range: [5, 1], higher_is_worse: no}\n",
        "line 3: measures.hope.range must be [lowest, highest] or null, got '[5, 1]'.",
    ),
    "no range": (
        HEAD + "measures:\n  hope: {higher_is_worse: no}\n",
        "line 3: measures.hope.range is missing; add `range: [lowest, highest]`, or `range: null` for values "
        "without limits.",
    ),
    "no direction": (
        HEAD + "measures:\n  hope: {range: [0, 1]}\n",
        "line 3: measures.hope.higher_is_worse is missing; write true or false. The direction is never guessed.",
    ),
    "unknown instrument": (
        HEAD + "measures:\n  symptoms: {instrument: PHQ9, higher_is_worse: true}\n",
        "line 3: measures.symptoms.instrument 'PHQ9' is not known; nearest: PHQ-9. "
        "Correct it, or add `range: [lowest, highest]`.",
    ),
    "column and items": (
        HEAD + "measures:\n  hope: {range: [0, 1], higher_is_worse: no, column: a, items: [a, b]}\n",
        "line 3: measures.hope.items and column are both given. Keep `items` to have them scored, or `column`.",
    ),
    "number of items": (
        HEAD + "measures:\n  symptoms: {instrument: GAD-7, items: [a, b]}\n",
        "line 3: measures.symptoms.items has 2 columns; GAD-7 has 7 items. Name all, in its order.",
    ),
    "reversed item unknown": (
        HEAD + "measures:\n  hope: {range: [0, 1], higher_is_worse: no, items: [h1, h2], reverse: [h3]}\n",
        "line 3: measures.hope.reverse names 'h3', which is not one of the items. Name columns that stand under "
        "`items`.",
    ),
    "reverse without range": (
        HEAD + "measures:\n  hope: {range: null, higher_is_worse: no, items: [h1, h2], reverse: [h2]}\n",
        "line 3: measures.hope.reverse needs the range of one item. Add `range: [lowest, highest]`.",
    ),
    "derived name": (
        HEAD + "measures:\n  hope_within: {range: [0, 1], higher_is_worse: no}\n",
        "line 3: measures.hope_within is a name the package uses for a derived column. Rename it.",
    ),
    "hostile name": (
        HEAD + "measures:\n  </script>: {range: [0, 1], higher_is_worse: no}\n",
        "line 3: measures.</script> can not be a name; allowed are letters, digits and _, a letter first. Rename it.",
    ),
    "measure is a key column": (
        HEAD + "measures:\n  session: {range: [0, 1]}\n",
        "line 3: measures.session is a column of its own, not a measure. Rename it.",
    ),
    "misspelt column": (
        HEAD + "columns: {clent: PatID}\n",
        "line 2: columns.clent is not a name the package knows; nearest: client.",
    ),
    "column used twice": (
        HEAD + "columns: {client: id, therapist: id}\n",
        "line 2: columns.therapist and client both name the column 'id'. Give each its own.",
    ),
    "measure under columns": (
        HEAD + "columns: {hope: h}\nmeasures:\n  hope: {range: [0, 1], higher_is_worse: no}\n",
        "line 2: columns.hope is a measure. Name its column under measures.hope.column.",
    ),
    "unknown question": (
        HEAD + "plan: {primary: 99}\n",
        "line 2: plan.primary must be the number of a question (01, 02, 03, 07, 10), got '99'.",
    ),
    "direction that is no flag": (
        HEAD + "measures:\n  hope: {range: [0, 1], higher_is_worse: ja}\n",
        "line 3: measures.hope.higher_is_worse must be true or false, got 'ja'.",
    ),
    "range that is no range": (
        HEAD + "measures:\n  hope: {range: 5, higher_is_worse: no, items: [h1, h2], reverse: [h2]}\n",
        "line 3: measures.hope.range must be [lowest, highest] or null, got '5'.",
    ),
    "misspelt key that is required": ("dta: a.csv\n", "line 1: dta is not a key; nearest: data."),
    "misspelt range": (
        HEAD + "measures:\n  hope: {rnge: [0, 1], higher_is_worse: no}\n",
        "line 3: measures.hope.rnge is not a key; nearest: range.",
    ),
    "misspelt instrument key": (
        HEAD + "measures:\n  symptoms: {instrumnt: PHQ-9}\n",
        "line 3: measures.symptoms.instrumnt is not a key; nearest: instrument.",
    ),
    "unknown instrument, direction too": (
        HEAD + "measures:\n  symptoms: {instrument: PHQ9}\n",
        "line 3: measures.symptoms.instrument 'PHQ9' is not known; nearest: PHQ-9. "
        "Correct it, or add `range: [lowest, highest]`.",
    ),
    "raters without a column": (
        HEAD + "raters: {client: 1, therapist: 2}\n",
        "line 2: raters.column is missing; name the column that says who rated, for example `column: Role`.",
    ),
    "raters without a word": (
        HEAD + "raters: {column: Role}\n",
        "line 2: raters names nobody who rated; allowed are client, therapist, observer. "
        "Add for each the word in that column, such as `client: Client`.",
    ),
    "one word for two raters": (
        HEAD + "raters: {column: Role, client: 1, therapist: 1}\n",
        "line 2: raters.therapist and client are both '1'. Give each its own word.",
    ),
    "raters that are no list": (
        HEAD + "raters: Role\n",
        "line 2: raters must be a list of `key: value` lines, got 'Role'.",
    ),
    "rater without raters": (
        HEAD + "measures:\n  symptoms: {instrument: PHQ-9, rater: therapist}\n",
        "line 3: measures.symptoms.rater needs the column that says who rated. "
        "Add `raters: {column: …, client: …, therapist: …}` to study.yml.",
    ),
    "rater against the name": (
        HEAD + "raters: {column: Role, client: C, therapist: T}\n"
        "measures:\n  alliance_therapist_bond: {instrument: WAI-SRT, rater: client}\n",
        "line 4: measures.alliance_therapist_bond.rater is client, but the name says therapist. "
        "Delete `rater:`, or rename the measure.",
    ),
    "rater that is nobody": (
        HEAD + "raters: {column: Role, client: C}\nmeasures:\n  symptoms: {instrument: PHQ-9, rater: mother}\n",
        "line 4: measures.symptoms.rater must be client or therapist or observer, got 'mother'.",
    ),
    "shared items": (
        HEAD + "measures:\n  symptoms: {instrument: PHQ-9, shared_items: 12}\n",
        "line 3: measures.symptoms.shared_items must be true or false, got '12'.",
    ),
    "twice": (HEAD + "data: b.csv\n", "line 2: data stands twice, first in line 1. Keep one of them."),
}


@pytest.mark.parametrize(("text", "sentence"), CASES.values(), ids=CASES.keys())
def test_each_wrong_key_has_its_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    assert problems(tmp_path, text) == [sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no `key: value` lines; a study file starts with `study:` and `data:`."),
        ("- a\n", "has no `key: value` lines; a study file starts with `study:` and `data:`."),
        (
            "data: a.csv\nstudy: {title: x\n",
            "line 3 is not valid YAML (expected ',' or '}', but got '<stream end>'). "
            "Check indentation, colons, quotes and brackets there.",
        ),
        (
            "data: a: b\n",
            "line 1 is not valid YAML (mapping values are not allowed here). "
            "Check indentation, colons, quotes and brackets there.",
        ),
        (
            "a: &a [1]\nb: *a\n",
            "line 1 is not valid YAML (aliases (*) are not allowed). "
            "Check indentation, colons, quotes and brackets there.",
        ),
        (
            "a: !!python/object:os.system {}\n",
            "line 1 is not valid YAML (tags (!) are not allowed). "
            "Check indentation, colons, quotes and brackets there.",
        ),
    ],
)
def test_broken_yaml_is_one_sentence_with_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError) as raised:
        problems(tmp_path, text)
    assert str(raised.value) == f"study.yml: {sentence}"


def test_words_that_yaml_takes_for_something_else_stay_names(tmp_path: Path) -> None:
    path = tmp_path / "study.yml"
    path.write_text("data: a.csv\ncolumns: {client: No, session: 1e2}\nplan: {primary: 02, sesoi: {within: 0.1}}\n")
    definition, wrong, _ = read_definition(path)
    assert (definition.columns, definition.plan, wrong) == (
        {"client": "No", "session": "1e2"},
        {"primary": "02", "sesoi": {"within": 0.1}},
        [],
    )


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "clinic.yml"
    path.write_text("data: a.csv\nmeasures:\n  symptoms: {instrument: phq-9, collected: before}\n")
    definition, _, _ = read_definition(path)
    symptoms = definition.measures["symptoms"]
    assert (definition.title, definition.simulated, definition.min_cell) == ("clinic", False, 5)
    assert (symptoms.instrument, symptoms.column, symptoms.score, symptoms.recall_days) == (
        "PHQ-9",
        "symptoms",
        "sum",
        14,
    )
    assert (symptoms.cut_off, symptoms.reliable_change, symptoms.min_answered) == (10, 6, 0.75)


def test_cut_offs_belong_to_the_instruments_own_metric(tmp_path: Path) -> None:
    path = tmp_path / "study.yml"
    path.write_text("data: a.csv\nmeasures:\n  symptoms: {instrument: PHQ-9, score: mean, collected: before}\n")
    symptoms = read_definition(path)[0].measures["symptoms"]
    assert (symptoms.low, symptoms.high, symptoms.cut_off, symptoms.reliable_change) == (0, 3, None, None)


def test_a_stated_range_of_an_unknown_instrument_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "study.yml"
    path.write_text("data: a.csv\nmeasures:\n  hope: {instrument: HOPE-X, range: [1, 8], higher_is_worse: false}\n")
    definition, wrong, notes = read_definition(path)
    assert wrong == []
    assert definition.measures["hope"].unit == "HOPE-X mean (1 to 8)"
    assert notes == [
        "hope: the instrument HOPE-X is unknown to the package; range and direction are as study.yml says."
    ]


def test_range_and_direction_are_asked_for_together(tmp_path: Path) -> None:
    assert problems(tmp_path, HEAD + "measures:\n  hope: {}\n") == [
        "line 3: measures.hope.range is missing; add `range: [lowest, highest]`, or `range: null` for values "
        "without limits.",
        "line 3: measures.hope.higher_is_worse is missing; write true or false. The direction is never guessed.",
    ]


def test_a_stated_label_stands_on_the_axes(tmp_path: Path) -> None:
    path = tmp_path / "study.yml"
    path.write_text("data: a.csv\nmeasures:\n  symptoms: {instrument: PHQ-9, label: Depression}\n")
    symptoms = read_definition(path)[0].measures["symptoms"]
    assert (symptoms.label, symptoms.unit) == ("Depression", "Depression sum (0 to 27)")


def test_the_name_of_an_alliance_rating_says_who_rated_and_all_else_is_the_clients(tmp_path: Path) -> None:
    path = tmp_path / "study.yml"
    path.write_text(
        "data: a.csv\nraters: {column: Role, client: No, therapist: 2, observer: O}\nmeasures:\n"
        "  alliance_client: {instrument: WAI-SR, rater: client}\n  alliance_therapist_goal: {instrument: WAI-SRT}\n"
        "  alliance_observer: {range: [1, 7]}\n  symptoms: {instrument: PHQ-9}\n"
        "  burnout: {range: [0, 6], higher_is_worse: true, rater: therapist}\n"
    )
    definition, wrong, _ = read_definition(path)
    assert wrong == []
    assert definition.raters is not None
    assert definition.raters.words == {"client": "No", "therapist": "2", "observer": "O"}
    assert [measure.rater for measure in definition.measures.values()] == [
        "client",
        "therapist",
        "observer",
        "client",
        "therapist",
    ]
