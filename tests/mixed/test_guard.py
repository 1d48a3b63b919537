"""Models that cannot be identified are refused with the cause."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.fit import fit_mixed

SQUARES = r"squares cannot be computed\. Change its unit\."


@pytest.fixture
def frame(sessions: pd.DataFrame) -> pd.DataFrame:
    few = sessions[sessions["therapist"] < 3].reset_index(drop=True)
    age = few["client"] * 1.5 + 20
    return few.assign(
        double=few["x"] * 2 + few["time"],
        three=3.0,
        zero=0.0,
        age=age,
        style=few["therapist"] ** 2.0,
        years=few["therapist"] * 3.0,
        everyone=1,
        row=np.arange(len(few)),
        alias=few["client"] + 100,
    )


def refusal(formula: str, frame: pd.DataFrame) -> str:
    with pytest.raises(ModelError) as caught:
        fit_mixed(formula, frame)
    return str(caught.value)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (
            "three ~ x + (1 | client)",
            "three: the outcome is constant (3) in the 150 rows used. Choose an outcome that varies.",
        ),
        ("y ~ three + (1 | client)", "three: the predictor is constant (3) in the 150 rows used. Drop it."),
        (
            "y ~ x + time + double + (1 | client)",
            "double: it is a combination of x, time; the effects cannot be told apart. Drop one.",
        ),
        ("y ~ 0 + (1 | client)", "formula: there is no fixed term. Add at least the intercept, '1'."),
        (
            "double ~ x + time + (1 | client)",
            "double: the fixed terms reproduce the outcome exactly; nothing is left for the random terms. "
            "Check whether a predictor was computed from the outcome.",
        ),
        (
            "age ~ time + (1 | client)",
            "age: the outcome does not vary within client, so the residual variance would be zero. "
            "Keep one row per client and leave the random term out.",
        ),
        (
            "y ~ x + (1 | client) + (1 + x | client)",
            "formula: the random term (Intercept) of client is there 2 times; its variances cannot be told apart. "
            "Keep one.",
        ),
        (
            "y ~ x + (1 | everyone)",
            "everyone: it has 1 level in the 150 rows used; one is too few. Drop '(… | everyone)'.",
        ),
        (
            "y ~ x + (1 | row)",
            "row: each of the 150 rows has its own level; its variance cannot be told apart from the residual's. "
            "Drop '(… | row)'.",
        ),
        (
            "y ~ x + (1 + time + I(time ** 2) + I(time ** 3) + x + age + I(x**2) + I(x**3) + I(time**4) | client)",
            "client: 18 levels with 9 random terms each need more than 162 rows, got 150. "
            "Drop a random term of client.",
        ),
        ("y ~ x + (0 + zero | client)", "client: the random term zero is zero in every row. Drop it."),
        (
            "y ~ x + (1 + three | client)",
            "client: the random term three is a combination of (Intercept). Drop one of them.",
        ),
        (
            "y ~ x + (1 | client) + (1 | alias)",
            "client and alias: they group the rows used in the same way (18 levels), so their variances cannot be "
            "told apart. Keep one.",
        ),
        (
            "y ~ x + style + years + (1 | therapist)",
            "3 therapists and the therapist-level predictors style, years: their effects and the therapist variance "
            "cannot be told apart. Drop one of them.",
        ),
        (
            "y ~ x + C(client) + (1 | client)",
            "18 clients and the client-level predictors C(client)[1], C(client)[2], C(client)[3], C(client)[4], "
            "C(client)[5] and 12 more: their effects and the client variance cannot be told apart. Drop one of them.",
        ),
    ],
)
def test_the_cause_is_named(formula: str, message: str, frame: pd.DataFrame) -> None:
    own = refusal(formula, frame).replace(".0]", "]")
    assert own == message


@pytest.mark.parametrize("random", ["(1 + style | therapist)", "(1 | therapist) + (0 + style | therapist)"])
def test_a_slope_on_what_never_varies_within_its_group_is_refused(random: str, frame: pd.DataFrame) -> None:
    assert refusal(f"y ~ x + {random}", frame) == (
        "therapist: the random term style does not vary within any therapist; its variance and that of the other terms "
        "of therapist cannot be told apart. Drop it."
    )


@pytest.mark.parametrize(("factor", "shown"), [(1e200, r"e\+20\d"), (1e-200, r"e-\d+")])
def test_values_whose_squares_cannot_be_computed_are_refused(factor: float, shown: str, frame: pd.DataFrame) -> None:
    outcome = refusal("far ~ x + (1 | client)", frame.assign(far=frame["y"] * factor))
    predictor = refusal("y ~ far + (1 | client)", frame.assign(far=frame["x"] * factor))
    assert all(re.fullmatch(rf"far: the largest value is \d{shown}; {SQUARES}", text) for text in (outcome, predictor))


def test_fewer_rows_than_terms(frame: pd.DataFrame) -> None:
    assert refusal("y ~ x * time + (1 | client)", frame.iloc[:4]) == (
        "data: 4 complete rows for 4 fixed terms; more rows than terms are needed. Drop terms."
    )


def test_slopes_that_reproduce_the_outcome_are_refused(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    level, slope = rng.standard_normal((2, 18))
    exact = frame.assign(y=level[frame["client"]] + slope[frame["client"]] * frame["time"])
    assert refusal("y ~ time + (1 + time | client)", exact) == (
        "y: fixed and random terms reproduce the outcome exactly, the residual variance is zero. "
        "Drop a random slope, or check how the outcome was made."
    )


def test_a_far_origin_is_not_taken_for_an_alias(frame: pd.DataFrame) -> None:
    far = frame.assign(time=frame["time"] + 1e7)
    assert fit_mixed("y ~ time + (1 + time | client)", far).converged
