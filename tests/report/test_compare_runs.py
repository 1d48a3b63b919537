"""Two runs are the same or not, and every difference is said; a run can be proved by running it again."""

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import FULL, write_notebook, write_study
from hypothesis import given
from hypothesis import strategies as st

import alliance_analysis.report.compare as compare
from alliance_analysis.errors import ReportError
from alliance_analysis.report.compare import check_run_inputs, compare_runs, verify_run, write_comparison
from alliance_analysis.report.differences import diff_results, shown_pair
from alliance_analysis.report.folder import write_json
from alliance_analysis.report.run import RunSummary, run_reports

COLUMNS = ("model", "term", "level", "group", "estimate", "std_error", "statistic", "df", "p_value", "conf_low",
           "conf_high", "standardised", "n_sessions", "n_clients", "n_therapists", "primary")  # fmt: skip
SLOPE = {
    "model": "prospective", "term": "alliance_within", "level": "within", "group": "", "estimate": -0.5,
    "std_error": 0.1, "statistic": -5.0, "df": 80.0, "p_value": 0.001, "conf_low": -0.7, "conf_high": -0.3,
    "standardised": -0.2, "n_sessions": 72, "n_clients": 12, "n_therapists": 3, "primary": True,
}  # fmt: skip
SHARE = {"model": "shares", "term": "client", "level": "variance", "estimate": 0.6, "conf_low": 0.5, "conf_high": 0.7}
BARE = {"model": "shares", "term": "residual", "level": "variance", "group": "", "estimate": 4.0}
HEADLINE = {"part": None, "sentence": "Symptoms fell by 0.50 points.", "status": "answered", "reason": None}
CHECK = {
    "check": "number of clients",
    "value": 12,
    "limit": "30 or more",
    "status": "amber",
    "why": "",
    "what_to_do": "",
}
VERDICT = {"finding_id": "W02", "level": "within_client", "metric": "r", "verdict": "consistent", "own": 0.2,
           "published": 0.3, "citation": "Somebody (2018)"}  # fmt: skip
WITHHELD = {"model": "shares", "term": "therapist", "group": "", "reason": "the variance is zero"}


def row(given=SLOPE, **values):
    return dict.fromkeys(COLUMNS) | {"report": "21", **given, **values}


def results(**values):
    content = {
        "schema": "alliance-results/1", "report": "21", "title": "?", "status": "answered", "reason": None, "run": "r",
        "headlines": [HEADLINE], "estimates": [row(), row(SHARE), row(BARE)], "withheld": [WITHHELD],
        "verdicts": [VERDICT], "checks": [CHECK],
    }  # fmt: skip
    return content | values


INPUTS = {
    "study": {"name": "clinic", "title": "Clinic"}, "files": {"study.yml": "a" * 64, "sessions.csv": "b" * 64},
    "versions": {"numpy": "2.4.6"}, "commit": "c" * 40,
}  # fmt: skip
ENTRY = {"notebook": "21_one.ipynb", "sha256": "d" * 64, "parameters": {"conf_level": 0.95, "seed": 1}, "run": "r"}


def write_run(folder, content=None, inputs=None, entry=None, **record):
    """Write a run folder by hand: one report of the given content."""
    folder.mkdir(parents=True)
    run = {"schema": "alliance-run/1", "study_file": "study.yml", "inputs": INPUTS | (inputs or {}),
           "reports": {"21": ENTRY | (entry or {})}}  # fmt: skip
    write_json(folder / "run.json", run | record)
    if content is not False:
        write_json(folder / "21_one.results.json", content or results())
    return folder


@pytest.fixture
def compared(tmp_path):
    """Compare the plain run with one that is written with the given changes."""

    def call(content=None, tolerance=1e-6, **changes):
        first = write_run(tmp_path / "first")
        second = write_run(tmp_path / "second", content, **changes)
        return compare_runs(first, second, tolerance=tolerance)

    return call


def lines(comparison, decides=True):
    return [difference.line for difference in comparison.differences if difference.decides == decides]


def with_row(given, **values):
    return results(estimates=[row(base, **(values if base is given else {})) for base in (SLOPE, SHARE, BARE)])


# same or not


