"""Alliance and the next session's symptoms, within clients: timing, time shape, the mixed models of the literature."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import DfMethod, MixedFit, fit_mixed
from alliance_analysis.mixed.residuals import Structure
from alliance_analysis.prepare import (
    add_first,
    add_lag,
    add_time,
    add_within_between,
    dyad_keys,
    keep_treatment,
    within_sd,
)
from alliance_analysis.result import TIDY_COLUMNS
from alliance_analysis.study import vocabulary as v

TimeShape = Literal["linear", "log", "quadratic", "factor", "none"]

OCCASION = "occasion"  # the session number as a category
TIME_TERMS: Mapping[str, str] = {
    "linear": v.TIME,
    "log": v.LOG_TIME,
    "quadratic": f"{v.TIME} + I({v.TIME}**2)",
    "factor": OCCASION,
    "none": "",
}
_OFFERED: tuple[TimeShape, ...] = ("linear", "log", "quadratic", "factor")  # "none" is shown only as the usual mistake
_SIDE_BY_SIDE: tuple[TimeShape, ...] = ("linear", "log", "factor", "none")

CLASSIC = "centred alliance"
LAGGED_OUTCOME = "centred alliance, earlier symptoms"
FIRST_VALUES = "raw values, earlier symptoms, first values"
SAME_SESSION = "same session"
PREDICTIVE = (CLASSIC, LAGGED_OUTCOME, FIRST_VALUES)  # the models that pair an earlier alliance with later symptoms


@dataclass(frozen=True)
class Timing:
    """Which alliance rating comes before which symptom rating, and what that allows one to say.

    Attributes
    ----------
    lag : int
        Sessions between the alliance rating and the symptom rating it is paired with (1, or 0 where the alliance is
        rated before and symptoms after the same session).
    word : str
        "prospective", or "lagged" where the symptom questionnaire looks back behind the alliance rating or the time
        between sessions is not known.
    sentence : str
        Why, in one sentence.
    """

    lag: int
    word: Literal["prospective", "lagged"]
    sentence: str

    @property
    def paragraph(self) -> str:
        """Say in one paragraph which ratings are paired and what the pairing may be called."""
        pairing = "of the session before" if self.lag else "given before the same session"
        return f"Symptoms are paired with the alliance rating {pairing}. This is called {self.word}: {self.sentence}."

    def exposure(self, alliance: str, part: str = "") -> str:
        """Return the column that holds the earlier alliance."""
        return f"{alliance}{part}{v.LAG}{self.lag}" if self.lag else f"{alliance}{part}"


def choose_timing(
    alliance_collected: str, symptoms_collected: str, recall_days: int | None, gap_days: float | None
) -> Timing:
    """Choose which pair of ratings is prospective, from when the forms are filled in.

    Parameters
    ----------
    alliance_collected, symptoms_collected : "before" or "after"
        The session.
    recall_days : int or None
        How far the symptom questionnaire looks back.
    gap_days : float or None
        Days between sessions that nearly all pairs reach (`short_gap_days`); None where the study has no dates.

    Returns
    -------
    Timing

    Examples
    --------
    >>> choose_timing("after", "before", 14, 7.0).word
    'lagged'
    """
    lag = 0 if (alliance_collected, symptoms_collected) == ("before", "after") else 1
    if recall_days is None:
        return Timing(lag, "lagged", "how far the symptom questionnaire looks back is not stated in the study file")
    if gap_days is None:
        return Timing(
            lag,
            "lagged",
            f"the symptom questionnaire looks back {recall_days} days and the study has no dates, so whether it "
            "reaches behind the alliance rating cannot be told",
        )
    if not lag or not gap_days >= recall_days:
        return Timing(
            lag,
            "lagged",
            f"the symptom questionnaire looks back {recall_days} days, for some pairs behind the alliance rating they "
            "are paired with",
        )
    return Timing(
        lag,
        "prospective",
        f"the symptom questionnaire looks back {recall_days} days, not behind the alliance rating it is paired with",
    )


def short_gap_days(sessions: pd.DataFrame) -> float | None:
    """Return the days between consecutive sessions that 95 % of the pairs reach, or None where dates are not known.

    A usual gap would not do: where every third pair lies closer together than the questionnaire looks back, its scores
    overlap with the sessions before.
    """
    if v.DATE not in sessions:
        return None
    treatment = keep_treatment(sessions)
    ordered = treatment.sort_values([*dyad_keys(treatment), v.SESSION])
    steps = ordered.groupby(dyad_keys(ordered))[[v.SESSION, v.DATE]].diff()
    gaps = steps.loc[steps[v.SESSION] == 1, v.DATE].dropna() / np.timedelta64(1, "D")
    return float(gaps.quantile(0.05)) if len(gaps) else None


def pair_sessions(
    sessions: pd.DataFrame,
    timing: Timing,
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    max_gap_days: int | None = None,
) -> pd.DataFrame:
    """Add to each treatment session the earlier alliance and the earlier symptoms that its symptoms are paired with.

    Returns
    -------
    DataFrame
        Sessions from 1 on with `time log_time occasion`, the alliance's `_within _between _lag1 _within_lag1 _first`
        and the outcome's `_lag1 _first`; units unchanged. Intake (session 0), post and follow-up occasions are left
        out: they are no sessions.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import simulate_study
    >>> data = pair_sessions(simulate_study(1).sessions, choose_timing("after", "before", 7, 7.0))
    >>> data["symptoms_lag1"].notna().any()
    np.True_
    """
    dated = max_gap_days if v.DATE in sessions else None
    treatment = keep_treatment(sessions)
    data = add_time(treatment[treatment[v.SESSION] >= 1])
    data = add_within_between(data.assign(**{OCCASION: data[v.SESSION].map("s{:03d}".format)}), alliance)
    data = add_lag(data, [outcome], max_gap_days=dated)
    if timing.lag:
        data = add_lag(data, [alliance, alliance + v.WITHIN], timing.lag, max_gap_days=dated)
    return add_first(data, [alliance, outcome])


def compare_time_shapes(data: pd.DataFrame, outcome: str = v.SYMPTOMS) -> pd.DataFrame:
    """Compare shapes of the average course of the outcome, before the alliance enters (ML, AICc, identical rows).

    Returns
    -------
    DataFrame
        `shape n_parameters log_lik aicc delta chosen`, best first; every model has a random intercept and a random
        linear slope per client, so that only the average course differs. The first row's shape goes into the models.
    """
    rows = data.dropna(subset=[outcome])
    # on the rows with an earlier rating, which the models use, three occasions are no curve
    occasions = data.dropna(subset=[outcome, f"{outcome}{v.LAG}1"])[v.SESSION].nunique()
    offered = [shape for shape in _OFFERED if shape != "quadratic" or occasions > 3]
    random = f"(1 + {v.TIME} | {v.CLIENT})"
    with warnings.catch_warnings():
        # a variance at zero says nothing against a shape of the average course
        warnings.simplefilter("ignore", FitWarning)
        fits = {
            s: fit_mixed(f"{outcome} ~ {TIME_TERMS[s]} + {random}", rows, criterion="ML", df="normal") for s in offered
        }
    table = pd.DataFrame([{"shape": shape, **_aicc(fit)} for shape, fit in fits.items() if fit.converged])
    table["delta"] = table["aicc"] - table["aicc"].min()
    # shapes that fit alike up to rounding are one shape: the one with fewer parameters
    table["rank"] = table["aicc"].round(6)
    table = table.sort_values(["rank", "n_parameters"], kind="stable", ignore_index=True).drop(columns="rank")
    return table.assign(chosen=table.index == 0)


def _aicc(fit: MixedFit) -> dict[str, float]:
    glance = fit.glance().iloc[0]
    k, n = (glance["aic"] + 2 * glance["log_lik"]) / 2, glance["n_obs"]
    return {
        "n_parameters": round(k),
        "log_lik": glance["log_lik"],
        "aicc": glance["aic"] + 2 * k * (k + 1) / (n - k - 1),
    }


def literature_formulas(
    timing: Timing, shape: TimeShape, alliance: str = v.ALLIANCE_CLIENT, outcome: str = v.SYMPTOMS
) -> dict[str, str]:
    """Return the formulas of the mixed models in use, by name; students start from these.

    Examples
    --------
    >>> literature_formulas(Timing(1, "lagged", ""), "log")["centred alliance"]
    'symptoms ~ log_time + alliance_client_within_lag1 + alliance_client_between + (1 | client)'
    """
    if shape not in TIME_TERMS:
        raise ModelError(f"time shape must be one of {', '.join(TIME_TERMS)}, got {shape!r}.")
    centred = f"{timing.exposure(alliance, v.WITHIN)} + {alliance}{v.BETWEEN}"
    earlier = f"{outcome}{v.LAG}1"
    firsts = f"{outcome}{v.FIRST} + {alliance}{v.FIRST}"
    bodies = {
        CLASSIC: centred,
        LAGGED_OUTCOME: f"{earlier} + {centred}",
        FIRST_VALUES: f"{earlier} + {timing.exposure(alliance)} + {firsts}",
        SAME_SESSION: f"{alliance}{v.WITHIN} + {alliance}{v.BETWEEN}",
    }
    time = f"{TIME_TERMS[shape]} + " if TIME_TERMS[shape] else ""
    return {name: f"{outcome} ~ {time}{body} + (1 | {v.CLIENT})" for name, body in bodies.items()}


@dataclass(frozen=True)
class RefusedFit:
    """A model that these data cannot carry: it has the shape of a fit, no number, and the reason.

    Attributes
    ----------
    term : str
        What the model was asked about.
    reason : str
        Why it was refused.
    """

    term: str
    reason: str

    @property
    def converged(self) -> bool:
        """Always False: nothing was fitted."""
        return False

    @property
    def withheld(self) -> dict[str, str]:
        """The term with the reason."""
        return {self.term: self.reason}

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Return the term without numbers."""
        table = pd.DataFrame(np.nan, index=[0], columns=list(TIDY_COLUMNS)).astype({"term": object})
        return table.assign(term=self.term)

    def glance(self) -> pd.DataFrame:
        """Return that no row was used and nothing converged."""
        return pd.DataFrame([{"n_obs": 0, "n_client": 0, "converged": False}])


