"""Residual structures against V written out row by row, against models they must equal, and against nlme."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.crossproducts import build_problem
from alliance_analysis.mixed.design import build_design
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.formula import parse_formula
from alliance_analysis.mixed.likelihood import deviance
from alliance_analysis.mixed.optimise import maximise_likelihood
from alliance_analysis.mixed.refits import model_rows, replace_outcome
from alliance_analysis.mixed.residuals import AR1, ByGroup, SameSession, Unstructured, read_structures

GOLDEN = Path(__file__).parents[1] / "golden"
SERIES = AR1(time="session", by="client")
DAYS = AR1(time="day", by="client")
ARMS = ByGroup("arm")
PAIR = SameSession(rater="rater", by=["client", "session"])
VISITS = Unstructured(visit="session", by=["client", "rater"])
SLOPES = "y ~ time + x + (1 + time | client) + (1 | therapist)"
CASES = {
    "series": (SLOPES, SERIES, "one"),
    "days": (SLOPES, DAYS, "one"),
    "arms": (SLOPES, ARMS, "one"),
    "series and arms": ("y ~ x + (1 | client)", [SERIES, ARMS], "one"),
    "series without random terms": ("y ~ time + x", SERIES, "one"),
    "pair": ("y ~ x + (0 + r1 + r2 | client) + (1 | therapist)", PAIR, "both"),
    "pair by therapist only": ("y ~ x + (1 | therapist)", PAIR, "both"),
    "pair and arms": ("y ~ x + (1 | client)", [PAIR, ARMS], "both"),
    "pair in series": ("y ~ x + (1 | therapist)", [PAIR, SERIES], "both"),
    "pair in series with arms": ("y ~ x", [PAIR, DAYS, ARMS], "both"),
    "visits": ("y ~ x + (1 | therapist)", VISITS, "both"),
}


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    """Two raters in five sessions of 30 clients of 6 therapists, 15 % missing; rows shuffled."""
    rng = np.random.default_rng(8)
    full = pd.DataFrame(
        [(c, s, r) for c in range(30) for s in range(5) for r in ("p", "t")], columns=["client", "session", "rater"]
    )
    full["therapist"], full["arm"] = full["client"] // 5, np.array(["a", "b", "c"])[full["client"] % 3]
    full["time"], full["r1"] = full["session"] / 2, (full["rater"] == "p").astype(float)
    full["r2"], full["x"] = 1 - full["r1"], rng.standard_normal(300)
    full["day"] = 7.5 * full["session"] + full["client"] % 4 * (full["session"] > 2) / 3
    shared = rng.standard_normal((30, 5))[full["client"], full["session"]]
    client = rng.standard_normal((30, 2))[full["client"], full["r2"].astype(int)]
    spread = 1 + 0.6 * full["r2"] + 0.3 * (full["arm"] == "b")
    full["y"] = full["x"] + client + spread * (shared + rng.standard_normal(300)) + 0.5 * full["therapist"] % 2
    return full[rng.random(300) > 0.15].sample(frac=1, random_state=4).reset_index(drop=True)


def rows_of(which: str, ratings: pd.DataFrame) -> pd.DataFrame:
    return ratings if which == "both" else ratings[ratings["rater"] == "t"].reset_index(drop=True)


def quiet_fit(*arguments: object, **options: object) -> MixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return fit_mixed(*arguments, **options)  # type: ignore[arg-type]


def correlation_of(fit: MixedFit, frame: pd.DataFrame, structures: list) -> np.ndarray:
    """R of the residuals relative to sigma^2, pair of rows by pair of rows, from the user-scale parameters."""
    values = fit.residual_parameters().set_index("parameter")["estimate"]
    columns = [part.visit if isinstance(part, Unstructured) else None for part in structures]
    R = np.eye(len(frame))
    for i, one in enumerate(frame.itertuples()):
        for j, other in enumerate(frame.itertuples()):
            entry = float(one.client == other.client or i == j)
            pair = [part for part in structures if isinstance(part, SameSession)]
            series = [part for part in structures if isinstance(part, AR1)]
            if not series and not any(columns):
                entry = float(i == j)
                if pair:
                    entry = float(one.client == other.client and one.session == other.session)
            for part in structures:
                if isinstance(part, AR1):
                    entry *= values["rho"] ** abs(getattr(one, part.time) - getattr(other, part.time))
                elif isinstance(part, ByGroup):
                    entry *= values.get(f"sd_ratio[{one.arm}]", 1.0) * values.get(f"sd_ratio[{other.arm}]", 1.0)
                elif isinstance(part, SameSession):
                    entry *= values.get(f"sd_ratio[{one.rater}]", 1.0) * values.get(f"sd_ratio[{other.rater}]", 1.0)
                    entry *= 1.0 if one.rater == other.rater else values["correlation"]
                else:
                    a, b = sorted((one.session, other.session))
                    entry = float(one.client == other.client and one.rater == other.rater)
                    entry *= values.get(f"sd_ratio[{a}]", 1.0) * values.get(f"sd_ratio[{b}]", 1.0)
                    entry *= 1.0 if a == b else values[f"correlation[{a}, {b}]"]
            R[i, j] = entry
    return R


def dense_log_likelihood(fit: MixedFit, R: np.ndarray) -> float:
    V = fit.sigma**2 * R
    for block, covariance in zip(fit.design.random, fit.covariances, strict=True):
        V = V + block.Z @ covariance @ block.Z.T * (block.codes[:, None] == block.codes)
    X, y = fit.design.X, fit.design.y
    ViX = np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(X.T @ ViX, ViX.T @ y)
    twice = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r) + len(y) * np.log(2 * np.pi)
    if fit.criterion == "REML":
        twice += np.linalg.slogdet(X.T @ ViX)[1] - X.shape[1] * np.log(2 * np.pi)
    return -twice / 2


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("case", CASES)
def test_likelihood_and_standard_errors_equal_those_of_v_written_out(
    case: str, criterion: str, ratings: pd.DataFrame
) -> None:
    formula, residual, which = CASES[case]
    frame = rows_of(which, ratings)
    fit = quiet_fit(formula, frame, residual=residual, criterion=criterion)
    assert fit.converged
    R = correlation_of(fit, frame, residual if isinstance(residual, list) else [residual])
    assert fit.log_lik == pytest.approx(dense_log_likelihood(fit, R), abs=1e-7)
    V = fit.sigma**2 * R
    for block, covariance in zip(fit.design.random, fit.covariances, strict=True):
        V = V + block.Z @ covariance @ block.Z.T * (block.codes[:, None] == block.codes)
    X = fit.design.X
    np.testing.assert_allclose(fit.fixed_covariance, np.linalg.inv(X.T @ np.linalg.solve(V, X)), rtol=1e-6, atol=1e-12)
    # Fitted values: X beta + Z G Z' V^-1 (y - X beta), and the residuals made independent have variance R^-1 r'r.
    r = fit.design.y - X @ fit.estimates.estimate
    expected = fit.design.y - fit.sigma**2 * R @ np.linalg.solve(V, r)
    np.testing.assert_allclose(fit.fitted(), expected, atol=1e-7)
    white, rest = fit.residuals("normalized"), fit.residuals()
    assert white @ white == pytest.approx(rest @ np.linalg.solve(R, rest) / fit.sigma**2, rel=1e-9)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_differences(case: str, criterion: str, ratings: pd.DataFrame) -> None:
    formula, residual, which = CASES[case]
    problem = quiet_fit(formula, rows_of(which, ratings), residual=residual, criterion=criterion).problem
    rng = np.random.default_rng(1)
    theta = rng.uniform(0.2, 0.6, problem.n_factor_entries + problem.residual.model.size)
    own = deviance(problem, theta, sigma=0.8)
    for i, unit in enumerate(np.eye(len(theta)) * 1e-5):
        up, down = (deviance(problem, theta + sign * unit, sigma=0.8).value for sign in (1, -1))
        assert own.gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-4)


# Models that are the same


def test_without_correlation_and_with_equal_variances_every_structure_is_independence(ratings: pd.DataFrame) -> None:
    for residual, phi in ((SERIES, [0.0]), (ARMS, [0.0, 0.0]), (PAIR, [0.0, 0.0]), ([PAIR, SERIES], [0.0] * 3)):
        frame = rows_of("one" if residual is SERIES else "both", ratings)
        own = quiet_fit("y ~ x + (1 | client)", frame, residual=residual).problem
        plain = quiet_fit("y ~ x + (1 | client)", frame).problem
        theta = np.array([0.7])
        value = deviance(own, np.append(theta, phi)).value
        assert value == pytest.approx(deviance(plain, theta).value, abs=1e-9)


def test_positively_correlated_raters_are_a_random_intercept_of_the_session(ratings: pd.DataFrame) -> None:
    pair = quiet_fit("y ~ x + (1 | client)", ratings, residual=PAIR).problem
    session = quiet_fit("y ~ x + (1 | client) + (1 | client:session)", ratings).problem
    # Session variance .5 and residual 1 make a pair with variance 1.5 and correlation 1/3 (theta is relative to sigma).
    total, sigma = 1.5, 0.9
    a = deviance(session, np.array([0.6, np.sqrt(0.5)]), sigma=sigma)
    b = deviance(pair, np.array([0.6 / np.sqrt(total), 0.0, np.arctanh(0.5 / total)]), sigma=sigma * np.sqrt(total))
    assert a.value == pytest.approx(b.value, abs=1e-9)
    np.testing.assert_allclose(a.beta, b.beta, rtol=1e-9)


def test_two_unstructured_visits_are_two_raters(ratings: pd.DataFrame) -> None:
    pair = fit_mixed("y ~ x + r1", ratings, residual=PAIR)
    visits = fit_mixed("y ~ x + r1", ratings, residual=Unstructured(visit="rater", by=["client", "session"]))
    pd.testing.assert_frame_equal(pair.tidy(), visits.tidy(), rtol=1e-5)
    np.testing.assert_allclose(
        pair.variance_components()["estimate"], visits.variance_components()["estimate"], rtol=1e-5
    )
    assert pair.log_lik == pytest.approx(visits.log_lik, abs=1e-8)


@pytest.mark.parametrize("case", ["series and arms", "pair in series", "visits"])
def test_row_order_and_labels_change_nothing(case: str, ratings: pd.DataFrame) -> None:
    formula, residual, which = CASES[case]
    frame = rows_of(which, ratings)
    own = quiet_fit(formula, frame, residual=residual)
    ordered = frame.sort_values(["client", "session", "rater"]).reset_index(drop=True)
    other = quiet_fit(formula, ordered.assign(client=ordered["client"].map("c{:03d}".format)), residual=residual)
    pd.testing.assert_frame_equal(own.tidy(), other.tidy(), rtol=1e-5)
    assert own.log_lik == pytest.approx(other.log_lik, abs=1e-8)


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_the_unit_of_the_outcome_only_rescales(scale: float, ratings: pd.DataFrame) -> None:
    own = fit_mixed("y ~ x + (1 | client)", ratings, residual=[PAIR, ARMS])
    other = fit_mixed("y ~ x + (1 | client)", ratings.assign(y=ratings["y"] * scale), residual=[PAIR, ARMS])
    np.testing.assert_allclose(other.tidy()["estimate"], own.tidy()["estimate"] * scale, rtol=1e-6)
    np.testing.assert_allclose(other.tidy()["df"], own.tidy()["df"], rtol=1e-5)
    np.testing.assert_allclose(
        other.residual_parameters()["estimate"], own.residual_parameters()["estimate"], rtol=1e-5
    )


def test_shifted_sessions_and_their_unit_change_only_rho(ratings: pd.DataFrame) -> None:
    frame = rows_of("one", ratings)
    own = fit_mixed("y ~ x", frame, residual=SERIES)
    moved = fit_mixed("y ~ x", frame.assign(session=frame["session"] + 10_000), residual=SERIES)
    pd.testing.assert_frame_equal(own.tidy(), moved.tidy(), rtol=1e-7)
    frame = frame.assign(half=frame["session"] / 2)
    halved = fit_mixed("y ~ x", frame, residual=AR1(time="half", by="client"))
    assert halved.residual_parameters()["estimate"][0] == pytest.approx(
        own.residual_parameters()["estimate"][0] ** 2, rel=1e-5
    )


def test_an_alternating_series_has_a_negative_correlation() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"client": np.repeat(np.arange(40), 8), "session": np.tile(np.arange(8), 40)})
    noise = rng.standard_normal((40, 8))
    for t in range(1, 8):
        noise[:, t] += -0.5 * noise[:, t - 1]
    fit = fit_mixed("y ~ 1", frame.assign(y=noise.ravel()), residual=SERIES)
    assert fit.residual_parameters()["estimate"][0] == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize("unit", [1e-6, 1 / 365.25, 86_400.5])
def test_the_unit_of_real_gaps_does_not_matter(unit: float, ratings: pd.DataFrame) -> None:
    frame = rows_of("one", ratings).assign(
        day=lambda rows: rows["session"] * 1.1, other=lambda rows: rows["day"] * unit
    )
    formula = "y ~ x + (1 | client)"
    days, others = (fit_mixed(formula, frame, residual=AR1(column, "client")) for column in ("day", "other"))
    assert others.log_lik == pytest.approx(days.log_lik, abs=1e-8)
    pd.testing.assert_frame_equal(others.tidy(), days.tidy(), rtol=1e-6)


def test_days_are_as_good_as_sessions() -> None:
    """At a gap of a week a start of rho = .2 a day would lie where the likelihood is flat."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"client": np.repeat(np.arange(30), 8), "session": np.tile(np.arange(8), 30)})
    noise = rng.standard_normal((30, 8))
    for t in range(1, 8):
        noise[:, t] = 0.6 * noise[:, t - 1] + 0.8 * noise[:, t]
    frame = frame.assign(y=noise.ravel(), day=7.3 * frame["session"], whole=7 * frame["session"])
    sessions, days, whole = (
        fit_mixed("y ~ 1", frame, residual=AR1(time=time, by="client")) for time in ("session", "day", "whole")
    )
    rho = sessions.residual_parameters()["estimate"][0]
    assert days.residual_parameters()["estimate"][0] == pytest.approx(rho ** (1 / 7.3), rel=1e-6)
    assert whole.residual_parameters()["estimate"][0] == pytest.approx(rho ** (1 / 7), rel=1e-6)
    assert days.log_lik == pytest.approx(sessions.log_lik, abs=1e-8)


