"""One slope of the alliance per level (therapists, clients, sessions), beside treatment arm and therapist's traits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.analyses.early import EARLY_SESSIONS, client_table
from alliance_analysis.analyses.prospective import TIME_TERMS, RefusedFit, TimeShape, fit_or_refuse
from alliance_analysis.mixed.fit import DfMethod, MixedFit
from alliance_analysis.mixed.residuals import Structure
from alliance_analysis.prepare import add_time, add_within_between, keep_treatment
from alliance_analysis.result import blank_withheld
from alliance_analysis.study import vocabulary as v

END, START = "end_state", "start"
NO_THERAPISTS = "the sessions have no therapist ids"
NOTHING_BESIDE = "the study has no treatment arms and no measure of its therapists"
FEWEST_PER_ARM = 5  # clients; with fewer an arm's mean is one or two persons

_LEVEL_OF = {
    v.WITHIN: v.LEVEL_WITHIN,
    v.BETWEEN_CLIENT: v.LEVEL_BETWEEN_CLIENT,
    v.BETWEEN_THERAPIST: v.LEVEL_BETWEEN_THERAPIST,
}


@dataclass(frozen=True)
class LevelSlopes:
    """A mixed model with one slope of the alliance per level, and the differences between those slopes.

    Attributes
    ----------
    fit : MixedFit or RefusedFit
    alliance : str
        The rating whose parts are the predictors.
    parts : tuple of str
        Suffixes of those parts, from the lowest level up.
    end_state : str
        What the outcome is, in words; "" where the formula says it.
    """

    fit: MixedFit | RefusedFit
    alliance: str
    parts: tuple[str, ...]
    end_state: str = ""

    @property
    def formula(self) -> str:
        """The fitted model; "" where it was refused."""
        return self.fit.formula if isinstance(self.fit, MixedFit) else ""

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why no report may show it."""
        return self.fit.withheld

    @property
    def levels(self) -> dict[str, str]:
        """Return the level of each slope, as `report.record` asks for it."""
        terms = {f"{self.alliance}{part}": _LEVEL_OF[part] for part in self.parts}
        known = set(self.fit.tidy()["term"])
        return {term: level for term, level in terms.items() if term in known}

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate all fixed effects, as the fit does."""
        return self.fit.tidy(conf_level)

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row; of an end state the rows are clients, not sessions."""
        table = self.fit.glance()
        return table.rename(columns={"n_obs": f"n_{v.CLIENT}"}) if self.end_state and "n_dropped" in table else table

    def variance_components(self) -> pd.DataFrame:
        """Tabulate the variances, as the fit does; none where it was refused."""
        if isinstance(self.fit, RefusedFit):
            return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})
        return self.fit.variance_components()

    def slopes(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the slopes alone, without a number where the fit withholds them."""
        table = self.fit.tidy(conf_level)
        table = table[table["term"].isin(list(self.levels))].reset_index(drop=True)
        return blank_withheld(table, self.withheld)

    def describe(self) -> str:
        """Say in a sentence which residuals the model has."""
        if isinstance(self.fit, RefusedFit):
            return f"No model could be fitted: {self.fit.reason}."
        serial = "rho" in set(self.fit.residual_parameters()["parameter"])
        residuals = "an AR(1) residual" if serial else "independent residuals"
        return f"The model with {residuals} has the lower AIC and is read below."

    def therapist_effects(self) -> pd.DataFrame:
        """Return the therapists' predicted deviations: `group level term estimate`, numbered, never by id.

        Empty where the model was refused or the therapist variance is estimated at zero.
        """
        if isinstance(self.fit, RefusedFit) or v.THERAPIST in self.fit.singular_level or not self.fit.converged:
            return pd.DataFrame(columns=["group", "level", "term", "estimate"])
        effects = self.fit.random_effects()
        return effects[effects["group"] == v.THERAPIST].reset_index(drop=True)

    def contrasts(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Return each level's slope minus that of the level below: the columns of `tidy` and `note`.

        A slope that varies with the level says that levels must not be mixed; a contrast of which one part is withheld
        has no number and says why.
        """
        rows = [
            self._contrast(f"{self.alliance}{upper}", f"{self.alliance}{lower}", conf_level)
            for lower, upper in zip(self.parts, self.parts[1:], strict=False)
        ]
        return pd.concat(rows, ignore_index=True)

    def _contrast(self, upper: str, lower: str, conf_level: float) -> pd.DataFrame:
        name = f"{upper} minus {lower}"
        if isinstance(self.fit, RefusedFit):
            return self.fit.tidy().assign(term=name, note=self.fit.reason)
        row = self.fit.contrast({upper: 1.0, lower: -1.0}, conf_level)
        reasons = [self.fit.withheld[term] for term in (upper, lower) if term in self.fit.withheld]
        if reasons:
            row[[column for column in row if column != "term"]] = np.nan
        return row.assign(term=name, note="; ".join(dict.fromkeys(reasons)))


def fit_level_slopes(
    data: pd.DataFrame,
    shape: TimeShape = "log",
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    df: DfMethod = "kenward-roger",
    residual: Structure | None = None,
    covariates: Sequence[str] = (),
) -> LevelSlopes:
    """Fit three slopes: how does the alliance go with the outcome within clients, between them, between therapists?

    Same-session associations of levels: no slope here is a prediction, and the slopes between clients and therapists
    say nothing of change (`fit_end_state` does).

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions` and `add_within_between(data, alliance, levels=("client", "therapist"))`.
    shape : TimeShape
        Shape of the outcome's average course.
    alliance, outcome : str
    df : {"kenward-roger", "satterthwaite", "normal"}
    residual : Structure, optional
        A residual structure, such as `AR1(time="session", by="client")`, with df "satterthwaite".
    covariates : sequence of str
        Further columns of `data` in the model, such as age (`add_client_columns`); their terms are fixed.

    Returns
    -------
    LevelSlopes

    Notes
    -----
    y_tij = time + b_W within + b_C (client mean - therapist mean) + b_T (therapist mean) + v_j + (1, time) u_ij + e;
    a therapist's mean is the mean of the client means.

    References
    ----------
    Baldwin, Wampold & Imel (2007), doi:10.1037/0022-006X.75.6.842.

    Examples
    --------
    >>> from alliance_analysis.prepare import add_time, add_within_between
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(1, StudyDesign(n_clients=60, n_therapists=12, n_sessions=6)).sessions
    >>> data = add_within_between(add_time(sessions), "alliance_client", levels=("client", "therapist"))
    >>> list(fit_level_slopes(data, df="normal").levels.values())
    ['within', 'between_client', 'between_therapist']
    """
    slopes = " + ".join(f"{alliance}{part}" for part in _LEVEL_OF)
    time = f"{TIME_TERMS[shape]} + " if TIME_TERMS[shape] else ""
    more = "".join(f" + {name}" for name in covariates)
    formula = f"{outcome} ~ {time}{slopes}{more} + (1 + {v.TIME} | {v.CLIENT}) + (1 | {v.THERAPIST})"
    fit = fit_or_refuse(formula, data, df, f"{alliance}{v.WITHIN}", residual)
    return LevelSlopes(fit, alliance, tuple(_LEVEL_OF))


def choose_by_aic(first: LevelSlopes, *others: LevelSlopes) -> LevelSlopes:
    """Return the model with the lowest AIC; the same fixed terms and rows, different residual structures.

    Refused models are passed over, and `first` is returned where all are.

    Parameters
    ----------
    first : LevelSlopes
    *others : LevelSlopes

    Returns
    -------
    LevelSlopes
    """
    fitted = [one for one in (first, *others) if isinstance(one.fit, MixedFit) and one.fit.converged]
    return min(fitted, key=lambda one: float(one.fit.glance()["aic"].iloc[0]), default=first)


def fit_end_state(
    sessions: pd.DataFrame,
    clients: pd.DataFrame | None = None,
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    beside: Sequence[str] | None = None,
    df: DfMethod = "kenward-roger",
) -> LevelSlopes:
    """Fit the end state on the early alliance, split into client and therapist, given the state at the start.

    The model of Baldwin, Wampold and Imel: one row per client. Do therapists with a better average alliance have better
    outcomes, and clients with a better alliance than their therapist's other clients?

    Parameters
    ----------
    sessions, clients : DataFrame
        As in `fit_early_alliance`: the end state is `<outcome>_post` of `clients`, else the last later rating.
    alliance, outcome : str
    beside : sequence of str, optional
        Columns that stand beside the alliance, from `list_predictors_beside`; an empty list is refused by name.
    df : {"kenward-roger", "satterthwaite", "normal"}

    Returns
    -------
    LevelSlopes

    References
    ----------
    Baldwin, Wampold & Imel (2007), doi:10.1037/0022-006X.75.6.842.
    """
    parts = (v.BETWEEN_CLIENT, v.BETWEEN_THERAPIST)
    if v.THERAPIST not in sessions:
        return LevelSlopes(RefusedFit(f"{alliance}{v.BETWEEN_CLIENT}", NO_THERAPISTS), alliance, parts)
    treatment = keep_treatment(sessions)
    table, end_state = client_table(treatment, clients, alliance, outcome, EARLY_SESSIONS)
    table = table.rename(columns={"end": END, "baseline": START, "alliance": alliance}).reset_index()
    table = add_within_between(table, alliance, levels=(v.CLIENT, v.THERAPIST))
    if beside is not None and not beside:
        return LevelSlopes(RefusedFit("(none)", NOTHING_BESIDE), alliance, parts, end_state)
    table = _add_beside(table, treatment, clients, beside or ())
    terms = " + ".join([START, *(f"{alliance}{part}" for part in parts), *(beside or ())])
    fit = fit_or_refuse(f"{END} ~ {terms} + (1 | {v.THERAPIST})", table, df, f"{alliance}{v.BETWEEN_CLIENT}")
    return LevelSlopes(fit, alliance, parts, end_state)


def fit_alliance_sources(
    sessions: pd.DataFrame,
    clients: pd.DataFrame | None = None,
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    predictors: Sequence[str] = (),
    df: DfMethod = "kenward-roger",
) -> MixedFit | RefusedFit:
    """Fit the alliance on treatment arm and therapist's traits: with whom is it better on average?

    Parameters
    ----------
    sessions, clients : DataFrame
    alliance : str
    predictors : sequence of str
        `condition` of `clients`, or columns that are constant within therapists; at least one.
    df : {"kenward-roger", "satterthwaite", "normal"}

    Returns
    -------
    MixedFit or RefusedFit
    """
    if not predictors:
        return RefusedFit("(none)", NOTHING_BESIDE)
    if v.THERAPIST not in sessions:
        return RefusedFit(predictors[0], NO_THERAPISTS)
    treatment = keep_treatment(sessions)
    data = add_time(treatment[treatment[v.SESSION] >= 1])
    data = _add_beside(data, treatment, clients, predictors)
    terms = " + ".join([v.LOG_TIME, *predictors])
    formula = f"{alliance} ~ {terms} + (1 + {v.LOG_TIME} | {v.CLIENT}) + (1 | {v.THERAPIST})"
    return fit_or_refuse(formula, data, df, predictors[0])


def list_predictors_beside(sessions: pd.DataFrame, clients: pd.DataFrame | None, names: Iterable[str]) -> list[str]:
    """Return what can stand beside the alliance: `condition` where arms have enough clients, and therapists' traits.

    Parameters
    ----------
    sessions, clients : DataFrame
    names : iterable of str
        Measures of the study; of those in `sessions`, the ones that never vary within a therapist and differ between
        therapists are returned.

    Examples
    --------
    >>> frame = pd.DataFrame({"therapist": ["a", "a", "b"], "burnout": [1.0, 1.0, 3.0], "symptoms": [1.0, 2.0, 3.0]})
    >>> list_predictors_beside(frame, None, ["burnout", "symptoms"])
    ['burnout']
    """
    there = [name for name in names if name in sessions and v.THERAPIST in sessions]
    values = sessions.groupby(v.THERAPIST)[there].nunique() if there else pd.DataFrame()
    traits = [name for name in there if (values[name] <= 1).all() and sessions[name].nunique() > 1]
    arms = (
        pd.Series(dtype=int) if clients is None or v.CONDITION not in clients else clients[v.CONDITION].value_counts()
    )
    return [*([v.CONDITION] if (arms >= FEWEST_PER_ARM).sum() > 1 else []), *traits]


def _add_beside(
    table: pd.DataFrame, treatment: pd.DataFrame, clients: pd.DataFrame | None, beside: Sequence[str]
) -> pd.DataFrame:
    """Add client-level columns by client, therapist-level ones by therapist."""
    added: dict[str, pd.Series] = {}
    for name in beside:
        if name in table:
            continue
        if clients is not None and name in clients:
            values = clients.set_index(v.CLIENT)[name]
            added[name] = table[v.CLIENT].map(_large_arms(values) if name == v.CONDITION else values)
        else:
            added[name] = table[v.THERAPIST].map(treatment.groupby(v.THERAPIST)[name].first())
    return table.assign(**added)


def _large_arms(arms: pd.Series) -> pd.Series:
    """Arms without those of too few clients, whose mean would be one or two persons."""
    counts = arms.map(arms.value_counts())
    return arms.where(counts >= FEWEST_PER_ARM)
