"""How far two raters agree about the same sessions: each number with its level, and none that mixes levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_analysis.analyses import intraclass as ic
from alliance_analysis.analyses import limits as la
from alliance_analysis.analyses import two_raters as tr
from alliance_analysis.analyses.clustered import (
    STANDARDISED,
    Clustered,
    enough_therapists,
    jackknife_therapists,
    standardise_difference,
)
from alliance_analysis.analyses.jackknife import spread_of
from alliance_analysis.analyses.kappa import Kappa, measure_kappa
from alliance_analysis.errors import ModelError
from alliance_analysis.prepare import dyad_keys, keep_pairs, keep_treatment
from alliance_analysis.result import TIDY_COLUMNS, Estimates, two_sided_p
from alliance_analysis.study import vocabulary as v

FEWEST_CLIENTS = 5  # with fewer, no interval of an intraclass correlation says anything
REPEATED_R, BEYOND_COURSE = "repeated-measures correlation", "correlation within clients, average course taken out"
KAPPA = "weighted kappa"
_ONE_THERAPIST = "without the clients of one therapist it cannot be computed, so its precision cannot be told"

_LEVEL_OF = {
    **dict.fromkeys((*ic.ICC_TERMS, ic.CCC, ic.PRECISION, ic.ACCURACY, tr.BETWEEN_R, tr.BETWEEN_CCC), v.LEVEL_BETWEEN),
    STANDARDISED: v.LEVEL_BETWEEN,
    **dict.fromkeys((REPEATED_R, tr.WITHIN_R, BEYOND_COURSE, tr.WITHIN_CCC), v.LEVEL_WITHIN),
    **dict.fromkeys((*la.TERMS, tr.SESSION_CCC, KAPPA), v.LEVEL_TOTAL),
}
# what compares means of two raters, and what compares deviations in the same unit
_MEANS = (
    *la.TERMS, ic.CCC, ic.ACCURACY, "ICC(1)", "ICC(1,k)", "ICC(A,1)", "ICC(A,k)", tr.BETWEEN_CCC, tr.SESSION_CCC, KAPPA,
    STANDARDISED,
)  # fmt: skip
_UNITS = ("ICC(C,1)", "ICC(C,k)", tr.WITHIN_CCC)
_ONE_TIME_POINT = "no client has two sessions that both rated, so nothing can be said about sessions within a client"


class Scales(Protocol):
    """What is known of two measures' response scales (`Study.compare_scales`)."""

    @property
    def same_range(self) -> bool: ...
    @property
    def reason(self) -> str: ...


Part = TypeVar("Part")


