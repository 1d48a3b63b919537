"""Names what a run rests on: data, versions, commit and parameters, without the machine or the person."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from alliance_analysis.errors import ReportError
from alliance_analysis.report.folder import RUN_SCHEMA, read_json
from alliance_analysis.study.studyfile import Study
from alliance_analysis.study.vocabulary import CLIENT, DATE, THERAPIST

_PACKAGES = (
    "alliance-analysis",
    "formulae",
    "ipykernel",
    "matplotlib",
    "nbconvert",
    "numpy",
    "pandas",
    "papermill",
    "pingouin",
    "scipy",
    "seaborn",
    "statsmodels",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of every library a number depends on; absent ones are left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit(checkout: Path | None = None) -> str | None:
    """Return the commit of the package's checkout, with "+changes" when files differ from it; None outside one.

    Hooks and file-system monitors of the repository are not run, and nothing is written.
    """
    folder = checkout or Path(__file__).parents[2]
    if not (folder / ".git").exists():  # a package installed inside somebody else's repository
        return None
    head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not head:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{head}+changes" if changed else head


def _git(folder: Path, *words: str) -> str | None:
    safe = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    try:
        done = subprocess.run(
            [*safe, "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def fingerprint(content: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON: equal content, equal fingerprint.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def study_card(study: Study) -> dict[str, Any]:
    """Return what pages and `results.json` say about a study: names and counts, nothing of a client."""
    sessions = study.sessions
    therapists = sessions[THERAPIST].nunique() if THERAPIST in sessions else None
    return {
        "name": study.name,
        "title": study.title or study.name,
        "source": study.source or None,
        "simulated": bool(study.simulated),
        "n_sessions": len(sessions),
        "n_clients": int(sessions[CLIENT].nunique()),
        "n_therapists": None if therapists is None else int(therapists),
    }


def describe_study(study: Study) -> dict[str, Any]:
    """Return what the index says of a study beyond counts: period by month, each measure with its missing share.

    Examples
    --------
    >>> from alliance_analysis.study.studyfile import load_study
    >>> [row["measure"] for row in describe_study(load_study("example"))["measures"]][:1]
    ['alliance_client']
    """
    sessions = study.sessions
    dates = sessions[DATE].dropna() if DATE in sessions else sessions.iloc[:0, 0]
    period = [f"{day:%Y-%m}" for day in (dates.min(), dates.max())] if len(dates) else None
    measures = [
        {"measure": name, "scale": study.measures[name].unit, "missing": round(float(sessions[name].isna().mean()), 4)}
        for name in study.core_measures
    ]
    return {"period": period, "measures": measures}


def inputs(study: Study) -> dict[str, Any]:
    """Return what all reports of a run have in common: study, hashes of its files, versions, commit."""
    common = {"study": study_card(study), "described": describe_study(study), "files": dict(study.files)}
    return common | {"versions": versions(), "commit": commit()}


def read_record(path: Path) -> dict[str, Any]:
    """Return what a run rested on: the content of the `run.json` in a run folder, its shape checked.

    Raises
    ------
    ReportError
        When it is no run folder, or its `run.json` is damaged or of another schema.
    """
    if not path.is_dir():
        raise ReportError(f"{path}: there is no such folder. Name a run folder, such as reports/example.")
    file = path / "run.json"
    if not file.is_file():
        raise ReportError(
            f"{path}: no run.json in it, so it is no run folder. Name one that `alliance reproduce` has written."
        )
    record = read_schema(file, RUN_SCHEMA)
    try:
        entries = [*record["reports"].values()]
        whole = bool(entries) and all(
            isinstance(entry["notebook"], str) and isinstance(entry["parameters"], dict) for entry in entries
        )
        whole &= all(isinstance(record["inputs"][name], dict) for name in ("study", "files", "versions"))
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise damaged(file)
    return record


def read_schema(file: Path, schema: str) -> dict[str, Any]:
    """Return a file of a run, refusing by name one of another schema."""
    content = read_json(file)
    if content is None:
        raise damaged(file)
    if content.get("schema") != schema:
        raise ReportError(
            f"{file}: its schema is {content.get('schema')!r}; this version reads {schema!r}."
            " Run the study again with this version, or use the version that wrote it."
        )
    return content


def damaged(file: Path) -> ReportError:
    """Return the error of a file that is not as a run writes it."""
    return ReportError(f"{file}: damaged, not as `alliance reproduce` writes it. Run the study again.")
