"""Runs the notebooks of a study, one kernel each, and leaves a run folder that cannot look more complete than it is."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.execute import SEE_DEBUG, NotebookError, prepare_worker
from alliance_analysis.report.folder import (
    RUN_SCHEMA,
    RunFolder,
    open_folder,
    read_json,
    replace_bytes,
    replace_file,
    write_json,
)
from alliance_analysis.report.html import index_html
from alliance_analysis.report.interrupt import shielded_start, single_interrupt
from alliance_analysis.report.notebooks import Notebook, find_notebooks
from alliance_analysis.report.parameters import choose_values
from alliance_analysis.report.plan import plan_status
from alliance_analysis.report.provenance import fingerprint, inputs
from alliance_analysis.report.results import FAILED, HEADLINE_STATUSES, NOT_ANSWERABLE, overall_status
from alliance_analysis.report.word import word_document
from alliance_analysis.report.work import Outcome, Task, run_task, write_failure, write_short_report
from alliance_analysis.resources import notebooks_folder
from alliance_analysis.study.studyfile import Study, load_study

INTERRUPTED = "interrupted"
KEPT = "interrupted; earlier reports are as they were"
EXIT_COMPLETE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
_OWN_QUESTION = "own question"
_RAN = (*HEADLINE_STATUSES, FAILED)
_WORD = "tables.docx"  # stands beside the question numbers where its own failure is told


@dataclass(frozen=True)
class RunEvent:
    """One step of a run, for whoever shows its progress.

    Attributes
    ----------
    number, title : str
        The question.
    status : str
        "started", "interrupted", or the status of the finished report.
    line : str
        Why it failed or cannot be answered, or what an interrupt left; empty otherwise.
    done, total : int
        Reports finished so far, and in all.
    seconds : float
        What this report took.
    """

    number: str
    title: str
    status: str
    line: str
    done: int
    total: int
    seconds: float = 0.0


Progress = Callable[[RunEvent], None]


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes
    ----------
    folder : Path
        The run folder; its `index.html` is the way in.
    statuses : mapping of question number -> status
    failures : mapping of question number, or "tables.docx" -> one line for the terminal
    details : mapping of question number, or "tables.docx" -> traceback, for `--debug` on the terminal only
    exit_code : int
        0 all complete, 1 a notebook failed or the Word file could not be written, 130 interrupted.
    note : str
        What to say of the run as a whole: that earlier reports are as they were, after an interrupt; else empty.
    """

    folder: Path
    statuses: Mapping[str, str]
    failures: Mapping[str, str]
    details: Mapping[str, str]
    exit_code: int
    note: str = ""


