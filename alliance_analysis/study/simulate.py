"""Simulates studies whose truth is known: one generator for the example study, the tests, the guard rails and teaching.

Everything is drawn with ``standard_normal`` and ``random`` of a seeded generator and with square roots written out
here (no LAPACK), and is rounded to instrument precision, so that a seed gives the same study on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.errors import ModelError
from alliance_analysis.study import vocabulary as v


@dataclass(frozen=True)
class SeriesParameters:
    """The truth behind a pair of series, in units of each series' within-client standard deviation.

    Symptoms are collected before and the alliance after each session::

        symptoms_t = stable + trend * shape_t + s_t      s_t = autoregression_symptoms s_(t-1) + prospective a_(t-1) + e
        alliance_t = stable + trend * shape_t + a_t      a_t = autoregression_alliance a_(t-1) + feedback s_t + e

    with ``s`` and ``a`` stationary of variance 1 and ``shape_t = log(session)``.
    """

    autoregression_symptoms: float = 0.40
    autoregression_alliance: float = 0.40
    prospective: float = -0.20
    feedback: float = -0.20
    stable_sd_symptoms: float = 1.0
    stable_sd_alliance: float = 1.0
    stable_correlation: float = -0.30
    trend_symptoms: float = 0.0
    trend_alliance: float = 0.0
    trend_sd_symptoms: float = 0.0
    trend_sd_alliance: float = 0.0

    def same_session_covariance(self) -> float:
        """Return cov(s_t, a_t) at stationarity."""
        return (self.autoregression_alliance * self.prospective + self.feedback) / (
            1 - self.autoregression_alliance * self.autoregression_symptoms
        )

    def innovation_variances(self) -> tuple[float, float]:
        """Return the innovation variances of symptoms and alliance that make both series have variance 1.

        Raises
        ------
        ModelError
            If no stationary series with unit variance has these coefficients.
        """
        c = self.same_session_covariance()
        lagged = self.autoregression_symptoms * c + self.prospective  # cov(a_(t-1), s_t)
        symptoms = 1 - (
            self.autoregression_symptoms**2
            + self.prospective**2
            + 2 * self.autoregression_symptoms * self.prospective * c
        )
        alliance = 1 - (
            self.autoregression_alliance**2
            + self.feedback**2
            + 2 * self.autoregression_alliance * self.feedback * lagged
        )
        if symptoms <= 0 or alliance <= 0 or abs(c) >= 1:
            raise ModelError(
                f"simulate_series: no stationary series has these coefficients ({self}); "
                "autoregressions and cross-effects must be smaller. Lower them."
            )
        return symptoms, alliance


def simulate_series(
    parameters: SeriesParameters, n_clients: int, n_sessions: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw symptoms and alliance of `n_clients` clients at sessions 1 to `n_sessions`.

    Parameters
    ----------
    parameters : SeriesParameters
    n_clients, n_sessions : int
        Size of the complete grid; the caller takes missing sessions out.
    rng : numpy.random.Generator

    Returns
    -------
    symptoms, alliance : ndarray, shape (n_clients, n_sessions)
        In units of the within-client standard deviation, mean 0 at session 1.

    Examples
    --------
    >>> symptoms, alliance = simulate_series(SeriesParameters(), 5, 8, np.random.default_rng(1))
    >>> symptoms.shape
    (5, 8)
    """
    p = parameters
    shape = np.log(np.arange(1, n_sessions + 1))
    stable_symptoms, stable_alliance = _correlated_pair(p.stable_correlation, n_clients, rng)
    slopes = rng.standard_normal((2, n_clients))
    s, a = _stationary_pair(p, n_clients, n_sessions, rng)
    symptoms = (
        p.stable_sd_symptoms * stable_symptoms[:, None]
        + (p.trend_symptoms + p.trend_sd_symptoms * slopes[0])[:, None] * shape
        + s
    )
    alliance = (
        p.stable_sd_alliance * stable_alliance[:, None]
        + (p.trend_alliance + p.trend_sd_alliance * slopes[1])[:, None] * shape
        + a
    )
    return symptoms, alliance


