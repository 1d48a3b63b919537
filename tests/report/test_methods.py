"""The methods paragraph and the family of secondary tests: computed, complete, plain."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_analysis.analyses.prospective import RefusedFit
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.residuals import AR1
from alliance_analysis.report.methods import describe_method, describe_methods, method_entry
from alliance_analysis.report.secondary import holm, secondary_tests


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(2)
    client, session = (a.ravel() for a in np.indices((20, 6)))
    y = rng.normal(size=20)[client] + rng.normal(size=client.size)
    return pd.DataFrame({"client": client, "session": session + 1, "symptoms": y})


def entry(fit, model="m"):
    return method_entry(fit, model, fit.glance())


def test_a_mixed_model_says_formula_criterion_df_and_whom_and_gives_its_r_code(frame):
    said = entry(fit_mixed("symptoms ~ session + (1 | client)", frame, df="kenward-roger"))
    assert describe_method(said) == (
        "m: symptoms ~ session + (1 | client), by restricted maximum likelihood; standard errors and degrees of freedom "
        "after Kenward and Roger; 120 sessions, 20 clients."
    )
    assert "lmer" in said["r_code"]


def test_df_that_nothing_vouches_for_are_named(frame):
    said = entry(fit_mixed("symptoms ~ session + (1 | client)", frame, residual=AR1(time="session", by="client")))
    assert "after Satterthwaite (calibrated by simulation)" in describe_method(said)


def test_rows_left_out_are_counted(frame):
    holes = frame.assign(symptoms=frame["symptoms"].where(frame["session"] > 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = describe_method(entry(fit_mixed("symptoms ~ session + (1 | client)", holes)))
    assert said.endswith("100 sessions, 20 clients, 20 rows left out.")


def test_a_refused_model_claims_nothing():
    assert describe_method(entry(RefusedFit("x", "no data"))) == (
        "m: not fitted, or it did not converge; nothing is reported from it."
    )


def test_a_model_is_described_once(frame):
    fit = fit_mixed("symptoms ~ session + (1 | client)", frame)
    opening, sentences = describe_methods([entry(fit), entry(fit), entry(fit, "other")], {"python": "3.11"}, 0.9)
    assert len(sentences) == 2
    assert opening.endswith("Intervals are 90 % confidence intervals.")


@pytest.mark.parametrize("seed", range(5))
def test_holms_adjustment_is_scipys_definition(seed):
    p = np.random.default_rng(seed).uniform(size=7) ** 3
    ordered = np.sort(p)
    expected = np.minimum(1, np.maximum.accumulate(ordered * np.arange(7, 0, -1)))
    assert sorted(holm(p.tolist())) == pytest.approx(expected.tolist())
    assert np.all(np.array(holm(p.tolist())) >= p)
    # never more generous than Benjamini and Hochberg's, which controls less
    assert np.all(np.array(holm(p.tolist())) >= stats.false_discovery_control(p) - 1e-12)


def test_the_family_holds_named_terms_beyond_the_primary_one():
    row = {"model": "m", "term": "a", "level": "within", "p_value": 0.01, "primary": False}
    rows = [
        row,
        row | {"term": "b", "p_value": 0.03},
        row | {"term": "main", "primary": True},
        row | {"term": "(Intercept)", "level": None},
        row | {"term": "share", "p_value": None},
    ]
    table = secondary_tests(rows)
    assert table["term"].tolist() == ["a", "b"]
    assert table["p_holm"].tolist() == pytest.approx([0.02, 0.03])
    assert secondary_tests([]).empty