def test_of_several_maxima_the_highest_is_found() -> None:
    """Random slopes and a serial correlation compete: from a correlation of .2 alone the search ends .17 lower."""
    rng = np.random.default_rng(25)
    clients, sessions = int(rng.integers(8, 25)), int(rng.integers(4, 10))
    client, time = np.repeat(np.arange(clients), sessions), np.tile(np.arange(sessions), clients)
    rho, noise = rng.choice([0, 0.3, 0.7, 0.9]), rng.standard_normal((clients, sessions))
    for t in range(1, sessions):
        noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    y = rng.choice([0, 0.5, 1.5]) * rng.standard_normal(clients)[client] + noise.ravel()
    frame = pd.DataFrame({"y": y, "session": time, "client": client, "time": time})
    frame["x"] = rng.standard_normal(len(frame))
    frame = frame[rng.random(len(frame)) > 0.15]
    fit = quiet_fit("y ~ x + (1 + time | client)", frame, residual=SERIES)
    problem = fit.problem
    elsewhere = [maximise_likelihood(problem, np.array([a, 0.0, a, phi])) for a in (0.3, 1.0) for phi in (-1.0, 1.2)]
    assert fit.converged
    assert -2 * fit.log_lik <= min(other.deviance.value for other in elsewhere) + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("structure", [SERIES, ARMS])
