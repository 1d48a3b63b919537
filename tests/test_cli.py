"""The command line: what it prints and how it ends, as a user meets it."""

import json
import signal
import subprocess
import sys

import pytest

import alliance_analysis as aa
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
    sessions = aa.load_study("example").sessions
    assert lines[1] == f"{len(sessions):,} sessions, 240 clients, 24 therapists. SIMULATED."
    assert "Does the alliance predict" in out
    assert lines[-1] == "Next: alliance reproduce --study example"


def test_check_lists_every_problem_in_the_users_own_rows(run, tmp_path):
    study = write_study(tmp_path, ["a,1,4.5,9", "a,2,9,many", "b,x,3,5"])
    code, out, err = run("check", study)
    assert code == 2
    assert out == ""
    assert err.startswith("alliance: sessions.csv has 3 problems.\n")
    assert "(row 3)" in err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == f"Next: mend these in your files, then run again: alliance check {study}"


def test_check_shows_what_to_paste_once_for_all_it_mends(run, tmp_path):
    study = write_study(tmp_path, ["a,1,4.5,99", "a,2,99,8", "b,1,3,5"])
    code, _, err = run("check", study)
    assert code == 2
    assert err == (
        "alliance: sessions.csv has 2 problems.\n"
        "  alliance_client (column 'wai'): 1 value outside 1 to 5; first 99 (row 3). Correct it. If 99 means missing, add "
        "it under `missing:` in study.yml.\n"
        "  symptoms (column 'phq'): 1 value outside 0 to 27; first 99 (row 2). Correct it. If 99 means missing, add it "
        "under `missing:` in study.yml.\n"
        "    in study.yml:\n"
        "      missing: [99]\n"
        f"Next: mend these in your files, then run again: alliance check {study}\n"
    )


def test_check_ends_with_0_where_it_only_warns_and_writes_a_page_without_ids(run, tmp_path):
    names = ["Huber", "Novak", "Muster"]
    study = write_study(tmp_path, [f"{who},{s},{1 + s % 5},{s}" for who in names for s in range(1, 5)])
    code, out, err = run("check", study, "--html", tmp_path / "check.html")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        f"{tmp_path / 'check.html'}: written.",
        "Small clinic: nothing stops it; 1 warning.",
        "sessions.csv has 1 warning.",
        "  client: 3 of 3 ids look like names. Whoever gets the file can tell who they are. Replace them by random codes,"
        " and keep the key elsewhere; no report shows ids.",
    ]
    assert lines[-1] == (
        f"Next: look at each warning; what is right may stay. Then run: alliance reproduce --study {study}"
    )
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert not any(name in page for name in names)


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
    lines = out.splitlines()
    assert lines[0] == "id    question  metric          estimate  citation"
    assert lines[1].startswith("M01   15        r                  0.278  Flückiger, Del Re")
    assert any(line.startswith("T01   07        -                      -  Baldwin") for line in lines)
    assert len(lines) == len(aa.load_published()) + 1


def test_fetch_names_the_data_sets_there_are(run):
    code, _, err = run("fetch", "implment")
    assert code == 2
    assert "implement" in err


@pytest.fixture
def quick(monkeypatch):
    """Simulate the small study instead of the example, whose population values take long."""
    study = aa.simulate_study(1)
    monkeypatch.setattr(aa, "simulate_example", lambda seed: study, raising=False)


