"""`alliance new` at the terminal: it writes a study file or says why not, asks only a person, and loses nothing."""

import io
import sys

import pytest

from alliance_analysis import cli

ROWS = [f"c{row // 4},{row % 4 + 1},{3 + row % 5 / 4},{(row * 7) % 27}" for row in range(40)]
SESSIONS = "client,session,wai,phq9\n" + "\n".join(ROWS) + "\n"


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words, typed=None):
        monkeypatch.setattr(sys, "argv", ["alliance", *map(str, words)])
        keyboard = io.StringIO(typed or "")
        monkeypatch.setattr(keyboard, "isatty", lambda: typed is not None, raising=False)
        monkeypatch.setattr(sys, "stdin", keyboard)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return call


@pytest.fixture
def file(tmp_path):
    (tmp_path / "sessions.csv").write_text(SESSIONS, encoding="utf-8")
    return tmp_path / "sessions.csv"


def test_it_writes_a_study_that_loads_and_says_what_it_doubts_and_what_comes_next(run, file, tmp_path):
    code, out, err = run("new", file, "--out", tmp_path / "study.yml", "--title", "My clinic")
    assert (code, err) == (0, "")
    assert "alliance_client  WAI-SR" in out and "DOUBT  alliance_client: neither names nor rows say who rated" in out
    assert out.splitlines()[-1].endswith(f"run: alliance check {tmp_path / 'study.yml'}")
    text = (tmp_path / "study.yml").read_text(encoding="utf-8")
    assert "title: My clinic" in text and "data: sessions.csv" in text
    assert run("check", tmp_path / "study.yml")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sessions.csv", "study.yml"]
    assert file.read_text(encoding="utf-8") == SESSIONS


def test_an_existing_study_file_is_replaced_only_on_request(run, file, tmp_path):
    out = tmp_path / "study.yml"
    out.write_text("mine", encoding="utf-8")
    code, _, err = run("new", file, "--out", out)
    assert (code, out.read_text(encoding="utf-8")) == (2, "mine")
    assert f"{out} exists already. Name another file, or add --overwrite." in err
    assert run("new", file, "--out", out, "--overwrite")[0] == 0
    assert "data: sessions.csv" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("study.txt", "study.txt does not end in .yml. Name a study file, such as study.yml."),
        ("nowhere/study.yml", "there is no folder nowhere. Make it, or name another one."),
        ("folder.yml", "folder.yml is a folder. Name another file."),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_read(
    run, file, tmp_path, monkeypatch, out, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yml").mkdir()
    code, _, err = run("new", "sessions.csv", "--out", out)
    assert (code, err) == (2, f"alliance: --out: {message}\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.csv", None), ("empty.csv", b""), ("picture.csv", bytes(range(256)) * 8), ("a.docx", b"PK")],
)
def test_a_file_that_cannot_be_read_gets_one_line_and_leaves_no_study(run, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, out, err = run("new", tmp_path / name, "--out", tmp_path / "study.yml")
    assert (code, out) == (2, "")
    assert f"{name}: " in err.splitlines()[0] and "Traceback" not in err and "study.yml" not in err
    assert not (tmp_path / "study.yml").exists()


def test_a_folder_and_a_misspelt_name_are_told_apart(run, file, tmp_path):
    out = tmp_path / "study.yml"
    assert run("new", tmp_path, "--out", out)[2] == f"alliance: {tmp_path}: is a folder. Name the files in it.\n"
    missing = tmp_path / "session.csv"
    text = f"alliance: {missing}: there is no such file; nearest: sessions.csv. Correct the name.\n"
    assert run("new", missing, "--out", out)[2] == text


def test_a_person_is_asked_and_a_wrong_answer_is_asked_again(run, file, tmp_path):
    code, out, _ = run("new", file, "--out", tmp_path / "study.yml", typed="9\n2\n")
    assert code == 0
    assert "Who rated wai (WAI)?" in out and "'9' is not a number from 1 to 3." in out
    text = (tmp_path / "study.yml").read_text(encoding="utf-8")
    assert "alliance_therapist:" in text and "who rated" not in text


def test_enter_takes_the_guess_which_stays_a_doubt_and_yes_asks_nothing(run, file, tmp_path):
    for options, typed in (((), "\n"), (("--yes",), "2\n")):
        code, out, _ = run("new", file, "--out", tmp_path / "study.yml", "--overwrite", *options, typed=typed)
        assert code == 0
        assert ("Who rated" in out) == (not options)
        assert "alliance_client: neither names nor rows say who rated: taken for the client" in out


def test_ctrl_c_at_a_question_writes_nothing(run, file, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.prompt", interrupted)
    assert run("new", file, "--out", tmp_path / "study.yml", typed="")[0] == 130
    assert not (tmp_path / "study.yml").exists()


def test_a_draft_that_does_not_load_is_written_with_its_problems(run, tmp_path):
    (tmp_path / "s.csv").write_text(SESSIONS.replace("c3,2,", "c3,,"), encoding="utf-8")
    code, out, _ = run("new", tmp_path / "s.csv", "--out", tmp_path / "study.yml")
    assert code == 0
    assert "1 row without a number; first row 15" in out
    assert out.splitlines()[-1].startswith("Correct ")