@dataclass(frozen=True)
class LiteratureFits:
    """The mixed models of the literature on one study, side by side; none of them is the answer.

    Attributes
    ----------
    fits : dict of str to MixedFit or RefusedFit
    exposure : dict of str to str
        The term of each model that the question is about.
    scale : dict of str to float
        SD_w(alliance) / SD_w(symptoms) on the rows of each model: estimate * scale is standardised within clients.
    """

    fits: Mapping[str, MixedFit | RefusedFit]
    exposure: Mapping[str, str]
    scale: Mapping[str, float]

    def labels(self, name: str) -> dict[str, object]:
        """Return what `report.record` asks about a model: its name, the level of its terms, the standardised slope."""
        term = self.exposure[name]
        table = self.fits[name].tidy().set_index("term")["estimate"]
        levels = {term: v.LEVEL_WITHIN} | {other: v.LEVEL_BETWEEN for other in table.index if other.endswith(v.BETWEEN)}
        return {"model": name, "levels": levels, "standardised": {term: float(table[term] * self.scale[name])}}

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Return one row per model: `model`, its exposure term's tidy columns, `standardised` with limits, `note`.

        A model that did not converge or was refused has no number and says so in `note`.
        """
        rows = [self._row(name, conf_level) for name in self.fits]
        return pd.concat(rows, ignore_index=True)

    def _row(self, name: str, conf_level: float) -> pd.DataFrame:
        fit, term = self.fits[name], self.exposure[name]
        table = fit.tidy(conf_level)
        row = table[table["term"] == term].copy()
        if term in fit.withheld or not fit.converged:
            row[list(TIDY_COLUMNS[1:])] = np.nan
        scaled = {
            f"standardised{suffix}": row[column] * self.scale[name]
            for suffix, column in (("", "estimate"), ("_low", "conf_low"), ("_high", "conf_high"))
        }
        glance = fit.glance().iloc[0]
        counts = {"n_sessions": glance["n_obs"], "n_clients": glance["n_client"]}
        return row.assign(**scaled, **counts, model=name, note=fit.withheld.get(term, ""))


def fit_literature_models(
    data: pd.DataFrame,
    timing: Timing,
    shape: TimeShape = "log",
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    df: DfMethod = "satterthwaite",
    names: Sequence[str] = (*PREDICTIVE, SAME_SESSION),
    covariates: Sequence[str] = (),
) -> LiteratureFits:
    """Fit the mixed models in use on paired sessions (`pair_sessions`), two-level, REML.

    Parameters
    ----------
    data : DataFrame
        From `pair_sessions`.
    timing : Timing
    shape : "linear", "log", "quadratic" or "factor"
        Time shape, chosen on the outcome alone (`compare_time_shapes`).
    alliance, outcome : str
    df : "satterthwaite" or "normal"
    names : sequence of str
        Which of the models; default: all four.
    covariates : sequence of str
        Further columns of `data` in every model, such as age (`add_client_columns`); their terms are fixed.

    Returns
    -------
    LiteratureFits
        Centred alliance; the same with earlier symptoms (biased: the mean contains the future); raw values with
        earlier symptoms and first values; and the same-session association, which is no prediction. Where the alliance
        is rated before and symptoms after the same session, the last is the first and is refused under its own name.

    References
    ----------
    Curran & Bauer 2011; Falkenström et al. 2017; Nickell 1981 (the bias of the second).
    """
    more = "".join(f" + {name}" for name in covariates)
    every = {name: text + more for name, text in literature_formulas(timing, shape, alliance, outcome).items()}
    within = timing.exposure(alliance, v.WITHIN)
    exposure = {
        CLASSIC: within,
        LAGGED_OUTCOME: within,
        FIRST_VALUES: timing.exposure(alliance),
        SAME_SESSION: alliance + v.WITHIN,
    }
    fits = {name: fit_or_refuse(every[name], data, df, exposure[name]) for name in names}
    if SAME_SESSION in fits and every[SAME_SESSION] == every[CLASSIC]:
        fits[SAME_SESSION] = RefusedFit(
            exposure[SAME_SESSION],
            f"the alliance is rated before and symptoms after the session, so this pairing is the model '{CLASSIC}'",
        )
    scale = {name: _scale(fit, data, exposure[name], outcome) for name, fit in fits.items()}
    return LiteratureFits(fits, exposure, scale)


def fit_or_refuse(
    formula: str, data: pd.DataFrame, df: DfMethod, term: str, residual: Structure | None = None
) -> MixedFit | RefusedFit:
    """Fit a model, or say why these data cannot carry it: the other models of the study stand all the same."""
    try:
        return fit_mixed(formula, data, df=df, residual=residual)
    except ModelError as error:
        return RefusedFit(term, str(error).rstrip("."))


def _scale(fit: MixedFit | RefusedFit, data: pd.DataFrame, exposure: str, outcome: str) -> float:
    if isinstance(fit, RefusedFit):
        return float("nan")
    rows = data.iloc[fit.rows]
    return within_sd(rows, exposure) / within_sd(rows, outcome)


def compare_models_by_shape(
    data: pd.DataFrame,
    timing: Timing,
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    outcome: str = v.SYMPTOMS,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """Fit the literature's models under linear, log-shaped and free time, and with no time term at all.

    The last is the usual mistake: two series that both change over treatment go together for that reason alone.

    Returns
    -------
    DataFrame
        `model time_shape standardised conf_low conf_high n_sessions n_clients note`; the limits are `standardised`'s.
    """
    tables = []
    for shape in _SIDE_BY_SIDE:
        fits = fit_literature_models(data, timing, shape, alliance=alliance, outcome=outcome, df="normal")
        tables.append(fits.tidy(conf_level).assign(time_shape=shape))
    limits = {"standardised_low": "conf_low", "standardised_high": "conf_high"}
    columns = ["model", "time_shape", "standardised", *limits, "n_sessions", "n_clients", "note"]
    order = {name: k for k, name in enumerate((*PREDICTIVE, SAME_SESSION))}
    table = pd.concat(tables, ignore_index=True)[columns].rename(columns=limits)
    return table.sort_values("model", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def best_shape(shapes: pd.DataFrame) -> TimeShape:
    """Return the chosen shape of `compare_time_shapes`."""
    chosen: TimeShape = shapes.loc[shapes["chosen"], "shape"].iloc[0]
    return chosen


def compare_rows(
    data: pd.DataFrame, timing: Timing, alliance: str = v.ALLIANCE_CLIENT, outcome: str = v.SYMPTOMS
) -> pd.DataFrame:
    """Return how many sessions and clients are left after each requirement of the lagged models.

    Returns
    -------
    DataFrame
        `step sessions clients lost_sessions lost_clients`.
    """
    steps = {
        "all sessions": [],
        f"with {outcome}": [outcome],
        f"and {outcome} at the session before": [outcome, f"{outcome}{v.LAG}1"],
        f"and {alliance} at the earlier time": [outcome, f"{outcome}{v.LAG}1", timing.exposure(alliance)],
    }
    kept = [data.dropna(subset=need) for need in steps.values()]
    table = pd.DataFrame(
        {"step": list(steps), "sessions": [len(k) for k in kept], "clients": [k[v.CLIENT].nunique() for k in kept]}
    )
    return table.assign(
        lost_sessions=-table["sessions"].diff().fillna(0).astype(int),
        lost_clients=-table["clients"].diff().fillna(0).astype(int),
    )
