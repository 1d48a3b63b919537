"""Finds the notebooks of a run, one per question, and reads what can be known before any kernel starts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.parameters import STUDY, Parameter, read_parameters

_NAME = re.compile(r"(\d\d)_[A-Za-z0-9_-]+\.ipynb")
_TITLE = re.compile(r"^#\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True)
class Notebook:
    """One question's notebook on disk.

    Attributes
    ----------
    number : str
        Two digits.
    path : Path
        Absolute.
    title : str
        Its first level-1 heading.
    parameters : mapping of name -> Parameter
    sha256 : str
        Of the file.
    """

    number: str
    path: Path
    title: str
    parameters: Mapping[str, Parameter]
    sha256: str

    @property
    def stem(self) -> str:
        return self.path.stem


def find_notebooks(folder: Path, only: Sequence[str] = ()) -> tuple[Notebook, ...]:
    """Return the notebooks `NN_slug.ipynb` of a folder by number; `only` keeps the numbers named.

    Raises
    ------
    ReportError
        When there is none, two share a number, a number in `only` is unknown, or one cannot be read.
    """
    paths: dict[str, Path] = {}
    for path in sorted(folder.glob("*.ipynb")):
        found = _NAME.fullmatch(path.name)
        if not found:
            continue
        if found[1] in paths:
            raise ReportError(
                f"{path.name}: number {found[1]} is also that of {paths[found[1]].name}; each question has one"
                " notebook. Rename one of them."
            )
        paths[found[1]] = path
    if not paths:
        raise ReportError(f"{folder}: 0 notebooks NN_name.ipynb; 1 or more are required. Choose another folder.")
    return tuple(_read(number, paths[number]) for number in _chosen(only, list(paths)))


def study_of_notebooks(folder: str | Path) -> str:
    """Return the study that a folder of notebooks is about, as their parameters name it.

    Parameters
    ----------
    folder : path
        The folder; a study file they name is looked for from there.

    Raises
    ------
    ReportError
        When they name several studies, or there is no notebook.
    """
    base = Path(folder)
    named = {str(notebook.parameters[STUDY].default) for notebook in find_notebooks(base)}
    if len(named) > 1:
        raise ReportError(f"{base}: its notebooks name {len(named)} studies ({', '.join(sorted(named))}). Add --study.")
    (study,) = named
    return str(base / study) if (base / study).exists() else study


def _chosen(only: Sequence[str], numbers: list[str]) -> list[str]:
    wanted = {str(entry).strip().zfill(2) for entry in only}
    for entry in only:
        if str(entry).strip().zfill(2) not in numbers:
            raise ReportError(f"--only: no notebook {entry!r}; there are {', '.join(numbers)}. Correct it.")
    return [number for number in numbers if number in wanted or not wanted]


def _read(number: str, path: Path) -> Notebook:
    content = path.read_bytes()
    try:
        notebook = json.loads(content)
        cells = [{**cell, "source": "".join(cell["source"])} for cell in notebook["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path.name}: not a notebook; Jupyter's format 4 is required. Save it again.") from error
    title = _title(cells) or path.stem
    parameters = read_parameters({"cells": cells}, path.name)
    return Notebook(number, path.resolve(), title, parameters, hashlib.sha256(content).hexdigest())


def _title(cells: list[dict[str, Any]]) -> str:
    found = [match[1] for cell in cells if cell["cell_type"] == "markdown" for match in _TITLE.finditer(cell["source"])]
    return found[0] if found else ""
