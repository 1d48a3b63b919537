"""The run folder: every file replaced atomically, nothing half-written left, the index rebuilt from what is there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.results import FAILED, to_json
from alliance_analysis.study.studyfile import Study

RUN_SCHEMA = "alliance-run/1"
_OWN_FOLDERS = ("executed", "logs")
# a folder with nothing else counts as empty: file managers leave these, a killed run the last
_NO_CONTENT = (".DS_Store", "Thumbs.db", "desktop.ini", "run.json.part")


@dataclass(frozen=True)
class RunFolder:
    """Where the files of a run are.

    Attributes
    ----------
    path : Path
        The folder, absolute.
    """

    path: Path

    @property
    def index(self) -> Path:
        return self.path / "index.html"

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def times_json(self) -> Path:
        return self.path / "run_times.json"

    @property
    def word(self) -> Path:
        return self.path / "tables.docx"

    def page(self, stem: str) -> Path:
        return self.path / f"{stem}.html"

    def results(self, stem: str) -> Path:
        return self.path / f"{stem}.results.json"

    def executed(self, stem: str) -> Path:
        return self.path / "executed" / f"{stem}.ipynb"

    def partial(self, stem: str) -> Path:
        return self.path / "executed" / f"{stem}.partial.ipynb"

    def log(self, number: str) -> Path:
        return self.path / "logs" / f"{number}.log"

    def tables_json(self, number: str) -> Path:
        """Return where the formatted tables of a report are kept, of which the Word file is made."""
        return self.path / "tables" / f"{number}_tables.json"

    def table_csv(self, number: str, position: int, slug: str) -> Path:
        return self.path / "tables" / number / f"{number}_{position:02d}_{slug}.csv"

    def table_csvs(self, number: str) -> list[Path]:
        return sorted((self.path / "tables" / number).glob(f"{number}_[0-9][0-9]_*.csv"))

    def reports(self) -> list[dict[str, Any]]:
        """Return every report that is there, in the order of numbers, with its tables.

        Returns
        -------
        list of dict
            The content of `results.json` with `file`, the page; `older`, whether it is of another run than the last;
            `failure`, the log of a run that failed since; `tables`, the records of its tables.
        """
        entries = (read_json(self.run_json) or {}).get("reports", {})
        reports = []
        for file in sorted(self.path.glob("[0-9][0-9]_*.results.json")):
            content, page = read_json(file), self.page(file.name.removesuffix(".results.json"))
            if content is None or not page.is_file():
                continue
            number, run = content["report"], content["run"]
            log, tables = self.log(number), read_json(self.tables_json(number)) or {}
            reports.append({
                **content,
                "file": page.name,
                "older": run != entries.get(number, {}).get("run"),
                "failure": log.read_text(encoding="utf-8").strip() if log.is_file() else "",
                "tables": tables.get("tables", []) if tables.get("run") == run else [],
            })  # fmt: skip
        return reports

    def has_good_report(self, stem: str) -> bool:
        """Return whether an earlier run left a complete report that a failure must not replace."""
        content = read_json(self.results(stem))
        return self.page(stem).is_file() and content is not None and content.get("status") != FAILED

    def remove_partials(self, notebooks: Mapping[str, str]) -> None:
        """Remove what an interrupted run left half-written of these notebooks (number -> stem), and nothing else."""
        whole = [self.index, self.run_json, self.times_json, self.word]
        for number, stem in notebooks.items():
            self.partial(stem).unlink(missing_ok=True)
            whole += [self.page(stem), self.results(stem), self.executed(stem), self.log(number)]
            whole.append(self.tables_json(number))
            for part in (self.path / "tables" / number).glob(f"{number}_[0-9][0-9]_*.csv.part"):
                part.unlink()
        for file in whole:
            _part(file).unlink(missing_ok=True)


def open_folder(path: Path, study: Study) -> RunFolder:
    """Make a run folder, or take one that holds reports of this study, and prove that it can be written to.

    Raises
    ------
    ReportError
        When it is a file, a disk's root, the study's own folder, a folder with other content or with the reports of
        another study, or cannot be made or written to; nothing has been written then.
    """
    try:
        refuse_foreign_folder(path, study)
        for needed in (path, *(path / name for name in _OWN_FOLDERS)):
            needed.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ReportError(
            f"{path}: reports cannot be written there ({error.strerror}); a folder with write permission is required."
            " Choose another with --out."
        ) from error
    return RunFolder(path.resolve())


def refuse_foreign_folder(path: Path, study: Study) -> None:
    """Refuse a run folder in which something that is not ours could be overwritten; look only, write nothing.

    Raises
    ------
    ReportError
    """
    wanted = "a new or empty folder, or one with earlier reports of this study, is required"
    if path.resolve() == Path(path.resolve().anchor):
        raise ReportError(f"--out: {path} is the root of a disk; {wanted}. Choose another --out.")
    if path.resolve() == study.path.resolve().parent:
        raise ReportError(f"--out: {path} is the folder of the study's own data; {wanted}. Choose another --out.")
    if path.exists() and not path.is_dir():
        raise ReportError(f"--out: {path} is a file; {wanted}. Choose another --out.")
    run = read_json(path / "run.json") or {}
    if run.get("schema") != RUN_SCHEMA:
        if path.is_dir() and not _is_empty(path):
            raise ReportError(f"--out: {path} holds files that are not reports; {wanted}. Choose another --out.")
    elif not _is_of(study, run):
        title = run["inputs"]["study"]["title"]
        raise ReportError(
            f"--out: {path} holds the reports of another study ({title}); {wanted}. Choose another --out."
        )


def _is_of(study: Study, run: Mapping[str, Any]) -> bool:
    # two study files in one folder may share name and data; a renamed or corrected data file leaves a study what it is
    card = run["inputs"]["study"]
    known = (card["name"], card["title"], run.get("study_file", study.path.name))
    return known == (study.name, study.title or study.name, study.path.name)


def _is_empty(path: Path) -> bool:
    return all(
        entry.name in _NO_CONTENT or (entry.name in _OWN_FOLDERS and entry.is_dir() and not any(entry.iterdir()))
        for entry in path.iterdir()
    )


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def replace_file(path: Path, text: str) -> None:
    """Write a text file in one step: readers see the old file or the new one, never half of either."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step.

    Raises
    ------
    ReportError
        When another program holds the file open (Windows).
    """
    part = _part(path)
    part.write_bytes(content)
    try:
        part.replace(path)
    except PermissionError as error:
        part.unlink(missing_ok=True)
        raise ReportError(
            f"{path.name}: it could not be replaced; a file that is not open elsewhere is required. Close it in the"
            " program that shows it, and run again."
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write canonical JSON in one step."""
    replace_file(path, to_json(value))


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, None when there is none or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
