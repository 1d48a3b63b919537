"""The door of the room: files in, a drafted study file out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alliance_analysis.draft.assemble import Draft, assemble
from alliance_analysis.draft.guess import Ask, take_guess
from alliance_analysis.draft.look import look_at
from alliance_analysis.draft.write import doubts, study_text
from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import nearest


@dataclass(frozen=True)
class StudyDraft:
    """A study file that is not written yet.

    Attributes
    ----------
    draft : Draft
        What was guessed, with evidence.
    """

    draft: Draft

    @property
    def doubts(self) -> list[str]:
        """What wants the eyes of someone who knows the study, one sentence each."""
        return doubts(self.draft)

    @property
    def found(self) -> list[tuple[str, str, str]]:
        """What was recognised: role or measure, the file's columns, evidence."""
        columns = [(role, str(guess.value), guess.evidence) for role, guess in self.draft.columns.items()]
        measures = [
            (one.name, str(one.keys.get("instrument") or one.keys.get("label")), one.evidence)
            for one in self.draft.measures
            if one.active
        ]
        return columns + measures

    def text(self, title: str, day: str) -> str:
        """Return the study file, commented.

        Parameters
        ----------
        title : str
            Title of the study.
        day : str
            Date to stand in its first line.
        """
        return study_text(self.draft, title, day)


def draft_study(files: Sequence[str | Path], folder: str | Path = ".", ask: Ask = take_guess) -> StudyDraft:
    """Look at files and draft the study file that describes them.

    Parameters
    ----------
    files : sequence of str or Path
        Files of sessions, of clients, or both; at least one.
    folder : str or Path, optional
        Folder the study file will stand in; it names the files from there.
    ask : callable, optional
        Puts the questions the files leave open and returns an answer, or None for the guess; default: asks nobody.

    Returns
    -------
    StudyDraft
        `text` is the study file, `doubts` what wants a reader's eyes.

    Raises
    ------
    DataError
        When a file cannot be read; the message says why and what to do.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "sessions.csv")
    >>> _ = file.write_text("client,session,phq9\\na,1,12\\na,2,9\\nb,1,20\\nb,2,17\\n")
    >>> draft_study([file], file.parent).found[0][:2]
    ('client', 'client')
    """
    if not files:
        raise DataError("No file was named. Name at least one file of sessions.")
    for file in map(Path, files):
        _refuse_what_is_no_file(file)
    sources = [source for file in files for source in look_at(Path(file), _named_from(Path(file), Path(folder)))]
    return StudyDraft(assemble(sources, ask))


def _refuse_what_is_no_file(file: Path) -> None:
    if file.is_dir():
        raise DataError(f"{file}: is a folder. Name the files in it.")
    if not file.exists():
        there = [one.name for one in file.parent.iterdir()] if file.parent.is_dir() else []
        raise DataError(f"{file}: there is no such file{nearest(file.name, there)}. Correct the name.")


def _named_from(file: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        return file.resolve().as_posix()