@dataclass(frozen=True)
class Agreement:
    """Agreement of two raters on the same sessions.

    Attributes
    ----------
    first, second : str
        Columns; differences are second minus first.
    intraclass, concordance : Intraclass, Concordance or None
        Of client means. None where they are refused.
    limits : AgreementLimits or None
        Of single sessions.
    repeated : (float, float) or None
        Repeated-measures correlation and its df.
    two_raters, beyond_course : TwoRaters or None
        Both levels jointly, as rated and with the average course over sessions taken out.
    kappa : Kappa or None
    difference : (float, float) or None
        Standardised mean difference of client means, second minus first, and its standard error.
    clustered : Clustered or None
        Errors of what is between clients by a jackknife over therapists; None where there are too few of them.
    refused : dict
        Term -> why it has no number.
    pooled : DataFrame
        `number estimate conf_low conf_high why_not`: what is often computed instead, and what is wrong with it.
    n_pairs, n_alone, n_clients : int
        Sessions both rated, sessions only one of them rated, clients with at least one of the former.
    n_therapists : int or None
    """

    first: str
    second: str
    intraclass: ic.Intraclass | None
    concordance: ic.Concordance | None
    limits: la.AgreementLimits | None
    repeated: tuple[float, float] | None
    two_raters: tr.TwoRaters | None
    beyond_course: tr.TwoRaters | None
    kappa: Kappa | None
    difference: tuple[float, float] | None
    clustered: Clustered | None
    refused: Mapping[str, str]
    pooled: pd.DataFrame
    n_pairs: int
    n_alone: int
    n_clients: int
    n_therapists: int | None

    @property
    def levels(self) -> dict[str, str]:
        """Term -> the level it speaks about: "between" clients, "within" clients, or "total" (single sessions)."""
        return dict(_LEVEL_OF)

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why it has no number."""
        found = {} if self.two_raters is None else self.two_raters.withheld
        if self.beyond_course is not None and tr.WITHIN_R in self.beyond_course.withheld:
            found = {**found, BEYOND_COURSE: self.beyond_course.withheld[tr.WITHIN_R]}
        return {term: reason for term, reason in {**found, **self.refused}.items() if term in _LEVEL_OF}

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate everything: the columns of every fit and `level`; a withheld number is missing.

        Returns
        -------
        DataFrame
            Correlations and concordances have no unit; `mean difference`, `SD of differences` and both limits are in
            score points. Intervals between clients: with 10 therapists or more a jackknife that leaves out one at a
            time, on Fisher's z, with (therapists - 1) df; else those of the F distribution (intraclass correlations)
            and Fisher's z. Limits of agreement: MOVER. Kappa: jackknife over clients.
        """
        parts = [
            part.tidy(conf_level) for part in (self.intraclass, self.concordance, self.limits, self.two_raters) if part
        ]
        if self.repeated is not None:
            parts.append(_fisher_row(REPEATED_R, *self.repeated, conf_level))
        if self.beyond_course is not None:
            own = self.beyond_course.tidy(conf_level)
            parts.append(own[own["term"] == tr.WITHIN_R].assign(term=BEYOND_COURSE))
        if self.kappa is not None:
            parts.append(_wald_row(KAPPA, self.kappa.estimate, self.kappa.std_error, self.kappa.df, conf_level))
        if self.difference is not None:
            parts.append(_wald_row(STANDARDISED, *self.difference, self.n_clients - 1.0, conf_level))
        found = pd.concat([part.dropna(axis=1, how="all") for part in parts]) if parts else pd.DataFrame({"term": []})
        table = found.set_index("term").reindex(list(_LEVEL_OF)).reindex(columns=list(TIDY_COLUMNS[1:]))
        if self.clustered is not None:
            own = self.clustered.tidy(conf_level).set_index("term")
            table.loc[own.index] = own[list(table.columns)]
        table.loc[list(self.withheld)] = np.nan
        return table.reset_index(names="term").assign(level=list(_LEVEL_OF.values()))

    def true_values(self, truth: Mapping[str, Any]) -> dict[str, float]:
        """Return what a simulated study's truth (`load_truth`) says of these terms; empty for a real study."""
        known = truth.get("agreement", {})
        names = {tr.WITHIN_R: "correlation_within", tr.BETWEEN_R: "correlation_between"}
        return {term: float(known[name]) for term, name in names.items() if name in known}

    def glance(self) -> pd.DataFrame:
        """Return one row: `n_obs` (sessions both rated), `n_dropped`, `n_client`, `n_therapist`, `converged`."""
        therapists = np.nan if self.n_therapists is None else self.n_therapists
        row = {"n_obs": self.n_pairs, "n_dropped": self.n_alone, "n_client": self.n_clients, "n_therapist": therapists}
        method = "between clients a jackknife over therapists" if self.clustered else "clients taken for independent"
        return pd.DataFrame([row | {"converged": len(self.withheld) < len(_LEVEL_OF), "se_method": method}])

    def variance_components(self) -> pd.DataFrame:
        """Return the covariance matrices between and within clients; empty where they could not be told apart."""
        if self.two_raters is None or not self.two_raters.fit.converged:
            return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})
        return self.two_raters.fit.variance_components()