def test_a_run_is_the_same_as_its_copy_and_all_its_files_are_identical(compared):
    comparison = compared()
    assert comparison.same
    assert comparison.identical
    assert comparison.sentence == (
        "Same study: yes. Same parameters: yes. Same results: yes, 3 estimates in 1 report, and all files are the same"
        " byte for byte."
    )
    assert comparison.tidy().empty


def test_a_report_without_estimates_is_compared_all_the_same(tmp_path):
    content = results(estimates=[], withheld=[])
    first, second = write_run(tmp_path / "first", content), write_run(tmp_path / "second", content, {"commit": None})
    assert compare_runs(first, second).sentence == (
        "Same study: yes. Same parameters: yes. Same results: yes, 1 report, equal to the digit."
    )


def test_the_times_of_a_run_do_not_count(tmp_path):
    for name in ("first", "second"):
        write_run(tmp_path / name)
        write_json(tmp_path / name / "run_times.json", {"finished": name})
    assert compare_runs(tmp_path / "first", tmp_path / "second").identical


@pytest.mark.parametrize(
    ("given", "column", "inside", "outside", "apart"),
    [
        (SLOPE, "estimate", 0.9e-7, 1.1e-7, "1.1e-06 standard errors"),
        (SLOPE, "conf_low", 0.9e-7, 1.1e-7, "1.1e-06 standard errors"),
        (SLOPE, "standardised", 0.35e-7, 0.45e-7, "1.1e-06 standard errors"),  # its standard error is 0.04
        (SLOPE, "std_error", 0.9e-7, 1.1e-7, "0.00011 %"),
        (SLOPE, "statistic", 5e-6, 7e-6, "0.00014 %"),
        (SLOPE, "df", 7e-3, 9e-3, "0.011 %"),
        (SLOPE, "p_value", 0.9e-7, 1.1e-7, "0.011 %"),
        (SHARE, "estimate", 4e-8, 6e-8, "3e-05 % of the interval"),
        (BARE, "estimate", 3.9e-6, 4.2e-6, "0.0001 %"),
    ],
)  # fmt: skip
def test_a_number_may_differ_by_the_stated_tolerance_and_no_more(tmp_path, given, column, inside, outside, apart):
    first = write_run(tmp_path / "first")
    near = write_run(tmp_path / "near", with_row(given, **{column: given[column] + inside}))
    far = write_run(tmp_path / "far", with_row(given, **{column: given[column] + outside}))
    comparison = compare_runs(first, near)
    assert comparison.same
    assert 0.5 < comparison.largest <= 1
    assert not comparison.identical
    comparison = compare_runs(first, far)
    assert not comparison.same
    assert [difference.apart for difference in comparison.differences] == [apart]
    assert compare_runs(first, far, tolerance=1e-4).same
    assert not compare_runs(first, near, tolerance=0).same


def test_a_count_must_be_equal_whatever_the_tolerance(compared):
    comparison = compared(with_row(SLOPE, n_clients=13), tolerance=0.9)
    assert lines(comparison) == [
        "question 21, prospective: alliance_within (within): number of clients 12 in the first run, 13 in the second (1)."
    ]


