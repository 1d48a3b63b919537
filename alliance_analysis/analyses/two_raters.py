"""How two raters' scores go together within clients and between clients, estimated jointly from all sessions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.bootstrap import Replicate
from alliance_analysis.mixed.derived import Derived, Scale
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.residuals import SameSession
from alliance_analysis.result import TIDY_COLUMNS, blank_withheld
from alliance_analysis.study import vocabulary as v

FIRST, SECOND = "first", "second"  # the raters, in the order of the alphabet: the first's residual SD is sigma
MANY_THERAPISTS = 10  # from here on the clients of one therapist may be alike in the model
PAIR = "pair"  # one pair of ratings: a client in one session
DYAD = "dyad"

WITHIN_R, BETWEEN_R = "correlation within clients", "correlation between clients"
WITHIN_CCC, BETWEEN_CCC = "concordance within clients", "concordance between clients"
SESSION_CCC = "concordance of single sessions"
TERMS = (WITHIN_R, BETWEEN_R, WITHIN_CCC, BETWEEN_CCC, SESSION_CCC)
_SCALES: dict[str, Scale] = dict.fromkeys(TERMS, "fisher")
_AT_ZERO = "the variance between clients is estimated at zero, or the raters' levels go together perfectly"


@dataclass(frozen=True)
class TwoRaters:
    """A multilevel model of two raters' scores: means, covariances between (therapists and) clients, and within.

    Attributes
    ----------
    fit : MixedFit
        Maximum likelihood; random intercepts of both raters, and their residuals of the same session, correlated. With
        enough therapists their part of what differs between clients has a matrix of its own, so that intervals allow
        for clients of one therapist being alike.
    """

    fit: MixedFit

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why no report may show it."""
        if not self.fit.converged:
            return dict.fromkeys(TERMS, "the model did not converge")
        if self.fit.withheld and not self.fit.singular:
            return dict.fromkeys(TERMS, next(iter(self.fit.withheld.values())))
        return dict.fromkeys((BETWEEN_R, BETWEEN_CCC), _AT_ZERO) if DYAD in self.fit.singular_level else {}

    def derived(self) -> Derived:
        """Evaluate correlations and concordances with their joint covariance."""
        return self.fit.derive(relate)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the five terms: the columns of every fit; limits made on Fisher's z; nothing where withheld.

        What is between clients has Student's t with (therapists - 1) df, (clients - 1) where therapists are too few to
        be in the model: by the normal distribution intervals cover 91 to 93 % with 10 to 24 therapists (simulated).
        """
        if not self.fit.converged:
            table = pd.DataFrame(np.nan, index=range(len(TERMS)), columns=list(TIDY_COLUMNS[1:]))
            table.insert(0, "term", TERMS)
            return table
        groups = self.fit.design.groups
        units = groups[v.THERAPIST if v.THERAPIST in groups else DYAD].n_levels
        between = dict.fromkeys((BETWEEN_R, BETWEEN_CCC, SESSION_CCC), units - 1.0)
        table = self.derived().tidy(conf_level, _SCALES, between)
        table = blank_withheld(table, self.withheld)
        concordance = table["term"].isin([WITHIN_CCC, BETWEEN_CCC, SESSION_CCC])
        table.loc[concordance, ["statistic", "p_value"]] = np.nan  # zero agreement is no hypothesis of interest
        return table

    def covariances(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariances (2, 2) between clients, therapists' part included, and within, in squared points."""
        table = self.fit.variance_components()
        residual = table["group"] == "residual"
        within = _matrix(table.loc[residual, "estimate"].to_numpy())
        return sum(self.fit.covariances, np.zeros((2, 2))), within


def _matrix(entries: np.ndarray) -> np.ndarray:
    """Return [[a, c], [c, b]] from (a, b, c), the order of `variance_components`."""
    a, b, c = entries
    return np.array([[a, c], [c, b]])


