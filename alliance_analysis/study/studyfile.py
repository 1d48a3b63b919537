"""Loads a study: from a study.yml, a folder or a registered name to trusted frames, or one error with every problem."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.resources import data_folder
from alliance_analysis.study.definition import read_definition
from alliance_analysis.study.feasibility import answer_questions
from alliance_analysis.study.instruments import Instrument
from alliance_analysis.study.measure import Measure, ScaleMatch, compare_scales
from alliance_analysis.study.problems import nearest, problems_error, stopping
from alliance_analysis.study.validate import Checked, read_checked
from alliance_analysis.study.vocabulary import CLIENT, SUBSCALES, SYMPTOMS

STUDY_FILE = "study.yml"
_SUBSCALE_ENDINGS = tuple(f"_{part}" for part in SUBSCALES)


@dataclass(frozen=True, eq=False)
class Study:
    """A researcher's data, checked and tidy.

    Attributes
    ----------
    name : str
        Safe name for a folder: the registered name, else made from the study file or its folder.
    title, source, ethics : str
        As the study file states.
    simulated : bool
        Whether the data are simulated; everything made from them is then marked so.
    path : Path
        The study file.
    sessions : DataFrame
        One row per session: ``client therapist session time``, optional ``date modality phase``, then the measures.
        Ids are text; session and time (= session - 1) whole numbers; sorted by the keys.
    clients : DataFrame
        One row per client, sorted; only ``client`` when there is no file of clients.
    measures : dict
        Name -> Measure, for every measure of the two frames.
    plan : dict
        ``primary``, ``sesoi``, ``hypotheses`` as far as stated.
    min_cell : int
        Smallest group a table shows.
    max_gap_days : int or None
        Longest gap in days between two sessions that still counts as the next one.
    notes : tuple of str
        What loading did or knows, one sentence each, without ids or single values.
    files : dict
        File as the study file names it -> SHA-256 of its bytes.
    rows_read : int
        Rows of all session files together.
    """

    name: str
    title: str
    source: str
    ethics: str
    simulated: bool
    path: Path
    sessions: pd.DataFrame = field(repr=False)
    clients: pd.DataFrame = field(repr=False)
    measures: dict[str, Measure] = field(repr=False)
    plan: dict[str, Any] = field(repr=False)
    min_cell: int
    max_gap_days: int | None
    notes: tuple[str, ...] = field(repr=False)
    files: dict[str, str] = field(repr=False)
    rows_read: int

    def has(self, column: str) -> bool:
        """Say whether the sessions have this column with at least one value."""
        return column in self.sessions and bool(self.sessions[column].notna().any())

    @property
    def session_measures(self) -> tuple[str, ...]:
        """Names of the measures in the sessions, in the order of the study file."""
        return tuple(name for name in self.measures if name in self.sessions)

    @property
    def core_measures(self) -> tuple[str, ...]:
        """The session measures that vary within clients, without subscales: those a session-level question is about."""
        return tuple(
            name
            for name in self.session_measures
            if not name.endswith(_SUBSCALE_ENDINGS) and (self.sessions.groupby(CLIENT)[name].nunique() > 1).any()
        )

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest possible score of each measure that has both."""
        return {
            name: (measure.low, measure.high)
            for name, measure in self.measures.items()
            if measure.low is not None and measure.high is not None
        }

    def higher_is_worse(self, name: str) -> bool:
        """Say whether a high value of a measure is bad, as the study file or the instrument states it.

        Raises
        ------
        DataError
            When the study has no such measure; the message has the nearest names.
        """
        return self._measure(name).higher_is_worse

    def _measure(self, name: str) -> Measure:
        if name not in self.measures:
            hint = nearest(name, self.measures) or f"; it has {', '.join(self.measures) or 'none'}"
            raise DataError(f"{name}: the study has no such measure{hint}. Add it under `measures:` in study.yml.")
        return self.measures[name]

    def compare_scales(self, first: str, second: str) -> ScaleMatch:
        """Say whether a difference between the means of two measures may be claimed, for example of two raters.

        Parameters
        ----------
        first, second : str
            Names of two measures.

        Returns
        -------
        ScaleMatch
            ``same_range same_items reason caution``; `reason` is "" where a difference may be claimed, and `caution`
            then says what is taken for granted.

        Raises
        ------
        DataError
            When the study has no such measure; the message has the nearest names.

        Examples
        --------
        >>> load_study("example").compare_scales("alliance_client", "alliance_therapist").caution
        'It is taken for granted that Alliance client and Alliance therapist are ratings of the same items.'
        """
        return compare_scales(self._measure(first), self._measure(second))

    def timing(self, alliance: str) -> dict[str, Any]:
        """Say when the alliance and the symptoms are rated, as `choose_timing` asks for it.

        Returns
        -------
        dict
            ``alliance_collected``, ``symptoms_collected`` ("before" or "after" the session), ``recall_days``.

        Raises
        ------
        DataError
            When the study lacks one of the two measures.
        """
        symptoms = self._measure(SYMPTOMS)
        return {
            "alliance_collected": self._measure(alliance).collected,
            "symptoms_collected": symptoms.collected,
            "recall_days": symptoms.recall_days,
        }

    def describe_notes(self) -> pd.DataFrame:
        """Tabulate what loading did or knows: one column, ``note``; a single row says so where there is nothing."""
        return pd.DataFrame({"note": self.notes or ("nothing was changed, dropped or left out",)})

    def describe_measures(self) -> pd.DataFrame:
        """Tabulate the measures: ``measure scale higher_is collected recall_days``."""
        rows = [
            (name, m.unit, "worse" if m.higher_is_worse else "better", m.collected or "", m.recall_days)
            for name, m in self.measures.items()
        ]
        return pd.DataFrame(rows, columns=["measure", "scale", "higher_is", "collected", "recall_days"])

    def feasibility(self) -> pd.DataFrame:
        """Say for every question whether this study can answer it.

        Returns
        -------
        DataFrame
            ``question slug title kind answerable reason needs``: `reason` is a sentence with counts, `needs` says
            which data would be needed ("" when answerable).
        """
        return answer_questions(self.sessions, self.measures, self.max_gap_days)


