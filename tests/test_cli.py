"""The command line: what it prints and how it ends, as a user meets it."""

import sys

import pytest

from alliance_analysis import cli

STUDY = """\
study: {title: Small clinic}
data: sessions.csv
measures:
  alliance_client: {instrument: WAI-SR, column: wai, score: mean, collected: after}
  symptoms: {instrument: PHQ-9, column: phq, score: sum, collected: before}
"""


def write_study(folder, rows, study=STUDY):
    (folder / "study.yml").write_text(study, encoding="utf-8")
    (folder / "sessions.csv").write_text("client,session,wai,phq\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder / "study.yml"


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["alliance", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return call


def test_check_says_what_the_study_can_answer(run):
    code, out, err = run("check", "example")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Example outpatient clinic: no problems found."
    assert lines[1] == "2951 sessions, 240 clients, 24 therapists. SIMULATED."
    assert "Does the alliance predict" in out


def test_check_lists_every_problem_in_the_users_own_rows(run, tmp_path):
    study = write_study(tmp_path, ["a,1,4.5,9", "a,2,9,many", "b,x,3,5"])
    code, out, err = run("check", study)
    assert code == 2
    assert out == ""
    assert err.startswith("alliance: sessions.csv has 3 problems.\n")
    assert "(row 3)" in err
    assert "Traceback" not in err


def test_a_traceback_is_shown_only_on_request(run, tmp_path):
    code, _, err = run("check", tmp_path / "nowhere.yml", "--debug")
    assert code == 2
    assert "Traceback" in err


def test_a_study_that_is_not_there_is_one_line(run):
    code, _, err = run("check", "exampel")
    assert code == 2
    assert err == (
        "alliance: exampel: there is no such study file, folder or registered study; nearest: example. Check the path.\n"
    )


def test_a_parameter_without_a_value_is_one_line(run, tmp_path):
    code, _, err = run("reproduce", "--out", tmp_path / "r", "-p", "conf_level")
    assert code == 2
    assert err == (
        "alliance: --parameter: 'conf_level' has no '='; NAME=VALUE is expected, such as 02.conf_level=0.9.\n"
    )
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("-p", "02.conf_lvl=0.9"),
            "parameter 'conf_lvl'",
        ),
        (("-p", "02.conf_level=high"), "conf_level"),
        (("--only", "77"), "77"),
        (("--jobs", "0"), "--jobs: 0 is not a whole number from 1."),
    ],
)
def test_a_wrong_option_is_found_before_anything_runs(run, tmp_path, words, message):
    code, _, err = run("reproduce", "--study", "example", "--out", tmp_path / "r", *words)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "r" / "index.html").exists()


def test_list_names_questions_studies_and_open_data(run):
    code, out, _ = run("list")
    assert code == 0
    for name in ("02  Does the alliance predict symptom change? [replication]", "  example", "  implement"):
        assert name in out


def test_list_findings_shows_the_ids_that_load_published_takes(run):
    code, out, _ = run("list", "--findings")
    assert code == 0
    assert out.splitlines()[0].startswith("M01   15  r")
    assert len(out.splitlines()) == 160


def test_fetch_names_the_data_sets_there_are(run):
    code, _, err = run("fetch", "implment")
    assert code == 2
    assert "implement" in err


def test_simulate_writes_a_study_with_its_truth(run, tmp_path, monkeypatch):
    code, out, _ = run("simulate", tmp_path / "new", "--seed", "1")
    assert code == 0
    assert out.endswith("sessions.csv, clients.csv, truth.json (seed 1).\n")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["clients.csv", "sessions.csv", "truth.json"]


def test_a_study_without_symptoms_is_answered_as_far_as_it_goes(run, tmp_path):
    study = write_study(
        tmp_path,
        [f"c{k},{s},{3 + (k + s) % 3},1" for k in range(12) for s in (1, 2, 3)],
        STUDY.replace("  symptoms: {instrument: PHQ-9, column: phq, score: sum, collected: before}\n", ""),
    )
    code, out, _ = run("check", study)
    assert code == 0
    assert "no:" in out
