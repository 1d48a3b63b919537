"""Predictions against lme4 and Henderson's formulas in R, and new rows coded as the fit coded its own."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.fit import MixedFit, fit_mixed

FORMULA = "y ~ time + x + arm + (1 | therapist) + (1 + time | client)"
NEW = pd.DataFrame({"time": [0, 3], "x": [1, -1], "arm": ["b", "c"], "therapist": [0, 8], "client": [2, 44]})
# R 4.2.2, lme4 1.1-31: predict(m, new, re.form = NA), predict(m, new), contest1D; the errors of "known" and "new" from
# G - GZ'PZG and x - GZ'PX with P = solve(V), all dense.
EXPECTED = {
    "fixed": ([12.5888008449, 10.9124339852], [0.693640923223, 0.710439277279], [33.8772570398, 38.0877829392]),
    "known": ([14.5675095673, 11.4548609358], [1.395435698998, 0.809970057684], [np.inf, np.inf]),
    "new": ([12.5888008449, 10.9124339852], [2.91490684567, 3.29027840674], [np.inf, np.inf]),
}
# as.data.frame(ranef(m, condVar = TRUE))
DEVIATIONS = [
    ("client", 0, "(Intercept)", 1.8461511142835, 1.046081749263),
    ("client", 1, "time", 0.6943991622471, 0.290678212316),
    ("therapist", 0, "(Intercept)", 0.0884705449808, 0.576044601514),
    ("therapist", 8, "(Intercept)", 0.2709210703561, 0.577776863167),
]


@pytest.fixture(scope="module")
def fit(arms: pd.DataFrame) -> MixedFit:
    return fit_mixed(FORMULA, arms)


@pytest.mark.parametrize("effects", list(EXPECTED))
def test_predictions_and_their_errors_agree_with_r(fit: MixedFit, effects: str) -> None:
    estimate, std_error, df = EXPECTED[effects]
    own = fit.predict(NEW, effects=effects)
    np.testing.assert_allclose(own["estimate"], estimate, rtol=1e-7)
    np.testing.assert_allclose(own["std_error"], std_error, rtol=1e-6)
    np.testing.assert_allclose(own["df"], df, rtol=1e-5)


@pytest.mark.parametrize(("group", "level", "term", "estimate", "deviation"), DEVIATIONS)
def test_random_effects_have_the_deviations_of_lme4(
    fit: MixedFit, group: str, level: int, term: str, estimate: float, deviation: float
) -> None:
    row = fit.random_effects().set_index(["group", "level", "term"]).loc[(group, level, term)]
    assert row["estimate"] == pytest.approx(estimate, abs=1e-6)
    assert row["std_error"] == pytest.approx(deviation, rel=1e-6)


def test_rows_of_the_fit_are_its_fitted_values(fit: MixedFit, arms: pd.DataFrame) -> None:
    np.testing.assert_allclose(fit.predict(effects="known")["estimate"], fit.fitted(), rtol=1e-12)
    for effects in ("fixed", "known", "new"):
        pd.testing.assert_frame_equal(fit.predict(arms, effects=effects), fit.predict(effects=effects))


@pytest.mark.parametrize("wanted", ["scale(time) * arm", "poly(time, 2) + C(item)", "bs(x, df=4) + arm:log(time + 1)"])
def test_new_rows_are_coded_with_the_statistics_of_the_fit(arms: pd.DataFrame, wanted: str) -> None:
    fit = fit_mixed(f"y ~ {wanted} + (1 | therapist) + (1 + center(time) || client)", arms)
    some = arms.iloc[[3, 100, 200]]
    for effects in ("fixed", "known", "new"):
        own, whole = fit.predict(some, effects=effects), fit.predict(effects=effects).iloc[[3, 100, 200]]
        pd.testing.assert_frame_equal(own, whole.reset_index(drop=True), rtol=1e-10)


def test_level_order_of_a_factor_is_kept(arms: pd.DataFrame) -> None:
    ordered = pd.Categorical(arms["arm"], categories=["c", "a", "b"], ordered=True)
    fit = fit_mixed("y ~ time + arm + (1 | client)", arms.assign(arm=ordered))
    assert fit.estimates.terms[2:] == ("arm[a]", "arm[b]")
    alone = fit.predict(pd.DataFrame({"time": [1.0], "arm": ["b"]})).loc[0, "estimate"]
    assert alone == pytest.approx(fit.estimates.estimate @ [1, 1, 0, 1])


def test_numbers_of_groups_may_be_text(arms: pd.DataFrame) -> None:
    text = arms.assign(client="c" + arms["client"].astype(str), therapist=pd.Categorical(arms["therapist"]))
    formula = "y ~ time + (1 | therapist/client)"
    own = fit_mixed(formula, text).predict(text.iloc[:4], effects="known")
    pd.testing.assert_frame_equal(own, fit_mixed(formula, arms).predict(arms.iloc[:4], effects="known"), rtol=1e-8)


def test_missing_predictors_give_missing_predictions(fit: MixedFit) -> None:
    for effects in ("fixed", "known", "new"):
        own = fit.predict(NEW.assign(x=[np.nan, -1.0]), effects=effects)
        assert own.isna().all(axis=1).tolist() == [True, False]
    assert fit.predict(NEW.iloc[:0]).empty
    assert fit.predict(NEW.assign(arm=[None, None]))["estimate"].isna().all()


def test_intervals_of_new_clients_cover_new_clients(arms: pd.DataFrame) -> None:
    inside = []
    for therapist in range(9):
        part, rest = arms[arms["therapist"] == therapist], arms[arms["therapist"] != therapist]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own = fit_mixed(FORMULA, rest).predict(part, effects="new")
        inside.append(part["y"].reset_index(drop=True).between(own["conf_low"], own["conf_high"]))
    assert 0.9 < pd.concat(inside).mean() < 0.99


@pytest.mark.parametrize(
    ("change", "effects", "message"),
    [
        (
            {"arm": ["b", "d"]},
            "fixed",
            "predict: arm has levels the fit does not know (d); it knows a, b, c. Drop those rows.",
        ),
        (
            {"client": [2, 99]},
            "known",
            "predict: 1 of 2 rows have a client the fit does not know. Use effects='new' for them, or effects='fixed'.",
        ),
        ({}, "mean", "predict: effects must be 'fixed', 'known' or 'new', got 'mean'."),
        (
            {"x": ["1", "two"]},
            "fixed",
            "predict: 'x' must hold numbers, as in the fit (could not convert string to float: 'two'). Recode it.",
        ),
    ],
)
def test_what_cannot_be_predicted_is_refused(fit: MixedFit, change: dict, effects: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        fit.predict(NEW.assign(**change), effects=effects)
    assert str(caught.value) == message


def test_missing_columns_are_named(fit: MixedFit) -> None:
    with pytest.raises(ModelError) as caught:
        fit.predict(NEW.rename(columns={"time": "times"}))
    assert str(caught.value) == "predict: 'time' is not a column of the new rows; nearest: times. Add it."
    with pytest.raises(ModelError) as caught:
        fit.predict(NEW.drop(columns="client"), effects="known")
    assert str(caught.value) == "predict: 'client' is not a column of the new rows. Add it."
    with pytest.raises(ModelError) as caught:
        fit.predict({"time": [1]})
    assert str(caught.value) == "predict: new must be a pandas DataFrame, got dict."