def fit_agreement(
    sessions: pd.DataFrame,
    first: str = v.ALLIANCE_CLIENT,
    second: str = v.ALLIANCE_THERAPIST,
    *,
    scales: Scales | None = None,
) -> Agreement:
    """Estimate how far two raters agree about the same sessions, in level and in rank, between and within clients.

    Parameters
    ----------
    sessions : DataFrame
        Sessions; those that both raters rated are used.
    first, second : str
        Columns; the difference is second minus first.
    scales : ScaleMatch, optional
        `study.compare_scales(first, second)`. Where the two do not rate the same items on the same scale, whatever
        compares their means is withheld. Without it, equal scales are taken for granted.

    Returns
    -------
    Agreement
        What these data cannot carry has no number and stands in `withheld`: all with fewer than 5 clients, whatever is
        within clients where each has one session, correlations of a rating that never varies.

    Notes
    -----
    Forms of the intraclass correlation as McGraw and Wong name them. Closed forms agree with R's psych, epiR-style
    concordance and lavaan (tests/golden/agreement). One exception is psych's interval of weighted kappa, whose row
    weights are transposed; ours is Fleiss, Cohen and Everitt's.

    References
    ----------
    McGraw & Wong 1996, 10.1037/1082-989X.1.1.30; Bland & Altman 2007, 10.1080/10543400701329422; Bakdash & Marusich
    2017, 10.3389/fpsyg.2017.00456.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(1, StudyDesign(n_clients=30, n_therapists=6, n_sessions=6)).sessions
    >>> fit_agreement(sessions).tidy().groupby("level").size().to_dict()
    {'between': 12, 'total': 6, 'within': 4}
    """
    pairs, treatment = keep_pairs(sessions, first, second), keep_treatment(sessions)
    keys = dyad_keys(pairs)
    clients = pairs.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    n_clients = int(clients.max()) + 1 if len(clients) else 0
    parts = _Parts(_refusals(pairs, n_clients, first, second, scales))
    several = n_clients >= FEWEST_CLIENTS and enough_therapists(pairs)
    therapists = _therapist_codes(pairs, keys) if several else None
    x, y = pairs[first].to_numpy(float), pairs[second].to_numpy(float)
    enough, repeated = n_clients >= FEWEST_CLIENTS, n_clients < len(pairs)
    means = pairs.groupby(keys, sort=False, dropna=False)[[first, second]].mean().to_numpy(float)
    within = (tr.WITHIN_R, tr.BETWEEN_R, tr.WITHIN_CCC, tr.BETWEEN_CCC, tr.SESSION_CCC)
    if enough and not repeated:
        parts.refuse((REPEATED_R, BEYOND_COURSE, *within), _ONE_TIME_POINT)
    many = enough and repeated
    return Agreement(
        first,
        second,
        intraclass=parts.make(ic.ICC_TERMS, lambda: ic.mean_squares(means), enough),
        concordance=parts.make((ic.CCC, ic.PRECISION, ic.ACCURACY), lambda: ic.measure_concordance(means), enough),
        limits=parts.make(la.TERMS, lambda: _limits(y - x, clients, therapists), enough),
        repeated=parts.make((REPEATED_R,), lambda: correlate_repeated(x, y, clients), many),
        two_raters=parts.make(within, lambda: tr.fit_two_raters(pairs, first, second), many),
        beyond_course=parts.make(
            (BEYOND_COURSE,), lambda: tr.fit_two_raters(_without_course(pairs, first, second), first, second), many
        ),
        kappa=parts.make((KAPPA,), lambda: measure_kappa(x, y, clients), enough),
        difference=parts.make((STANDARDISED,), lambda: standardise_difference(means), enough),
        clustered=None if therapists is None else parts.cluster(means, therapists),
        refused=parts.refused,
        pooled=_pooled(x, y, means) if enough else pd.DataFrame(columns=_POOLED),
        n_pairs=len(pairs),
        n_alone=int((treatment[first].notna() ^ treatment[second].notna()).sum()),
        n_clients=n_clients,
        n_therapists=int(pairs[v.THERAPIST].nunique()) if v.THERAPIST in pairs else None,
    )


