"""Holds one's own estimate against the published ones, or, for a simulated study, against its truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from alliance_analysis.errors import DataError
from alliance_analysis.estimands import (
    Estimand,
    agreement_estimand,
    difference_estimand,
    end_state_estimand,
)
from alliance_analysis.resources import data_folder
from alliance_analysis.study import vocabulary as v

CONSISTENT_WITH_SIGNAL = "consistent with signal"
CONSISTENT_WITHOUT_SIGNAL = "consistent without signal (cannot tell)"
WEAKER = "weaker"
STRONGER = "stronger"
OPPOSITE = "opposite"
PRACTICALLY_NONE = "practically none"
NOT_COMPARABLE = "not comparable"
NO_NUMBER = "no number"
VERDICTS = (
    CONSISTENT_WITH_SIGNAL, CONSISTENT_WITHOUT_SIGNAL, WEAKER, STRONGER, OPPOSITE, PRACTICALLY_NONE,
    NOT_COMPARABLE, NO_NUMBER,
)  # fmt: skip

BETWEEN_STUDY_SD = (0.0, 0.05, 0.10)  # tau is printed by none of the sources: shown for all three
_Z95 = float(ndtri(0.975))
_NUMBERS = ("estimate", "conf_low", "conf_high", "se", "k_studies", "benefit_sign")


def judge_agreement(
    agreement: pd.DataFrame, forces: pd.DataFrame, published: pd.DataFrame, *, simulated: bool = False
) -> pd.DataFrame:
    """Hold the agreement of client and therapist against published figures, each against the number of its own kind.

    Parameters
    ----------
    agreement, forces : DataFrame
        `tidy()` of `fit_agreement` (the therapist second) and of `fit_truth_and_bias` (the therapist judges); withheld
        numbers missing.
    published : DataFrame
        Rows of `load_published`: figures within clients stand beside the truth force, differences beside d (client
        minus therapist), all others beside the correlation between clients.
    simulated : bool

    Returns
    -------
    DataFrame
        The columns of `judge_replication`, in the order of `published`.
    """
    table = agreement.set_index("term")[["estimate", "std_error", "df"]].astype(float)
    # with one session each, the correlation of two single scores is all there is, and what reviews pool
    names = ["correlation between clients", "precision"]
    r = next((table.loc[name] for name in names if table.loc[name].notna().all()), table.loc[names[0]]).copy()
    r["std_error"] /= 1 - r["estimate"] ** 2  # on Fisher's z
    d = table.loc["standardised mean difference (d)"] * [-1.0, 1.0, 1.0]
    own_forces = forces.set_index("term")[["estimate", "std_error", "df"]].astype(float)
    force = own_forces.loc["truth_force_within"]
    judged = []
    for place in range(len(published)):
        finding = published.iloc[[place]]
        level, metric = finding["level"].iloc[0], finding["metric"].iloc[0]
        if level == "within_client":
            own, about = force, agreement_estimand(v.LEVEL_WITHIN)
        else:
            own, about = (d, difference_estimand()) if metric == "d" else (r, agreement_estimand())
        judged.append(judge_replication(own, about, finding, simulated=simulated))
    return pd.concat(judged, ignore_index=True) if judged else pd.DataFrame(columns=_COLUMNS)


def judge_levels(
    tidy: pd.DataFrame,
    levels: Mapping[str, str],
    published: pd.DataFrame,
    *,
    alliance: str = v.ALLIANCE_CLIENT,
    higher_is_worse: bool = True,
    simulated: bool = False,
) -> pd.DataFrame:
    """Hold the slopes of `fit_end_state`, one per level, each against the published figures of its own level.

    Parameters
    ----------
    tidy : DataFrame
        Rows with `term estimate std_error df`; a withheld slope has no number.
    levels : mapping
        Term -> level.
    published : DataFrame
        Rows of `load_published`; those of no level here are left out.
    alliance : str
    higher_is_worse : bool
        Direction of the outcome.
    simulated : bool

    Returns
    -------
    DataFrame
        The columns of `judge_replication`, in the order of `levels`.
    """
    table = tidy.set_index("term")[["estimate", "std_error", "df"]].astype(float)
    judged = [
        judge_replication(
            table.loc[term],
            end_state_estimand(level, alliance, higher_is_worse=higher_is_worse),
            published[published["level"].isin(_PUBLISHED_LEVELS[level])],
            simulated=simulated,
        )
        for term, level in levels.items()
    ]
    return pd.concat(judged, ignore_index=True) if judged else pd.DataFrame(columns=_COLUMNS)


# A client-level estimate without a therapist split may stand beside `total` rows too; a within one never.
_PUBLISHED_LEVELS = {
    v.LEVEL_WITHIN: {"within_client"},
    v.LEVEL_BETWEEN: {"between_client", "total"},
    v.LEVEL_BETWEEN_CLIENT: {"between_client"},
    v.LEVEL_BETWEEN_THERAPIST: {"between_therapist"},
}


def load_published(question: str | None = None, ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Return rows of `published_findings.csv`: the figures of one question, or those named.

    Parameters
    ----------
    question : str, optional
        Two digits, as in the notebook's number.
    ids : iterable of str, optional
        Rows by id, in this order.

    Returns
    -------
    DataFrame
        The columns of the file; `estimate conf_low conf_high se k_studies benefit_sign` as numbers, the rest as text.

    Raises
    ------
    DataError
        If an id is not in the file.

    Examples
    --------
    >>> load_published(ids=["M01"])["estimate"].item()
    0.278
    """
    table = pd.read_csv(data_folder() / "published_findings.csv", dtype=str, keep_default_na=False)
    table[[*_NUMBERS]] = table[[*_NUMBERS]].apply(pd.to_numeric)
    if question is not None:
        table = table[table["question"] == question]
    if ids is not None:
        wanted = list(ids)
        absent = [name for name in wanted if name not in set(table["id"])]
        if absent:
            raise DataError(f"published_findings.csv: no row {absent[0]!r}. `alliance list --findings` shows the ids.")
        table = table.set_index("id", drop=False).loc[wanted]
    return table.reset_index(drop=True)


