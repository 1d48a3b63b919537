"""Finds sessions that are dated after the end of their client's therapy."""

from __future__ import annotations

import pandas as pd

from alliance_analysis.study.doubts.rows import name_rows
from alliance_analysis.study.problems import WARNS, Problem, count
from alliance_analysis.study.tidy import Part
from alliance_analysis.study.vocabulary import CLIENT, DATE, PHASE, PHASES, THERAPY_END


def find_sessions_after_end(part: Part, clients: Part | None) -> list[Problem]:
    """Return a doubt when sessions of treatment lie after the end of therapy; post and follow-up may.

    Parameters
    ----------
    part : Part
        A file of sessions; it may repeat the end of therapy in each row.
    clients : Part or None
        File of clients, which has it otherwise.
    """
    frame = part.frame
    if not {CLIENT, DATE} <= set(frame):
        return []
    if THERAPY_END in frame:
        ends = frame[THERAPY_END]
    elif clients is not None and {CLIENT, THERAPY_END} <= set(clients.frame):
        once = clients.frame[~clients.frame[CLIENT].duplicated(keep=False)]  # an id of several people has several ends
        ends = frame[CLIENT].astype(object).map(dict(zip(once[CLIENT], once[THERAPY_END], strict=True)))
    else:
        return []
    late = (pd.to_datetime(frame[DATE]) - pd.to_datetime(ends)).dt.days
    wrong = (late > 0).to_numpy()
    if PHASE in frame:
        wrong = wrong & ~frame[PHASE].isin(PHASES[1:]).to_numpy()
    if not wrong.any():
        return []
    number = frame.loc[wrong, CLIENT].nunique()
    text = f"{count(int(wrong.sum()), 'session')} of {count(number, 'client')} after the end of therapy, by up to "
    text += f"{count(int(late[wrong].max()), 'day')} ({name_rows(part.rows[wrong])}). Correct the dates; if these are "
    text += "occasions of post or follow-up, name their column under `columns: {phase: …}`."
    return [Problem(part.table.name, DATE, text, severity=WARNS)]
