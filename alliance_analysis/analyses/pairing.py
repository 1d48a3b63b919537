"""Rows for questions about both ratings and an outcome: sessions with what was rated before them, or one per client."""

from __future__ import annotations

import pandas as pd

from alliance_analysis.analyses.early import EARLY_SESSIONS, client_table
from alliance_analysis.analyses.prospective import Timing
from alliance_analysis.prepare import add_lag, add_time, dyad_keys, keep_treatment
from alliance_analysis.study import vocabulary as v

FEWEST_THERAPISTS = 5  # with two or more clients each
END, START, SO_FAR = "end_state", "start", "so_far"


def pair_congruence(
    sessions: pd.DataFrame,
    timing: Timing,
    first: str = v.ALLIANCE_CLIENT,
    second: str = v.ALLIANCE_THERAPIST,
    *,
    outcome: str = v.SYMPTOMS,
    max_gap_days: int | None = None,
) -> pd.DataFrame:
    """Pair each session's outcome with both ratings of the earlier session, as deviations from the client's own means.

    Means are taken over the sessions that both rated, so that 0 is where both are as usual.

    Parameters
    ----------
    sessions : DataFrame
    timing : Timing
        From `choose_timing`, for the first rating.
    first, second : str
    outcome : str
    max_gap_days : int, optional
        Sessions further apart are no neighbours.

    Returns
    -------
    DataFrame
        Treatment sessions from 1 on with `time log_time`, `<rating>_within` and `<rating>_between` (client mean minus
        the mean of both raters' client means, one value for both, so that equal means stay equal), both ratings of the
        earlier time (`_within_lag1`, or `_within` of the same session), and `<outcome>_lag1`.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": "a", "session": [1, 2], "symptoms": [9.0, 8.0]})
    >>> frame = frame.assign(alliance_client=[4.0, 5.0], alliance_therapist=[3.0, 3.0])
    >>> data = pair_congruence(frame, Timing(1, "lagged", ""))
    >>> data["alliance_client_within_lag1"].tolist()
    [nan, -0.5]
    """
    treatment = keep_treatment(sessions)
    data = add_time(treatment[treatment[v.SESSION] >= 1]).reset_index(drop=True)
    both = data[first].notna() & data[second].notna()
    means = data[both].groupby(dyad_keys(data))[[first, second]].mean()
    middle = float(means.to_numpy(float).mean()) if len(means) else 0.0
    own = data[dyad_keys(data)].merge(means.reset_index(), on=dyad_keys(data), how="left").set_index(data.index)
    parts = {f"{name}{v.WITHIN}": (data[name] - own[name]).where(both) for name in (first, second)}
    parts |= {f"{name}{v.BETWEEN}": own[name] - middle for name in (first, second)}
    data = data.assign(**parts)
    gap = max_gap_days if v.DATE in data else None
    lagged = [outcome, *(f"{name}{v.WITHIN}" for name in (first, second))]
    return add_lag(data, lagged if timing.lag else [outcome], max_gap_days=gap)


def earlier_ratings(
    timing: Timing, first: str = v.ALLIANCE_CLIENT, second: str = v.ALLIANCE_THERAPIST
) -> tuple[str, str]:
    """Return the columns of `pair_congruence` that hold both ratings of the earlier time.

    Examples
    --------
    >>> earlier_ratings(Timing(0, "lagged", ""))[0]
    'alliance_client_within'
    """
    return timing.exposure(first, v.WITHIN), timing.exposure(second, v.WITHIN)


def therapist_term(people: pd.DataFrame) -> str:
    """Return the random term for one row per client: therapists where there are enough of them, else none.

    Examples
    --------
    >>> therapist_term(pd.DataFrame({"client": ["a", "b"]}))
    ''
    """
    if v.THERAPIST not in people:
        return ""
    several = (people.groupby(v.THERAPIST)[v.CLIENT].nunique() >= 2).sum()
    return f"(1 | {v.THERAPIST})" if several >= FEWEST_THERAPISTS else ""


def client_congruence(
    sessions: pd.DataFrame,
    clients: pd.DataFrame | None = None,
    first: str = v.ALLIANCE_CLIENT,
    second: str = v.ALLIANCE_THERAPIST,
    *,
    outcome: str = v.SYMPTOMS,
    early: tuple[int, int] = EARLY_SESSIONS,
) -> tuple[pd.DataFrame, str]:
    """Return one row per client: both raters' mean over the early sessions, the outcome at start and end.

    Parameters
    ----------
    sessions, clients : DataFrame
        As in `fit_early_alliance`.
    first, second : str
    outcome : str
    early : (int, int)
        First and last early session; only sessions that both rated count.

    Returns
    -------
    (DataFrame, str)
        `client therapist <first> <second> start so_far end_state change` (end minus start), and what the end state is.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> study = simulate_study(1, StudyDesign(n_clients=20, n_therapists=4, n_sessions=8))
    >>> client_congruence(study.sessions, study.clients)[1]
    'symptoms after treatment'
    """
    treatment = keep_treatment(sessions)
    table, end = client_table(treatment, clients, first, outcome, early)
    both = treatment[treatment[v.SESSION].between(*early)].dropna(subset=[first, second])
    means = both.groupby(v.CLIENT)[[first, second]].mean()
    names = {"end": END, "baseline": START, "so_far": SO_FAR}
    rows = table.drop(columns="alliance").rename(columns=names).join(means).reset_index(names=v.CLIENT)
    if v.THERAPIST not in sessions:
        rows = rows.drop(columns=v.THERAPIST)
    return rows.assign(change=rows[END] - rows[START]), end
