"""Early alliance and the end state, between clients: the estimand of the meta-analyses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.prepare import keep_treatment
from alliance_analysis.result import Estimates, blank_withheld
from alliance_analysis.study import vocabulary as v

EARLY_SESSIONS = (3, 5)
MIN_CLIENTS = 10
MIN_THERAPISTS = 10  # below, a jackknife over therapists says little about its own precision
THERAPIST_JACKKNIFE = "therapist jackknife"
INDEPENDENT_CLIENTS = "independent clients"

_NOTHING_LEFT = 1e-8  # of the raw standard deviation: rounding, no variation
_CONTROLS = {
    "r": (),
    "r_given_baseline": ("baseline",),
    "r_given_change_so_far": ("baseline", "so_far"),
}


@dataclass(frozen=True)
class EarlyAllianceFit:
    """Correlations of early alliance with the end state, on the same clients.

    Attributes
    ----------
    estimates : Estimates
        Rows `r`, `r_given_baseline`, `r_given_change_so_far`; `std_error` is that of Fisher's z.
    flow : DataFrame
        `step clients lost`: who is left after each requirement.
    scatter : DataFrame
        `alliance end` per client, in random-free order of values: for binned figures only, never for a table.
    se_method : str
        "therapist jackknife" or "independent clients".
    end_state : str
        What the end state is.
    withheld : dict
        Term -> why it has no number; every term where too few clients have everything.
    """

    estimates: Estimates
    flow: pd.DataFrame
    scatter: pd.DataFrame
    se_method: str
    n_clients: int
    n_therapists: int | None
    end_state: str
    withheld: Mapping[str, str]

    @property
    def levels(self) -> dict[str, str]:
        """Return the level of each row: all are between clients."""
        return dict.fromkeys(self.estimates.terms, v.LEVEL_BETWEEN)

    @property
    def method(self) -> str:
        """Say in a sentence what the end state and the standard errors are."""
        how = {
            THERAPIST_JACKKNIFE: "a jackknife that leaves out one therapist at a time, so that clients of one "
            "therapist may be alike",
            INDEPENDENT_CLIENTS: "the formula for independent clients, because there are too few therapists, or no "
            "therapist ids, to let clients of one therapist be alike",
        }[self.se_method]
        return (
            f"The end state is {self.end_state}. Correlations are compared on Fisher's z: the standard error in the "
            f"table is that of z, from {how}; limits are turned back into correlations."
        )

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Return the correlations with intervals made on Fisher's z and turned back; `std_error` is that of z."""
        table = self.estimates.tidy(conf_level)
        table = blank_withheld(table, self.withheld)
        return table.assign(**{name: np.tanh(table[name]) for name in ("estimate", "conf_low", "conf_high")})

    def glance(self) -> pd.DataFrame:
        """Return one row: numbers of clients and therapists and the method of the standard error."""
        therapists = float("nan") if self.n_therapists is None else self.n_therapists
        return pd.DataFrame(
            [
                {
                    "n_client": self.n_clients,
                    "n_therapist": therapists,
                    "converged": len(self.withheld) < len(self.estimates.terms),
                    "se_method": self.se_method,
                }
            ]
        )

    def variance_components(self) -> pd.DataFrame:
        """Return an empty table: a correlation has no variance components."""
        return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})


def fit_early_alliance(
    sessions: pd.DataFrame,
    clients: pd.DataFrame | None = None,
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    early: tuple[int, int] = EARLY_SESSIONS,
) -> EarlyAllianceFit:
    """Correlate the early alliance with the end state, between clients.

    The question of the meta-analyses (r = alliance with outcome), and the one to ask when each client has one early
    rating. It says nothing about sessions within a client.

    Parameters
    ----------
    sessions : DataFrame
        Sessions; the early alliance is the client's mean over sessions `early`.
    clients : DataFrame, optional
        With `<outcome>_post`, that is the end state; else the last rating after the early sessions.
    alliance, outcome : str
        Columns of `sessions`.
    early : (int, int)
        First and last early session.

    Returns
    -------
    EarlyAllianceFit
        `r`; `r_given_baseline` (first outcome up to session 2 held constant); `r_given_change_so_far` (and its mean
        over the early sessions). Standard errors by the delete-one-therapist jackknife of Fisher's z with
        (therapists - 1) df from 10 therapists on (slightly short below about 20), else 1 / sqrt(n - 3 - number held
        constant). What these data cannot carry has no number and stands in `withheld`: all three below 10 clients.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import simulate_study
    >>> study = simulate_study(1)
    >>> fit_early_alliance(study.sessions, study.clients).tidy()["term"].tolist()
    ['r', 'r_given_baseline', 'r_given_change_so_far']
    """
    table, end_state = client_table(keep_treatment(sessions), clients, alliance, outcome, early)
    complete = table.dropna(subset=["alliance", "baseline", "so_far", "end"])
    therapist = complete["therapist"] if v.THERAPIST in sessions else None
    jackknife = therapist is not None and therapist.nunique() >= MIN_THERAPISTS
    withheld = _withheld(complete)
    rows = [
        (np.nan, np.nan, np.nan)
        if term in withheld
        else _partial_z(complete, controls, therapist if jackknife else None)
        for term, controls in _CONTROLS.items()
    ]
    z, se, df = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    return EarlyAllianceFit(
        estimates=Estimates(tuple(_CONTROLS), z, se, df),
        flow=_flow(table, early),
        scatter=complete[["alliance", "end"]].sort_values(["alliance", "end"]).reset_index(drop=True),
        se_method=THERAPIST_JACKKNIFE if jackknife else INDEPENDENT_CLIENTS,
        n_clients=len(complete),
        n_therapists=None if therapist is None else int(therapist.nunique()),
        end_state=end_state,
        withheld=withheld,
    )