def test_intervals_contain_the_truth_at_the_nominal_rate(structure: AR1 | ByGroup) -> None:
    inside = []
    for seed in range(300):
        rng = np.random.default_rng(5_000 + seed)
        frame = pd.DataFrame({"client": np.repeat(np.arange(20), 8), "session": np.tile(np.arange(8), 20)})
        noise = rng.standard_normal((20, 8))
        for t in range(1, 8) if structure is SERIES else ():
            noise[:, t] = 0.5 * noise[:, t - 1] + np.sqrt(0.75) * noise[:, t]
        noise[10:] *= 1 if structure is SERIES else 2
        frame = frame.assign(x=rng.standard_normal(160), treated=(frame["client"] >= 10).astype(float))
        frame["arm"] = np.where(frame["treated"] > 0, "b", "a")
        frame["y"] = 0.8 * rng.standard_normal(20)[frame["client"]] + noise.ravel()
        fit = quiet_fit("y ~ session + x + treated + (1 | client)", frame[rng.random(160) > 0.15], residual=structure)
        table = fit.tidy()
        inside.append((table["conf_low"] <= 0) & (table["conf_high"] >= 0))
    share = np.mean(inside, axis=0)
    # Three binomial standard errors around .95.
    assert (share >= 0.95 - 0.038).all()
    assert (share <= 0.95 + 0.038).all()


