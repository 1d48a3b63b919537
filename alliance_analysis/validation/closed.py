"""The golden cases of closed forms and of two raters: each number an analysis reports, beside R's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.analyses.actor_partner import fit_apim
from alliance_analysis.analyses.agreement import REPEATED_R, Agreement, fit_agreement
from alliance_analysis.analyses.congruence import Congruence, fit_congruence
from alliance_analysis.analyses.dependability import fit_change_reliability
from alliance_analysis.analyses.intraclass import ACCURACY, CCC, PRECISION, Intraclass
from alliance_analysis.analyses.kappa import measure_kappa, quadratic_weights, weighted_kappa
from alliance_analysis.analyses.limits import LOWER, SPREAD, UPPER, measure_limits
from alliance_analysis.analyses.one_with_many import DIFFERENCE, DYADIC, GENERALISED, fit_one_with_many
from alliance_analysis.analyses.surface import AXIS_TERMS, SURFACE_TERMS, principal_axes
from alliance_analysis.analyses.two_raters import fit_two_raters
from alliance_analysis.mixed.bootstrap import Replicate
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.study import vocabulary as v

CLOSED = 1e-8  # of the number itself: both programs evaluate the same formula
OPTIMISED = {"lme4": 1e-4, "nlme": 1e-3, "lavaan": 1e-3}  # of a standard error, both for estimates and for errors
VARIANCE = 1e-3  # of a variance, or of a share or a correlation made of variances
LAVAAN_LOG_LIK = 1e-4
_Z = 1.959963984540054  # the 97.5 % point of the normal distribution
_STEPS = (-np.inf, 4.5, 5, 5.5, 6, np.inf)  # fit.R cuts the scores there
_FORMS = {
    "ICC1": "ICC(1)", "ICC2": "ICC(A,1)", "ICC3": "ICC(C,1)",
    "ICC1k": "ICC(1,k)", "ICC2k": "ICC(A,k)", "ICC3k": "ICC(C,k)",
}  # fmt: skip

Row = tuple[str, float, float, float]  # quantity, ours, R's, largest allowed difference
Numbers = Callable[[pd.DataFrame, Mapping[str, Any]], Iterator[Row]]


@dataclass(frozen=True)
class ClosedCase:
    """What one analysis reports on the data of a golden case, number by number.

    Attributes
    ----------
    case, model : str
        Folder of the case, and what is compared, in words.
    numbers : callable
        (rows of data.csv, reference) -> quantity, ours, R's, largest allowed difference.
    mistake : callable, optional
        (rows, reference) -> what a known mistake of R makes of a quantity. Where R's number differs from ours and is
        this one, R is said to be wrong; nothing else is excused.
    reason : str
        The mistake in a few words.
    refused : str
        As in `GoldenCase`; these models are all to be fitted.
    """

    case: str
    model: str
    numbers: Numbers
    mistake: Callable[[pd.DataFrame, Mapping[str, Any]], Mapping[str, float]] | None = None
    reason: str = ""
    refused: str = ""

    def reference(self, golden: Path) -> dict[str, Any]:
        """Return R's results for the whole case."""
        return dict(json.loads((golden / self.case / "reference.json").read_text(encoding="utf-8")))

    def frame(self, golden: Path) -> pd.DataFrame:
        """Return the rows of the case, dyads as clients."""
        return pd.read_csv(golden / self.case / "data.csv").rename(columns={"dyad": v.CLIENT})


def _close(quantity: str, ours: float, r: float) -> Row:
    return quantity, float(ours), float(r), CLOSED * abs(float(r))


def _without_therapists(frame: pd.DataFrame) -> Agreement:
    """Fit the agreement of the two ratings as R did, which knew nothing of therapists."""
    return fit_agreement(frame.drop(columns=v.THERAPIST), "wai_c", "wai_t")


