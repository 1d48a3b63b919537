"""Shares of variance and R2 against performance (stored) and against the papers' formulas done row by row."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import FitWarning
from alliance_analysis.mixed.fit import MixedFit, fit_mixed

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    "mlm2_regular",
    "mlm2_tiny_constant",
    "mlm3_regular",
    "mlm3_singular",
    "growth_strong_slopes",
    "collinear_subscales",
    "truth_bias",
]


def golden_models() -> list[tuple[str, str]]:
    found = []
    for case in CASES:
        stored = json.loads((GOLDEN / case / "reference.json").read_text(encoding="utf-8"))
        found += [(case, key) for key, value in stored.items() if isinstance(value, dict) and "r2_nakagawa" in value]
    return found


def refit(case: str, model: str) -> tuple[MixedFit, dict]:
    stored = json.loads((GOLDEN / case / "reference.json").read_text(encoding="utf-8"))[model]
    frame = pd.read_csv(GOLDEN / case / "derived.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        fit = fit_mixed(" ".join(stored["formula"].split()), frame, criterion="REML" if stored["REML"] else "ML")
    return fit, stored


@pytest.mark.parametrize(("case", "model"), golden_models())
def test_nakagawa_agrees_with_performance(case: str, model: str) -> None:
    fit, stored = refit(case, model)
    own = fit.r2().set_index("measure")["estimate"]
    expected = stored["r2_nakagawa"]
    if expected["conditional"] is None:
        # performance counts no random variance at all in a singular fit; here the other levels keep theirs.
        assert np.isnan(own["nakagawa_conditional"])
        fixed = np.var(fit.design.X @ fit.estimates.estimate, ddof=1)
        assert fixed / (fixed + fit.sigma**2) == pytest.approx(expected["marginal"], abs=1e-6)
        assert own["nakagawa_marginal"] <= expected["marginal"] + 1e-6
    else:
        assert own["nakagawa_marginal"] == pytest.approx(expected["marginal"], abs=1e-6)
        assert own["nakagawa_conditional"] == pytest.approx(expected["conditional"], abs=1e-6)


def test_rights_and_sterba_follow_their_formulas_for_centred_predictors(arms: pd.DataFrame) -> None:
    mean = arms.groupby("client")["x"].transform("mean")
    frame = arms.assign(xw=arms["x"] - mean, xb=mean)
    fit = fit_mixed("y ~ xw + xb + (1 + xw | client)", frame)
    beta, G, sigma2 = fit.estimates.estimate, fit.covariances[0], fit.sigma**2
    # R (r2mlm): f1 = g_w' var(x_w) g_w; f2 = g_b' var(x_b) g_b; v = tau_11 var(x_w); m = tau_00.
    f1, f2 = beta[1] ** 2 * frame["xw"].var(), beta[2] ** 2 * frame["xb"].var()
    v, m = G[1, 1] * frame["xw"].var(), G[0, 0]
    total, within, between = f1 + f2 + v + m + sigma2, f1 + v + sigma2, f2 + m
    own = fit.r2().query("measure == 'rights_sterba'").set_index(["level", "source"])["estimate"]
    expected = {
        ("total", "fixed within"): f1 / total,
        ("total", "fixed between_client"): f2 / total,
        ("total", "random client between_client"): m / total,
        ("total", "random client within"): v / total,
        ("total", "residual within"): sigma2 / total,
        ("within", "fixed"): f1 / within,
        ("within", "random client"): v / within,
        ("within", "residual"): sigma2 / within,
        ("between_client", "fixed"): f2 / between,
        ("between_client", "random client"): m / between,
    }
    assert set(own.index) == set(expected)
    for key, value in expected.items():
        assert own[key] == pytest.approx(value, rel=1e-8), key


def test_three_levels_add_up_and_sit_where_they_vary(arms: pd.DataFrame) -> None:
    therapist_mean = arms.groupby("therapist")["x"].transform("mean")
    client_mean = arms.groupby("client")["x"].transform("mean")
    frame = arms.assign(xt=therapist_mean, xc=client_mean - therapist_mean, xw=arms["x"] - client_mean)
    fit = fit_mixed("y ~ xw + xc + xt + (1 + xw | therapist) + (1 | client)", frame)
    own = fit.r2().query("measure == 'rights_sterba'")
    np.testing.assert_allclose(own.groupby("level")["estimate"].sum(), 1.0)
    total = own[own["level"] == "total"].set_index("source")["estimate"]
    assert set(total.index) == {
        "fixed within",
        "fixed between_client",
        "fixed between_therapist",
        "random therapist between_therapist",
        "random therapist within",
        "random client between_client",
        "residual within",
    }
    ratio = total["random client between_client"] / total["residual within"]
    assert ratio == pytest.approx(fit.covariances[1][0, 0] / fit.sigma**2, rel=1e-9)
    slope = total["random therapist within"] / total["residual within"]
    assert slope == pytest.approx(fit.covariances[0][1, 1] * frame["xw"].var() / fit.sigma**2, rel=1e-6)


def test_crossed_groups_have_no_levels(arms: pd.DataFrame) -> None:
    assert fit_mixed("y ~ time + (1 | therapist) + (1 | item)", arms).r2()["measure"].tolist() == [
        "nakagawa_marginal",
        "nakagawa_conditional",
    ]


def test_shares_of_intercepts_are_the_icc(arms: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ 1 + (1 | therapist) + (1 | client)", arms)
    table = fit.variance_shares()
    assert table["level"].tolist() == ["therapist", "client", "residual"]
    assert table["share"].sum() == pytest.approx(1)
    for group, share in fit.icc().items():
        assert table.set_index("level").loc[group, "share"] == pytest.approx(share)
    assert table["note"].tolist() == ["", "", ""]


def test_share_of_a_slope_is_its_mean_over_the_rows(arms: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ time + (1 + time | client)", arms)
    Z = np.column_stack([np.ones(len(arms)), arms["time"]])
    expected = np.mean([z @ fit.covariances[0] @ z for z in Z])
    assert fit.variance_shares().loc[0, "estimate"] == pytest.approx(expected)


def test_a_level_at_zero_is_withheld() -> None:
    fit, _ = refit("mlm3_singular", "within_between_3level")
    table = fit.variance_shares().set_index("level")
    assert np.isnan(table.loc["therapist", ["estimate", "share"]].astype(float)).all()
    assert table.loc["therapist", "note"] == "withheld: the therapist variance is estimated at zero (singular fit)"
    assert table.loc["therapist:dyad", "share"] > 0.5
