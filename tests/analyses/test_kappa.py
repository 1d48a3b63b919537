"""Kappa: R's estimates, another program's interval, where psych's interval is wrong, and repeated ratings."""

import numpy as np
import pandas as pd
import pytest
from rated_study import golden
from statsmodels.stats.inter_rater import cohens_kappa

from alliance_analysis.analyses.jackknife import jackknife_error
from alliance_analysis.analyses.kappa import measure_kappa, quadratic_weights, weighted_kappa
from alliance_analysis.errors import ModelError

STEPS = [-np.inf, 4.5, 5, 5.5, 6, np.inf]
Z = 1.959963984540054


def categories():
    frame = golden("agreement")[1].dropna(subset=["wai_c", "wai_t"])
    return [pd.cut(frame[name], STEPS, labels=False).to_numpy() for name in ("wai_c", "wai_t")]


def counts():
    table = np.zeros((5, 5))
    np.add.at(table, tuple(categories()), 1.0)
    return table


def limits(estimate, error):
    return [estimate - Z * error, estimate + Z * error]


def ratings(n_clients=30, n_sessions=4, seed=1):
    rng = np.random.default_rng(seed)
    level = rng.integers(1, 6, n_clients).repeat(n_sessions)
    first, second = (np.clip(level + rng.integers(-1, 2, len(level)), 1, 5) for _ in range(2))
    return first, second, np.arange(n_clients).repeat(n_sessions)


def test_unweighted_kappa_and_its_interval_are_psychs():
    stored = golden("agreement")[0]["kappa"]
    estimate, error = weighted_kappa(counts(), np.eye(5))
    assert estimate == pytest.approx(stored["unweighted"], rel=1e-8)
    low, _, high = stored["ci"]["values"][0]
    assert limits(estimate, error) == pytest.approx([low, high], rel=1e-8)


def test_weighted_kappa_is_psychs_and_its_interval_is_statsmodels():
    estimate, error = weighted_kappa(counts(), quadratic_weights(np.arange(5.0)))
    assert estimate == pytest.approx(golden("agreement")[0]["kappa"]["quadratic"], rel=1e-8)
    other = cohens_kappa(counts(), wt="quadratic")
    assert [estimate, error] == pytest.approx([other.kappa, other.std_kappa], rel=1e-10)


def test_the_weighted_interval_of_psych_comes_from_row_weights_that_are_transposed():
    """psych has rowSums(w * rs), where the mean weight of a column, w %*% rs, is meant."""
    stored = golden("agreement")[0]["kappa"]
    shares, w = counts() / counts().sum(), quadratic_weights(np.arange(5.0))
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    expected, kappa = rows @ w @ columns, stored["quadratic"]

    def error(of_rows):
        typical = (w @ columns)[:, None] + of_rows
        inside = (shares * (w - typical * (1 - kappa)) ** 2).sum() - (kappa - expected * (1 - kappa)) ** 2
        return np.sqrt(inside / counts().sum()) / (1 - expected)

    low, _, high = stored["ci"]["values"][1]
    assert limits(kappa, error((w * rows[:, None]).sum(axis=1))) == pytest.approx([low, high], rel=1e-8)
    assert error(w @ rows) == pytest.approx(weighted_kappa(counts(), w)[1], rel=1e-10)
    assert abs(limits(kappa, error(w @ rows))[0] - low) > 0.004


def test_quadratic_kappa_is_one_minus_squared_differences_over_those_of_chance():
    first, second, clients = ratings()
    chance = ((first[:, None] - second) ** 2).mean()
    expected = 1 - ((first - second) ** 2).mean() / chance
    assert measure_kappa(first, second, clients).estimate == pytest.approx(expected, rel=1e-12)


def test_an_answer_step_that_nobody_used_still_takes_its_place():
    first, second = np.array([1, 1, 2, 5, 5, 2]), np.array([1, 2, 5, 5, 2, 1])
    chance = ((first[:, None] - second) ** 2).mean()
    expected = 1 - ((first - second) ** 2).mean() / chance
    found = measure_kappa(first, second, np.arange(6))
    assert found.estimate == pytest.approx(expected, rel=1e-12)
    assert found.n_categories == 3


def test_sessions_of_one_client_are_left_out_together():
    first, second, clients = ratings()
    found = measure_kappa(first, second, clients)
    rows = np.stack([first.reshape(-1, 4), second.reshape(-1, 4)], axis=1)
    expected = jackknife_error(
        lambda r: measure_kappa(r[:, 0].ravel(), r[:, 1].ravel(), np.arange(4 * len(r))).estimate, rows
    )
    assert found.std_error == pytest.approx(expected, rel=1e-10)
    assert found.df == 29.0


def test_one_rating_per_client_has_the_closed_form_of_independent_pairs():
    first, second, _ = ratings(120, 1)
    found = measure_kappa(first, second, np.arange(120))
    other = cohens_kappa(pd.crosstab(first, second).to_numpy(), wt="quadratic")
    assert [found.estimate, found.std_error] == pytest.approx([other.kappa, other.std_kappa], rel=1e-10)
    assert found.df == np.inf


@pytest.mark.parametrize(
    "change",
    [
        lambda a, b, c: (b, a, c),
        lambda a, b, c: (10 * a + 3, 10 * b + 3, c),
        lambda a, b, c: (a[::-1], b[::-1], c[::-1]),
    ],
)
def test_swapped_raters_other_numbers_for_the_steps_and_order_change_nothing(change):
    before, after = measure_kappa(*ratings()), measure_kappa(*change(*ratings()))
    assert [after.estimate, after.std_error] == pytest.approx([before.estimate, before.std_error], rel=1e-10)


def test_ratings_that_all_agree_in_one_step_have_no_kappa():
    table = np.zeros((3, 3))
    table[2, 2] = 40
    assert np.isnan(weighted_kappa(table, np.eye(3))).all()


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (
            np.arange(12),
            "measure_kappa: the scores take 12 different values; 2 to 10 ordered categories are needed. Use an intraclass "
            "correlation for means and sums of items.",
        ),
        (
            np.full(12, 5),
            "measure_kappa: the scores take 1 different values; 2 to 10 ordered categories are needed. Use an intraclass "
            "correlation for means and sums of items.",
        ),
        (
            np.array([3, 4, *[5] * 10]),
            "measure_kappa: all ratings but those of one client are the same; ratings that differ in several clients are "
            "needed. Describe the ratings instead.",
        ),
    ],
)
def test_scores_that_are_no_categories_or_hardly_differ_are_refused(first, message):
    with pytest.raises(ModelError) as error:
        measure_kappa(first, first, np.repeat(np.arange(6), 2))
    assert str(error.value) == message
