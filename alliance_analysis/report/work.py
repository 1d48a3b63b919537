"""One question's share of a run, as a worker process does it: execute, collect, write the page."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.execute import SEE_DEBUG, NotebookError, execute_notebook
from alliance_analysis.report.folder import RunFolder, replace_file, write_json
from alliance_analysis.report.html import report_html, short_html
from alliance_analysis.report.results import (
    FAILED,
    SCHEMA,
    TABLES_SCHEMA,
    collect,
    collect_methods,
    collect_tables,
    overall_status,
    slug,
)


@dataclass(frozen=True)
class Task:
    """What a worker must know to make one report; crosses the border of a process.

    Attributes
    ----------
    number, stem, title, kind : str
        The question; `stem` is its file name without ending.
    source : Path
        The notebook.
    folder : RunFolder
    parameters : mapping
        Every parameter but the study.
    study, cwd : str
        The study as the kernel is given it, and the folder it is given it in ("" for an empty one).
    inputs : mapping
        What the whole run rests on (`provenance.inputs`).
    run : str
        Fingerprint of inputs, parameters and notebook.
    plan : mapping
        Whether the report keeps to a frozen plan: `word`, `detail`.
    """

    number: str
    stem: str
    title: str
    kind: str
    source: Path
    folder: RunFolder
    parameters: Mapping[str, Any]
    study: str
    cwd: str
    inputs: Mapping[str, Any]
    run: str
    plan: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a task ended: its status, for a failure the lines to show and to log, and what it cost in seconds."""

    number: str
    status: str
    failure: NotebookError | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def run_task(task: Task) -> Outcome:
    """Execute a notebook and write its report; a failure leaves every earlier file as it was."""
    clock, cpu = time.perf_counter(), _cpu_seconds()
    failure = None
    try:
        status = _make_report(task)
    except NotebookError as error:
        status, failure = FAILED, error
    except ReportError as error:
        status, failure = FAILED, NotebookError(str(error))
    except Exception as error:
        line = f"{type(error).__name__} outside the notebook, while its report was made; {SEE_DEBUG}"
        status, failure = FAILED, NotebookError(line, details=traceback.format_exc())
    return Outcome(task.number, status, failure, time.perf_counter() - clock, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    # children: the kernel, counted once it has ended; on Windows only this process is counted
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _make_report(task: Task) -> str:
    import nbformat

    folder = task.folder
    parameters = {"study": task.study, **task.parameters}
    notebook = execute_notebook(task.source, folder.partial(task.stem), parameters, task.cwd)
    results = make_results(task, notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    page = {key: results[key] for key in ("status", "headlines", "checks", "withheld", "estimates", "verdicts")}
    html = report_html(notebook, page | page_of(task) | {"methods": collect_methods(outputs)})
    # the page last: whoever sees it finds its numbers beside it
    write_tables(task, collect_tables(outputs))
    replace_file(folder.executed(task.stem), nbformat.writes(notebook) + "\n")
    write_json(folder.results(task.stem), results)
    replace_file(folder.page(task.stem), html)
    return str(results["status"])


def page_of(task: Task) -> dict[str, Any]:
    """Return what every page says of its question and run."""
    return {"number": task.number, "title": task.title, "kind": task.kind, "study": task.inputs["study"],
            "parameters": dict(task.parameters), "inputs": task.inputs, "plan": dict(task.plan)}  # fmt: skip


def make_results(task: Task, notebook: Any) -> dict[str, Any]:
    """Return the content of `results.json` for an executed notebook."""
    collected = collect(output for cell in notebook.cells for output in cell.get("outputs", []))
    headlines = collected.pop("headline")
    estimates = [{"report": task.number, **row} for row in map(complete_estimate, collected.pop("estimates"))]
    return empty_results(task, overall_status(headlines)) | collected | {
        "headlines": headlines, "estimates": estimates
    }  # fmt: skip


def complete_estimate(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with every column of `results.json`, null where the fit had none."""
    columns = ("model", "term", "level", "group", "estimate", "std_error", "statistic", "df", "p_value", "conf_low",
               "conf_high", "standardised", "n_sessions", "n_clients", "n_therapists", "primary")  # fmt: skip
    return {column: row.get(column) for column in columns}


def empty_results(task: Task, status: str, reason: str | None = None, needs: str | None = None) -> dict[str, Any]:
    """Return the content of `results.json` for a question of which nothing was estimated."""
    return {
        "schema": SCHEMA,
        "report": task.number,
        "title": task.title,
        "kind": task.kind,
        "study": task.inputs["study"],
        "status": status,
        "reason": reason,
        "needs": needs,
        "headlines": [],
        "estimates": [],
        "withheld": [],
        "verdicts": [],
        "checks": [],
        "versions": task.inputs["versions"],
        "commit": task.inputs["commit"],
        "plan": dict(task.plan),
        "run": task.run,
    }


def write_tables(task: Task, records: Sequence[Mapping[str, Any]]) -> None:
    """Write a report's tables, one csv each and one file of all for the Word file; those of an earlier run go.

    Parameters
    ----------
    task : Task
    records : sequence of mapping
        A formatted table each (`arranged.Table`), with its raw values as `csv`; none removes the earlier ones only.
    """
    folder, number = task.folder, task.number
    kept = []
    for record in records:
        path = folder.table_csv(number, record["number"], slug(record["caption"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, record["csv"])
        kept.append({key: value for key, value in record.items() if key != "csv"} | {"file": path.name})
    if kept:
        content = {"schema": TABLES_SCHEMA, "report": number, "run": task.run, "tables": kept}
        write_json(folder.tables_json(number), content)
    else:
        folder.tables_json(number).unlink(missing_ok=True)
    for path in folder.table_csvs(number):
        if path.name not in [record["file"] for record in kept]:
            path.unlink()


def write_short_report(task: Task, status: str, reason: str, needs: str | None = None) -> None:
    """Write the report of a question that was not answered: why, and what would be needed."""
    write_tables(task, ())
    write_json(task.folder.results(task.stem), empty_results(task, status, reason, needs))
    page = page_of(task) | {"status": status, "reason": reason, "needs": needs}
    replace_file(task.folder.page(task.stem), short_html(page))


def write_failure(task: Task, failure: NotebookError) -> None:
    """Log a failure; only where no earlier complete report stands does it get a page."""
    replace_file(task.folder.log(task.number), f"{task.stem}: {failure.logged}\n")
    if not task.folder.has_good_report(task.stem):
        write_short_report(task, FAILED, failure.logged)