def _refusals(pairs: pd.DataFrame, n_clients: int, first: str, second: str, scales: Scales | None) -> dict[str, str]:
    """Return what can be seen to have no number before anything is computed."""
    if n_clients < FEWEST_CLIENTS:
        reason = f"{n_clients} clients have sessions that both rated; at least {FEWEST_CLIENTS} are needed"
        return dict.fromkeys(_LEVEL_OF, reason)
    return _no_variation(pairs, first, second) | _not_comparable(scales)


class _Parts:
    """Collects why parts have no number while the others are made."""

    def __init__(self, refused: Mapping[str, str]) -> None:
        self.refused = dict(refused)

    def refuse(self, terms: tuple[str, ...], reason: str) -> None:
        self.refused = dict.fromkeys(terms, reason) | self.refused

    def cluster(self, means: np.ndarray, therapists: np.ndarray) -> Clustered:
        found = jackknife_therapists(means, therapists)
        self.refuse(tuple(np.array(found.terms)[np.isnan(found.error)]), _ONE_THERAPIST)
        return found

    def make(self, terms: tuple[str, ...], compute: Callable[[], Part], possible: bool) -> Part | None:
        if not possible:
            return None
        try:
            return compute()
        except ModelError as error:
            self.refuse(terms, str(error).partition(": ")[2].partition(". ")[0].rstrip("."))  # without the next step
            return None


def _therapist_codes(pairs: pd.DataFrame, keys: list[str]) -> np.ndarray:
    """Return the therapist of every client, as codes, in the order of the clients' means."""
    dyads = pairs.groupby(keys, sort=False, dropna=False)
    return pd.factorize(dyads[v.THERAPIST].first(), use_na_sentinel=False)[0]


def _limits(differences: np.ndarray, clients: np.ndarray, therapists: np.ndarray | None) -> la.AgreementLimits:
    """Return the limits of agreement; with enough therapists the mean difference has the error of their jackknife."""
    limits = la.measure_limits(differences, clients)
    if therapists is None:
        return limits
    who = therapists[clients]
    left_out = np.array([differences[who != k].mean() for k in range(who.max() + 1)])
    return replace(limits, bias_variance=spread_of(left_out) ** 2, bias_df=float(who.max()))


def _not_comparable(scales: Scales | None) -> dict[str, str]:
    if scales is None or not scales.reason:
        return {}
    return dict.fromkeys(_MEANS if scales.same_range else (*_MEANS, *_UNITS), scales.reason.rstrip("."))


def _no_variation(pairs: pd.DataFrame, first: str, second: str) -> dict[str, str]:
    """Say what cannot be computed where a rating is constant, both columns say the same, or therapist ids lack."""
    if v.THERAPIST in pairs and pairs[v.THERAPIST].isna().any():
        missing = int(pairs[v.THERAPIST].isna().sum())
        return dict.fromkeys(_LEVEL_OF, f"{missing} of {len(pairs)} sessions that both rated have no therapist id")
    if (pairs[first] == pairs[second]).all():
        return dict.fromkeys(_LEVEL_OF, f"{first} and {second} hold the same numbers in all {len(pairs)} sessions")
    gap = (pairs[second] - pairs[first]).to_numpy(float)
    if np.ptp(gap) <= 1e-12 * np.abs(gap).max():
        what = f"{second} is {first} plus the same number in all {len(pairs)} sessions"
        return dict.fromkeys(_LEVEL_OF, what)
    constant = [name for name in (first, second) if pairs[name].nunique() < 2]
    if not constant:
        return {}
    reason = f"{constant[0]} is the same in all {len(pairs)} sessions"
    return {term: reason for term in _LEVEL_OF if term not in la.TERMS}