@pytest.mark.parametrize("case", ["series", "pair", "visits"])
def test_another_outcome_gives_the_problem_built_from_scratch(case: str, ratings: pd.DataFrame) -> None:
    formula, residual, which = CASES[case]
    fit = quiet_fit(formula, rows_of(which, ratings), residual=residual)
    y = np.random.default_rng(3).standard_normal(fit.problem.n) * 5 + 100
    replaced = replace_outcome(fit.problem, fit.design, y)
    rebuilt = quiet_fit(formula, rows_of(which, ratings).assign(y=y), residual=residual).problem
    theta = fit.solution.theta
    one, other = deviance(replaced, theta), deviance(rebuilt, theta)
    assert one.value == pytest.approx(other.value, abs=1e-7)
    np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-7, atol=1e-7)


# nlme (R 4.2.2, nlme 3.1-162) on the rows of golden/lme_ar1_gaps, arm = parity of dyad


@pytest.fixture(scope="module")
def gaps() -> pd.DataFrame:
    frame = pd.read_csv(GOLDEN / "lme_ar1_gaps" / "derived.csv")
    return frame.assign(arm=np.where(frame["dyad"] % 2 == 0, "even", "odd"))


def test_series_with_unequal_variances_agree_with_nlme(gaps: pd.DataFrame) -> None:
    """lme(sym~time+a_w_lag+a_bc, ~1+time|dyad, corCAR1(form=~session|dyad), varIdent(form=~1|arm))."""
    formula = "sym ~ time + a_w_lag + a_bc + (1 + time | dyad)"
    fit = fit_mixed(formula, gaps, residual=[AR1(time="session", by="dyad"), ByGroup("arm")])
    errors = np.array([0.8617462556170, 0.0776898225043, 0.3770015583388, 1.2963109496374])
    stored = np.array([22.480256827771, -0.523221365427, -1.123717385453, -2.939064206346])
    assert fit.log_lik == pytest.approx(-749.523129325, abs=1e-6)
    assert (np.abs(fit.tidy()["estimate"] - stored) < 1e-3 * errors).all()
    np.testing.assert_allclose(fit.tidy()["std_error"], errors, rtol=1e-3)
    parameters = fit.residual_parameters()["estimate"]
    assert parameters[0] == pytest.approx(0.491911249011, rel=1e-3)
    assert parameters[1] == pytest.approx(1 / 1.17864120686, rel=1e-3)
    table = fit.variance_components().set_index(["group", "term", "term2"])["estimate"]
    assert table["dyad", "(Intercept)", ""] == pytest.approx(21.274411915977, rel=1e-3)
    assert table["dyad", "time", ""] == pytest.approx(0.0919606068426, rel=1e-3)
    assert table["residual", "odd", ""] == pytest.approx(2.78816536359**2, rel=1e-3)
    assert table["residual", "even", ""] == pytest.approx((2.78816536359 * 1.17864120686) ** 2, rel=1e-3)
    # resid(m, type = "normalized"), fitted(m), ranef(m)
    first = [0.6241738504193, 1.7552519213911, 1.3685861354424, 0.4486554639323]
    np.testing.assert_allclose(fit.residuals("normalized")[:4], first, atol=2e-3)
    np.testing.assert_allclose(fit.fitted()[:3], [32.0867000894, 31.7110472325, 30.1116661429], atol=5e-3)
    effects = fit.random_effects().pivot(index="level", columns="term", values="estimate")
    np.testing.assert_allclose(effects.iloc[:2, 0], [9.24380375613, 3.34868872696], atol=5e-3)


