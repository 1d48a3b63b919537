"""Proves a run: holds its results against those of another run, or against its own, run again from `run.json`."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_analysis.errors import ReportError
from alliance_analysis.report.differences import (
    DATA,
    PARAMETERS,
    REPORT,
    TOLERANCE,
    Difference,
    diff_inputs,
    diff_results,
    worst_first,
)
from alliance_analysis.report.folder import replace_file
from alliance_analysis.report.html import untimed
from alliance_analysis.report.interrupt import shielded_start, single_interrupt
from alliance_analysis.report.notebooks import Notebook, find_notebooks
from alliance_analysis.report.provenance import damaged, inputs, read_record, read_schema
from alliance_analysis.report.results import FAILED, KINDS, NOT_ANSWERABLE, SCHEMA, csv_text
from alliance_analysis.report.run import EXIT_INTERRUPTED, Progress, run_reports
from alliance_analysis.resources import notebooks_folder
from alliance_analysis.study.studyfile import Study, load_study, registered_studies

_COLUMNS = ["kind", "report", "where", "model", "term", "level", "group", "quantity", "first", "second", "difference",
            "allowed", "decides", "what"]  # fmt: skip
_STEM = re.compile(r"(\d\d_[A-Za-z0-9_-]+)\.ipynb")
_TABLES = ("headlines", *(kind for kind in KINDS if kind != "headline"))
_DIFFERS_ALWAYS = "run_times.json"
_NOT_OURS = (".DS_Store", "Thumbs.db", "desktop.ini", _DIFFERS_ALWAYS)
_NO_PART = "not part of the run"


@dataclass(frozen=True)
class RunComparison:
    """What two runs have in common, and every difference between them.

    Attributes
    ----------
    first, second : str
        What was compared, as it was named.
    differences : tuple of Difference
        Beyond the tolerance, worst first; those that do not decide (versions, commit, notebooks, wording) last.
    n_reports, n_estimates : int
        Reports with results in both runs, and the estimates of the first run in them.
    tolerance : float
    largest : float
        The largest difference within the tolerance, as a share of what is allowed.
    identical : bool
        Whether all files are the same byte for byte, `run_times.json` and the run times on the index left out.
    notes : tuple of str
        What of the two folders could not be compared.
    """

    first: str
    second: str
    differences: tuple[Difference, ...] = field(repr=False)
    n_reports: int
    n_estimates: int
    tolerance: float
    largest: float
    identical: bool
    notes: tuple[str, ...] = ()

    @property
    def same_study(self) -> bool:
        """Whether both rest on the same data files (and study file), by their SHA-256."""
        return DATA not in {difference.kind for difference in self.differences}

    @property
    def same_parameters(self) -> bool:
        """Whether every notebook of both had the same parameters."""
        return PARAMETERS not in {difference.kind for difference in self.differences}

    @property
    def same_results(self) -> bool:
        """Whether both have the same reports, headlines, verdicts, checks, and estimates within the tolerance."""
        return self.n_reports > 0 and not self._of_results()

    @property
    def same(self) -> bool:
        """Whether study, parameters and results are the same."""
        return self.same_study and self.same_parameters and self.same_results

    def _of_results(self) -> list[Difference]:
        return [found for found in self.differences if found.decides and found.kind not in (DATA, PARAMETERS)]

    @property
    def sentence(self) -> str:
        """The three answers in words."""
        study, parameters = ("yes" if same else "no" for same in (self.same_study, self.same_parameters))
        return f"Same study: {study}. Same parameters: {parameters}. Same results: {self._results()}."

    def _results(self) -> str:
        found = self._of_results()
        if found:
            return f"no, {len(found):,} difference{'' if len(found) == 1 else 's'}"
        if not self.n_reports:
            return "cannot be told, no report has results in both runs"
        estimates = f"{_counted(self.n_estimates, 'estimate')} in " if self.n_estimates else ""
        basis = f"yes, {estimates}{_counted(self.n_reports, 'report')}"
        if self.identical:
            return f"{basis}, and all files are the same byte for byte"
        exact = (
            f"the largest difference is {100 * self.largest:.2g} % of what is allowed"
            if self.largest
            else "equal to the digit"
        )
        return f"{basis}, {exact}"

    def tidy(self) -> pd.DataFrame:
        """Tabulate the differences, worst first.

        Returns
        -------
        DataFrame
            `kind report where model term level group quantity first second difference allowed decides what`:
            `difference` is second minus first and `allowed` its largest size (missing for texts), `decides` is False
            for what is only to be said, `what` is the whole row as a sentence.
        """
        rows = [
            (
                d.kind,
                d.report,
                d.where,
                *d.key,
                d.quantity,
                d.first,
                d.second,
                d.difference,
                d.allowed,
                d.decides,
                d.line,
            )
            for d in self.differences
        ]
        return pd.DataFrame(rows, columns=_COLUMNS)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class _Run:
    """What a run folder holds, read and checked."""

    path: Path
    record: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Any]]  # of this run, by question
    states: Mapping[str, str]  # by question: has results, failed, ...
    notes: tuple[str, ...]

    def answers(self, number: str) -> bool | None:
        """Say whether this run answers a question; None where it has no results of it at all."""
        content = self.results.get(number)
        return None if content is None else content["status"] != NOT_ANSWERABLE


def compare_runs(first: str | Path, second: str | Path, *, tolerance: float = TOLERANCE) -> RunComparison:
    """Compare two run folders: same study, same parameters, same results?

    Use it on runs of one study from two machines, two dates or two versions. Only the run folders are read.

    Parameters
    ----------
    first, second : path
        Run folders, as `run_reports` leaves them.
    tolerance : float
        The largest difference that counts as none, from 0 (exactly equal) to below 1: a share of its standard error
        for an estimate, its limits and its standardised value (without one, of a quarter of the interval; without
        either, of itself), of itself for a standard error, of 1 + its size for a test statistic. Degrees of freedom,
        p-values, and numbers of checks and verdicts: a hundred times that, of themselves. Counts and texts: equal.

    Returns
    -------
    RunComparison

    Raises
    ------
    ReportError
        When a folder is no run folder, a file in it is damaged or of another schema, or the tolerance is not usable.

    Notes
    -----
    On one machine two runs are the same byte for byte. Another processor adds in another order, which moves the place
    where an optimiser stops: between the arithmetic of three generations of processors (OpenBLAS for Nehalem, Haswell
    and AVX-512) no number of the example study moved by more than 5e-8 of a standard error. The usual 1e-6 leaves room
    for twenty times that, changes no printed digit and no conclusion, and is far below what other data, another
    parameter or another model does. Degrees of freedom and p-values amplify what moves them: two digits less.

    Examples
    --------
    >>> compare_runs("reports/mine", "reports/yours").same  # doctest: +SKIP
    True
    """
    _check_tolerance(tolerance)
    one, two = _read_run(Path(first)), _read_run(Path(second))
    found = [*diff_inputs(one.record, two.record), *_diff_states(one, two)]
    shared = [number for number in sorted(one.states) if one.answers(number) == two.answers(number) is not None]
    within = 0.0
    for number in shared:
        for difference in diff_results(number, one.results[number], two.results[number], tolerance):
            if difference.share > 1:
                found.append(difference)
            else:
                within = max(within, difference.share)
    notes = [f"first run: {note}" for note in one.notes] + [f"second run: {note}" for note in two.notes]
    notes += [f"question {number}: no results in either run, nothing to compare."
              for number in sorted({*one.states} & {*two.states} - {*one.results} - {*two.results})]  # fmt: skip
    return RunComparison(
        str(first), str(second), worst_first(found), len(shared),
        sum(len(one.results[number]["estimates"]) for number in shared), tolerance, within,
        _contents(one.path) == _contents(two.path), tuple(notes),
    )  # fmt: skip


def _check_tolerance(tolerance: float) -> None:
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
        raise ReportError(f"--tolerance: {tolerance!r} is not a number from 0 to below 1; 1e-6 is usual. Correct it.")


def _diff_states(one: _Run, two: _Run) -> Iterator[Difference]:
    for number in sorted({*one.states, *two.states}):
        if one.answers(number) != two.answers(number):
            first, second = (run.states.get(number, _NO_PART) for run in (one, two))
            yield Difference(REPORT, number, "", "report", first, second, "nothing to compare")


def _contents(folder: Path) -> dict[str, bytes]:
    """Return what a run folder holds, by relative name, without what says when it was made and how long it took."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in _NOT_OURS)
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: untimed(content) if name == "index.html" else content for name, content in contents.items()}


