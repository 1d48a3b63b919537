"""Decides which measures have a value per session and which one per client, by their names and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alliance_analysis.study.definition import Definition
from alliance_analysis.study.measure import Measure
from alliance_analysis.study.readers import Table
from alliance_analysis.study.vocabulary import BASELINE, FOLLOW_UP, POST

ONCE = (BASELINE, POST, FOLLOW_UP)


@dataclass(frozen=True)
class Levels:
    """The measures of a study by the files they are read from.

    Attributes
    ----------
    sessions : dict
        Read from the files of sessions.
    clients : dict
        Read from the file of clients.
    """

    sessions: dict[str, Measure]
    clients: dict[str, Measure]


def is_client_level(name: str) -> bool:
    """Say whether a measure has one value per client by its name, wherever it stands.

    Examples
    --------
    >>> is_client_level("symptoms_post"), is_client_level("symptoms")
    (True, False)
    """
    return name.endswith(ONCE)


def split_levels(definition: Definition, tables: Sequence[Table], clients: Table | None) -> Levels:
    """Say from which files each measure is read.

    A measure at intake, post or follow-up is read from the file of clients when that has its columns; every other
    measure from the sessions when one of their files has any of its columns.
    """
    if clients is None:
        return Levels(definition.measures, {})
    in_sessions = {str(column) for table in tables for column in table.frame}
    in_clients = set(map(str, clients.frame))
    ours: dict[str, Measure] = {}
    theirs: dict[str, Measure] = {}
    for name, measure in definition.measures.items():
        wanted = set(measure.items or (measure.column,))
        once = is_client_level(name) and wanted <= in_clients
        (theirs if once or not wanted & in_sessions else ours)[name] = measure
    return Levels(ours, theirs)
