"""Large files are read in bounded memory and give the same study as small ones."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.prepare import add_lag
from alliance_analysis.study.readers import text
from alliance_analysis.study.studyfile import load_study

ROOT = Path(__file__).parents[2]


def test_the_example_read_as_a_large_file_is_the_same_study(monkeypatch):
    small = load_study("example")
    monkeypatch.setattr(text, "LARGE", 0)
    monkeypatch.setattr(text, "PIECE", 700)
    large = load_study("example")
    pd.testing.assert_frame_equal(large.sessions, small.sessions)
    pd.testing.assert_frame_equal(large.clients, small.clients)
    assert large.notes == small.notes


@pytest.mark.parametrize("ids", ["several therapists", "unsorted"])
def test_ids_of_a_large_file_are_settled_as_those_of_a_small_one(tmp_path, monkeypatch, ids):
    frame = pd.read_csv(ROOT / "data" / "example" / "sessions.csv")[["client", "therapist", "session", "symptoms"]]
    if ids == "several therapists":
        frame.loc[frame["session"] > 6, "therapist"] = "t99"
    frame.sample(frac=1, random_state=1).to_csv(tmp_path / "s.csv", index=False)
    measures = {"symptoms": {"instrument": "CORE-10", "collected": "before"}}
    study = {"data": "s.csv", "repeated_client_ids": "different_people", "measures": measures}
    (tmp_path / "study.yml").write_text(json.dumps(study), encoding="utf-8")
    small = load_study(tmp_path / "study.yml")
    monkeypatch.setattr(text, "LARGE", 0)
    pd.testing.assert_frame_equal(load_study(tmp_path / "study.yml").sessions, small.sessions)


def test_a_lag_is_the_session_before_whatever_the_order_of_the_rows():
    frame = pd.DataFrame({"client": ["b", "a", "a", "b", "a"], "session": [1, 3, 1, 2, 2], "x": [1.0, 2, 3, 4, 5]})
    lagged = add_lag(frame, ["x"])["x_lag1"].tolist()
    np.testing.assert_array_equal(lagged, [np.nan, 5, np.nan, 1, 3])
    gaps = add_lag(pd.DataFrame({"client": list("aab"), "session": [1, 3, 2], "x": [1.0, 2, 3]}), ["x"], steps=2)
    np.testing.assert_array_equal(gaps["x_lag2"], [np.nan, 1, np.nan])


@pytest.mark.slow
def test_four_hundred_thousand_sessions_stay_within_their_memory():
    command = [sys.executable, str(ROOT / "benchmarks" / "big_study.py"), "--sessions", "400000", "--limit", "450"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("400,") == 2 or run.stdout.count("399,") == 2


WIDE_OF_ITEMS = {
    "by date": {"columns": {"date": "day"}, "session_numbers": {"from": "date"}},
    "by rows": {"session_numbers": {"from": "rows"}},
    "one file for a session": {"data": {"file": "s.csv", "session": 1, "rows": {"visit": "1"}}},
    "one file for a rater": {"data": {"file": "s.csv", "rater": "client"}, "columns": {"session": "visit"}},
    "phases among sessions": {
        "columns": {"session": "visit", "phase": "visit"}, "words": {"phase": {"intake": "1"}, "session": {1: "2", 2: "3"}}
    },
    "episodes": {"columns": {"session": "visit", "episode": "course"}, "episodes": "separate"},
}  # fmt: skip


@pytest.mark.parametrize("layout", WIDE_OF_ITEMS)
def test_hundreds_of_items_are_read_without_a_warning_in_every_layout(tmp_path, layout):
    rng = np.random.default_rng(3)
    items = pd.DataFrame(rng.integers(0, 4, (60, 130)), columns=[f"i{number}" for number in range(130)])
    visit, client = np.tile([1, 2, 3], 20), np.repeat(np.arange(20), 3)
    day = [f"2024-0{number}-01" for number in visit]
    items.assign(client=client, visit=visit, day=day, course=1 + client % 2).to_csv(tmp_path / "s.csv", index=False)
    measure = {"items": list(items), "range": [0, 3], "higher_is_worse": True, "collected": "before"}
    study = {"data": "s.csv", **WIDE_OF_ITEMS[layout], "measures": {"symptoms": measure}}
    (tmp_path / "study.yml").write_text(json.dumps(study), encoding="utf-8")
    assert load_study(tmp_path / "study.yml").sessions["symptoms"].notna().sum() in (20, 60)