def _t_quantile(share: float, df: float) -> float:
    return float(ndtri(share) if np.isinf(df) else stdtrit(df, share))


@dataclass(frozen=True)
class _Own:
    """One's own estimate on the analysis scale (Fisher z for r), turned so that > 0 is good for the client."""

    value: float
    se: float
    df: float

    def interval(self, level: float) -> tuple[float, float]:
        half = _t_quantile(0.5 + level / 2, self.df) * self.se
        return self.value - half, self.value + half

    @property
    def signal(self) -> bool:
        low, high = self.interval(0.95)
        return low > 0 or high < 0


def judge_replication(
    own: Mapping[str, Any] | pd.Series,
    estimand: Estimand,
    published: pd.DataFrame,
    *,
    simulated: bool = False,
    sesoi: float | None = None,
) -> pd.DataFrame:
    """Hold one estimate against published ones: comparable at all, and if so, consistent?

    The primary criterion is consistency: does the own estimate lie in the interval that the published one predicts for
    a new study of this size? The between-study standard deviation is not printed by the sources; a departure
    (weaker, stronger, opposite) is said only where it holds for every value shown (0, .05, .10).

    Parameters
    ----------
    own : mapping
        A tidy row: `estimate`, `std_error` (of Fisher's z where the metric is r), `df`; all missing where withheld.
    estimand : Estimand
        What the own estimate is about.
    published : DataFrame
        Rows of `load_published`.
    simulated : bool
        Simulated data is never evidence: every verdict is refused.
    sesoi : float, optional
        Smallest effect of interest, in the metric, stated beforehand.

    Returns
    -------
    DataFrame
        One row per published figure: `finding_id citation confidence level metric published published_low
        published_high own own_low own_high expected_low expected_high consistent_tau_0 consistent_tau_05
        consistent_tau_10 small_telescopes bayes_factor verdict reason`; own and expected values in the published
        metric, coded so that > 0 is good for the client.

    Raises
    ------
    DataError
        If the own estimate, its standard error or its df is not a usable number.

    References
    ----------
    Patil, Peng & Leek 2016; Simonsohn 2015; Verhagen & Wagenmakers 2014.

    Examples
    --------
    >>> from alliance_analysis.estimands import early_alliance_estimand
    >>> own = {"estimate": -0.25, "std_error": 0.07, "df": 200.0}
    >>> judge_replication(own, early_alliance_estimand(), load_published(ids=["M01"]))["verdict"].item()
    'consistent with signal'
    """
    _refuse_unusable(own, estimand.metric)
    to_scale = np.arctanh if estimand.metric in _CORRELATIONS else float
    sign = estimand.benefit_sign or 1
    mine = _Own(sign * float(to_scale(own["estimate"])), float(own["std_error"]), float(own["df"]))
    refused = _WITHHELD if np.isnan(mine.value) else _SIMULATED if simulated else ""
    rows = [_judge(mine, estimand, finding, refused, sesoi) for _, finding in published.iterrows()]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _refuse_unusable(own: Mapping[str, Any] | pd.Series, metric: str) -> None:
    estimate, std_error, df = (float(own[name]) for name in ("estimate", "std_error", "df"))
    if np.isnan(estimate) and np.isnan(std_error):
        return  # withheld: every verdict says so
    fine = np.isfinite(estimate) and np.isfinite(std_error) and std_error > 0 and df > 0
    if not fine or (metric in _CORRELATIONS and abs(estimate) >= 1):
        raise DataError(
            f"judge_replication: the own estimate is {estimate} with standard error {std_error} and {df} df; finite "
            "numbers with a standard error and df above 0 are needed. Report the estimate as withheld."
        )