def compare_intraclass(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the six forms, their F tests and limits with psych's."""
    found = _without_therapists(frame).intraclass or Intraclass(0, np.nan, np.nan, np.nan, np.nan)
    own = found.tidy().set_index("term")
    columns = {"estimate": "ICC", "statistic": "F", "df": "df2", "p_value": "p"}
    columns |= {"conf_low": "lower bound", "conf_high": "upper bound"}
    for form, term in _FORMS.items():
        entry = stored["icc_dyad_means"][form]
        for ours, theirs in columns.items():
            yield _close(f"{term}: {theirs}", own.loc[term, ours], entry[theirs])
        yield _close(f"{term}: df1", found.n - 1, entry["df1"])


def compare_concordance(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare Lin's concordance, its parts, standard error and limits."""
    fit, entry = _without_therapists(frame), stored["ccc_dyad_means"]
    own = fit.tidy().set_index("term")
    for term, name in ((CCC, "ccc"), (PRECISION, "r"), (ACCURACY, "Cb")):
        yield _close(term, own.loc[term, "estimate"], entry[name])
    yield _close("CCC: standard error", own.loc[CCC, "std_error"], entry["se"])
    for limit, r in zip(("conf_low", "conf_high"), entry["ci"], strict=True):
        yield _close(f"CCC: {limit}", own.loc[CCC, limit], r)
    if fit.concordance is not None:
        yield _close("location shift", fit.concordance.location_shift, entry["u"])
        yield _close("scale shift", fit.concordance.scale_shift, entry["scale_shift"])


def compare_limits(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare limits of agreement: sessions independent, and true values varying within clients."""
    fit = _without_therapists(frame)
    naive, entry = fit.pooled.set_index("number").loc["limits of independent sessions"], stored["bland_altman_naive"]
    yield _close("independent sessions: mean difference", naive["estimate"], entry["bias"])
    for name, limit, r in zip(("lower", "upper"), ("conf_low", "conf_high"), entry["loa"], strict=True):
        yield _close(f"independent sessions: {name} limit", naive[limit], r)
    pairs, entry = frame.dropna(subset=["wai_c", "wai_t"]), stored["bland_altman_repeated_anova"]
    limits = measure_limits((pairs["wai_t"] - pairs["wai_c"]).to_numpy(), pd.factorize(pairs[v.CLIENT])[0])
    yield _close("mean difference", limits.bias, entry["bias"])
    yield _close("variance between clients", limits.variance_between, entry["var_between"])
    yield _close("variance within clients", limits.within, entry["var_within"])
    yield _close("sessions per client (n0)", limits.size, entry["n0"])
    own = fit.tidy().set_index("term")["estimate"]
    for term, r in ((SPREAD, entry["sd_total"]), (LOWER, entry["loa"][0]), (UPPER, entry["loa"][1])):
        yield _close(term, own[term], r)


def compare_limits_by_likelihood(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the same limits from a mixed model of the differences."""
    entry = stored["bland_altman_repeated_reml"]
    pairs = frame.dropna(subset=["wai_c", "wai_t"])
    fit = fit_mixed("gap ~ 1 + (1 | client)", pairs.assign(gap=pairs["wai_t"] - pairs["wai_c"]))
    bias, between, within = fit.tidy().loc[0, "estimate"], float(fit.covariances[0][0, 0]), fit.sigma**2
    step = OPTIMISED["lme4"] * entry["se_bias"]
    yield "mean difference", bias, entry["bias"], step
    yield "mean difference: standard error", fit.tidy().loc[0, "std_error"], entry["se_bias"], step
    yield "variance between clients", between, entry["var_between"], VARIANCE * entry["var_between"]
    yield "variance within clients", within, entry["var_within"], VARIANCE * entry["var_within"]
    for name, sign, r in zip(("lower", "upper"), (-1, 1), entry["loa"], strict=True):
        yield f"{name} limit", bias + sign * 1.96 * np.sqrt(between + within), r, step


def compare_correlations(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the repeated-measures correlation with its F test, and the correlations that mix levels."""
    fit, entry = _without_therapists(frame), stored["rmcorr"]
    own = fit.tidy().set_index("term").loc[REPEATED_R]
    yield _close("repeated measures: r", own["estimate"], entry["r"])
    yield _close("repeated measures: df", own["df"], entry["df"])
    yield _close("repeated measures: p", own["p_value"], entry["p"])
    for limit, r in zip(("conf_low", "conf_high"), entry["ci_fisher"], strict=True):
        yield _close(f"repeated measures: {limit}", own[limit], r)
    pooled = fit.pooled.set_index("number")["estimate"]
    yield _close("all sessions", pooled["correlation of all sessions"], stored["corr_raw_pooled"])
    yield _close("client means", pooled["correlation of client means"], stored["corr_dyad_means"])
    yield _close("deviations within clients", own["estimate"], stored["corr_within_pooled"])


def _moments(at: Replicate) -> dict[str, float]:
    """Return means and (co)variances under lavaan's names: left, operator, right, level."""
    between, first = at.covariances[0], at.sigma**2
    ratio = at.residual["sd_ratio[second]"]
    within = {"wai_c~~wai_c|1": first, "wai_t~~wai_t|1": first * ratio**2}
    within["wai_c~~wai_t|1"] = first * ratio * at.residual["correlation"]
    names = {"wai_c~~wai_c|2": between[0, 0], "wai_t~~wai_t|2": between[1, 1], "wai_c~~wai_t|2": between[0, 1]}
    return {**within, **names, "wai_c~1|2": at.beta[0], "wai_t~1|2": at.beta[1]}


def compare_two_levels(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the joint model of both raters with lavaan's two-level maximum likelihood."""
    pairs = frame.dropna(subset=["wai_c", "wai_t"]).drop(columns=v.THERAPIST)
    raters, entry = fit_two_raters(pairs, "wai_c", "wai_t"), stored["twolevel_ml"]
    yield "log-likelihood", raters.fit.log_lik, entry["fit"]["logl"], LAVAAN_LOG_LIK
    own = raters.fit.derive(_moments).tidy().set_index("term")
    rows = {f"{row['lhs']}{row['op']}{row['rhs']}|{row['level']}": row for row in entry["estimates"]}
    for name in own.index:
        step = OPTIMISED["lavaan"] * rows[name]["se"]
        yield f"{name}: estimate", own.loc[name, "estimate"], rows[name]["est"], step
        yield f"{name}: standard error", own.loc[name, "std_error"], rows[name]["se"], step


def _cut(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    pairs = frame.dropna(subset=["wai_c", "wai_t"])
    first, second = (np.asarray(pd.cut(pairs[name], _STEPS, labels=False)) for name in ("wai_c", "wai_t"))
    return first, second


def compare_kappa(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare kappa with psych's, sessions taken for independent as psych takes them."""
    first, second = _cut(frame)
    limits = dict(zip(stored["kappa"]["ci"]["rows"], stored["kappa"]["ci"]["values"], strict=True))
    counts = np.zeros((5, 5))
    np.add.at(counts, (first, second), 1.0)
    for name, key, weights in (
        ("unweighted", "unweighted", np.eye(5)),
        ("weighted", "quadratic", quadratic_weights(np.arange(5.0))),
    ):
        estimate, error = weighted_kappa(counts, weights)
        if name == "weighted":
            whole = measure_kappa(first, second, np.arange(len(first)))
            estimate, error = whole.estimate, whole.std_error
        low, _, high = limits[f"{name} kappa"]
        yield _close(f"{name} kappa", estimate, stored["kappa"][key])
        yield _close(f"{name} kappa: conf_low", estimate - _Z * error, low)
        yield _close(f"{name} kappa: conf_high", estimate + _Z * error, high)


def transpose_weights(frame: pd.DataFrame, stored: Mapping[str, Any]) -> dict[str, float]:
    """Return the limits that psych's formula gives, with `rowSums(w * rs)` where `w %*% rs` is meant.

    psych multiplies the weights by the marginal shares element by element, which recycles the rows' shares down the
    columns; the mean weight of a column is then that of a row.
    """
    first, second = _cut(frame)
    shares = np.zeros((5, 5))
    np.add.at(shares, (first, second), 1.0 / len(first))
    weights = quadratic_weights(np.arange(5.0))
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    expected, kappa = float(rows @ weights @ columns), stored["kappa"]["quadratic"]
    typical = (weights * columns).sum(axis=1)[:, None] + (weights * rows[:, None]).sum(axis=1)
    spread = (shares * (weights - typical * (1 - kappa)) ** 2).sum() - (kappa - expected * (1 - kappa)) ** 2
    error = float(np.sqrt(spread / len(first)) / (1 - expected))
    return {"weighted kappa: conf_low": kappa - _Z * error, "weighted kappa: conf_high": kappa + _Z * error}


def compare_partition(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare shares and reciprocities of one with many with those made of nlme's variances."""
    fit = fit_one_with_many(frame, "wai_c", "wai_t")
    own, entry = fit.tidy().set_index("term")["estimate"], stored["variance_partition"]
    for rater, key in zip(fit.raters, ("client_rating", "therapist_rating"), strict=True):
        r = entry[key]["prop_therapist"]
        yield f"{key}: share of therapists", own[f"{rater} ratings: therapist"], r, VARIANCE * r
    for term, key in ((GENERALISED, "generalized_reciprocity_r"), (DYADIC, "dyadic_reciprocity_r")):
        yield term, own[term], entry[key], VARIANCE * entry[key]
    errors = np.diag(stored["model"]["vcov_fixed"]["values"])
    step = OPTIMISED["nlme"] * float(np.sqrt(errors.sum()))
    yield DIFFERENCE, -own[DIFFERENCE], entry["bias_mean_difference"], step  # fit.R takes first minus second


def compare_distinguishability(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the likelihood-ratio test of equal actor and partner effects."""
    test = fit_apim(frame.drop(columns=v.THERAPIST), "wai_c", "wai_t").distinguishability().iloc[-1]
    entry = stored["lrt_distinguishability_ap"]
    yield "chi-square", test["chisq"], entry["chisq"], 1e-3 * entry["chisq"]
    yield "df", test["df"], entry["df"], 0.0
    yield "p", test["p_value"], entry["p"], 1e-3 * entry["p"]


def _surface_rows(fit: Congruence, entry: Mapping[str, Any], step: float) -> Iterator[Row]:
    own = fit.surface().set_index("term")
    for term in SURFACE_TERMS:
        error = entry["a"][term]["se"]
        yield f"{term}: estimate", own.loc[term, "estimate"], entry["a"][term]["est"], step * error
        yield f"{term}: standard error", own.loc[term, "std_error"], error, step * error
    names = ("X0", "Y0", "p10", "p11", "p20", "p21")
    for term, name, ours in zip(AXIS_TERMS, names, principal_axes(fit.coefficients), strict=True):
        r = entry["surface"][name]
        yield term, float(ours), r, (CLOSED if step == CLOSED else VARIANCE) * abs(r)


def compare_surface(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare least squares with one row per client, its surface and base rates."""
    complete = frame.dropna()
    means = complete.groupby(v.CLIENT)[["sym", "wai_c", "wai_t"]].mean()
    means = (means - [0.0, stored["center"], stored["center"]]).reset_index()
    fit, entry = fit_congruence(means, "sym", "wai_c", "wai_t", centre="none"), stored["ols"]
    own = fit.fit.tidy()
    for row, (name, r) in zip(own.itertuples(), entry["coef"].items(), strict=True):
        yield f"{name}: estimate", row.estimate, r["Estimate"], CLOSED * r["Std. Error"]
        yield f"{name}: standard error", row.std_error, r["Std. Error"], CLOSED * r["Std. Error"]
        yield _close(f"{name}: p", row.p_value, r["Pr(>|t|)"])
    yield _close("residual df", own.loc[0, "df"], entry["df"])
    yield _close("R squared", fit.glance().loc[0, "r2"], entry["r2"])
    yield from _surface_rows(fit, entry, CLOSED)
    surface = fit.surface().set_index("term")["p_value"]
    for term in SURFACE_TERMS:
        yield _close(f"{term}: p", surface[term], entry["a"][term]["p"])
    for name, r in zip(fit.base_rates, stored["discrepancy_half_sd"].values(), strict=True):
        yield _close(f"base rate: {name}", fit.base_rates[name], r)


def compare_multilevel_surface(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the surface over sessions with a random intercept, centred at the mean of all ratings."""
    data = frame.dropna().assign(time=frame[v.SESSION] - 1.0).drop(columns=v.THERAPIST)
    fit = fit_congruence(data, "sym", "wai_c", "wai_t", beside=(v.TIME,), random="(1 | client)", level="within")
    yield _close("centre", fit.centre, stored["center"])
    yield from _surface_rows(fit, stored["multilevel"], OPTIMISED["lme4"])


def compare_reliability(frame: pd.DataFrame, stored: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the reliabilities of generalisability theory, crossed and nested, made of lme4's variances."""
    scores = frame.rename(columns={"y": "score"})
    crossed = fit_change_reliability(scores).set_index("quantity")["estimate"]
    for name in crossed.index:
        yield name, crossed[name], stored[name], VARIANCE * stored[name]
    nested = fit_change_reliability(scores, nested=True).set_index("quantity")["estimate"]
    for name, key in (("RkR", "RkRn"), ("Rc", "Rcn")):
        yield f"nested: {name}", nested[name], stored["nested"][key], VARIANCE * stored["nested"][key]


CLOSED_CASES: tuple[ClosedCase, ...] = (
    ClosedCase("agreement", "intraclass correlations", compare_intraclass),
    ClosedCase("agreement", "concordance", compare_concordance),
    ClosedCase("agreement", "limits of agreement", compare_limits),
    ClosedCase("agreement", "limits of agreement by REML", compare_limits_by_likelihood),
    ClosedCase("agreement", "correlations", compare_correlations),
    ClosedCase("agreement", "two-level maximum likelihood", compare_two_levels),
    ClosedCase("agreement", "kappa", compare_kappa, transpose_weights, "transposed weights"),
    ClosedCase("one_with_many", "variance partition", compare_partition),
    ClosedCase("apim_longitudinal", "distinguishability", compare_distinguishability),
    ClosedCase("rsa", "least squares", compare_surface),
    ClosedCase("rsa", "multilevel surface", compare_multilevel_surface),
    ClosedCase("gtheory", "reliabilities", compare_reliability),
)
