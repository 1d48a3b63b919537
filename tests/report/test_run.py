"""A run is complete or says that it is not: wrong input stops it early, a failure costs no earlier report."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import docx
import jsonschema
import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import PARAMETERS, dangers, write_notebook, write_study

import alliance_analysis.report.work as work
from alliance_analysis.errors import ReportError
from alliance_analysis.report.folder import RUN_SCHEMA, write_json
from alliance_analysis.report.html import untimed
from alliance_analysis.report.provenance import study_card
from alliance_analysis.report.run import RunEvent, run_reports
from alliance_analysis.report.work import Outcome
from alliance_analysis.study.studyfile import load_study

SCHEMA = json.loads((Path(work.__file__).parent / "results.schema.json").read_text(encoding="utf-8"))

BROKEN = "before the first section, code cell 3: KeyError; run again with --debug for Python's own message"


def results(folder, stem):
    return json.loads((folder / f"{stem}.results.json").read_text(encoding="utf-8"))


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def texts(folder):
    """Return every text of a run, those inside the Word file too."""
    found = {}
    for name, content in files(folder).items():
        if name.endswith(".docx"):
            packed = zipfile.ZipFile(io.BytesIO(content))
            found |= {f"{name}/{part}": packed.read(part).decode("utf-8") for part in packed.namelist()}
        else:
            found[name] = content.decode("utf-8")
    return found


def paragraphs(folder):
    return [paragraph.text for paragraph in docx.Document(folder / "tables.docx").paragraphs]


# what a complete run leaves


def test_run_folder_has_the_files_of_the_design_and_nothing_half_written(full_run):
    assert set(files(full_run.folder)) == {
        "index.html", "run.json", "run_times.json", "logs/22.log", "executed/21_everything.ipynb",
        "21_everything.html", "21_everything.results.json", "22_broken.html", "22_broken.results.json",
        "tables.docx", "tables/21_tables.json",
        "tables/21/21_01_what-was-read-script-script-window-stolen-1-document-title.csv",
        "tables/21/21_02_estimates-of-the-model-first.csv",
        "tables/21/21_03_checks-of-the-model-and-of-the-data-it-was-fitted-to.csv",
        "tables/21/21_04_own-estimate-beside-published-findings-each-comparable-only.csv",
    }  # fmt: skip


def test_summary_names_statuses_and_the_failure_in_one_line(full_run):
    assert full_run.statuses == {"21": "caution", "22": "failed"}
    assert full_run.failures == {"22": f"22_broken: {BROKEN}"}
    assert full_run.exit_code == 1
    assert "planted-client-1" in full_run.details["22"]  # for --debug on the terminal


def test_results_follow_the_shipped_schema(full_run):
    for stem in ("21_everything", "22_broken"):
        jsonschema.validate(results(full_run.folder, stem), SCHEMA)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_results_hold_what_was_recorded(full_run):
    content = results(full_run.folder, "21_everything")
    assert [(row["term"], row["level"], row["df"], row["primary"]) for row in content["estimates"]] == [
        ("time", "within", None, True)
    ]
    assert [headline["status"] for headline in content["headlines"]] == ["answered", "withheld"]
    assert [row["term"] for row in content["withheld"]] == ["x_between_therapist"]
    assert [row["verdict"] for row in content["verdicts"]] == ["not comparable"]
    assert [row["status"] for row in content["checks"]] == ["amber"]
    assert content["study"]["n_clients"] == 12


def test_json_is_sorted_utf8_with_one_newline_at_the_end(full_run):
    text = (full_run.folder / "21_everything.results.json").read_bytes().decode("utf-8")
    assert "≥ 30" in text
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def test_no_file_names_the_machine_a_client_or_a_therapist(full_run):
    secrets = ["planted-client", "planted-therapist", str(full_run.folder.parent), str(Path.home()),
               "site-packages", "noise of a library", "chatter", "Traceback"]  # fmt: skip
    for name, text in texts(full_run.folder).items():
        assert [secret for secret in secrets if secret in text] == [], name
        assert not re.search(rf"\b{re.escape(os.uname().nodename)}\b", text), name  # a short one is a part of words


def test_withheld_estimate_is_in_no_file(full_run):
    for name, text in texts(full_run.folder).items():
        assert "9.12" not in text, name


def test_hostile_text_never_reaches_a_page_as_markup(full_run):
    for name in ("21_everything.html", "index.html"):
        html = (full_run.folder / name).read_text(encoding="utf-8")
        assert dangers(html) == []


def test_page_has_headlines_first_then_contents_sections_and_colophon(full_run):
    html = (full_run.folder / "21_everything.html").read_text(encoding="utf-8")
    order = ["<h1>", "Symptoms fell by 0.50 points", "Too few clients.", "few clients", "72 sessions of 12 clients",
             "Contents", "Validate", "Table 1.", "Figure 1.", "Table 2.", "Table 4.", 'id="colophon"']  # fmt: skip
    places = [html.index(word) for word in order]
    assert places == sorted(places)


def test_the_last_expression_of_a_cell_is_shown(full_run):
    html = (full_run.folder / "21_everything.html").read_text(encoding="utf-8")
    assert "<td>0.123456</td>" in html  # pandas' own table


def test_a_failed_notebook_leaves_a_log_without_values(full_run):
    assert (full_run.folder / "logs" / "22.log").read_text(encoding="utf-8") == f"22_broken: {BROKEN}\n"
    assert "This report could not be made." in (full_run.folder / "22_broken.html").read_text(encoding="utf-8")


def test_executed_notebook_is_valid_and_without_times(full_run):
    notebook = nbformat.read(full_run.folder / "executed" / "21_everything.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert [cell.id for cell in notebook.cells][:3] == ["cell-01", "cell-02", "cell-03"]
    assert 'study = "study.yml"' in notebook.cells[2].source


def test_word_file_has_the_tables_of_the_page_and_no_other(full_run):
    document = docx.Document(full_run.folder / "tables.docx")
    assert len(document.tables) == 4
    assert [text for text in paragraphs(full_run.folder) if text.startswith("Table 21")] == [
        "Table 21.1", "Table 21.2", "Table 21.3", "Table 21.4"
    ]  # fmt: skip
    assert [cell.text for cell in document.tables[1].rows[1].cells][:4] == ["time", "within", "−0.50", "0.10"]
    assert document.sections[0].header.paragraphs[0].text == "SIMULATED · A tiny study"
    assert "Reports without tables: 22 The question of 22_broken? (failed)." in paragraphs(full_run.folder)
    assert "tables" not in results(full_run.folder, "21_everything")


def test_csv_files_hold_the_values_in_full(full_run):
    folder = full_run.folder / "tables" / "21"
    read = pd.read_csv(next(folder.glob("21_01_*.csv")))
    assert read["share"].tolist()[0] == 0.123456
    estimates = pd.read_csv(folder / "21_02_estimates-of-the-model-first.csv")
    assert estimates[["term", "df", "p_value", "conf_low"]].to_numpy().tolist() == [["time", np.inf, 0.00001, -0.7]]
    checks = pd.read_csv(next(folder.glob("21_03_*.csv")))
    assert (checks["value"][0], checks["limit"][0]) == (12, "≥ 30")


# what a failure may not do


def test_rerun_is_byte_identical_and_a_failure_keeps_the_earlier_report(study, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    write_notebook(tmp_path / "notebooks", "21_one", [("markdown", "## Validate"), table_cell("First.")])
    run = {"out": tmp_path / "run", "notebooks": tmp_path / "notebooks"}
    assert run_reports(study, **run).exit_code == 0
    first = files(tmp_path / "run")
    assert run_reports(study, **run).exit_code == 0
    again = files(tmp_path / "run")
    assert {name for name in first if first[name] != again[name]} <= {"index.html", "run_times.json"}
    assert untimed(first["index.html"]) == untimed(again["index.html"])

    write_notebook(
        tmp_path / "notebooks", "21_one", [("code", "import sys\nsys.exit(0)"), ("code", "report.text('x')")]
    )
    broken = run_reports(study, **run)
    assert broken.failures == {"21": "21_one: before the first section, code cell 3: ended the notebook early"}
    after = files(tmp_path / "run")
    for name in ("21_one.html", "21_one.results.json", "executed/21_one.ipynb", "tables/21/21_01_first.csv"):
        assert after[name] == first[name]
    assert "The last run failed" in after["index.html"].decode()
    assert "From an older run" in after["index.html"].decode()
    assert "executed/21_one.partial.ipynb" not in after
    assert not list(temporary.iterdir())


def test_a_killed_kernel_and_own_errors_each_give_one_line(study, tmp_path):
    cells = {
        "21_killed": "import os\nos.kill(os.getpid(), 9)",
        "22_model": "import alliance_analysis as aa\nraise aa.ModelError('criterion must be ML, got x.')",
        "23_data": "import alliance_analysis as aa\nraise aa.DataError('client c07 is odd.')",
        "24_exit": "import sys\nsys.exit(0)",
    }
    for name, source in cells.items():
        write_notebook(tmp_path / "notebooks", name, [("markdown", "## Model"), ("code", source)])
    summary = run_reports(study, out=tmp_path / "run", notebooks=tmp_path / "notebooks", jobs=2)
    assert summary.failures == {
        "21": "21_killed: its kernel ended before the notebook did (killed, or out of memory)",
        "22": "22_model: in section 'Model', code cell 3: ModelError: criterion must be ML, got x.",
        "23": "23_data: in section 'Model', code cell 3: DataError: client c07 is odd.",
        "24": "24_exit: in section 'Model', code cell 3: ended the notebook early",
    }
    logged = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "run" / "logs").iterdir()}
    assert logged["22"] == "22_model: in section 'Model', code cell 3: ModelError: criterion must be ML, got x.\n"
    assert logged["23"] == (
        "23_data: in section 'Model', code cell 3: DataError; its message may name clients and is shown on the terminal"
        " only\n"
    )
    assert summary.exit_code == 1


def test_a_question_the_data_cannot_answer_gets_a_short_report_and_no_kernel(tmp_path, monkeypatch):
    study = write_study(tmp_path / "study", symptoms=False, simulated=False)
    write_notebook(tmp_path / "notebooks", "02_alliance_and_symptom_change", [("code", "1/0")])
    events: list[RunEvent] = []
    summary = run_reports(study, out=tmp_path / "run", notebooks=tmp_path / "notebooks", progress=events.append)
    assert summary.statuses == {"02": "not_answerable"}
    assert summary.exit_code == 0
    content = results(tmp_path / "run", "02_alliance_and_symptom_change")
    jsonschema.validate(content, SCHEMA)
    assert content["needs"]
    assert [(event.status, event.line, event.done) for event in events] == [("not_answerable", content["reason"], 1)]
    html = (tmp_path / "run" / "02_alliance_and_symptom_change.html").read_text(encoding="utf-8")
    assert "These data cannot answer this question." in html
    assert "SIMULATED" not in html


@pytest.fixture
def without_kernels(monkeypatch):
    """Let tests of what happens before and after a kernel go without one."""

    def run_pool(self, waiting, jobs):
        for task in waiting:
            work.write_short_report(task, "failed", "not run")
            self._note(Outcome(task.number, "failed"))
        return []

    monkeypatch.setattr("alliance_analysis.report.run._Run._run_pool", run_pool)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "--jobs: 0 is not a whole number from 1. Correct it."),
        ({"only": ["7"]}, "--only: no notebook '7'; there are 21, 22. Correct it."),
        ({"only": ["21", "", "x"]}, "--only: no notebook ''; there are 21, 22. Correct it."),
        ({"only": ["21", "x"]}, "--only: no notebook 'x'; there are 21, 22. Correct it."),
        (
            {"parameters": {"21.conf_levle": "0.9"}},
            "parameter 21.conf_levle: notebook 21 has no parameter 'conf_levle'; known are conf_level, seed."
            " Did you mean 'conf_level'?",
        ),
        (
            {"parameters": {"conf_level": "high"}},
            "parameter conf_level: 'high' is not a value of type float. Correct the value.",
        ),
    ],
)
def test_wrong_options_stop_a_run_before_anything_is_written(study, tmp_path, options, message):
    for name in ("21_a", "22_b"):
        write_notebook(tmp_path / "notebooks", name, [])
    with pytest.raises(ReportError) as error:
        run_reports(study, out=tmp_path / "run", notebooks=tmp_path / "notebooks", **options)
    assert str(error.value) == message
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_to_is_refused(study, tmp_path):
    write_notebook(tmp_path / "notebooks", "21_a", [])
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ReportError) as error:
        run_reports(study, out=tmp_path / "taken" / "run", notebooks=tmp_path / "notebooks")
    assert str(error.value) == (
        f"{tmp_path / 'taken' / 'run'}: reports cannot be written there (Not a directory); a folder with write"
        " permission is required. Choose another with --out."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_refused(study, tmp_path):
    write_notebook(tmp_path / "notebooks", "21_a", [])
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ReportError, match="Permission denied"):
        run_reports(study, out=tmp_path / "closed" / "run", notebooks=tmp_path / "notebooks")


def test_notebooks_that_cannot_be_read_are_named(study, tmp_path):
    folder = tmp_path / "notebooks"
    write_notebook(folder, "21_a", [], parameters=None)
    expected = "21_a.ipynb: 0 cells are tagged 'parameters'; one is required. Tag the first code cell, and only it."
    with pytest.raises(ReportError) as error:
        run_reports(study, out=tmp_path / "run", notebooks=folder)
    assert str(error.value) == expected
    (folder / "21_a.ipynb").write_text("{}")
    with pytest.raises(ReportError) as error:
        run_reports(study, out=tmp_path / "run", notebooks=folder)
    assert str(error.value) == "21_a.ipynb: not a notebook; Jupyter's format 4 is required. Save it again."
    write_notebook(folder, "21_b", [], parameters=PARAMETERS)
    with pytest.raises(ReportError) as error:
        run_reports(study, out=tmp_path / "run", notebooks=folder)
    assert str(error.value) == (
        "21_b.ipynb: number 21 is also that of 21_a.ipynb; each question has one notebook. Rename one of them."
    )
    with pytest.raises(ReportError) as error:
        run_reports(study, out=tmp_path / "run", notebooks=tmp_path)
    assert str(error.value) == f"{tmp_path}: 0 notebooks NN_name.ipynb; 1 or more are required. Choose another folder."


def test_run_json_keeps_entries_of_other_reports_only_while_the_data_are_the_same(tmp_path, without_kernels):
    study = write_study(tmp_path / "study")
    for name in ("21_a", "22_b"):
        write_notebook(tmp_path / "notebooks", name, [])
    run = {"out": tmp_path / "run", "notebooks": tmp_path / "notebooks"}
    run_reports(study, **run)
    run_reports(study, only=["22"], parameters={"seed": 2}, **run)
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {number: entry["parameters"]["seed"] for number, entry in kept["reports"].items()} == {"21": 1, "22": 2}
    assert "From an older run" not in (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    data = tmp_path / "study" / "sessions.csv"
    data.write_text(data.read_text().replace("planted-client-11", "planted-client-99"))
    run_reports(study, only=["22"], **run)
    assert list(json.loads((tmp_path / "run" / "run.json").read_text())["reports"]) == ["22"]
    index = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert index.count("From an older run") == 1


def test_default_folder_is_reports_and_the_name_of_the_study(tmp_path, monkeypatch, without_kernels):
    monkeypatch.chdir(tmp_path)
    study = write_study(tmp_path / "my_clinic")
    write_notebook(tmp_path / "notebooks", "21_a", [])
    assert run_reports(study, notebooks="notebooks").folder == tmp_path / "reports" / "my_clinic"


def table_cell(caption, value="0.123456"):
    return (
        "code",
        f"import pandas as pd\nreport.table(pd.DataFrame({{'a': ['=1+1'], 'r': [{value}]}}), caption='{caption}')",
    )


def test_a_new_run_replaces_its_own_tables_only_and_marks_the_others(study, tmp_path):
    run = {"out": tmp_path / "run", "notebooks": tmp_path / "notebooks"}
    write_notebook(tmp_path / "notebooks", "21_a", [table_cell("First."), table_cell("Second.")])
    write_notebook(tmp_path / "notebooks", "22_b", [table_cell("Other.")])
    assert run_reports(study, jobs=2, **run).exit_code == 0
    before = files(tmp_path / "run")
    assert before["tables/22/22_01_other.csv"] == b"a,r\n'=1+1,0.123456\n"
    mine = tmp_path / "run" / "tables" / "21" / "my notes.txt"
    mine.write_text("hers")
    half = tmp_path / "run" / "tables" / "21" / "21_01_first.csv.part"
    half.write_text("hal")

    write_notebook(tmp_path / "notebooks", "21_a", [table_cell("Third.", "0.5")])
    (tmp_path / "notebooks" / "22_b.ipynb").write_text(
        (tmp_path / "notebooks" / "22_b.ipynb").read_text().replace("Other", "Changed")
    )
    assert run_reports(study, only=["21"], parameters={"conf_level": 0.9}, **run).exit_code == 0
    after = files(tmp_path / "run")
    assert [name for name in after if name.startswith("tables/")] == [
        "tables/21/21_01_third.csv", "tables/21/my notes.txt", "tables/21_tables.json", "tables/22/22_01_other.csv",
        "tables/22_tables.json",
    ]  # fmt: skip
    assert after["tables/22_tables.json"] == before["tables/22_tables.json"]
    assert [text for text in paragraphs(tmp_path / "run") if text in ("First", "Second", "Third", "Other")] == [
        "Third", "Other"
    ]  # fmt: skip

    failing = write_notebook(tmp_path / "notebooks", "21_a", [("code", "1/0")])
    assert run_reports(study, only=["21"], **run).exit_code == 1
    assert files(tmp_path / "run")["tables/21/21_01_third.csv"] == after["tables/21/21_01_third.csv"]
    said = next(text for text in paragraphs(tmp_path / "run") if "From an older run." in text)
    assert "Failed: the last run failed (21_a: " in said
    assert failing.exists()


def test_tables_go_when_their_question_cannot_be_answered_any_more(tmp_path, without_kernels):
    study = write_study(tmp_path / "study", symptoms=False)
    write_notebook(tmp_path / "notebooks", "02_alliance_and_symptom_change", [])
    tables = tmp_path / "run" / "tables"
    (tables / "02").mkdir(parents=True)
    record = {"number": 1, "caption": "c", "note": None, "empty": "none", "columns": [], "file": "02_01_c.csv"}
    (tables / "02_tables.json").write_text(json.dumps({"run": "0", "tables": [record]}))
    (tables / "02" / "02_01_c.csv").write_text("a\n1\n")
    (tmp_path / "run" / "tables.docx").write_text("of the run before")
    write_json(
        tmp_path / "run" / "run.json", {"schema": RUN_SCHEMA, "inputs": {"study": study_card(load_study(study))}}
    )
    assert run_reports(study, out=tmp_path / "run", notebooks=tmp_path / "notebooks").exit_code == 0
    assert not [name for name in files(tmp_path / "run") if "tables" in name]


def test_a_word_file_that_is_open_elsewhere_is_named_and_the_reports_stand(study, tmp_path, monkeypatch):
    write_notebook(tmp_path / "notebooks", "21_a", [table_cell("First.")])
    replace = Path.replace

    def refuse(self, target):
        if Path(target).name == "tables.docx":
            raise PermissionError(13, "in use", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    summary = run_reports(study, out=tmp_path / "run", notebooks=tmp_path / "notebooks")
    assert summary.failures == {
        "tables.docx": "tables.docx: it could not be replaced; a file that is not open elsewhere is required. Close it"
        " in the program that shows it, and run again."
    }
    assert (summary.exit_code, summary.statuses, summary.details) == (1, {"21": "answered"}, {"tables.docx": ""})
    assert "index.html" in files(tmp_path / "run")
    assert not [name for name in files(tmp_path / "run") if name.endswith(".part")]


@pytest.mark.skipif(sys.platform != "linux", reason="sends a POSIX signal and looks into /proc")
def test_ctrl_c_stops_kernels_keeps_earlier_reports_and_exits_130(study, tmp_path):
    write_notebook(
        tmp_path / "notebooks",
        "21_slow",
        [
            (
                "code",
                f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(120)",
            )
        ],
    )
    write_notebook(tmp_path / "notebooks", "22_next", [])
    script = tmp_path / "interrupted.py"
    script.write_text(
        "import signal, sys\nfrom alliance_analysis.report.run import run_reports\n"
        "if __name__ == '__main__':\n"
        f"    folder = {str(tmp_path)!r}\n"
        "    events = []\n"
        "    note = lambda event: events.append(event.number + ' ' + event.status)\n"
        f"    summary = run_reports({str(study)!r}, out=folder + '/run', notebooks=folder + '/notebooks', progress=note)\n"
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # as the command line does
        "    sys.stdout.write(f'{list(events)} {dict(summary.statuses)} {summary.note}')\n    sys.exit(summary.exit_code)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # an impatient second one
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (
        130,
        "['21 started', '21 interrupted', '22 interrupted'] {'21': 'interrupted', '22': 'interrupted'}"
        " interrupted; earlier reports are as they were",
        "",
    )
    assert set(files(tmp_path / "run")) == {"index.html", "run.json", "run_times.json"}
    kernel = int((tmp_path / "pid").read_text())
    while Path(f"/proc/{kernel}").exists():  # it ends on its own within seconds once its parent is gone
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert not list(tmp_path.glob("alliance-*"))


def test_a_killed_worker_costs_its_own_report_only(study, tmp_path):
    write_notebook(
        tmp_path / "notebooks",
        "21_killer",
        [("code", "import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(60)")],
    )
    write_notebook(tmp_path / "notebooks", "22_next", [("code", "report.text('fine')")])
    summary = run_reports(study, out=tmp_path / "run", notebooks=tmp_path / "notebooks")
    assert summary.failures == {"21": "21_killer: its worker process ended early (killed, or out of memory)"}
    assert summary.statuses["22"] == "answered"
    assert not list((tmp_path / "run" / "executed").glob("21*"))
