"""What an estimate is about: level, metric, timing, rater, adjustment. Two are compared only where these agree."""

from __future__ import annotations

from dataclasses import dataclass, replace

from alliance_analysis.study import vocabulary as v


@dataclass(frozen=True)
class Estimand:
    """What an estimate is about; two estimates stand beside each other only where these agree.

    Attributes
    ----------
    level : str
        "within", "between" (client level without a therapist split), "between_client" or "between_therapist".
    metric : str
        "r", "smd", "beta_within", "b_raw" ...: the words of `published_findings.csv`.
    exposure, rater : str
        What predicts ("alliance_client") and who rated it ("client").
    outcome : tuple of str
        Every wording of the published table that names the outcome ("treatment_outcome" pools several measures).
    exposure_time : tuple of str
        Every wording of the published table that names this time ("any" always counts).
    adjusted_for : str
        "none", "baseline", "lagged_outcome" or "covariates".
    benefit_sign : int
        +1 or -1: estimate * benefit_sign > 0 is good for the client. 0: neither direction is good or bad (agreement of
        two raters); figures then stay as they are coded.
    """

    level: str
    metric: str
    exposure: str
    rater: str
    outcome: tuple[str, ...]
    exposure_time: tuple[str, ...]
    adjusted_for: str
    benefit_sign: int


_SYMPTOM_OUTCOMES = ("symptoms", "treatment_outcome")
_EARLY = ("early", "session 3", "one of sessions 3-5", "sessions 3-5")


def early_alliance_estimand(alliance: str = v.ALLIANCE_CLIENT, *, higher_is_worse: bool = True) -> Estimand:
    """Return what the correlation of early alliance and end state is about: nothing held constant, between clients.

    Parameters
    ----------
    alliance : str
        The rating, such as "alliance_client".
    higher_is_worse : bool
        Direction of the outcome measure: a higher score is worse for the client.

    Examples
    --------
    >>> early_alliance_estimand("alliance_therapist").rater
    'therapist'
    """
    return Estimand(
        level=v.LEVEL_BETWEEN,
        metric="r",
        exposure=alliance,
        rater=alliance.removeprefix("alliance_"),
        outcome=_SYMPTOM_OUTCOMES,
        exposure_time=_EARLY,
        adjusted_for="none",
        benefit_sign=-1 if higher_is_worse else 1,
    )


def prospective_estimand(alliance: str = v.ALLIANCE_CLIENT, *, higher_is_worse: bool = True) -> Estimand:
    """Return what the panel VAR's slope is about: alliance to the next session's symptoms, within clients.

    Parameters
    ----------
    alliance : str
    higher_is_worse : bool

    Examples
    --------
    >>> prospective_estimand().metric
    'beta_within'
    """
    early = early_alliance_estimand(alliance, higher_is_worse=higher_is_worse)
    times = ("session t",)
    return replace(
        early, level=v.LEVEL_WITHIN, metric="beta_within", exposure_time=times, adjusted_for="lagged_outcome"
    )


def end_state_estimand(level: str, alliance: str = v.ALLIANCE_CLIENT, *, higher_is_worse: bool = True) -> Estimand:
    """Return what a slope of `fit_end_state` is about: early alliance at one level, end state given the start.

    Parameters
    ----------
    level : str
        "between_client" (the therapist's mean removed) or "between_therapist".
    alliance : str
    higher_is_worse : bool

    Examples
    --------
    >>> end_state_estimand("between_therapist").adjusted_for
    'baseline'
    """
    early = early_alliance_estimand(alliance, higher_is_worse=higher_is_worse)
    times = (*_EARLY, "one session")
    return replace(early, level=level, metric="b_raw", exposure_time=times, adjusted_for="baseline")


def agreement_estimand(level: str = v.LEVEL_BETWEEN) -> Estimand:
    """Return what a correlation of the client's and the therapist's rating is about; no direction is good or bad.

    Parameters
    ----------
    level : str
        "between": correlation of clients' usual levels. "within": the truth force, session by session.

    Examples
    --------
    >>> agreement_estimand().metric
    'correlation'
    """
    return Estimand(
        level=level,
        metric="correlation" if level == v.LEVEL_BETWEEN else "b_raw",
        exposure=v.ALLIANCE_CLIENT,
        rater=_BOTH,
        outcome=(v.ALLIANCE_THERAPIST,),
        exposure_time=("session t",),
        adjusted_for="none",
        benefit_sign=0,
    )


def difference_estimand() -> Estimand:
    """Return what the standardised difference client minus therapist is about; no direction is good or bad.

    Examples
    --------
    >>> difference_estimand().metric
    'd'
    """
    return replace(agreement_estimand(), metric="d")


def congruence_estimand(level: str, *, higher_is_worse: bool = True) -> Estimand:
    """Return what a4 is about: how the outcome goes with agreement, coded so that > 0 is good for the client.

    Parameters
    ----------
    level : str
        "within" (next session's outcome) or "between" (end state).
    higher_is_worse : bool
        Direction of the outcome: a4 > 0 then says that the outcome is better where the raters agree.

    Examples
    --------
    >>> congruence_estimand("within").exposure
    'alliance_agreement'
    """
    return Estimand(
        level=level,
        metric="a4",
        exposure="alliance_agreement",
        rater=_BOTH,
        outcome=_SYMPTOM_OUTCOMES,
        exposure_time=("session t",) if level == v.LEVEL_WITHIN else (*_EARLY, "early and late", ""),
        adjusted_for="lagged_outcome" if level == v.LEVEL_WITHIN else "baseline",
        benefit_sign=1 if higher_is_worse else -1,
    )


_BOTH = "client+therapist"
