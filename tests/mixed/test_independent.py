"""Predictions, influence, shares and bootstrap under residual structures, against dense covariance matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed import independent
from alliance_analysis.mixed.bootstrap import draw_outcomes
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.profile import Source
from alliance_analysis.mixed.residuals import AR1, ByGroup, Unstructured

FORMULA = "y ~ time + x + (1 | therapist) + (1 | client)"
STRUCTURES = {
    "serial": AR1("time", "client"),
    "by group": ByGroup("arm"),
    "both": [AR1("time", "client"), ByGroup("arm")],
}


@pytest.fixture(scope="module")
def fits(arms: pd.DataFrame) -> dict[str, MixedFit]:
    return {name: fit_mixed(FORMULA, arms, residual=residual) for name, residual in STRUCTURES.items()}


def dense(fit: MixedFit, arms: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariance of the rows V and of the random effects G, and Z of both random terms side by side."""
    values = fit.residual_parameters().set_index("parameter")["estimate"]
    deviation = arms["arm"].map({"a": 1.0, "b": values.get("sd_ratio[b]", 1.0), "c": values.get("sd_ratio[c]", 1.0)})
    gap = np.abs(arms["time"].to_numpy()[:, None] - arms["time"].to_numpy()[None, :])
    same = arms["client"].to_numpy()[:, None] == arms["client"].to_numpy()[None, :]
    serial = np.where(same, values["rho"] ** gap, 0.0) if "rho" in values else np.eye(len(arms))
    R = np.outer(deviation, deviation) * serial * fit.sigma**2
    Z = np.hstack([(b.codes[:, None] == np.arange(b.n_levels)).astype(float) for b in fit.design.random])
    variances = [np.full(b.n_levels, G[0, 0]) for b, G in zip(fit.design.random, fit.covariances, strict=True)]
    G = np.diag(np.concatenate(variances))
    return Z @ G @ Z.T + R, G, Z


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_deletion_equals_the_dense_one(fits: dict[str, MixedFit], arms: pd.DataFrame, name: str) -> None:
    fit = fits[name]
    V, _, _ = dense(fit, arms)
    X, y = fit.design.X, fit.design.y
    for group in ("therapist", "client"):
        keep = (arms[group] != 3).to_numpy()
        weighted = np.linalg.solve(V[np.ix_(keep, keep)], np.column_stack([X[keep], y[keep]]))
        beta = np.linalg.solve(X[keep].T @ weighted[:, :-1], X[keep].T @ weighted[:, -1])
        change = fit.influence(group).loc[3].filter(like="change_").astype(float)
        np.testing.assert_allclose(change, beta - fit.estimates.estimate, atol=1e-8)


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_errors_of_known_groups_equal_hendersons(fits: dict[str, MixedFit], arms: pd.DataFrame, name: str) -> None:
    fit = fits[name]
    V, G, Z = dense(fit, arms)
    X, P = fit.design.X, np.linalg.inv(V)
    Phi = np.linalg.inv(X.T @ P @ X)
    C = G - G @ Z.T @ P @ Z @ G
    A = X - Z @ G @ Z.T @ P @ X
    expected = np.sqrt(np.diagonal(Z @ C @ Z.T + A @ Phi @ A.T))
    np.testing.assert_allclose(fit.predict(effects="known")["std_error"], expected, rtol=1e-8)
    np.testing.assert_allclose(fit.random_effects()["std_error"], np.sqrt(np.diagonal(C)), rtol=1e-8)


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_scores_of_new_clients_have_their_own_residual_variance(
    fits: dict[str, MixedFit], arms: pd.DataFrame, name: str
) -> None:
    fit = fits[name]
    V, _, _ = dense(fit, arms)
    X = fit.design.X
    expected = np.sqrt(np.diagonal(V) + np.diagonal(X @ fit.fixed_covariance @ X.T))
    np.testing.assert_allclose(fit.predict(effects="new")["std_error"], expected, rtol=1e-8)
    shares = fit.variance_shares().set_index("level")["share"]
    assert fit.icc() == pytest.approx(shares[["therapist", "client"]].to_dict())
    residual = fit.variance_shares().set_index("level").loc["residual", "estimate"]
    assert residual == pytest.approx(np.diagonal(V).mean() - fit.covariances[0][0, 0] - fit.covariances[1][0, 0])


def test_new_rows_need_one_residual_variance(fits: dict[str, MixedFit], arms: pd.DataFrame) -> None:
    own = fits["serial"].predict(arms, effects="new")
    pd.testing.assert_frame_equal(own, fits["serial"].predict(effects="new"))
    with pytest.raises(ModelError) as caught:
        fits["by group"].predict(arms, effects="new")
    assert str(caught.value) == (
        "predict: the residual variance of new rows is not known, as this fit has several. "
        "Use effects='fixed', or new=None for the rows of the fit."
    )
    with pytest.raises(ModelError) as caught:
        fits["serial"].influence("client", refit=True)
    assert str(caught.value) == "influence: refit=True is for independent residuals only. Use refit=False."


