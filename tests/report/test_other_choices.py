"""What would change an answer: said of other choices that have a number, never of one that is withheld."""

from types import SimpleNamespace as Fake

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.sensitivity import tell_other_shapes, tell_other_terms

CHOICES = {"a": "with a beside it, r is", "b": "with b beside it, r is"}


def fit(withheld=None, converged=True):
    table = pd.DataFrame({"term": ["a", "b"], "estimate": [0.1, 0.2], "conf_low": [0.0, 0.1], "conf_high": [0.2, 0.3]})
    return Fake(
        tidy=lambda conf_level: table,
        glance=lambda: pd.DataFrame({"converged": [converged]}),
        withheld=withheld or {},
    )


def test_each_choice_is_said_with_its_interval():
    said = "With a beside it, r is 0.10 [0.00, 0.20]; with b beside it, r is 0.20 [0.10, 0.30]."
    assert tell_other_terms(fit(), CHOICES) == said
    assert (
        tell_other_terms(fit(), {"b": CHOICES["b"]}, 0.9) == "With b beside it, r is 0.20 [0.10, 0.30] (90 % interval)."
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (fit({"a": "not identified"}), "With b beside it, r is 0.20 [0.10, 0.30]."),
        (fit({"a": "not identified", "b": "not identified"}), None),
        (fit(converged=False), None),
    ],
)
def test_what_is_withheld_or_did_not_converge_is_not_said(found, said):
    assert tell_other_terms(found, CHOICES) == said


def test_shapes_without_a_number_are_left_out():
    table = pd.DataFrame(
        {
            "direction": ["alliance predicts"] * 3 + ["outcome predicts"],
            "chosen": [True, False, False, False],
            "standardised": [-0.1, -0.2, np.nan, 0.9],
            "conf_low": [-0.2, -0.3, np.nan, 0.8],
            "conf_high": [0.0, -0.1, np.nan, 1.0],
        }
    )
    said = tell_other_shapes(table)
    assert "the slope is −0.20; 1 of 1 intervals" in said
    assert tell_other_shapes(table.iloc[[0, 2]]) is None
