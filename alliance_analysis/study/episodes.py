"""Tells the episodes of a client apart: each counts as a person-episode of its own, or only the first is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from alliance_analysis.study.cells import texts
from alliance_analysis.study.columns import with_columns
from alliance_analysis.study.definition import Definition
from alliance_analysis.study.problems import Problem, count
from alliance_analysis.study.readers import Table
from alliance_analysis.study.vocabulary import CLIENT, EPISODE

SEPARATE, FIRST = "separate", "first"


def settle_episodes(
    tables: Sequence[Table], clients: Table | None, definition: Definition
) -> tuple[list[Table], Table | None, list[Problem]]:
    """Apply ``episodes:`` to all files; ask for it where a client has several and it is not given.

    Parameters
    ----------
    tables : sequence of Table
        Files of sessions.
    clients : Table or None
        File with one row per client; a client with several episodes may have one row for all or one for each.
    definition : Definition
        The study file.
    """
    client, episode = (definition.columns.get(role, role) for role in (CLIENT, EPISODE))
    if EPISODE not in definition.columns or not any({client, episode} <= set(table.frame) for table in tables):
        return list(tables), clients, []
    lacking = [table.name for table in tables if not {client, episode} <= set(table.frame)]
    if lacking:
        return (
            list(tables),
            clients,
            [Problem(lacking[0], EPISODE, "has no such column. Add it to each file of sessions.")],
        )
    pairs = _pairs(tables, client, episode)
    several = set(pairs.loc[pairs.duplicated(client, keep=False), client])
    if not several:
        return list(tables), clients, []
    if definition.shape.episodes is None:
        text = f"{count(len(several), 'client has', 'clients have')} more than one. "
        return (
            list(tables),
            clients,
            [Problem(tables[0].name, EPISODE, text + "Add `episodes: separate` or `episodes: first`.")],
        )
    apply = _separated if definition.shape.episodes == SEPARATE else _first
    done = [apply(table, pairs, several, client, episode) for table in tables]
    if clients is not None and client in clients.frame:
        clients = _clients(clients, pairs, several, client, episode, definition.shape.episodes)
    what = (
        "each episode counts as a person of its own" if definition.shape.episodes == SEPARATE else "the first is kept"
    )
    note = f"{count(len(several), 'client')} with more than one episode: {what}."
    done[0] = replace(done[0], notes=(*done[0].notes, f"{done[0].name}: {note}"))
    return done, clients, []


def _pairs(tables: Sequence[Table], client: str, episode: str) -> pd.DataFrame:
    """Return the episodes of every client, the first one first."""
    pairs = pd.concat([table.frame[[client, episode]].apply(texts) for table in tables]).drop_duplicates()
    pairs = pairs[(pairs != "").all(axis=1)]
    number = pd.to_numeric(pairs[episode], errors="coerce")
    return pairs.assign(number=number).sort_values([client, "number", episode], ignore_index=True)[[client, episode]]


def _separated(table: Table, pairs: pd.DataFrame, several: set[str], client: str, episode: str) -> Table:
    ids, which = texts(table.frame[client]), texts(table.frame[episode])
    own = ids.where(~ids.isin(several) | (which == ""), ids + " (episode " + which + ")")
    return replace(table, frame=with_columns(table.frame, {client: own}))


def _first(table: Table, pairs: pd.DataFrame, several: set[str], client: str, episode: str) -> Table:
    first = pairs.drop_duplicates(client).set_index(client)[episode]
    ids, which = texts(table.frame[client]), texts(table.frame[episode])
    kept = (~ids.isin(several) | (which == ids.map(first).fillna(""))).to_numpy()
    return replace(table, frame=table.frame[kept].reset_index(drop=True), rows=table.rows[kept])


def _clients(clients: Table, pairs: pd.DataFrame, several: set[str], client: str, episode: str, rule: str) -> Table:
    """Bring the file of clients along: by its own episodes, or by repeating the row of a client for each."""
    if episode in clients.frame:
        return (_separated if rule == SEPARATE else _first)(clients, pairs, several, client, episode)
    if rule == FIRST:
        return clients
    ids = texts(clients.frame[client])
    episodes = pairs[pairs[client].isin(several)].groupby(client)[episode].agg(list)
    names = [[f"{one} (episode {which})" for which in episodes[one]] if one in several else [one] for one in ids]
    times = np.array([len(each) for each in names], dtype=int)
    frame = clients.frame.loc[clients.frame.index.repeat(times)].reset_index(drop=True)
    frame[client] = [name for each in names for name in each]
    return replace(clients, frame=frame, rows=np.repeat(clients.rows, times))
