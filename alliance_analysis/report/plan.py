"""A plan frozen before the results: what was primary, how large an effect matters, and whether a report keeps to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alliance_analysis.errors import DataError
from alliance_analysis.report.folder import read_json, write_json
from alliance_analysis.report.notebooks import find_notebooks
from alliance_analysis.report.parameters import choose_values
from alliance_analysis.report.provenance import fingerprint
from alliance_analysis.resources import notebooks_folder
from alliance_analysis.study.studyfile import Study, load_study

SCHEMA = "alliance-plan/1"
PLANNED, DEVIATED, EXPLORATORY = "as planned", "deviated", "exploratory"
_WORDS = {
    "primary": "the primary question",
    "sesoi": "the smallest effect of interest",
    "hypotheses": "the file of hypotheses",
    "measures": "what study.yml says of the measures",
    "analysis": "the notebook of the primary question",
    "parameters": "a parameter of the primary question",
}


@dataclass(frozen=True)
class PlanStatus:
    """Whether a report keeps to the frozen plan.

    Attributes
    ----------
    word : str
        "as planned", "deviated" or "exploratory".
    detail : str
        When it was frozen with its hash, what deviates, or why the report is exploratory.
    """

    word: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        """Return it as pages take it."""
        return {"word": self.word, "detail": self.detail}


def plan_file(study: Study) -> Path:
    """Return where a study's frozen plan lies: beside its study file."""
    return study.path.with_name(f"{study.path.stem}.plan.json")


def plan_study(study: str | Path, *, overwrite: bool = False) -> Path:
    """Freeze the plan of a study with the package's own notebook of its primary question; see `freeze_plan`.

    Parameters
    ----------
    study : str or Path
        A study.yml, its folder, or a registered name.
    overwrite : bool
    """
    loaded = load_study(study)
    number = loaded.plan.get("primary")
    if not number:
        return freeze_plan(loaded, "", {}, overwrite=overwrite)  # says what is missing
    notebook = find_notebooks(notebooks_folder(), [number])[0]
    parameters = choose_values({notebook.number: notebook.parameters}, {})[notebook.number]
    return freeze_plan(loaded, notebook.sha256, parameters, overwrite=overwrite)


def freeze_plan(study: Study, notebook_sha256: str, parameters: Mapping[str, Any], *, overwrite: bool = False) -> Path:
    """Freeze the plan of a study: primary question, smallest effect of interest, hypotheses, measures, analysis.

    Parameters
    ----------
    study : Study
        With `plan: {primary: …}` in its study file.
    notebook_sha256 : str
        Of the notebook that answers the primary question.
    parameters : mapping
        Its parameters.
    overwrite : bool
        Replace a plan that was frozen before; the earlier one is then gone.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    DataError
        When the study states no primary question, the file of hypotheses is missing, or a plan is there already.

    Notes
    -----
    The hash covers everything in the file, the date included. It shows that a plan was not changed since; that it was
    made before the data were seen only a registry can show: deposit the hash there.
    """
    if not study.plan.get("primary"):
        raise DataError(
            f"{study.path.name}: plan.primary is missing; the number of a question is needed. "
            "Add `plan: {primary: 02}` to it."
        )
    file = plan_file(study)
    if file.exists() and not overwrite:
        raise DataError(f"{file.name}: a plan is frozen already. Keep it, or replace it with --overwrite.")
    content = _content(study, notebook_sha256, parameters) | {
        "schema": SCHEMA,
        "frozen": datetime.now(UTC).strftime("%Y-%m-%d"),
        "data": dict(study.files),
    }
    write_json(file, content | {"hash": fingerprint(content)})
    return file


def _content(study: Study, notebook_sha256: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plan is made of, as it stands now."""
    return {
        "primary": study.plan.get("primary"),
        "sesoi": study.plan.get("sesoi") or {},
        "hypotheses": _hypotheses(study),
        "measures": fingerprint({name: repr(measure) for name, measure in sorted(study.measures.items())}),
        "analysis": notebook_sha256,
        "parameters": dict(parameters),
    }


def _hypotheses(study: Study) -> dict[str, str] | None:
    name = study.plan.get("hypotheses")
    if not name:
        return None
    file = study.path.parent / str(name)
    if not file.is_file():
        raise DataError(f"{study.path.name}: plan.hypotheses names {name}, which is not there. Correct the name.")
    return {"file": str(name), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def read_plan(file: Path) -> dict[str, Any]:
    """Return a frozen plan as it stands in its file.

    Raises
    ------
    DataError
        When there is none, or it cannot be read.
    """
    content = read_json(file) if file.is_file() else None
    if content is None:
        raise DataError(f"{file.name}: no frozen plan can be read there. Freeze one with `alliance plan`.")
    return content


def plan_status(study: Study, number: str, notebook_sha256: str, parameters: Mapping[str, Any]) -> PlanStatus:
    """Say whether a report keeps to the frozen plan of its study.

    Parameters
    ----------
    study : Study
    number : str
        Of the report's question.
    notebook_sha256, parameters
        Of the report.

    Returns
    -------
    PlanStatus
        Only the primary question can be "as planned"; a plan that was changed after it was frozen is "deviated".
    """
    frozen = read_json(plan_file(study)) if plan_file(study).is_file() else None
    if frozen is None:
        return PlanStatus(EXPLORATORY, "no plan was frozen for this study")
    about = f"plan frozen on {frozen.get('frozen')}, hash {str(frozen.get('hash'))[:12]}"
    told = {name: value for name, value in frozen.items() if name != "hash"}
    if fingerprint(told) != frozen.get("hash"):
        return PlanStatus(DEVIATED, f"{about}: the file of the plan was changed after it was frozen")
    if number != frozen.get("primary"):
        return PlanStatus(EXPLORATORY, f"{about}: its primary question is {frozen.get('primary')}")
    differ = _deviations(frozen, _content(study, notebook_sha256, parameters))
    if differ:
        return PlanStatus(DEVIATED, f"{about}: changed since: {', '.join(differ)}")
    return PlanStatus(PLANNED, about)


def _deviations(frozen: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    return [words for name, words in _WORDS.items() if frozen.get(name) != now[name]]
