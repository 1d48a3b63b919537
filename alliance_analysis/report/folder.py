"""The run folder: every file replaced atomically, nothing half-written left, the index rebuilt from what is there."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.results import FAILED, to_json

_PARTIAL = (".partial.ipynb", ".part")


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

    def has_good_report(self, stem: str) -> bool:
        """Return whether an earlier run left a complete report that a failure must not replace."""
        content = read_json(self.results(stem))
        return self.page(stem).is_file() and content is not None and content.get("status") != FAILED

    def remove_partials(self) -> None:
        """Remove what an interrupted run left half-written."""
        for folder in (self.path, self.path / "executed", self.path / "logs"):
            for file in folder.iterdir() if folder.is_dir() else ():
                if file.name.endswith(_PARTIAL):
                    file.unlink(missing_ok=True)


def open_folder(path: Path) -> RunFolder:
    """Make a run folder, or take an existing one, and prove that it can be written to.

    Raises
    ------
    ReportError
        When it cannot be made or written to.
    """
    try:
        for needed in (path, path / "executed", path / "logs"):
            needed.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ReportError(
            f"{path}: reports cannot be written there ({error.strerror}); a folder with write permission is required."
            " Choose another with --out."
        ) from error
    folder = RunFolder(path.resolve())
    folder.remove_partials()
    return folder


def replace_file(path: Path, text: str) -> None:
    """Write a text file in one step: readers see the old file or the new one, never half of either."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


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
