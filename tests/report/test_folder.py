"""A run folder is ours or nothing: what somebody else keeps in a folder is never touched."""

import json
from pathlib import Path
from types import SimpleNamespace as Fake

import pytest

from alliance_analysis.errors import ReportError
from alliance_analysis.report.folder import RunFolder, open_folder

WANTED = "a new or empty folder, or one with earlier reports of this study, is required"


@pytest.fixture
def study(tmp_path):
    (tmp_path / "clinic").mkdir()
    return Fake(name="clinic", title="My clinic", path=tmp_path / "clinic" / "study.yml")


def write_run(folder, name="clinic", title="My clinic", **more):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"schema": "alliance-run/1", "inputs": {"study": {"name": name, "title": title}}} | more
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def content_of(folder):
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refusal(path, study):
    before = content_of(path.parent)
    with pytest.raises(ReportError) as error:
        open_folder(path, study)
    assert content_of(path.parent) == before
    return str(error.value)


def test_a_users_own_folder_is_refused_before_anything_is_written(tmp_path, study):
    mine = tmp_path / "mine"
    (mine / "logs").mkdir(parents=True)
    for name in ("index.html", "film.mkv.part", "logs/01.log"):
        (mine / name).write_text("hers")
    assert refusal(mine, study) == f"--out: {mine} holds files that are not reports; {WANTED}. Choose another --out."


def test_a_folder_with_somebody_elses_run_json_is_refused(tmp_path, study):
    mine = write_run(tmp_path / "mine", schema="another-program/3")
    assert refusal(mine, study) == f"--out: {mine} holds files that are not reports; {WANTED}. Choose another --out."


@pytest.mark.parametrize(
    ("changed", "title"),
    [
        ({"name": "other"}, "My clinic"),
        ({"title": "Their clinic"}, "Their clinic"),
        ({"study_file": "second.yml"}, "My clinic"),
    ],
)
def test_reports_of_another_study_are_refused(tmp_path, study, changed, title):
    taken = write_run(tmp_path / "taken", **{"study_file": "study.yml"} | changed)
    assert refusal(taken, study) == (
        f"--out: {taken} holds the reports of another study ({title}); {WANTED}. Choose another --out."
    )


def test_a_root_the_studys_own_folder_and_a_file_are_refused(tmp_path, study):
    with pytest.raises(ReportError) as error:
        open_folder(Path("/"), study)
    assert str(error.value) == f"--out: / is the root of a disk; {WANTED}. Choose another --out."
    own = tmp_path / "clinic"
    assert refusal(own, study) == (
        f"--out: {own} is the folder of the study's own data; {WANTED}. Choose another --out."
    )
    (tmp_path / "file").write_text("text")
    assert refusal(tmp_path / "file", study) == f"--out: {tmp_path / 'file'} is a file; {WANTED}. Choose another --out."


def test_a_new_an_empty_and_an_own_folder_are_taken(tmp_path, study):
    for name in ("new/deep", "empty"):
        assert open_folder(tmp_path / name, study).path == tmp_path / name
    (tmp_path / "empty" / ".DS_Store").write_text("")  # with the two folders of a run that never began
    assert open_folder(tmp_path / "empty", study).path == tmp_path / "empty"
    own = write_run(tmp_path / "own", study_file="study.yml")
    assert open_folder(own, study).path == own


def test_only_half_written_files_of_the_notebooks_of_this_run_are_removed(tmp_path):
    ours = ["index.html.part", "21_a.html.part", "21_a.results.json.part", "executed/21_a.partial.ipynb",
            "executed/21_a.ipynb.part", "logs/21.log.part", "run_times.json.part"]  # fmt: skip
    others = ["film.mkv.part", "22_b.html.part", "executed/mine.partial.ipynb", "logs/01.log", "index.html"]
    for name in ours + others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    RunFolder(tmp_path).remove_partials({"21": "21_a"})
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(others)
