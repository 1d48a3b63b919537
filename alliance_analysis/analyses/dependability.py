"""How many sessions, and how many clients of a therapist, a dependable alliance score takes; reliability of change."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.errors import DataError, FitWarning, ModelError
from alliance_analysis.mixed.bootstrap import Replicate
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.prepare import keep_treatment
from alliance_analysis.study import vocabulary as v

SESSIONS = tuple(range(1, 13))
TARGETS = (0.70, 0.80, 0.90)
FEWEST_CLIENTS, FEWEST_THERAPISTS = 10, 5
_NOT_TOLD = "the variance between {} is estimated at zero, so no number of them can be told"


def spearman_brown(reliability: float, factor: float) -> float:
    """Return the reliability of the mean of `factor` measurements from that of one.

    Examples
    --------
    >>> [round(spearman_brown(0.77, k), 3) for k in (2, 3, 4, 7)]  # the alliance figures of Crits-Christoph et al. 2011
    [0.87, 0.909, 0.931, 0.959]
    """
    return factor * reliability / (1 + (factor - 1) * reliability)


def project_dependability(published: pd.DataFrame, sessions: Sequence[int] = (1, 2, 3, 4, 7)) -> pd.DataFrame:
    """Project a published dependability of one session to the mean of several, by Spearman and Brown.

    Parameters
    ----------
    published : DataFrame
        Rows of `load_published`, such as G04: the coefficient of a single session.
    sessions : sequence of int

    Returns
    -------
    DataFrame
        `citation confidence sessions dependability computed`; `computed`: not printed in the source.

    Examples
    --------
    >>> row = pd.DataFrame({"citation": ["x"], "confidence": ["passage"], "estimate": [0.77]})
    >>> project_dependability(row, (1, 4))["dependability"].round(2).tolist()
    [0.77, 0.93]
    """
    rows = [
        (row.citation, row.confidence, k, spearman_brown(float(row.estimate), k), k > 1)
        for row in published.itertuples()
        for k in sessions
    ]
    return pd.DataFrame(rows, columns=["citation", "confidence", "sessions", "dependability", "computed"])


def measurements_needed(reliability: float, target: float) -> int:
    """Return how many measurements give a mean of at least the target reliability.

    Raises
    ------
    DataError
        When reliability or target is not between 0 and 1.

    Examples
    --------
    >>> measurements_needed(0.77, 0.80), measurements_needed(0.77, 0.90)
    (2, 3)
    """
    for name, value in (("reliability", reliability), ("target", target)):
        if not 0 < value < 1:
            raise DataError(f"measurements_needed: {name} is {value}; a number between 0 and 1 is needed. Correct it.")
    exact = target * (1 - reliability) / (reliability * (1 - target))
    return int(np.ceil(exact - 1e-9))


@dataclass(frozen=True)
class Dependability:
    """How dependable mean scores of clients and of therapists are.

    Attributes
    ----------
    fit : MixedFit or RefusedFit
        No predictors; variances between therapists (where there are enough), clients and sessions.
    measure : str
    levels : tuple of str
        Grouping factors of the fit, the coarsest first.
    """

    fit: MixedFit | RefusedFit
    measure: str
    levels: tuple[str, ...]

    @property
    def withheld(self) -> str:
        """Why there is no number; "" where there is."""
        if isinstance(self.fit, RefusedFit):
            return self.fit.reason
        if not self.fit.converged:
            return "the model did not converge"
        return _NOT_TOLD.format("clients") if v.CLIENT in self.fit.singular_level else ""

    def curve(self, sessions: Sequence[int] = SESSIONS, conf_level: float = 0.95) -> pd.DataFrame:
        """Return the dependability of a client's mean over so many sessions.

        Returns
        -------
        DataFrame
            `sessions estimate conf_low conf_high` (0 to 1): what differs between clients over that plus its error.
            No row where it is withheld.
        """
        if self.withheld:
            return pd.DataFrame(columns=["sessions", "estimate", "conf_low", "conf_high"])

        def shares(at: Replicate) -> Mapping[str, float]:
            client = sum(float(block[0, 0]) for block in at.covariances)
            return {str(k): client / (client + at.sigma**2 / k) for k in sessions}

        fit: MixedFit = self.fit  # type: ignore[assignment]
        table = fit.derive(shares).tidy(conf_level, {str(k): "logit" for k in sessions})
        return table[["estimate", "conf_low", "conf_high"]].assign(sessions=list(sessions))[
            ["sessions", "estimate", "conf_low", "conf_high"]
        ]

    def needed(self, targets: Sequence[float] = TARGETS, sessions_each: int = 4) -> pd.DataFrame:
        """Return how many sessions, and how many clients of a therapist, a target takes.

        Parameters
        ----------
        targets : sequence of float
        sessions_each : int
            Sessions per client for a therapist's score.

        Returns
        -------
        DataFrame
            `target sessions_per_client clients_per_therapist note`; a number is missing where `note` says why.
        """
        columns = ["target", "sessions_per_client", "clients_per_therapist", "note"]
        if self.withheld:
            return pd.DataFrame([(target, np.nan, np.nan, self.withheld) for target in targets], columns=columns)
        fit: MixedFit = self.fit  # type: ignore[assignment]
        variances = [float(block[0, 0]) for block in fit.covariances]
        between, within = sum(variances), fit.sigma**2
        one = between / (between + within)
        therapist, note = np.nan, ""
        if v.THERAPIST not in self.levels:
            note = "too few therapists, or no ids, for a therapist's score"
        elif v.THERAPIST in fit.singular_level:
            note = _NOT_TOLD.format("therapists")
        else:
            own = variances[self.levels.index(v.THERAPIST)]
            therapist = own / (own + variances[self.levels.index(v.CLIENT)] + within / sessions_each)
        rows = [
            (t, measurements_needed(one, t), np.nan if note else measurements_needed(float(therapist), t), note)
            for t in targets
        ]
        return pd.DataFrame(rows, columns=columns)


def fit_dependability(sessions: pd.DataFrame, measure: str = v.ALLIANCE_CLIENT) -> Dependability:
    """Divide a rating's variance into therapists, clients and sessions, to say how many of each a score takes.

    Change over treatment counts as error here, as in the literature: a client's mean stands for the usual level.

    Parameters
    ----------
    sessions : DataFrame
    measure : str

    Returns
    -------
    Dependability

    References
    ----------
    Crits-Christoph et al. 2011, 10.1037/a0023668; Baldwin et al. 2012, 10.1037/a0027935.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(1, StudyDesign(n_clients=60, n_therapists=12, n_sessions=6)).sessions
    >>> fit_dependability(sessions).curve((1, 4))["sessions"].tolist()
    [1, 4]
    """
    used = keep_treatment(sessions).dropna(subset=[measure])
    repeated = int((used.groupby(v.CLIENT).size() >= 2).sum())
    if repeated < FEWEST_CLIENTS:
        reason = f"{repeated} clients have two or more ratings; at least {FEWEST_CLIENTS} are needed"
        return Dependability(RefusedFit(measure, reason), measure, ())
    several = v.THERAPIST in used and (used.groupby(v.THERAPIST)[v.CLIENT].nunique() >= 2).sum() >= FEWEST_THERAPISTS
    levels = (v.THERAPIST, v.CLIENT) if several else (v.CLIENT,)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # a variance at zero is said in words
            fit = fit_mixed(f"{measure} ~ 1 + {' + '.join(f'(1 | {level})' for level in levels)}", used)
    except ModelError as error:
        return Dependability(RefusedFit(measure, str(error).rstrip(".")), measure, levels)
    return Dependability(fit, measure, levels)


_CROSSED = ("client", "session", "item", "client:session", "client:item", "session:item")
RELIABILITIES = ("R1F", "RkF", "R1R", "RkR", "Rc")


def fit_change_reliability(scores: pd.DataFrame, *, nested: bool = False) -> pd.DataFrame:
    """Estimate how reliably item scores tell clients apart, and change within a client, by generalisability theory.

    Parameters
    ----------
    scores : DataFrame
        Columns `client session item score`, one row per answer; everybody answered the same items.
    nested : bool
        True: sessions of different clients have nothing in common (each at their own time), and items only error.

    Returns
    -------
    DataFrame
        `quantity estimate`. R1F, RkF: clients, one fixed session, the mean of all; R1R, RkR: the same for sessions
        taken at random; Rc: change from session to session within a client. With `nested` RkR and Rc.

    Raises
    ------
    ModelError
        When the model cannot be fitted or a variance is at zero.

    References
    ----------
    Cranford et al. 2006, 10.1177/0146167206287721; Shrout & Lane 2012.
    """
    k, n = scores[v.SESSION].nunique(), scores["item"].nunique()
    groups = ("client", "client:session") if nested else _CROSSED
    keys = {name: scores[name].astype(str) for name in ("client", v.SESSION, "item")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # told by name below
        fit = fit_mixed(f"score ~ 1 + {' + '.join(f'(1 | {g})' for g in groups)}", scores.assign(**keys), df="normal")
    if fit.singular or not fit.converged:
        what = ", ".join(fit.singular_level) or "the model did not converge"
        raise ModelError(
            f"fit_change_reliability: a variance is estimated at zero ({what}); variances above zero are needed. "
            "Try nested=True, or more clients, sessions or items."
        )
    table = fit.variance_components().set_index("group")["estimate"]
    parts = {":".join(sorted(group.split(":"))): float(value) for group, value in table.items()}
    compute: Callable[[Mapping[str, float], int, int], dict[str, float]] = _nested_parts if nested else _crossed_parts
    found = compute(parts, k, n)
    return pd.DataFrame({"quantity": list(found), "estimate": list(found.values())})


def _crossed_parts(parts: Mapping[str, float], k: int, n: int) -> dict[str, float]:
    person = parts["client"] + parts["client:item"] / n
    change, time, error = parts["client:session"], parts["session"], parts["residual"]
    return {
        "R1F": person / (person + error / n),
        "RkF": person / (person + error / (k * n)),
        "R1R": person / (person + time + change + error / n),
        "RkR": person / (person + (time + change) / k + error / (k * n)),
        "Rc": change / (change + error / n),
    }


def _nested_parts(parts: Mapping[str, float], k: int, n: int) -> dict[str, float]:
    person, change, error = parts["client"], parts["client:session"], parts["residual"]
    return {
        "RkR": person / (person + change / k + error / (k * n)),
        "Rc": change / (change + error / n),
    }