def _read_run(path: Path) -> _Run:
    record = read_record(path)
    results, states, notes = {}, {}, []
    stems = {number: _STEM.fullmatch(entry["notebook"]) for number, entry in record["reports"].items()}
    for number, stem in sorted(stems.items()):
        file = path / f"{stem[1] if stem else number}.results.json"
        content = _read_results(file, number) if file.exists() else None
        states[number], usable = _state(content, record["reports"][number])
        if content is not None and usable:
            results[number] = content
            if (path / "logs" / f"{number}.log").is_file():
                notes.append(f"question {number} failed when it was last run; its earlier results are compared.")
    known = {f"{stem[1]}.results.json" for stem in stems.values() if stem}
    others = sorted({file.name for file in path.glob("[0-9][0-9]_*.results.json")} - known)
    notes += [f"{name} is from an older run and is not compared." for name in others]
    return _Run(path, record, results, states, tuple(notes))


def _state(content: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> tuple[str, bool]:
    """Return in words what a run has of a report, and whether that can be compared."""
    if content is None:
        return "no results", False
    if content.get("run") != entry.get("run"):
        return "results of an older run only", False
    if content["status"] in (FAILED, NOT_ANSWERABLE):
        return f"{content['status'].replace('_', ' ')}: {content.get('reason')}", content["status"] != FAILED
    return "has results", True


def _read_results(file: Path, number: str) -> dict[str, Any]:
    content = read_schema(file, SCHEMA)
    tables = [content.get(name) for name in _TABLES]
    rows = [row for table in tables if isinstance(table, list) for row in table]
    whole = all(isinstance(table, list) for table in tables) and all(isinstance(row, dict) for row in rows)
    if not whole or content.get("report") != number or not isinstance(content.get("status"), str):
        raise damaged(file)
    return content


def check_run_inputs(
    run: str | Path, *, study: str | Path | None = None, notebooks: str | Path | None = None
) -> tuple[str, ...]:
    """Say what of all that a run rests on has changed since: data files, notebooks, versions; nothing is run.

    Parameters
    ----------
    run : path
        A run folder.
    study : str or path, optional
        Where the run's study is, or its registered name; default the registered study of the run's name.
    notebooks : path, optional
        Folder of the run's notebooks; default those of the package.

    Returns
    -------
    tuple of str
        One sentence per change, data files first; empty when nothing has changed.

    Raises
    ------
    ReportError
        When `run` is no run folder, or its study or a notebook cannot be found.
    DataError
        When the study cannot be used.

    Examples
    --------
    >>> check_run_inputs("reports/example")  # doctest: +SKIP
    ()
    """
    source = _read_source(Path(run), study, notebooks)
    entries = {
        notebook.number: {"notebook": notebook.path.name, "sha256": notebook.sha256, "parameters": {}}
        for notebook in source.notebooks
    }
    now = {"inputs": inputs(source.loaded), "reports": entries}
    changed = [found for found in diff_inputs(source.record, now) if found.kind != PARAMETERS]
    return tuple(found.say("in the run", "now") for found in worst_first(changed))


def verify_run(
    run: str | Path,
    *,
    study: str | Path | None = None,
    notebooks: str | Path | None = None,
    keep: str | Path | None = None,
    jobs: int = 1,
    tolerance: float = TOLERANCE,
    progress: Progress | None = None,
) -> RunComparison:
    """Run a run again as its `run.json` says, and compare: the same results?

    Parameters
    ----------
    run, study, notebooks
        As for `check_run_inputs`.
    keep : path, optional
        New or empty folder for the new run; by default it is removed.
    jobs : int
        Worker processes.
    tolerance : float
        As for `compare_runs`.
    progress : callable, optional
        Called with a RunEvent at each step.

    Returns
    -------
    RunComparison
        The run first, the new one second.

    Raises
    ------
    ReportError
        As for `check_run_inputs`, and when `keep` or `tolerance` is not usable.
    DataError
        When the study cannot be used.
    KeyboardInterrupt
        When interrupted; nothing is left behind.

    Examples
    --------
    >>> verify_run("reports/example").sentence  # doctest: +SKIP
    'Same study: yes. Same parameters: yes. Same results: yes, 240 estimates in 5 reports, and all files are the same
    byte for byte.'
    """
    _check_tolerance(tolerance)
    source = _read_source(Path(run), study, notebooks)
    kept = Path(keep) if keep else None
    if kept:
        _refuse_kept(kept, Path(run))
    with single_interrupt(), _workplace(kept) as place:
        summary = run_reports(
            source.study, out=place, only=sorted(source.record["reports"]), jobs=jobs,
            parameters=source.parameters, notebooks=source.folder, progress=progress,
        )  # fmt: skip
        if summary.exit_code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        comparison = compare_runs(run, place, tolerance=tolerance)
    return replace(comparison, second=str(kept or "run again"))


@dataclass(frozen=True)
class _Source:
    """What is needed to run a run again."""

    record: Mapping[str, Any]
    study: str | Path
    loaded: Study
    folder: Path
    notebooks: tuple[Notebook, ...]

    @property
    def parameters(self) -> dict[str, Any]:
        entries = self.record["reports"].items()
        return {f"{number}.{name}": value for number, entry in entries for name, value in entry["parameters"].items()}


def _read_source(run: Path, study: str | Path | None, notebooks: str | Path | None) -> _Source:
    record = read_record(run)
    folder = Path(notebooks) if notebooks else notebooks_folder()
    found = {notebook.number: notebook for notebook in find_notebooks(folder)}
    for number, entry in sorted(record["reports"].items()):
        if number not in found:
            raise ReportError(
                f"{run}: its notebook {entry['notebook']!r} is not in {folder if notebooks else 'the package'}, which"
                f" has {', '.join(found)}. Name the folder it is in with --notebooks."
            )
    where = study or _registered(run, record)
    loaded = load_study(where)
    card, files = record["inputs"]["study"], record["inputs"]["files"]
    if card.get("title") != (loaded.title or loaded.name) and not {*files.values()} & {*loaded.files.values()}:
        raise ReportError(
            f"{where}: another study ({loaded.title or loaded.name!r}) than that of {run} ({card.get('title')!r}),"
            " without a file in common. Name the study of the run with --study."
        )
    return _Source(record, where, loaded, folder, tuple(found[number] for number in sorted(record["reports"])))


def _registered(run: Path, record: Mapping[str, Any]) -> str:
    """Return the run's study by its name: `run.json` holds, by design, no path of anybody's machine."""
    name = record["inputs"]["study"].get("name")
    if name in registered_studies():
        return str(name)
    file = record.get("study_file", "study.yml")
    raise ReportError(
        f"{run}: its study {name!r} (file {file!r}) does not come with the package, and a run keeps no path of the"
        " machine it was made on. Name the study file with --study."
    )


def _refuse_kept(keep: Path, run: Path) -> None:
    wanted = "a new or empty folder outside the run is required. Choose another --keep."
    if keep.exists() and not (keep.is_dir() and not any(keep.iterdir())):
        raise ReportError(f"--keep: {keep} {'holds files' if keep.is_dir() else 'is a file'}; {wanted}")
    if keep.resolve().is_relative_to(run.resolve()):
        raise ReportError(f"--keep: {keep} is in the run folder {run}; {wanted}")
    if not keep.resolve().parent.is_dir():
        raise ReportError(f"--keep: {keep.parent} is no folder that exists; {wanted}")


@contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    """Give a folder beside `keep` that becomes it when all went well; whatever happens, nothing else stays."""
    try:
        made = Path(tempfile.mkdtemp(prefix=".alliance-verify-", dir=keep.resolve().parent if keep else None))
    except OSError as error:
        raise ReportError(f"--keep: {keep} cannot be written ({error.strerror}). Choose another folder.") from error
    try:
        yield made / "run"
        if keep:
            if keep.exists():
                keep.rmdir()  # empty; Windows replaces no folder
            (made / "run").replace(keep)
    finally:
        with shielded_start():  # a second Ctrl-C waits until all is cleared up
            shutil.rmtree(made, ignore_errors=True)


def write_comparison(comparison: RunComparison, path: str | Path) -> None:
    """Write every difference as CSV, in one step; a text that a spreadsheet would compute gets an apostrophe before it.

    Parameters
    ----------
    comparison : RunComparison
    path : path
        A new file.

    Raises
    ------
    ReportError
        When there is such a file already, or it cannot be written.

    Examples
    --------
    >>> write_comparison(compare_runs("reports/mine", "reports/yours"), "differences.csv")  # doctest: +SKIP
    """
    if Path(path).exists():
        raise ReportError(f"--csv: {path} exists already. Name a new file.")
    try:
        replace_file(Path(path), "\ufeff" + csv_text(comparison.tidy()))  # after the mark by which Excel knows UTF-8
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror}). Choose another file.") from error
