"""Actor and partner: does each one's rating predict the own and the other's rating at the next session?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.compare import compare_fits
from alliance_analysis.mixed.crossproducts import Criterion
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.residuals import SameSession
from alliance_analysis.panel.fit import fit_panel_var
from alliance_analysis.panel.fitted import name_lag
from alliance_analysis.prepare import add_lag, add_time, dyad_keys, keep_pairs, keep_treatment
from alliance_analysis.result import TIDY_COLUMNS, check_conf_level, t_quantile
from alliance_analysis.study import vocabulary as v

DYAD, OUTCOME = "dyad", "rating"
FEWEST_DYADS, FEWEST_PAIRS = 10, 30
ROLES = v.RATERS[:2]
_TERMS = ("{}", "{}:time", "{}:actor", "{}:partner")
FORMULA = " + ".join(term.format(role) for term in _TERMS for role in ROLES)
EQUAL = f"{ROLES[0]} + {ROLES[1]} + {ROLES[0]}:time + {ROLES[1]}:time + actor + partner"
_RANDOM = f"(0 + {ROLES[0]} + {ROLES[1]} | {DYAD})"


@dataclass(frozen=True)
class ActorPartner:
    """A longitudinal actor-partner model of two raters, each with its own intercept, course, effects and residuals.

    Attributes
    ----------
    fit : MixedFit or RefusedFit
        By REML.
    full_ml, equal_ml : MixedFit or None
        By maximum likelihood: as `fit`, and with actor and partner effects equal for both raters.
    columns : (str, str)
        The client's and the therapist's rating.
    """

    fit: MixedFit | RefusedFit
    full_ml: MixedFit | None
    equal_ml: MixedFit | None
    columns: tuple[str, str]

    @property
    def formula(self) -> str:
        """The fitted model; "" where it was refused."""
        return self.fit.formula if isinstance(self.fit, MixedFit) else ""

    @property
    def levels(self) -> dict[str, str]:
        """Term -> level: actor and partner effects are within clients."""
        return {f"{role}:{effect}": v.LEVEL_WITHIN for role in ROLES for effect in ("actor", "partner")}

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why no report may show it."""
        if isinstance(self.fit, RefusedFit):
            return dict.fromkeys(self.levels, self.fit.reason)
        return self.fit.withheld

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate all fixed effects; `client:actor` = the client's own previous rating on the client's next one."""
        if isinstance(self.fit, RefusedFit):
            table = pd.DataFrame(np.nan, index=range(len(self.levels)), columns=list(TIDY_COLUMNS[1:]))
            table.insert(0, "term", list(self.levels))
            return table
        return self.fit.tidy(conf_level)

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row; each session has two rows, one per rater."""
        table = self.fit.glance()
        return table.rename(columns={f"n_{DYAD}": f"n_{v.CLIENT}"}).assign(n_obs=table["n_obs"] // 2)

    def variance_components(self) -> pd.DataFrame:
        """Tabulate variances between dyads and of residuals by rater, with the same-session correlation."""
        if isinstance(self.fit, RefusedFit):
            return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})
        return self.fit.variance_components()

    def patterns(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Return k = partner / actor for each rater, with Fieller's interval.

        1: couple pattern, the other counts as much as oneself; 0: actor only; -1: contrast. Where the actor effect is
        not clearly different from zero the interval has no end, and no pattern can be told.

        Returns
        -------
        DataFrame
            `rater k conf_low conf_high note`.

        References
        ----------
        Kenny & Ledermann 2010, 10.1037/a0019651.
        """
        check_conf_level(conf_level)
        columns = ["rater", "k", "conf_low", "conf_high", "note"]
        if isinstance(self.fit, RefusedFit) or not self.fit.converged:
            reason = next(iter(self.withheld.values()), "the model did not converge")
            return pd.DataFrame([(role, np.nan, np.nan, np.nan, reason) for role in ROLES], columns=columns)
        return pd.DataFrame([self._pattern(role, conf_level) for role in ROLES], columns=columns)

    def _pattern(self, role: str, conf_level: float) -> tuple[str, float, float, float, str]:
        fit = self.fit
        at = [fit.estimates.terms.index(f"{role}:{effect}") for effect in ("partner", "actor")]  # type: ignore[union-attr]
        top, bottom = fit.estimates.estimate[at]  # type: ignore[union-attr]
        cov = fit.fixed_covariance[np.ix_(at, at)]  # type: ignore[union-attr]
        df = np.min(fit.estimates.df[at], keepdims=True)  # type: ignore[union-attr]
        low, high = fieller(top, bottom, cov, float(t_quantile((1 + conf_level) / 2, df)[0]))
        if np.isnan(low):
            note = "withheld: the actor effect is not clearly different from zero, so the ratio has no bounds"
            return role, np.nan, np.nan, np.nan, note
        return role, top / bottom, low, high, ""

    def distinguishability(self) -> pd.DataFrame:
        """Test whether actor and partner effects are the same for both raters, by the likelihood ratio.

        Returns
        -------
        DataFrame
            `model n_parameters log_lik aic chisq df p_value`, the equal model first; no row where nothing was fitted or
            a model did not converge.
        """
        columns = ["model", "n_parameters", "log_lik", "aic", "chisq", "df", "p_value"]
        if self.full_ml is None or self.equal_ml is None or not (self.full_ml.converged and self.equal_ml.converged):
            return pd.DataFrame(columns=columns)
        table = compare_fits(self.equal_ml, self.full_ml)
        return table.assign(model=["equal actor and partner effects", "each rater's own effects"])[columns]

    def beside_panel(self, sessions: pd.DataFrame, conf_level: float = 0.95) -> pd.DataFrame:
        """Put the effects beside those of the panel VAR, which does not centre on observed means.

        Parameters
        ----------
        sessions : DataFrame
            The sessions that were fitted.
        conf_level : float

        Returns
        -------
        DataFrame
            `effect classic classic_low classic_high panel panel_low panel_high note`.
        """
        own = self.tidy(conf_level).set_index("term")
        own.loc[[term for term in self.withheld if term in own.index], list(TIDY_COLUMNS[1:])] = np.nan
        panel, note = _panel_effects(sessions, self.columns, conf_level)
        names = ["estimate", "conf_low", "conf_high"]
        rows = [(term, *own.loc[term, names], *panel.get(term, (np.nan, np.nan, np.nan)), note) for term in self.levels]
        ends = ["", "_low", "_high"]
        columns = ["effect", *(f"classic{end}" for end in ends), *(f"panel{end}" for end in ends), "note"]
        return pd.DataFrame(rows, columns=columns)


def _panel_effects(
    sessions: pd.DataFrame, columns: tuple[str, str], conf_level: float
) -> tuple[dict[str, tuple[float, float, float]], str]:
    """Return the panel VAR's four effects with limits, and why there are none."""
    treatment = keep_treatment(sessions)
    cluster = v.THERAPIST if v.THERAPIST in sessions else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # the lagged coefficients stand at that boundary
            fit = fit_panel_var(treatment[treatment[v.SESSION] >= 1], columns, cluster=cluster)
    except ModelError as error:
        return {}, str(error).partition(": ")[2].rstrip(".")
    table = fit.tidy(conf_level).set_index("term")
    found, lost = {}, dict(fit.withheld)
    for role, own, partner in ((ROLES[0], *columns), (ROLES[1], *columns[::-1])):
        for effect, predictor in (("actor", own), ("partner", partner)):
            term = name_lag(predictor, own)
            if term not in lost:
                row = table.loc[term]
                found[f"{role}:{effect}"] = (row["estimate"], row["conf_low"], row["conf_high"])
    return found, next(iter(lost.values()), "")


def fieller(top: float, bottom: float, covariance: np.ndarray, quantile: float) -> tuple[float, float]:
    """Return Fieller's limits of top / bottom; NaN where the denominator's interval holds zero.

    References
    ----------
    Fieller 1954, 10.1111/j.2517-6161.1954.tb00159.x.

    Examples
    --------
    >>> low, high = fieller(1.0, 2.0, np.diag([0.01, 0.01]), 1.96)
    >>> round(low, 2), round(high, 2)
    (0.39, 0.62)
    """
    q = quantile**2
    a, b, c = bottom**2 - q * covariance[1, 1], top * bottom - q * covariance[0, 1], top**2 - q * covariance[0, 0]
    if a <= 0:
        return np.nan, np.nan
    half = np.sqrt(max(b**2 - a * c, 0.0))
    return float((b - half) / a), float((b + half) / a)


def fit_apim(
    sessions: pd.DataFrame,
    first: str = v.ALLIANCE_CLIENT,
    second: str = v.ALLIANCE_THERAPIST,
    *,
    max_gap_days: int | None = None,
) -> ActorPartner:
    """Fit the longitudinal actor-partner model: own and other's previous rating, for both raters at once.

    The classic model, with its classic flaw: previous ratings are deviations from a client's own mean, which pulls
    actor effects down, the more the fewer the sessions. `fit_panel_var(sessions, [first, second])` estimates the same
    effects without it; show both.

    Parameters
    ----------
    sessions : DataFrame
        Sessions; a row needs both ratings at this session and at exactly the one before.
    first, second : str
        Columns of the client's and the therapist's rating.
    max_gap_days : int, optional
        Sessions further apart are no neighbours.

    Returns
    -------
    ActorPartner

    Notes
    -----
    y_rt = b_r + c_r time + a_r own_(t-1) + p_r other_(t-1) + u_r + e_rt, r = client, therapist; u and e each with a
    full 2 x 2 covariance. Validated against nlme (tests/golden/apim_longitudinal).

    References
    ----------
    Cook & Kenny 2005, 10.1080/01650250444000405; Laurenceau & Bolger 2012; Nickell 1981, 10.2307/1911408.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(1, StudyDesign(n_clients=40, n_therapists=8, n_sessions=8)).sessions
    >>> list(fit_apim(sessions).levels)
    ['client:actor', 'client:partner', 'therapist:actor', 'therapist:partner']
    """
    pairs = add_time(keep_pairs(sessions, first, second))
    data = _stack_lagged(pairs, first, second, max_gap_days)
    reason = _cannot(data, pairs, (first, second))
    if reason:
        return ActorPartner(RefusedFit("client:actor", reason), None, None, (first, second))
    try:
        return ActorPartner(
            _fit(FORMULA, data, "REML"), _fit(FORMULA, data, "ML"), _fit(EQUAL, data, "ML"), (first, second)
        )
    except ModelError as error:
        return ActorPartner(RefusedFit("client:actor", str(error).rstrip(".")), None, None, (first, second))


def _fit(fixed: str, data: pd.DataFrame, criterion: Criterion) -> MixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # a singular fit is said in `withheld` and `glance`
        return fit_mixed(
            f"{OUTCOME} ~ 0 + {fixed} + {_RANDOM}",
            data,
            criterion=criterion,
            residual=SameSession(rater="role", by=[DYAD, v.SESSION]),
        )


def _cannot(data: pd.DataFrame, pairs: pd.DataFrame, columns: tuple[str, str]) -> str:
    for name in columns:
        if pairs[name].nunique() == 1:
            return f"{name} is the same in all {len(pairs)} sessions that both rated"
    n_pairs, n_dyads = len(data) // 2, data[DYAD].nunique()
    if n_pairs < FEWEST_PAIRS or n_dyads < FEWEST_DYADS:
        return (
            f"{n_pairs} pairs of consecutive sessions of {n_dyads} clients have both ratings twice; at least "
            f"{FEWEST_PAIRS} of {FEWEST_DYADS} clients are needed"
        )
    return ""


def _stack_lagged(pairs: pd.DataFrame, first: str, second: str, max_gap_days: int | None) -> pd.DataFrame:
    """Return two rows per session with both ratings now and one session before: own and other's previous deviation."""
    keys = dyad_keys(pairs)
    dyads = pairs.groupby(keys, sort=False)
    data = pairs.assign(**{DYAD: dyads.ngroup().to_numpy(), "x": pairs[first], "y": pairs[second]})
    means = data.groupby(DYAD)[["x", "y"]].transform("mean")
    data = data.assign(x_own=data["x"] - means["x"], y_own=data["y"] - means["y"])
    gap = max_gap_days if v.DATE in data else None
    data = add_lag(data, ["x_own", "y_own"], max_gap_days=gap).dropna(subset=["x_own_lag1", "y_own_lag1"])
    halves = [
        data[[DYAD, v.SESSION, v.TIME]].assign(
            role=role, rating=data[own], actor=data[f"{own}_own_lag1"], partner=data[f"{other}_own_lag1"]
        )
        for role, own, other in ((ROLES[0], "x", "y"), (ROLES[1], "y", "x"))
    ]
    stacked = pd.concat(halves, ignore_index=True)
    return stacked.assign(**{role: (stacked["role"] == role).astype(float) for role in ROLES})