def relate(at: Replicate) -> dict[str, float]:
    """Compute correlations and concordances from means (2,), the summed matrices between clients, the residual one.

    Notes
    -----
    Concordance is 2 cov / (var + var' + d^2), d the raters' mean difference: between clients with the matrix between,
    of single sessions with both together; deviations from a client's own means have no mean difference.
    """
    between, first = sum(at.covariances, np.zeros((2, 2))), at.sigma**2
    ratio, r = at.residual[f"sd_ratio[{SECOND}]"], at.residual["correlation"]
    second, both = first * ratio**2, first * ratio * r
    shift = float(at.beta[1] - at.beta[0]) ** 2
    levels = between[0, 0] + between[1, 1]
    root = np.sqrt(max(between[0, 0] * between[1, 1], 1e-300))
    return {
        WITHIN_R: r,
        BETWEEN_R: between[0, 1] / root,
        WITHIN_CCC: 2 * both / (first + second),
        BETWEEN_CCC: 2 * between[0, 1] / (levels + shift),
        SESSION_CCC: 2 * (between[0, 1] + both) / (levels + first + second + shift),
    }


def fit_two_raters(pairs: pd.DataFrame, first: str, second: str) -> TwoRaters:
    """Fit both raters' scores jointly, by maximum likelihood: what lies between clients apart from what lies within.

    Correlating client means mixes some of the within-client part in, the more so the fewer sessions a client has;
    here the correlation between clients is that of their usual levels.

    Parameters
    ----------
    pairs : DataFrame
        Sessions with both scores (from `keep_pairs`).
    first, second : str
        Columns.

    Returns
    -------
    TwoRaters

    Raises
    ------
    ModelError
        When no client has two sessions, a rater's scores never vary, or they are the same numbers.

    Notes
    -----
    Validated against lavaan's two-level maximum likelihood (tests/golden/agreement), standard errors included.

    References
    ----------
    Muthén 1994, 10.1177/0049124194022003006; Carrasco & Jover 2003, 10.1111/j.0006-341X.2003.00099.x.
    """
    keys = [name for name in (v.CLIENT, v.THERAPIST) if name in pairs]
    dyads = pairs.groupby(keys, sort=False).ngroup().to_numpy()
    if len(np.unique(dyads)) == len(dyads):
        raise ModelError(
            f"fit_two_raters: none of the {len(dyads)} clients has two sessions that both raters rated; without, what "
            "is within clients cannot be told from what is between them. Use `mean_squares` for one rating each."
        )
    halves = [
        pd.DataFrame({"rater": name, "rating": pairs[column].to_numpy(float), DYAD: dyads, PAIR: np.arange(len(pairs))})
        for name, column in ((FIRST, first), (SECOND, second))
    ]
    stacked = pd.concat(halves, ignore_index=True)
    _refuse_flat(stacked, {FIRST: first, SECOND: second})
    random = f"(0 + rater | {DYAD})"
    if v.THERAPIST in pairs and pairs[v.THERAPIST].nunique() >= MANY_THERAPISTS:
        stacked = stacked.assign(**{v.THERAPIST: np.tile(pairs[v.THERAPIST].to_numpy(), 2)})
        random += f" + (0 + rater | {v.THERAPIST})"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # singular fits are said in `withheld`
        fit = fit_mixed(
            f"rating ~ 0 + rater + {random}",
            stacked,
            criterion="ML",
            residual=SameSession(rater="rater", by=[PAIR]),
        )
    return TwoRaters(fit)


def _refuse_flat(stacked: pd.DataFrame, columns: dict[str, str]) -> None:
    """Raise where a rater's scores never vary within any client: no correlation within clients exists then."""
    for rater, column in columns.items():
        own = stacked[stacked["rater"] == rater]
        if (own.groupby(DYAD)["rating"].nunique() < 2).all():
            what = "never varies" if own["rating"].nunique() < 2 else "never varies within a client"
            raise ModelError(
                f"fit_two_raters: {column} {what}; a correlation needs scores that vary. Check the column, or compare "
                "means only."
            )
