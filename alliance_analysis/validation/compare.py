"""Compares a fit with R's stored results, quantity by quantity, under the tolerances of tests/golden/TOLERANCES.md."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.fit import DfMethod, MixedFit, fit_mixed
from alliance_analysis.mixed.formula import INTERCEPT
from alliance_analysis.validation.cases import GoldenCase
from alliance_analysis.validation.closed import ClosedCase

COLUMNS = ["case", "model", "quantity", "ours", "r", "difference", "tolerance", "verdict"]
AGREES, DIFFERS, HIGHER, REFUSED = "agrees", "DIFFERS", "ours is higher: R stopped early", "refused, as it must be"
WRONG = "R is wrong: "  # and why

LOG_LIK = 1e-6
RELATIVE = {"lme4": 1e-4, "nlme": 1e-3}  # of a coefficient's standard error, and of the standard error itself
SATTERTHWAITE, KENWARD_ROGER, VARIANCE = 1e-3, 1e-2, 1e-3
NEAR_ZERO = 1e-4  # of the residual variance: below it, variances are compared absolutely

Row = tuple[str, float, float, float]  # quantity, ours, R's, largest allowed difference


def compare_case(golden: Path, case: GoldenCase | ClosedCase) -> pd.DataFrame:
    """Fit one golden case and hold every number R has stored for it against ours.

    Parameters
    ----------
    golden : Path
        The folder tests/golden of a checkout.
    case : GoldenCase or ClosedCase

    Returns
    -------
    DataFrame
        `case model quantity ours r difference tolerance verdict`; `tolerance` is the largest allowed difference. A
        higher log-likelihood than R's passes (R stopped early); its other numbers are then marked, not failed. Where
        R's number differs and is that of a known mistake, evaluated here, the verdict says so.
    """
    if isinstance(case, ClosedCase):
        return _compare_closed(golden, case)
    stored = case.reference(golden)
    frame = case.frame(golden / case.case)
    label = {"case": case.case, "model": case.model or "model"}
    try:
        fit = _fit(case, stored, frame, "satterthwaite")
    except ModelError as error:
        named = bool(case.refused) and case.refused in str(error)
        verdict = REFUSED if named else DIFFERS
        return pd.DataFrame([label | {"quantity": "fit", "verdict": verdict}], columns=COLUMNS)
    rows = [*_likelihood(fit, stored), *_coefficients(fit, stored, case.library), *_variances(fit, stored)]
    rows += _kenward_roger(case, stored, frame)
    table = pd.DataFrame(rows, columns=["quantity", "ours", "r", "tolerance"])
    return _judge(table.assign(**label), bool(case.refused))


def _compare_closed(golden: Path, case: ClosedCase) -> pd.DataFrame:
    stored, frame = case.reference(golden), case.frame(golden)
    table = pd.DataFrame(case.numbers(frame, stored), columns=["quantity", "ours", "r", "tolerance"])
    table = _judge(table.assign(case=case.case, model=case.model), False)
    mistaken = table["quantity"].map(case.mistake(frame, stored) if case.mistake else {}).astype(float)
    explained = (table["verdict"] == DIFFERS) & ((mistaken - table["r"]).abs() <= table["tolerance"])
    return table.assign(verdict=table["verdict"].mask(explained, WRONG + case.reason))


def _judge(table: pd.DataFrame, must_refuse: bool) -> pd.DataFrame:
    difference = table["ours"] - table["r"]
    fine = difference.abs() <= table["tolerance"]
    likelihood = table["quantity"] == "log-likelihood"
    early = bool((likelihood & (difference > LOG_LIK)).any())
    verdict = np.where(fine, AGREES, HIGHER if early else DIFFERS)
    if must_refuse:
        verdict = np.full(len(table), DIFFERS)
    return table.assign(difference=difference, verdict=verdict)[COLUMNS]


def _fit(case: GoldenCase, stored: dict[str, Any], frame: pd.DataFrame, df: DfMethod) -> MixedFit:
    formula = case.formula or " ".join(stored["formula"].split())
    with warnings.catch_warnings():
        # a singular fit is part of some cases
        warnings.simplefilter("ignore", FitWarning)
        return fit_mixed(formula, frame, criterion=case.criterion(stored), df=df, residual=case.residual)


def _likelihood(fit: MixedFit, stored: dict[str, Any]) -> Iterator[Row]:
    if "logLik" in stored:
        yield "log-likelihood", fit.log_lik, stored["logLik"], LOG_LIK
    if "is_singular" in stored:
        yield "singular", float(fit.singular), float(stored["is_singular"]), 0.0
    if "nobs" in stored:
        yield "rows", float(len(fit.rows)), float(stored["nobs"]), 0.0


def _coefficients(fit: MixedFit, stored: dict[str, Any], library: str) -> Iterator[Row]:
    if "vcov_fixed" not in stored:
        return
    own = {_key(row.term): row for row in fit.tidy().itertuples()}
    rows = stored["vcov_fixed"]["rows"]
    names = [rows] if isinstance(rows, str) else rows  # R writes a single name without brackets
    errors = np.sqrt(np.diag(np.atleast_2d(stored["vcov_fixed"]["values"])))
    values = stored.get("fixef") or {name: entry["Value"] for name, entry in stored["coef"].items()}
    relative = RELATIVE[library]
    for name, error in zip(names, errors, strict=True):
        row = own[_key(name)]
        yield f"{name}: estimate", row.estimate, values[name], relative * error
        yield f"{name}: standard error", row.std_error, float(error), relative * error
        if "satterthwaite" in stored:
            df = stored["satterthwaite"][name]["df"]
            yield f"{name}: Satterthwaite df", row.df, df, SATTERTHWAITE * df


def _kenward_roger(case: GoldenCase, stored: dict[str, Any], frame: pd.DataFrame) -> Iterator[Row]:
    if "kenward_roger" not in stored:
        return
    own = {_key(row.term): row for row in _fit(case, stored, frame, "kenward-roger").tidy().itertuples()}
    for name, entry in stored["kenward_roger"].items():
        row, error, df = own[_key(name)], entry["Std. Error"], entry["df"]
        yield f"{name}: Kenward–Roger standard error", row.std_error, error, RELATIVE["lme4"] * error
        yield f"{name}: Kenward–Roger df", row.df, df, KENWARD_ROGER * df


def _variances(fit: MixedFit, stored: dict[str, Any]) -> Iterator[Row]:
    own = {_effect(row.group, row.term, row.term2): row.estimate for row in fit.variance_components().itertuples()}
    floor = NEAR_ZERO * fit.sigma**2
    for group, term, term2, value in _stored_variances(stored):
        name = f"{group} {' with '.join(part for part in (term, term2) if part)}".strip()
        key = _effect(_own_group(group, fit), term, term2)
        yield f"variance: {name}", own[key], value, floor if abs(value) < floor else VARIANCE * abs(value)
    ours = fit.residual_parameters().set_index("parameter")["estimate"]
    for name, value in _stored_residual(stored, list(ours.index)):
        yield f"residual: {name}", float(ours[name]), value, VARIANCE * abs(value)


def _stored_variances(stored: dict[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    """Variances and covariances as lme4, nlme or a list of components gives them."""
    for row in stored.get("varcorr", []):
        yield row["grp"].replace("Residual", "residual"), row["var1"] or "", row["var2"] or "", row["vcov"]
    for group, matrix in stored.get("random", {}).items():
        names = matrix["rows"] if isinstance(matrix["rows"], list) else [matrix["rows"]]
        for i, term in enumerate(names):
            yield group, term, "", matrix["values"][i][i]
            for j in range(i):
                if matrix["values"][i][j]:
                    yield group, term, names[j], matrix["values"][i][j]
    for group, value in stored.get("components", {}).items():
        yield group.replace("Residual", "residual"), "" if group == "Residual" else INTERCEPT, "", value


def _stored_residual(stored: dict[str, Any], names: list[str]) -> Iterator[tuple[str, float]]:
    """Correlations and ratios of standard deviations, in the order of our own parameters."""
    correlations = np.atleast_1d(stored.get("corStruct", []))
    ratios = list(stored.get("varStruct_sd_ratio", {}).values())[1:]
    yield from zip([name for name in names if not name.startswith("sd_ratio")], correlations, strict=True)
    yield from zip([name for name in names if name.startswith("sd_ratio")], ratios, strict=True)


def _own_group(group: str, fit: MixedFit) -> str:
    """nlme names the inner of two nested factors alone: dyad for therapist:dyad."""
    nested = [name for name in fit.design.groups if name.split(":")[-1] == group]
    return group if group in fit.design.groups or not nested else nested[0]


def _effect(group: str, term: str, term2: str) -> tuple[str, frozenset[str]]:
    return ":".join(sorted(group.split(":"))), frozenset(_key(name) for name in (term, term2) if name)


def _key(name: str) -> str:
    """One name for R's `time:gf1` and formulae's `gf[1]:time`."""
    return ":".join(sorted(name.replace("[", "").replace("]", "").split(":")))
