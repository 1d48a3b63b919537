"""The closed cases: nothing R has stored of them is left out, altered numbers are noticed, one mistake of R is excused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from alliance_analysis.validation.closed import CLOSED_CASES, ClosedCase
from alliance_analysis.validation.compare import AGREES, DIFFERS, WRONG, compare_case

GOLDEN = Path(__file__).parents[1] / "golden"
PSYCH = f"{WRONG}transposed weights"
NUMBERS = {
    ("agreement", "intraclass correlations"): 6 * 7,
    ("agreement", "concordance"): 8,
    ("agreement", "limits of agreement"): 3 + 4 + 3,
    ("agreement", "limits of agreement by REML"): 6,
    ("agreement", "correlations"): 5 + 3,
    ("agreement", "two-level maximum likelihood"): 1 + 2 * 8,
    ("agreement", "kappa"): 6,
    ("one_with_many", "variance partition"): 5,
    ("apim_longitudinal", "distinguishability"): 3,
    ("rsa", "least squares"): 6 * 3 + 2 + 5 * 2 + 6 + 5 + 3,
    ("rsa", "multilevel surface"): 1 + 5 * 2 + 6,
    ("gtheory", "reliabilities"): 5 + 2,
}


def case_of(model):
    (case,) = [case for case in CLOSED_CASES if case.model == model]
    return case


def altered(tmp_path, folder, change):
    shutil.copytree(GOLDEN / folder, tmp_path / folder)
    path = tmp_path / folder / "reference.json"
    stored = json.loads(path.read_text("utf-8"))
    change(stored)
    path.write_text(json.dumps(stored), encoding="utf-8")
    return tmp_path


def test_every_case_compares_as_many_numbers_as_r_has_stored():
    assert {(case.case, case.model) for case in CLOSED_CASES} == set(NUMBERS)
    for case in CLOSED_CASES:
        if case.case != "gtheory":  # slow, compared in test_golden_cases
            assert len(compare_case(GOLDEN, case)) == NUMBERS[case.case, case.model], case.model


def test_psychs_weighted_interval_is_the_only_number_that_is_wrong():
    table = compare_case(GOLDEN, case_of("kappa")).set_index("quantity")["verdict"]
    assert table[table != AGREES].to_dict() == {
        "weighted kappa: conf_low": PSYCH,
        "weighted kappa: conf_high": PSYCH,
    }


def test_another_difference_in_that_interval_is_not_excused(tmp_path):
    def move(stored):
        stored["kappa"]["ci"]["values"][1][0] += 1e-6

    table = compare_case(altered(tmp_path, "agreement", move), case_of("kappa")).set_index("quantity")["verdict"]
    assert [table["weighted kappa: conf_low"], table["weighted kappa: conf_high"]] == [DIFFERS, PSYCH]


def test_without_a_known_mistake_nothing_is_excused():
    table = compare_case(GOLDEN, replace(case_of("kappa"), mistake=None))
    assert set(table["verdict"]) == {AGREES, DIFFERS}


def scale(*path):
    def change(stored):
        at = stored
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] *= 1 + 1e-7 if path[0] in ("icc_dyad_means", "ccc_dyad_means", "rmcorr", "ols") else 1.02

    return change


@pytest.mark.parametrize(
    ("model", "folder", "path", "quantity"),
    [
        ("intraclass correlations", "agreement", ("icc_dyad_means", "ICC2", "upper bound"), "ICC(A,1): upper bound"),
        ("intraclass correlations", "agreement", ("icc_dyad_means", "ICC3k", "p"), "ICC(C,k): p"),
        ("concordance", "agreement", ("ccc_dyad_means", "se"), "CCC: standard error"),
        ("limits of agreement", "agreement", ("bland_altman_repeated_anova", "n0"), "sessions per client (n0)"),
        (
            "limits of agreement by REML",
            "agreement",
            ("bland_altman_repeated_reml", "var_between"),
            "variance between clients",
        ),
        ("correlations", "agreement", ("rmcorr", "p"), "repeated measures: p"),
        ("variance partition", "one_with_many", ("variance_partition", "dyadic_reciprocity_r"), "dyadic reciprocity"),
        ("distinguishability", "apim_longitudinal", ("lrt_distinguishability_ap", "chisq"), "chi-square"),
        ("least squares", "rsa", ("ols", "a", "a4", "est"), "a4: estimate"),
        ("multilevel surface", "rsa", ("multilevel", "a", "a3", "se"), "a3: standard error"),
    ],
)
def test_one_altered_number_of_r_is_reported_and_no_other(tmp_path, model, folder, path, quantity):
    table = compare_case(altered(tmp_path, folder, scale(*path)), case_of(model))
    assert table.loc[table["verdict"] != AGREES, ["quantity", "verdict"]].to_numpy().tolist() == [[quantity, DIFFERS]]


def test_an_altered_standard_error_of_lavaan_is_reported(tmp_path):
    def change(stored):
        row = next(
            r for r in stored["twolevel_ml"]["estimates"] if (r["lhs"], r["rhs"], r["level"]) == ("wai_c", "wai_t", 2)
        )
        row["se"] *= 1.01

    table = compare_case(altered(tmp_path, "agreement", change), case_of("two-level maximum likelihood"))
    assert table.loc[table["verdict"] != AGREES, "quantity"].tolist() == ["wai_c~~wai_t|2: standard error"]


def test_a_case_names_its_folder_and_reads_dyads_as_clients():
    case = ClosedCase("agreement", "any", lambda frame, stored: iter(()))
    assert {"client", "therapist", "wai_c"} <= set(case.frame(GOLDEN))
    assert case.reference(GOLDEN)["n_dyads"] == case.frame(GOLDEN).dropna()["client"].nunique()
