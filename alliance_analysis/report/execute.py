"""Runs one notebook in its own kernel through papermill, and calls it complete only when every cell is."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alliance_analysis import errors
from alliance_analysis.report.explanations import EXPLANATION
from alliance_analysis.report.html import split_headings

_OWN_ERRORS = {name for name in vars(errors) if name.endswith("Error")}
# a DataError may quote ids and scores: it goes to the terminal, never into a file of the run
_LOGGED_ERRORS = {"ModelError", "ReportError", "AllianceError"}
# optional imports of papermill's that are never used here: 2.9 s with JupyterLab installed, 0.4 s always
_UNUSED_IMPORTS = ("rfc3987_syntax", "pyarrow.fs")
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_INJECTED = "injected-parameters"  # papermill's own cell, which the user's notebook does not have
_TAGS = {"parameters", _INJECTED, EXPLANATION}
SEE_DEBUG = "run again with --debug for Python's own message"
_ON_TERMINAL = "its message may name clients and is shown on the terminal only"


class NotebookError(Exception):
    """A notebook did not complete.

    Attributes
    ----------
    line : str
        For the terminal.
    logged : str
        For the log and the page: without values of clients.
    details : str
        The traceback, for `--debug` on the terminal.
    """

    def __init__(self, line: str, logged: str | None = None, details: str = "") -> None:
        super().__init__(line)
        self.line, self.logged, self.details = line, logged or line, details

    def __reduce__(self) -> tuple[Any, ...]:  # crosses the border of a process
        return type(self), (self.line, self.logged, self.details)


def prepare_worker(profiles: str) -> None:
    """Set up a worker process: one thread per library, this package in its kernels.

    Parameters
    ----------
    profiles : str
        Folder in which each worker keeps an IPython profile of its own, without start-up files of the user's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    # what a kernel or a library writes to the terminal may quote data; failures travel as NotebookError
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.close(silence)
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MPLBACKEND": "agg",  # a figure reaches a page through report.figure only
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",  # not a kernel of the same name in the user's home
        "IPYTHONDIR": f"{profiles}/{os.getpid()}",
    }
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))


def execute_notebook(source: Path, partial: Path, parameters: Mapping[str, Any], cwd: str) -> Any:
    """Run a notebook and return it, cleaned of everything that differs between identical runs.

    Parameters
    ----------
    source : Path
    partial : Path
        Where papermill writes while it runs; removed afterwards, whatever happens.
    parameters : mapping
    cwd : str
        Working folder of the kernel; empty for a new, empty one.

    Returns
    -------
    nbformat notebook

    Raises
    ------
    NotebookError
        When a cell fails or is not reached, or the kernel ends.
    """
    try:
        with tempfile.TemporaryDirectory() as empty:
            notebook = _run(source, partial, parameters, cwd or empty)
    finally:
        partial.unlink(missing_ok=True)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nbclient restores the default handler
    check_complete(notebook)
    return clean_notebook(notebook)


def _run(source: Path, partial: Path, parameters: Mapping[str, Any], cwd: str) -> Any:
    for name in _UNUSED_IMPORTS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError
    from papermill import execute_notebook as run
    from traitlets.config import Config

    try:
        return run(
            source,
            partial,
            parameters=dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=cwd,
            config=Config(KernelManager={"transport_encryption": "auto"}),  # else ipykernel warns at each start
        )
    except PapermillExecutionError as error:
        raise _failed_cell(error, _place_of_failure(partial)) from None
    except DeadKernelError:
        raise NotebookError("its kernel ended before the notebook did (killed, or out of memory)") from None


def _place_of_failure(partial: Path) -> str:
    import nbformat

    cells = nbformat.read(partial, as_version=4).cells
    return place(cells, next((index for index, cell in enumerate(cells) if _has_error(cell)), len(cells) - 1))


def place(cells: Sequence[Any], index: int) -> str:
    """Say in words where a cell stands: its section, and its number among the code cells of the user's own notebook.

    Examples
    --------
    >>> import nbformat.v4 as v4
    >>> place([v4.new_markdown_cell("## Model"), v4.new_code_cell("1/0")], 1)
    "in section 'Model', code cell 1"
    """
    before = [cell for cell in cells[: index + 1] if _INJECTED not in cell.metadata.get("tags", [])]
    headings = [
        title
        for cell in before
        if cell.cell_type == "markdown"
        for level, title, _ in split_headings(cell.source)
        if level == 2
    ]
    section = f"in section {headings[-1]!r}" if headings else "before the first section"
    return f"{section}, code cell {sum(cell.cell_type == 'code' for cell in before)}"


def _has_error(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def _failed_cell(error: Any, where: str) -> NotebookError:
    first = str(error.evalue).splitlines()[0] if error.evalue else ""
    details = "\n".join(error.traceback)
    if error.ename not in _OWN_ERRORS:
        return NotebookError(f"{where}: {error.ename}; {SEE_DEBUG}", details=details)
    named = f"{where}: {error.ename}"
    logged = f"{named}: {first}" if error.ename in _LOGGED_ERRORS else f"{named}; {_ON_TERMINAL}"
    return NotebookError(f"{named}: {error.evalue}", logged, details)


def check_complete(notebook: Any) -> None:
    """Refuse a notebook in which a code cell was not run, or one ended the kernel without failing (`sys.exit(0)`).

    Raises
    ------
    NotebookError
    """
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            raise NotebookError(f"{place(notebook.cells, index)}: never run, an earlier cell ended the notebook")
        if _has_error(cell):
            raise NotebookError(f"{place(notebook.cells, index)}: ended the notebook early")


def clean_notebook(notebook: Any) -> Any:
    """Return an executed notebook without times, ids, paths and library chatter: equal runs, equal bytes."""
    import nbformat

    cells = []
    for index, cell in enumerate(notebook.cells, start=1):
        tags = [tag for tag in cell.metadata.get("tags", []) if tag in _TAGS]
        kept = {
            "cell_type": cell.cell_type,
            "id": f"cell-{index:02d}",
            "source": cell.source,
            "metadata": {"tags": tags} if tags else {},
        }
        if cell.cell_type == "code":
            kept |= {"execution_count": cell.execution_count, "outputs": _clean_outputs(cell.outputs)}
        cells.append(kept)
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def _clean_outputs(outputs: list[Any]) -> list[dict[str, Any]]:
    # streams carry warnings of libraries with paths of this machine; nothing that a report shows comes that way
    kept = []
    for output in outputs:
        if output.output_type not in ("display_data", "execute_result"):
            continue
        data = {
            mime: _ADDRESS.sub("", value) if isinstance(value, str) else value for mime, value in output.data.items()
        }
        count = {"execution_count": output.execution_count} if output.output_type == "execute_result" else {}
        kept.append({"output_type": output.output_type, "metadata": {}, "data": data} | count)
    return kept