def test_dust_of_arithmetic_around_zero_is_no_difference(tmp_path):
    first = write_run(tmp_path / "first", with_row(BARE, estimate=3e-17))
    assert compare_runs(first, write_run(tmp_path / "second", with_row(BARE, estimate=-2e-16))).same


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            with_row(SLOPE, conf_high=None),
            "question 21, prospective: alliance_within (within): upper limit −0.3 in the first run, – in the second"
            " (in one run only).",
        ),
        (
            results(estimates=[row(), row(SHARE)]),
            "question 21, shares: residual (variance): estimate 4 in the first run, no such estimate in the second"
            " (in one run only).",
        ),
        (
            results(estimates=[row(), row(SHARE)], withheld=[WITHHELD, WITHHELD | {"term": "residual"}]),
            "question 21, shares: residual (variance): estimate 4 in the first run, withheld: the variance is zero in the"
            " second (in one run only).",
        ),
        (
            results(withheld=[]),
            "question 21, shares: therapist: reason for withholding the variance is zero in the first run, not withheld"
            " in the second.",
        ),
        (
            with_row(SLOPE, primary=False),
            "question 21, prospective: alliance_within (within): primary estimate yes in the first run, no in the second.",
        ),
        (
            results(headlines=[HEADLINE | {"sentence": "Symptoms fell by 0.51 points."}]),
            "question 21, headline: sentence Symptoms fell by 0.50 points. in the first run, Symptoms fell by 0.51 points."
            " in the second.",
        ),
        (
            results(headlines=[HEADLINE | {"status": "caution"}]),
            "question 21, headline: status answered in the first run, caution in the second.",
        ),
        (
            results(headlines=[]),
            "question 21, headline: sentence Symptoms fell by 0.50 points. in the first run, – in the second.",
        ),
        (
            results(verdicts=[VERDICT | {"verdict": "inconsistent"}]),
            "question 21, finding W02, within_client, r: verdict consistent in the first run, inconsistent in the second.",
        ),
        (
            results(checks=[CHECK | {"status": "green"}]),
            "question 21, check “number of clients”: status amber in the first run, green in the second.",
        ),
        (
            results(checks=[CHECK | {"value": 13}]),
            "question 21, check “number of clients”: value 12 in the first run, 13 in the second (1).",
        ),
        (
            results(status="failed", reason="KeyError"),
            "question 21: report has results in the first run, failed: KeyError in the second (nothing to compare).",
        ),
        (
            results(status="not_answerable", reason="No ratings."),
            "question 21: report has results in the first run, not answerable: No ratings. in the second (nothing to"
            " compare).",
        ),
        (
            results(run="older"),
            "question 21: report has results in the first run, results of an older run only in the second (nothing to"
            " compare).",
        ),
        (False, "question 21: report has results in the first run, no results in the second (nothing to compare)."),
    ],
)  # fmt: skip
def test_each_difference_is_one_plain_sentence_and_decides(compared, content, line):
    comparison = compared(content)
    assert lines(comparison) == [line]
    assert not comparison.same_results
    assert comparison.sentence.endswith("Same results: no, 1 difference.")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"inputs": {"files": INPUTS["files"] | {"sessions.csv": "e" * 64}}},
            "sessions.csv: SHA-256 bbbbbbbbbbbb… in the first run, eeeeeeeeeeee… in the second (not the same data).",
        ),
        (
            {"inputs": {"files": {"study.yml": "a" * 64}}},
            "sessions.csv: SHA-256 bbbbbbbbbbbb… in the first run, – in the second (not the same data).",
        ),
        (
            {"entry": {"parameters": {"conf_level": 0.9, "seed": 1}}},
            "question 21, conf_level: value 0.95 in the first run, 0.9 in the second.",
        ),
        (
            {"entry": {"parameters": {"conf_level": 0.95}}},
            "question 21, seed: value 1 in the first run, – in the second.",
        ),
    ],
)
def test_other_data_or_parameters_are_another_run_though_the_numbers_agree(compared, change, line):
    comparison = compared(**change)
    assert lines(comparison) == [line]
    assert (comparison.same, comparison.same_results) == (False, True)
    assert (comparison.same_study, comparison.same_parameters) == (
        ("files" not in line and "SHA" not in line),
        "SHA" in line,
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"inputs": {"versions": {"numpy": "2.5.0"}}}, "numpy: version 2.4.6 in the first run, 2.5.0 in the second."),
        (
            {"inputs": {"commit": "c" * 40 + "+changes"}},
            "alliance-analysis: commit cccccccccccc… in the first run, cccccccccccc…+changes in the second.",
        ),
        (
            {"inputs": {"files": {"study.yml": "a" * 64, "visits.csv": "b" * 64}}},
            "data file: name sessions.csv in the first run, visits.csv in the second (the same content).",
        ),
        (
            {"entry": {"sha256": "f" * 64}},
            "question 21, 21_one.ipynb: SHA-256 dddddddddddd… in the first run, ffffffffffff… in the second.",
        ),
        (
            {"content": results(withheld=[WITHHELD | {"reason": "singular"}])},
            "question 21, shares: therapist: reason for withholding the variance is zero in the first run, singular in the"
            " second.",
        ),
    ],
)  # fmt: skip
def test_versions_notebooks_and_wording_are_said_and_do_not_decide(compared, change, line):
    comparison = compared(**change)
    assert comparison.same
    assert lines(comparison, decides=False) == [line]


