"""Cross-products per block: which levels share one, and that centring and scaling map back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.errors import ModelError
from alliance_analysis.mixed import connected
from alliance_analysis.mixed.crossproducts import Problem, build_problem
from alliance_analysis.mixed.design import Design, build_design
from alliance_analysis.mixed.formula import parse_formula
from alliance_analysis.mixed.refits import model_rows

SLOPES = "y ~ time + x + (1 + time | client) + (1 | therapist)"


def prepare(formula: str, frame: pd.DataFrame) -> tuple[Design, Problem]:
    design = build_design(parse_formula(formula), frame)
    return design, build_problem(model_rows(design), "REML", path="block")


def test_blocks_are_the_coarsest_groups_that_share_no_row(sessions: pd.DataFrame) -> None:
    _, problem = prepare("y ~ 1 + (1 | client) + (1 | therapist)", sessions)
    assert sum(len(batch.ZZ) for batch in problem.batches) == sessions["therapist"].nunique()
    _, problem = prepare("y ~ 1 + (1 | client)", sessions)
    assert [len(batch.ZZ) for batch in problem.batches] == [sessions["client"].nunique()]


def test_a_client_who_changes_therapist_ties_two_therapists_into_one_block(sessions: pd.DataFrame) -> None:
    changed = sessions.copy()
    changed.loc[changed["client"].eq(0) & changed["time"].gt(4), "therapist"] = 5
    _, problem = prepare("y ~ 1 + (1 | client) + (1 | therapist)", changed)
    assert sum(len(batch.ZZ) for batch in problem.batches) == sessions["therapist"].nunique() - 1


def test_internal_columns_are_orthogonal_and_map_back(sessions: pd.DataFrame) -> None:
    design, problem = prepare(SLOPES, sessions)
    p = problem.p
    np.testing.assert_allclose(problem.UU[:p, :p] / problem.n, np.eye(p), atol=1e-12)
    np.testing.assert_allclose(problem.UU[:p, p], 0, atol=1e-9)
    ols = np.linalg.lstsq(design.X, design.y, rcond=None)[0]
    np.testing.assert_allclose(problem.offset, ols, rtol=1e-9)


def test_a_block_too_large_for_a_dense_matrix_is_refused(
    sessions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connected, "MAX_BLOCK", 50)
    with pytest.raises(ModelError) as caught:
        prepare("y ~ 1 + (1 | client) + (1 | time)", sessions)
    assert str(caught.value) == (
        "random terms: 57 random effects hang together in one block of crossed groups; at most 50 can be fitted. "
        "Drop a crossed grouping factor."
    )
