"""Deletion of clients and therapists against the same deletion done the long way, in R and on dense matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed.fit import MixedFit, fit_mixed

FORMULA = "y ~ time + x + arm + (1 | therapist) + (1 + time | client)"
# R: fixef(lmer(formula, d[d$client != 2, ])) - fixef(m); and with V held: solve(X'V^-1 X, X'V^-1 y) on the other rows.
DELETED = [
    (
        "client",
        2,
        [0.00248382192889, 0.00780842166886, 0.00403957562989, -0.02115558610829, -0.18286962413647],
        [-0.004162444866324, 0.007998805188196, 0.003894004004353, 0.000393401948503, -0.187395899287718],
        0.0167868309681,
    ),
    (
        "therapist",
        3,
        [0.1518607419922, -0.0567965941464, 0.0439296438806, -0.1434628365670, -0.2503746584738],
        [0.1687976313875, -0.0573164515520, 0.0429465283954, -0.1844313910613, -0.2535088110108],
        0.1159439618,
    ),
]


@pytest.fixture(scope="module")
def fit(arms: pd.DataFrame) -> MixedFit:
    return fit_mixed(FORMULA, arms)


def covariance_of_rows(fit: MixedFit) -> np.ndarray:
    V = np.eye(len(fit.design.y)) * fit.sigma**2
    for block, G in zip(fit.design.random, fit.covariances, strict=True):
        V += block.Z @ G @ block.Z.T * (block.codes[:, None] == block.codes[None, :])
    return V


@pytest.mark.parametrize(("group", "level", "refitted", "held", "distance"), DELETED)
def test_deletion_agrees_with_r(
    fit: MixedFit, group: str, level: int, refitted: list[float], held: list[float], distance: float
) -> None:
    row = fit.influence(group).loc[level]
    np.testing.assert_allclose(row.filter(like="change_").astype(float), held, atol=1e-6)
    assert row["cooks_distance"] == pytest.approx(distance, rel=1e-5)
    again = fit.influence(group, refit=True).loc[level]
    np.testing.assert_allclose(again.filter(like="change_").astype(float), refitted, atol=2e-5)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ time + (1 + time | client)",
        "y ~ time + x + (1 + time | therapist) + (1 + x || client)",
        "y ~ time + x + (1 | therapist) + (1 | item)",
    ],
)
def test_every_deletion_equals_the_dense_one(arms: pd.DataFrame, formula: str) -> None:
    fit = fit_mixed(formula, arms)
    X, y, V = fit.design.X, fit.design.y, covariance_of_rows(fit)
    for group, block in fit.design.groups.items():
        own = fit.influence(group)
        assert own["n"].sum() == len(y)
        for level in (0, block.n_levels - 1):
            keep = block.codes != level
            weighted = np.linalg.solve(V[np.ix_(keep, keep)], np.column_stack([X[keep], y[keep]]))
            beta = np.linalg.solve(X[keep].T @ weighted[:, :-1], X[keep].T @ weighted[:, -1])
            change = own.loc[level].filter(like="change_").astype(float)
            np.testing.assert_allclose(change, beta - fit.estimates.estimate, atol=1e-8)


def test_a_term_that_one_therapist_carries_alone_is_missing_without_him(arms: pd.DataFrame) -> None:
    alone = arms.assign(alone=((arms["therapist"] == 4) & (arms["client"] % 2 == 0)).astype(float))
    fit = fit_mixed("y ~ time + alone + (1 | therapist) + (1 | client)", alone)
    for refit in (False, True):
        missing = fit.influence("therapist", refit=refit)["change_alone"].isna()
        assert missing.to_numpy().nonzero()[0].tolist() == [4]


def test_unknown_group_is_refused(fit: MixedFit) -> None:
    with pytest.raises(ModelError) as caught:
        fit.influence("clients")
    assert (
        str(caught.value)
        == "influence: 'clients' is not a grouping factor of the model; its factors are therapist, client."
    )
