"""Every golden case agrees with R, every stored number is looked at, and a reference that is a little off is noticed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.validation import compare
from alliance_analysis.validation.cases import CASES, GoldenCase
from alliance_analysis.validation.closed import ClosedCase
from alliance_analysis.validation.compare import AGREES, COLUMNS, DIFFERS, HIGHER, REFUSED, WRONG, compare_case

GOLDEN = Path(__file__).parents[1] / "golden"
R_STOPPED_EARLY: set[tuple[str, str]] = set()  # cases in which our likelihood may be the higher one
SLOW = {("gtheory", ""), ("gtheory", "reliabilities")}  # crossed in three ways: one dense block of all rows


PARAMETERS = [
    pytest.param(
        case,
        id=f"{case.case}:{case.model or 'model'}",
        marks=[pytest.mark.slow] if (case.case, case.model) in SLOW else [],
    )
    for case in CASES
]


def case_of(folder, model):
    (case,) = [case for case in CASES if (case.case, case.model) == (folder, model)]
    return case


@pytest.mark.parametrize("case", PARAMETERS)
def test_every_number_agrees_or_is_refused_as_it_must_be(case):
    table = compare_case(GOLDEN, case)
    allowed = {AGREES, HIGHER} if (case.case, case.model) in R_STOPPED_EARLY else {REFUSED if case.refused else AGREES}
    allowed |= {WRONG + case.reason} if isinstance(case, ClosedCase) and case.mistake else set()
    assert list(table.columns) == COLUMNS
    assert set(table["verdict"]) <= allowed, table[~table["verdict"].isin(allowed)].to_string()
    assert_everything_is_looked_at(table, case)


def assert_everything_is_looked_at(table, case):
    """As many rows of each kind as R has stored numbers of it; closed cases are counted in test_closed."""
    if isinstance(case, ClosedCase):
        return
    if case.refused:
        assert len(table) == 1
        return
    stored = case.reference(GOLDEN)
    names = np.atleast_1d(stored.get("vcov_fixed", {"rows": []})["rows"])
    count = (
        table["quantity"].str.extract(r"(estimate|standard error|Satterthwaite df|Kenward–Roger df)$")[0].value_counts()
    )
    small = len(stored.get("kenward_roger", {}))
    assert count.get("estimate", 0) == len(names)
    assert count.get("standard error", 0) == len(names) + small
    assert count.get("Satterthwaite df", 0) == len(stored.get("satterthwaite", {}))
    assert count.get("Kenward–Roger df", 0) == small
    assert ("log-likelihood" in set(table["quantity"])) == ("logLik" in stored)
    variances = table["quantity"].str.startswith("variance: ").sum()
    assert variances == len(stored["varcorr"]) if "varcorr" in stored else variances >= ("random" in stored)


def test_every_case_of_a_mixed_model_in_the_folder_is_compared():
    stored = {path.parent.name for path in GOLDEN.glob("*/reference.json")}
    assert {case.case for case in CASES} <= stored
    assert stored - {case.case for case in CASES} <= {"panel_var"}  # another engine's


def altered(tmp_path, folder, change):
    """A copy of the golden folder in which this one case is changed."""
    shutil.copytree(GOLDEN / folder, tmp_path / folder)
    path = tmp_path / folder / "reference.json"
    stored = json.loads(path.read_text("utf-8"))
    change(stored)
    path.write_text(json.dumps(stored), encoding="utf-8")
    return tmp_path


def scale_error(model):
    model["vcov_fixed"]["values"][1][1] *= 1.01**2


def move_estimate(model):
    model["fixef"]["a_w"] += 1e-3 * model["satterthwaite"]["a_w"]["Std. Error"]


def raise_likelihood(model):
    model["logLik"] += 1e-5


def turn_singular(model):
    model["is_singular"] = not model["is_singular"]


def scale_satterthwaite(model):
    model["satterthwaite"]["a_w"]["df"] *= 1.002


def scale_kenward_roger(model):
    model["kenward_roger"]["a_w"]["df"] *= 1.02


def scale_kenward_roger_error(model):
    model["kenward_roger"]["a_w"]["Std. Error"] *= 1.01


def scale_variance(model):
    model["varcorr"][0]["vcov"] *= 1.01


def drop_rows(model):
    model["nobs"] -= 1


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        (scale_error, "time: standard error"),
        (move_estimate, "a_w: estimate"),
        (raise_likelihood, "log-likelihood"),
        (turn_singular, "singular"),
        (scale_satterthwaite, "a_w: Satterthwaite df"),
        (scale_kenward_roger, "a_w: Kenward–Roger df"),
        (scale_kenward_roger_error, "a_w: Kenward–Roger standard error"),
        (scale_variance, "variance: dyad (Intercept)"),
        (drop_rows, "rows"),
    ],
)
def test_one_altered_number_of_r_is_reported_and_no_other(tmp_path, change, quantity):
    golden = altered(tmp_path, "mlm2_regular", lambda stored: change(stored["contemporaneous"]))
    table = compare_case(golden, case_of("mlm2_regular", "contemporaneous"))
    assert table.loc[table["verdict"] != AGREES, ["quantity", "verdict"]].to_numpy().tolist() == [[quantity, DIFFERS]]


@pytest.mark.parametrize(
    ("folder", "model", "change", "quantity"),
    [
        (
            "lme_ar1_gaps",
            "ri_ar1_reml",
            lambda model: model.update(corStruct=model["corStruct"] * 1.01),
            "residual: rho",
        ),
        (
            "mediation_111",
            "model",
            lambda model: model["vcov_fixed"]["values"][0].__setitem__(0, model["vcov_fixed"]["values"][0][0] * 1.02),
            "Smx: standard error",
        ),
    ],
)
def test_altered_numbers_of_nlme_are_reported(tmp_path, folder, model, change, quantity):
    golden = altered(tmp_path, folder, lambda stored: change(stored[model]))
    table = compare_case(golden, case_of(folder, model))
    assert table.loc[table["verdict"] == DIFFERS, "quantity"].tolist() == [quantity]


def test_a_likelihood_below_ours_means_that_r_stopped_early_and_is_said(tmp_path):
    def stop_early(stored):
        stored["contemporaneous"]["logLik"] -= 1e-3
        scale_error(stored["contemporaneous"])

    table = compare_case(
        altered(tmp_path, "mlm2_regular", stop_early), case_of("mlm2_regular", "contemporaneous")
    ).set_index("quantity")
    assert table.loc["log-likelihood", "verdict"] == HIGHER
    assert table.loc["log-likelihood", "difference"] == pytest.approx(1e-3, abs=1e-6)
    assert table.loc["time: standard error", "verdict"] == HIGHER
    assert table.loc["a_w: standard error", "verdict"] == AGREES


def test_a_model_that_is_fitted_though_it_must_be_refused_differs():
    table = compare_case(GOLDEN, replace(case_of("mlm2_regular", "null"), refused="a_bt"))
    assert set(table["verdict"]) == {DIFFERS}


@pytest.mark.parametrize("refused", ["", "some other column"])
def test_a_refusal_that_is_not_asked_for_or_names_something_else_differs(refused):
    case = replace(case_of("mlm3_two_therapists", "lagged_slopes"), refused=refused)
    assert compare_case(GOLDEN, case)["verdict"].tolist() == [DIFFERS]


def test_a_number_that_we_do_not_have_differs():
    rows = pd.DataFrame({"quantity": ["x: estimate"], "ours": [np.nan], "r": [1.0], "tolerance": [1.0]})
    assert compare._judge(rows.assign(case="c", model="m"), False)["verdict"].tolist() == [DIFFERS]


def test_cases_name_their_criterion_as_r_did():
    case = GoldenCase("any", "model")
    assert [case.criterion(stored) for stored in ({"REML": True}, {"REML": False}, {"method": "ML"}, {})] == [
        "REML",
        "ML",
        "ML",
        "REML",
    ]