_COLUMNS = [
    "finding_id", "citation", "confidence", "level", "metric", "published", "published_low", "published_high",
    "own", "own_low", "own_high", "expected_low", "expected_high",
    "consistent_tau_0", "consistent_tau_05", "consistent_tau_10", "small_telescopes", "bayes_factor",
    "verdict", "reason",
]  # fmt: skip


_CORRELATIONS = ("r", "correlation")
_WITHHELD = "the own estimate is withheld"
_SIMULATED = "this study is simulated, and simulated data is never evidence"


def _judge(mine: _Own, estimand: Estimand, finding: pd.Series, refused: str, sesoi: float | None) -> dict[str, Any]:
    """Return one row: gate A (same estimand), gate B (a number and its precision), then the criteria."""
    row = {"finding_id": finding["id"], "published": finding["estimate"]}
    row |= {name: finding[name] for name in ("citation", "confidence", "level", "metric")}
    row |= {"published_low": finding["conf_low"], "published_high": finding["conf_high"]}
    if refused:
        return row | {"verdict": NOT_COMPARABLE, "reason": refused}
    differs = _differences(estimand, finding)
    if differs:
        return row | {"verdict": NOT_COMPARABLE, "reason": "; ".join(differs)}
    row |= _own_in_metric(mine, estimand.metric)
    sign = _published_sign(finding, neutral=estimand.benefit_sign == 0)
    se = _published_se(finding)
    if sign == 0:
        return row | {"verdict": NO_NUMBER, "reason": _no_direction(finding)}
    if np.isnan(se) or finding["metric"] != estimand.metric:
        return row | {
            "verdict": _direction(mine, sign),
            "reason": "direction only: no comparable figure with its precision",
        }
    return row | _consistency(mine, finding, se, sesoi)


def _differences(estimand: Estimand, finding: pd.Series) -> list[str]:
    """Return in words where the published figure is about something else (gate A)."""
    allowed = {
        "level": _PUBLISHED_LEVELS[estimand.level],
        "exposure": {estimand.exposure, "alliance"},
        "rater": {estimand.rater, "mixed", "unknown"},
        "outcome": set(estimand.outcome),
        "exposure_time": {*estimand.exposure_time, "any"},
        "adjusted_for": {estimand.adjusted_for, "unknown"},
        "metric": {estimand.metric, "b_raw", ""},  # scale points of other instruments and bare signs: direction only
    }
    words = {"exposure_time": "time of rating", "adjusted_for": "adjusted for"}
    return [
        f"{words.get(key, key)}: {finding[key] or 'not stated'}"
        for key, fine in allowed.items()
        if finding[key] not in fine
    ]


def _own_in_metric(mine: _Own, metric: str) -> dict[str, float]:
    back = np.tanh if metric in _CORRELATIONS else float
    low, high = mine.interval(0.95)
    return {"own": float(back(mine.value)), "own_low": float(back(low)), "own_high": float(back(high))}


def _no_direction(finding: pd.Series) -> str:
    """Say what the source reports instead of a direction."""
    stated = finding["note"].removeprefix("sign: ").partition(";")[0]
    told = {
        "null": "the source found no association, and prints no figure",
        "mixed": "the source found different directions for different outcomes or models, and prints no figure",
        "unsigned": "the source prints neither a figure nor a direction",
    }
    return told.get(stated, "the source gives no direction that could be good or bad")


def _published_sign(finding: pd.Series, *, neutral: bool = False) -> int:
    """Return +1 where the source speaks for the claim, -1 against, 0 where it gives no direction.

    Where no direction is good or bad (`neutral`), the sign is that of the figure.
    """
    benefit = 1.0 if neutral else finding["benefit_sign"]
    if np.isnan(benefit):
        return 0
    if not np.isnan(finding["estimate"]):
        return int(np.sign(finding["estimate"] * benefit))
    stated = finding["note"].removeprefix("sign: ")
    return int(benefit) * (stated.startswith("positive") - stated.startswith("negative"))


