"""Looks at a study as a careful colleague would: what stops it, what could make a number wrong, what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alliance_analysis.study.definition import Definition
from alliance_analysis.study.doubts import Material, find_doubts, find_privacy_doubts
from alliance_analysis.study.fixes import add_fixes
from alliance_analysis.study.problems import NOTE, STOPS, WARNS, Problem, sort_problems
from alliance_analysis.study.studyfile import Study, find_study, make_study
from alliance_analysis.study.tidy import Part
from alliance_analysis.study.validate import Checked, read_checked


@dataclass(frozen=True, eq=False)
class Examined:
    """A study file and its data after a close look.

    Attributes
    ----------
    path : Path
        The study file.
    checked : Checked
        What reading found, with the single files.
    stops, warns, notes : tuple of Problem
        What keeps the study from loading; what loads but could make a number wrong; what was done with the data.
    study : Study or None
        The study, when nothing stops it.
    """

    path: Path
    checked: Checked = field(repr=False)
    stops: tuple[Problem, ...]
    warns: tuple[Problem, ...]
    notes: tuple[Problem, ...] = field(repr=False)
    study: Study | None = field(repr=False)

    @property
    def title(self) -> str:
        """Title of the study as its file states it."""
        return self.checked.definition.title

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stops, then what warns."""
        return self.stops + self.warns


def examine_study(study: Path | str) -> Examined:
    """Look at a study file and its data; nothing is changed or written.

    Parameters
    ----------
    study : str or path
        A study.yml, a folder that holds one, or a registered name.

    Returns
    -------
    Examined
        `stops`, `warns` and `notes`, each with the line of study.yml that mends it where there is one.

    Raises
    ------
    DataError
        When there is no such study or its file cannot be read at all.

    Examples
    --------
    >>> examined = examine_study("example")
    >>> examined.stops, examined.study.name
    ((), 'example')
    """
    path, name = find_study(study)
    checked = read_checked(path, look=_look)
    files = [path.name, *checked.files]
    parts = [*checked.parts, *([checked.client_part] if checked.client_part else [])]
    told = add_fixes(checked.problems, checked.definition, parts)
    stops, warns, noted = (
        sort_problems((one for one in told if one.severity == severity), files) for severity in (STOPS, WARNS, NOTE)
    )
    notes = (*noted, *(_as_problem(note, files) for note in checked.notes))
    return Examined(path, checked, stops, warns, notes, None if stops else make_study(path, name, checked))


def _look(parts: Sequence[Part], client_part: Part | None, definition: Definition, stopped: bool) -> list[Problem]:
    material = Material(tuple(parts), client_part, definition.measures)
    return find_privacy_doubts(material) + ([] if stopped else find_doubts(material))


def _as_problem(note: str, files: list[str]) -> Problem:
    """Return a sentence of reading as a note of its file, where it names one."""
    head, _, rest = note.partition(": ")
    file, _, place = head.partition(", ")
    if file not in files:
        return Problem(files[0], "", note, severity=NOTE)
    return Problem(file, place, rest, severity=NOTE)
