"""A mistyped or ill-typed parameter stops before any kernel starts, with the nearest name."""

import pytest

from alliance_analysis.errors import ReportError
from alliance_analysis.report.parameters import Parameter, choose_values, coerce, read_parameters

CELL = 'study: str = "example"\nconf_level: float = 0.95\nseed: int = 1\nplain: bool = False'


def notebook(*sources):
    return {"cells": [{"metadata": {"tags": ["parameters"]}, "source": source} for source in sources]}


@pytest.fixture
def declared():
    first = read_parameters(notebook(CELL), "01_a.ipynb")
    return {"01": first, "02": {**first, "lags": Parameter("lags", "int", 1)}}


def test_annotated_literals_are_read():
    assert read_parameters(notebook(CELL + "\nlow: float = -1.5"), "01_a.ipynb") == {
        "study": Parameter("study", "str", "example"),
        "conf_level": Parameter("conf_level", "float", 0.95),
        "seed": Parameter("seed", "int", 1),
        "plain": Parameter("plain", "bool", False),
        "low": Parameter("low", "float", -1.5),
    }


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "0 cells are tagged 'parameters'; one is required. Tag the first code cell, and only it."),
        ([CELL, CELL], "2 cells are tagged 'parameters'; one is required. Tag the first code cell, and only it."),
        (["a: int = 1"], 'no parameter `study`; it is required. Add the line `study: str = "example"`.'),
        (
            ["a: int ="],
            "line 1 of the parameters cell is not Python; lines `name: type = value` are allowed. Correct it.",
        ),
        (
            [CELL + "\na = 1"],
            "line 5 of the parameters cell is `a = 1`; only `name: type = value` is allowed. Correct it.",
        ),
        (
            ["a: list = []"],
            "line 1 of the parameters cell has the type 'list'; allowed are str, int, float, bool. Correct it.",
        ),
        (
            ["a: int = 2 * 3"],
            "line 1 of the parameters cell has the value `2 * 3`; only literals are allowed. Write the value itself.",
        ),
        (
            ["a: int = 'x'"],
            "line 1 of the parameters cell, a: 'x' is not a value of type int. Correct the value.",
        ),
    ],
)
def test_a_parameters_cell_that_cannot_be_trusted_is_refused(sources, message):
    with pytest.raises(ReportError) as error:
        read_parameters(notebook(*sources), "01_a.ipynb")
    assert str(error.value) == f"01_a.ipynb: {message}"


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [("0.9", "float", 0.9), (1, "float", 1.0), ("7", "int", 7), ("TRUE", "bool", True), ("7", "str", "7")],
)
def test_text_is_read_as_the_declared_type(value, kind, result):
    got = coerce(value, kind, "x")
    assert (got, type(got)) == (result, type(result))


@pytest.mark.parametrize(
    ("value", "kind", "allowed"),
    [
        ("0,9 or so", "float", "a value of type float"),
        ("1.5", "int", "a value of type int"),
        (True, "int", "a value of type int"),
        ("yes", "bool", "true or false"),
        (3, "str", "a value of type str"),
    ],
)
def test_what_is_not_of_the_type_is_refused(value, kind, allowed):
    with pytest.raises(ReportError) as error:
        coerce(value, kind, "parameter x")
    assert str(error.value) == f"parameter x: {value!r} is not {allowed}. Correct the value."


@pytest.mark.parametrize(("typed", "written"), [("0,9", "0.9"), ("-1,25", "-1.25"), (",5", ".5")])
def test_a_decimal_comma_is_recognised(typed, written):
    with pytest.raises(ReportError) as error:
        coerce(typed, "float", "parameter x")
    assert str(error.value) == f"parameter x: {typed!r} is not a value of type float. Write {written}, with a point."


def test_a_value_for_one_notebook_wins_over_one_for_all(declared):
    values = choose_values(declared, {"02.conf_level": "0.8", "conf_level": "0.9", "lags": 2})
    assert values == {
        "01": {"conf_level": 0.9, "seed": 1, "plain": False},
        "02": {"conf_level": 0.8, "seed": 1, "plain": False, "lags": 2},
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"conf_levle": "0.9"},
            "parameter conf_levle: the notebooks of this run have no parameter 'conf_levle'; known are conf_level,"
            " lags, plain, seed. Did you mean 'conf_level'?",
        ),
        (
            {"01.lags": 2},
            "parameter 01.lags: notebook 01 has no parameter 'lags'; known are conf_level, plain, seed.",
        ),
        ({"09.seed": 2}, "parameter 09.seed: no notebook 09 in this run; it has 01, 02. Correct it."),
        (
            {"study": "x"},
            "parameter study: the study is the same for the whole run. Give it with --study.",
        ),
        (
            {"conf_level": "95"},
            "parameter conf_level: 95.0 is not between 0 and 1; 0.95 is usual. Correct the value.",
        ),
        (
            {"seed": "-1"},
            "parameter seed: -1 is not between 0 and 4294967295. Correct the value.",
        ),
        ({"seed": "one"}, "parameter seed: 'one' is not a value of type int. Correct the value."),
    ],
)
def test_wrong_parameters_are_refused(declared, asked, message):
    with pytest.raises(ReportError) as error:
        choose_values(declared, asked)
    assert str(error.value) == message
