"""Which groups are nested, and that chunks, row order and the start on a part change no number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.mixed import nesting
from alliance_analysis.mixed.crossproducts import Problem, build_problem
from alliance_analysis.mixed.design import build_design
from alliance_analysis.mixed.fit import fit_mixed
from alliance_analysis.mixed.formula import parse_formula
from alliance_analysis.mixed.likelihood import deviance
from alliance_analysis.mixed.nesting import find_nest
from alliance_analysis.mixed.optimise import maximise_likelihood
from alliance_analysis.mixed.refits import model_rows
from alliance_analysis.mixed.warmstart import take_part

SLOPES = "y ~ time + x + (1 + time | client) + (1 | therapist)"
THETA = np.array([0.8, 0.1, 0.3, 0.5])


def prepare(frame: pd.DataFrame, formula: str = SLOPES) -> Problem:
    return build_problem(model_rows(build_design(parse_formula(formula), frame)), "REML")


@pytest.fixture
def many(simulate_sessions: Callable) -> pd.DataFrame:
    return simulate_sessions(20, 6, 5, seed=4)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nesting, "CHUNK", 20)
    monkeypatch.setattr(nesting, "FIRST", 20)


def test_levels_are_found_from_the_innermost_out() -> None:
    client, therapist = np.array([0, 0, 1, 2, 2, 3]), np.array([0, 0, 0, 1, 1, 1])
    nest = find_nest([therapist, client, client.copy()])
    assert nest is not None
    assert nest.terms == ((1, 2), (0,))
    assert nest.order is None
    assert [starts.tolist() for starts in nest.starts] == [[0, 2, 3, 5], [0, 3]]


def test_scattered_rows_are_ordered() -> None:
    client, therapist = np.array([3, 0, 2, 1, 0, 2]), np.array([1, 0, 1, 0, 0, 1])
    nest = find_nest([client, therapist])
    assert nest is not None
    assert nest.order is not None
    assert client[nest.order].tolist() == [0, 0, 1, 2, 2, 3]
    assert [labels.tolist() for labels in nest.labels] == [[0, 1, 2, 3], [0, 1]]


@pytest.mark.parametrize(
    "codes",
    [
        [np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])],  # crossed
        [np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1])],  # a client with two therapists
    ],
)
def test_groups_that_are_not_nested_are_left_to_the_other_path(codes: list[np.ndarray]) -> None:
    assert find_nest(codes) is None


def test_chunks_hold_whole_outermost_groups_and_change_nothing(
    many: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(many)
    monkeypatch.setattr(nesting, "CHUNK", 20)
    monkeypatch.setattr(nesting, "FIRST", 20)
    cut = prepare(many)
    assert len(whole.chunks) == 1
    assert len(cut.chunks) > 3
    assert sum(chunk.n for chunk in cut.chunks) == len(many)
    for chunk in cut.chunks:
        rows = many.iloc[chunk.plan.rows]
        assert not set(rows["therapist"]) & set(many.drop(rows.index)["therapist"])
    one, other = deviance(whole, THETA), deviance(cut, THETA)
    assert one.value == pytest.approx(other.value, abs=1e-9)
    np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-9)


def test_a_start_on_a_part_leads_to_the_same_maximum(many: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = maximise_likelihood(prepare(many))
    monkeypatch.setattr(nesting, "CHUNK", 20)
    monkeypatch.setattr(nesting, "FIRST", 40)
    problem = prepare(many)
    part = take_part(problem)
    assert part is not None
    assert 0 < part.n < problem.n
    warm = maximise_likelihood(problem)
    assert warm.converged
    assert warm.deviance.value == pytest.approx(plain.deviance.value, abs=1e-8)
    np.testing.assert_allclose(warm.theta, plain.theta, atol=1e-6)
    np.testing.assert_allclose(warm.hessian, plain.hessian, rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("small_chunks")
def test_a_part_that_cannot_be_fitted_is_no_obstacle(many: pd.DataFrame) -> None:
    # The first chunk has a single office: its effect cannot be estimated there.
    frame = many.assign(office=(many["therapist"] >= 10).astype(float))
    fit = fit_mixed("y ~ time + office + (1 | client) + (1 | therapist)", frame)
    assert fit.converged


def test_small_problems_have_no_part(sessions: pd.DataFrame) -> None:
    assert take_part(prepare(sessions)) is None


@pytest.mark.parametrize("label", [int, lambda i: 10**12 * (7 * i % 53), lambda i: float(i) / 3, "c{:03d}".format])
def test_the_kind_of_label_changes_nothing(label: Callable, sessions: pd.DataFrame) -> None:
    own = fit_mixed(SLOPES, sessions)
    other = fit_mixed(SLOPES, sessions.assign(client=sessions["client"].map(label)))
    assert other.log_lik == pytest.approx(own.log_lik, abs=1e-8)
    pd.testing.assert_frame_equal(other.tidy(), own.tidy(), rtol=1e-6)


@pytest.mark.usefixtures("small_chunks")
def test_effects_find_their_groups_in_every_chunk(many: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled = many.sample(frac=1, random_state=3)
    cut = fit_mixed(SLOPES, shuffled)
    monkeypatch.setattr(nesting, "CHUNK", 10_000)
    whole = fit_mixed(SLOPES, many)
    pd.testing.assert_frame_equal(cut.random_effects(), whole.random_effects(), atol=1e-5)