def client_table(
    sessions: pd.DataFrame, clients: pd.DataFrame | None, alliance: str, outcome: str, early: tuple[int, int]
) -> tuple[pd.DataFrame, str]:
    """Return one row per client (alliance, baseline, so_far, end, therapist) and what the end state is."""
    ordered = sessions.sort_values(v.SESSION, kind="stable")
    during = ordered[ordered[v.SESSION].between(*early)].groupby(v.CLIENT)[[alliance, outcome]].mean()
    table = pd.DataFrame(index=pd.Index(ordered[v.CLIENT].unique(), name=v.CLIENT))
    table["alliance"], table["so_far"] = during[alliance], during[outcome]
    table["baseline"] = ordered[ordered[v.SESSION] <= 2].groupby(v.CLIENT)[outcome].first()
    table["therapist"] = ordered.groupby(v.CLIENT)[v.THERAPIST].first() if v.THERAPIST in ordered else ""
    post = outcome + v.POST
    if clients is not None and post in clients:
        table["end"] = clients.set_index(v.CLIENT)[post].astype(float)
        return table, f"{outcome} after treatment"
    table["end"] = ordered[ordered[v.SESSION] > early[1]].groupby(v.CLIENT)[outcome].last()
    return table, f"{outcome} at the last rating after session {early[1]}"


def _withheld(complete: pd.DataFrame) -> dict[str, str]:
    """Return for each term why these clients cannot carry it: too few, or nothing left to correlate."""
    if len(complete) < MIN_CLIENTS:
        reason = (
            f"{len(complete)} clients have an early rating, symptoms at the start and an end state; "
            f"{MIN_CLIENTS} are needed"
        )
        return dict.fromkeys(_CONTROLS, reason)
    withheld = {}
    for term, controls in _CONTROLS.items():
        values = complete[["alliance", "end", *controls]].to_numpy(float)
        left = _residuals(values).std(axis=0) / np.maximum(values[:, :2].std(axis=0), np.finfo(float).tiny)
        if values[:, :2].std(axis=0).min() == 0 or left.min() < _NOTHING_LEFT:
            withheld[term] = "the alliance or the end state does not vary, or not beyond what is held constant"
        elif 1 - abs(np.tanh(_fisher_z(values))) < _NOTHING_LEFT:
            withheld[term] = "the alliance and the end state are the same numbers up to scale; check the columns"
    return withheld


def _partial_z(
    table: pd.DataFrame, controls: tuple[str, ...], therapist: pd.Series | None
) -> tuple[float, float, float]:
    """Return Fisher's z of the partial correlation, its standard error and df."""
    values = table[["alliance", "end", *controls]].to_numpy(float)
    z = _fisher_z(values)
    if therapist is None:
        df = len(values) - 3 - len(controls)
        return z, 1 / np.sqrt(df), np.inf
    codes, _ = pd.factorize(therapist)
    count = codes.max() + 1
    without = np.array([_fisher_z(values[codes != k]) for k in range(count)])
    return z, np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum()), count - 1.0


def _fisher_z(values: np.ndarray) -> float:
    """Return atanh of the correlation of columns 0 and 1 given the others; values (n, 2 + controls)."""
    r = np.corrcoef(_residuals(values).T)[0, 1]
    return float(np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15)))


def _residuals(values: np.ndarray) -> np.ndarray:
    """Return what columns 0 and 1 hold beyond the others: (n, 2)."""
    given = np.column_stack([np.ones(len(values)), values[:, 2:]])
    return values[:, :2] - given @ np.linalg.lstsq(given, values[:, :2], rcond=None)[0]


def _flow(table: pd.DataFrame, early: tuple[int, int]) -> pd.DataFrame:
    """Return how many clients are left after each requirement, in order."""
    steps = {
        "all clients": [],
        f"with an alliance rating at sessions {early[0]} to {early[1]}": ["alliance"],
        "with symptoms at the start (up to session 2) and in the early sessions": ["alliance", "baseline", "so_far"],
        "with an end state": ["alliance", "baseline", "so_far", "end"],
    }
    left = [int(table[need].notna().all(axis=1).sum()) if need else len(table) for need in steps.values()]
    lost = [0, *(-np.diff(left)).tolist()]
    return pd.DataFrame({"step": list(steps), "clients": left, "lost": lost})