def test_worst_comes_first(compared):
    content = results(
        estimates=[row(estimate=-0.6), row(SHARE, estimate=0.61)],
        headlines=[HEADLINE | {"sentence": "Other."}],
        checks=[CHECK | {"status": "green"}],
        verdicts=[VERDICT | {"verdict": "inconsistent"}],
    )
    changes = {"inputs": {"files": {}, "versions": {}}, "entry": {"parameters": {}}}
    found = compared(content, **changes).differences
    kinds = ["data", "data", "parameters", "parameters", "headline", "estimate", "verdict", "number", "number", "check",
             "version"]  # fmt: skip
    assert [difference.kind for difference in found] == kinds
    slope, share = (difference for difference in found if difference.kind == "number")
    assert slope.share > share.share


def test_reports_that_both_runs_lack_are_named_and_nothing_compared_is_not_the_same(tmp_path):
    failed = results(status="failed", reason="KeyError")
    comparison = compare_runs(write_run(tmp_path / "first", failed), write_run(tmp_path / "second", failed))
    assert not comparison.same
    assert comparison.sentence.endswith("Same results: cannot be told, no report has results in both runs.")
    assert comparison.notes == ("question 21: no results in either run, nothing to compare.",)


def test_results_that_are_not_of_this_run_are_named(tmp_path):
    first, second = write_run(tmp_path / "first"), write_run(tmp_path / "second")
    write_json(first / "30_old.results.json", results(report="30"))
    (second / "logs").mkdir()
    (second / "logs" / "21.log").write_text("21_one: KeyError\n")
    comparison = compare_runs(first, second)
    assert comparison.same
    assert comparison.notes == (
        "first run: 30_old.results.json is from an older run and is not compared.",
        "second run: question 21 failed when it was last run; its earlier results are compared.",
    )


# properties

number = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-5, 5))
rows = st.lists(
    st.fixed_dictionaries(
        {"model": st.sampled_from("ab"), "term": st.sampled_from("xy"), "level": st.sampled_from([None, "within"]),
         "group": st.just(""), "estimate": number, "std_error": number, "df": number, "n_clients": st.integers(1, 9)}
    ), max_size=5,
)  # fmt: skip


def shares(first, second):
    return [d.share for d in diff_results("21", results(estimates=first), results(estimates=second), 1e-6)]


@given(rows)
def test_results_equal_themselves(table):
    assert shares(table, table) == []


@given(rows, rows)
def test_comparing_is_symmetric(first, second):
    assert sorted(shares(first, second)) == sorted(shares(second, first))


@given(rows, rows, st.randoms())
def test_the_order_of_rows_does_not_matter(first, second, chance):
    mixed = chance.sample(second, len(second))
    assert shares(first, second) == shares(first, mixed)


@given(number, number)
def test_two_values_that_differ_are_shown_differently(first, second):
    if first != second:
        assert len({*shown_pair(first, second)}) == 2


def test_a_long_text_is_shown_from_where_it_differs_and_without_control_characters():
    first, second = shown_pair("word " * 30 + "lower\x1b[2J", "word " * 30 + "higher")
    assert first == "… word word word word word lower [2J"
    assert second == "… word word word word word higher"


# what cannot be compared


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no such folder. Name a run folder, such as reports/example."),
        (
            lambda folder: (folder / "run.json").unlink(),
            "no run.json in it, so it is no run folder. Name one that `alliance reproduce` has written.",
        ),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path, spoil, message):
    first, second = write_run(tmp_path / "first"), write_run(tmp_path / "second")
    spoil(second)
    with pytest.raises(ReportError) as refused:
        compare_runs(first, second)
    assert str(refused.value) == f"{second}: {message}"


@pytest.mark.parametrize("name", ["run.json", "21_one.results.json"])
@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": "%s"}', '{"schema": "%s", "reports": {"21": 1}, "estimates": [1]}']
)
def test_a_damaged_file_is_refused_by_name(tmp_path, name, text):
    first, second = write_run(tmp_path / "first"), write_run(tmp_path / "second")
    schema = "alliance-run/1" if name == "run.json" else "alliance-results/1"
    (second / name).write_text(text.replace("%s", schema), encoding="utf-8")
    with pytest.raises(ReportError) as refused:
        compare_runs(first, second)
    assert str(refused.value) == (
        f"{second / name}: damaged, not as `alliance reproduce` writes it. Run the study again."
    )


