"""Fetching keeps only the published bytes and says one clear sentence otherwise; the trial becomes a tidy frame."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import DataError
from alliance_analysis.study import datasets
from alliance_analysis.study.datasets import DATASETS, Dataset, fetch, find_dataset, implement_sessions, read_dataset
from alliance_analysis.study.studyfile import load_study

GOOD = b"r;n\n0.3;40\n"
needs_data = pytest.mark.skipif(
    not os.environ.get("ALLIANCE_DATA"), reason="ALLIANCE_DATA names no folder with the fetched open data"
)


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(GOOD)))
        self.end_headers()
        self.wfile.write(GOOD[:4] if self.path == "/truncated" else b"x" * len(GOOD) if self.path == "/other" else GOOD)

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def served(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register `good`, `other`, `truncated`, `gone` of the local server, and `offline` where nobody listens."""
    monkeypatch.setenv("NO_PROXY", "*")
    known = hashlib.sha256(GOOD).hexdigest()
    pages = {name: f"{server}/{name}" for name in ("good", "other", "truncated", "gone")}
    pages["offline"] = "http://127.0.0.1:9/offline"
    made = {name: Dataset(name, "Test", f"{name}.csv", url, known, "CC0", "Nobody") for name, url in pages.items()}
    monkeypatch.setattr(datasets, "DATASETS", MappingProxyType(made))
    yield


@pytest.mark.usefixtures("served")
def test_good_bytes_are_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch("good", tmp_path / "new")
    assert path.read_bytes() == GOOD
    offline = dataclasses.replace(datasets.DATASETS["good"], url="http://127.0.0.1:9/")
    monkeypatch.setattr(datasets, "DATASETS", {"good": offline})
    assert fetch("good", tmp_path / "new") == path


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "other",
            "dataset 'other': the bytes from {url} are not the published ones (SHA-256 differs); nothing was kept. "
            "Try again; if it stays so, tell the maintainers.",
        ),
        (
            "truncated",
            "dataset 'truncated': no connection to {url}. "
            "Try again with a connection, or download {url} elsewhere, save it as truncated.csv in a folder and set ALLIANCE_DATA to that folder.",
        ),
        (
            "gone",
            "dataset 'gone': {url} answers 404. "
            "Try again with a connection, or download {url} elsewhere, save it as gone.csv in a folder and set ALLIANCE_DATA to that folder.",
        ),
        (
            "offline",
            "dataset 'offline': no connection to {url}. "
            "Try again with a connection, or download {url} elsewhere, save it as offline.csv in a folder and set ALLIANCE_DATA to that folder.",
        ),
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(DataError) as raised:
        fetch(name, tmp_path)
    assert str(raised.value) == sentence.format(url=datasets.DATASETS[name].url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("served")
def test_a_folder_that_cannot_be_made_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError) as raised:
        fetch("good", tmp_path / "file" / "below")
    assert str(raised.value) == (
        "dataset 'good': cannot be written (Not a directory). Set ALLIANCE_DATA to a folder you may write to."
    )


@pytest.mark.usefixtures("served")
def test_a_folder_named_by_mistake_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLIANCE_DATA", str(tmp_path / "nope" / "x"))
    with pytest.raises(DataError) as raised:
        fetch("good")
    assert str(raised.value) == (
        f"ALLIANCE_DATA: there is no folder {tmp_path / 'nope' / 'x'}. Make it, or name another one."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("served")
def test_a_changed_file_is_refused_and_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLIANCE_DATA", str(tmp_path))
    (tmp_path / "good.csv").write_bytes(b"mine")
    with pytest.raises(DataError) as raised:
        fetch("good")
    assert str(raised.value) == (
        "good.csv: the file is not the published one (SHA-256 differs). Delete it and run `alliance fetch good`."
    )
    assert (tmp_path / "good.csv").read_bytes() == b"mine"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(DataError) as raised:
        find_dataset("implemnt")
    assert str(raised.value) == "dataset 'implemnt' is not known; nearest: implement."


def test_a_dataset_without_sessions_cannot_be_a_study() -> None:
    with pytest.raises(DataError) as raised:
        read_dataset("farber2011")
    assert str(raised.value) == (
        "dataset 'farber2011' has no sessions: Positive regard (not alliance) and outcome: r and n of 18 studies. "
        "A study can name dataset:implement."
    )


def test_every_address_is_pinned_to_a_commit() -> None:
    for dataset in DATASETS.values():
        owner, repository, commit, *_ = dataset.url.removeprefix("https://raw.githubusercontent.com/").split("/")
        assert owner and repository
        assert len(commit) == 40 and set(commit) <= set("0123456789abcdef")
        assert len(dataset.sha256) == 64


@needs_data
@pytest.mark.parametrize("name", DATASETS)
def test_the_local_copies_are_the_published_bytes(name: str) -> None:
    assert fetch(name).name == DATASETS[name].file


@needs_data
def test_the_trial_equals_the_long_file_made_with_r() -> None:
    frame, dropped = implement_sessions(fetch("implement"))
    long = pd.read_csv(Path(os.environ["ALLIANCE_DATA"]) / "implement_gad_wai_bai_long.csv")
    assert (len(frame), dropped) == (806, 49)
    answers = list(long.columns[3:])
    kept = long[long[answers].notna().any(axis=1)]
    assert (frame["client"] == kept["client_id"].map("c{:02d}".format).to_numpy()).all()
    assert (frame["therapist"] == kept["therapist_id"].map("t{:02d}".format).to_numpy()).all()
    assert (frame["session"].to_numpy() == kept["occasion"].to_numpy()).all()
    np.testing.assert_allclose(frame[answers], kept[answers], rtol=0, atol=6e-7)  # the long file has six decimals


@needs_data
def test_every_variable_of_the_trial_has_mean_zero_on_occasion_1() -> None:
    frame, _ = implement_sessions(fetch("implement"))
    first = frame.loc[frame["session"] == 1, [*datasets.ITEMS, *datasets.PARCELS]]
    np.testing.assert_allclose(first.mean(), 0, atol=1e-12)


@needs_data
def test_the_trial_loads_as_a_study_that_says_what_it_cannot_say() -> None:
    study = load_study("implement")
    assert (study.name, study.simulated, study.source) == ("implement", False, "10.1016/j.ebiom.2015.11.049")
    assert study.sessions[["client", "therapist"]].nunique().tolist() == [57, 13]
    symptoms = study.measures["symptoms"]
    assert (symptoms.centred, symptoms.low, symptoms.cut_off, symptoms.recall_days) == (True, None, None, 7)
    thirds = study.sessions[["alliance_client_task", "alliance_client_goal", "alliance_client_bond"]].mean(
        axis=1, skipna=False
    )
    complete = thirds.notna()
    np.testing.assert_allclose(thirds[complete], study.sessions.loc[complete, "alliance_client"], atol=1e-12)
    assert study.notes[0] == (
        "dataset:implement: 49 empty occasions were dropped; the array has 15 occasions, its description says 14 "
        "sessions."
    )
    assert study.files["completedata.RDS"] == DATASETS["implement"].sha256
