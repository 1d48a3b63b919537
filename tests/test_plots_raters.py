"""Figures of two raters: units on axes, nothing below the smallest group, and no client's own value."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from alliance_analysis.analyses.congruence import fit_congruence
from alliance_analysis.plots import raters


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(8)
    client, session = (a.ravel() for a in np.indices((80, 6)))
    usual = rng.normal(3.5, 0.5, 80)[client]
    own = {"alliance_client": usual + rng.normal(0, 0.3, 480), "alliance_therapist": usual + rng.normal(0, 0.3, 480)}
    return pd.DataFrame({"client": client, "session": session + 1, **own})


LIMITS = pd.DataFrame(
    {
        "term": ["mean difference", "lower limit", "upper limit"],
        "estimate": [0.0, -0.9, 0.9],
        "conf_low": [-0.1, -1, 0.8],
        "conf_high": [0.1, -0.8, 1],
    }
)
FORCES = pd.DataFrame(
    {"term": ["directional_bias", "truth_force_within", "truth_force_between"], "estimate": [-0.3, 0.4, 0.6]}
)
NAMES = ("alliance_client", "alliance_therapist")


def points(ax):
    """Every point of every mark, in data units: (n, 2)."""
    lines = [line.get_xydata() for line in ax.lines]
    areas = [path.vertices for mark in ax.collections for path in mark.get_paths()]
    return np.vstack([np.empty((0, 2)), *lines, *areas])


def surface(pairs):
    noise = np.random.default_rng(9).normal(size=len(pairs))
    data = pairs.assign(symptoms=(pairs[NAMES[0]] - pairs[NAMES[1]]) ** 2 + noise)
    return fit_congruence(data, "symptoms", *NAMES, random="(1 | client)", level="within")


def figures(pairs):
    return {
        "courses": raters.plot_both_courses(pairs, *NAMES, unit="WAI (1 to 5)"),
        "limits": raters.plot_limits_of_agreement(pairs, *NAMES, LIMITS, unit="WAI"),
        "truth": raters.plot_truth_and_bias(pairs, *NAMES[::-1], FORCES, labels={NAMES[0]: "Client: WAI"}),
        "surface": raters.plot_surface(surface(pairs), unit="CORE-10", rating="WAI points"),
    }


def test_axes_carry_units_and_raters(pairs):
    drawn = figures(pairs)
    assert drawn["courses"].get_ylabel() == "WAI (1 to 5)"
    assert drawn["limits"].get_ylabel() == "Difference, therapist minus client (WAI)"
    assert drawn["truth"].get_xlabel() == "Client: WAI"
    assert drawn["surface"].get_ylabel() == "Rating by the therapist (WAI points)"


def test_no_figure_draws_a_clients_own_values(pairs):
    x, y = (pairs[name].to_numpy() for name in NAMES)
    own = {
        "courses": np.vstack([np.column_stack([pairs["session"], values]) for values in (x, y)]),
        "limits": np.column_stack([(x + y) / 2, y - x]),
        "truth": pairs.groupby("client")[list(NAMES)].mean().to_numpy(),
        "surface": np.column_stack([x, y]) - np.concatenate([x, y]).mean(),
    }
    for name, ax in figures(pairs).items():
        together = np.isclose(points(ax)[:, None, :], own[name][None], rtol=0, atol=1e-9).all(axis=2)
        assert not together.any(), name


def test_cells_with_few_clients_stay_white(pairs):
    table, _, _ = raters._client_counts(
        pairs[NAMES[0]].to_numpy(), pairs[NAMES[1]].to_numpy(), pairs["client"].to_numpy(), 12
    )
    assert np.nanmin(table) >= 12
    assert np.isnan(table).any()


def test_a_surface_is_drawn_only_where_enough_clients_are_near(pairs):
    fit = surface(pairs)
    drawn = fit.predict_surface()
    assert np.isnan(drawn[0, 0]) or np.isnan(drawn[0, -1])
    noise = np.random.default_rng(9).normal(size=len(pairs))
    some = pairs.assign(symptoms=noise)[pairs["client"] < 25]
    few = fit_congruence(some, "symptoms", *NAMES, random="(1 | client)", min_cell=26)
    assert not few.support.inside.any()
    assert "not drawn" in raters.plot_surface(few).texts[0].get_text()


def test_a_refused_surface_says_so_in_both_figures():
    refused = SimpleNamespace(raters=("client", "therapist"), support=None)
    assert raters.plot_surface(refused).texts[0].get_text() == "no surface may be shown: not drawn"
    assert not raters.plot_surface_3d(refused).collections


def test_the_surface_in_three_dimensions_can_be_saved(pairs):
    buffer = io.StringIO()
    raters.plot_surface_3d(surface(pairs), unit="symptoms").figure.savefig(buffer, format="svg")
    assert "<svg" in buffer.getvalue()


def test_shares_of_two_raters_fill_their_bars():
    names = ["client ratings: therapist", "client ratings: rest", "therapist ratings: therapist"]
    table = pd.DataFrame({"term": [*names, "therapist ratings: rest"], "estimate": [0.1, 0.9, 0.2, 0.8]})
    ax = raters.plot_partition(table)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["client's ratings", "therapist's ratings"]
    assert sum(patch.get_width() for patch in ax.patches) == pytest.approx(200)


def test_truth_and_bias_without_forces_draws_points_and_identity_only(pairs):
    ax = raters.plot_truth_and_bias(pairs, *NAMES, FORCES.assign(estimate=np.nan))
    assert [line.get_label() for line in ax.lines][:1] == ["the same"]
    assert len(ax.lines) == 2