def run_reports(
    study: str | Path,
    *,
    out: str | Path | None = None,
    only: Sequence[str] = (),
    jobs: int = 1,
    parameters: Mapping[str, Any] | None = None,
    notebooks: str | Path | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Run the notebooks on a study and write the run folder; everything the user can get wrong is checked first.

    Parameters
    ----------
    study : str or Path
        A study.yml, its folder, or a registered name.
    out : path, optional
        The run folder; default `./reports/<study>`.
    only : sequence of str
        Question numbers; all when empty.
    jobs : int
        Worker processes.
    parameters : mapping, optional
        "02.conf_level" or "conf_level" -> value (text is read as the declared type).
    notebooks : path, optional
        Folder of notebooks; default those of the package.
    progress : callable, optional
        Called with a RunEvent at each step.

    Returns
    -------
    RunSummary

    Raises
    ------
    ReportError
        On an unknown notebook or parameter, a value of the wrong type, or a folder that cannot be written to or holds
        anything but reports of this study.
    DataError
        When the study cannot be used.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ReportError(f"--jobs: {jobs!r} is not a whole number from 1. Correct it.")
    found = find_notebooks(Path(notebooks) if notebooks else notebooks_folder(), only)
    values = choose_values({notebook.number: notebook.parameters for notebook in found}, parameters or {})
    loaded = load_study(study)
    folder = open_folder(Path(out) if out else Path("reports") / loaded.name, loaded)
    folder.remove_partials({notebook.number: notebook.stem for notebook in found})
    questions = _questions(loaded)
    plans = {one.number: plan_status(loaded, one.number, one.sha256, values[one.number]).as_dict() for one in found}
    setting = _Setting(folder, *_for_kernel(study, loaded), inputs(loaded), plans)
    tasks = _plan(found, values, questions, setting)
    _write_run(folder, loaded, tasks, found)
    with single_interrupt():
        return _finish(folder, tasks, _Run(tasks, questions, progress).carry_out(jobs))


@dataclass(frozen=True)
class _Setting:
    folder: RunFolder
    study: str
    cwd: str
    inputs: Mapping[str, Any]
    plans: Mapping[str, Mapping[str, str]]


def _for_kernel(study: str | Path, loaded: Study) -> tuple[str, str]:
    """Return the study as a kernel is told it and its working folder: no path of this machine reaches a notebook."""
    if Path(study).exists():
        return loaded.path.name, str(loaded.path.resolve().parent)
    return str(study), ""


def _questions(study: Study) -> dict[str, Mapping[str, Any]]:
    return {str(row["question"]): row for row in study.feasibility().to_dict(orient="records")}


def _plan(
    found: Sequence[Notebook],
    values: Mapping[str, Mapping[str, Any]],
    questions: Mapping[str, Mapping[str, Any]],
    setting: _Setting,
) -> tuple[Task, ...]:
    return tuple(
        Task(
            number=notebook.number,
            stem=notebook.stem,
            title=questions.get(notebook.number, {}).get("title", notebook.title),
            kind=questions.get(notebook.number, {}).get("kind", _OWN_QUESTION),
            source=notebook.path,
            folder=setting.folder,
            parameters=values[notebook.number],
            study=setting.study,
            cwd=setting.cwd,
            inputs=setting.inputs,
            run=fingerprint([setting.inputs, values[notebook.number], notebook.sha256, setting.plans[notebook.number]]),
            plan=setting.plans[notebook.number],
        )
        for notebook in found
    )


class _Run:
    """The tasks of one run on their way: what is waiting, what is under way, how each ended."""

    def __init__(
        self, tasks: Sequence[Task], questions: Mapping[str, Mapping[str, Any]], progress: Progress | None
    ) -> None:
        self._tasks = {task.number: task for task in tasks}
        self._questions = questions
        self._progress = progress
        self._outcomes: dict[str, Outcome] = {}

    def carry_out(self, jobs: int) -> dict[str, Outcome]:
        """Run every task that can be answered; an interrupt stops all of them and is noted in the outcomes."""
        waiting = [task for task in self._tasks.values() if not self._is_answered_short(task)]
        try:
            while waiting:
                waiting = self._run_pool(waiting, jobs)
        except KeyboardInterrupt:
            for number in [number for number in self._tasks if number not in self._outcomes]:
                self._note(Outcome(number, INTERRUPTED))
        return self._outcomes

    def _is_answered_short(self, task: Task) -> bool:
        question = self._questions.get(task.number)
        if question is None or question["answerable"]:
            return False
        write_short_report(task, NOT_ANSWERABLE, question["reason"], question["needs"] or None)
        self._note(Outcome(task.number, NOT_ANSWERABLE))
        return True

    def _run_pool(self, waiting: Sequence[Task], jobs: int) -> list[Task]:
        """Run tasks in spawned workers; return those not begun when a worker died, for a fresh pool."""
        queue = list(waiting)
        running: dict[Future[Outcome], Task] = {}
        others = set(multiprocessing.active_children())
        # a profile may still be open where a kernel was killed: the system's cleaning of its folder takes it then
        profiles = tempfile.TemporaryDirectory(prefix="alliance-ipython-", ignore_cleanup_errors=True)
        pool = ProcessPoolExecutor(
            min(jobs, len(queue)), mp_context=multiprocessing.get_context("spawn"), initializer=prepare_worker,
            initargs=(profiles.name,),
        )  # fmt: skip
        try:
            while queue or running:
                while queue and len(running) < jobs:
                    running[self._submit(pool, queue[0])] = queue[0]
                    del queue[0]  # only now: a pool that broke in between refuses it, and a fresh one takes it
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    self._note(_outcome(future, running.pop(future)))
        except BrokenProcessPool:
            return queue
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()  # nbclient ends the kernel first
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            profiles.cleanup()
        return []

    def _submit(self, pool: ProcessPoolExecutor, task: Task) -> Future[Outcome]:
        with shielded_start():
            future = pool.submit(run_task, task)
        self._tell(task, "started", "", 0.0)
        return future

    def _note(self, outcome: Outcome) -> None:
        task = self._tasks[outcome.number]
        self._outcomes[outcome.number] = outcome
        if outcome.failure is not None:
            write_failure(task, outcome.failure)
        elif outcome.status != INTERRUPTED:
            task.folder.log(task.number).unlink(missing_ok=True)
        line = outcome.failure.line if outcome.failure else ""
        if outcome.status == INTERRUPTED:
            line = KEPT
        if outcome.status == NOT_ANSWERABLE:
            line = self._questions[outcome.number]["reason"]
        self._tell(task, outcome.status, line, outcome.seconds)

    def _tell(self, task: Task, status: str, line: str, seconds: float) -> None:
        if self._progress is not None:
            done, total = len(self._outcomes), len(self._tasks)
            self._progress(RunEvent(task.number, task.title, status, line, done, total, seconds))


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Outcome(task.number, FAILED, NotebookError("its worker process ended early (killed, or out of memory)"))


def _write_run(folder: RunFolder, study: Study, tasks: Sequence[Task], found: Sequence[Notebook]) -> None:
    """Write `run.json`; entries of reports that are not part of this run stay while they rest on the same inputs."""
    earlier = read_json(folder.run_json) or {}
    common = tasks[0].inputs
    kept = earlier.get("reports", {}) if earlier.get("inputs") == common else {}
    entries = {
        task.number: {
            "notebook": notebook.path.name,
            "sha256": notebook.sha256,
            "parameters": task.parameters,
            "run": task.run,
        }
        for task, notebook in zip(tasks, found, strict=True)
    }
    content = {"schema": RUN_SCHEMA, "study_file": study.path.name, "inputs": common, "reports": kept | entries}
    write_json(folder.run_json, content)


def _finish(folder: RunFolder, tasks: Sequence[Task], outcomes: Mapping[str, Outcome]) -> RunSummary:
    folder.remove_partials({task.number: task.stem for task in tasks})
    times = read_json(folder.times_json) or {}
    for number, outcome in outcomes.items():
        if outcome.seconds:
            finished = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            times[number] = {"seconds": round(outcome.seconds, 2), "cpu_seconds": round(outcome.cpu_seconds, 2),
                             "finished": finished}  # fmt: skip
    write_json(folder.times_json, times)
    write_index(folder)
    names = {task.number: task.stem for task in tasks} | {_WORD: _WORD}
    failures = {number: outcome.failure for number, outcome in outcomes.items() if outcome.failure}
    if (failure := _word_failure(folder)) is not None:
        failures[_WORD] = failure
    statuses = {task.number: outcomes[task.number].status for task in tasks}
    code = EXIT_INTERRUPTED if INTERRUPTED in statuses.values() else EXIT_FAILED if failures else EXIT_COMPLETE
    return RunSummary(
        folder.path,
        statuses,
        {number: f"{name}: {failures[number].line}" for number, name in names.items() if number in failures},
        {number: failure.details for number, failure in failures.items()},
        code,
        KEPT if code == EXIT_INTERRUPTED else "",
    )


def write_index(folder: RunFolder) -> None:
    """Rebuild `index.html` from the reports that are there, marking those of an older run or failed since."""
    replace_file(folder.index, index_html(_overview(folder)))


def write_word(folder: RunFolder) -> None:
    """Rebuild `tables.docx` from the tables that are there, marked like the index; without any there is no file.

    Raises
    ------
    ReportError
        When the file is open in another program.
    """
    page = _overview(folder)
    if any(report["tables"] for report in page["reports"]):
        replace_bytes(folder.word, word_document(page))
    else:
        folder.word.unlink(missing_ok=True)


def _word_failure(folder: RunFolder) -> NotebookError | None:
    """Write the Word file; a run whose reports are all there does not end in a traceback because of it."""
    try:
        write_word(folder)
    except ReportError as error:
        return NotebookError(str(error).removeprefix(f"{_WORD}: "))
    except Exception as error:
        return NotebookError(f"not written ({type(error).__name__}); {SEE_DEBUG}", details=traceback.format_exc())
    return None


def _overview(folder: RunFolder) -> dict[str, Any]:
    inputs = (read_json(folder.run_json) or {})["inputs"]
    times = read_json(folder.times_json) or {}
    reports = [
        {**report, "seconds": times.get(report["report"], {}).get("seconds") if report["status"] in _RAN else None}
        for report in folder.reports()
    ]
    status = overall_status([report for report in reports if report["status"]])
    return {"inputs": inputs, "study": inputs["study"], "reports": reports, "status": status}
