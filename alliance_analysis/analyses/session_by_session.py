"""The primary answer to "does the alliance predict the next session's symptoms within clients": a panel VAR."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_analysis.analyses.prospective import LiteratureFits, RefusedFit, TimeShape, Timing
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.panel.course import INTERCEPT, TIME
from alliance_analysis.panel.fit import fit_panel_var
from alliance_analysis.panel.fitted import PanelVarFit, name_lag
from alliance_analysis.prepare import keep_treatment
from alliance_analysis.result import TIDY_COLUMNS
from alliance_analysis.study import vocabulary as v

PANEL_VAR = "panel VAR"
PROSPECTIVE, REVERSE = "alliance predicts", "outcome predicts"
_BY_SHAPE = [
    "direction", "time_shape", "random_slopes", "chosen", "standardised", "conf_low", "conf_high", "p_value",
    "aic", "note",
]  # fmt: skip
_SHAPES: tuple[TimeShape, ...] = ("log", "linear", "factor", "none")


@dataclass(frozen=True)
class ProspectiveFit:
    """A panel VAR of alliance and outcome, read as the question asks: alliance first, then the reverse direction.

    Attributes
    ----------
    fit : PanelVarFit or RefusedFit
        Refused where these data cannot carry the model; the reason is in `withheld`.
    timing : Timing
    alliance, outcome : str
    time_shape : str
    random : tuple of str
        What varies between clients.
    """

    fit: PanelVarFit | RefusedFit
    timing: Timing
    alliance: str
    outcome: str
    time_shape: TimeShape
    random: tuple[str, ...]

    @property
    def term(self) -> str:
        """The coefficient the question is about."""
        return name_lag(self.alliance, self.outcome)

    @property
    def reverse(self) -> str:
        """The coefficient of the opposite direction."""
        return name_lag(self.outcome, self.alliance)

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why no report may show it."""
        return self.fit.withheld

    @property
    def formula(self) -> str:
        """The model in one line, outcome first; "" where it was refused."""
        return "" if isinstance(self.fit, RefusedFit) else self.fit.formula

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row."""
        return self.fit.glance()

    def variance_components(self) -> pd.DataFrame:
        """Tabulate the covariances of levels and courses, deviations and their new parts; none where it was refused."""
        if isinstance(self.fit, RefusedFit):
            return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})
        return self.fit.variance_components()

    def likelihood(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate likelihood-ratio tests and profile intervals of both directions, in the ratings' units.

        Returns
        -------
        DataFrame
            `term estimate conf_low conf_high chisq p_value`; empty where the fit may not be shown. Clients count as
            independent here, also where the standard errors of `tidy` are clustered by therapist.
        """
        columns = ["term", "estimate", "conf_low", "conf_high", "chisq", "p_value"]
        if isinstance(self.fit, RefusedFit) or self.withheld:
            return pd.DataFrame(columns=columns)
        terms = [self.term, self.reverse]
        tests = pd.concat([self.fit.test(term) for term in terms], ignore_index=True)
        return self.fit.profile(terms, conf_level).merge(tests, on="term")[columns]

    def standardised_row(self, conf_level: float = 0.95) -> pd.Series:
        """Return the slope the question is about, in pooled within-client SDs of the ratings, as a row of `tidy`.

        Without a number where the fit withholds it.
        """
        scaled = self._standardised(conf_level)
        if scaled is None or self.withheld:
            return pd.Series(np.nan, index=list(TIDY_COLUMNS[1:]))
        return scaled.loc[("observed", self.term)]

    def deviations(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate both directions in standard deviations of the deviations, `simulate_bias`'s metric: as `tidy`."""
        scaled = self._standardised(conf_level)
        if scaled is None or self.withheld:
            return pd.DataFrame(columns=list(TIDY_COLUMNS))
        return scaled.loc["deviations"].loc[[self.term, self.reverse]].reset_index()[list(TIDY_COLUMNS)]

    def true_slopes(self, truth: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """Return the true prospective slope of a simulated study by its term (`load_truth`); empty for a real one."""
        series = truth.get("series", {})
        return {self.term: series["prospective"]} if "prospective" in series else {}

    def labels(self, model: str = PANEL_VAR) -> dict[str, object]:
        """Return what `report.record` asks about the fit: name, levels, primary term, standardised slopes."""
        terms = list(self.fit.tidy()["term"])
        table = self._standardised(0.95)
        return {
            "model": model,
            "levels": dict.fromkeys(terms, v.LEVEL_WITHIN),
            "primary": self.term,
            "standardised": {} if table is None else table.loc["observed"]["estimate"].to_dict(),
        }

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate both directions.

        Returns
        -------
        DataFrame
            `direction`, the columns of the fit's `tidy`, `standardised` with `_low _high` (pooled within-client SDs of
            the ratings, the metric of the literature), `in_deviations` with `_low _high` (SDs of the deviations from
            level and trend, the metric of `simulate_bias`), `time_shape random_slopes n_sessions n_clients note`. A
            withheld row has no number and says why in `note`.
        """
        table = self.fit.tidy(conf_level).set_index("term").reindex([self.term, self.reverse])
        scaled = self._standardised(conf_level)
        for name, metric in (("standardised", "observed"), ("in_deviations", "deviations")):
            for suffix, column in (("", "estimate"), ("_low", "conf_low"), ("_high", "conf_high")):
                table[name + suffix] = np.nan if scaled is None else scaled.loc[metric][column].reindex(table.index)
        notes = [self.withheld.get(term, self.withheld.get(self.term, "")) for term in table.index]
        if any(notes):
            numbers = table.select_dtypes("number").columns
            table[numbers] = np.nan
        glance = self.fit.glance().iloc[0]
        table = table.drop(columns=["outcome", "predictor"], errors="ignore").reset_index()
        table.insert(0, "direction", [PROSPECTIVE, REVERSE])
        return table.assign(
            time_shape=self.time_shape,
            random_slopes=TIME in self.random and self.time_shape != "none",
            n_sessions=glance["n_obs"],
            n_clients=glance["n_client"],
            note=notes,
        )

    def _standardised(self, conf_level: float) -> pd.DataFrame | None:
        if isinstance(self.fit, RefusedFit):
            return None
        return self.fit.standardised(conf_level).set_index(["metric", "term"])


def fit_prospective(
    sessions: pd.DataFrame,
    timing: Timing,
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    time_shape: TimeShape = "log",
    random: Sequence[str] = (INTERCEPT, TIME),
) -> ProspectiveFit:
    """Fit the panel VAR of alliance and outcome over treatment sessions, or say why it cannot be fitted.

    Parameters
    ----------
    sessions : DataFrame
        The study's sessions, or `pair_sessions` of them: the same rows are used, sessions from 1 on, treatment only.
    timing : Timing
        Where the alliance is rated before and symptoms after a session (`lag` 0), the alliance is the state after the
        session before and is moved there.
    alliance, outcome : str
    time_shape : TimeShape
        Chosen on the outcome alone, `compare_time_shapes`.
    random : ("intercept", "time") or ("intercept",)

    Returns
    -------
    ProspectiveFit
        Standard errors are clustered by therapist where the study has 20 or more.

    Examples
    --------
    >>> from alliance_analysis.analyses.prospective import choose_timing
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(4, StudyDesign(n_clients=60, n_sessions=10)).sessions
    >>> fit_prospective(sessions, choose_timing("after", "before", 7, 7.0)).tidy()["direction"].tolist()
    ['alliance predicts', 'outcome predicts']
    """
    treatment = keep_treatment(sessions)
    rows = treatment[treatment[v.SESSION] >= 1]
    cluster = v.THERAPIST if v.THERAPIST in rows else None
    shift = {} if timing.lag else {alliance: -1}
    fit: PanelVarFit | RefusedFit
    try:
        fit = fit_panel_var(
            rows, [alliance, outcome], time_shape=time_shape, random=random, cluster=cluster, shift=shift
        )
    except ModelError as error:
        fit = RefusedFit(name_lag(alliance, outcome), str(error).removeprefix("fit_panel_var: ").rstrip("."))
    return ProspectiveFit(fit, timing, alliance, outcome, time_shape, tuple(random))


def compare_prospective_by_shape(
    sessions: pd.DataFrame,
    timing: Timing,
    chosen: TimeShape = "log",
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """Fit the panel VAR under the chosen, log-shaped, linear, free and no time, and without slopes that vary.

    No time at all is the usual mistake: two series that both change over treatment go together for that reason alone.

    Parameters
    ----------
    sessions, timing, alliance, outcome
        As for `fit_prospective`.
    chosen : TimeShape
        Comes first; then again with slopes that do not vary between clients.
    conf_level : float

    Returns
    -------
    DataFrame
        `direction time_shape random_slopes chosen standardised conf_low conf_high p_value aic note`, one pair of rows
        per model; the limits are `standardised`'s.
    """
    shapes = list(dict.fromkeys([chosen, *_SHAPES]))
    models: list[tuple[TimeShape, tuple[str, ...]]] = [
        (chosen, (INTERCEPT, TIME)),
        *([(chosen, (INTERCEPT,))] if chosen != "none" else []),
    ]
    models += [(shape, (INTERCEPT, TIME)) for shape in shapes[1:]]
    tables = []
    for number, (shape, random) in enumerate(models):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # the table says by itself what was withheld
            found = fit_prospective(
                sessions, timing, alliance=alliance, outcome=outcome, time_shape=shape, random=random
            )
        aic = found.fit.glance().get("aic", pd.Series([np.nan])).iloc[0]
        tables.append(found.tidy(conf_level).assign(aic=aic, chosen=number == 0))
    limits = {"standardised_low": "conf_low", "standardised_high": "conf_high"}
    slopes = pd.concat(tables, ignore_index=True).drop(columns=["conf_low", "conf_high"]).rename(columns=limits)
    return slopes[_BY_SHAPE]


def compare_with_literature(panel: ProspectiveFit, models: LiteratureFits, conf_level: float = 0.95) -> pd.DataFrame:
    """Return the primary slope and those of the literature's models side by side, standardised within clients.

    Parameters
    ----------
    panel : ProspectiveFit
    models : LiteratureFits
    conf_level : float

    Returns
    -------
    DataFrame
        `model standardised standardised_low standardised_high n_sessions n_clients note`, the panel VAR first.
    """
    columns = ["model", "standardised", "standardised_low", "standardised_high", "n_sessions", "n_clients", "note"]
    first = panel.tidy(conf_level).head(1).assign(model=PANEL_VAR)
    return pd.concat([first[columns], models.tidy(conf_level)[columns]], ignore_index=True)
