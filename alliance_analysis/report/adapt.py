"""Copies a notebook for a thesis: set to one's study, each cell that one would change explained above it."""

from __future__ import annotations

import ast
import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.explanations import EXPLANATION, EXPLANATIONS, PARAMETERS
from alliance_analysis.report.notebooks import Notebook, find_notebooks
from alliance_analysis.report.parameters import STUDY, choose_values
from alliance_analysis.resources import notebooks_folder

LEAD = "> **Yours to change.** "


def adapt_notebook(
    notebook: str | Sequence[str],
    to: str | Path,
    *,
    study: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Copy notebooks of the package into a folder of one's own, ready to be changed and run.

    Parameters
    ----------
    notebook : str or sequence of str
        Numbers, such as "02", or names.
    to : path
        The folder; it is made when it is not there. Nothing in it is replaced.
    study : path, optional
        A study file, its folder, or a registered name; default: the example study.
    parameters : mapping, optional
        Name -> value, set in those of the notebooks that have it (text is read as the declared type).

    Returns
    -------
    list of Path
        The new notebooks. ``alliance reproduce --notebooks FOLDER`` runs them.

    Raises
    ------
    ReportError
        When there is no such notebook or parameter, or the folder holds one of this name or number already; nothing
        is written then.

    Examples
    --------
    >>> import tempfile
    >>> [path.name for path in adapt_notebook("07", tempfile.mkdtemp(), parameters={"conf_level": 0.9})]
    ['07_therapists_clients_sessions.ipynb']
    """
    wanted = [notebook] if isinstance(notebook, str) else notebook
    sources = list({source.number: source for source in map(find_one, wanted)}.values())
    folder = Path(to)
    targets = [_free(folder, source) for source in sources]
    values = choose_values({source.number: source.parameters for source in sources}, dict(parameters or {}))
    seen = _seen_from(folder, study)
    for source, target in zip(sources, targets, strict=True):
        content = json.loads(source.path.read_text(encoding="utf-8"))
        content["cells"] = list(_explained(content["cells"], _lines(source, values[source.number], seen)))
        _write(target, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return targets


def find_one(wanted: str) -> Notebook:
    """Return the package's notebook of a number or name.

    Raises
    ------
    ReportError
        When there is none; the message has them all.
    """
    found = find_notebooks(notebooks_folder())
    number = wanted.strip().zfill(2)
    for notebook in found:
        if number == notebook.number or wanted.removesuffix(".ipynb") == notebook.stem:
            return notebook
    near = difflib.get_close_matches(wanted, [notebook.stem for notebook in found], n=1, cutoff=0.4)
    hint = f"; nearest: {near[0]}" if near else ""
    numbers = ", ".join(notebook.number for notebook in found)
    raise ReportError(f"no notebook {wanted!r}{hint}; there are {numbers}. `alliance list` shows their titles.")


def _free(folder: Path, source: Notebook) -> Path:
    if folder.exists() and not folder.is_dir():
        raise ReportError(f"{folder}: is a file. Name a folder.")
    others = sorted(folder.glob(f"{source.number}_*.ipynb")) if folder.is_dir() else []
    if others:
        text = f"holds {others[0].name} already, and nothing is replaced. Name another folder, or move it away."
        raise ReportError(f"{folder}: {text}")
    return folder / source.path.name


def _seen_from(folder: Path, study: str | Path | None) -> str:
    """Return a study as a notebook in the folder names it: a path from there, or a registered name."""
    if study is None:
        return "example"
    path = Path(study)
    if not path.exists():
        return str(study)
    file = path / "study.yml" if path.is_dir() else path
    try:
        return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        return file.resolve().as_posix()


def _lines(source: Notebook, values: Mapping[str, Any], study: str) -> str:
    """Return the cell with the parameters."""
    chosen = {name: study if name == STUDY else values[name] for name in source.parameters}
    return "\n".join(f"{name}: {source.parameters[name].kind} = {_literal(value)}" for name, value in chosen.items())


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _explained(cells: list[dict[str, Any]], parameters: str) -> Iterator[dict[str, Any]]:
    told: set[str] = set()
    for place, cell in enumerate(cells):
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            yield _note(PARAMETERS, place)
            yield {**cell, "source": parameters.splitlines(keepends=True)}
            continue
        step = step_of("".join(cell["source"])) if cell["cell_type"] == "code" else None
        if step and step not in told:
            told.add(step)
            yield _note(EXPLANATIONS[step], place)
        yield cell


def step_of(source: str) -> str | None:
    """Return the function of a cell that is explained above it: the first in the order of the explanations.

    Examples
    --------
    >>> step_of('measures = aa.describe_measures(data, ["symptoms"])')
    'describe_measures'
    """
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    return next((step for step in EXPLANATIONS if step in called), None)


def _note(text: str, place: int) -> dict[str, Any]:
    name = re.sub(r"[^a-z]", "", text.casefold())[:20]
    return {
        "cell_type": "markdown",
        "id": f"explained-{place}-{name}"[:60],
        "metadata": {"tags": [EXPLANATION]},
        "source": [LEAD + text],
    }


def _write(target: Path, text: str) -> None:
    """Write the whole notebook or nothing."""
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        raise ReportError(f"{target}: cannot be written ({error.strerror}). Name a folder you may write to.") from error
    finally:
        part.unlink(missing_ok=True)
