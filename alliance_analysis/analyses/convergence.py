"""Do the two ratings come closer over treatment? Their difference as a course, and agreement session by session."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_analysis.analyses.agreement import Scales
from alliance_analysis.analyses.prospective import RefusedFit, fit_or_refuse
from alliance_analysis.mixed.fit import MixedFit
from alliance_analysis.prepare import add_time, dyad_keys, keep_pairs, keep_treatment
from alliance_analysis.study import vocabulary as v

DIFFERENCE = "difference"
DISTANCE = "distance"
FEWEST_CLIENTS = 10
FEWEST_THERAPISTS = 5


def fit_convergence(
    sessions: pd.DataFrame,
    first: str = v.ALLIANCE_CLIENT,
    second: str = v.ALLIANCE_THERAPIST,
    *,
    distance: bool = False,
    scales: Scales | None = None,
) -> MixedFit | RefusedFit:
    """Fit the course of the difference of two ratings, or of its size, over log(session).

    `difference` (second minus first): does the mean difference shrink? `distance` (its absolute value): do pairs come
    closer whichever is higher? Random error keeps a distance above zero, so it never reaches it.

    Parameters
    ----------
    sessions : DataFrame
    first, second : str
    distance : bool
        True: the absolute difference.
    scales : ScaleMatch, optional
        `study.compare_scales(first, second)`; different scales are refused.

    Returns
    -------
    MixedFit or RefusedFit
        `log_time` is the change per unit of log(session), in score points.

    References
    ----------
    Laws et al. 2017, 10.1080/10503307.2015.1114687.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(1, StudyDesign(n_clients=80, n_therapists=12, n_sessions=12)).sessions
    >>> fit_convergence(sessions).tidy()["term"].tolist()
    ['(Intercept)', 'log_time']
    """
    if scales is not None and scales.reason:
        return RefusedFit(v.LOG_TIME, scales.reason.rstrip("."))
    rated = add_time(keep_treatment(sessions).dropna(subset=[first, second], how="all"))
    pairs = keep_pairs(rated, first, second)
    repeated = pairs[pairs[v.SESSION] >= 1].groupby(dyad_keys(pairs))[v.SESSION].nunique() >= 2
    if repeated.sum() < FEWEST_CLIENTS:
        reason = (
            f"{int(repeated.sum())} clients have two sessions that both rated; at least {FEWEST_CLIENTS} are needed"
        )
        return RefusedFit(v.LOG_TIME, reason)
    gap = rated[second] - rated[first]
    outcome = DISTANCE if distance else DIFFERENCE
    data = rated.assign(**{outcome: gap.abs() if distance else gap})
    random = f"(1 + {v.LOG_TIME} | {v.CLIENT}){_therapists(pairs)}"
    return fit_or_refuse(f"{outcome} ~ {v.LOG_TIME} + {random}", data, "satterthwaite", v.LOG_TIME)


def _therapists(pairs: pd.DataFrame) -> str:
    """Let clients of one therapist be alike where there are enough therapists."""
    enough = v.THERAPIST in pairs and pairs[v.THERAPIST].nunique() >= FEWEST_THERAPISTS
    return f" + (1 | {v.THERAPIST})" if enough else ""


def describe_agreement_by_session(
    sessions: pd.DataFrame, first: str = v.ALLIANCE_CLIENT, second: str = v.ALLIANCE_THERAPIST, min_cell: int = 5
) -> pd.DataFrame:
    """Tabulate agreement at each session number, over the clients seen then.

    Parameters
    ----------
    sessions : DataFrame
    first, second : str
    min_cell : int
        Session numbers with fewer clients are left out; correlations need twice as many.

    Returns
    -------
    DataFrame
        `session clients mean_difference sd_difference correlation`; the clients change as some leave, so a trend of a
        column is not one within clients.

    Examples
    --------
    >>> frame = pd.DataFrame({"client": list("abcde"), "session": 1, "alliance_client": 4.0, "alliance_therapist": 3.0})
    >>> describe_agreement_by_session(frame)["mean_difference"].tolist()
    [-1.0]
    """
    pairs = keep_pairs(sessions, first, second)
    rows = []
    for session, group in pairs.groupby(v.SESSION):
        n = group[v.CLIENT].nunique()
        if n < min_cell:
            continue
        gap = group[second] - group[first]
        varies = len(group) >= 2 * min_cell and group[first].nunique() > 1 and group[second].nunique() > 1
        r = float(np.corrcoef(group[first], group[second])[0, 1]) if varies else np.nan
        rows.append((session, n, gap.mean(), gap.std(), r))
    return pd.DataFrame(rows, columns=["session", "clients", "mean_difference", "sd_difference", "correlation"])