def test_gls_with_unequal_variances_agrees_with_nlme(gaps: pd.DataFrame) -> None:
    """gls(sym~time, corAR1(form=~session|dyad), varIdent(form=~1|arm), method="ML")."""
    structure = [AR1(time="session", by="dyad"), ByGroup("arm")]
    fit = fit_mixed("sym ~ time", gaps, residual=structure, criterion="ML")
    assert fit.log_lik >= -767.879271457 - 1e-6
    np.testing.assert_allclose(fit.tidy()["estimate"], [22.595364716354, -0.511545002903], rtol=1e-4)
    np.testing.assert_allclose(fit.residual_parameters()["estimate"], [0.8755057421, 1 / 1.14004505984], rtol=1e-3)
    assert fit.glance().loc[0, "aic"] == pytest.approx(2 * 767.879271457 + 2 * 5, abs=1e-5)


# Tables and refusals


def test_tables_name_every_residual_variance(ratings: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ x + (1 | client)", ratings, residual=PAIR)
    table = fit.variance_components()
    own = table[table["group"] == "residual"]
    assert list(zip(own["term"], own["term2"], strict=True)) == [("p", ""), ("t", ""), ("p", "t")]
    parameters = fit.residual_parameters()
    assert parameters["parameter"].tolist() == ["sd_ratio[t]", "correlation"]
    assert own["std_dev"].tolist()[2] == pytest.approx(parameters["estimate"][1])
    assert own["std_dev"].tolist()[0] == pytest.approx(fit.sigma)
    assert fit.glance().loc[0, "df_basis"] == "calibrated by simulation"
    assert fit.glance().loc[0, "aic"] == pytest.approx(-2 * fit.log_lik + 2 * 6)
    crossed = quiet_fit("y ~ x", ratings, residual=[PAIR, ARMS]).variance_components()
    assert crossed["term"].tolist() == ["p:a", "t:a", "p:a", "p:b", "t:b", "p:b", "p:c", "t:c", "p:c"]
    plain = fit_mixed("y ~ x + (1 | client)", ratings)
    assert plain.residual_parameters().empty
    assert plain.variance_components()["term"].tolist() == ["(Intercept)", ""]


def test_kind_of_residuals_is_checked(ratings: pd.DataFrame) -> None:
    fit = fit_mixed("y ~ x + (1 | client)", ratings)
    np.testing.assert_allclose(fit.residuals("normalized"), fit.residuals() / fit.sigma)
    with pytest.raises(ModelError) as caught:
        fit.residuals("pearson")  # type: ignore[arg-type]
    assert str(caught.value) == "residuals: kind must be 'response' or 'normalized', got 'pearson'."


@pytest.mark.parametrize(
    ("residual", "message"),
    [
        ([SERIES, DAYS], "residual: AR1 is there 2 times; one is allowed. Keep one."),
        ([VISITS, ARMS], "residual: Unstructured allows any covariance already; no other structure goes with it."),
        ([ARMS, ARMS], "residual: the variances by 'arm' are there 2 times. Keep one."),
        ([PAIR, ByGroup("rater")], "residual: the variances by 'rater' are there 2 times. Keep one."),
        (
            [],
            "residual must be None, AR1(...), ByGroup(...), SameSession(...), Unstructured(...) or a list of them, got [].",
        ),
        (
            [SERIES, 3],
            "residual must be None, AR1(...), ByGroup(...), SameSession(...), Unstructured(...) or a list of them, got 3.",
        ),
        *(
            (part, f"residual: {part!r} does not name its columns; text, and for 'by' a list of text, is allowed.")
            for part in (AR1("day", 3), AR1(None, "client"), AR1("day", []), ByGroup(["arm", "rater"]))  # type: ignore[arg-type]
        ),
    ],
)
def test_senseless_structures_are_refused(residual: object, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_structures(residual)
    assert str(caught.value) == message


BAD_ROWS = [
    (
        {"residual": SERIES},
        "AR1: 107 rows have the session of another row of the same client; each may be there once. Drop repeated rows, "
        "or add what tells them apart to 'by'.",
    ),
    (
        {"residual": AR1(time="arm", by=["client", "rater"])},
        "AR1: arm must be numeric, but it holds 'a'. Number the sessions.",
    ),
    (
        {"residual": AR1(time="session", by=["client", "session", "rater"])},
        "AR1: every client, session, rater has one row; a serial correlation needs two. Drop AR1.",
    ),
    (
        {"residual": SameSession(rater="arm", by="client")},
        "SameSession: arm has 3 values (a, b, c); two raters are allowed.",
    ),
    (
        {"residual": SameSession(rater="rater", by="client")},
        "SameSession: 194 rows repeat a rater within the same client; each may rate once. Drop repeated rows, or add "
        "what tells them apart to 'by'.",
    ),
    (
        {"residual": SameSession(rater="rater", by=["client", "session", "rater"])},
        "SameSession: no client, session, rater was rated by both; a correlation of the raters needs such pairs. Use "
        "ByGroup.",
    ),
    (
        {"residual": [PAIR, AR1(time="time", by="rater")]},
        "AR1: 244 rows have the time of another row of the same rater; each may be there once. Drop repeated rows, or "
        "add what tells them apart to 'by'.",
    ),
    (
        {"residual": Unstructured(visit="client", by="session")},
        "Unstructured: client has 30 values; 2 to 12 are allowed. Use AR1 for long series.",
    ),
    (
        {"residual": Unstructured(visit="session", by="client")},
        "Unstructured: 107 rows repeat a session within the same client; each may be there once. Drop repeated rows.",
    ),
    (
        {"residual": Unstructured(visit="arm", by=["client", "session", "rater"])},
        "Unstructured: no client, session, rater has both arm a and b; their covariance cannot be estimated. Leave one "
        "of the two out.",
    ),
    (
        {"residual": PAIR, "df": "kenward-roger"},
        "df: Kenward–Roger under SameSession has not been checked against another program. Use 'satterthwaite'.",
    ),
    (
        {"residual": ByGroup("everyone")},
        "ByGroup: everyone has 1 level (same); a variance by level needs two. Drop it.",
    ),
    (
        {"residual": ByGroup("row")},
        "ByGroup: 254 of 254 levels of row have one row (first 0, 1, 2, 3, 4); a variance needs two or more. Put such "
        "levels together.",
    ),
    (
        {"residual": [ARMS, ByGroup("arm2")]},
        "residual: the variances by arm, arm2 cannot be told apart from each other or from those of the raters. "
        "Drop one.",
    ),
    (
        {"residual": [PAIR, ByGroup("rater2")]},
        "residual: the variances by rater2 cannot be told apart from each other or from those of the raters. Drop one.",
    ),
    ({"residual": ByGroup("nobody")}, "formula: 'nobody' is not a column of the data. Correct it or add the column."),
]


@pytest.mark.parametrize(("options", "message"), BAD_ROWS)
def test_rows_that_cannot_inform_a_structure_are_refused(options: dict, message: str, ratings: pd.DataFrame) -> None:
    copies = {"everyone": "same", "row": np.arange(len(ratings)), "arm2": ratings["arm"] * 2}
    frame = ratings.assign(**copies, rater2=ratings["rater"].map("rated by {}".format))
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ x + (1 | therapist)", frame, **options)
    assert str(caught.value) == message


def test_a_random_intercept_and_ar1_over_two_rows_a_client_are_told_to_be_one_thing(sessions: pd.DataFrame) -> None:
    pairs = sessions[sessions["time"] < 2].groupby("client").filter(lambda rows: len(rows) == 2)
    reason = "the data cannot tell apart the variance parameters of client and AR1"
    with pytest.warns(FitWarning, match=f"^{reason}; nothing may be reported from this fit. Drop one of them.$"):
        fit = fit_mixed("y ~ x + (1 | client)", pairs, residual=AR1("time", "client"))
    assert fit.withheld == {"(Intercept)": reason, "x": reason}


@pytest.mark.parametrize("gap", [7.0, 7.5])
def test_a_serial_correlation_of_zero_is_no_lack_of_identification(gap: float) -> None:
    rng = np.random.default_rng(4)
    noise, client = rng.standard_normal((40, 9)), np.repeat(np.arange(40), 8)
    moving = noise[:, 1:] - 0.4 * noise[:, :-1] * (gap > 7)  # neighbours correlate negatively, or not at all
    y = moving.ravel() + rng.standard_normal(40)[client]
    frame = pd.DataFrame({"client": client, "day": np.tile(np.arange(8), 40) * gap, "y": y})
    fit = fit_mixed("y ~ 1 + (1 | client)", frame, residual=AR1("day", "client"))
    assert abs(fit.residual_parameters()["estimate"].iloc[0]) ** gap < 0.05
    assert fit.withheld == {}


def test_raters_who_agree_in_everything_leave_nothing_to_report(sessions: pd.DataFrame) -> None:
    both = pd.concat([sessions.assign(rater="c"), sessions.assign(rater="t")], ignore_index=True)
    try:
        told = quiet_fit("y ~ x + (1 | client)", both, residual=SameSession("rater", ["client", "time"])).withheld
    except ModelError as error:  # which of the two depends on rounding
        assert str(error).startswith("y: no maximum of the likelihood can be found (")
    else:
        assert list(told) == ["(Intercept)", "x"]


def test_structures_across_the_innermost_group_and_crossed_groups_are_refused(ratings: pd.DataFrame) -> None:
    frame = rows_of("one", ratings)
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ x + (1 | arm:session)", frame, residual=SERIES)
    assert str(caught.value) == (
        "residual: rows of different groups would be correlated; the structure's groups must lie within those of the "
        "innermost random term. Use a coarser random term or a finer 'by'."
    )
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ x + (1 | client) + (1 | session)", frame, residual=SERIES)
    assert str(caught.value) == (
        "residual: with a residual structure the groups must be nested in each other, and these are crossed (a client "
        "who changes therapist is). Group by '(1 | therapist:client)', or leave the structure out."
    )


def test_random_effects_of_the_rows_whose_covariance_is_free_are_refused(ratings: pd.DataFrame) -> None:
    frame = rows_of("one", ratings)
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ x + (1 | client)", frame, residual=Unstructured(visit="session", by="client"))
    assert str(caught.value) == (
        "residual: Unstructured by client and the random terms of client describe the same covariances. Drop "
        "'(… | client)'."
    )
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ x + (1 | client:session)", ratings, residual=PAIR)
    assert str(caught.value) == (
        "residual: SameSession by client, session and the random terms of client:session describe the same "
        "covariances. Drop '(… | client:session)'."
    )


def test_a_formula_without_random_terms_needs_a_structure(ratings: pd.DataFrame) -> None:
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ x", ratings)
    assert str(caught.value) == "formula: it has no random term. Add one, for example '+ (1 | client)'."


def test_rows_without_a_time_are_left_out_and_counted(ratings: pd.DataFrame) -> None:
    frame = rows_of("one", ratings).astype({"session": float})
    frame.loc[:2, "session"] = np.nan
    fit = fit_mixed("y ~ x", frame, residual=SERIES)
    assert fit.dropped_by == {"session": 3}
    with pytest.raises(ModelError) as caught:
        fit_mixed("y ~ x", frame.assign(arm=frame["arm"].where(frame.index > 4)), residual=[SERIES, ARMS])
    assert str(caught.value) == (
        f"arm: 5 of {len(frame)} rows have no value; a grouping column must be complete. Drop those rows or fill in the "
        "group."
    )


def test_problems_without_structure_do_not_depend_on_the_path(ratings: pd.DataFrame) -> None:
    design = build_design(parse_formula("y ~ x + (1 + time | client) + (1 | therapist)"), ratings)
    nested, block = (build_problem(model_rows(design), "REML", path=path) for path in (None, "block"))
    assert (nested.path, block.path) == ("nested", "block")
    theta = np.array([0.5, 0.1, 0.2, 0.3])
    one, other = deviance(nested, theta), deviance(block, theta)
    assert one.value == pytest.approx(other.value, abs=1e-9)
    np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-8)
    np.testing.assert_allclose(one.D, other.D, rtol=1e-9, atol=1e-9)
