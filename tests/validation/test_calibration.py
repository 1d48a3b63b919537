"""Coverage under residual structures: the simulation is reproducible, and intervals hold what they promise."""

import pandas as pd
import pytest

from alliance_analysis.validation.calibration import COLUMNS, SCENES, simulate_calibration


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_same_seed_gives_the_same_table(scene):
    first, second = (simulate_calibration(scene, n_datasets=3, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert list(first.columns) == COLUMNS
    assert set(scene.truth) <= set(first["term"])


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_intervals_under_every_residual_structure_cover_nearly_95_percent(scene):
    table = simulate_calibration(scene, n_datasets=200)
    # 200 data sets: one Monte Carlo standard error at .95 is .015
    assert table["covered"].between(0.90, 0.995).all(), table[["term", "covered"]].to_string()