def correlate_repeated(x: np.ndarray, y: np.ndarray, clients: np.ndarray) -> tuple[float, float]:
    """Correlate deviations from each client's own means: the repeated-measures correlation and its df.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    clients : ndarray of int, shape (n,)
        Codes from 0.

    Returns
    -------
    (float, float)
        r, and df = sessions - clients - 1.

    Raises
    ------
    ModelError
        When one of the two never varies within a client, both go together perfectly, or fewer than 3 df are left.

    References
    ----------
    Bakdash & Marusich 2017, 10.3389/fpsyg.2017.00456.

    Examples
    --------
    >>> clients = np.array([0, 0, 0, 1, 1, 1])
    >>> correlate_repeated(np.array([1.0, 2, 3, 9, 8, 8]), np.array([1.0, 2, 2, 5, 4, 5]), clients)[1]
    3.0
    """
    sizes = np.bincount(clients)
    dx, dy = (values - (np.bincount(clients, values) / sizes)[clients] for values in (x, y))
    xx, yy, df = float(dx @ dx), float(dy @ dy), float(len(x) - len(sizes) - 1)
    flat = min(xx / max(float(x @ x), 1e-300), yy / max(float(y @ y), 1e-300)) < 1e-20
    if flat or df < 3:
        raise ModelError(
            "correlate_repeated: a rating never varies within a client, or too few sessions repeat "
            f"({df:.0f} df); ratings that vary and 3 df are needed. Compare client means only."
        )
    r = float(dx @ dy / np.sqrt(xx * yy))
    if abs(r) > 1 - 1e-12:
        raise ModelError(
            f"correlate_repeated: the correlation is {r:.3g}; a number between -1 and 1 is needed. Check whether one "
            "column was computed from the other."
        )
    return r, df


def _wald_row(term: str, estimate: float, error: float, df: float, conf_level: float) -> pd.DataFrame:
    return Estimates((term,), np.array([estimate]), np.array([error]), np.array([df])).tidy(conf_level)


def _fisher_row(term: str, r: float, df: float, conf_level: float) -> pd.DataFrame:
    """Return a tidy row of a correlation: Student's t with its df (t^2 is the F of the analysis of covariance).

    Limits are made on Fisher's z, whose error is 1 / sqrt(df - 1).
    """
    on_z, error = np.arctanh(r), 1 / np.sqrt(df - 1)
    row = Estimates((term,), np.array([on_z]), np.array([error]), np.array([np.inf])).tidy(conf_level)
    low, high = np.tanh(row["conf_low"]), np.tanh(row["conf_high"])
    t = np.array([r * np.sqrt(df / (1 - r**2))])
    own = {"statistic": t, "df": df, "p_value": two_sided_p(t, np.array([df]))}
    return row.assign(estimate=r, std_error=(1 - r**2) * error, conf_low=low, conf_high=high, **own)


def _without_course(pairs: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Take each session number's mean out of both ratings: two series that both rise go together for that alone."""
    means = pairs.groupby(v.SESSION)[[first, second]].transform("mean")
    return pairs.assign(**{name: pairs[name] - means[name] for name in (first, second)})


_POOLED = ["number", "estimate", "conf_low", "conf_high", "why_not"]


def _pooled(x: np.ndarray, y: np.ndarray, means: np.ndarray) -> pd.DataFrame:
    """Tabulate what is often computed instead."""
    rows = []
    if x.std() > 0 and y.std() > 0:
        why = "mixes what is between clients with what is within them; sessions of one client are not independent"
        rows.append(("correlation of all sessions", *_naive_correlation(x, y), why))
    if means.std(axis=0).min() > 0:
        why = "means of few sessions carry part of what is within clients; see the correlation between clients"
        rows.append(("correlation of client means", *_naive_correlation(*means.T), why))
    low, high = la.independent_limits(y - x)
    why = "limits of agreement that take sessions of one client for independent"
    rows.append(("limits of independent sessions", float((y - x).mean()), low, high, why))
    return pd.DataFrame(rows, columns=_POOLED)


def _naive_correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    r = float(np.corrcoef(x, y)[0, 1])
    half = ndtri(0.975) / np.sqrt(max(len(x) - 3, 1))
    low, high = np.tanh(np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15)) + np.array([-half, half]))
    return r, float(low), float(high)
