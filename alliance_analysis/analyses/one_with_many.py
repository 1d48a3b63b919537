"""One with many: one therapist, many clients, both rate: what is the therapist's, the pair's, and is it reciprocal?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.bootstrap import Replicate
from alliance_analysis.mixed.derived import Scale
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.residuals import SameSession
from alliance_analysis.prepare import keep_treatment
from alliance_analysis.result import TIDY_COLUMNS, blank_withheld
from alliance_analysis.study import vocabulary as v

Occasions = Literal["mean", "sessions"]

FIRST, SECOND, DYAD, PAIR = "first", "second", "dyad", "pair"
FEWEST_THERAPISTS = 5  # with two or more clients each
GENERALISED, DYADIC, SESSION = "generalised reciprocity", "dyadic reciprocity", "session reciprocity"
DIFFERENCE = "mean difference"
_SOURCES: Mapping[Occasions, tuple[str, ...]] = {
    "mean": ("therapist", "client, relationship and error"),
    "sessions": ("therapist", "client and relationship", "session and error"),
}
_RECIPROCITIES: Mapping[Occasions, tuple[str, ...]] = {
    "mean": (GENERALISED, DYADIC),
    "sessions": (GENERALISED, DYADIC, SESSION),
}
_RECIPROCITY_LEVELS = {
    GENERALISED: v.LEVEL_BETWEEN_THERAPIST,
    DYADIC: v.LEVEL_BETWEEN_CLIENT,
    SESSION: v.LEVEL_WITHIN,
}


@dataclass(frozen=True)
class OneWithMany:
    """Variance partition and reciprocities of two raters' scores, therapists with several clients.

    Attributes
    ----------
    fit : MixedFit or RefusedFit
    raters : (str, str)
        The two raters in words: "client", "therapist".
    occasions : {"mean", "sessions"}
    not_comparable : str
        Why no mean difference may be claimed; "" where it may.
    n_dyads : int
        Pairs of client and therapist in the fit.
    """

    fit: MixedFit | RefusedFit
    raters: tuple[str, str]
    occasions: Occasions
    not_comparable: str = ""
    n_dyads: int = 0

    @property
    def formula(self) -> str:
        """The fitted model; "" where it was refused."""
        return self.fit.formula if isinstance(self.fit, MixedFit) else ""

    @property
    def terms(self) -> tuple[str, ...]:
        """Shares of both raters' scores by source, then reciprocities, then the mean difference."""
        return tuple(relation_names(self.raters, self.occasions))

    @property
    def levels(self) -> dict[str, str]:
        """Term -> the level it speaks about; shares are of variance."""
        found = {term: _RECIPROCITY_LEVELS.get(term, v.LEVEL_VARIANCE) for term in self.terms}
        return found | {DIFFERENCE: v.LEVEL_BETWEEN_THERAPIST}

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why no report may show it."""
        if isinstance(self.fit, RefusedFit):
            return dict.fromkeys(self.terms, self.fit.reason)
        if not self.fit.converged:
            return dict.fromkeys(self.terms, "the model did not converge")
        if self.fit.withheld and not self.fit.singular:
            return dict.fromkeys(self.terms, next(iter(self.fit.withheld.values())))
        found = {DIFFERENCE: self.not_comparable} if self.not_comparable else {}
        for group, reciprocity, source in (
            (v.THERAPIST, GENERALISED, "therapist"),
            (DYAD, DYADIC, "client and relationship"),
        ):
            if group in self.fit.singular_level:
                reason = (
                    f"a variance between {_PLURAL[group]} is estimated at zero, or the raters' go together perfectly"
                )
                found |= {f"{rater} ratings: {source}": reason for rater in self.raters} | {reciprocity: reason}
        lost = [source for source in _SOURCES[self.occasions] if f"{self.raters[0]} ratings: {source}" in found]
        if len(lost) == len(_SOURCES[self.occasions]) - 1:  # the last one would give the others away
            last = f"all but the share of {lost[-1]} is left" if len(lost) > 1 else f"what is left of {lost[0]}"
            found |= {f"{rater} ratings: {_SOURCES[self.occasions][-1]}": last for rater in self.raters}
        return found

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate shares (0 to 1), reciprocities (correlations) and the mean difference (score points).

        Intervals by the delta method: shares on the logit, correlations on Fisher's z. With few therapists prefer
        `bootstrap`. No test for shares: zero lies at their edge.
        """
        if isinstance(self.fit, RefusedFit) or not self.fit.converged:
            table = pd.DataFrame(np.nan, index=range(len(self.terms)), columns=list(TIDY_COLUMNS[1:]))
            table.insert(0, "term", self.terms)
            return table
        scales: dict[str, Scale] = {
            term: "logit" for term in self.terms if term not in (*_RECIPROCITY_LEVELS, DIFFERENCE)
        }
        scales |= dict.fromkeys(_RECIPROCITY_LEVELS, "fisher")
        table = self.fit.derive(self._relate).tidy(conf_level, scales)
        shares = table["term"].isin([term for term, scale in scales.items() if scale == "logit"])
        table.loc[shares, ["statistic", "p_value"]] = np.nan
        gap = self.fit.contrast({f"rater[{SECOND}]": 1, f"rater[{FIRST}]": -1}, conf_level)
        table.loc[table["term"] == DIFFERENCE, list(TIDY_COLUMNS[1:])] = gap[list(TIDY_COLUMNS[1:])].to_numpy()
        return blank_withheld(table, self.withheld)

    def _relate(self, at: Replicate) -> dict[str, float]:
        return dict(zip(self.terms, _relate(at, self.occasions), strict=True))

    def bootstrap(
        self,
        n: int = 500,
        *,
        seed: int = 1,
        conf_level: float = 0.95,
        progress: Callable[[int, int], None] | None = None,
    ) -> pd.DataFrame:
        """Draw from the fit: `term estimate std_error conf_low conf_high`, percentile intervals; withheld ones missing.

        No row where nothing was fitted or the fit did not converge.

        Parameters
        ----------
        n : int
            Draws.
        seed : int
        conf_level : float
        progress : callable, optional
            Called with (done, all).
        """
        columns = ["term", "estimate", "std_error", "conf_low", "conf_high"]
        if isinstance(self.fit, RefusedFit) or not self.fit.converged:
            return pd.DataFrame(columns=columns)
        drawn = self.fit.bootstrap(n, seed=seed, statistic=self._relate, progress=progress).tidy(conf_level)
        table = drawn[drawn["term"].isin(list(self.terms))][columns].reset_index(drop=True)
        table.loc[table["term"].isin(list(self.withheld)), columns[1:]] = np.nan
        return table

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row: `n_ratings` counts ratings of both raters, `n_client` pairs of the two."""
        table = self.fit.glance()
        if isinstance(self.fit, RefusedFit):
            return table
        return (
            table.rename(columns={"n_obs": "n_ratings"})
            .drop(columns=f"n_{DYAD}", errors="ignore")
            .assign(n_client=self.n_dyads)
        )

    def variance_components(self) -> pd.DataFrame:
        """Tabulate variances and covariances, `first` and `second` rater named in words; empty without a fit."""
        if isinstance(self.fit, RefusedFit) or not self.fit.converged:
            return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})
        table = self.fit.variance_components()
        words = {f"rater[{name}]": rater for name, rater in zip((FIRST, SECOND), self.raters, strict=True)}
        words |= dict(zip((FIRST, SECOND), self.raters, strict=True))
        return table.assign(**{name: table[name].replace(words) for name in ("term", "term2")})


_PLURAL = {v.THERAPIST: "therapists", DYAD: "clients of a therapist"}


def relation_names(raters: tuple[str, str], occasions: Occasions) -> list[str]:
    """Name every number of the partition, in order."""
    shares = [f"{rater} ratings: {source}" for rater in raters for source in _SOURCES[occasions]]
    return [*shares, *_RECIPROCITIES[occasions], DIFFERENCE]


def _relate(at: Replicate, occasions: Occasions) -> list[float]:
    """Compute shares by rater and source, reciprocities, and the mean difference."""
    first, ratio, r = at.sigma**2, at.residual[f"sd_ratio[{SECOND}]"], at.residual["correlation"]
    residual = np.array([[first, first * ratio * r], [first * ratio * r, first * ratio**2]])
    sources = [*at.covariances, residual] if occasions == "sessions" else [at.covariances[0], residual]
    totals = np.sum([np.diagonal(source) for source in sources], axis=0)
    shares = [float(source[k, k] / totals[k]) for k in (0, 1) for source in sources]
    correlations = [float(source[0, 1] / np.sqrt(max(source[0, 0] * source[1, 1], 1e-300))) for source in sources]
    return [*shares, *correlations, float(at.beta[1] - at.beta[0])]


def fit_one_with_many(
    sessions: pd.DataFrame,
    first: str = v.ALLIANCE_CLIENT,
    second: str = v.ALLIANCE_THERAPIST,
    *,
    occasions: Occasions = "mean",
    not_comparable: str = "",
) -> OneWithMany:
    """Divide both raters' scores among therapist, client with relationship, and the rest; relate them level by level.

    Is a good alliance the therapist's doing or the pair's? Do therapists whose clients rate the alliance high rate it
    high themselves (generalised reciprocity), and within one therapist's clients, does the pair agree (dyadic)?

    Parameters
    ----------
    sessions : DataFrame
        Sessions with therapist ids; a pair that only one of the two rated is used as it is.
    first, second : str
        Columns of the client's and the therapist's rating.
    occasions : {"mean", "sessions"}
        "mean": one mean rating per pair and rater; what is not the therapist's then holds client, relationship and
        error. "sessions": every session; sessions tell the pair's stable part from the rest.
    not_comparable : str
        `study.compare_scales(first, second).reason`; where it is not empty no mean difference is given.

    Returns
    -------
    OneWithMany
        Where the therapist variance of a rater is at zero its share and the generalised reciprocity are withheld.

    Notes
    -----
    A client sees one therapist, so what is the client's and what is the relationship's cannot be told apart. Validated
    against nlme (tests/golden/one_with_many).

    References
    ----------
    Marcus, Kashy & Baldwin 2009, J Couns Psychol 56(4), 537-548; Kenny, Kashy & Cook 2006, Dyadic data analysis,
    chapter 10.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(1, StudyDesign(n_clients=60, n_therapists=12, n_sessions=4)).sessions
    >>> fit_one_with_many(sessions).terms[-3:]
    ('generalised reciprocity', 'dyadic reciprocity', 'mean difference')
    """
    raters = (first.removeprefix("alliance_"), second.removeprefix("alliance_"))
    treatment = keep_treatment(sessions)
    reason = _cannot(treatment, first, second)
    if reason:
        return OneWithMany(RefusedFit(DIFFERENCE, reason), raters, occasions, not_comparable)
    data = _stack(treatment, first, second, occasions)
    nested = f" + (0 + rater | {DYAD})" if occasions == "sessions" else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # singular levels are said in `withheld`
            fit = fit_mixed(
                f"rating ~ 0 + rater + (0 + rater | {v.THERAPIST}){nested}",
                data,
                residual=SameSession(rater="rater", by=[PAIR]),
            )
    except ModelError as error:
        return OneWithMany(RefusedFit(DIFFERENCE, str(error).rstrip(".")), raters, occasions, not_comparable)
    return OneWithMany(fit, raters, occasions, not_comparable, data[DYAD].nunique())


def _cannot(treatment: pd.DataFrame, first: str, second: str) -> str:
    if v.THERAPIST not in treatment:
        return "the sessions have no therapist ids"
    both = treatment.dropna(subset=[first, second])
    missing = int(both[v.THERAPIST].isna().sum())
    if missing:
        return f"{missing} of {len(both)} sessions that both rated have no therapist id"
    for name in (first, second):
        if both[name].nunique() == 1:
            return f"{name} is the same in all {len(both)} sessions that both rated"
    several = int((both.groupby(v.THERAPIST)[v.CLIENT].nunique() >= 2).sum())
    if several < FEWEST_THERAPISTS:
        return (
            f"{several} therapists have two or more clients whose sessions both rated; at least {FEWEST_THERAPISTS} "
            "are needed"
        )
    return ""


def _stack(treatment: pd.DataFrame, first: str, second: str, occasions: Occasions) -> pd.DataFrame:
    """Return one row per rating: `therapist dyad pair rater rating`, means of a pair's sessions or each session."""
    pairs = treatment[[v.CLIENT, v.THERAPIST, first, second]]
    dyad = pairs.groupby([v.CLIENT, v.THERAPIST], sort=False)
    if occasions == "mean":
        pairs = dyad[[first, second]].mean().reset_index()
        numbers = np.arange(len(pairs))
    else:
        numbers = dyad.ngroup().to_numpy()
    halves = [
        pd.DataFrame(
            {
                v.THERAPIST: pairs[v.THERAPIST].to_numpy(),
                DYAD: numbers,
                PAIR: np.arange(len(pairs)),
                "rater": name,
                "rating": pairs[column].to_numpy(float),
            }
        )
        for name, column in ((FIRST, first), (SECOND, second))
    ]
    return pd.concat(halves, ignore_index=True)
