"""Recognises what survey tools write: extra rows of names, question texts, events and repeating forms."""

from __future__ import annotations

from dataclasses import replace

from alliance_analysis.study.cells import texts
from alliance_analysis.study.readers.table import Cells, join_header

_IMPORT_ID = '{"importid"'
_RESPONDENT = ("respondent id", "collector id")
_REDCAP = ("redcap_event_name", "redcap_repeat_instrument")
_GENERIC = frozenset({"response", "open-ended response"})


def unfold_survey(name: str, cells: Cells) -> Cells:
    """Return the cells with the extra rows of names of a survey tool taken out and kept as labels."""
    header = [text.casefold() for text in cells.header]
    if any(column in header for column in _REDCAP):
        return replace(cells, kind="redcap")
    if len(cells.frame) >= 2 and any(
        cell.replace(" ", "").casefold().startswith(_IMPORT_ID) for cell in _row(cells, 1)
    ):
        questions = {at: " ".join(text.split()) for at, text in enumerate(_row(cells, 0)) if text}
        note = f"{name}: export of Qualtrics; its rows of questions and import ids are not data."
        return replace(_without(cells, 2, note), labels=questions, kind="qualtrics")
    if all(column in header for column in _RESPONDENT) and len(cells.frame):
        below = ["" if text.casefold() in _GENERIC else text for text in _row(cells, 0)]
        columns = join_header([cells.header, below])
        columns = [own or joined for own, joined in zip(_alone(cells.header, below), columns, strict=True)]
        note = f"{name}: export of SurveyMonkey; its second row of names is joined to the first."
        return replace(_without(cells, 1, note), header=columns, kind="surveymonkey")
    return cells


def _alone(header: list[str], below: list[str]) -> list[str]:
    """Return the names of columns without a second one."""
    return [own if own and not second else "" for own, second in zip(header, below, strict=True)]


def _row(cells: Cells, place: int) -> list[str]:
    return texts(cells.frame.iloc[place].astype(object)).tolist()


def _without(cells: Cells, rows: int, note: str) -> Cells:
    frame = cells.frame.iloc[rows:].reset_index(drop=True)
    numbers = None if cells.numbers is None else cells.numbers[rows:]
    before = cells.before + rows if cells.numbers is None else int(cells.numbers[rows - 1])
    return replace(cells, frame=frame, before=before, notes=[*cells.notes, note], numbers=numbers)