@pytest.mark.usefixtures("quick")
def test_simulate_writes_a_study_with_its_truth(run, tmp_path):
    code, out, _ = run("simulate", tmp_path / "new", "--seed", "1")
    assert code == 0
    assert out == f"{tmp_path / 'new'}: sessions.csv, clients.csv, truth.json (seed 1).\n"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["clients.csv", "sessions.csv", "truth.json"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("mine", "exist"),
    [
        (["clients.csv"], "clients.csv exists"),
        (["truth.json", "sessions.csv"], "sessions.csv, truth.json exist"),
    ],
)
def test_simulate_never_replaces_files_unasked(run, tmp_path, mine, exist):
    for name in mine:
        (tmp_path / name).write_text("mine", encoding="utf-8")
    code, out, err = run("simulate", tmp_path)
    assert (code, out) == (2, "")
    assert err == f"alliance: {tmp_path}: {exist} already. Name another folder, or replace with --overwrite.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(mine)
    assert all((tmp_path / name).read_text(encoding="utf-8") == "mine" for name in mine)
    code, _, _ = run("simulate", tmp_path, "--overwrite")
    assert code == 0
    assert all((tmp_path / name).read_text(encoding="utf-8") != "mine" for name in mine)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([""], "FOLDER: the name is empty. Name a new folder, such as my_simulation."),
        (["file"], "file: is a file. Name a folder."),
        (["file/below"], "file/below: cannot be written (Not a directory). Name a folder you may write to."),
        (["new", "--seed", "-1"], "--seed: -1 is not a whole number from 0."),
    ],
)
def test_simulate_refuses_what_it_cannot_do_in_one_line(run, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert run("simulate", *words) == (2, "", f"alliance: {message}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_check_counts_one_as_one(run, tmp_path):
    study = write_study(tmp_path, ["a,1,4.5,9"])
    assert run("check", study)[1].splitlines()[1] == "1 session, 1 client, no therapist ids."


def test_check_shows_at_most_ten_notes(run, tmp_path):
    extra = "".join(f"  m{k}: {{range: [0, 9], higher_is_worse: true}}\n" for k in range(12))
    study = write_study(tmp_path, [], STUDY + extra)
    header = "client,session,wai,phq," + ",".join(f"m{k}" for k in range(12))
    rows = [f"a,{s},{s},{s}" + ",1" * 12 for s in (1, 2)]
    (tmp_path / "sessions.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    code, out, _ = run("check", study)
    notes = [line for line in out.splitlines() if line.startswith("note")]
    assert (code, len(notes)) == (0, 11)
    assert notes[0] == "note  sessions.csv, m0: all 2 values are 1; no question can use it."
    assert notes[-1] == "note  and 2 further notes; --html check.html lists all."


def test_help_names_the_command_however_it_was_called():
    command = [sys.executable, "-m", "alliance_analysis.cli", "check", "--help"]
    assert "Usage: alliance check " in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_ctrl_c_is_one_line_and_no_traceback(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    try:
        monkeypatch.setattr(aa, "examine_study", interrupt)
        assert run("check", "example") == (130, "", "alliance: interrupted; earlier reports are as they were.\n")
        monkeypatch.setattr(cli, "app", interrupt)
        assert run("list") == (130, "", "alliance: interrupted; earlier reports are as they were.\n")
    finally:
        signal.signal(signal.SIGINT, before)


INTERRUPTED_IMPORT = """
import sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == sys.argv[-1]:
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from alliance_analysis.cli import main
sys.argv[1:] = ["check", "example"]
main()
"""


@pytest.mark.parametrize("library", ["typer", "rich.table"])
def test_ctrl_c_while_the_command_loads_prints_nothing(library):
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT, library], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_command_loads_without_pandas():
    code = "import sys, alliance_analysis.cli; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_study_without_symptoms_is_answered_as_far_as_it_goes(run, tmp_path):
    study = write_study(
        tmp_path,
        [f"c{k},{s},{3 + (k + s) % 3},1" for k in range(12) for s in (1, 2, 3)],
        STUDY.replace("  symptoms: {instrument: PHQ-9, column: phq, score: sum, collected: before}\n", ""),
    )
    code, out, _ = run("check", study)
    assert code == 0
    assert "no:" in out


def test_validate_outside_a_checkout_says_where_to_run_it(run, monkeypatch, tmp_path):
    monkeypatch.setattr("alliance_analysis.resources._PACKAGE", tmp_path / "alliance_analysis")
    code, out, err = run("validate")
    assert (code, out) == (2, "")
    assert err == "alliance: the golden cases are not installed with the package. Run this from a checkout.\n"


def write_run(folder, estimates, schema="alliance-results/1"):
    """Write a run folder of one report by hand, with one estimate per value."""
    folder.mkdir()
    inputs = {"study": {"name": "clinic", "title": "Clinic"}, "files": {"study.yml": "a" * 64}, "versions": {}}
    reports = {"21": {"notebook": "21_one.ipynb", "parameters": {}, "run": "r"}}
    record = {"schema": "alliance-run/1", "study_file": "study.yml", "inputs": inputs, "reports": reports}
    rows = [
        {"model": "m", "term": f"x{k}", "level": "within", "estimate": estimate, "std_error": 0.1}
        for k, estimate in enumerate(estimates)
    ]
    tables: dict[str, list] = {key: [] for key in ("headlines", "withheld", "verdicts", "checks")}
    results = {"schema": schema, "report": "21", "status": "answered", "run": "r", "estimates": rows} | tables
    for name, content in (("run.json", record), ("21_one.results.json", results)):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_compare_says_yes_and_ends_with_0(run, tmp_path):
    first, second = write_run(tmp_path / "a", [0.5]), write_run(tmp_path / "b", [0.5])
    assert run("compare", first, second) == (
        0,
        f"first run   {first}\nsecond run  {second}\n"
        "Same study: yes. Same parameters: yes. Same results: yes, 1 estimate in 1 report, and all files are the same byte"
        " for byte.\n",
        "",
    )


def test_compare_shows_what_differs_and_ends_with_1(run, tmp_path):
    first, second = write_run(tmp_path / "a", [0.5, 1]), write_run(tmp_path / "b", [0.52, 1])
    code, out, err = run("compare", first, second)
    assert (code, err) == (1, "")
    assert [line.rstrip() for line in out.splitlines()[2:]] == [
        "Same study: yes. Same parameters: yes. Same results: no, 1 difference.",
        "What differs                           First run  Second run  How far apart",
        "question 21, m: x0 (within): estimate  0.5        0.52        0.2 standard errors",
    ]
    assert run("compare", first, second, "--tolerance", "0.3")[0] == 0


def test_compare_shows_at_most_twenty_differences_and_writes_all(run, tmp_path):
    first, second = write_run(tmp_path / "a", range(30)), write_run(tmp_path / "b", range(1, 31))
    code, out, _ = run("compare", first, second, "--csv", tmp_path / "all.csv")
    assert code == 1
    assert out.count("question 21") == 20
    assert out.splitlines()[-2:] == [
        "and 10 more; --csv FILE writes all of them.",
        f"Differences: {tmp_path / 'all.csv'}",
    ]
    assert len((tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()) == 31


def test_compare_refuses_what_is_no_run_and_a_table_over_a_file(run, tmp_path):
    first, other = write_run(tmp_path / "a", [1]), write_run(tmp_path / "b", [1], "alliance-results/2")
    (tmp_path / "empty").mkdir()
    for words, message in (
        ((first, tmp_path / "empty"), f"{tmp_path / 'empty'}: no run.json in it, so it is no run folder. Name one that"
         " `alliance reproduce` has written."),
        ((first, other), f"{other / '21_one.results.json'}: its schema is 'alliance-results/2'; this version reads"
         " 'alliance-results/1'. Run the study again with this version, or use the version that wrote it."),
        ((first, first, "--csv", first / "run.json"), f"--csv: {first / 'run.json'} exists already. Name a new file."),
        ((first, first, "--csv", tmp_path / "no" / "a.csv"), f"--csv: {tmp_path / 'no'} is no folder that exists. Name a file"
         " in another folder."),
        ((first, first, "--tolerance", "2"), "--tolerance: 2.0 is not a number from 0 to below 1; 1e-6 is usual. Correct it."),
    ):  # fmt: skip
        assert run("compare", *words) == (2, "", f"alliance: {message}\n")


def test_verify_needs_the_study_of_a_run_that_is_not_registered(run, tmp_path):
    folder = write_run(tmp_path / "a", [1])
    code, out, err = run("verify", folder)
    assert (code, out) == (2, "")
    assert err.startswith(f"alliance: {folder}: its notebook '21_one.ipynb' is not in the package")


@pytest.mark.parametrize(("again", "answer", "code"), [([0.5], "yes", 0), ([0.7], "no", 1)])
def test_verify_says_what_has_changed_then_the_answer(run, tmp_path, monkeypatch, again, answer, code):
    first, second = write_run(tmp_path / "a", [0.5]), write_run(tmp_path / "b", again)
    comparison = aa.compare_runs(first, second)
    monkeypatch.setattr(
        aa, "check_run_inputs", lambda *_, **__: ("numpy: version 1 in the run, 2 now.",), raising=False
    )
    monkeypatch.setattr(aa, "verify_run", lambda *_, **__: comparison, raising=False)
    ended, out, _ = run("verify", first)
    assert ended == code
    lines = [line for line in out.splitlines() if line.strip()]
    assert lines[0] == "changed  numpy: version 1 in the run, 2 now."
    assert lines[1] == f"The same results: {answer}."
    assert len(lines) == (3 if answer == "yes" else 5)
