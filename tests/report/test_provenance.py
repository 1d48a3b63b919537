"""A run names its data, versions and commit, and neither the machine nor the person."""

import subprocess

from alliance_analysis.report.provenance import commit, fingerprint, inputs, versions
from alliance_analysis.study.studyfile import load_study


def git(folder, *words):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_commit_of_a_checkout_says_when_files_differ_from_it(tmp_path):
    assert commit(tmp_path) is None
    git(tmp_path, "init")
    assert commit(tmp_path) is None  # a repository without a commit
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "first")
    clean = commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "a").write_text("2")
    assert commit(tmp_path) == f"{clean}+changes"


def test_commit_runs_nothing_that_the_repository_configures(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}; false")
    commit(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_folder_inside_somebody_elses_repository_has_no_commit(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "inner").mkdir()
    assert commit(tmp_path / "inner") is None


def test_inputs_hold_hashes_and_counts(study):
    found = inputs(load_study(study))
    assert found["study"] == {
        "name": found["study"]["name"], "title": "A tiny study", "source": None, "simulated": True, "n_sessions": 72,
        "n_clients": 12, "n_therapists": 3,
    }  # fmt: skip
    assert set(found["files"]) == {"sessions.csv", "study.yml"}
    assert {"python", "numpy", "pandas"} <= set(versions())


def test_fingerprint_depends_on_content_only():
    assert fingerprint([{"a": 1, "b": 2}]) == fingerprint([{"b": 2, "a": 1}])
    assert fingerprint([1]) != fingerprint([2])
