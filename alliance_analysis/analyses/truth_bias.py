"""Truth and bias: how far one rater's judgement lies from the other's rating, and how closely it follows its moves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_analysis.analyses.agreement import Scales
from alliance_analysis.analyses.least_squares import LeastSquares, fit_least_squares
from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import DfMethod, MixedFit, fit_mixed
from alliance_analysis.mixed.residuals import AR1
from alliance_analysis.prepare import add_lag, add_time, dyad_keys, keep_pairs, keep_treatment
from alliance_analysis.result import TIDY_COLUMNS, blank_withheld
from alliance_analysis.study import vocabulary as v

BIAS, FORCE_WITHIN, FORCE_BETWEEN = "directional_bias", "truth_force_within", "truth_force_between"
BIAS_BY_TIME, FORCE_BY_TIME, BIAS_FORCE = "bias_by_time", "truth_force_by_time", "bias_force"
FEWEST_DYADS = 5
FEWEST_THERAPISTS = 5  # below, no variance between therapists can be estimated

DYAD, JUDGEMENT = "dyad", "judgement"
_WITHIN, _BETWEEN, _TIME, _PREVIOUS = "truth_within", "truth_between", "time_centred", "previous"
_NAMES = {
    "(Intercept)": BIAS,
    _WITHIN: FORCE_WITHIN,
    _BETWEEN: FORCE_BETWEEN,
    _TIME: BIAS_BY_TIME,
    f"{_WITHIN}:{_TIME}": FORCE_BY_TIME,
    _PREVIOUS: BIAS_FORCE,
}
_LEVELS = {
    BIAS: v.LEVEL_BETWEEN,
    FORCE_WITHIN: v.LEVEL_WITHIN,
    FORCE_BETWEEN: v.LEVEL_BETWEEN,
    BIAS_BY_TIME: v.LEVEL_WITHIN,
    FORCE_BY_TIME: v.LEVEL_WITHIN,
    BIAS_FORCE: v.LEVEL_WITHIN,
}


@dataclass(frozen=True)
class TruthBias:
    """A truth-and-bias model under the names of its forces.

    Attributes
    ----------
    fit : MixedFit, LeastSquares or RefusedFit
        Least squares where each client has one session and therapists are too few.
    judge, truth : str
        Columns: whose rating is explained, and by whose.
    not_comparable : str
        Why no mean difference may be claimed; "" where it may.
    n_alone : int
        Sessions that only one of the two rated.
    untold : dict
        Force -> why this model has none.
    """

    fit: MixedFit | LeastSquares | RefusedFit
    judge: str
    truth: str
    not_comparable: str = ""
    n_alone: int = 0
    untold: Mapping[str, str] = field(default_factory=dict)

    @property
    def formula(self) -> str:
        """The fitted model; "" where it was refused."""
        return "" if isinstance(self.fit, RefusedFit) else self.fit.formula

    @property
    def terms(self) -> tuple[str, ...]:
        """The forces of this model, and those it cannot tell."""
        if isinstance(self.fit, RefusedFit):
            return (BIAS, FORCE_WITHIN)
        return (*(_NAMES[term] for term in self.fit.estimates.terms), *self.untold)

    @property
    def levels(self) -> dict[str, str]:
        """Term -> the level it speaks about."""
        return {term: _LEVELS[term] for term in self.terms}

    @property
    def withheld(self) -> dict[str, str]:
        """Term -> why no report may show it."""
        if isinstance(self.fit, RefusedFit):
            return dict.fromkeys(self.terms, self.fit.reason)
        found = {_NAMES[term]: reason for term, reason in self.fit.withheld.items()}
        means = dict.fromkeys((BIAS, BIAS_BY_TIME), self.not_comparable) if self.not_comparable else {}
        return {term: reason for term, reason in {**found, **means, **self.untold}.items() if term in self.terms}

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tabulate the forces: the columns of every fit.

        `directional_bias`: judge minus truth, in score points, at the truth's mean (and, with time, at its mean).
        `truth_force_within`: points the judgement moves when the truth moves one point within a client; 1 = follows it
        fully. `truth_force_between`: the same between clients. `bias_force`: what of the judge's own previous deviation
        is left. `*_by_time`: change per session. A withheld number is missing.
        """
        if isinstance(self.fit, RefusedFit):
            table = pd.DataFrame(np.nan, index=range(len(self.terms)), columns=list(TIDY_COLUMNS[1:]))
            table.insert(0, "term", self.terms)
            return table
        table = self.fit.tidy(conf_level)
        table = table.assign(term=table["term"].map(_NAMES)).set_index("term").reindex(self.terms).reset_index()
        return blank_withheld(table, self.withheld)

    def glance(self) -> pd.DataFrame:
        """Describe the fit in one row; its dyads are clients, and sessions that one rater left out are dropped."""
        names = {f"n_{DYAD}": f"n_{v.CLIENT}"}
        if FORCE_WITHIN in self.untold and isinstance(self.fit, MixedFit):
            names = {"n_obs": f"n_{v.CLIENT}"}
        table = self.fit.glance().rename(columns=names)
        return table.assign(n_dropped=table["n_dropped"] + self.n_alone) if "n_dropped" in table else table

    def variance_components(self) -> pd.DataFrame:
        """Tabulate variances: of the bias and of the tracking over dyads, and their covariance."""
        if not isinstance(self.fit, MixedFit):
            return pd.DataFrame({"group": [], "term": [], "term2": [], "estimate": [], "std_dev": []})
        table = self.fit.variance_components()
        return table.assign(**{name: table[name].replace(_NAMES) for name in ("term", "term2")})

    def spread(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Say how far dyads differ: SDs of bias and tracking and their correlation, by the profile likelihood.

        Returns
        -------
        DataFrame
            `quantity estimate conf_low conf_high`; no row where the fit is singular, refused or not converged.
        """
        columns = ["quantity", "estimate", "conf_low", "conf_high"]
        fit = self.fit
        if not isinstance(fit, MixedFit) or not fit.converged or fit.singular or DYAD not in fit.design.groups:
            return pd.DataFrame(columns=columns)
        words = {
            f"sd_(Intercept)|{DYAD}": "SD of the bias over clients",
            f"sd_{_WITHIN}|{DYAD}": "SD of the tracking over clients",
            f"cor_{_WITHIN}.(Intercept)|{DYAD}": "correlation of bias and tracking",
        }
        has = set(fit.variance_components()["term"])
        wanted = [name for name in words if _WITHIN in has or _WITHIN not in name]
        table = fit.profile(wanted, conf_level=conf_level)
        return table.assign(quantity=table["term"].map(words))[columns]


def fit_truth_and_bias(
    sessions: pd.DataFrame,
    judge: str = v.ALLIANCE_THERAPIST,
    truth: str = v.ALLIANCE_CLIENT,
    *,
    between: bool = True,
    random_slope: bool = True,
    by_time: bool = False,
    bias_force: bool = False,
    serial: bool = False,
    df: DfMethod | None = None,
    scales: Scales | None = None,
) -> TruthBias:
    """Fit West and Kenny's truth-and-bias model to two raters of the same sessions.

    Who is the truth is a convention, not a finding: swap `judge` and `truth` and report both. A truth force below 1
    also comes from measurement error in the truth; its reliability belongs beside it.

    Parameters
    ----------
    sessions : DataFrame
        Sessions; those that both rated are used.
    judge, truth : str
        Columns; both are centred on the truth's mean, so that the intercept is the judge's bias.
    between : bool
        True: the truth is split within and between clients, and centred on its grand mean (of client means). False:
        the judgement is centred on each client's own mean of the truth, with no between part. Where each client has one
        session only the bias and the force between clients are estimated, whatever else is asked for.
    random_slope : bool
        Whether clients differ in how closely the judgement follows.
    by_time : bool
        Whether bias and tracking change over sessions (time centred at its mean).
    bias_force : bool
        Whether the judge's own previous judgement, exactly one session before, pulls. With few sessions its size is
        uncertain: stable differences and after-effects share it.
    serial : bool
        Residuals of consecutive sessions alike (AR(1) on real gaps).
    df : {"kenward-roger", "satterthwaite", "normal"}, optional
        Default: Kenward-Roger, under `serial` Satterthwaite.
    scales : ScaleMatch, optional
        `study.compare_scales(judge, truth)`; where the raters' scales or items differ, the bias is withheld.

    Returns
    -------
    TruthBias

    Notes
    -----
    The truth's mean m counts as known, as in the source; `fit_agreement`'s mean difference allows for its sampling.
    J - m = b0 + b_W (T - T_i) + b_B (T_i - m) + v_j + u_i + u_i' (T - T_i) + e, m the mean of the clients' means T_i.
    Validated against lme4, lmerTest and nlme (tests/golden/truth_bias).

    References
    ----------
    West & Kenny 2011, 10.1037/a0022936; Atzil-Slonim et al. 2015.

    Examples
    --------
    >>> from alliance_analysis.study.simulate import StudyDesign, simulate_study
    >>> sessions = simulate_study(1, StudyDesign(n_clients=30, n_therapists=6, n_sessions=6)).sessions
    >>> fit_truth_and_bias(sessions, random_slope=False, df="normal").terms
    ('directional_bias', 'truth_force_within', 'truth_force_between')
    """
    pairs = add_time(keep_pairs(sessions, judge, truth))
    reason = _cannot(pairs, judge, truth)
    hidden = "" if scales is None else scales.reason.rstrip(".")
    treatment = keep_treatment(sessions)
    alone = int((treatment[judge].notna() ^ treatment[truth].notna()).sum())
    if reason:
        return TruthBias(RefusedFit(BIAS, reason), judge, truth, hidden, alone)
    data = _centre(pairs, judge, truth, between, bias_force)
    if data.groupby(DYAD).size().max() == 1:
        return _fit_one_time(data, judge, truth, hidden, alone)
    terms = [_WITHIN, *([_BETWEEN] if between else []), *([_PREVIOUS] if bias_force else [])]
    terms += [_TIME, f"{_WITHIN}:{_TIME}"] if by_time else []
    random = f"(1 + {_WITHIN} | {DYAD})" if random_slope else f"(1 | {DYAD})"
    if v.THERAPIST in data and data[v.THERAPIST].nunique() >= FEWEST_THERAPISTS:
        random += f" + (1 | {v.THERAPIST})"
    method: DfMethod = df or ("satterthwaite" if serial else "kenward-roger")
    residual = AR1(time=v.SESSION, by=DYAD) if serial else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # a singular fit is said in `withheld` and `glance`
            fit = fit_mixed(f"{JUDGEMENT} ~ {' + '.join(terms)} + {random}", data, df=method, residual=residual)
    except ModelError as error:
        return TruthBias(RefusedFit(BIAS, str(error).rstrip(".")), judge, truth, hidden, alone)
    return TruthBias(fit, judge, truth, hidden, alone)


def _fit_one_time(data: pd.DataFrame, judge: str, truth: str, hidden: str, alone: int) -> TruthBias:
    """Fit bias and truth force between clients where each has one session: nothing within a client can be told."""
    untold = {FORCE_WITHIN: f"no client has two sessions that both rated, so how {judge} follows cannot be told"}
    try:
        if v.THERAPIST in data and data[v.THERAPIST].nunique() >= FEWEST_THERAPISTS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FitWarning)  # a singular fit is said in `withheld` and `glance`
                one: MixedFit | LeastSquares = fit_mixed(
                    f"{JUDGEMENT} ~ {_BETWEEN} + (1 | {v.THERAPIST})", data, df="kenward-roger"
                )
        else:
            one = fit_least_squares(JUDGEMENT, (_BETWEEN,), data)
    except ModelError as error:
        return TruthBias(RefusedFit(BIAS, str(error).rstrip(".")), judge, truth, hidden, alone)
    return TruthBias(one, judge, truth, hidden, alone, untold)


def _cannot(pairs: pd.DataFrame, judge: str, truth: str) -> str:
    """Return why these sessions cannot carry the model; "" where they can."""
    keys = dyad_keys(pairs)
    n = pairs.groupby(keys).ngroups if len(pairs) else 0
    if n < FEWEST_DYADS:
        return f"{n} clients have sessions that both rated; at least {FEWEST_DYADS} are needed"
    for name in (judge, truth):
        if pairs[name].nunique() < 2:
            return f"{name} is the same in all {len(pairs)} sessions"
    if (pairs[judge] == pairs[truth]).all():
        return f"{judge} and {truth} hold the same numbers in all {len(pairs)} sessions"
    repeated = pairs.groupby(keys).size().max() > 1
    if repeated and (pairs.groupby(keys)[truth].nunique() < 2).all():
        return f"{truth} does not vary within any client, so how closely {judge} follows it cannot be told"
    return ""


def _centre(pairs: pd.DataFrame, judge: str, truth: str, between: bool, bias_force: bool) -> pd.DataFrame:
    """Add judgement and truth, both centred on the truth's mean; the previous judgement is exactly a session before."""
    keys = dyad_keys(pairs)
    dyads = pairs.groupby(keys, sort=False)
    own_mean = dyads[truth].transform("mean").astype(float)
    grand = float(dyads[truth].mean().mean())
    one_time = dyads.size().max() == 1
    centre = grand if between or one_time else own_mean
    time = pairs[v.TIME].astype(float)
    data = pairs.assign(
        **{
            DYAD: dyads.ngroup().to_numpy(),
            JUDGEMENT: pairs[judge] - centre,
            _WITHIN: pairs[truth] - own_mean,
            _BETWEEN: own_mean - grand,
            _TIME: time - time.mean(),
        }
    )
    if not bias_force:
        return data
    lagged = add_lag(data, [JUDGEMENT])[f"{JUDGEMENT}{v.LAG}1"]
    return data.assign(**{_PREVIOUS: lagged})