def _published_se(finding: pd.Series) -> float:
    """Return the standard error on the analysis scale: as printed (r: on Fisher's z), else from the 95 % limits."""
    if not np.isnan(finding["se"]):
        return float(finding["se"])
    to_scale = np.arctanh if finding["metric"] in _CORRELATIONS else float
    return float((to_scale(finding["conf_high"]) - to_scale(finding["conf_low"])) / (2 * _Z95))


def _direction(mine: _Own, sign: int) -> str:
    if not mine.signal:
        return CONSISTENT_WITHOUT_SIGNAL
    return CONSISTENT_WITH_SIGNAL if np.sign(mine.value) == sign else OPPOSITE


def _consistency(mine: _Own, finding: pd.Series, se: float, sesoi: float | None) -> dict[str, Any]:
    """Return the criteria of gate C for a published estimate with its standard error."""
    is_r = finding["metric"] in _CORRELATIONS
    to_scale, back = (np.arctanh, np.tanh) if is_r else (float, float)
    centre = float(finding["benefit_sign"] * to_scale(finding["estimate"]))
    expected = [_expected(centre, se, mine.se, tau, finding["k_studies"]) for tau in BETWEEN_STUDY_SD]
    consistent = [low <= mine.value <= high for low, high in expected]
    verdict = _verdict(mine, expected[-1], None if sesoi is None else float(to_scale(sesoi)))
    low, high = expected[-1]
    return {
        "expected_low": float(back(low)),
        "expected_high": float(back(high)),
        **dict(zip(("consistent_tau_0", "consistent_tau_05", "consistent_tau_10"), consistent, strict=True)),
        "small_telescopes": _small_telescopes(mine, se, finding["k_studies"]),
        "bayes_factor": _bayes_factor(mine, centre, se),
        "verdict": verdict,
        "reason": "same level, metric, timing and adjustment; held against the interval for a new study of this size",
    }


def _expected(centre: float, se: float, own_se: float, tau: float, k: float) -> tuple[float, float]:
    """Return the 95 % interval for a new study: around a meta-analytic mean (k > 2), else around a single study."""
    if k > 2:
        half = _t_quantile(0.975, k - 2) * np.sqrt(se**2 + tau**2 + own_se**2)
    else:
        half = _Z95 * np.sqrt(se**2 + own_se**2 + 2 * tau**2)
    return centre - half, centre + half


def _verdict(mine: _Own, expected: tuple[float, float], sesoi: float | None) -> str:
    low, high = expected
    if sesoi is not None and -sesoi < mine.interval(0.90)[0] and mine.interval(0.90)[1] < sesoi:
        return PRACTICALLY_NONE
    if mine.signal and mine.value < 0 < (low + high) / 2:
        return OPPOSITE
    if mine.value < low:
        return WEAKER
    if mine.value > high:
        return STRONGER
    return CONSISTENT_WITH_SIGNAL if mine.signal else CONSISTENT_WITHOUT_SIGNAL


def _small_telescopes(mine: _Own, se: float, k: float) -> bool | None:
    """Return whether the own upper 90 % limit lies below the effect that a single source had 33 % power to find."""
    if k > 1:
        return None
    return bool(mine.interval(0.90)[1] < (_Z95 + ndtri(1 / 3)) * se)


def _bayes_factor(mine: _Own, centre: float, se: float) -> float:
    """Return p(own | published) / p(own | no effect), both normal; infinite where it exceeds a float."""
    spread = np.hypot(se, mine.se)
    log_ratio = ((mine.value / mine.se) ** 2 - ((mine.value - centre) / spread) ** 2) / 2 + np.log(mine.se / spread)
    return float(np.exp(log_ratio)) if log_ratio < 700 else float("inf")


def compare_with_truth(tidy: pd.DataFrame, truth: Mapping[str, float]) -> pd.DataFrame:
    """Hold the estimates of a simulated study against the truth that made it.

    Parameters
    ----------
    tidy : DataFrame
        Rows with `term estimate conf_low conf_high`.
    truth : mapping
        Term to true value; empty for a real study, whose table is then empty.

    Returns
    -------
    DataFrame
        `term estimate conf_low conf_high truth inside`.

    Examples
    --------
    >>> tidy = pd.DataFrame({"term": ["r"], "estimate": [-0.2], "conf_low": [-0.3], "conf_high": [-0.1]})
    >>> compare_with_truth(tidy, {"r": -0.22})["inside"].tolist()
    [True]
    """
    known = tidy.loc[tidy["term"].isin(list(truth)), ["term", "estimate", "conf_low", "conf_high"]].copy()
    known["truth"] = known["term"].map(dict(truth)).astype(float)
    known["inside"] = (known["conf_low"] <= known["truth"]) & (known["truth"] <= known["conf_high"])
    return known.reset_index(drop=True)