def test_a_model_without_random_terms_has_no_effects(arms: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ time + x", arms, residual=AR1("time", "client"))
    assert fit.random_effects().empty
    fixed, known = fit.predict(effects="fixed"), fit.predict(effects="known")
    np.testing.assert_allclose(known["std_error"], fixed["std_error"], rtol=1e-10)
    assert fit.variance_shares()["level"].tolist() == ["residual"]


def test_outcomes_are_drawn_with_their_correlation(fits: dict[str, MixedFit], arms: pd.DataFrame) -> None:
    fit = fits["both"]
    V, _, _ = dense(fit, arms)
    source = Source(fit.design, fit.problem, fit.solution, fit.attributes)
    drawn = np.array(list(draw_outcomes(source, 3000, 1))) - fit.design.X @ fit.estimates.estimate
    own = drawn.T @ drawn / len(drawn)
    scale = np.sqrt(np.outer(np.diagonal(V), np.diagonal(V)))
    assert np.abs((own - V) / scale).max() < 0.13  # 36,000 entries, each with an error of .018 to .026
    assert abs(((own - V) / scale).mean()) < 0.01


def test_residual_parameters_are_followed_by_bootstrap_and_profile(fits: dict[str, MixedFit]) -> None:
    fit = fits["both"]
    names = ["rho", "sd_ratio[b]", "sd_ratio[c]"]
    drawn = fit.bootstrap(40).tidy().set_index("term")
    profiled = fit.profile(names).set_index("term")
    estimate = fit.residual_parameters().set_index("parameter")["estimate"]
    assert drawn.index[-3:].tolist() == profiled.index.tolist() == names
    np.testing.assert_allclose(drawn.loc[names, "estimate"], estimate)
    np.testing.assert_allclose(profiled["estimate"], estimate)
    assert profiled["kind"].eq("residual").all()
    half = (profiled["conf_high"] - profiled["conf_low"]) / 3.92
    assert (drawn.loc[names, "std_error"] / half).between(0.6, 1.5).all()


def test_profile_limit_of_rho_is_where_the_refitted_deviance_has_risen(arms: pd.DataFrame) -> None:
    from scipy.stats import chi2

    some = arms[arms["client"] < 15]
    fit = fit_mixed("y ~ time + (1 | client)", some, residual=AR1("time", "client"), criterion="ML")
    limits = fit.profile(["rho"]).loc[0]
    for rho in (limits["conf_low"], limits["conf_high"]):
        assert 2 * (fit.log_lik - _best_with(rho, fit, some)) == pytest.approx(chi2.ppf(0.95, 1), abs=2e-3)


def _best_with(rho: float, fit: MixedFit, arms: pd.DataFrame) -> float:
    """Highest log-likelihood at a given rho, on dense matrices, over both variances."""
    from scipy.optimize import minimize

    X, y, n = fit.design.X, fit.design.y, len(arms)
    same = arms["client"].to_numpy()[:, None] == arms["client"].to_numpy()[None, :]
    gap = np.abs(arms["time"].to_numpy()[:, None] - arms["time"].to_numpy()[None, :])
    serial = np.where(same, np.sign(rho) ** gap * abs(rho) ** gap, 0.0)

    def deviance(logs: np.ndarray) -> float:
        root = np.linalg.cholesky(np.exp(logs[0]) * same + np.exp(logs[1]) * serial)
        white = np.linalg.solve(root, np.column_stack([X, y]))
        rest = white[:, -1] - white[:, :-1] @ np.linalg.lstsq(white[:, :-1], white[:, -1], rcond=None)[0]
        return 2 * np.log(np.diagonal(root)).sum() + rest @ rest + n * np.log(2 * np.pi)

    start = np.log([fit.covariances[0][0, 0] + 0.5, fit.sigma**2])
    return -minimize(deviance, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-5}).fun / 2


def test_more_clients_of_a_therapist_than_matrices_can_hold(
    arms: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = fit_mixed(FORMULA, arms)
    monkeypatch.setattr(independent, "MAX_ENTRIES", 9 * 6**2 - 1)  # nine therapists, six effects each
    own = fit.random_effects()
    assert own["std_error"].isna().all()
    assert own["estimate"].notna().all()
    with pytest.raises(ModelError) as caught:
        fit.influence("client")
    assert str(caught.value) == (
        "influence: it needs matrices over all effects of therapist, client that hang together, and here are too many. "
        "Use a part of the data."
    )
    with pytest.raises(ModelError) as caught:
        fit_mixed(FORMULA, arms, df="kenward-roger")
    assert str(caught.value) == (
        "df: Kenward–Roger needs matrices over all clients of a therapist at once, and here are too many of them. "
        "Use 'satterthwaite': with so many clients the two agree."
    )
    monkeypatch.setattr(independent, "MAX_ENTRIES", 9 * 6**2)
    assert fit.random_effects()["std_error"].notna().all()


def test_visits_with_an_unstructured_covariance_are_followed_too(arms: pd.DataFrame) -> None:
    first = arms[arms.groupby("client").cumcount() < 3]
    visits = first.assign(visit=first.groupby("client").cumcount())
    fit = fit_mixed("y ~ time", visits, residual=Unstructured("visit", "client"))
    own = fit.profile(["sd_ratio[1]", "correlation[0, 1]"])
    assert own["estimate"].between(own["conf_low"], own["conf_high"]).all()