def load_study(study: str | Path) -> Study:
    """Load a study and check everything in it.

    Parameters
    ----------
    study : str or path
        A study.yml, a folder that holds one, or a registered name ("example", "implement"). An existing path wins.

    Returns
    -------
    Study

    Raises
    ------
    DataError
        When there is no such study, its file cannot be read, or anything in it is wrong: one message lists all.

    Examples
    --------
    >>> load_study("example").simulated
    True
    """
    path, name = find_study(study)
    checked = read_checked(path)
    if stops := stopping(checked.problems):
        raise problems_error(stops)
    return make_study(path, name, checked)


def read_own_instruments(study: str | Path) -> dict[str, Instrument]:
    """Return the questionnaires a study describes itself; its data are not read.

    Raises
    ------
    DataError
        When there is no such study, or its file is wrong under ``instruments:``.
    """
    definition, problems, _ = read_definition(find_study(study)[0])
    wrong = [problem for problem in problems if problem.text.startswith("instruments")]
    if wrong:
        raise problems_error(wrong)
    return definition.instruments


def make_study(path: Path, name: str, checked: Checked) -> Study:
    """Return the study of a file in which nothing stops."""
    definition = checked.definition
    return Study(
        name=name,
        title=definition.title,
        source=definition.source,
        ethics=definition.ethics,
        simulated=definition.simulated,
        path=path,
        sessions=checked.sessions,
        clients=checked.clients,
        measures=checked.measures,
        plan=definition.plan,
        min_cell=definition.min_cell,
        max_gap_days=definition.max_gap_days,
        notes=checked.notes,
        files=checked.files,
        rows_read=checked.rows_read,
    )


def registered_studies() -> tuple[str, ...]:
    """Return the names of the studies that come with the package."""
    return tuple(sorted(file.parent.name for file in data_folder().glob(f"*/{STUDY_FILE}")))


def find_study(study: str | Path) -> tuple[Path, str]:
    """Return the study file and the study's name; an existing path wins over a registered name.

    Raises
    ------
    DataError
        When there is neither; the message has the nearest registered names.
    """
    path = Path(study)
    if path.is_dir() and (path / STUDY_FILE).is_file():
        path = path / STUDY_FILE
    if path.is_file():
        return path, _name_of(path)
    if str(study) in registered_studies():
        return data_folder() / str(study) / STUDY_FILE, str(study)
    if path.is_dir():
        raise DataError(f"{path}: the folder has no {STUDY_FILE}. Add one, or name the study file itself.")
    known = registered_studies()
    hint = nearest(str(study), known) or f"; registered are {', '.join(known)}"
    raise DataError(f"{study}: there is no such study file, folder or registered study{hint}. Check the path.")


def _name_of(path: Path) -> str:
    resolved = path.resolve()
    if resolved.parent.parent == data_folder().resolve() and resolved.name == STUDY_FILE:
        return resolved.parent.name
    return _slug(path.stem if path.stem != "study" else resolved.parent.name)


def _slug(text: str) -> str:
    """Return lower-case ASCII letters, digits, - and _ only, so that a folder of this name is safe on every system.

    Where a letter or digit was lost or changed, six digits of a fingerprint keep two studies apart.
    """
    written = unicodedata.normalize("NFC", text)  # macOS and the others spell ö differently in file names
    plain = unicodedata.normalize("NFKD", written.replace("ß", "ss")).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain.lower()).strip("-")[:60].strip("-")
    if slug and [*filter(str.isalnum, written.lower())] == [*filter(str.isalnum, slug)]:
        return slug
    return f"{slug or 'study'}-{hashlib.sha256(written.encode()).hexdigest()[:6]}"
