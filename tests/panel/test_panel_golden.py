"""The panel VAR against a dense maximum likelihood written in base R, and against nlme (tests/golden/panel_var/fit.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import FitWarning
from alliance_analysis.panel.fit import fit_panel_var
from alliance_analysis.panel.likelihood import evaluate
from alliance_analysis.panel.problem import pack

GOLDEN = Path(__file__).parents[1] / "golden" / "panel_var"
REFERENCE = json.loads((GOLDEN / "reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data():
    return pd.read_csv(GOLDEN / "data.csv")


def fit(data, initial):
    if initial == "stationary":
        return fit_panel_var(data, ["x", "y"])
    with pytest.warns(FitWarning, match="covariance is estimated at the boundary"):
        return fit_panel_var(data, ["x", "y"], initial="free")


@pytest.mark.parametrize("initial", ["stationary", "free"])
def test_likelihood_coefficients_standard_errors_and_variances_are_rs(data, initial):
    found, reference = fit(data, initial), REFERENCE[initial]
    assert found.converged
    assert found.log_lik >= reference["log_lik"] - 1e-6
    assert found.log_lik == pytest.approx(reference["log_lik"], abs=1e-4)
    se = np.array(reference["se_A"])
    assert (np.abs(found.parameters.transition - reference["A"]) <= 1e-4 * se).all()
    # R's standard errors come from differences of differences: a few parts in ten thousand
    np.testing.assert_allclose(found.tidy()["std_error"].to_numpy().reshape(2, 2), se, rtol=1e-3)
    np.testing.assert_allclose(found.parameters.innovation, reference["S"], rtol=1e-3)
    np.testing.assert_allclose(found.parameters.client, reference["G"], rtol=1e-3, atol=1e-4)
    start = found.parameters.deviation_covariance(8) if initial == "stationary" else found.parameters.start
    np.testing.assert_allclose(start, reference["P"], rtol=1e-3)


def test_series_that_have_nothing_to_do_with_each_other_have_nlmes_likelihoods(data):
    """corCAR1 with a random intercept, each series alone: A, S and G are diagonal."""
    found = fit_panel_var(data, ["x", "y"], random=("intercept",))
    alone = [REFERENCE["alone"][name] for name in ("x", "y")]
    phi, sigma, client = (np.array([part[key] for part in alone]) for key in ("phi", "sigma", "sd_client"))
    innovation = np.diag(sigma * np.sqrt(1 - phi**2) / found.scale)
    stable = np.diag(client / found.scale / np.diagonal(found.course.to_random))
    deviance = evaluate(found.problem, pack(np.diag(phi), (innovation, stable)))
    counts = data[["x", "y"]].notna().sum().to_numpy()
    log_lik = -deviance.value / 2 - counts @ np.log(found.scale)
    assert log_lik == pytest.approx(sum(part["log_lik"] for part in alone), abs=1e-5)
    course = found.course.to_terms @ (deviance.beta * np.repeat(found.scale, 2))
    np.testing.assert_allclose(course, np.concatenate([part["beta"] for part in alone]), rtol=1e-5)
