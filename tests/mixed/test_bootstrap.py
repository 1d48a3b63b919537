"""The parametric bootstrap: reproducible, and as wide as theory says."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import FitWarning, ModelError
from alliance_analysis.mixed.bootstrap import Replicate, draw_outcomes
from alliance_analysis.mixed.fit import MixedFit, fit_mixed
from alliance_analysis.mixed.profile import Source

SLOPES = "y ~ time + x + (1 | therapist) + (1 + time | client)"


@pytest.fixture(scope="module")
def fit(arms: pd.DataFrame) -> MixedFit:
    return fit_mixed(SLOPES, arms)


def test_each_replicate_is_the_fit_to_its_outcome(fit: MixedFit, arms: pd.DataFrame) -> None:
    own = fit.bootstrap(3, seed=4)
    source = Source(fit.design, fit.problem, fit.solution, None)
    for draws, outcome in zip(own.draws, draw_outcomes(source, 3, 4), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            whole = fit_mixed(SLOPES, arms.assign(y=outcome))
        np.testing.assert_allclose(draws[:3], whole.estimates.estimate, atol=2e-3 * whole.estimates.std_error.min())
        assert draws[list(own.names).index("sigma")] == pytest.approx(whole.sigma, rel=1e-4)


def test_replicates_depend_on_seed_and_number_only(fit: MixedFit) -> None:
    six = fit.bootstrap(6, seed=4)
    np.testing.assert_array_equal(six.draws[:3], fit.bootstrap(3, seed=4).draws)
    assert not np.isclose(six.draws[:3], fit.bootstrap(3, seed=5).draws).all(axis=0).any()


def test_spread_is_that_of_the_standard_errors(fit: MixedFit) -> None:
    seen: list[tuple[int, int]] = []
    own = fit.bootstrap(200, progress=lambda done, total: seen.append((done, total)))
    table = own.tidy().set_index("term")
    assert table.columns.tolist() == [
        "kind",
        "estimate",
        "std_error",
        "bias",
        "conf_low",
        "conf_high",
        "n",
        "n_failed",
        "n_singular",
    ]
    assert seen[-1] == (200, 200)
    assert len(seen) == 200
    ratio = table.loc[list(fit.estimates.terms), "std_error"] / fit.estimates.std_error
    assert ratio.between(0.83, 1.17).all()  # 200 draws: relative error of a standard deviation .05
    assert table["n"].eq(200 - own.n_failed).all()
    assert own.n_failed == 0
    assert own.n_singular > 10  # nine therapists with a small variance
    inside = table["estimate"].between(table["conf_low"], table["conf_high"])
    assert inside.all()


def test_a_statistic_gets_intervals_of_its_own(fit: MixedFit) -> None:
    def share(found: Replicate) -> Mapping[str, float]:
        variance = found.covariances[0][0, 0]
        return {"share": variance / (variance + found.sigma**2)}

    table = fit.bootstrap(20, statistic=share).tidy().set_index("term")
    variance = fit.covariances[0][0, 0]
    assert table.loc["share", "kind"] == "statistic"
    assert table.loc["share", "estimate"] == pytest.approx(variance / (variance + fit.sigma**2))
    assert table.loc["share", ["conf_low", "conf_high"]].astype(float).between(0, 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 1}, "bootstrap: n must be a whole number of at least 2, got 1. Use 1000 for intervals."),
        ({"n": 10.5}, "bootstrap: n must be a whole number of at least 2, got 10.5. Use 1000 for intervals."),
        ({"n": 10, "seed": -1}, "bootstrap: seed must be a whole number of at least 0, got -1."),
    ],
)
def test_requests_without_sense_are_refused(fit: MixedFit, options: dict, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        fit.bootstrap(**options)
    assert str(caught.value) == message