def _correlated_pair(correlation: float, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first, second = rng.standard_normal((2, n))
    return first, correlation * first + np.sqrt(1 - correlation**2) * second


def _stationary_pair(
    p: SeriesParameters, n_clients: int, n_sessions: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return s and a, each (n_clients, n_sessions), started from their stationary distribution."""
    sd_symptoms, sd_alliance = np.sqrt(p.innovation_variances())
    noise = rng.standard_normal((2, n_sessions, n_clients))
    s, a = np.empty((2, n_clients, n_sessions))
    c = p.same_session_covariance()
    s[:, 0], a[:, 0] = noise[0, 0], c * noise[0, 0] + np.sqrt(1 - c**2) * noise[1, 0]
    for t in range(1, n_sessions):
        s[:, t] = p.autoregression_symptoms * s[:, t - 1] + p.prospective * a[:, t - 1] + sd_symptoms * noise[0, t]
        a[:, t] = p.autoregression_alliance * a[:, t - 1] + p.feedback * s[:, t] + sd_alliance * noise[1, t]
    return s, a


@dataclass(frozen=True)
class StudyDesign:
    """Sizes and measurement scales of a simulated study (CORE-10 sums, WAI-SR means; sizes as in the literature).

    The more the raters differ, the more symptoms, in points of the sum per squared point of the ratings::

        symptoms_(t+1) = ... + congruence_within  (D_t^2 - mean D^2)          D_t = therapist's - client's deviation
        symptoms_post  = ... + congruence_between (M^2 - slope (C - mean C))  M = client's mean C - therapist's mean

    Deviations and means are of the ratings before rounding, over sessions 1 to `n_sessions`. The within part enters
    the symptoms of the next session only: neither the series nor the end state carries it on. Therapists follow a
    client by less than one for one, so that M grows with C and M^2 alone would take from the alliance its relation to
    the end state; `slope`, that of M^2 on C, gives it back.

    A response surface over both ratings, each around one common value, has ``a4 = 4 congruence``. The squares add
    nothing to ``a1``, ``a2`` and ``a3``; ``a1`` and ``a3`` hold what the client's rating does by itself, `slope`
    included.
    """

    n_clients: int = 240
    n_therapists: int = 24
    n_sessions: int = 20
    missing_sessions: float = 0.06
    missing_ratings: float = 0.04
    symptoms_mean: float = 21.0
    symptoms_sd: float = 3.2
    symptoms_therapist_sd: float = 1.2
    alliance_mean: float = 3.55
    alliance_sd: float = 0.30
    alliance_therapist_sd: float = 0.15
    rater_bias: float = -0.25
    rater_truth_force_within: float = 0.45
    rater_truth_force_between: float = 0.55
    congruence_within: float = 4.0
    congruence_between: float = 8.0
    burnout_on_alliance: float = -0.10
    arm_on_alliance: float = 0.10
    dropout_hazard: float = 0.025
    dropout_on_alliance: float = -0.50


EXAMPLE_SERIES = SeriesParameters(
    autoregression_symptoms=0.35,
    autoregression_alliance=0.30,
    prospective=-0.15,
    feedback=-0.20,
    stable_sd_symptoms=1.5,
    stable_sd_alliance=1.3,
    stable_correlation=-0.30,
    trend_symptoms=-0.85,
    trend_alliance=0.25,
    trend_sd_symptoms=0.45,
    trend_sd_alliance=0.15,
)

SESSION_COLUMNS = [
    v.CLIENT, v.THERAPIST, v.SESSION, v.DATE, v.MODALITY,
    *(f"{v.ALLIANCE_CLIENT}_{part}" for part in v.SUBSCALES), v.ALLIANCE_CLIENT,
    *(f"{v.ALLIANCE_THERAPIST}_{part}" for part in v.SUBSCALES), v.ALLIANCE_THERAPIST,
    v.SYMPTOMS, "burnout", "self_care",
]  # fmt: skip
CLIENT_COLUMNS = [
    v.CLIENT, v.CONDITION, v.STATUS, v.PLANNED_SESSIONS, v.SYMPTOMS + v.POST,
    "life_satisfaction_baseline", "life_satisfaction_post",
    "real_relationship", "empathy", "positive_regard", "congruence",
]  # fmt: skip


@dataclass(frozen=True)
class SimulatedStudy:
    """A simulated study: its two tables and the truth that made them."""

    sessions: pd.DataFrame
    clients: pd.DataFrame
    truth: Mapping[str, Any]


def simulate_study(
    seed: int, design: StudyDesign | None = None, series: SeriesParameters = EXAMPLE_SERIES
) -> SimulatedStudy:
    """Simulate a study of sessions nested in clients nested in therapists, with both raters of the alliance.

    Parameters
    ----------
    seed : int
        Same seed, same study.
    design : StudyDesign, optional
        Sizes and scales; default: those of the example study.
    series : SeriesParameters
        The truth behind symptoms and the client's alliance rating.

    Returns
    -------
    SimulatedStudy
        `sessions` (`SESSION_COLUMNS`), `clients` (`CLIENT_COLUMNS`), `truth`.

    Examples
    --------
    >>> simulate_study(1, StudyDesign(n_clients=6, n_therapists=2, n_sessions=4)).clients.shape
    (6, 11)
    """
    return _draw_study(seed, design or StudyDesign(), series)[0]


def _draw_study(
    seed: int, design: StudyDesign, series: SeriesParameters
) -> tuple[SimulatedStudy, dict[str, np.ndarray]]:
    """Return the study and the scores before rounding that lie behind it."""
    rng = np.random.default_rng(seed)
    therapists = _draw_therapists(design, rng)
    clients = _draw_clients(design, rng)
    latent = _draw_latent(design, series, therapists, clients, rng)
    latent |= _add_congruence(design, latent["alliance_client"], latent["alliance_therapist"])
    attended = _draw_attendance(design, clients, latent["alliance_level"], rng)
    sessions = _session_table(design, therapists, clients, latent, attended, rng)
    table = _client_table(clients, latent, attended, rng)
    truth = {"seed": seed, "series": asdict(series), "design": asdict(design)}
    return SimulatedStudy(sessions, table, truth), latent


def simulate_population_r(
    design: StudyDesign, series: SeriesParameters, n_clients: int = 40_000, seed: int = 0
) -> dict:
    """Return the population's correlations of early alliance and end state, from a very large simulated sample.

    Parameters
    ----------
    design, series : StudyDesign, SeriesParameters
    n_clients : int
        The Monte Carlo error of a correlation is about ``1 / sqrt(n_clients)``.
    seed : int

    Returns
    -------
    dict
        `r` (alliance at sessions 3 to 5 with symptoms at the end), `r_given_baseline`, `r_given_change_so_far`
        (symptoms at sessions 1 and at 3 to 5 held constant), rounded to 2 decimals.
    """
    study = simulate_study(seed, _crowd(design, n_clients), series)
    sessions = study.sessions.astype({v.SYMPTOMS: float})
    early = sessions[sessions[v.SESSION].between(3, 5)].groupby(v.CLIENT)[[v.ALLIANCE_CLIENT, v.SYMPTOMS]].mean()
    table = pd.DataFrame(
        {
            "alliance": early[v.ALLIANCE_CLIENT],
            "end": study.clients.set_index(v.CLIENT)[v.SYMPTOMS + v.POST].astype(float),
            "baseline": sessions[sessions[v.SESSION] == 1].set_index(v.CLIENT)[v.SYMPTOMS],
            "so_far": early[v.SYMPTOMS],
        }
    ).dropna()
    precision = [np.linalg.inv(table[names].corr()) for names in _POPULATION_SETS]
    r = [round(float(-k[0, 1] / np.sqrt(k[0, 0] * k[1, 1])), 2) for k in precision]
    return dict(zip(("r", "r_given_baseline", "r_given_change_so_far"), r, strict=True))


_POPULATION_SETS = (["alliance", "end"], ["alliance", "end", "baseline"], ["alliance", "end", "baseline", "so_far"])


def simulate_population_agreement(
    design: StudyDesign, series: SeriesParameters, n_clients: int = 40_000, seed: int = 0
) -> dict[str, float]:
    """Return how the population's raters agree, from a very large simulated sample, in points of the ratings.

    Parameters
    ----------
    design, series : StudyDesign, SeriesParameters
    n_clients : int
        The Monte Carlo error is about ``1 / sqrt(n_clients)`` at the level of clients, less within them.
    seed : int

    Returns
    -------
    dict
        Rounded to 2 decimals, the two of congruence exact.

        - `directional_bias`: the therapist's minus the client's rating, mean of the clients' means.
        - `truth_force_within`, `correlation_within`: slope of the therapist's deviations on the client's, and their
          correlation.
        - `truth_force_between`: slope of the therapist's mean for a client on the client's mean.
        - `correlation_between`: of the clients' latent means over all sessions of the design.
        - `congruence_within_a4`, `congruence_between_a4`: curvature of the response surface along the line of
          incongruence, four times the design's coefficient.
        - `congruence_between_early_a4`: what is left of the latter in means of sessions 3 to 5, with the start held
          constant, to the nearest whole number.

    Notes
    -----
    Bias, truth forces and `correlation_within` come from the sessions that both rated, as they stand in the file:
    rounded to the instrument's steps, the means those of these sessions. Where another reading gives another value:

    - the bias is not `StudyDesign.rater_bias`, which holds for a client at `StudyDesign.alliance_mean`: the alliance
      grows and the therapist follows by less, so that the bias is further from zero late in therapy, for clients who
      stay, and with equal weight per session instead of per client;
    - the truth forces are a little smaller than the design's, as rounding of the client's rating attenuates them; the
      one between also takes in some of the one within, as means of few sessions hold chance deviations;
    - `correlation_within` holds the common course over the sessions; around each client's own course it is smaller;
    - `correlation_between` holds what clients of one therapist share, and is no correlation of means of few ratings;
    - the two `a4` are those of the ratings before rounding, over all sessions of the design. Within, an estimate from
      the file's ratings is expected nearly a tenth lower, as rounding blurs the difference. Between, it is exact for
      clients with every session; fewer sessions blur it by up to a fifth, and dropout that depends on the alliance
      bends the surface a little by itself.
    """
    study, latent = _draw_study(seed, _crowd(design, n_clients), series)
    ratings = study.sessions[[v.CLIENT, v.ALLIANCE_CLIENT, v.ALLIANCE_THERAPIST]].dropna()
    means = ratings.groupby(v.CLIENT).mean()
    raters = list(means)
    within = ratings[raters] - means.loc[ratings[v.CLIENT]].to_numpy()
    latent_means = [latent[rater].mean(axis=1) for rater in raters]
    simulated = {
        "directional_bias": (means[v.ALLIANCE_THERAPIST] - means[v.ALLIANCE_CLIENT]).mean(),
        "truth_force_within": _slope(within),
        "truth_force_between": _slope(means),
        "correlation_within": within.corr().iloc[0, 1],
        "correlation_between": np.corrcoef(latent_means)[0, 1],
    }
    return {name: round(float(value), 2) for name, value in simulated.items()} | {
        "congruence_within_a4": 4 * design.congruence_within,
        "congruence_between_a4": 4 * design.congruence_between,
        "congruence_between_early_a4": round(_early_curvature(study)),
    }


def _early_curvature(study: SimulatedStudy, early: tuple[int, int] = (3, 5)) -> float:
    """Return a4 of `symptoms_post` on both raters' means of the early sessions, symptoms at the start held constant."""
    sessions = study.sessions.astype({v.SYMPTOMS: float})
    raters = [v.ALLIANCE_CLIENT, v.ALLIANCE_THERAPIST]
    both = sessions[sessions[v.SESSION].between(*early)].dropna(subset=raters)
    table = both.groupby(v.CLIENT)[raters].mean()
    table["start"] = sessions[sessions[v.SESSION] <= 2].groupby(v.CLIENT)[v.SYMPTOMS].first()
    table["end"] = study.clients.set_index(v.CLIENT)[v.SYMPTOMS + v.POST].astype(float)
    table = table.dropna()
    x, y = (table[name] - table[raters].to_numpy().mean() for name in raters)
    columns = [np.ones(len(table)), table["start"], x, y, x * x, x * y, y * y]
    b = np.linalg.lstsq(np.column_stack(columns), table["end"].to_numpy(), rcond=None)[0]
    return float(b[4] - b[5] + b[6])


def _slope(pair: pd.DataFrame) -> float:
    """Return the least-squares slope of the second column on the first."""
    covariance = pair.cov().to_numpy()
    return covariance[0, 1] / covariance[0, 0]


def _crowd(design: StudyDesign, n_clients: int) -> StudyDesign:
    return replace(design, n_clients=n_clients, n_therapists=max(1, n_clients // 10))


def _draw_therapists(design: StudyDesign, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = design.n_therapists
    burnout, self_care = _correlated_pair(-0.5, n, rng)
    return {
        "burnout": burnout,
        "self_care": self_care,
        "symptoms": design.symptoms_therapist_sd * rng.standard_normal(n),
        "alliance": design.alliance_therapist_sd * rng.standard_normal(n) + design.burnout_on_alliance * burnout,
        "rater": 0.20 * rng.standard_normal(n),
    }


def _draw_clients(design: StudyDesign, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = design.n_clients
    first = np.arange(design.n_therapists)  # every therapist has a client
    rest = rng.integers(0, design.n_therapists, max(0, n - design.n_therapists))
    return {
        "therapist": np.sort(np.concatenate([first, rest])[:n]),
        "arm": rng.integers(0, 2, n),
        "online": rng.random(n),
        "planned": np.where(rng.random(n) < 0.5, design.n_sessions, max(1, round(0.6 * design.n_sessions))),
        "start": rng.integers(0, 3 * 52, n),
        "weekday": rng.integers(0, 5, n),
    }


def _draw_latent(
    design: StudyDesign,
    series: SeriesParameters,
    therapists: dict[str, np.ndarray],
    clients: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return the scores before rounding, each (n_clients, n_sessions), and the clients' alliance level."""
    n, t = design.n_clients, design.n_sessions
    who = clients["therapist"]
    symptoms, alliance = simulate_series(series, n, t, rng)
    level = therapists["alliance"][who] + design.arm_on_alliance * (clients["arm"] - 0.5)
    client_part = design.alliance_mean + design.alliance_sd * alliance + level[:, None]
    client_mean = client_part.mean(axis=1)
    therapist_part = (
        design.alliance_mean
        + design.rater_bias
        + therapists["rater"][who][:, None]
        + design.rater_truth_force_between * (client_mean - design.alliance_mean)[:, None]
        + design.rater_truth_force_within * (client_part - client_mean[:, None])
        + 0.25 * rng.standard_normal(n)[:, None]
        + 0.25 * rng.standard_normal((n, t))
    )
    return {
        "symptoms": design.symptoms_mean + design.symptoms_sd * symptoms + therapists["symptoms"][who][:, None],
        "alliance_client": client_part,
        "alliance_therapist": therapist_part,
        "alliance_level": (client_part - design.alliance_mean) / design.alliance_sd,
    }


def _add_congruence(design: StudyDesign, client: np.ndarray, therapist: np.ndarray) -> dict[str, np.ndarray]:
    """Return what disagreement adds to the symptoms of each session, (n_clients, n_sessions), and at the end, (n,).

    It draws nothing, so that all else of a study is the same with and without it.
    """
    gap, level = client - therapist, client.mean(axis=1)
    mean_gap = gap.mean(axis=1)
    squared = (gap - mean_gap[:, None]) ** 2
    sessions = np.zeros_like(gap)  # nothing went before session 1
    sessions[:, 1:] = design.congruence_within * (squared[:, :-1] - squared.mean())
    slope = 2 * mean_gap.mean() * (1 - design.rater_truth_force_between)  # of the squared gap on the client's mean
    end = design.congruence_between * (mean_gap**2 - slope * (level - level.mean()))
    return {"incongruence": sessions, "incongruence_end": end}


def _draw_attendance(
    design: StudyDesign, clients: dict[str, np.ndarray], alliance_level: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return who ended how, the last session of each client, and which sessions have a form: (n, n_sessions)."""
    n, t = alliance_level.shape
    previous = np.concatenate([alliance_level[:, :1], alliance_level[:, :-1]], axis=1)
    odds = design.dropout_hazard / (1 - design.dropout_hazard) * np.exp(design.dropout_on_alliance * previous)
    leaves = rng.random((n, t)) < odds / (1 + odds)
    leaves[:, 0] = False  # a client without a session is not in the data
    left = np.where(leaves.any(axis=1), leaves.argmax(axis=1) + 1, t + 1)  # the session that does not take place
    dropout = left <= clients["planned"]
    last = np.where(dropout, left - 1, clients["planned"])
    session = np.arange(1, t + 1)
    held = session <= last[:, None]
    form = rng.random((n, t)) >= design.missing_sessions
    form[:, 0] = True
    other = rng.random(n)
    status = np.select(
        [dropout & (other < 0.12), dropout, other < 0.06], ["referred", "dropout", "ongoing"], default="completed"
    )
    return {"status": status, "last": last, "observed": held & form}


def _session_table(
    design: StudyDesign,
    therapists: dict[str, np.ndarray],
    clients: dict[str, np.ndarray],
    latent: dict[str, np.ndarray],
    attended: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> pd.DataFrame:
    i, t = np.nonzero(attended["observed"])
    who = clients["therapist"][i]
    symptoms = (latent["symptoms"] + latent["incongruence"])[i, t]
    monday = np.datetime64("2021-01-04")
    table = {
        v.CLIENT: _names("c", i, design.n_clients),
        v.THERAPIST: _names("t", who, design.n_therapists),
        v.SESSION: t + 1,
        v.DATE: monday + 7 * (clients["start"][i] + t) + clients["weekday"][i],
        v.MODALITY: np.where(
            rng.random(i.size) < np.where(clients["online"][i] < 0.35, 0.85, 0.10), "online", "in_person"
        ),
        v.SYMPTOMS: _missing(np.clip(np.rint(symptoms), 0, 40), design.missing_ratings, rng),
        "burnout": np.round(np.clip(2.5 + 0.8 * therapists["burnout"][who], 0, 6), 1),
        "self_care": np.round(np.clip(3.5 + 0.6 * therapists["self_care"][who], 1, 5), 1),
    }
    for rater in (v.ALLIANCE_CLIENT, v.ALLIANCE_THERAPIST):
        table |= _subscales(rater, latent[rater][i, t], design.missing_ratings, rng)
    return _whole_numbers(pd.DataFrame(table)[SESSION_COLUMNS])


def _subscales(rater: str, score: np.ndarray, missing: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return goal, task and bond as means of four items on 1 to 5 and their mean, missing together."""
    parts = 0.15 * rng.standard_normal((len(v.SUBSCALES), score.size))
    parts = parts - parts.mean(axis=0) + np.array([0.0, -0.1, 0.1])[:, None]
    rated = np.clip(np.rint((score + parts) * 4) / 4, 1, 5)
    rated[:, rng.random(score.size) < missing] = np.nan
    table = {f"{rater}_{name}": part for name, part in zip(v.SUBSCALES, rated, strict=True)}
    return table | {rater: np.round(rated.mean(axis=0), 4)}


def _client_table(
    clients: dict[str, np.ndarray],
    latent: dict[str, np.ndarray],
    attended: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = attended["last"].size
    rows = np.arange(n)
    end = latent["symptoms"][rows, attended["last"] - 1]
    early = latent["alliance_level"][:, :3].mean(axis=1)
    satisfied = 20 - 0.5 * (latent["symptoms"][:, 0] - 20)
    post = end + 1.5 * rng.standard_normal(n) + latent["incongruence_end"]
    table = {
        v.CLIENT: _names("c", rows, n),
        v.CONDITION: np.where(clients["arm"] == 1, "alliance_feedback", "usual_care"),
        v.STATUS: attended["status"],
        v.PLANNED_SESSIONS: clients["planned"],
        v.SYMPTOMS + v.POST: _missing(np.clip(np.rint(post), 0, 40), 0.15, rng),
        "life_satisfaction_baseline": np.clip(np.rint(satisfied + 4 * rng.standard_normal(n)), 5, 35),
        "life_satisfaction_post": _missing(
            np.clip(np.rint(20 - 0.5 * (end - 20) + 4 * rng.standard_normal(n)), 5, 35), 0.15, rng
        ),
    }
    for name, weight in (("real_relationship", 0.55), ("empathy", 0.5), ("positive_regard", 0.45), ("congruence", 0.4)):
        score = 3.6 + 0.45 * (weight * early + np.sqrt(1 - weight**2) * rng.standard_normal(n))
        table[name] = _missing(np.round(np.clip(score, 1, 5), 2), 0.05, rng)
    return _whole_numbers(pd.DataFrame(table)[CLIENT_COLUMNS])


def _whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with whole scores as Int64, so that a file holds 15 and not 15.0."""
    whole = [
        name
        for name, values in table.items()
        if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all()
    ]
    return table.astype(dict.fromkeys(whole, "Int64"))


def _names(letter: str, index: np.ndarray, count: int) -> np.ndarray:
    width = len(str(count))
    return np.array([f"{letter}{k + 1:0{width}d}" for k in index])


def _missing(values: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(values.size) < share, np.nan, values)


def simulate_example(seed: int = 1) -> SimulatedStudy:
    """Simulate the example study: `simulate_study` with its defaults, the population's values in its truth.

    Beside what made the study, the truth holds `early_alliance` (`simulate_population_r`) and `agreement`
    (`simulate_population_agreement`).
    """
    study = simulate_study(seed)
    population = {
        "early_alliance": simulate_population_r(StudyDesign(), EXAMPLE_SERIES),
        "agreement": simulate_population_agreement(StudyDesign(), EXAMPLE_SERIES),
    }
    return replace(study, truth={**study.truth, **population})


def write_simulated(study: SimulatedStudy, folder: Path) -> None:
    """Write `sessions.csv`, `clients.csv` and `truth.json` into `folder` (LF line ends, blank = missing)."""
    folder.mkdir(parents=True, exist_ok=True)
    study.sessions.to_csv(folder / "sessions.csv", index=False, lineterminator="\n")
    study.clients.to_csv(folder / "clients.csv", index=False, lineterminator="\n")
    text = json.dumps(study.truth, indent=2, sort_keys=True) + "\n"
    (folder / "truth.json").write_text(text, encoding="utf-8", newline="\n")


def load_truth(folder: Path) -> dict[str, Any]:
    """Return the truth beside a simulated study, or an empty dictionary where there is none."""
    file = folder / "truth.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
