"""Records become plain JSON, and the worst part of a report decides what its status may be."""

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.report.results import MIME, collect, overall_status, plain, rows, to_json


def test_what_json_cannot_hold_becomes_null_or_plain():
    value = {
        1: np.float64("nan"),
        "b": np.int64(3),
        "c": -np.inf,
        "d": [pd.NA, np.bool_(True)],
        "e": pd.Timestamp("2020-01-02"),
    }
    assert plain(value) == {"1": None, "b": 3, "c": None, "d": [None, True], "e": "2020-01-02 00:00:00"}


def test_json_is_canonical():
    assert to_json({"b": np.nan, "a": "ä"}) == '{\n  "a": "ä",\n  "b": null\n}\n'


def test_rows_of_a_frame_are_plain():
    assert rows(pd.DataFrame({"x": [1.5, np.nan], "y": ["a", None]})) == [{"x": 1.5, "y": "a"}, {"x": None, "y": None}]


def test_records_are_collected_in_order_and_foreign_outputs_ignored():
    outputs = [
        {"data": {MIME: {"headline": [{"sentence": "one"}]}}},
        {"text": "stream"},
        {"data": {MIME: "not a mapping"}},
        {"data": {MIME: {"headline": [{"sentence": "two"}], "checks": [{"check": "c"}], "other": [1]}}},
    ]
    assert collect(outputs) == {
        "headline": [{"sentence": "one"}, {"sentence": "two"}], "estimates": [], "withheld": [], "verdicts": [],
        "checks": [{"check": "c"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "overall"),
    [
        ([], "answered"),
        (["answered", "answered"], "answered"),
        (["withheld", "withheld"], "withheld"),
        (["withheld", "answered"], "caution"),
        (["caution"], "caution"),
    ],
)
def test_overall_status(statuses, overall):
    assert overall_status([{"status": status} for status in statuses]) == overall
