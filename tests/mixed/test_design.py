"""From frame to matrices: which rows are used, why others are not, and at which level a term varies."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.design import Design, build_design, term_levels
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.formula import parse_formula


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "therapist": ["t1", "t1", "t1", "t1", "t2", "t2", "t2", "t2"],
            "client": ["c1", "c1", "c2", "c2", "c1", "c1", "c3", "c3"],
            "time": [0, 1, 0, 1, 0, 1, 0, 1],
            "y": [1.0, 2.5, np.nan, 4.0, 5.0, 6.5, 7.0, 9.0],
            "x": [1.0, 2.0, 3.0, np.nan, 5.0, 7.0, 6.0, 8.0],
            "age": [30, 30, 41, 41, 30, 30, 50, 50],
            "office": [1, 1, 1, 1, 2, 2, 2, 2],
            "mode": ["online", "room", "online", "room", "room", "online", "room", "room"],
        }
    )


def build(formula: str, frame: pd.DataFrame) -> Design:
    return build_design(parse_formula(formula), frame)


def refusal(formula: str, frame: pd.DataFrame) -> str:
    with pytest.raises(ModelError) as caught:
        build(formula, frame)
    return str(caught.value)


def test_incomplete_rows_are_left_out_counted_and_explained(frame: pd.DataFrame) -> None:
    design = build("y ~ x + (1 | client)", frame)
    np.testing.assert_array_equal(design.rows, [0, 1, 4, 5, 6, 7])
    assert design.n_dropped == 2
    assert design.dropped_by == {"y": 1, "x": 1}
    np.testing.assert_array_equal(design.y, frame["y"].iloc[design.rows])


def test_a_column_outside_the_formula_costs_no_row(frame: pd.DataFrame) -> None:
    assert build("y ~ time + (1 | client)", frame).n_dropped == 1


def test_rows_are_positions_whatever_the_index(frame: pd.DataFrame) -> None:
    other = frame.set_index(pd.Index(list("hgfedcba")))
    np.testing.assert_array_equal(build("y ~ x + (1 | client)", other).rows, [0, 1, 4, 5, 6, 7])


def test_the_callers_frame_is_not_changed(frame: pd.DataFrame) -> None:
    before = frame.copy()
    build("log(y) ~ x + mode + (1 + time | therapist:client)", frame)
    pd.testing.assert_frame_equal(frame, before)


def test_nested_groups_keep_equal_client_ids_of_two_therapists_apart(frame: pd.DataFrame) -> None:
    design = build("y ~ 1 + (1 | therapist/client)", frame)
    assert {group: block.n_levels for group, block in design.groups.items()} == {"therapist": 2, "therapist:client": 4}


def test_double_bar_gives_every_column_its_own_variance(frame: pd.DataFrame) -> None:
    design = build("y ~ 1 + (1 + time || client)", frame)
    assert [block.names for block in design.random] == [("(Intercept)",), ("time",)]


def test_number_types_of_pandas_are_numbers(frame: pd.DataFrame) -> None:
    typed = frame.assign(time=frame["time"].astype("Int64"), flag=frame["time"].eq(1))
    assert build("y ~ time + flag + (1 | client)", typed).terms == ("(Intercept)", "time", "flag")


def test_categories_keep_their_order_and_lose_unused_levels(frame: pd.DataFrame) -> None:
    ordered = pd.Categorical(frame["mode"], categories=["room", "online", "phone"], ordered=True)
    assert build("y ~ mode + (1 | client)", frame.assign(mode=ordered)).terms == ("(Intercept)", "mode[online]")


def test_terms_are_placed_at_the_coarsest_level_where_they_are_constant(frame: pd.DataFrame) -> None:
    design = build("y ~ time + age + office + (1 | therapist/client)", frame)
    assert term_levels(design) == {
        "(Intercept)": "therapist",
        "time": "",
        "age": "therapist:client",
        "office": "therapist",
    }


def test_group_means_that_differ_in_the_last_digit_are_constant(frame: pd.DataFrame) -> None:
    mean = frame["office"] * 1000.1
    mean.iloc[0] += 1e-10
    assert term_levels(build("y ~ m + (1 | therapist)", frame.assign(m=mean)))["m"] == "therapist"


def test_unknown_columns_are_named_with_their_nearest(frame: pd.DataFrame) -> None:
    assert refusal("y ~ tine + (1 | client)", frame) == (
        "formula: 'tine' is not a column of the data; nearest: time. Correct it or add the column."
    )
    assert refusal("y ~ os + (1 | client)", frame) == (
        "formula: 'os' is not a column of the data. Correct it or add the column."
    )


def test_bad_data_are_refused_by_name(frame: pd.DataFrame) -> None:
    doubled = pd.concat([frame, frame[["x"]]], axis=1)
    assert refusal("y ~ x + (1 | client)", doubled) == "data: the column 'x' is there 2 times. Keep one of them."
    infinite = frame.assign(x=[np.inf, 1, 2, 3, 4, 5, 6, -np.inf])
    assert refusal("y ~ x + (1 | client)", infinite) == (
        "x: infinite values in 2 rows. Correct them or make them missing."
    )
    dated = frame.assign(day=pd.Timestamp("2024-01-01"))
    assert refusal("y ~ day + (1 | client)", dated) == (
        "day: dates and durations cannot stand in a formula. Turn them into numbers first."
    )
    assert refusal("mode ~ x + (1 | client)", frame) == (
        "mode: the outcome must be numeric, but it holds text such as 'online'. Recode it."
    )
    assert refusal("y ~ log(time) + (1 | client)", frame) == (
        "log(time): 3 of 7 values are not finite numbers. A log needs positive values."
    )
    assert refusal("y + x ~ 1 + (1 | client)", frame) == (
        "formula: the outcome 'y + x' gives 2 columns; one is allowed."
    )
    assert refusal("y ~ place + (1 | client)", frame.assign(place="A")) == (
        "place: the predictor is constant ('A') in the 7 rows used. Drop it."
    )
    assert refusal("y ~ x + (0 | client)", frame) == "formula: '(0 | client)' has no column. Write '(1 | client)'."


def test_outcomes_that_are_no_real_numbers_are_refused(frame: pd.DataFrame) -> None:
    assert refusal("y ~ x + (1 | client)", frame.assign(y=frame["y"] > 2)) == (
        "y: the outcome is true or false, and this model is for numbers. Code it 0 and 1 if you mean a linear model of a "
        "share."
    )
    assert refusal("y ~ x + (1 | client)", frame.assign(y=frame["y"] + 1j)) == (
        "y: it holds complex numbers; real ones are allowed. Take the part you mean."
    )


def test_numbers_in_a_column_of_objects_are_numbers(frame: pd.DataFrame) -> None:
    formula = parse_formula("y ~ x + (1 | client)")
    objects = frame.assign(x=frame["x"].astype(object), y=frame["y"].map(lambda value: Decimal(str(value))))
    plain, read = build_design(formula, frame), build_design(formula, objects)
    assert read.terms == plain.terms
    np.testing.assert_array_equal(read.X, plain.X)
    np.testing.assert_allclose(read.y, plain.y, rtol=1e-15)


def test_incomplete_groups_are_refused_with_their_count(frame: pd.DataFrame) -> None:
    frame.loc[[2, 3], "client"] = None
    assert refusal("y ~ x + (1 | client)", frame) == (
        "client: 2 of 8 rows have no value; a grouping column must be complete. Drop those rows or fill in the group."
    )


def test_no_row_left_says_which_columns_are_empty(frame: pd.DataFrame) -> None:
    assert refusal("y ~ x + (1 | client)", frame.assign(x=np.nan)) == (
        "data: none of the 8 rows has a value in every column of the formula; missing are x in 8, y in 1. "
        "Drop a column from the formula."
    )
    assert refusal("y ~ x + (1 | client)", frame.iloc[:0]) == "data: there are 0 rows. Check how the frame was made."


def test_something_else_than_a_frame_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        build_design(parse_formula("y ~ x + (1 | g)"), {"y": [1]})  # type: ignore[arg-type]
    assert str(caught.value) == "data must be a pandas DataFrame, got dict."


def test_long_numeric_ids_are_labels_and_keep_every_digit():
    ids = np.repeat(20231115000000001 + np.arange(20), 4)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.normal(size=80) + rng.normal(size=20).repeat(4), "client": ids})
    assert fit_mixed("y ~ 1 + (1 | client)", frame).glance()["n_client"].item() == 20