@pytest.mark.parametrize("name", ["run.json", "21_one.results.json"])
def test_another_schema_is_refused_by_name(tmp_path, name):
    first, second = write_run(tmp_path / "first"), write_run(tmp_path / "second")
    content = json.loads((second / name).read_text(encoding="utf-8"))
    write_json(second / name, content | {"schema": "alliance-results/2"})
    with pytest.raises(
        ReportError, match=r"its schema is 'alliance-results/2'; this version reads 'alliance-r\w+/1'\."
    ):
        compare_runs(first, second)


@pytest.mark.parametrize("tolerance", [-1e-9, 1, math.nan, True, "small"])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(ReportError, match=r"--tolerance: .* is not a number from 0 to below 1; 1e-6 is usual"):
        compare_runs("a", "b", tolerance=tolerance)


# the table


def test_the_table_is_safe_to_open_in_a_spreadsheet(compared, tmp_path):
    hostile = [HEADLINE | {"part": part, "sentence": "=1+1"} for part in ("=A1", "+A1", "-A1", "@A1", "A1")]
    comparison = compared(
        results(headlines=[HEADLINE, *hostile], estimates=[row(estimate=-0.6), row(SHARE), row(BARE)])
    )
    write_comparison(comparison, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == len(comparison.differences) == 6
    assert sorted(cell["where"] for cell in cells if cell["kind"] == "headline") == [
        "'+A1",
        "'-A1",
        "'=A1",
        "'@A1",
        "A1",
    ]
    assert {cell["second"] for cell in cells if cell["kind"] == "headline"} == {"'=1+1"}
    number = cells[-1]
    assert (number["model"], number["level"], number["first"], number["second"]) == (
        "prospective",
        "within",
        "-0.5",
        "-0.6",
    )
    assert float(number["difference"]) == pytest.approx(-0.1)
    assert [path.name for path in tmp_path.glob("table*")] == ["table.csv"]


def test_the_table_replaces_no_file(compared, tmp_path):
    comparison = compared()
    (tmp_path / "sessions.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(ReportError, match=r"exists already\. Name a new file"):
        write_comparison(comparison, tmp_path / "sessions.csv")
    with pytest.raises(ReportError, match="cannot be written"):
        write_comparison(comparison, tmp_path / "nowhere" / "table.csv")
    assert (tmp_path / "sessions.csv").read_text(encoding="utf-8") == "mine"


# running a run again


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A run of one question of an own study with an own notebook, from one start of a kernel."""
    folder = tmp_path_factory.mktemp("clinic")
    study = write_study(folder / "study")
    write_notebook(folder / "notebooks", "21_everything", FULL)
    run_reports(study, out=folder / "run", notebooks=folder / "notebooks", parameters={"conf_level": 0.9})
    return folder


@pytest.fixture
def place(clinic, tmp_path, monkeypatch):
    """A copy of it, and an empty folder for temporary files."""
    shutil.copytree(clinic, tmp_path / "clinic")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "clinic"


def own(place):
    return {"study": place / "study" / "study.yml", "notebooks": place / "notebooks"}


def test_a_run_verifies_itself_to_the_byte_and_leaves_nothing_behind(place):
    assert check_run_inputs(place / "run", **own(place)) == ()
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    events = []
    comparison = verify_run(place / "run", **own(place), progress=events.append)
    assert comparison.same
    assert comparison.identical
    assert (comparison.first, comparison.second) == (str(place / "run"), "run again")
    assert [event.status for event in events] == ["started", "caution"]
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert not list((place.parent / "tmp").iterdir())


def test_changed_data_and_notebooks_are_said_first_and_the_numbers_compared(place):
    data = place / "study" / "sessions.csv"
    data.write_text(
        data.read_text(encoding="utf-8").replace("planted-client-11,", "planted-client-99,"), encoding="utf-8"
    )
    notebook = place / "notebooks" / "21_everything.ipynb"
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("[-0.5, 9", "[-0.6, 9"), encoding="utf-8")
    said = check_run_inputs(place / "run", **own(place))
    assert [line.split(" ")[0] for line in said] == ["sessions.csv:", "question"]
    assert said[0].endswith("… now (not the same data).")
    comparison = verify_run(place / "run", **own(place), keep=place / "kept")
    assert (comparison.same_study, comparison.same_results) == (False, False)
    changed = [(d.key[1], d.quantity, d.apart) for d in comparison.differences if d.kind == "number"]
    assert changed == [("time", "estimate", "1 standard errors")]
    assert comparison.second == str(place / "kept")
    assert (place / "kept" / "index.html").is_file()
    assert "planted-client" not in " ".join(difference.line for difference in comparison.differences)


def test_a_study_that_is_not_registered_must_be_named(place):
    with pytest.raises(ReportError) as refused:
        verify_run(place / "run", notebooks=place / "notebooks")
    assert str(refused.value) == (
        f"{place / 'run'}: its study 'study' (file 'study.yml') does not come with the package, and a run keeps no path of"
        " the machine it was made on. Name the study file with --study."
    )


def test_another_study_is_refused_before_anything_runs(place):
    with pytest.raises(ReportError, match=r"example: another study .* without a file in common\. Name the study"):
        verify_run(place / "run", study="example", notebooks=place / "notebooks")


def test_a_notebook_that_is_not_there_must_be_named(place):
    with pytest.raises(ReportError) as refused:
        verify_run(place / "run", study=place / "study")
    message = str(refused.value)
    assert message.startswith(
        f"{place / 'run'}: its notebook '21_everything.ipynb' is not in the package, which has 01,"
    )
    assert message.endswith("Name the folder it is in with --notebooks.")


def test_the_kept_folder_must_be_new_and_outside_the_run(place):
    wanted = "; a new or empty folder outside the run is required. Choose another --keep."
    for keep, why in (
        (place / "run", f"{place / 'run'} holds files"),
        (place / "run" / "again", f"{place / 'run' / 'again'} is in the run folder {place / 'run'}"),
        (place / "run" / "run.json", f"{place / 'run' / 'run.json'} is a file"),
        (place / "no" / "again", f"{place / 'no'} is no folder that exists"),
    ):
        with pytest.raises(ReportError) as refused:
            verify_run(place / "run", **own(place), keep=keep)
        assert str(refused.value) == f"--keep: {why}{wanted}"


@pytest.mark.parametrize("keep", [False, True])
def test_an_interrupt_leaves_nothing_behind(place, monkeypatch, keep):
    def interrupted(study, *, out, **_):
        write_run(out)
        return RunSummary(out, {}, {}, {}, 130)

    monkeypatch.setattr(compare, "run_reports", interrupted)
    before = sorted(place.rglob("*"))
    with pytest.raises(KeyboardInterrupt):
        verify_run(place / "run", **own(place), keep=place / "kept" if keep else None)
    assert sorted(place.rglob("*")) == before
    assert not list((place.parent / "tmp").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="sends a POSIX signal")
def test_ctrl_c_on_the_command_line_is_one_line_and_leaves_nothing(place):
    pid = place.parent / "pid"
    write_notebook(
        place / "notebooks",
        "21_everything",
        [("code", f"import os, time\nopen({str(pid)!r}, 'w').write('x')\ntime.sleep(120)")],
    )
    words = [
        "verify",
        place / "run",
        "--study",
        place / "study",
        "--notebooks",
        place / "notebooks",
        "--keep",
        place / "kept",
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(place.parent / "tmp")}
    process = subprocess.Popen(
        [sys.executable, "-m", "alliance_analysis.cli", *map(str, words)], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not pid.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "alliance: interrupted; earlier reports are as they were.\n")
    assert not (place / "kept").exists()
    assert not [path for path in place.iterdir() if path.name.startswith(".alliance")]


@pytest.mark.slow
def test_a_report_of_the_example_study_verifies(tmp_path):
    run_reports("example", out=tmp_path / "run", only=["01"])
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert check_run_inputs(tmp_path / "copy") == ()
    comparison = verify_run(tmp_path / "copy")
    assert comparison.same
    assert comparison.identical
